package hostsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// EventType names what happened to a transaction at the host.
type EventType string

// The events there are. Four move money or a hold, and four undo them.
const (
	EventPending   EventType = "pending"   // the authorisation has begun
	EventDebit     EventType = "debit"     // approved; the cardholder is debited
	EventHold      EventType = "hold"      // approved; an amount is held
	EventCredit    EventType = "credit"    // approved; of the original's debit, Amount is given back
	EventRelease   EventType = "release"   // approved; the original's hold is let go
	EventDecline   EventType = "decline"   // declined; nothing moved
	EventMark      EventType = "mark"      // reversed while pending (R13): undone, but for Amount, once approved
	EventUndebit   EventType = "undebit"   // reversed; Amount is what was given back
	EventUnhold    EventType = "unhold"    // reversed; Amount is held no more
	EventUncredit  EventType = "uncredit"  // reversed; Amount is debited again
	EventUnrelease EventType = "unrelease" // reversed; the original's hold is back
	EventTombstone EventType = "tombstone" // reversed before the request was seen (R3)
	EventRefuse    EventType = "refuse"    // the request of a tombstone came, and was refused
)

// effects is what an approval of each type does, and what its reversal does.
var effects = map[iso8583.Type]struct{ does, undoes EventType }{
	iso8583.Sale:        {EventDebit, EventUndebit},
	iso8583.Offline:     {EventDebit, EventUndebit},
	iso8583.Completion:  {EventDebit, EventUndebit},
	iso8583.PreAuth:     {EventHold, EventUnhold},
	iso8583.Void:        {EventCredit, EventUncredit},
	iso8583.Refund:      {EventCredit, EventUncredit},
	iso8583.PreAuthVoid: {EventRelease, EventUnrelease},
}

// Event is one durable line of the ledger. It holds no card number, only its
// first six and last four digits. A file written before there were other types
// than sales reads the same.
type Event struct {
	N        int64            `json:"n"` // 1, 2, 3 … without a gap
	At       time.Time        `json:"at"`
	Type     EventType        `json:"type"`
	Key      Key              `json:"key"`
	Of       iso8583.Type     `json:"of,omitempty"`      // the transaction's type; absent: a sale
	Original Key              `json:"original,omitzero"` // what it follows
	Amount   int64            `json:"amount,omitempty"`  // minor units
	Asked    int64            `json:"asked,omitempty"`   // minor units, where less than that was approved
	Currency iso8583.Currency `json:"currency,omitempty"`
	PAN      string           `json:"pan,omitempty"` // masked
	Code     string           `json:"code,omitempty"`
	RRN      iso8583.RRN      `json:"rrn,omitempty"`
	AuthCode string           `json:"auth_code,omitempty"`
	// RecordedSTAN is under which STAN a reversal is recorded, where that is
	// not the one it came with.
	RecordedSTAN iso8583.STAN `json:"recorded_stan,omitempty"`
	Note         string       `json:"note,omitempty"`
}

// State is where a transaction stands at the host. A sale that was voided or
// refunded, and a pre-authorisation that was completed, stay approved: what is
// left of them is net and held.
type State string

// The states there are.
const (
	StatePending   State = "pending"
	StateApproved  State = "approved"
	StateDeclined  State = "declined"
	StateReversed  State = "reversed"
	StateTombstone State = "tombstone"
)

// MaxEntries bounds the ledger; what comes after it is answered 96.
const MaxEntries = 1_000_000

// ErrLedger says that an event does not follow from the ones before it: the
// file is damaged or the host has a bug. Nothing was applied.
var ErrLedger = errors.New("ledger: event does not follow")

// Ledger is the host's memory of money, folded from events. It does no I/O and
// reads no clock; Apply is its only mutator.
type Ledger struct {
	entries map[Key]*entry
	order   []*entry // by first event
	last    int64    // N of the last event
	records map[record]Key

	settlements []*settlement
}

// record is where a host that rewrites the STAN of reversals keeps one.
type record struct {
	tid  iso8583.TID
	stan iso8583.STAN
	day  time.Time
}

// NewLedger is a ledger in which nothing happened.
func NewLedger() *Ledger { return &Ledger{entries: map[Key]*entry{}, records: map[record]Key{}} }

// Apply folds one event. An event that cannot follow is refused with ErrLedger
// and leaves the ledger as it was.
func (l *Ledger) Apply(ev Event) error {
	if ev.N != l.last+1 {
		return fmt.Errorf("%w: number %d after %d", ErrLedger, ev.N, l.last)
	}
	if ev.Type == EventSettled {
		l.applySettled(ev)
		l.last = ev.N
		return nil
	}
	e := l.entries[ev.Key]
	if err := l.follows(e, ev); err != nil {
		return fmt.Errorf("%w: %q for %s (event %d): %w", ErrLedger, ev.Type, ev.Key, ev.N, err)
	}
	if e == nil {
		e = &entry{key: ev.Key, typ: typeOf(ev.Of), amount: max(ev.Amount, ev.Asked), currency: ev.Currency, pan: ev.PAN}
		l.entries[ev.Key] = e
		l.order = append(l.order, e)
	}
	if o := l.entries[ev.Original]; o != nil && e.original == nil {
		e.original = o
		o.followers = append(o.followers, e)
	}
	if ev.RecordedSTAN != 0 {
		l.records[record{ev.Key.TID, ev.RecordedSTAN, day(ev.At)}] = ev.Key
	}
	e.apply(ev)
	l.last = ev.N
	return nil
}

// follows says why ev may not happen to e, which is nil for a key never seen.
// That a key moves money at most once, and that credits never exceed the debit
// nor completions the hold, is enforced here.
func (l *Ledger) follows(e *entry, ev Event) error {
	from := State("")
	if e != nil {
		from = e.state
	}
	ok := false
	switch ev.Type {
	case EventPending, EventTombstone:
		ok = e == nil
	case EventDebit, EventHold, EventCredit, EventRelease, EventDecline:
		ok = e == nil || from == StatePending
	case EventMark:
		ok = from == StatePending && !e.marked
	case EventUndebit, EventUnhold, EventUncredit, EventUnrelease:
		ok = from == StateApproved
	case EventRefuse:
		ok = from == StateTombstone && !e.refused
	}
	if !ok {
		return fmt.Errorf("not in state %q", from)
	}
	return l.covered(e, ev)
}

// covered says why there is not the money that ev moves.
func (l *Ledger) covered(e *entry, ev Event) error {
	typ, asked := typeOf(ev.Of), max(ev.Amount, ev.Asked)
	if e != nil {
		typ, asked = e.typ, e.amount
	}
	switch ev.Type {
	case EventDebit, EventHold, EventCredit, EventRelease:
		if ev.Type != effects[typ].does || ev.Amount < 0 || ev.Amount > asked {
			return fmt.Errorf("amount %d for a %s of %d", ev.Amount, typ, asked)
		}
		if typ.Originals() == nil {
			return nil
		}
		o := l.entries[ev.Original]
		if o == nil || !o.canBeFollowedBy(typ) || ev.Amount == 0 || ev.Amount > o.left() {
			return fmt.Errorf("amount %d for a %s is not left of %s", ev.Amount, typ, ev.Original)
		}
	case EventUndebit, EventUnhold, EventUncredit, EventUnrelease:
		if ev.Type != effects[typ].undoes || ev.Amount < 0 || ev.Amount > e.moved || e.fixed() {
			return fmt.Errorf("amount %d of the %d that a %s moved", ev.Amount, e.moved, typ)
		}
	}
	return nil
}

// Unfinished gives the events that a host writes when it comes back up: an
// authorisation that was pending is abandoned (declined 96), and what was
// marked for reversal while pending, and approved, is undone.
func (l *Ledger) Unfinished(now time.Time) []Event {
	var evs []Event
	for _, e := range l.order {
		ev := Event{N: l.last + int64(len(evs)) + 1, At: now, Key: e.key}
		switch {
		case e.state == StatePending:
			ev.Type, ev.Code, ev.Note = EventDecline, CodeMalfunction, "abandoned: the host restarted while authorising"
		case e.state == StateApproved && e.marked:
			ev.Type, ev.Amount, ev.Note = effects[e.typ].undoes, e.undoable(e.moved), "reversed while pending; undone at restart"
		default:
			continue
		}
		evs = append(evs, ev)
	}
	return evs
}

// typeOf reads Event.Of: absent is a sale.
func typeOf(t iso8583.Type) iso8583.Type {
	if t == "" {
		return iso8583.Sale
	}
	return t
}

// day is the host's business day; its clock is UTC.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
