package link

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// route is one address and what is known of it.
type route struct {
	link  *Link
	index int
	addr  string
	queue *queue // persistent only

	alive atomic.Int64 // connections of their own that are in use

	statusMu sync.Mutex // held through the callback, so that changes arrive in order
	known    bool
	up       atomic.Bool
}

func newRoute(l *Link, index int, addr string) *route {
	r := &route{link: l, index: index, addr: addr, queue: newQueue(l.cfg.QueueLimit)}
	r.up.Store(!l.cfg.Persistent)
	return r
}

func (r *route) isUp() bool { return r.up.Load() }

// status tells the handler of a change.
func (r *route) status(up bool, err error) {
	r.statusMu.Lock()
	defer r.statusMu.Unlock()
	if r.known && r.up.Load() == up {
		return
	}
	r.known = true
	r.up.Store(up)
	r.link.h.Status(r.index, up, err)
}

// connect opens a connection, TLS included. Nothing of a message has left when
// it fails.
func (r *route) connect(life context.Context, deadline time.Time) (*frame.Conn, error) {
	cfg := &r.link.cfg
	ctx, cancel := context.WithDeadline(life, earlier(deadline, time.Now().Add(cfg.DialTimeout)))
	defer cancel()
	c, err := cfg.Dial(ctx, r.index, r.addr)
	if err != nil {
		return nil, r.explain("connecting", err)
	}
	if cfg.TLS != nil {
		t := tls.Client(c, r.tlsConfig())
		if err := t.HandshakeContext(ctx); err != nil {
			_ = c.Close()
			return nil, r.explain("TLS handshake", err)
		}
		c = abrupt{Conn: t, raw: c}
	}
	return frame.NewConn(c, cfg.Format), nil
}

// abrupt closes without TLS's farewell, which can wait five seconds for a peer
// that no longer reads.
type abrupt struct {
	net.Conn
	raw net.Conn
}

func (a abrupt) Close() error { return a.raw.Close() }

// SetLinger is the raw connection's, where it has one.
func (a abrupt) SetLinger(sec int) error {
	if l, ok := a.raw.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return nil
}

func (r *route) tlsConfig() *tls.Config {
	c := r.link.cfg.TLS
	if c.ServerName != "" || c.InsecureSkipVerify {
		return c
	}
	c = c.Clone()
	c.ServerName = r.addr
	if host, _, err := net.SplitHostPort(r.addr); err == nil {
		c.ServerName = host
	}
	return c
}

func (r *route) explain(what string, err error) error {
	if r.link.ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return fmt.Errorf("route %d (%s): %s: %w", r.index, r.addr, what, err)
}

// transmit writes one body and never outlives until.
func (r *route) transmit(c *frame.Conn, until time.Time, body []byte) error {
	_, err := c.Write(earlier(until, time.Now().Add(r.link.cfg.WriteTimeout)), body)
	if err != nil {
		return r.explain("sending", err)
	}
	return nil
}
