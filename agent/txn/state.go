package txn

import (
	"fmt"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// State is where a transaction stands. Escalated, parked and overridden are
// flags beside it, not states.
type State uint8

// The states there are, the open ones first.
const (
	StateNone      State = iota // no intent
	StatePending                // the request may be on the wire
	StateInquiring              // unanswered; the host is asked what became of it
	StateApproved               // approved and durable, waiting for the confirmation
	StateReversing              // being reversed, irrevocably
	StateAdvising               // committed without the host, which is told until it knows
	StateConfirmed              // confirmed: the commit point is passed
	StateDeclined               // the host declined
	StateReversed               // the host holds no debit any more
	StateNotSent                // no byte left
	StateFailed                 // unknown, and of a type that moves no money
)

var stateNames = [...]string{"none", "pending", "inquiring", "approved", "reversing", "advising", "confirmed", "declined", "reversed", "not_sent", "failed"}

var stateMeanings = [...]string{
	"never journaled in this epoch",
	"the request may be on the wire, and the host has not answered",
	"the request's answer is missing or says nothing; the host is asked what became of it, before it is undone",
	"the host said yes, durably; waiting for the application's confirmation",
	"being undone, irrevocably, until the host says that it is",
	"the commit point is passed, by a decision that was not the host's; owed to the host until it says that it has it",
	"the commit point is passed: the debit stands and may be shown",
	"the host said no",
	"undone: the host holds no debit, by its own word or by an operator's",
	"it is certain that no byte of the request left",
	"the outcome is not known and does not matter: the type moves no money",
}

// Meaning says in plain words what the state is.
func (s State) Meaning() string { return stateMeanings[s] }

// States lists every state a transaction can be in.
func States() []State {
	return []State{StatePending, StateInquiring, StateApproved, StateReversing, StateAdvising, StateConfirmed, StateDeclined, StateReversed, StateNotSent, StateFailed}
}

// String is the word used in API, logs and docs.
func (s State) String() string { return stateNames[s] }

// MarshalText is String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseState is the inverse of String.
func ParseState(name string) (State, error) {
	if i := slices.Index(stateNames[:], name); i > 0 {
		return State(i), nil
	}
	return StateNone, fmt.Errorf("state: %.20q is none of %v", name, stateNames[1:])
}

// Heeds says whether the state table has a square for in. Where it has none, in
// changes nothing.
func (s State) Heeds(in Input) bool {
	_, ok := table[s][in]
	return ok
}

// Open says that the machine still has something to do or to wait for.
func (s State) Open() bool { return StatePending <= s && s <= StateAdvising }

// HoldPhase is where a reversal stands with the hold-down (R3′).
type HoldPhase uint8

// The phases there are.
const (
	HoldNone    HoldPhase = iota
	HoldWaiting           // no reversal is sent; the request's lifetime runs out
	HoldOver              // the next series, with a DE 7 of its own
)

// Item is one entry of the escalation queue.
type Item struct {
	Cause  Cause `json:"cause"`
	At     int64 `json:"at"`
	Closed bool  `json:"closed"`

	AckBy string `json:"ack_by"` // who took it on, and so silenced its alarm; "" nobody yet
	AckAt int64  `json:"ack_at"`

	ClosedBy string `json:"closed_by"` // whose decision closed it; "" where events did
	ClosedAt int64  `json:"closed_at"`
}

// Alarmed says that the item is open and nobody has taken it on.
func (i *Item) Alarmed() bool { return !i.Closed && i.AckBy == "" }

// Transaction is the durable state of one transaction: a fold of its records.
type Transaction struct {
	Intent // as journaled; Card is always nil
	State  State

	FirstRoute int // the address that was tried first

	Code     string      // DE 39 of the request's answer
	RRN      iso8583.RRN // DE 37
	AuthCode string      // DE 38
	Balance  string      // DE 54

	ApprovedMinor int64  // where the host approved less than was asked for; 0: all of it
	IssuerData    string // what the card needs of the answer: 8A, 91, 71, 72, hexadecimal
	CID           string // 9F27 of the second GENERATE AC
	ResultEMV     string // what is kept of its tags, hexadecimal
	Scripts       string // the issuer scripts' results, hexadecimal
	Script        Script // the notice of these results

	Confirmed, Final int64     // wall time of the commit, and of the latest final state
	Shown            Delivered // what the application said last

	// Of the inquiry.
	Doubt Cause      // why the host is asked
	Asked []Question // inquiries that may have left, in order

	Advice bool // the host is told, not asked

	// Of the reversal.
	Cause       Cause
	Reason      string // DE 39 that it carries
	ReversalEMV string // DE 55 that it carries, hexadecimal
	Answered    bool   // the request was answered before the reversal began
	Attempts    int    // of an advice: how often it was sent
	Series      int
	SeriesStart int // number of the series' first attempt
	SeriesDE7   string
	Repeat      bool // the latest attempt used the repeat MTI: an earlier one may have left
	SentAttempt int  // first attempt of the series that is known to have left; 0 none
	Hold        HoldPhase
	SawDone     bool // the host said done, at least once
	SawUnknown  bool // the host said it knows no such original
	HostRefused bool // escalated after an answer of the host: blocks no gate

	LateApproval bool
	Evidence     int  // records that resolved nothing
	Stuck        bool // undecided, and only a person can decide: nothing is sent
	Parked       bool
	Overridden   bool
	ByOperator   bool // the final state is an operator's word
	Items        []Item
	Follows      []Follow // voids, refunds, completions of this one, in order
}

// Follow is a transaction that follows this one.
type Follow struct {
	By    string       `json:"by"` // its UUID
	Kind  iso8583.Type `json:"type"`
	Minor int64        `json:"amount"`
	Open  bool         `json:"open"` // undecided: it locks the original
	Done  bool         `json:"done"` // committed
}

// Busy gives the undecided transaction that follows t, or "".
func (t *Transaction) Busy() string {
	for _, f := range t.Follows {
		if f.Open {
			return f.By
		}
	}
	return ""
}

// Left is what of t is still to be given back or, of a pre-authorisation, to be
// completed or let go, in minor units.
func (t *Transaction) Left() int64 {
	left := t.Taken()
	for _, f := range t.Follows {
		switch {
		case !f.Done:
		case f.Kind == iso8583.Refund:
			left -= f.Minor
		default:
			left = 0
		}
	}
	return max(left, 0)
}

// Escalated says whether an item of the transaction is open.
func (t *Transaction) Escalated() bool {
	return slices.ContainsFunc(t.Items, func(i Item) bool { return !i.Closed })
}

// has says whether an item of the transaction with this cause is open.
func (t *Transaction) has(c Cause) bool {
	return slices.ContainsFunc(t.Items, func(i Item) bool { return i.Cause == c && !i.Closed })
}

// Amount is what was asked for.
func (t *Transaction) Amount() iso8583.Amount {
	return iso8583.Amount{Minor: t.Minor, Currency: t.Currency}
}

// blocks says whether the gate counts t: a reversal that is owed and about
// which the host keeps silent (terminal-rules A, "Next transaction while one
// is owed"). A decline that is not proved holds nothing up ("When a response is
// accepted").
func (t *Transaction) blocks() bool {
	return t.State == StateReversing && !t.Overridden && !t.HostRefused && t.Hold != HoldWaiting && t.Cause != CauseUnprovedNo
}

// awaitsShown says that the application still owes its word that a committed
// transaction was shown (R10). It is asked where goods depend on it, and not
// once all is given back.
func (t *Transaction) awaitsShown() bool {
	return t.State == StateConfirmed && t.Kind.HandsOver() && t.Shown == "" && !t.givenBack()
}

// givenBack says that nothing is left of what t took, and nothing is under way.
func (t *Transaction) givenBack() bool {
	completed := slices.ContainsFunc(t.Follows, func(f Follow) bool { return f.Done && f.Kind == iso8583.Completion })
	return t.Left() == 0 && t.Busy() == "" && !completed
}

// Settled says that nothing is expected any more, of host, application or
// person, so that t may leave memory.
func (t *Transaction) Settled() bool {
	if t.State.Open() || t.Escalated() || t.Busy() != "" || t.Script.Owed() {
		return false
	}
	return !t.awaitsShown()
}
