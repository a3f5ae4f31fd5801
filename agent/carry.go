package agent

import (
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// carry says what a new journal segment begins with. The journal calls it inside
// an Append, and the batch before that one has been obeyed by then: the view is
// just what is durable.
func (a *Agent) carry() journal.Carry {
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
