package hostsim

import (
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Response codes (DE 39) that the host gives of itself.
const (
	CodeApproved    = "00"
	CodeBadCard     = "14"
	CodeNoAction    = "21"
	CodeNotFound    = "25"
	CodeFormat      = "30"
	CodeUnsupported = "40"
	CodeAmount      = "64"
	CodeDuplicate   = "94"
	CodeMalfunction = "96"
)

// Policy is how this host decides where acquirers differ (terminal-rules A,
// "How the host finds the original", "Answer codes that end a reversal").
type Policy struct {
	// Tombstones: a reversal whose original is unknown is remembered and
	// answered 00, and the original is refused when it comes (R3). Without it
	// such a reversal is answered UnknownOriginal and leaves no trace.
	Tombstones bool
	// UnknownOriginal is 25, or 00 for a host that says so without remembering.
	UnknownOriginal string
	// AlreadyReversed answers a repeated reversal: 00, 25 or 94.
	AlreadyReversed string
	// Refused answers a request that was reversed before it came.
	Refused string
	// Hold makes an authorisation pending first, to be ended by Complete.
	Hold bool
	// Declines are asked in order; the first that matches declines.
	Declines []DeclineRule
}

// DeclineRule declines what matches all of its conditions that are set.
type DeclineRule struct {
	Amount    int64  `yaml:"amount" json:"amount,omitempty"`         // minor units
	PANPrefix string `yaml:"pan_prefix" json:"pan_prefix,omitempty"` // up to six digits
	PANSuffix string `yaml:"pan_suffix" json:"pan_suffix,omitempty"` // up to four digits
	Code      string `yaml:"code" json:"code"`
}

// Request is a sale as the ledger sees it.
type Request struct {
	Key    Key
	Amount iso8583.Amount
	PAN    string // masked
	// Decline, when set, declines with this code whatever the rules say: a
	// scripted fault, or a card number that is none.
	Decline string
}

// Reversal asks to undo the transaction of Key.
type Reversal struct {
	Key     Key
	Amount  iso8583.Amount
	Remains int64  // DE 95: what stays debited; 0 for a full reversal
	PAN     string // masked
}

// Verdict is what the host will answer once Events are durable.
type Verdict struct {
	Code     string
	RRN      iso8583.RRN
	AuthCode string
	Pending  bool // no answer yet: call Complete later
	Events   []Event
	Note     string // for people
}

// Authorise decides a request. An identical repeat gets the answer that the
// first one got and moves nothing (R13); a request with the same key but
// another amount, currency or card is a collision, 94; one that was reversed
// already is refused.
func (l *Ledger) Authorise(now time.Time, r Request, p Policy) Verdict {
	e := l.entries[r.Key]
	switch {
	case e == nil:
		return l.first(now, r, p)
	case e.state == StateTombstone:
		v := Verdict{Code: p.Refused, RRN: e.rrn, Note: "refused: reversed before it came"}
		if !e.refused {
			v.Events = []Event{{N: l.last + 1, At: now, Type: EventRefuse, Key: e.key, Code: p.Refused}}
		}
		return v
	case !e.same(r):
		return Verdict{Code: CodeDuplicate, RRN: e.rrn, Note: "collision: another transaction has this identity"}
	case e.state == StatePending:
		return Verdict{Pending: true, Note: "repeat of a pending request"}
	case e.state == StateReversed:
		return Verdict{Code: p.Refused, RRN: e.rrn, Note: "refused: already reversed"}
	default:
		return Verdict{Code: e.code, RRN: e.rrn, AuthCode: e.auth, Note: "repeat: same answer"}
	}
}

// first decides a request whose key was never seen.
func (l *Ledger) first(now time.Time, r Request, p Policy) Verdict {
	if len(l.order) >= MaxEntries {
		return Verdict{Code: CodeMalfunction, Note: "the ledger is full"}
	}
	ev := Event{N: l.last + 1, At: now, Key: r.Key, Amount: r.Amount.Minor, Currency: r.Amount.Currency, PAN: r.PAN}
	if p.Hold {
		ev.Type = EventPending
		return Verdict{Pending: true, Events: []Event{ev}}
	}
	return decide(ev, r, p)
}

// Complete ends a pending authorisation. One that was reversed meanwhile is
// debited and undebited in one batch, and still answered as approved: that is
// the late approval which a terminal must not believe. For a transaction that
// is not pending it repeats the answer.
func (l *Ledger) Complete(now time.Time, r Request, p Policy) Verdict {
	e := l.entries[r.Key]
	switch {
	case e == nil:
		return Verdict{Code: CodeMalfunction, Note: "the host forgot this authorisation"}
	case e.state != StatePending:
		return l.Authorise(now, r, p)
	}
	ev := Event{N: l.last + 1, At: now, Key: e.key, Amount: e.amount, Currency: e.currency, PAN: e.pan}
	v := decide(ev, r, p)
	if e.marked && v.Code == CodeApproved {
		v.Note = "reversed while pending"
		v.Events = append(v.Events, Event{
			N: l.last + 2, At: now, Type: EventUndebit, Key: e.key, Amount: e.amount, Note: v.Note,
		})
	}
	return v
}

// decide turns ev into a debit or a decline.
func decide(ev Event, r Request, p Policy) Verdict {
	ev.RRN = rrn(ev.N)
	code := r.Decline
	for i := 0; code == "" && i < len(p.Declines); i++ {
		if p.Declines[i].matches(r) {
			code = p.Declines[i].Code
		}
	}
	if code != "" {
		ev.Type, ev.Code = EventDecline, code
		return Verdict{Code: code, RRN: ev.RRN, Events: []Event{ev}}
	}
	ev.Type, ev.Code, ev.AuthCode = EventDebit, CodeApproved, fmt.Sprintf("%06d", ev.N%1_000_000)
	return Verdict{Code: CodeApproved, RRN: ev.RRN, AuthCode: ev.AuthCode, Events: []Event{ev}}
}

// Reverse decides a reversal. It undebits at most once; whether a repeat or an
// unknown original is answered 00 is the policy's.
func (l *Ledger) Reverse(now time.Time, r Reversal, p Policy) Verdict {
	e := l.entries[r.Key]
	if e == nil {
		return l.unknown(now, r, p)
	}
	v := Verdict{Code: CodeApproved, RRN: e.rrn}
	ev := Event{N: l.last + 1, At: now, Key: e.key}
	switch {
	case e.state == StateTombstone:
		v.Code, v.Note = p.AlreadyReversed, "repeat: the tombstone stands"
	case e.amount != r.Amount.Minor || e.currency != r.Amount.Currency || r.Remains < 0 || r.Remains > e.amount:
		v.Code, v.Note = CodeAmount, "refused: amount or currency differs from the original"
	case e.state == StateReversed || e.marked:
		v.Code, v.Note = p.AlreadyReversed, "repeat: already reversed"
	case e.state == StateDeclined:
		v.Note = "nothing to reverse: the original was declined"
	case e.state == StatePending:
		ev.Type = EventMark
		v.Events, v.Note = []Event{ev}, "the original is pending: marked"
	default:
		ev.Type, ev.Amount = EventUndebit, e.net-r.Remains
		v.Events = []Event{ev}
	}
	return v
}

// unknown decides a reversal whose original was never seen.
func (l *Ledger) unknown(now time.Time, r Reversal, p Policy) Verdict {
	if !p.Tombstones {
		return Verdict{Code: p.UnknownOriginal, Note: "the original is unknown, and nothing is remembered"}
	}
	if len(l.order) >= MaxEntries {
		return Verdict{Code: CodeMalfunction, Note: "the ledger is full"}
	}
	ev := Event{
		N: l.last + 1, At: now, Type: EventTombstone, Key: r.Key, RRN: rrn(l.last + 1),
		Amount: r.Amount.Minor, Currency: r.Amount.Currency, PAN: r.PAN,
	}
	return Verdict{Code: CodeApproved, RRN: ev.RRN, Events: []Event{ev}, Note: "the original is unknown: tombstone"}
}

// same says whether r is the request that made e.
func (e *entry) same(r Request) bool {
	return e.amount == r.Amount.Minor && e.currency == r.Amount.Currency && e.pan == r.PAN
}

func (d DeclineRule) matches(r Request) bool {
	return (d.Amount == 0 || d.Amount == r.Amount.Minor) &&
		strings.HasPrefix(r.PAN, d.PANPrefix) && strings.HasSuffix(r.PAN, d.PANSuffix)
}

// check refuses a rule that would decline everything or say nothing.
func (d DeclineRule) check() error {
	switch {
	case len(d.Code) != 2 || d.Code == CodeApproved:
		return fmt.Errorf("code: want a declining response code of two characters, got %q", d.Code)
	case d.Amount == 0 && d.PANPrefix == "" && d.PANSuffix == "":
		return fmt.Errorf("want amount, pan_prefix or pan_suffix")
	case d.Amount < 0 || d.Amount > iso8583.MaxMinor:
		return fmt.Errorf("amount: %d is out of range", d.Amount)
	case len(d.PANPrefix) > 6 || d.PANPrefix != "" && !digits(d.PANPrefix):
		return fmt.Errorf("pan_prefix: want up to six digits")
	case len(d.PANSuffix) > 4 || d.PANSuffix != "" && !digits(d.PANSuffix):
		return fmt.Errorf("pan_suffix: want up to four digits")
	}
	return nil
}

// rrn makes DE 37 from the number of an event.
func rrn(n int64) iso8583.RRN { return iso8583.RRN(fmt.Sprintf("%012d", n%1_000_000_000_000)) }
