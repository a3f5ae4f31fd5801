package link

import (
	"context"
	"time"
)

// alone sends m on a connection of its own, which stays open for one frame or
// until ResponseTimeout, whichever comes first.
func (r *route) alone(m *item) error {
	if r.alive.Add(1) > int64(r.link.cfg.QueueLimit) {
		r.alive.Add(-1)
		return ErrQueueFull
	}
	if !r.link.begin() {
		r.alive.Add(-1)
		return ErrClosed
	}
	life := r.link.life()
	go func() {
		defer r.link.wg.Done()
		defer r.alive.Add(-1)
		r.exchange(life, m)
	}()
	return nil
}

func (r *route) exchange(life context.Context, m *item) {
	l := r.link
	c, err := r.connect(life, m.waitUntil)
	r.status(err == nil, err)
	if err != nil {
		l.finish(m.unsent(err))
		return
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(life, func() { _ = c.Close() })
	defer stop()
	if life.Err() != nil {
		l.finish(m.unsent(context.Cause(life)))
		return
	}
	err = r.transmit(c, m.deadline, m.body)
	l.finish(m.written(err))
	if err != nil {
		return
	}
	if body, err := c.Read(time.Now().Add(l.cfg.ResponseTimeout)); err == nil {
		c.Linger() // all is said: part without a reset
		l.h.Frame(r.index, body)
	}
}
