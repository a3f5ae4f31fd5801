package txn

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The verdict on a message's MAC, in a dialect that has one. A message whose
// MAC is wrong or missing may be anybody's (safety.md, "Man in the middle"): it
// is looked at before anything is decided, and can only ever bring about that a
// request is undone, never that something stands or that a reversal ends.

// believed says whether what the answer says may be acted on. A decline may be
// listed as legal without a MAC; a wrong one is never legal.
func believed(r *iso8583.Rules, e *Response) bool {
	return !e.MAC.Doubtful() || e.MAC == iso8583.MACMissing && slices.Contains(r.Response.Unsigned, e.Code)
}

// classUnproved is the class of an answer whose MAC is not right, whatever it
// says.
const classUnproved = "unproved"

// unproved says what an answer to the request means whose MAC is not right (row
// "When a response is accepted"). A duplicate is a person's either way: if it is
// true, a reversal would undo an earlier sale.
func unproved(c iso8583.Class) Input {
	switch c {
	case iso8583.Duplicate:
		return AnswerDuplicate
	case iso8583.Declined:
		return AnswerUnprovedNo
	default:
		return AnswerUnproved
	}
}

// unprovedAnswer undoes a request whose answer is not proved. What it says is
// evidence.
func unprovedAnswer(c Cause) func(*step, *Transaction, Event) {
	return func(s *step, t *Transaction, ev Event) {
		lateAnswer(s, t, ev)
		if !t.Stuck {
			s.reverse(t, c)
		}
	}
}
