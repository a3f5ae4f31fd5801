package txn

import (
	"testing"
	"time"
)

func TestSaleIsConfirmed(t *testing.T) {
	m := newMachine(testRules())
	now := Time{Boot: time.Second, Wall: start + 1000}
	r := m.Step(now, beginSale(t, "u1", "s1"))
	if len(r.Records) != 1 || len(r.Messages) != 1 || r.Answers[0].Code != Accepted {
		t.Fatalf("%+v", r)
	}
	r2 := m.Step(now, answerTo(r.Messages[0], "0210", "00"))
	if m.Get("u1").State != StateApproved || len(r2.Records) != 1 {
		t.Fatalf("%+v", r2)
	}
	r3 := m.Step(now, Confirm{Req: 2, UUID: "u1"})
	if m.Get("u1").State != StateConfirmed || r3.Answers[0].Code != OK {
		t.Fatalf("%+v", r3)
	}
}

func TestSilenceIsReversed(t *testing.T) {
	m := newMachine(testRules())
	r := m.Step(Time{Boot: 0, Wall: start}, beginSale(t, "u1", "s1"))
	now := Time{Boot: r.Timers[0].At, Wall: start + 50_000}
	r2 := m.Step(now, Timeout{UUID: "u1"})
	if m.Get("u1").State != StateReversing || len(r2.Messages) != 1 || !r2.Messages[0].Reversal() {
		t.Fatalf("%+v", r2)
	}
	a := answerTo(r2.Messages[0], "0410", "00")
	a.MTI = "0410"
	m.Step(now, a)
	if m.Get("u1").Hold != HoldWaiting {
		t.Fatal("00 without tombstones for an unanswered request must hold down (R3′)")
	}
	now.Boot += 301 * time.Second
	now.Wall += 301_000
	r3 := m.Step(now, Timeout{UUID: "u1"})
	a = answerTo(r3.Messages[0], "0410", "00")
	a.MTI = "0410"
	m.Step(now, a)
	if m.Get("u1").State != StateReversed {
		t.Fatalf("%+v", m.Get("u1"))
	}
}
