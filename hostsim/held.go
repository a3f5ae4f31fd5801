package hostsim

import (
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// heldRequests are requests that are still on their way and wait for their own
// reversal to overtake them. They survive a restart of the host: the network
// has them.
type heldRequests struct {
	mu    sync.Mutex
	n     int
	byKey map[heldKey][]*exchange
}

// heldKey is a transaction at one ledger: a reversal through an address with
// another ledger does not release it.
type heldKey struct {
	book *book
	key  Key
}

func (q *heldRequests) put(k heldKey, x *exchange, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n >= limit {
		return false
	}
	if q.byKey == nil {
		q.byKey = map[heldKey][]*exchange{}
	}
	q.n++
	q.byKey[k] = append(q.byKey[k], x)
	return true
}

// take gives what waits for the reversal of k, in order of arrival.
func (q *heldRequests) take(k heldKey) []*exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	xs := q.byKey[k]
	delete(q.byKey, k)
	q.n -= len(xs)
	return xs
}

func (q *heldRequests) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// delay holds the request. One that cannot be held is lost, and logged.
func (x *exchange) delay() {
	h := x.s.h
	if x.f.Until != UntilReversal {
		x.resume(time.Duration(x.f.After))
		return
	}
	r, err := requestOf(x.m)
	if err != nil || !iso8583.Type(x.kind).Valid() || !r.Type.MovesMoney() {
		x.note("in", nil, "lost: only a request that is reversed can wait for its reversal")
		return
	}
	if !h.held.put(heldKey{x.s.a.book, r.Key}, x, h.cfg.Limits.Delayed) {
		x.note("in", nil, "lost: too many messages are delayed")
	}
}

// resume processes the request after d, now for 0.
func (x *exchange) resume(d time.Duration) {
	arrives := func() {
		x.note("in", x.m, "arrives now, delayed")
		x.process()
	}
	if d == 0 {
		arrives()
		return
	}
	if !x.s.h.later(d, arrives) {
		x.note("in", nil, "lost: too many messages are delayed")
	}
}
