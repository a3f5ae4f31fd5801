package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// operate is a person at the escalation queue: one decision about one
// transaction. What he says of the ledger is true at that moment. He looks at
// the durable view, and acts when the agent is idle: people are slow.
func (w *World) operate() {
	if !w.agent.up || len(w.agent.held) > 0 || len(w.txns) == 0 {
		return
	}
	g := w.txns[w.c.Intn(len(w.txns))]
	t := w.agent.view.Get(g.uuid)
	if t == nil {
		return
	}
	if w.c.Intn(4) == 0 {
		w.confused(g)
		return
	}
	switch stuck := t.Stuck; {
	case stuck && g.owed && w.c.Intn(2) == 0:
		w.decide(g, txn.VerbResume)
	case stuck && w.c.Intn(2) == 0, t.State == txn.StateReversing && !t.Parked && w.c.Intn(3) == 0:
		w.decide(g, txn.VerbOverride)
	case stuck:
		w.giveWord(g)
	case (t.State == txn.StateReversing || t.State == txn.StateAdvising) && !t.Parked:
		w.decide(g, txn.VerbPark)
	case t.State == txn.StateReversing, t.State == txn.StateAdvising:
		w.parked(g)
	case t.State != txn.StatePending && t.State != txn.StateApproved && t.Escalated():
		if (g.net != 0) == (t.State == txn.StateConfirmed) {
			w.decide(g, txn.VerbClose)
		}
	}
}

// confused: a verb that may not fit.
func (w *World) confused(g *Txn) {
	switch w.c.Intn(5) {
	case 4:
		w.takeOn(g)
	case 0:
		w.decide(g, txn.VerbPark)
	case 1:
		w.decide(g, txn.VerbResume)
	case 2:
		w.decide(g, txn.VerbOverride)
	case 3:
		w.giveWord(g)
	}
}

// parked: go on, or ask the acquirer, at once or after a while.
func (w *World) parked(g *Txn) {
	switch w.c.Intn(3) {
	case 0:
		w.decide(g, txn.VerbResume)
	case 1:
		w.now.Boot += 400 * time.Second
		w.setWall()
		w.giveWord(g)
	default:
		w.giveWord(g)
	}
}

// word is an operator of an exhaustive run, with what only a person can decide:
// he gives the acquirer's word at once, or when nothing sent can arrive any more.
func (w *World) word(g *Txn) {
	if w.c.Intn(2) == 1 {
		w.now.Boot += time.Millisecond
	}
	w.net = slices.DeleteFunc(w.net, func(p packet) bool { return p.t == g && w.outlived(&p) })
	w.giveWord(g)
}

// giveWord: the debit stands, or there is none. About a part of the amount the
// acquirer can say neither.
func (w *World) giveWord(g *Txn) {
	switch g.net {
	case 0:
		w.decide(g, txn.VerbReversed)
	case g.begin.Amount.Minor:
		w.decide(g, txn.VerbDebited)
	}
}

// Requests carry who asked: the number of an application, or one of these.
const (
	operatorID = 100
	pesterID   = 101
)

func (w *World) decide(g *Txn, v txn.Verb) {
	if !w.truthful(g, v) {
		return
	}
	w.tell("operator %s %s", v, g)
	w.step(txn.Resolve{Req: operatorID << 32, UUID: g.uuid, Verb: v, Who: "clerk", Why: "the acquirer was asked", Ref: "R1"})
}

// takeOn acknowledges what the person saw, or thinks to have seen.
func (w *World) takeOn(g *Txn) {
	item := 1
	if t := w.agent.view.Get(g.uuid); t != nil {
		item = max(len(t.Items), 1)
	}
	w.tell("operator acknowledges item %d of %s", item, g)
	w.step(txn.Acknowledge{Req: operatorID << 32, UUID: g.uuid, Item: item, Who: "clerk"})
}

func (w *World) toOperator(answer txn.Answer) {
	w.tell("agent    tells the operator: %s %s", answer.UUID, answer.Code)
	if answer.Code == txn.TooEarly {
		w.saw(OperatorTooEarly)
	}
}
