package points

import (
	"context"
	"net"
	"syscall"

	"github.com/counterfoil-pos/counterfoil/agent"
)

// Network has the acquirers dialled through here. What it does besides is what
// agent/link does by itself.
func Network(acquirers []agent.AcquirerOptions) {
	for i := range acquirers {
		acquirers[i].Dial = dial
	}
}

func dial(ctx context.Context, _ int, addr string) (out net.Conn, err error) {
	err = around(Dial, addr, func() error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		tcp := c.(*net.TCPConn)
		out = &conn{TCPConn: tcp}
		return tcp.SetLinger(0)
	})
	return out, err
}

// conn is a connection. One goroutine reads it, one writes it.
type conn struct {
	*net.TCPConn
	dies bool // before the next read: half of what arrived was handed up
}

func (c *conn) Write(p []byte) (int, error) {
	switch the.pass(Send, "") {
	case Before:
		die()
	case Inside:
		_, _ = c.TCPConn.Write(p[:len(p)/2])
		die()
	case After:
		defer die()
	case EIO: // half of it may have left
		_, _ = c.TCPConn.Write(p[:len(p)/2])
		_ = c.Close()
		return len(p) / 2, syscall.ECONNRESET
	}
	return c.TCPConn.Write(p)
}

func (c *conn) Read(p []byte) (int, error) {
	if c.dies {
		die()
	}
	n, err := c.TCPConn.Read(p)
	if n == 0 {
		return n, err
	}
	switch the.pass(Receive, "") {
	case Before:
		die()
	case Inside:
		c.dies = true
		return (n + 1) / 2, nil
	case After: // handed up and used: the next read comes when it has been
		c.dies = true
	case EIO:
		_ = c.Close()
		return 0, syscall.ECONNRESET
	}
	return n, err
}
