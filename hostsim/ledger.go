package hostsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// EventType names what happened to a transaction at the host.
type EventType string

// The events there are. Only debit and undebit move money.
const (
	EventPending   EventType = "pending"   // a hold: the authorisation has begun
	EventDebit     EventType = "debit"     // approved; the cardholder is debited
	EventDecline   EventType = "decline"   // declined; nothing moved
	EventMark      EventType = "mark"      // reversed while pending (R13): undebit as soon as debited
	EventUndebit   EventType = "undebit"   // reversed; Amount is what was given back
	EventTombstone EventType = "tombstone" // reversed before the request was seen (R3)
	EventRefuse    EventType = "refuse"    // the request of a tombstone came, and was refused
)

// Event is one durable line of the ledger. It holds no card number, only its
// first six and last four digits.
type Event struct {
	N        int64            `json:"n"` // 1, 2, 3 … without a gap
	At       time.Time        `json:"at"`
	Type     EventType        `json:"type"`
	Key      Key              `json:"key"`
	Amount   int64            `json:"amount,omitempty"` // minor units
	Currency iso8583.Currency `json:"currency,omitempty"`
	PAN      string           `json:"pan,omitempty"` // masked
	Code     string           `json:"code,omitempty"`
	RRN      iso8583.RRN      `json:"rrn,omitempty"`
	AuthCode string           `json:"auth_code,omitempty"`
	Note     string           `json:"note,omitempty"`
}

// State is where a transaction stands at the host.
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
}

type entry struct {
	key      Key
	amount   int64
	currency iso8583.Currency
	pan      string // masked
	state    State
	code     string // DE 39 of the answer to the request
	rrn      iso8583.RRN
	auth     string
	net      int64 // what the cardholder is out of pocket, minor units
	marked   bool  // a reversal came while it was pending
	refused  bool  // the request of this tombstone came
	history  []Event
}

// NewLedger is a ledger in which nothing happened.
func NewLedger() *Ledger { return &Ledger{entries: map[Key]*entry{}} }

// Apply folds one event. An event that cannot follow is refused with ErrLedger
// and leaves the ledger as it was.
func (l *Ledger) Apply(ev Event) error {
	if ev.N != l.last+1 {
		return fmt.Errorf("%w: number %d after %d", ErrLedger, ev.N, l.last)
	}
	e := l.entries[ev.Key]
	if err := follows(e, ev); err != nil {
		return err
	}
	if e == nil {
		e = &entry{key: ev.Key, amount: ev.Amount, currency: ev.Currency, pan: ev.PAN}
		l.entries[ev.Key] = e
		l.order = append(l.order, e)
	}
	e.apply(ev)
	l.last = ev.N
	return nil
}

// follows says whether ev may happen to e, which is nil for a key never seen.
// That a key is debited at most once is enforced here.
func follows(e *entry, ev Event) error {
	from := State("")
	if e != nil {
		from = e.state
	}
	ok := false
	switch ev.Type {
	case EventPending, EventTombstone:
		ok = e == nil
	case EventDebit, EventDecline:
		ok = e == nil || from == StatePending
	case EventMark:
		ok = from == StatePending && !e.marked
	case EventUndebit:
		ok = from == StateApproved && ev.Amount >= 0 && ev.Amount <= e.net
	case EventRefuse:
		ok = from == StateTombstone && !e.refused
	}
	if !ok {
		return fmt.Errorf("%w: %q for %s in state %q (event %d)", ErrLedger, ev.Type, ev.Key, from, ev.N)
	}
	if e != nil && ev.Type == EventDebit && ev.Amount != e.amount {
		return fmt.Errorf("%w: debit of %d for %s, which asked for %d (event %d)", ErrLedger, ev.Amount, ev.Key, e.amount, ev.N)
	}
	return nil
}

// apply changes e; follows has allowed it.
func (e *entry) apply(ev Event) {
	switch ev.Type {
	case EventPending:
		e.state = StatePending
	case EventDebit:
		e.state, e.net = StateApproved, ev.Amount
		e.code, e.rrn, e.auth = ev.Code, ev.RRN, ev.AuthCode
	case EventDecline:
		e.state, e.code, e.rrn = StateDeclined, ev.Code, ev.RRN
	case EventMark:
		e.marked = true
	case EventUndebit:
		e.state = StateReversed
		e.net -= ev.Amount
	case EventTombstone:
		e.state, e.rrn = StateTombstone, ev.RRN
	case EventRefuse:
		e.refused, e.code = true, ev.Code
	}
	e.history = append(e.history, ev)
}

// Unfinished gives the events that a host writes when it comes back up: an
// authorisation that was pending is abandoned (declined 96), and a debit that
// was marked for reversal while pending is undone.
func (l *Ledger) Unfinished(now time.Time) []Event {
	var evs []Event
	for _, e := range l.order {
		ev := Event{N: l.last + int64(len(evs)) + 1, At: now, Key: e.key}
		switch {
		case e.state == StatePending:
			ev.Type, ev.Code, ev.Note = EventDecline, CodeMalfunction, "abandoned: the host restarted while authorising"
		case e.state == StateApproved && e.marked:
			ev.Type, ev.Amount, ev.Note = EventUndebit, e.net, "reversed while pending; undone at restart"
		default:
			continue
		}
		evs = append(evs, ev)
	}
	return evs
}
