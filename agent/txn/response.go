package txn

import (
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// response finds the transaction that a message of the host is about (R14:
// the whole identity, never the STAN alone) and what it says about it. What
// matches nothing is evidence.
func (s *step) response(e Response) {
	holder := s.m.bySTAN[STANKey(e.TID, e.STAN)]
	if b := s.m.byGroup(holder); b != nil {
		s.batchAnswer(b, e)
		return
	}
	t := s.m.hot[holder]
	if t == nil {
		s.stray(e.Route, "no transaction has this terminal and STAN", e.Text)
		return
	}
	if e.STAN == t.Script.STAN {
		s.scriptAnswer(t, &e)
		return
	}
	if e.STAN != t.STAN {
		s.found(t, e)
		return
	}
	r := s.rules(t)
	switch e.MTI {
	case r.MTI[t.Kind.Kind()].Response():
		if !echoes(r, &e, t, t.Transmission) {
			s.evidence(t, &e, "the identity echoed is not this transaction's")
			return
		}
		if t.State.Open() {
			s.demandsSignOn(t, &e, s.wait(t).Keys)
		}
		if t.Advice {
			s.run(t.UUID, AdviceAnswered, e)
			return
		}
		s.run(t.UUID, classify(r, &e, t), e)
	case r.MTI[iso8583.KindReversal].Response(), r.MTI[iso8583.KindReversalRepeat].Response():
		if t.Attempts == 0 || t.Advice || !echoes(r, &e, t, t.SeriesDE7) {
			s.evidence(t, &e, "the identity echoed is not this reversal's")
			return
		}
		s.run(t.UUID, ReversalAnswered, e)
	default:
		s.evidence(t, &e, "no answer has this MTI")
	}
}

// echoes says whether everything that the dialect echoes is as it was sent.
// What is absent contradicts nothing.
func echoes(r *iso8583.Rules, e *Response, t *Transaction, de7 string) bool {
	clock, date := t.wire()
	return echoesAt(r, e, t, de7, clock, date)
}

// echoesAt is echoes for a message about t with these DE 7, 12 and 13.
func echoesAt(r *iso8583.Rules, e *Response, t *Transaction, de7, de12, de13 string) bool {
	for _, de := range r.Match {
		var got, want string
		switch de {
		case 7:
			got, want = e.Transmission, de7
		case 12:
			got, want = e.LocalTime, de12
		case 13:
			got, want = e.LocalDate, de13
		case 37:
			got, want = string(e.RRN), string(t.RRN)
		case 42:
			got, want = e.MID, string(t.MID)
		}
		if got != "" && want != "" && got != want {
			return false
		}
	}
	return true
}

// classify says what an answer to the request means. One whose MAC is not right
// proves nothing. One whose amount or currency is not what was asked is not
// believed, except a duplicate: it may speak of the earlier transaction, and to
// reverse would undo that one. Where no money moves an amount says nothing.
func classify(r *iso8583.Rules, e *Response, t *Transaction) Input {
	class := r.Response.Classify(e.Code)
	if !believed(r, e) {
		return unproved(class)
	}
	if class == iso8583.Duplicate {
		return AnswerDuplicate
	}
	if !t.Kind.MovesMoney() {
		return byClass(class)
	}
	if e.Currency != "" && e.Currency != t.Currency.Numeric() {
		return AnswerUnbelievable
	}
	minor, err := iso8583.ParseDE4(e.Amount)
	switch {
	case class == iso8583.Partial && err == nil && 0 < minor && minor < t.Minor:
		return AnswerPartial
	case err != nil || minor != t.Minor || class == iso8583.Partial:
		return AnswerUnbelievable
	}
	return byClass(class)
}

// byClass is what a code means whose answer is believed.
func byClass(c iso8583.Class) Input {
	switch c {
	case iso8583.Approved:
		return AnswerApproved
	case iso8583.Declined:
		return AnswerDeclined
	default:
		return AnswerIndeterminate
	}
}

func approved(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	if t.Stuck {
		lateAnswer(s, t, ev)
		return
	}
	s.approve(t, &e, 0)
}

// approve records an approval of minor; 0 is all of it. An application that is
// to confirm gets its time.
func (s *step) approve(t *Transaction, e *Response, minor int64) {
	if t.unreadable(e) {
		lateAnswer(s, t, *e)
		s.reverse(t, CauseChipData)
		return
	}
	s.record(t.UUID, &Approved{
		Code: e.Code, RRN: e.RRN, AuthCode: e.AuthCode, Route: e.Route, Balance: e.Balance, ChipData: e.ChipData, Minor: minor,
	})
	switch {
	case !t.Kind.NeedsConfirmation():
		s.finish(t, &Confirmed{Undated: s.now.Dead}) // the durable approval is the commit point
	case t.Implicit:
		s.commitImplicitly(t)
	default:
		s.awaitConfirmation(t)
	}
}

func declined(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	if t.Stuck {
		lateAnswer(s, t, ev)
		return
	}
	s.finish(t, &Declined{Code: e.Code, RRN: e.RRN, ChipData: e.ChipData})
}

// partial: less than was asked for. Where the application said that it takes
// that, it is an approval whose amount must be confirmed; else it is reversed.
func partial(s *step, t *Transaction, ev Event) {
	if e := ev.(Response); t.Partial && !t.Implicit && !t.Stuck {
		minor, _ := iso8583.ParseDE4(e.Amount) // classify has
		s.approve(t, &e, minor)
		return
	}
	lateAnswer(s, t, ev)
	if !t.Stuck {
		s.reverse(t, CausePartial)
	}
}

func indeterminate(s *step, t *Transaction, ev Event) {
	lateAnswer(s, t, ev)
	if !t.Stuck {
		s.unsure(t, CauseIndeterminate)
	}
}

func unbelievable(s *step, t *Transaction, ev Event) {
	lateAnswer(s, t, ev)
	if !t.Stuck {
		s.reverse(t, CauseUnbelievable)
		s.escalate(t, CauseUnbelievable)
	}
}

// collision: 94 on a first send. The STAN belongs to an earlier transaction at
// the host, so a reversal would undo that one: a person decides, and the STAN
// jumps ahead (row "Response codes of the request").
func collision(s *step, t *Transaction, ev Event) {
	lateAnswer(s, t, ev)
	if t.Stuck {
		return
	}
	if t.Kind.MovesMoney() {
		s.escalate(t, CauseCollision)
		s.disarm(t)
	} else {
		s.finish(t, &Failed{}) // nothing to ask a person about
	}
	s.skip(t.TID)
}

// skip moves the terminal's STANs away from those of the host's that it met.
// Past the last STAN, nextSTAN decides when numbering may start anew.
func (s *step) skip(tid iso8583.TID) {
	next := min(s.m.head(tid).Next+stanJump, iso8583.LastSTAN+1)
	s.record(groupTerminal+string(tid), &Jump{TID: tid, Next: next})
}

// stanJump is how far numbering jumps after a collision.
const stanJump = 1000

// contradiction: the host says something else than it said before.
func contradiction(s *step, t *Transaction, ev Event) {
	lateAnswer(s, t, ev)
	s.contradicted(t)
}

func (s *step) contradicted(t *Transaction) {
	if !t.Kind.MovesMoney() {
		return
	}
	if t.State == StateConfirmed {
		s.escalate(t, CauseContradiction)
		return
	}
	s.reverse(t, CauseContradiction)
	s.escalate(t, CauseContradiction)
}

// again: an approval for what is approved. The same one says nothing new; the
// whole after a part, or a part after the whole or another part, contradicts.
func again(s *step, t *Transaction, ev Event) {
	minor, err := iso8583.ParseDE4(ev.(Response).Amount)
	if t.Kind.MovesMoney() && (err != nil || minor != t.Taken()) {
		contradiction(s, t, ev)
		return
	}
	if e := ev.(Response); e.RRN != t.RRN || e.AuthCode != t.AuthCode {
		lateAnswer(s, t, ev)
	}
}

// authorisedTwice says that e is of another authorisation than the one known: the
// host took the request twice. Which of the two a reversal undoes nobody knows, so
// it is a person's (P3, R13). An inquiry's answer may have a DE 37 of its own, so
// that DE 38 decides where there is one.
func (t *Transaction) authorisedTwice(e *Response) bool {
	if e.AuthCode != "" || t.AuthCode != "" {
		return e.AuthCode != "" && t.AuthCode != "" && e.AuthCode != t.AuthCode
	}
	return e.RRN != "" && t.RRN != "" && e.RRN != t.RRN && len(t.Asked) == 0
}

// doubtful: an unbelievable answer after a decline. Unless it is a decline
// itself, the host may hold a debit.
func doubtful(s *step, t *Transaction, ev Event) {
	if e := ev.(Response); s.rules(t).Response.Classify(e.Code) == iso8583.Declined {
		lateAnswer(s, t, ev)
		return
	}
	contradiction(s, t, ev)
}

// lateAnswer keeps what the host said as evidence (R7). After an operator's
// decision it reopens the matter, and so does a second authorisation.
func lateAnswer(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	class := s.rules(t).Response.Classify(e.Code).String()
	if !believed(s.rules(t), &e) {
		class = classUnproved // or a forged approval would hide the true one that follows
	}
	if first := class == iso8583.Approved.String() && !t.LateApproval; first || t.Evidence < evidencePerTxn {
		s.record(t.UUID, &Late{Class: class, Code: e.Code, RRN: e.RRN, AuthCode: e.AuthCode, Route: e.Route, Text: e.Text})
	}
	if t.ByOperator {
		s.escalate(t, CauseAfterDecision)
	}
	if class == iso8583.Approved.String() && t.Kind.MovesMoney() && t.authorisedTwice(&e) {
		s.escalate(t, CauseContradiction)
	}
}

// lateApproval is an approval that comes after the reversal was closed. Where
// the hold-down had to run and this is the first that is heard of the request,
// it may have taken effect after all: a person asks, and what it followed is
// locked until he knows.
func lateApproval(s *step, t *Transaction, ev Event) {
	first := t.firstWord()
	lateAnswer(s, t, ev)
	s.afterReversed(t, first)
}

// firstWord says that an approval now would be the first that is heard of the
// request, after its hold-down.
func (t *Transaction) firstWord() bool {
	return !t.LateApproval && !t.Answered && t.Hold == HoldOver
}

func (s *step) afterReversed(t *Transaction, first bool) {
	if first {
		s.escalate(t, CauseContradiction)
	}
	if t.Stuck {
		s.lock(t)
	}
}

// evidence keeps a message that names t but is not an answer to it.
func (s *step) evidence(t *Transaction, e *Response, why string) {
	if t.Evidence < evidencePerTxn {
		s.record(t.UUID, &Evidence{Route: e.Route, Why: why, Text: e.Text})
	}
}
