package sim

import (
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Transition is one way through the state table that a run took: the state,
// the input, where it led, and what was sent by it.
type Transition struct {
	From  txn.State
	Input string // as in STATES.md; "begin" of a new transaction
	To    txn.State
	Sends string // "", "request", "inquiry" or "reversal"
}

// Transitions counts them.
type Transitions map[Transition]int64

// transition is told of each Ready, after the core has made it. A Step goes
// through one square at the most, but for the one that begins a transaction.
func (w *World) transition(ev txn.Event, r *txn.Ready) {
	if w.transitions == nil {
		return
	}
	t := w.crossed
	w.crossed = Transition{}
	if b, ok := ev.(txn.Begin); ok {
		m := w.agent.m.Get(b.UUID)
		if m == nil || len(r.Messages) == 0 {
			return // refused, or asked for again
		}
		t = Transition{From: txn.StateNone, Input: "begin", To: m.State}
	}
	if t.To == txn.StateNone {
		return
	}
	for i := range r.Messages {
		switch o := &r.Messages[i]; {
		case o.Reversal():
			t.Sends = "reversal"
		case o.Facts.Kind == iso8583.KindScript: // beside the table
		case o.Inquiry > 0:
			t.Sends = "inquiry"
		default:
			t.Sends = "request"
		}
	}
	w.transitions[t]++
}
