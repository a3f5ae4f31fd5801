package hostsim

import (
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
)

const handshakeTimeout = 10 * time.Second

// address is one of the host's addresses. Its port stays when it listens
// again.
type address struct {
	index int
	book  *book
	addr  string       // guarded by Host.mu
	ln    net.Listener // guarded by Host.mu; nil while it does not listen
}

// listen opens a and accepts in a goroutine.
func (h *Host) listen(a *address) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	ln, err := (&net.ListenConfig{}).Listen(h.ctx, "tcp", a.addr)
	if err != nil {
		return fmt.Errorf("address %d: %w", a.index, err)
	}
	a.ln, a.addr = ln, ln.Addr().String()
	h.tasks.Go(func() { h.accept(a, ln) })
	return nil
}

// relisten opens the addresses again after d. The port was free a moment ago,
// so it tries for a while.
func (h *Host) relisten(d time.Duration) {
	h.mu.Lock()
	addresses := h.addresses
	h.mu.Unlock()
	if !h.sleep(d) {
		return
	}
	for _, a := range addresses {
		err := h.listen(a)
		for try := 0; err != nil && try < 50 && h.sleep(100*time.Millisecond); try++ {
			err = h.listen(a)
		}
		if err != nil {
			h.log.Error("cannot listen again after a restart", zap.Int("address", a.index), zap.Error(err))
		}
	}
}

// accept takes connections until ln closes.
func (h *Host) accept(a *address, ln net.Listener) {
	for {
		c, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of file descriptors, for one
			h.log.Warn("accept", zap.Int("address", a.index), zap.Error(err))
			if !h.sleep(100 * time.Millisecond) {
				return
			}
		default:
			h.admit(a, c)
		}
	}
}

// admit starts a session, or closes c where there are too many.
func (h *Host) admit(a *address, c net.Conn) {
	s := newSession(h, a, c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.sessions) >= h.cfg.Limits.Connections {
		h.log.Warn("connection refused: too many", zap.Int("address", a.index), zap.Int("connections", len(h.sessions)))
		_ = c.Close()
		return
	}
	h.sessions[s] = struct{}{}
	h.tasks.Go(func() {
		defer h.forget(s)
		if err := s.handshake(); err != nil {
			h.log.Info("TLS handshake failed", zap.String("remote", s.remote), zap.Error(err))
			return
		}
		s.serve()
	})
}

func (h *Host) forget(s *session) {
	s.close()
	h.mu.Lock()
	delete(h.sessions, s)
	h.mu.Unlock()
}

// closeListeners closes all addresses; what is accepted already goes on.
func (h *Host) closeListeners() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.addresses {
		if a.ln != nil {
			_ = a.ln.Close()
			a.ln = nil
		}
	}
}

// closeSessions closes all connections and waits for none.
func (h *Host) closeSessions() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.close()
	}
}
