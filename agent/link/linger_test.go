package link

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// A request that was in the kernel when its connection was given up must not
// arrive later, behind its own reversal (C.15).
func TestClosedConnectionTakesItsBytesAlong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := dialTCP(context.Background(), 0, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	// The peer does not read: fill its buffer and ours.
	if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	written := 0
	for chunk := make([]byte, 1<<16); ; {
		n, err := c.Write(chunk)
		written += n
		if err != nil {
			break
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := peer.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, bufio.NewReader(peer))
	if err == nil {
		t.Fatalf("the peer saw an orderly end after %d of %d bytes: what was undelivered was delivered after the close", n, written)
	}
	if n >= int64(written) {
		t.Fatalf("all %d bytes arrived", written)
	}
}
