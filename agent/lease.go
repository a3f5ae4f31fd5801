package agent

import (
	"sync"
	"time"
)

// leases are the shell's half of the sessions: whether an application still
// lives. That a session is over, and what follows for money, is the core's to
// say (txn.SessionEnded, txn.Ready.Ended).
type leases struct {
	mu   sync.Mutex
	live map[string]*lease
}

// lease is one application. Its heartbeat is timed by Go's clock, which stands
// still while the terminal sleeps, as the application does: a wake-up misses no
// heartbeat.
type lease struct {
	every  time.Duration
	missed *time.Timer
	over   chan struct{} // closed when the session has ended
	held   bool          // its stream is open
}

// add begins watching; missed is called once, if no heartbeat comes in time.
func (l *leases) add(id string, every time.Duration, missed func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = map[string]*lease{}
	}
	l.live[id] = &lease{every: every, missed: time.AfterFunc(every, missed), over: make(chan struct{})}
}

// beat says that the application lives.
func (l *leases) beat(id string) (every time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.live[id]
	if s == nil {
		return 0, false
	}
	s.missed.Reset(s.every)
	return s.every, true
}

// hold takes the one stream of a session. over is closed at the session's end.
func (l *leases) hold(id string) (over <-chan struct{}, known, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.live[id]
	if s == nil {
		return nil, false, false
	}
	first, s.held = !s.held, true
	return s.over, true, first
}

// end lets go of a lease. What is not there has ended before.
func (l *leases) end(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.live[id]; s != nil {
		s.missed.Stop()
		close(s.over)
		delete(l.live, id)
	}
}

// count is how many applications live.
func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// endAll is for the end of the agent.
func (l *leases) endAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, s := range l.live {
		s.missed.Stop()
		close(s.over)
		delete(l.live, id)
	}
}
