package hostsim

import (
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Inquiries is how the host answers a status inquiry (terminal-rules.md C.29).
type Inquiries string

// The ways there are. All but the first are what a terminal must survive.
const (
	InquiryTrue       Inquiries = "true"        // by the ledger: 00, 09 while pending, the decline, else 25
	InquiryNotFound   Inquiries = "not_found"   // 25, whatever the ledger says
	InquiryInProgress Inquiries = "in_progress" // 09 for ever
	InquirySilent     Inquiries = "silent"      // no answer
	InquiryAnother    Inquiries = "another"     // 00, and DE 90 names another transaction
)

// Question asks what became of the request of Key.
type Question struct {
	Key    Key
	Amount iso8583.Amount
}

// Status answers a status inquiry. It changes nothing.
func (l *Ledger) Status(q Question, p Policy) Verdict {
	p = p.over(defaultPolicy)
	v := Verdict{Code: CodeNotFound, Note: "not found"}
	switch p.Inquiry {
	case InquiryNotFound:
		v.Note = "not found, says this host of everything"
		return v
	case InquiryInProgress:
		return Verdict{Code: CodeInProgress, Note: "in progress, says this host of everything"}
	case InquiryAnother:
		other := q.Key
		other.STAN = other.STAN%iso8583.LastSTAN + 1
		return Verdict{Code: CodeApproved, Original: other, Note: "about another transaction"}
	}
	e := l.entries[q.Key]
	if e == nil {
		return v
	}
	switch e.state {
	case StatePending:
		v = Verdict{Code: CodeInProgress, RRN: e.rrn, Note: "in progress"}
	case StateDeclined:
		v = Verdict{Code: e.code, RRN: e.rrn, Note: "declined"}
	case StateApproved:
		v = Verdict{Code: CodeApproved, RRN: e.rrn, AuthCode: e.auth, Note: "approved"}
		if e.moved != q.Amount.Minor {
			v.Amount = e.moved
		}
	}
	return v
}

// questionOf reads a status inquiry; DE 90 and DE 41 identify what it is about.
func questionOf(m *iso8583.Message) (Question, error) {
	key, err := originalOf(m)
	if err != nil {
		return Question{}, err
	}
	amount, err := amountOf(m)
	return Question{Key: key, Amount: amount}, err
}

// inquiry answers a status inquiry. DE 90 of the answer is what it speaks of.
func (x *exchange) inquiry() {
	q, err := questionOf(x.m)
	if err != nil {
		x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
		return
	}
	silent := false
	v := x.decide(func(l *Ledger, p Policy) Verdict {
		silent = p.Inquiry == InquirySilent
		return l.Status(q, p)
	})
	if silent {
		x.note("out", nil, "not sent: this host answers no inquiry")
		return
	}
	if v.Original == (Key{}) {
		v.Original = q.Key
	}
	x.answer(v)
}
