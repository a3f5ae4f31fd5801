package txn

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What must hold between a transaction and those that follow it, after every
// step of TestRandomEvents.

// answered: one answer to everybody who asks, and to nobody else.
func (c *chaos) answered(ev Event, r *Ready) {
	want := 0
	switch ev.(type) {
	case Begin, Confirm, Cancel, Shown, Resolve, Acknowledge, SessionBegan, SessionEnded:
		want = 1
	}
	if len(r.Answers) != want {
		c.t.Fatalf("%T got %d answers", ev, len(r.Answers))
	}
}

// follows checks every transaction of the fold: memory may have forgotten some.
// That it holds after every step also says that a follow-up's end and what it
// means for its original are in one Ready.
func (c *chaos) follows(m *Machine) {
	for _, u := range m.All() {
		t := m.Get(u)
		if !t.Kind.MovesMoney() && (t.State == StateReversing || t.Escalated()) || t.Kind.MovesMoney() && t.State == StateFailed {
			c.t.Fatalf("a %s is %s: %+v", t.Kind, t.State, t.Items)
		}
		if undecided := t.State.Open() || t.Stuck; t.Original != "" && m.follow(t) != (Follow{
			By: u, Kind: t.Kind, Minor: t.Minor, Open: undecided, Done: t.State == StateConfirmed && !t.voided(),
		}) {
			c.t.Fatalf("%s %s is %s, and %s has %+v", t.Kind, u, t.State, t.Original, m.Get(t.Original).Follows)
		}
		c.credits(m, t)
	}
}

// voided: a completion that was given back lets its pre-authorisation go.
func (t *Transaction) voided() bool {
	return t.Kind == iso8583.Completion && slices.ContainsFunc(t.Follows, func(f Follow) bool { return f.Done && f.Kind == iso8583.Void })
}

// follow is what t's original says of t.
func (m *Machine) follow(t *Transaction) Follow {
	for _, f := range m.Get(t.Original).Follows {
		if f.By == t.UUID {
			return f
		}
	}
	return Follow{}
}

// credits: what follows o and took effect, with what may still, is never more
// than o, and one at a time is undecided (P3). Not counted is what the host
// takes upon itself: an approval after its decline or after its reversal, which
// is being undone or in front of a person; and what an operator has by the acquirer's word.
func (c *chaos) credits(m *Machine, o *Transaction) {
	sum, open, whole := int64(0), 0, 0
	for _, f := range o.Follows {
		t := m.Get(f.By)
		if t.Cause == CauseContradiction || t.ByOperator || t.Stuck && !t.State.Open() {
			continue
		}
		if f.Open {
			open++
		}
		if f.Open || f.Done {
			sum += f.Minor
		}
		if f.Done && f.Kind != iso8583.Refund {
			whole++
		}
	}
	if sum > o.Minor || open > 1 || whole > 1 || o.State != StateConfirmed && len(o.Follows) > 0 {
		c.t.Fatalf("%s %s of %d is %s and followed by %+v", o.Kind, o.UUID, o.Minor, o.State, o.Follows)
	}
}
