package link

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// item is one Send on its way.
type item struct {
	route     int
	token     any
	body      []byte
	deadline  time.Time // for waiting and writing together
	waitUntil time.Time // for waiting
	timer     *time.Timer
}

func (m *item) unsent(err error) Result {
	return Result{Token: m.token, Route: m.route, Unsent: true, Err: err}
}

// written is the Result of a Write that returned err. Only what certainly
// never reached the connection is Unsent: a failed write may have sent
// anything, whatever count it returns.
func (m *item) written(err error) Result {
	return Result{
		Token: m.token, Route: m.route, Err: err,
		Sent:   err == nil,
		Unsent: errors.Is(err, frame.ErrNotWritten),
	}
}

// queue holds what waits for the persistent connection of a route. An item
// leaves it exactly once: taken to be written, failed with the connection,
// expired by its own timer, or shut out at the end. Whoever removes it owes
// its Result.
type queue struct {
	limit int
	wake  chan struct{} // holds a token when something was put

	mu    sync.Mutex
	items []*item
	shutd bool
}

func newQueue(limit int) *queue { return &queue{limit: limit, wake: make(chan struct{}, 1)} }

// put adds m. When its wait is over and it is still here, it leaves and
// expired is called: a timer of its own, so that no stuck write can delay it.
func (q *queue) put(m *item, expired func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutd {
		return ErrClosed
	}
	if len(q.items) >= q.limit {
		return ErrQueueFull
	}
	m.timer = time.AfterFunc(time.Until(m.waitUntil), func() {
		if q.remove(m) {
			expired()
		}
	})
	q.items = append(q.items, m)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) remove(m *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.items, m)
	if i < 0 {
		return false
	}
	q.items = slices.Delete(q.items, i, i+1)
	return true
}

// take removes the oldest item, or gives nil.
func (q *queue) take() *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil
	}
	m := q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
	m.timer.Stop()
	return m
}

// drain removes all items.
func (q *queue) drain() []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	for _, m := range items {
		m.timer.Stop()
	}
	return items
}

// shut drains the queue and refuses what comes later.
func (q *queue) shut() []*item {
	q.mu.Lock()
	q.shutd = true
	q.mu.Unlock()
	return q.drain()
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) == 0
}
