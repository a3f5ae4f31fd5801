package iso8583

import (
	"fmt"
	"slices"
)

// ScriptRules say how the host is told what came of the scripts that it sent for
// the card (terminal-rules B1, "Script 0620"; store and forward). The zero value
// tells nothing.
type ScriptRules struct {
	// Tags are DE 55 of the notice, in order: of those that are kept, the scripts'
	// results among them.
	Tags []string `json:"tags"`

	// Schedule is the wait before each send after the first; its last entry
	// repeats until the host answers, whatever it answers.
	Schedule      Schedule `json:"schedule"`
	AnswerTimeout Duration `json:"answer_timeout"`
	Retry         []string `json:"retry,omitempty"` // like silence

	// Limit is how many a terminal may owe: beyond it the oldest is given up.
	Limit int `json:"limit"`
}

// Has says whether the host is told at all.
func (r *ScriptRules) Has() bool { return r.Limit > 0 }

// validateScript is Validate's part about scripts.
func (r *Rules) validateScript() error {
	s := &r.Script
	if !s.Has() {
		if len(s.Tags)+len(s.Schedule)+len(s.Retry) > 0 || s.AnswerTimeout != 0 || s.Limit < 0 {
			return fmt.Errorf("rules.script.limit: want 1 or more, or no script at all")
		}
		return nil
	}
	switch {
	case r.MTI[KindScript].Response() == "":
		return fmt.Errorf("rules.mti.%s: want the MTI of a request", KindScript)
	case !slices.Contains(s.Tags, TagScripts) && !slices.Contains(s.Tags, TagScriptsV):
		return fmt.Errorf("rules.script.tags: want the scripts' results among them: %s or %s", TagScripts, TagScriptsV)
	case len(s.Schedule) == 0 || s.Schedule[len(s.Schedule)-1] <= 0:
		return fmt.Errorf("rules.script.schedule: want at least one wait; the last repeats and must be above zero")
	case s.AnswerTimeout <= 0:
		return fmt.Errorf("rules.script.answer_timeout: want a duration above zero")
	}
	return validateTags("rules.script.tags", s.Tags)
}
