package hostsim

import (
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Response codes (DE 39) that the host gives of itself.
const (
	CodeApproved    = "00"
	CodeInProgress  = "09" // of an inquiry
	CodePartial     = "10"
	CodeInvalid     = "12" // what is to be undone or followed no longer stands, or is of another type
	CodeBadAmount   = "13" // money for nothing, or a balance inquiry with an amount
	CodeBadCard     = "14" // no card number, or not the original's
	CodeNoAction    = "21"
	CodeNotFound    = "25"
	CodeFormat      = "30"
	CodeUnsupported = "40"
	CodeExceeds     = "61" // a refund or completion of more than is left
	CodeAmount      = "64" // not the original's amount or currency
	CodeDuplicate   = "94"
	CodeMalfunction = "96"
)

// Request is a request of any type as the ledger sees it.
type Request struct {
	Type   iso8583.Type // "" is a sale
	Key    Key
	Amount iso8583.Amount
	PAN    string // masked

	// What it follows: DE 90 with DE 41, and DE 37 and 38. Zero: not said.
	Original Key
	RRN      iso8583.RRN
	AuthCode string
	Chip     []iso8583.TLV // DE 55

	// Decline, when set, declines with this code whatever the rules say: a
	// scripted fault, or a card number that is none.
	Decline string
	// Approve, when set, is the most that is approved: a scripted fault.
	Approve int64
}

// Reversal asks to undo the transaction of Key.
type Reversal struct {
	Key     Key
	Type    iso8583.Type // as DE 3 says, for a tombstone; "" is a sale
	Amount  iso8583.Amount
	Remains int64  // DE 95: what stays; 0 for a full reversal
	PAN     string // masked
}

// Verdict is what the host will answer once Events are durable.
type Verdict struct {
	Code     string
	RRN      iso8583.RRN
	AuthCode string
	Amount   int64                   // DE 4, where less than asked was approved; else 0
	Balance  string                  // DE 54
	STAN     iso8583.STAN            // DE 11, where it is not the one that came; else 0
	Original Key                     // DE 90 of an inquiry's answer
	Sides    [2]iso8583.BatchVerdict // of a settlement's answer: domestic cards, foreign ones
	Pending  bool                    // no answer yet: call Complete later
	Events   []Event
	Note     string // for people
}

// Authorise decides a request. An identical repeat gets the answer that the
// first one got and moves nothing (R13); a request with the same key but
// another type, amount, currency or card is a collision, 94; one that was
// reversed already is refused.
func (l *Ledger) Authorise(now time.Time, r Request, p Policy) Verdict {
	p = p.over(defaultPolicy)
	if typeOf(r.Type) == iso8583.Balance {
		if p.Hold {
			return Verdict{Pending: true}
		}
		return l.inquire(r, p)
	}
	e := l.entries[r.Key]
	switch {
	case e == nil:
		return l.first(now, r, p)
	case e.state == StateTombstone:
		v := Verdict{Code: p.Refused, RRN: e.rrn, Note: "refused: reversed before it came"}
		if !e.refused {
			v.Events = []Event{{N: l.last + 1, At: now, Type: EventRefuse, Key: e.key, Of: eventOf(r.Type), Code: p.Refused}}
		}
		return v
	case !e.same(r):
		return Verdict{Code: CodeDuplicate, RRN: e.rrn, Note: "collision: another transaction has this identity"}
	case e.state == StatePending:
		return Verdict{Pending: true, Note: "repeat of a pending request"}
	case e.state == StateReversed:
		return Verdict{Code: p.Refused, RRN: e.rrn, Note: "refused: already reversed"}
	case r.told() && e.state == StateApproved:
		return e.toldAgain(p)
	default:
		v := Verdict{Code: e.code, RRN: e.rrn, AuthCode: e.auth, Note: "repeat: same answer"}
		if e.moved < e.amount {
			v.Amount = e.moved
		}
		return v
	}
}

// first decides a request whose key was never seen.
func (l *Ledger) first(now time.Time, r Request, p Policy) Verdict {
	if len(l.order) >= MaxEntries {
		return Verdict{Code: CodeMalfunction, Note: "the ledger is full"}
	}
	if _, taken := l.records[record{r.Key.TID, r.Key.STAN, day(now)}]; taken {
		return Verdict{Code: CodeDuplicate, Note: "collision: a reversal is recorded under this STAN"}
	}
	ev := Event{
		N: l.last + 1, At: now, Key: r.Key, Of: eventOf(r.Type),
		Amount: r.Amount.Minor, Currency: r.Amount.Currency, PAN: r.PAN,
	}
	if p.Hold {
		ev.Type = EventPending
		return Verdict{Pending: true, Events: []Event{ev}}
	}
	return l.decide(ev, r, p)
}

// Complete ends a pending authorisation. One that was reversed meanwhile is
// approved and undone in one batch, and still answered as approved: that is
// the late approval which a terminal must not believe. For a transaction that
// is not pending it repeats the answer.
func (l *Ledger) Complete(now time.Time, r Request, p Policy) Verdict {
	p = p.over(defaultPolicy)
	if typeOf(r.Type) == iso8583.Balance {
		return l.inquire(r, p)
	}
	e := l.entries[r.Key]
	switch {
	case e == nil:
		return Verdict{Code: CodeMalfunction, Note: "the host forgot this authorisation"}
	case e.state != StatePending || !e.same(r): // the host forgot meanwhile, and knows another
		return l.Authorise(now, r, p)
	}
	ev := Event{N: l.last + 1, At: now, Key: e.key, Of: eventOf(e.typ), Amount: e.amount, Currency: e.currency, PAN: e.pan}
	v := l.decide(ev, r, p)
	if done := v.Events[0]; e.marked && done.Type != EventDecline {
		v.Note = "reversed while pending"
		v.Events = append(v.Events, Event{
			N: l.last + 2, At: now, Type: effects[e.typ].undoes, Key: e.key, Amount: e.undoable(done.Amount), Note: v.Note,
		})
	}
	return v
}

// decide turns ev into an approval, whole or partial, or a decline.
func (l *Ledger) decide(ev Event, r Request, p Policy) Verdict {
	ev.RRN = rrn(ev.N)
	o, code, note := l.original(ev.At, r, p)
	if o != nil {
		ev.Original = o.key
	}
	if by := p.decline(r); by != "" {
		code, note = by, ""
	}
	if r.Decline != "" {
		code, note = r.Decline, ""
	}
	if code != "" {
		ev.Type, ev.Code = EventDecline, code
		return Verdict{Code: code, RRN: ev.RRN, Events: []Event{ev}, Note: note}
	}
	v := Verdict{Code: CodeApproved, RRN: ev.RRN, AuthCode: fmt.Sprintf("%06d", ev.N%1_000_000)}
	if n := p.approve(r); n < ev.Amount {
		v.Code, v.Amount = CodePartial, n
		ev.Asked, ev.Amount = ev.Amount, n
	}
	ev.Type, ev.Code, ev.AuthCode = effects[typeOf(r.Type)].does, v.Code, v.AuthCode
	v.Events = []Event{ev}
	return v
}

// Reverse decides a reversal. It undoes at most once; whether a repeat or an
// unknown original is answered 00 is the policy's. What has since been voided,
// refunded or completed is not undone (12): its credit would be one too many. Nor
// is the void of a completion whose hold has been taken again.
func (l *Ledger) Reverse(now time.Time, r Reversal, p Policy) Verdict {
	p = p.over(defaultPolicy)
	v := l.reverse(now, r, p)
	if p.RewriteSTAN != RewriteNever {
		for i := range v.Events {
			v.Events[i].RecordedSTAN = rewritten(r.Key.STAN)
		}
	}
	if p.RewriteSTAN == RewriteAnswers {
		v.STAN = rewritten(r.Key.STAN)
	}
	return v
}

func (l *Ledger) reverse(now time.Time, r Reversal, p Policy) Verdict {
	e, rows := l.find(now, r.Key, p)
	switch {
	case rows > 1:
		return Verdict{Code: CodeNotFound, Note: fmt.Sprintf("not found: %d transactions have this STAN", rows)}
	case l.collides(now, r.Key, e, p):
		return Verdict{Code: CodeDuplicate, Note: "collision: the rewritten STAN is another's"}
	case e == nil:
		return l.unknown(now, r, p)
	}
	v := Verdict{Code: CodeApproved, RRN: e.rrn}
	ev := Event{N: l.last + 1, At: now, Key: e.key}
	switch {
	case e.state == StateTombstone:
		v.Code, v.Note = p.AlreadyReversed, "repeat: the tombstone stands"
	case p.OtherDay != "" && !day(e.history[0].At).Equal(day(now)):
		v.Code, v.Note = p.OtherDay, "refused: the original is of another day"
	case !e.fits(r):
		v.Code, v.Note = p.AmountDiffers, "refused: amount or currency differs from the original"
	case e.state == StateReversed || e.marked:
		v.Code, v.Note = p.AlreadyReversed, "repeat: already reversed"
	case e.state == StateDeclined:
		v.Code, v.Note = p.DeclinedOriginal, "nothing to reverse: the original was declined"
	case e.state == StatePending:
		ev.Type, ev.Amount = EventMark, r.Remains
		v.Events, v.Note = []Event{ev}, "the original is pending: marked"
	case e.fixed():
		v.Code, v.Note = CodeInvalid, "refused: the original was voided, refunded or completed"
	default:
		ev.Type, ev.Amount = effects[e.typ].undoes, e.moved-r.Remains
		v.Events = []Event{ev}
	}
	return v
}

// fits says whether r speaks of e's money. DE 95 cannot be more than there is,
// and what is undone whole leaves nothing.
func (e *entry) fits(r Reversal) bool {
	limit := e.amount
	if e.state == StateApproved {
		limit = e.moved
	}
	return e.amount == r.Amount.Minor && e.currency == r.Amount.Currency &&
		r.Remains >= 0 && r.Remains <= limit && (r.Remains == 0 || !whole(e.typ))
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
		N: l.last + 1, At: now, Type: EventTombstone, Key: r.Key, Of: eventOf(r.Type), RRN: rrn(l.last + 1),
		Amount: r.Amount.Minor, Currency: r.Amount.Currency, PAN: r.PAN,
	}
	return Verdict{Code: CodeApproved, RRN: ev.RRN, Events: []Event{ev}, Note: "the original is unknown: tombstone"}
}

// eventOf is the inverse of typeOf.
func eventOf(t iso8583.Type) iso8583.Type {
	if t == iso8583.Sale {
		return ""
	}
	return t
}

// rrn makes DE 37 from the number of an event.
func rrn(n int64) iso8583.RRN { return iso8583.RRN(fmt.Sprintf("%012d", n%1_000_000_000_000)) }
