package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// next is what the agent would do about a transaction after a start: the
// core's own answer, in words and in parts.
type next struct {
	Would   string           `json:"would"`
	Records []string         `json:"records,omitempty"` // that would be journaled first
	Send    iso8583.Kind     `json:"send,omitempty"`
	Attempt int              `json:"attempt,omitempty"` // of the reversal or advice
	Inquiry int              `json:"inquiry,omitempty"` // of the inquiry
	Address int              `json:"address"`           // index of the acquirer's address
	Wait    iso8583.Duration `json:"wait,omitempty"`
}

// next steps the core as recovery does and reads what it wants done. The
// transaction must have been looked at before: it has moved on afterwards.
func (f *fold) next(uuid string) *next {
	t := *f.machine.Get(uuid)
	ready := f.machine.Step(txn.Time{Wall: f.wall}, txn.Recovered{UUID: uuid})
	n := &next{}
	for _, r := range ready.Records {
		n.Records = append(n.Records, r.Type().String())
	}
	for _, m := range ready.Messages {
		n.Send, n.Attempt, n.Inquiry, n.Address = m.Facts.Kind, m.Attempt, m.Inquiry, m.Route
	}
	for _, timer := range ready.Timers {
		n.Wait = iso8583.Duration(timer.At) // the step was taken at boot time 0
	}
	n.Would = n.words(&t, f.machine.Get(uuid))
	return n
}

// words says it for people; before and after are the transaction around the
// step.
func (n *next) words(before, after *txn.Transaction) string {
	wait := time.Duration(n.Wait)
	var do []string
	if before.State != txn.StateReversing && after.State == txn.StateReversing {
		do = append(do, fmt.Sprintf("decide to reverse (%s: %s)", after.Cause, after.Cause.Meaning()))
	}
	if before.State != txn.StateFailed && after.State == txn.StateFailed {
		return "would call it failed: the outcome is not known, and it moves no money"
	}
	if !before.Escalated() && after.Escalated() {
		do = append(do, "put it in front of a person")
	}
	switch {
	case n.Inquiry > 0:
		do = append(do, fmt.Sprintf("ask address %d what became of it, inquiry %d", n.Address, n.Inquiry))
	case after.State == txn.StateAdvising && n.Send != "":
		do = append(do, fmt.Sprintf("tell address %d, send %d", n.Address, n.Attempt))
	case n.Send != "":
		do = append(do, fmt.Sprintf("send reversal attempt %d%s to address %d", n.Attempt, ifSet(n.Send == iso8583.KindReversalRepeat, ", repeated,"), n.Address))
	case wait == 0:
		do = append(do, "do nothing by itself: "+waitsFor(after))
	case after.State == txn.StateInquiring:
		do = append(do, fmt.Sprintf("wait %s, then ask what became of it", wait))
	case after.State == txn.StateApproved:
		do = append(do, fmt.Sprintf("wait %s for the confirmation, then reverse", wait))
	case after.State == txn.StateConfirmed:
		do = append(do, fmt.Sprintf("wait %s for the word that it was shown, then put it in front of a person", wait))
	default:
		do = append(do, fmt.Sprintf("wait %s (hold-down), then send reversal attempt %d", wait, after.Attempts+1))
	}
	return "would " + strings.Join(do, ", then ")
}

// waitsFor says why nothing happens by itself.
func waitsFor(t *txn.Transaction) string {
	switch {
	case t.Parked:
		return "an operator parked it"
	case t.Escalated():
		return "a person decides"
	case t.Busy() != "":
		return t.Busy() + " follows it and is undecided"
	case t.State == txn.StateAdvising:
		return "another advice of its terminal is ahead"
	default:
		return "nothing is owed"
	}
}

func (a *app) printReplay(r *replay) {
	a.printf("entries 1 to %d of %d, epoch %d\n", r.Entries, r.Last, r.Epoch)
	for i := range r.Transactions {
		t := &r.Transactions[i]
		a.printf("\n%s\n", joined("  ", t.UUID, a.time(t.Began), "terminal "+t.Terminal, "STAN "+t.STAN,
			sum(t.Type, ifSet(t.Type.MovesMoney(), money(t.Amount, t.Currency))), "card "+t.PAN, concern(saleAndPart(t.Sale, t.Part), t.Original)))
		a.printf("  %s\n", t.story())
		for _, f := range t.Follows {
			a.printf("  %s by %s: %s\n", sum(f.Kind, money(f.Minor, t.Currency)), f.By, outcomeOf(f))
		}
		if t.Next != nil {
			a.printf("  %s\n", t.Next.Would)
		}
	}
	a.printf("\n%d in all: ", len(r.Transactions))
	for _, s := range slices.Sorted(maps.Keys(r.States)) {
		a.printf("%d %s, ", r.States[s], s)
	}
	a.printf("%d in front of a person\n", r.Escalated)
}

// outcomeOf says what became of one that follows.
func outcomeOf(f txn.Follow) string {
	switch {
	case f.Open:
		return "undecided"
	case f.Done:
		return "done"
	default:
		return "does not stand"
	}
}

// story is the state with what stands beside it.
func (t *replayed) story() string {
	s := []string{t.State}
	add := func(when bool, format string, args ...any) {
		if when {
			s = append(s, fmt.Sprintf(format, args...))
		}
	}
	if t.State == txn.StateConfirmed.String() {
		rest := left(t.Type, t.Left, t.Amount, t.Currency)
		add(rest != "", "%s", rest)
	}
	add(t.Cause != "", "cause %s", t.Cause)
	add(t.Inquiries > 0, "inquiries %d", t.Inquiries)
	add(t.AdviceSends > 0, "told %d times", t.AdviceSends)
	add(t.Attempts > 0, "reversal attempts %d", t.Attempts)
	add(t.HoldDown, "hold-down")
	add(t.LateApproval, "approval seen late")
	add(t.Parked, "parked")
	add(t.Overridden, "overridden")
	add(t.ByOperator, "by an operator's word")
	add(t.Shown != "", "shown %s", t.Shown)
	add(len(t.Escalated) > 0, "ESCALATED %s", strings.Join(t.Escalated, " "))
	return strings.Join(s, ", ")
}
