package txn

import "testing"

// StateAfter says what each type of record does to the state, on its own: every
// state but none is entered by some record.
func TestStateAfter(t *testing.T) {
	entered := map[State]bool{}
	for _, r := range sampleRecords(t) {
		entered[StateAfter(r)] = true
	}
	for _, s := range States() {
		if !entered[s] {
			t.Errorf("no record leads to %s", s)
		}
	}
	if s := StateAfter(&Resolved{Verb: VerbDebited}); s != StateConfirmed {
		t.Errorf("acquirer-debited: %s", s)
	}
	if s := StateAfter(&Escalated{Cause: CauseSilence}); s != StateNone {
		t.Errorf("escalated: %s", s)
	}
}
