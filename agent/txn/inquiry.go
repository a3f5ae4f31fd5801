package txn

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The status inquiry: where the rules have one for the type, the host is asked
// what became of a request before the request is undone. It can only find an
// approval, or a decline that the profile lists as final. Everything else —
// not found, in progress, silence, nonsense — delays the reversal and never
// replaces it, since an inquiry may overtake the request it asks about (R2).

// Inquiring says that the request's outcome is in doubt, and that the host is
// asked.
type Inquiring struct {
	Head
	Cause Cause `json:"cause"` // of the reversal, if asking finds nothing
}

// Inquiry says that inquiry N may leave. It is a message of its own, with an
// identity of its own; the numbers go on after a restart, so that an agent that
// keeps crashing comes to an end too.
type Inquiry struct {
	Head
	N            int          `json:"n"`
	TID          iso8583.TID  `json:"tid"`
	STAN         iso8583.STAN `json:"stan"`
	Transmission string       `json:"de7"`
	LocalTime    string       `json:"de12"`
	LocalDate    string       `json:"de13"`
}

// InquiryAnswer is the host's answer to inquiry N and what it was taken for.
type InquiryAnswer struct {
	Head
	N        int         `json:"n"`
	Code     string      `json:"code"`
	RRN      iso8583.RRN `json:"rrn"`
	AuthCode string      `json:"auth_code"`
	Route    int         `json:"route"`
	Found    Found       `json:"found"`
	Late     bool        `json:"late"` // nothing was asked any more: evidence
	Text     string      `json:"text"`
}

// Found is what an answer to an inquiry says of the request.
type Found string

// What it can say.
const (
	FoundApproved Found = "approved"
	FoundDeclined Found = "declined"
	FoundNothing  Found = "nothing" // not found, in progress, or not to be believed
)

// Question is the identity of one inquiry.
type Question struct {
	STAN         iso8583.STAN
	Transmission string
	LocalTime    string
	LocalDate    string
}

// Type makes each record a Record.
func (*Inquiring) Type() RecordType     { return TypeInquiring }
func (*Inquiry) Type() RecordType       { return TypeInquiry }
func (*InquiryAnswer) Type() RecordType { return TypeInquiryAnswer }

func (r *Inquiring) fields(c *coder) { str(c, 2, &r.Cause) }

func (r *Inquiry) fields(c *coder) {
	num(c, 2, &r.N)
	str(c, 3, &r.TID)
	num(c, 4, &r.STAN)
	str(c, 5, &r.Transmission)
	str(c, 6, &r.LocalTime)
	str(c, 7, &r.LocalDate)
}

func (r *InquiryAnswer) fields(c *coder) {
	num(c, 2, &r.N)
	str(c, 3, &r.Code)
	str(c, 4, &r.RRN)
	str(c, 5, &r.AuthCode)
	num(c, 6, &r.Route)
	str(c, 7, &r.Found)
	c.bool(8, &r.Late)
	str(c, 9, &r.Text)
}

// addInquiry makes an inquiry known under its STAN.
func (m *Machine) addInquiry(r *Inquiry, loaded bool) {
	t := m.hot[r.UUID]
	if t == nil {
		return
	}
	t.Asked = append(t.Asked, Question{STAN: r.STAN, Transmission: r.Transmission, LocalTime: r.LocalTime, LocalDate: r.LocalDate})
	m.claim(t.UUID, STANKey(r.TID, r.STAN), loaded)
}

func (t *Transaction) applyInquiry(r Record) {
	switch r := r.(type) {
	case *Inquiring:
		t.State, t.Doubt = StateInquiring, r.Cause
	case *InquiryAnswer:
		if r.Late {
			t.Evidence++
			t.LateApproval = t.LateApproval || r.Found == FoundApproved
		}
	}
}

// stans lists every STAN that t was given: its own and its inquiries'.
func (t *Transaction) stans() []iso8583.STAN {
	all := []iso8583.STAN{t.STAN}
	for _, q := range t.Asked {
		all = append(all, q.STAN)
	}
	if t.Script.STAN != 0 {
		all = append(all, t.Script.STAN)
	}
	return all
}

// unsure is what follows where the request's outcome is not known: ask, where
// the rules have an inquiry for the type, else undo.
func (s *step) unsure(t *Transaction, c Cause) {
	q := &s.rules(t).Inquiry
	if !q.Covers(t.Kind) || t.State != StatePending || t.Parked {
		s.reverse(t, c)
		return
	}
	s.record(t.UUID, &Inquiring{Cause: c})
	s.limitInquiry(t)
	s.arm(t, waitAsk, q.After)
}

// limitInquiry begins the time within which inquiries may begin.
func (s *step) limitInquiry(t *Transaction) {
	s.wait(t).Until = s.now.Boot + time.Duration(s.rules(t).Inquiry.Within)
}

// inquire asks once more, or undoes: after the last attempt, once it is too late
// for another, or where a loss of the journal has stopped all messages. What the rules do not reverse goes to a person instead.
func (s *step) inquire(t *Transaction) {
	r, w := s.rules(t), s.wait(t)
	q := &r.Inquiry
	stan, ok := s.m.nextSTAN(t.TID, s.now.Wall)
	if !ok || t.Parked || len(t.Asked) >= q.Attempts || q.Within > 0 && s.now.Boot > w.Until {
		s.reverse(t, t.Doubt)
		return
	}
	clock, date := s.wireTime(t.TID)
	n := len(t.Asked) + 1
	s.record(t.UUID, &Inquiry{N: n, TID: t.TID, STAN: stan, Transmission: transmission(s.now.Wall), LocalTime: clock, LocalDate: date})
	f := t.facts(iso8583.KindInquiry)
	f.STAN, f.Transmission, f.LocalTime, f.LocalDate = stan, transmission(s.now.Wall), clock, date
	f.Original = t.identity(r)
	s.ready.Messages = append(s.ready.Messages, Outbound{UUID: t.UUID, Route: s.reversalRoute(t, r), Inquiry: n, Facts: f})
	w.Keys = s.m.keySTAN(t.TID)
	s.arm(t, waitFound, r.SendTimeout+q.AnswerTimeout)
}

// askAgain ends an inquiry that brought nothing. After the last one there is
// nothing left to wait for.
func (s *step) askAgain(t *Transaction) {
	q := &s.rules(t).Inquiry
	if len(t.Asked) >= q.Attempts || q.Within > 0 && s.now.Boot+time.Duration(q.Every) > s.wait(t).Until {
		s.reverse(t, t.Doubt)
		return
	}
	s.arm(t, waitAsk, q.Every)
}

func inquirySent(s *step, t *Transaction, ev Event) {
	if ev.(Sent).Inquiry == len(t.Asked) && s.wait(t).For == waitFound {
		s.arm(t, waitFound, s.rules(t).Inquiry.AnswerTimeout)
	}
}

func inquiryUnsent(s *step, t *Transaction, ev Event) {
	if ev.(Unsent).Inquiry == len(t.Asked) && s.wait(t).For == waitFound {
		s.wait(t).Shift++
		s.askAgain(t)
	}
}

func inquiryInDoubt(s *step, t *Transaction, ev Event) {
	if ev.(InDoubt).Inquiry == len(t.Asked) && s.wait(t).For == waitFound {
		s.askAgain(t)
	}
}

func inquiryTimeUp(s *step, t *Transaction, _ Event) {
	switch s.wait(t).For {
	case waitAsk:
		s.inquire(t)
	case waitFound:
		s.askAgain(t)
	}
}

// restartInquiring asks at once: each restart uses up an inquiry.
func restartInquiring(s *step, t *Transaction, _ Event) {
	if t.Stuck {
		s.quieten(t)
		return
	}
	s.limitInquiry(t)
	s.inquire(t)
}

// found takes an answer to an inquiry. Its identity is the inquiry's own, whole
// (R14); DE 90, where the host echoes it, is the request's; it comes from an
// address that can know.
func (s *step) found(t *Transaction, e Response) {
	r := s.rules(t)
	i := slices.IndexFunc(t.Asked, func(q Question) bool { return q.STAN == e.STAN })
	if i < 0 || e.MTI != r.MTI[iso8583.KindInquiry].Response() {
		s.evidence(t, &e, "no answer has this MTI")
		return
	}
	q := t.Asked[i]
	original := t.identity(r)
	switch {
	case !echoesAt(r, &e, t, q.Transmission, q.LocalTime, q.LocalDate):
		s.evidence(t, &e, "the identity echoed is not this inquiry's")
	case e.Original != "" && !original.Matches(e.Original):
		s.evidence(t, &e, "the inquiry's answer speaks of another transaction")
	case e.Route != t.Route && !r.Reversal.SharedLedger:
		s.evidence(t, &e, "the inquiry's answer comes from an address that did not have the request")
	default:
		if t.State.Open() {
			s.demandsSignOn(t, &e, s.wait(t).Keys)
		}
		s.run(t.UUID, findings(r, &e, t), e)
	}
}

// findings says what an answer to an inquiry means. Of an approval amount and
// currency must be what was asked for; what is not proved by its MAC finds nothing.
func findings(r *iso8583.Rules, e *Response, t *Transaction) Input {
	if !believed(r, e) {
		return InquiryOpen
	}
	switch r.Inquiry.Final(e.Code) {
	case iso8583.Approved:
		minor, err := iso8583.ParseDE4(e.Amount)
		if err == nil && minor == t.Minor && (e.Currency == "" || e.Currency == t.Currency.Numeric()) {
			return InquiryApproved
		}
	case iso8583.Declined:
		return InquiryDeclined
	}
	return InquiryOpen
}

// answered makes the answer to an inquiry durable. What changes nothing is
// bounded: a host that repeats itself must not fill the journal.
func (s *step) inquiryAnswer(t *Transaction, ev Event, f Found, late bool) {
	e := ev.(Response)
	first := f == FoundApproved && !t.LateApproval
	if late && !first && t.Evidence >= evidencePerTxn {
		return
	}
	n := 1 + slices.IndexFunc(t.Asked, func(q Question) bool { return q.STAN == e.STAN })
	s.record(t.UUID, &InquiryAnswer{N: n, Code: e.Code, RRN: e.RRN, AuthCode: e.AuthCode, Route: e.Route, Found: f, Late: late, Text: e.Text})
	if late && t.ByOperator {
		s.escalate(t, CauseAfterDecision)
	}
}

// foundApproved: the request took effect. The confirmation has its whole time.
func foundApproved(s *step, t *Transaction, ev Event) {
	s.inquiryAnswer(t, ev, FoundApproved, t.Stuck)
	if e := ev.(Response); !t.Stuck {
		s.approve(t, &e, 0)
	}
}

// foundDeclined: final, by what the profile lists.
func foundDeclined(s *step, t *Transaction, ev Event) {
	s.inquiryAnswer(t, ev, FoundDeclined, t.Stuck)
	if e := ev.(Response); !t.Stuck {
		s.finish(t, &Declined{Code: e.Code, RRN: e.RRN})
	}
}

// foundNothing ends the inquiry that it answers, and nothing else.
func foundNothing(s *step, t *Transaction, ev Event) {
	current := s.wait(t).For == waitFound && ev.(Response).STAN == t.Asked[len(t.Asked)-1].STAN
	s.inquiryAnswer(t, ev, FoundNothing, !current)
	if current {
		s.askAgain(t)
	}
}

// foundLate is an answer to an inquiry when nothing is asked any more.
func foundLate(f Found) func(*step, *Transaction, Event) {
	return func(s *step, t *Transaction, ev Event) { s.inquiryAnswer(t, ev, f, true) }
}

// foundContradiction: the host said something else before.
func foundContradiction(f Found) func(*step, *Transaction, Event) {
	return func(s *step, t *Transaction, ev Event) {
		s.inquiryAnswer(t, ev, f, true)
		s.contradicted(t)
	}
}

// foundReversed is lateApproval, said by an inquiry.
func foundReversed(s *step, t *Transaction, ev Event) {
	first := t.firstWord()
	s.inquiryAnswer(t, ev, FoundApproved, true)
	s.afterReversed(t, first)
}
