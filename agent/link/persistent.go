package link

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// The pause between attempts to connect, when nothing waits to be sent.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
)

// run keeps one connection open until the link is closed. What waits is told
// at once that a connection cannot be had; it is not made to wait for the
// next try, since its sender may know another route.
func (r *route) run() {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(longestPause),
		backoff.WithMaxElapsedTime(0), // never give up
	)
	for r.link.ctx.Err() == nil {
		useful, err := r.serve()
		r.status(false, err)
		if useful {
			pause.Reset()
		} else {
			for _, m := range r.queue.drain() {
				r.link.finish(m.unsent(err))
			}
		}
		r.rest(pause.NextBackOff())
	}
}

// rest waits for d, for something to send, or for the end.
func (r *route) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	for r.queue.empty() {
		select {
		case <-r.queue.wake:
		case <-t.C:
			return
		case <-r.link.ctx.Done():
			return
		}
	}
}

// serve opens a connection and serves it until it is lost. It was useful
// when a frame went or came after it was up; a peer that accepts and hangs up
// counts like one that refuses.
func (r *route) serve() (useful bool, err error) {
	life := r.link.life()
	c, err := r.connect(life, time.Now().Add(r.link.cfg.DialTimeout))
	if err != nil {
		return life.Err() != nil, err // what has come after a sleep is not to be blamed
	}
	ctx, fail := context.WithCancelCause(life)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // frees whoever is stuck in it
	defer func() {
		fail(nil)
		stop()
		_ = c.Close()
	}()
	if err := r.signOn(c); err != nil {
		return life.Err() != nil, err
	}
	r.status(true, nil)

	s := &session{route: r, conn: c, echo: make(chan struct{}, 1)}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		fail(s.read())
	}()
	fail(s.write(ctx))
	<-reading
	if r.link.ctx.Err() != nil {
		return true, ErrClosed
	}
	return s.useful.Load(), context.Cause(ctx)
}

// signOn sends the first frame and waits for one to come back.
func (r *route) signOn(c *frame.Conn) error {
	cfg := &r.link.cfg
	if cfg.SignOn == nil {
		return nil
	}
	until := time.Now().Add(cfg.EchoTimeout)
	if err := r.transmit(c, until, cfg.SignOn()); err != nil {
		return fmt.Errorf("sign-on: %w", err)
	}
	body, err := c.Read(until)
	if err != nil {
		return r.explain("no answer to the sign-on", err)
	}
	r.link.h.Frame(r.index, body)
	return nil
}

// session is one open connection: one goroutine writes, one reads.
type session struct {
	*route
	conn   *frame.Conn
	echo   chan struct{} // the reader asks the writer for an echo
	useful atomic.Bool
}

// write sends what waits until the session ends. A write that fails or
// overruns its deadline ends it, since part of a frame may be on its way.
func (s *session) write(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if m := s.queue.take(); m != nil {
			err := s.transmit(s.conn, m.deadline, m.body)
			s.useful.Store(true)
			res := m.written(err)
			s.link.finish(res)
			if err != nil && !s.harmless(ctx, res) {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.queue.wake:
		case <-s.echo:
			if err := s.transmit(s.conn, time.Now().Add(s.link.cfg.WriteTimeout), s.link.cfg.Echo()); err != nil {
				return fmt.Errorf("echo: %w", err)
			}
		}
	}
}

// harmless says that a failed send says nothing against the connection: its
// deadline had passed, or its body fits no frame.
func (s *session) harmless(ctx context.Context, r Result) bool {
	return r.Unsent && ctx.Err() == nil &&
		(errors.Is(r.Err, frame.ErrLength) || errors.Is(r.Err, os.ErrDeadlineExceeded))
}

// read hands frames up until the session ends. It is the clock of the echo:
// only what arrives proves that the peer lives.
func (s *session) read() error {
	cfg := &s.link.cfg
	echoes := cfg.Echo != nil && cfg.EchoEvery > 0
	asked := false
	for {
		wait := cfg.ResponseTimeout
		switch {
		case asked:
			wait = cfg.EchoTimeout
		case echoes:
			wait = cfg.EchoEvery
		}
		body, err := s.conn.Read(time.Now().Add(wait))
		switch {
		case err == nil:
			asked = false
			s.useful.Store(true)
			s.link.h.Frame(s.index, body)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return s.explain("receiving", err)
		case asked:
			return s.explain("no answer to the echo", err)
		case echoes:
			asked = true
			select {
			case s.echo <- struct{}{}:
			default:
			}
		case s.conn.Buffered() > 0:
			return s.explain("a frame was begun and not ended", err)
		}
	}
}
