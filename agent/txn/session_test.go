package txn

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// R10: the terminal slept, and the application's word comes before the timer
// does. It is as old as that.
func TestShownAfterItsTime(t *testing.T) {
	m := newMachine(testRules())
	m.Step(at(0), answerTo(started(t, m, at(0), "u1", "s1"), "0210", "00"))
	m.Step(at(0), Confirm{UUID: "u1"})
	m.Step(at(time.Minute), Shown{UUID: "u1", Delivered: DeliveredYes})
	if o := m.Get("u1"); !o.Escalated() || o.Items[0].Cause != CauseNotShown {
		t.Errorf("it is in front of nobody: %+v", o.Items)
	}
}

// However many lanes there are, a repetition is found among what is open; what
// memory gives up has been settled.
func TestDuplicateAfterEviction(t *testing.T) {
	m := newMachine(testRules())
	m.Step(at(0), answerTo(started(t, m, at(0), "u1", "s1"), "0210", "00"))
	m.Step(at(0), Confirm{UUID: "u1"})
	for i := range 300 {
		uuid := string(rune('A'+i/26)) + string(rune('a'+i%26))
		m.Step(at(0), answerTo(started(t, m, at(0), uuid, uuid), "0210", "51"))
		m.Evict(0)
	}
	b := beginSale(t, "u2", "s2")
	b.CardHash = "h-u1"
	if a := m.Step(at(time.Minute), b).Answers[0]; a.Code != SuspectedDuplicate || a.Other != "u1" {
		t.Errorf("got %+v", a)
	}
}

// Rules that an older version journaled know neither rule, and mean what they
// meant: no shorter time, nothing suspected.
func TestRulesWithoutSessions(t *testing.T) {
	rules := testRules()
	rules.OrphanTimeout, rules.DuplicateWindow = 0, 0
	m := newMachine(rules)
	m.Step(at(0), SessionBegan{ID: "w1", TIDs: []iso8583.TID{testTID}})
	b := beginSale(t, "u1", "s1")
	b.Session = "w1"
	m.Step(at(0), answerTo(m.Step(at(0), b).Messages[0], "0210", "00"))
	if r := m.Step(at(0), SessionEnded{ID: "w1"}); len(r.Timers) != 1 || r.Timers[0].At != at(time.Minute).Boot {
		t.Errorf("timers %v, want one after the whole minute", r.Timers)
	}
	b.UUID, b.Sale, b.Session = "u2", "s2", ""
	if a := m.Step(at(0), b).Answers[0]; a.Code != Accepted {
		t.Errorf("got %+v", a)
	}
}

func TestTallySale(t *testing.T) {
	m := newMachine(testRules())
	pay := func(uuid, part string, minor int64, typ iso8583.Type, original string) {
		b := beginSale(t, uuid, "s1")
		b.Part, b.Amount.Minor, b.Type, b.Original = part, minor, typ, original
		if original != "" {
			b.Sale, b.Part, b.CardHash = "", "", ""
		}
		r := m.Step(at(0), b)
		if r.Answers[0].Code != Accepted {
			t.Fatalf("%s: %s", uuid, r.Answers[0].Code)
		}
		m.Step(at(0), answerTo(r.Messages[0], testRules().MTI[typ.Kind()].Response(), "00"))
		m.Step(at(0), Confirm{UUID: uuid})
	}
	pay("u1", "1", 1000, iso8583.Sale, "")
	pay("u2", "2", 500, iso8583.Sale, "")
	pay("u3", "", 200, iso8583.Refund, "u1")
	pay("u4", "3", 300, iso8583.PreAuth, "")
	pay("u5", "4", 250, iso8583.PreAuth, "")
	pay("u6", "", 240, iso8583.Completion, "u5")
	started(t, m, at(0), "u7", "s1")
	parts := func(uuids ...string) (out []Transaction) {
		for _, u := range uuids {
			out = append(out, *m.Get(u))
		}
		return out
	}
	completed := func(uuid string) int64 { return m.Get(uuid).Left() }
	got := TallySale(parts("u1", "u2", "u4", "u5", "u7"), completed)
	if want := []Tally{{Currency: 156, Paid: 800 + 500 + 240, Held: 300, Undecided: 1234}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := TallySale(nil, completed); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	old := parts("u1", "u2")
	old[0].LocalDate, old[0].At, old[0].Confirmed = "0313", old[0].At-86_400_000, old[0].At-86_400_000
	if got := TallySale(old, completed); got[0].Paid != 500 {
		t.Errorf("a reference of another day counts: %+v", got)
	}
}

// session is an application that takes terminals, or is gone.
func (c *chaos) session(t *rapid.T) {
	if rapid.Bool().Draw(t, "gone") {
		c.step(SessionEnded{Req: 4, ID: c.anySession(t)})
	} else {
		c.sessions++
		tids := []iso8583.TID{testTID, "T0000002"}
		c.step(SessionBegan{Req: 4, ID: sessionName(c.sessions), TIDs: tids[rapid.IntRange(0, 1).Draw(t, "from"):]})
	}
	held := map[iso8583.TID]int{}
	for _, s := range c.m.sessions {
		for _, tid := range s.tids {
			if held[tid]++; held[tid] > 1 {
				c.t.Fatalf("two sessions hold %s", tid)
			}
		}
	}
	c.waiting()
}

func sessionName(n int) string { return "w" + string(rune('0'+n%10)) + string(rune('0'+n/10)) }

// anySession is one of the latest, or one that never was.
func (c *chaos) anySession(t *rapid.T) string {
	return sessionName(max(c.sessions-rapid.IntRange(0, 2).Draw(t, "session"), 0))
}

// oneLive is R11 over every way to a new attempt: of one part at most one is
// undecided, unless an operator lets the terminal sell all the same.
func (c *chaos) oneLive() {
	live := map[string]string{}
	for _, u := range c.m.Open() {
		t := c.m.Get(u)
		if !t.Kind.NeedsConfirmation() || t.State != StatePending && t.State != StateApproved || t.Overridden {
			continue
		}
		key := SaleKey(t.MID, t.Sale, t.Part)
		if live[key] != "" {
			c.t.Fatalf("%s and %s are alive for one part of a sale", live[key], u)
		}
		live[key] = u
	}
}
