package agent

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// feed is the newest events, in memory, for those who read along. Older ones
// are in the journal. What it has, the view has folded.
type feed struct {
	mu    sync.Mutex
	ring  []fact        // oldest first, feedKeep of them at least, twice that at most
	from  journal.LSN   // the ring has every event from here on …
	last  journal.LSN   // … to here
	moved chan struct{} // closed when last moves
}

// fact is a record that is an event.
type fact struct {
	lsn    journal.LSN
	tid    iso8583.TID
	record txn.Record
}

const feedKeep = 512

func newFeed() *feed { return &feed{moved: make(chan struct{})} }

// begin says where the journal ends when the agent starts.
func (f *feed) begin(last journal.LSN) { f.from, f.last = last+1, last }

// add takes the events of the records up to last.
func (f *feed) add(facts []fact, last journal.LSN) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring = append(f.ring, facts...)
	if n := len(f.ring) - feedKeep; n > feedKeep {
		f.from = f.ring[n-1].lsn + 1
		f.ring = append(f.ring[:0:0], f.ring[n:]...)
	}
	f.last = last
	close(f.moved)
	f.moved = make(chan struct{})
}

// after gives the facts behind an LSN that the ring has, the newest LSN there
// is, and a channel that is closed when there are more. gap says that some of
// them are in the journal only.
func (f *feed) after(lsn journal.LSN) (facts []fact, last journal.LSN, gap bool, moved <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lsn+1 < f.from {
		return nil, f.last, true, f.moved
	}
	for i := range f.ring {
		if f.ring[i].lsn > lsn {
			return append(facts, f.ring[i:]...), f.last, false, f.moved
		}
	}
	return nil, f.last, false, f.moved
}

// end is the newest LSN there is.
func (f *feed) end() journal.LSN {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// told says whether a record is an event: whatever a transaction goes through,
// but for what matters to the agent alone.
func told(r txn.Record) bool {
	switch r.Type() {
	case txn.TypeReversalSent, txn.TypeEvidence:
		return false
	}
	return !strings.Contains(r.Group(), ":")
}

// publish tells the records of a Ready, of which the first has this LSN.
func (a *Agent) publish(records []txn.Record, first journal.LSN) {
	if len(records) == 0 {
		return
	}
	var facts []fact
	for i, r := range records {
		if told(r) {
			tid := a.view.terminal(r.Group())
			facts = append(facts, fact{first + journal.LSN(i), tid, r})
			a.lookout.record(r, tid, r.When())
		}
	}
	a.feed.add(facts, first+journal.LSN(len(records)-1))
}

func eventOf(r txn.Record, lsn journal.LSN, epoch uint64, tid iso8583.TID) client.Event {
	return client.Event{
		ID: eventID(epoch, lsn), Event: r.Type().String(), LSN: uint64(lsn), Epoch: epoch,
		At: time.UnixMilli(r.When()).UTC(), Who: who(r.Type()), UUID: r.Group(), Terminal: tid,
		State: stateAfter(r), Detail: detail(r),
	}
}

func eventID(epoch uint64, lsn journal.LSN) string { return fmt.Sprintf("%d-%d", epoch, lsn) }

// parseEventID is the inverse of eventID.
func parseEventID(s string) (epoch uint64, lsn journal.LSN, ok bool) {
	n, err := fmt.Sscanf(s, "%d-%d", &epoch, &lsn)
	return epoch, lsn, err == nil && n == 2 && s == eventID(epoch, lsn)
}

// stateAfter is the state that a record puts its transaction in, or "" where it
// does not by itself.
func stateAfter(r txn.Record) string {
	s := txn.StateAfter(r)
	if s == txn.StateNone {
		return ""
	}
	return s.String()
}
