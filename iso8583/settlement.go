package iso8583

import (
	"fmt"
	"slices"
)

// SettlementRules say how a terminal's batch is closed with the acquirer
// (terminal-rules.md B1, B2, C.31). The zero value has no settlement, and
// transactions belong to no batch then.
type SettlementRules struct {
	// DE 39 of the answer, where the dialect's verdict is not in an element of
	// its own. Everything else refuses: a person's.
	Balanced   []string `json:"balanced,omitempty"`   // 00
	Unbalanced []string `json:"unbalanced,omitempty"` // 95
	Retry      []string `json:"retry,omitempty"`      // like silence

	// Schedule is the wait before each send of one message after the first; its
	// last entry repeats for ever.
	Schedule      Schedule `json:"schedule"`
	AnswerTimeout Duration `json:"answer_timeout"`
	EscalateAfter int      `json:"escalate_after"` // sends of one message; sending goes on

	// Limit is how many transactions a batch may hold: the next is refused
	// until it is settled (C.31, "full log").
	Limit int `json:"limit"`
}

// Has says whether the dialect has a settlement at all.
func (r *SettlementRules) Has() bool { return r.Limit > 0 }

// Verdict is what DE 39 says of the batch, and whether it says anything.
func (r *SettlementRules) Verdict(code string) (v BatchVerdict, known bool) {
	switch {
	case slices.Contains(r.Balanced, code):
		return BatchBalanced, true
	case slices.Contains(r.Unbalanced, code):
		return BatchUnbalanced, true
	}
	return BatchUnknown, false
}

// BatchLimit is the most that a batch may ever hold: counts have three digits
// on some wires.
const BatchLimit = 999

// validateSettlement is Validate's part about settlement.
func (r *Rules) validateSettlement() error {
	s := &r.Settlement
	if !s.Has() {
		if s.EscalateAfter != 0 || s.AnswerTimeout != 0 || len(s.Schedule)+len(s.Balanced)+len(s.Unbalanced)+len(s.Retry) > 0 {
			return fmt.Errorf("rules.settlement.limit: want 1 to %d, or no settlement at all", BatchLimit)
		}
		return nil
	}
	switch {
	case s.Limit < 1 || s.Limit > BatchLimit:
		return fmt.Errorf("rules.settlement.limit: want 1 to %d", BatchLimit)
	case r.MTI[KindSettle].Response() == "":
		return fmt.Errorf("rules.mti.%s: want the MTI of a request", KindSettle)
	case len(s.Schedule) == 0 || s.Schedule[len(s.Schedule)-1] <= 0:
		return fmt.Errorf("rules.settlement.schedule: want at least one wait; the last repeats for ever and must be above zero")
	case s.AnswerTimeout <= 0:
		return fmt.Errorf("rules.settlement.answer_timeout: want a duration above zero")
	case s.EscalateAfter < 1:
		return fmt.Errorf("rules.settlement.escalate_after: want 1 or more")
	}
	return nil
}

// ValidBatch says whether s is a batch number: six digits, not all zero.
func ValidBatch(s string) bool { return len(s) == 6 && isDigits(s) && s != "000000" }

// FirstBatch is a terminal's batch until something says otherwise.
const FirstBatch = "000001"

// NextBatch is the number after s; after 999999 comes 000001.
func NextBatch(s string) string {
	n := 0
	for _, c := range []byte(s) {
		n = n*10 + int(c-'0')
	}
	if n++; n > 999999 {
		return FirstBatch
	}
	return fmt.Sprintf("%06d", n)
}
