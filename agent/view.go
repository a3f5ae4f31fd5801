package agent

import (
	"context"
	"sync"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// View is what the world may know: a fold of durable records only. API reads
// and waiters see it, never the Machine, whose memory is ahead of the disk.
type View struct {
	mu      sync.Mutex
	machine *txn.Machine             // used for Apply alone
	changed map[string]chan struct{} // by UUID, closed at the next change
	timers  map[string]txn.Timer     // by UUID: the only thing here that is not durable
}

func newView() *View {
	return &View{machine: txn.New(), changed: map[string]chan struct{}{}, timers: map[string]txn.Timer{}}
}

// apply folds records, and lists the transactions that they are about and
// that have or had something in front of a person.
func (v *View) apply(records []txn.Record) (escalated []string) {
	if len(records) == 0 {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range records {
		v.machine.Apply(r)
		if ch, ok := v.changed[r.Group()]; ok {
			close(ch)
			delete(v.changed, r.Group())
		}
		if t := v.machine.Get(r.Group()); t != nil && len(t.Items) > 0 {
			escalated = append(escalated, t.UUID)
		}
		switch r.(type) {
		case *txn.LossClosed, *txn.BatchEscalated, *txn.BatchSettled, *txn.BatchResolved:
			escalated = append(escalated, r.Group())
		}
	}
	return escalated
}

func (v *View) evict(keep int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.machine.Evict(keep)
}

// carry is what recovery needs of all that is durable.
func (v *View) carry() (groups []string, heads []txn.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.Carry()
}

// load puts a transaction that had left memory back into the view.
func (v *View) load(records []txn.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.machine.Load(records)
}

// get copies the transaction, or says that it is not in memory.
func (v *View) get(uuid string) (txn.Transaction, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.machine.Get(uuid)
	if t == nil {
		return txn.Transaction{}, false
	}
	return *t, true
}

// cardHash is the keyed hash of the card of the transaction that an answer
// with this terminal and STAN is about, or "".
func (v *View) cardHash(tid iso8583.TID, stan iso8583.STAN) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.machine.Get(v.machine.ByTrace(tid, stan)); t != nil {
		return t.CardHash
	}
	return ""
}

// awaits takes note of what a transaction waits for, passed of its end.
func (v *View) awaits(t txn.Timer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.timers[t.UUID] = t
}

func (v *View) passed(uuid string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.timers, uuid)
}

func (v *View) timer(uuid string) (txn.Timer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, ok := v.timers[uuid]
	return t, ok
}

// epoch is the journal's.
func (v *View) epoch() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.Epoch()
}

// terminal is whose a transaction in memory is, or "".
func (v *View) terminal(uuid string) iso8583.TID {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.machine.Get(uuid); t != nil {
		return t.TID
	}
	return ""
}

// list copies the transactions in memory for which keep is true, newest first,
// at most limit of them; more says that there were others.
func (v *View) list(limit int, keep func(*txn.Transaction) bool) (out []txn.Transaction, more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.machine.All()
	for i := len(all) - 1; i >= 0; i-- {
		t := v.machine.Get(all[i])
		if !keep(t) {
			continue
		}
		if len(out) == limit {
			return out, true
		}
		out = append(out, *t)
	}
	return out, false
}

// mark is what of the durable state belongs into the mark.
func (v *View) mark(entry uint64) txn.Mark {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.Mark(entry)
}

// losses lists the losses of journal entries, oldest first.
func (v *View) losses() []txn.KnownLoss {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.Losses()
}

// counts says how many are open, and how many wait for a person.
func (v *View) counts() (epoch uint64, open, escalated int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, uuid := range v.machine.Open() {
		t := v.machine.Get(uuid)
		if t.State.Open() {
			open++
		}
		if t.Escalated() {
			escalated++
		}
	}
	return v.machine.Epoch(), open, escalated
}

// wait returns when until is true of the transaction, when ctx ends, or when
// nothing will change any more.
func (v *View) wait(ctx context.Context, stopped <-chan struct{}, uuid string, until func(*txn.Transaction) bool) {
	for {
		v.mu.Lock()
		t := v.machine.Get(uuid)
		if t == nil || until(t) {
			v.mu.Unlock()
			return
		}
		ch, ok := v.changed[uuid]
		if !ok {
			ch = make(chan struct{})
			v.changed[uuid] = ch
		}
		v.mu.Unlock()
		select {
		case <-ch:
		case <-stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}
