package frame

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// Conn reads and writes frames on a connection. One goroutine may read while
// others write; writes are put in order.
type Conn struct {
	c      net.Conn
	format Format
	r      *bufio.Reader // holds one whole frame, so memory is bounded

	mu  sync.Mutex // orders writers
	buf []byte
}

// ErrNotWritten says that a frame never reached the connection: it is certain
// that not one byte of it left.
var ErrNotWritten = errors.New("frame was not handed to the connection")

// NewConn frames c. It allocates one frame of format's bound and never more
// for reading.
func NewConn(c net.Conn, format Format) *Conn {
	return &Conn{c: c, format: format, r: bufio.NewReaderSize(c, format.Length.size()+min(format.max(), format.Length.limit()))}
}

// Read returns the body of the next frame, in memory of its own. It waits no
// longer than deadline; a zero deadline is refused, since every wait has one.
//
// A timeout (os.ErrDeadlineExceeded) loses nothing: the next Read goes on
// where this one stopped, in mid-frame too. io.EOF means that the peer closed
// between frames, io.ErrUnexpectedEOF that it closed inside one, ErrLength
// that the stream is no longer a sequence of frames; after any of these the
// connection is of no more use.
func (c *Conn) Read(deadline time.Time) ([]byte, error) {
	if err := c.setDeadline(deadline, c.c.SetReadDeadline); err != nil {
		return nil, fmt.Errorf("reading a frame: %w", err)
	}
	h := c.format.Length.size()
	head, err := c.peek(h)
	if err != nil {
		return nil, err
	}
	n, err := c.format.length(head)
	if err != nil {
		return nil, fmt.Errorf("reading a frame: %w", err)
	}
	whole, err := c.peek(h + n)
	if err != nil {
		return nil, err
	}
	body := slices.Clone(whole[h+c.format.prefix():])
	_, _ = c.r.Discard(h + n) // cannot fail: it is buffered
	return body, nil
}

// peek waits for n buffered bytes. Peeking instead of reading is what makes a
// timeout harmless.
func (c *Conn) peek(n int) ([]byte, error) {
	b, err := c.r.Peek(n)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, io.EOF) && len(b) > 0:
		return nil, fmt.Errorf("reading a frame: closed after %d of %d bytes: %w", len(b), n, io.ErrUnexpectedEOF)
	default:
		return nil, fmt.Errorf("reading a frame: %w", err)
	}
}

// Write sends one frame and returns how many bytes of it were handed to the
// connection, no later than deadline; a zero deadline is refused.
//
// ErrNotWritten means that nothing was: the body does not fit a frame, the
// deadline had passed, or the connection was closed. After any other error it
// is not known what left, even where n is 0, and part of a frame may be on
// its way: close the connection.
func (c *Conn) Write(deadline time.Time, body []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf, err = c.format.Append(c.buf[:0], body)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	defer clear(c.buf) // card data
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		return 0, fmt.Errorf("%w: %w", ErrNotWritten, os.ErrDeadlineExceeded)
	}
	if err := c.setDeadline(deadline, c.c.SetWriteDeadline); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	n, err = c.c.Write(c.buf)
	if err != nil {
		return n, fmt.Errorf("writing a frame: %w", err)
	}
	return n, nil
}

func (c *Conn) setDeadline(t time.Time, set func(time.Time) error) error {
	if t.IsZero() {
		return errors.New("no deadline given")
	}
	return set(t)
}

// Buffered is how many bytes have arrived that no Read has returned: after a
// timeout, those of an unfinished frame. It is for the reading goroutine.
func (c *Conn) Buffered() int { return c.r.Buffered() }

// Linger makes a later Close orderly on a connection that was set to drop
// what is undelivered; others stay as they are.
func (c *Conn) Linger() {
	if l, ok := c.c.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(-1) // at worst the close is abrupt
	}
}

// Close closes the connection and frees whoever reads or writes.
func (c *Conn) Close() error { return c.c.Close() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }
