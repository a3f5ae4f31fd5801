package iso8583

import (
	"fmt"
	"slices"
)

// AdviceRules say what is told to the host instead of asked (store and
// forward; terminal-rules.md A, "Advice done at"). An advice is committed with
// its intent, by a decision that is not the host's, and owed to the host until
// Done or Duplicate ends it. The zero value has none.
type AdviceRules struct {
	Types []Type `json:"types"` // offline, completion; none: the rule is off

	// Schedule is the wait before each send after the first, counted from the
	// end of the one before; its last entry repeats for ever.
	Schedule      Schedule `json:"schedule"`
	AnswerTimeout Duration `json:"answer_timeout"`
	EscalateAfter int      `json:"escalate_after"` // sends; sending goes on

	Done      []string `json:"done"`      // 00
	Duplicate []string `json:"duplicate"` // 94: ends a repeat; on a first send it is a STAN collision
	Retry     []string `json:"retry"`     // like silence
	// Everything else refuses: the advice leaves the queue, to a person.

	// Ordered sends one at a time per terminal, in the order of the intents.
	Ordered bool `json:"ordered"`
	// Limit is how many a terminal may owe; the next is refused before the
	// goods leave.
	Limit int `json:"limit"`
}

// Covers says whether t is sent as an advice.
func (r *AdviceRules) Covers(t Type) bool { return slices.Contains(r.Types, t) }

// validateAdvice is Validate's part about advices.
func (r *Rules) validateAdvice() error {
	a := &r.Advice
	if r.MTI[Offline.Kind()] != "" && !a.Covers(Offline) {
		return fmt.Errorf("rules.advice.types: want %q, which there is a message for: it is never asked, only told", Offline)
	}
	if len(a.Types) == 0 {
		if a.EscalateAfter != 0 || a.Limit != 0 || len(a.Schedule)+len(a.Done) > 0 {
			return fmt.Errorf("rules.advice.types: want at least one type, or no advice at all")
		}
		return nil
	}
	for _, t := range a.Types {
		switch {
		case t != Offline && t != Completion:
			return fmt.Errorf("rules.advice.types: %q is never an advice; want %q or %q", t, Offline, Completion)
		case r.MTI[t.Kind()].Response() == "":
			return fmt.Errorf("rules.mti.%s: want the MTI of a request", t.Kind())
		case slices.Contains(r.Reversal.Types, t):
			return fmt.Errorf("rules.reversal.types: %q is sent as an advice, which is never reversed", t)
		}
	}
	switch {
	case len(a.Schedule) == 0:
		return fmt.Errorf("rules.advice.schedule: want at least one wait")
	case a.Schedule[len(a.Schedule)-1] <= 0:
		return fmt.Errorf("rules.advice.schedule: its last wait repeats for ever and must be above zero")
	case a.AnswerTimeout <= 0:
		return fmt.Errorf("rules.advice.answer_timeout: want a duration above zero")
	case a.EscalateAfter < 1:
		return fmt.Errorf("rules.advice.escalate_after: want 1 or more")
	case a.Limit < 1:
		return fmt.Errorf("rules.advice.limit: want 1 or more")
	case len(a.Done) == 0:
		return fmt.Errorf("rules.advice.done: want at least one code")
	}
	return nil
}
