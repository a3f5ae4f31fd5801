package iso8583

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func goodRules() Rules {
	second := Duration(time.Second)
	return Rules{
		Profile: "test", Match: []int{7},
		MTI:         map[Kind]MTI{KindSale: "0200", KindReversal: "0400", KindReversalRepeat: "0401"},
		SendTimeout: second, ResponseTimeout: 40 * second, ConfirmTimeout: 60 * second, ShownTimeout: 60 * second,
		Response: ResponseRules{Approved: []string{"00"}, Partial: []string{"10"}, Declined: []string{"05", "51"}, Duplicate: []string{"94"}},
		Reversal: ReversalRules{
			Types: []Type{Sale}, Schedule: []Duration{0, 0, 10 * second, 300 * second}, AnswerTimeout: 20 * second, EscalateAfter: 6,
			Done: []string{"00"}, Duplicate: []string{"94"}, Unknown: []string{"25"}, Retry: []string{"91", "96", "98"},
			MessageLifetime: 300 * second,
			Reasons:         Reasons{Timeout: "68", Customer: "17", Chip: "22", Invalid: "06", Storage: "96"},
		},
		Gate: GateLimit, OwedLimit: 5,
	}
}

func TestRulesValidate(t *testing.T) {
	good := goodRules()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		want   string
		change func(*Rules)
	}{
		{"rules.profile", func(r *Rules) { r.Profile = "" }},
		{"rules.send_timeout", func(r *Rules) { r.SendTimeout = 0 }},
		{"rules.response_timeout", func(r *Rules) { r.ResponseTimeout = -1 }},
		{"rules.confirm_timeout", func(r *Rules) { r.ConfirmTimeout = 0 }},
		{"rules.shown_timeout", func(r *Rules) { r.ShownTimeout = 0 }},
		{"rules.reversal.answer_timeout", func(r *Rules) { r.Reversal.AnswerTimeout = 0 }},
		{"rules.reversal.message_lifetime", func(r *Rules) { r.Reversal.MessageLifetime = 0 }},
		{"rules.mti.sale", func(r *Rules) { delete(r.MTI, KindSale) }},
		{"rules.mti.reversal", func(r *Rules) { r.MTI[KindReversal] = "0410" }},
		{"rules.mti.reversal_repeat", func(r *Rules) { r.MTI[KindReversalRepeat] = "401" }},
		{"rules.response.approved", func(r *Rules) { r.Response.Approved = nil }},
		{"rules.response: code \"05\"", func(r *Rules) { r.Response.Approved = []string{"00", "05"} }},
		{"rules.response: code \"51\"", func(r *Rules) { r.Response.Declined = []string{"51", "51"} }},
		{"rules.response: \"5\"", func(r *Rules) { r.Response.Declined = []string{"5"} }},
		{"rules.reversal: code \"94\"", func(r *Rules) { r.Reversal.Done = []string{"00", "94"} }},
		{"rules.reversal.done", func(r *Rules) { r.Reversal.Done = nil }},
		{"rules.reversal.schedule", func(r *Rules) { r.Reversal.Schedule = nil }},
		{"rules.reversal.schedule", func(r *Rules) { r.Reversal.Schedule = []Duration{Duration(time.Second), 0} }},
		{"rules.reversal.escalate_after", func(r *Rules) { r.Reversal.EscalateAfter = 0 }},
		{"rules.reversal.types", func(r *Rules) { r.Reversal.Types = []Type{"salute"} }},
		{"rules.reversal.types", func(r *Rules) { r.Reversal.Types = []Type{Sale, Balance} }},
		{"rules.mti.void", func(r *Rules) { r.MTI[Void.Kind()] = "0210" }},
		{"rules.gate", func(r *Rules) { r.Gate = "loose" }},
		{"rules.owed_limit", func(r *Rules) { r.OwedLimit = 0 }},
	} {
		r := goodRules()
		tc.change(&r)
		if err := r.Validate(); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	strict := goodRules()
	strict.Gate, strict.OwedLimit = GateStrict, 0
	if err := strict.Validate(); err != nil {
		t.Errorf("a strict gate needs no limit: %v", err)
	}
	all := goodRules() // a dialect need not have a message for each
	all.Reversal.Types = []Type{Sale, Void, Refund, PreAuth, PreAuthVoid, Completion}
	if err := all.Validate(); err != nil || all.Supports(Void) || !all.Supports(Sale) {
		t.Error(err)
	}
	// The same code may mean one thing in an answer to a sale and another in
	// an answer to a reversal.
	both := goodRules()
	both.Response.Declined = append(both.Response.Declined, "25", "91")
	if err := both.Validate(); err != nil {
		t.Error(err)
	}
}

func TestRulesHash(t *testing.T) {
	a, b := goodRules(), goodRules()
	if a.Hash() != b.Hash() || len(a.Hash()) != 16 {
		t.Errorf("hashes of equal rules: %s and %s", a.Hash(), b.Hash())
	}
	b.Reversal.EscalateAfter++
	if a.Hash() == b.Hash() {
		t.Error("changed rules have the same hash")
	}
	var back Rules
	if err := json.Unmarshal([]byte(a.JSON()), &back); err != nil {
		t.Fatal(err)
	}
	if back.Hash() != a.Hash() {
		t.Error("rules read back from JSON have another hash")
	}
}

func TestClassify(t *testing.T) {
	r := goodRules()
	for code, want := range map[string]Class{
		"00": Approved, "10": Partial, "05": Declined, "51": Declined, "94": Duplicate, "": Indeterminate, "91": Indeterminate, "0": Indeterminate,
	} {
		if got := r.Response.Classify(code); got != want {
			t.Errorf("%q: got %s, want %s", code, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	r := goodRules().Reversal
	for n, want := range map[int]time.Duration{1: 0, 2: 0, 3: 0, 4: 10 * time.Second, 5: 300 * time.Second, 6: 300 * time.Second, 1000: 300 * time.Second} {
		if got := r.Schedule.Wait(n); got != want {
			t.Errorf("before attempt %d: got %v, want %v", n, got, want)
		}
	}
	if got := r.Slowest(); got != 300*time.Second {
		t.Errorf("slowest: %v", got)
	}
}

func TestDuration(t *testing.T) {
	var d Duration
	if err := json.Unmarshal([]byte(`"1m30s"`), &d); err != nil || d != Duration(90*time.Second) {
		t.Errorf("got %v, %v", d, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `"1m30s"` {
		t.Errorf("got %s, %v", b, err)
	}
	for _, bad := range []string{`""`, `"40"`, `40`, `"x"`} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
