package iso8583

import (
	"fmt"
	"slices"
)

// InquiryRules say how the host is asked what became of a request whose
// outcome is unknown (terminal-rules.md A, "Inquiry"). The zero value asks
// nothing: the request is reversed at once. An inquiry only ever delays the
// reversal; "not found" and "in progress" never close (safety.md R2).
type InquiryRules struct {
	Types []Type `json:"types"` // which are inquired after; none: the rule is off

	After         Duration `json:"after"`          // from the doubt to the first inquiry: not at once, or it overtakes the request
	Every         Duration `json:"every"`          // from the end of one to the next
	AnswerTimeout Duration `json:"answer_timeout"` // from when one has left
	Attempts      int      `json:"attempts"`       // at most so many, restarts included
	Within        Duration `json:"within"`         // none begins later than this after the doubt; 0: attempts alone decide

	// What DE 39 of the answer says of the request. Whatever is in neither —
	// not found, in progress — is not final.
	Approved []string `json:"approved"` // it was approved, whole
	Declined []string `json:"declined"` // it was declined and never will be approved; list only what the acquirer certifies
}

// maxInquiries bounds what a transaction keeps of its inquiries.
const maxInquiries = 99

// Covers says whether t is inquired after.
func (r *InquiryRules) Covers(t Type) bool { return slices.Contains(r.Types, t) }

// Final says what a code of an inquiry's answer ends: Approved, Declined, or
// Indeterminate for what ends nothing.
func (r *InquiryRules) Final(code string) Class {
	switch {
	case slices.Contains(r.Approved, code):
		return Approved
	case slices.Contains(r.Declined, code):
		return Declined
	default:
		return Indeterminate
	}
}

// validateInquiry is Validate's part about the inquiry.
func (r *Rules) validateInquiry() error {
	q := &r.Inquiry
	if len(q.Types) == 0 {
		if q.Attempts != 0 || q.After != 0 || q.Every != 0 || len(q.Approved)+len(q.Declined) > 0 {
			return fmt.Errorf("rules.inquiry.types: want at least one type, or no inquiry at all")
		}
		return nil
	}
	for _, t := range q.Types {
		switch {
		case !t.Valid():
			return fmt.Errorf("rules.inquiry.types: unknown type %q", t)
		case !t.MovesMoney():
			return fmt.Errorf("rules.inquiry.types: %q moves no money, so its outcome does not matter", t)
		case r.Advice.Covers(t):
			return fmt.Errorf("rules.inquiry.types: %q is sent as an advice, which is repeated and not inquired after", t)
		}
	}
	switch {
	case r.MTI[KindInquiry].Response() == "":
		return fmt.Errorf("rules.mti.%s: want the MTI of a request", KindInquiry)
	case q.After < 0:
		return fmt.Errorf("rules.inquiry.after: want a duration, not a negative one")
	case q.Every <= 0:
		return fmt.Errorf("rules.inquiry.every: want a duration above zero")
	case q.AnswerTimeout <= 0:
		return fmt.Errorf("rules.inquiry.answer_timeout: want a duration above zero")
	case q.Attempts < 1 || q.Attempts > maxInquiries:
		return fmt.Errorf("rules.inquiry.attempts: want 1 to %d", maxInquiries)
	case q.Within < 0:
		return fmt.Errorf("rules.inquiry.within: want a duration, not a negative one")
	case len(q.Approved) == 0:
		return fmt.Errorf("rules.inquiry.approved: want at least one code")
	}
	for _, code := range slices.Concat(q.Approved, q.Declined) {
		if slices.Contains(r.Reversal.Unknown, code) {
			return fmt.Errorf("rules.inquiry: code %q means not found, which is never final (R2)", code)
		}
	}
	return nil
}
