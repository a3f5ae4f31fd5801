package txn

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// An advice tells the host what was decided without it: a sale that the card or
// a voice approved, a completion where the acquirer wants it so. It commits
// with its intent, and is owed to the host until the host has it (store and
// forward). It is never reversed and never expires: what the host does not take
// reaches a person.

// Owed commits an advice, in the batch of its intent.
type Owed struct{ Head }

// AdviceAttempt says that send N of the advice may leave.
type AdviceAttempt struct {
	Head
	N      int  `json:"n"`
	Repeat bool `json:"repeat"` // an earlier one may have left
}

// AdviceAnswer is the host's answer to an advice and what it was taken for.
type AdviceAnswer struct {
	Head
	Code    string  `json:"code"`
	Route   int     `json:"route"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
}

// Advised is final: the host has the advice.
type Advised struct {
	Head
	Code     string      `json:"code"`
	RRN      iso8583.RRN `json:"rrn"`
	AuthCode string      `json:"auth_code"`
}

// Type makes each record a Record.
func (*Owed) Type() RecordType          { return TypeOwed }
func (*AdviceAttempt) Type() RecordType { return TypeAdviceAttempt }
func (*AdviceAnswer) Type() RecordType  { return TypeAdviceAnswer }
func (*Advised) Type() RecordType       { return TypeAdvised }

func (r *Owed) fields(*coder) {}

func (r *AdviceAttempt) fields(c *coder) { num(c, 2, &r.N); c.bool(3, &r.Repeat) }

func (r *AdviceAnswer) fields(c *coder) {
	str(c, 2, &r.Code)
	num(c, 3, &r.Route)
	str(c, 4, &r.Verdict)
	str(c, 5, &r.Text)
}

func (r *Advised) fields(c *coder) {
	str(c, 2, &r.Code)
	str(c, 3, &r.RRN)
	str(c, 4, &r.AuthCode)
}

func (t *Transaction) applyAdvice(r Record) {
	switch r := r.(type) {
	case *Owed:
		t.State, t.Advice, t.Confirmed, t.AuthCode = StateAdvising, true, r.At, t.Approval
	case *AdviceAttempt:
		t.Attempts, t.Repeat = r.N, r.Repeat
	case *AdviceAnswer:
		if r.Verdict == VerdictIgnored {
			t.Evidence++
		}
	case *Advised:
		t.State, t.Final, t.Stuck, t.Parked = StateConfirmed, r.At, false, false
		t.Code, t.RRN = r.Code, r.RRN
		if r.AuthCode != "" {
			t.AuthCode = r.AuthCode
		}
		t.closeItems(&r.Head, "", CauseParked, CauseAdviceSilence, CauseOwed)
	}
}

// inLine says that t is to be sent by itself.
func (t *Transaction) inLine() bool { return t.State == StateAdvising && !t.Stuck && !t.Parked }

// queueFull says that the terminal owes as many advices as it may. What a
// person has does not count: it holds up nothing.
func (m *Machine) queueFull(term *Terminal, typ iso8583.Type) bool {
	r := &term.Rules.Advice
	if !r.Covers(typ) {
		return false
	}
	owed := 0
	for _, uuid := range m.open {
		if t := m.hot[uuid]; t.TID == term.TID && t.inLine() {
			owed++
		}
	}
	return owed >= r.Limit
}

// owe commits t and lets it be sent.
func (s *step) owe(t *Transaction) {
	s.record(t.UUID, &Owed{})
	s.paid(t)
	s.line(t)
}

// line sends t, at once or, where the acquirer needs them in order, when its
// turn comes.
func (s *step) line(t *Transaction) {
	if !s.rules(t).Advice.Ordered {
		s.tell(t)
		return
	}
	s.wait(t).For = waitTurn
	s.advance(t.TID)
}

// advance sends the terminal's first advice in line, unless one is under way.
func (s *step) advance(tid iso8583.TID) {
	var first *Transaction
	for _, uuid := range s.m.open {
		t := s.m.hot[uuid]
		if t.TID != tid || !t.inLine() || !s.rules(t).Advice.Ordered {
			continue
		}
		if w := s.wait(t); w.For == waitTaken || w.For == waitResend {
			return
		}
		if first == nil {
			first = t
		}
	}
	if first != nil {
		s.tell(first)
	}
}

// tell sends the advice once more, always under the identity of its intent;
// with the repeat MTI as soon as an earlier send may have left, or may have been
// lost with the journal. While that is certain not to be so, the next address may
// have it.
func (s *step) tell(t *Transaction) {
	r, w := s.rules(t), s.wait(t)
	repeat := s.m.InDoubt(t) || t.Attempts > 0 && (t.Repeat || !w.Unsent)
	if next := s.nextRoute(t); t.Attempts > 0 && !repeat && !r.Reversal.SharedLedger && next != t.Route {
		s.record(t.UUID, &Rerouted{Route: next, Address: s.m.terminals[t.TID].address(next)})
	}
	s.record(t.UUID, &AdviceAttempt{N: t.Attempts + 1, Repeat: repeat})
	f := s.ownFacts(t)
	f.Repeat = repeat
	s.ready.Messages = append(s.ready.Messages, Outbound{UUID: t.UUID, Route: s.reversalRoute(t, r), Attempt: t.Attempts, Facts: f})
	w.Unsent, w.Keys = false, s.m.keySTAN(t.TID)
	w.Quiet = s.now.Boot + time.Duration(r.SendTimeout+r.Reversal.MessageLifetime)
	s.arm(t, waitTaken, r.SendTimeout+r.Advice.AnswerTimeout)
}

// tellLater ends a send that brought nothing. From the configured number on a
// person knows; sending goes on all the same.
func (s *step) tellLater(t *Transaction) {
	r := &s.rules(t).Advice
	if t.Attempts >= r.EscalateAfter {
		s.escalate(t, CauseAdviceSilence)
	}
	s.arm(t, waitResend, iso8583.Duration(r.Schedule.Wait(t.Attempts+1)))
}

func adviceSent(s *step, t *Transaction, ev Event) {
	if ev.(Sent).Attempt == t.Attempts && s.wait(t).For == waitTaken {
		s.arm(t, waitTaken, s.rules(t).Advice.AnswerTimeout)
	}
}

func adviceUnsent(s *step, t *Transaction, ev Event) {
	if ev.(Unsent).Attempt == t.Attempts && s.wait(t).For == waitTaken {
		s.wait(t).Unsent = true
		s.wait(t).Shift++
		s.tellLater(t)
	}
}

func adviceInDoubt(s *step, t *Transaction, ev Event) {
	if ev.(InDoubt).Attempt == t.Attempts && s.wait(t).For == waitTaken {
		s.tellLater(t)
	}
}

func adviceTimeUp(s *step, t *Transaction, _ Event) {
	switch s.wait(t).For {
	case waitTaken:
		s.tellLater(t)
	case waitResend:
		s.tell(t)
	}
}

// restartAdvising takes an owed advice up again.
func restartAdvising(s *step, t *Transaction, _ Event) {
	s.mayArrive(t)
	if t.inLine() {
		s.line(t)
	}
}

// adviceAnswer judges an answer by the row "Advice (store and forward) done
// at". What the host takes is taken, also from one that a person has.
func adviceAnswer(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	verdict := s.judgeAdvice(t, &e)
	if verdict != VerdictDone && (!t.inLine() || verdict == VerdictRetry && s.wait(t).For != waitTaken) {
		verdict = VerdictIgnored
	}
	if verdict == VerdictIgnored && t.Evidence >= evidencePerTxn {
		return
	}
	s.record(t.UUID, &AdviceAnswer{Code: e.Code, Route: e.Route, Verdict: verdict, Text: e.Text})
	switch verdict {
	case VerdictDone:
		s.finish(t, &Advised{Code: e.Code, RRN: e.RRN, AuthCode: e.AuthCode})
		if t.awaitsShown() {
			s.arm(t, waitShown, s.rules(t).ShownTimeout)
		}
		s.advance(t.TID)
	case VerdictRetry:
		s.tellLater(t)
	case VerdictDuplicate:
		s.escalate(t, CauseCollision)
		s.skip(t.TID)
		s.leave(t)
	case VerdictRefused:
		s.escalate(t, CauseAdviceRefused)
		s.leave(t)
	}
}

func (s *step) judgeAdvice(t *Transaction, e *Response) Verdict {
	r := s.rules(t)
	minor, err := iso8583.ParseDE4(e.Amount)
	other := e.Amount != "" && (err != nil || minor != t.Minor) || e.Currency != "" && e.Currency != t.Currency.Numeric()
	switch {
	case e.Route != t.Route && !r.Reversal.SharedLedger, t.Attempts == 0, !believed(r, e):
		return VerdictIgnored
	case slices.Contains(r.Advice.Retry, e.Code):
		return VerdictRetry
	case slices.Contains(r.Advice.Duplicate, e.Code) && !t.Repeat:
		return VerdictDuplicate // the STAN is another's: it has not taken this one
	case slices.Contains(slices.Concat(r.Advice.Done, r.Advice.Duplicate), e.Code) && !other:
		return VerdictDone
	default:
		return VerdictRefused
	}
}

// adviceAgain is an answer to an advice that is closed: the same says nothing
// new, a refusal of what was taken is a person's.
func adviceAgain(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	verdict := s.judgeAdvice(t, &e)
	if verdict == VerdictIgnored || !t.ByOperator && verdict != VerdictRefused {
		return
	}
	if t.Evidence < evidencePerTxn {
		s.record(t.UUID, &AdviceAnswer{Code: e.Code, Route: e.Route, Verdict: VerdictIgnored, Text: e.Text})
	}
	if t.ByOperator {
		s.escalate(t, CauseAfterDecision)
	} else {
		s.escalate(t, CauseContradiction)
	}
}
