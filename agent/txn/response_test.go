package txn

import (
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What belongs to no transaction is bounded per minute.
func TestEvidenceOfNobodyIsBounded(t *testing.T) {
	m := newMachine(testRules())
	records := func(now Time) (n int) {
		for i := range 4 * evidenceLimit {
			ev := Event(Garbage{Text: "no message"})
			if i%2 == 0 {
				ev = Response{MTI: "0210", TID: testTID, STAN: 77}
			}
			n += len(m.Step(now, ev).Records)
		}
		return n
	}
	if got := records(at(0)); got != evidenceLimit {
		t.Errorf("%d records in the first minute, want %d", got, evidenceLimit)
	}
	if got := records(at(evidenceWindow - 1)); got != 0 {
		t.Errorf("%d more in the same minute", got)
	}
	if got := records(at(evidenceWindow)); got != evidenceLimit {
		t.Errorf("%d in the next minute", got)
	}
}

// What names a transaction is bounded per transaction, for ever, and the bound
// survives a restart since it counts records.
func TestEvidenceOfATransactionIsBounded(t *testing.T) {
	m := newMachine(testRules())
	o := started(t, m, at(0), "u1", "s1")
	alien := answerTo(o, "0210", "00")
	alien.LocalTime = "000000"
	n := 0
	for range 4 * evidencePerTxn {
		n += len(m.Step(at(0), alien).Records)
	}
	if n != evidencePerTxn {
		t.Errorf("%d records, want %d", n, evidencePerTxn)
	}
	// The first late approval is kept all the same: it is worth more.
	m.Step(at(0), Cancel{UUID: "u1"})
	late := answerTo(o, "0210", "00")
	if n := len(m.Step(at(0), late).Records); n != 1 || !m.Get("u1").LateApproval {
		t.Errorf("%d records of a late approval", n)
	}
	if n := len(m.Step(at(0), late).Records); n != 0 {
		t.Errorf("%d records of its copy", n)
	}
	// An answer to the reversal is still judged.
	rev := answerTo(o, "0410", "00")
	if m.Step(at(0), rev); m.Get("u1").Hold != HoldWaiting {
		t.Error("the reversal's answer was not judged")
	}
}

// R14: each element that the dialect echoes must be the one that was sent;
// what is absent contradicts nothing.
func TestIdentityOfAResponse(t *testing.T) {
	rules := testRules()
	rules.Match = []int{7, 12, 13, 42}
	for _, c := range []struct {
		name   string
		change func(*Response)
		want   State
	}{
		{"all echoed", func(*Response) {}, StateApproved},
		{"nothing echoed", func(r *Response) { r.Transmission, r.LocalTime, r.LocalDate, r.MID = "", "", "", "" }, StateApproved},
		{"another DE 7", func(r *Response) { r.Transmission = "0101000000" }, StatePending},
		{"another DE 12", func(r *Response) { r.LocalTime = "000000" }, StatePending},
		{"another DE 13", func(r *Response) { r.LocalDate = "0101" }, StatePending},
		{"another DE 42", func(r *Response) { r.MID = "M9" }, StatePending},
		{"another DE 11", func(r *Response) { r.STAN++ }, StatePending},
		{"another DE 41", func(r *Response) { r.TID = "T0000002" }, StatePending},
		{"a pre-authorisation's answer", func(r *Response) { r.MTI = "0110" }, StatePending},
		{"a reversal's answer", func(r *Response) { r.MTI = "0410" }, StatePending},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(rules)
			a := answerTo(started(t, m, at(0), "u1", "s1"), "0210", "00")
			c.change(&a)
			r := m.Step(at(0), a)
			if got := m.Get("u1").State; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if len(r.Records) != 1 {
				t.Errorf("%d records: it is kept, as an answer or as evidence", len(r.Records))
			}
		})
	}
}

// Only the answer to the request's own MTI decides, for every type; and the
// answer to a reversal only once there is one.
func TestMTIOfEachType(t *testing.T) {
	for _, typ := range dialectTypes() {
		for _, mti := range []iso8583.MTI{"0100", "0110", "0200", "0210", "0230", "0410", "0510", "0810"} {
			m, original := readyFor(t, testRules(), typ)
			o := run(t, m, beginOf(t, typ, "u9", original, 1234))
			r := m.Step(at(0), answerTo(o, mti, "00"))
			decided := m.Get("u9").State != StatePending
			if own := mti == testRules().MTI[typ.Kind()].Response(); decided != own {
				t.Errorf("%s, %s: %s", typ, mti, m.Get("u9").State)
			}
			if !decided && (len(r.Records) != 1 || r.Records[0].Type() != TypeEvidence) {
				t.Errorf("%s, %s: want it kept as evidence", typ, mti)
			}
		}
	}
}

// An amount that the host puts into the answer about a balance says nothing.
func TestBalanceHasNoAmount(t *testing.T) {
	for _, amount := range []string{"", iso8583.Amount{}.DE4(), iso8583.Amount{Minor: 99}.DE4(), "rubbish"} {
		m := newMachine(testRules())
		a := answerTo(run(t, m, beginOf(t, iso8583.Balance, "u1", "", 0)), "0210", "00")
		a.Amount, a.Currency, a.Balance = amount, "840", "0002156C000000123400"
		m.Step(at(0), a)
		if got := m.Get("u1"); got.State != StateConfirmed || got.Balance != a.Balance {
			t.Errorf("amount %q: %s, balance %q", amount, got.State, got.Balance)
		}
	}
}

// A 94 is never reversed, whatever amount it carries: it speaks of an earlier
// transaction, which a reversal would undo.
func TestDuplicateIsNeverReversed(t *testing.T) {
	for _, amount := range []string{iso8583.Amount{Minor: 1234}.DE4(), iso8583.Amount{Minor: 99}.DE4(), ""} {
		m := newMachine(testRules())
		a := answerTo(started(t, m, at(0), "u1", "s1"), "0210", "94")
		a.Amount, a.Currency = amount, "840"
		if r := m.Step(at(0), a); len(r.Messages) != 0 || m.Get("u1").State != StatePending || !m.Get("u1").Stuck {
			t.Errorf("amount %q: %+v", amount, m.Get("u1"))
		}
		m.Step(at(time.Hour), Timeout{UUID: "u1"})
		m.Step(at(time.Hour), Recovered{UUID: "u1"})
		if r := m.Step(at(time.Hour), InDoubt{UUID: "u1"}); len(r.Messages) != 0 || m.Get("u1").State != StatePending {
			t.Errorf("amount %q: reversed after all", amount)
		}
	}
}

// A word that is none of the three tells nothing about the goods: it must not
// end the wait for one that does (R10).
func TestShownWantsAKnownWord(t *testing.T) {
	m := newMachine(testRules())
	confirmedSale(t, m, at(0), "u1", "s1")
	for _, d := range []Delivered{"", "maybe"} {
		if r := m.Step(at(0), Shown{UUID: "u1", Delivered: d}); r.Answers[0].Code != Invalid || len(r.Records) != 0 {
			t.Errorf("%q: %+v", d, r)
		}
	}
	m.Step(at(time.Hour), Timeout{UUID: "u1"})
	if !m.Get("u1").Escalated() {
		t.Error("nobody was asked")
	}
}

// A machine whose rules are lost refuses to go on, by name.
func TestCheckNamesTheMissingRules(t *testing.T) {
	m := New()
	m.Apply(&Intent{Head: Head{UUID: "u1"}, Kind: iso8583.Sale, TID: testTID, STAN: 1, Rules: "0123456789abcdef"})
	if err := m.Check(); err == nil {
		t.Error("no error")
	}
}
