package hostsim

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// entry is one transaction in the ledger.
type entry struct {
	key       Key
	typ       iso8583.Type
	original  *entry   // what it follows
	followers []*entry // what follows it, whatever became of them
	amount    int64    // minor units, as the request asked
	currency  iso8583.Currency
	pan       string // masked
	state     State
	code      string // DE 39 of the answer to the request
	rrn       iso8583.RRN
	auth      string
	moved     int64 // what it debited, held, gave back or released, less what a reversal undid
	marked    bool  // a reversal came while it was pending
	remains   int64 // of that reversal: what is to stay
	refused   bool  // the request of this tombstone came
	settled   bool  // its batch is closed
	history   []Event
}

// apply changes e; follows has allowed it.
func (e *entry) apply(ev Event) {
	switch ev.Type {
	case EventPending:
		e.state = StatePending
	case EventDebit, EventHold, EventCredit, EventRelease:
		e.state, e.moved = StateApproved, ev.Amount
		e.code, e.rrn, e.auth = ev.Code, ev.RRN, ev.AuthCode
	case EventDecline:
		e.state, e.code, e.rrn = StateDeclined, ev.Code, ev.RRN
	case EventMark:
		e.marked, e.remains = true, ev.Amount
	case EventUndebit, EventUnhold, EventUncredit, EventUnrelease:
		e.state = StateReversed
		e.moved -= ev.Amount
	case EventTombstone:
		e.state, e.rrn = StateTombstone, ev.RRN
	case EventRefuse:
		e.refused, e.code, e.typ = true, ev.Code, typeOf(ev.Of)
	}
	e.history = append(e.history, ev)
}

// debits says whether e is of a type that debits.
func (e *entry) debits() bool { return effects[e.typ].does == EventDebit }

// credits is what voids and refunds that stand gave back of e's debit.
func (e *entry) credits() (sum int64) {
	for _, f := range e.followers {
		if effects[f.typ].does == EventCredit {
			sum += f.moved
		}
	}
	return sum
}

// followed says whether a void, refund or completion of e stands.
func (e *entry) followed() bool {
	return slices.ContainsFunc(e.followers, func(f *entry) bool { return f.moved > 0 && !f.voided() })
}

// voided says whether a void of e stands.
func (e *entry) voided() bool {
	return slices.ContainsFunc(e.followers, func(f *entry) bool { return f.typ == iso8583.Void && f.moved > 0 })
}

// fixed says that e can be undone no more: what it took or gave back has been
// taken by another since. Of a void of a completion, that is the hold.
func (e *entry) fixed() bool {
	if e.followed() {
		return true
	}
	o := e.original
	return e.typ == iso8583.Void && o != nil && o.original != nil && o.original.followed()
}

// net is what the cardholder is debited through e now.
func (e *entry) net() int64 {
	if !e.debits() {
		return 0
	}
	return e.moved - e.credits()
}

// held is what e keeps from the cardholder now. A completion, of whatever
// amount, ends the hold, and its void gives it back; so does letting it go.
func (e *entry) held() int64 {
	if e.typ != iso8583.PreAuth || e.followed() {
		return 0
	}
	return e.moved
}

// left is what a void, refund or completion can still take of e.
func (e *entry) left() int64 { return e.net() + e.held() }

// effect is what e itself does now, with its sign: a debit or a hold above
// zero, a credit or a release below.
func (e *entry) effect() int64 {
	switch effects[e.typ].does {
	case EventCredit, EventRelease:
		return -e.moved
	default:
		return e.moved
	}
}

// undoable is what the reversal that marked e undoes of an approved amount.
func (e *entry) undoable(approved int64) int64 { return max(0, approved-e.remains) }

// canBeFollowedBy says whether a t may have e as its original.
func (e *entry) canBeFollowedBy(t iso8583.Type) bool { return slices.Contains(t.Originals(), e.typ) }

// whole says whether a t takes all of its original, so that nothing of it can
// be left standing by DE 95 either.
func whole(t iso8583.Type) bool { return t == iso8583.Void || t == iso8583.PreAuthVoid }

// same says whether r is the request that made e.
func (e *entry) same(r Request) bool {
	return e.typ == typeOf(r.Type) && e.amount == r.Amount.Minor && e.currency == r.Amount.Currency && e.pan == r.PAN
}
