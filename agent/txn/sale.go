package txn

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// replaceable says that t is an attempt that a new one at the same part of its
// sale can close: nobody has committed or undone it, and no person has it.
func (t *Transaction) replaceable() bool {
	return t.State.Open() && t.State != StateReversing && t.State != StateAdvising && !t.Stuck
}

// refuseReplaced says why the card or method cannot be switched from the
// attempt that e names, or "". What is committed is voided, not replaced.
func (m *Machine) refuseReplaced(term *Terminal, e *Begin) Code {
	o := m.hot[e.Replaces]
	switch {
	case e.Replaces == "":
		return ""
	case o == nil:
		return ReplacedUnknown
	case !o.Kind.HandsOver(), SaleKey(o.MID, o.Sale, o.Part) != SaleKey(term.MID, e.Sale, e.Part):
		return ReplacedUnfit
	case o.Stuck && !o.Overridden, o.replaceable() && !reversible(m.rules[o.Rules], o.Kind):
		return SaleOpen
	case o.committed() && !o.givenBack():
		return SalePaid
	}
	return ""
}

// replace closes the attempt that the customer turned away from. Its reversing
// is durable in one batch with the new intent, and its reversal leaves first: at
// no moment are two attempts at one part alive (R11).
func (s *step) replace(e *Begin) {
	if o := s.m.hot[e.Replaces]; o != nil && o.replaceable() {
		s.reverse(o, CauseReplaced)
	}
}

// suspect finds what e looks like a repetition of, under whatever reference:
// the same card, amount and terminal as something whose outcome is undecided,
// or that was paid and never shown. That is how people pay twice after a flash
// exit. All of these are open or in front of a person, so none has left memory,
// and a restart forgets none. A person's word that it is another purchase lets
// it pass, and everything older with it.
func (m *Machine) suspect(term *Terminal, e *Begin, now Time) string {
	window := time.Duration(term.Rules.DuplicateWindow)
	if window == 0 || !e.Type.HandsOver() || e.CardHash == "" {
		return ""
	}
	for _, uuid := range slices.Backward(m.open) {
		t := m.hot[uuid]
		same := t.TID == e.TID && t.CardHash == e.CardHash && t.Amount() == e.Amount && t.Kind.HandsOver()
		switch {
		case !same || uuid == e.Replaces || t.Overridden:
		case uuid == e.NotDuplicateOf:
			return ""
		case t.doubtful(window, now) || (t.unshown() || t.Stuck) && m.lately(uuid, window, now):
			return uuid
		}
	}
	return ""
}

// lately says that this process has known t for less than that, by the clock
// since boot: since it was paid, or since a restart took it up. The wall clock
// may have been set forward meanwhile, and nobody can tell.
func (m *Machine) lately(uuid string, d time.Duration, now Time) bool {
	w := m.waits[uuid]
	return m.paidWithin(uuid, d, now) || w != nil && w.Restarted && now.Boot-w.Since < d
}

// doubtful says that whoever stands at the terminal may not know what became of
// t, although its debit stands or may come to stand. What is open has no window,
// since nobody is asked about it meanwhile: neither has an advice. A clock that
// is behind t is wrong, and takes nothing out of the window.
func (t *Transaction) doubtful(window time.Duration, now Time) bool {
	recent := time.Duration(now.Wall-max(t.At, t.Confirmed))*time.Millisecond < window
	switch {
	case t.replaceable(), t.State == StateAdvising && t.unshown():
		return true
	case t.Stuck:
		return recent
	}
	return t.unshown() && recent
}

// unshown says that t was paid, and that nobody said that it was handed over.
func (t *Transaction) unshown() bool {
	return t.committed() && t.Shown != DeliveredYes && !t.givenBack()
}

// committed says that the commit point is passed, whoever decided.
func (t *Transaction) committed() bool {
	return t.State == StateConfirmed || t.State == StateAdvising
}

// OwesVoid says that t was paid and that its goods were not handed over: the
// application voids it, or a person closes the matter (R10).
func (t *Transaction) OwesVoid() bool {
	return t.State == StateConfirmed && t.Busy() == "" &&
		slices.ContainsFunc(t.Items, func(i Item) bool { return i.Cause == CauseNotDelivered && !i.Closed })
}

// Tally is what the parts of one sale sum to, in minor units of one currency.
type Tally struct {
	Currency  iso8583.Currency
	Paid      int64 // committed, less what was given back
	Held      int64 // committed pre-authorisations, not completed and not let go
	Undecided int64 // of these the debit may come to stand
}

// TallySale adds up the attempts at one sale, in the order of their currencies'
// first appearance. A sale is of one business day: of attempts with its
// reference on other days only those count that R11 counts. What completions
// took is theirs to say: completed gives what is left of one.
func TallySale(attempts []Transaction, completed func(uuid string) int64) []Tally {
	var out []Tally
	day := newest(attempts)
	for i := range attempts {
		t := &attempts[i]
		if !sameDay(t, day) {
			continue
		}
		n := slices.IndexFunc(out, func(y Tally) bool { return y.Currency == t.Currency })
		if n < 0 {
			n, out = len(out), append(out, Tally{Currency: t.Currency})
		}
		switch y := &out[n]; {
		case t.replaceable() || t.Stuck && t.State != StateConfirmed:
			y.Undecided += t.Taken()
		case !t.committed():
		case t.Kind != iso8583.PreAuth:
			y.Paid += t.Left()
		default:
			y.Held += t.Left()
			for _, f := range t.Follows {
				if f.Done && f.Kind == iso8583.Completion {
					y.Paid += completed(f.By)
				}
			}
		}
	}
	return out
}

func newest(attempts []Transaction) *Transaction {
	var last *Transaction
	for i := range attempts {
		if t := &attempts[i]; last == nil || t.At > last.At {
			last = t
		}
	}
	return last
}

func sameDay(t, day *Transaction) bool {
	return t.LocalDate == day.LocalDate && t.Year == day.Year || day.At-max(t.Confirmed, t.At) < saleAgain
}
