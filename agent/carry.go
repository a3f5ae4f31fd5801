package agent

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// carry says what a new journal segment begins with. The journal calls it inside
// an Append, and the batch before that one has been obeyed by then: the view is
// just what is durable.
func (a *Agent) carry() journal.Carry {
	a.marks.rolled.Store(true)
	groups, heads := a.view.carry()
	return journal.Carry{Groups: groups, Extra: entries(heads)}
}

// FinalState is what a journal keeps of a transaction whose entries retire: the
// name of its state. It is for journal.Options.Final.
func FinalState(group []journal.Record) []byte {
	m := txn.New()
	var past []txn.Record
	for _, e := range group {
		if r, err := decode(e); err == nil { // one that cannot be read says nothing
			past = append(past, r)
		}
	}
	m.Load(past)
	if len(past) == 0 || m.Get(past[0].Group()) == nil {
		return nil
	}
	return []byte(m.Get(past[0].Group()).State.String())
}

// AcceptLoss writes what follows from entries that are gone, as one batch: a new
// epoch, and every open transaction in front of a person. tids are the terminals that
// there are; mark is what is known from outside, or nil. It gives the epoch and those transactions. The journal
// must be used by nobody else.
func AcceptLoss(j journal.Journal, tids []iso8583.TID, mark *txn.Mark, now time.Time, who, why string) (epoch uint64, inDoubt []string, err error) {
	m := txn.New()
	err = j.Recover(func(e journal.Record) error {
		r, err := decode(e)
		if err == nil {
			m.Apply(r)
		}
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	groups, heads := m.Carry() // of what is durable: nothing is written yet
	j.SetCarry(func() journal.Carry { return journal.Carry{Groups: groups, Extra: entries(heads)} })
	records := m.Lose(now.UnixMilli(), tids, mark, uint64(j.Last()), who, why)
	if _, err := j.Append(entries(records)); err != nil {
		return 0, nil, err
	}
	for _, uuid := range m.Open() {
		if m.Get(uuid).State.Open() {
			inDoubt = append(inDoubt, uuid)
		}
	}
	return m.Epoch(), inDoubt, nil
}
