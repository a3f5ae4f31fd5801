package iso8583

import (
	"fmt"
	"slices"
)

// SignOnRules say how a terminal gets its working keys (terminal-rules B1,
// "Sign-on"; A, "A0: sign in, new MAC, again"). The zero value is for a dialect
// whose messages nobody signs.
type SignOnRules struct {
	// Required says that no transaction begins before a sign-on has brought keys.
	Required bool `json:"required"`

	// Codes are DE 39 of an answer that says that the terminal's keys are not
	// the host's: A0, 77. Whoever owes a reversal signs on first, then sends it
	// with a new MAC.
	Codes []string `json:"codes"`

	// Schedule is the wait before each try after the first, where nobody but the
	// terminal's own need asks for it; its last entry repeats for ever.
	Schedule      Schedule `json:"schedule"`
	AnswerTimeout Duration `json:"answer_timeout"`

	Operator string `json:"operator"` // who signs on, DE 63

	// Clock says whether the answer sets the time that messages carry (B1, 0810).
	Clock ClockRule `json:"clock,omitempty"`
}

// ClockRule says whose time DE 12 and 13 are.
type ClockRule string

// The rules there are.
const (
	ClockIgnore ClockRule = ""          // the terminal's own
	ClockHost   ClockRule = "host_time" // the host's, once a sign-on's answer gave it
)

// Demands says whether an answer with this code asks for a sign-on.
func (r *SignOnRules) Demands(code string) bool { return slices.Contains(r.Codes, code) }

// validateSignOn is Validate's part about sign-on.
func (r *Rules) validateSignOn() error {
	s := &r.SignOn
	if !s.Required {
		if len(s.Codes)+len(s.Schedule) > 0 || s.AnswerTimeout != 0 || s.Operator+string(s.Clock) != "" {
			return fmt.Errorf("rules.sign_on.required: want true, or no sign_on at all")
		}
		return nil
	}
	switch {
	case r.MTI[KindSignOn].Response() == "":
		return fmt.Errorf("rules.mti.%s: want the MTI of a request", KindSignOn)
	case len(s.Schedule) == 0 || s.Schedule[len(s.Schedule)-1] <= 0:
		return fmt.Errorf("rules.sign_on.schedule: want at least one wait; the last repeats for ever and must be above zero")
	case s.AnswerTimeout <= 0:
		return fmt.Errorf("rules.sign_on.answer_timeout: want a duration above zero")
	}
	if s.Clock != ClockIgnore && s.Clock != ClockHost {
		return fmt.Errorf("rules.sign_on.clock: want %q, or nothing for the terminal's own", ClockHost)
	}
	for _, code := range s.Codes {
		for where, list := range map[string][]string{
			"response.approved": r.Response.Approved, "response.partial": r.Response.Partial,
			"reversal.done": r.Reversal.Done, "reversal.duplicate": r.Reversal.Duplicate,
		} {
			if slices.Contains(list, code) {
				return fmt.Errorf("rules.sign_on.codes: code %q is in rules.%s too", code, where)
			}
		}
	}
	return nil
}
