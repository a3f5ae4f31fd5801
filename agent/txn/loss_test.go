package txn

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TestRollback is the gate "Rollback" (R15): wherever random events have led, a
// journal put back to any point before its mark brings about no message for what
// it holds, however long it runs and whatever the host says; nothing of that
// time is confirmed or run again; what may have been voided is not followed; and
// no STAN that was used comes again.
func TestRollback(tb *testing.T) {
	prefixes, open := 0, 0
	rapid.Check(tb, func(t *rapid.T) {
		c := &chaos{t: t, m: New(), now: at(0), rules: testRules()}
		c.step(testConfig(c.rules))
		t.Repeat(map[string]func(*rapid.T){
			"begin": c.begin, "commit": c.commit, "delivery": c.delivery, "answer": c.answer, "ask": c.ask,
			"resolve": c.resolve, "time": c.time, "crash": c.crash,
		})
		mark := c.m.Mark(uint64(len(c.records)))
		if len(c.records) == 0 {
			return
		}
		keep := rapid.IntRange(0, len(c.records)-1).Draw(t, "keep")
		m := restored(t, c, keep, &mark)
		prefixes++
		open += len(m.Open())
		silent(tb, t, c, m)
	})
	tb.Logf("%d prefixes, %d unsettled transactions in them", prefixes, open)
}

// restored starts a machine on a prefix of the journal.
func restored(t *rapid.T, c *chaos, keep int, mark *Mark) *Machine {
	m := New()
	for _, s := range c.records[:keep] {
		m.Apply(s.load(t))
	}
	config := testConfig(c.rules)
	config.Mark, config.Last = mark, uint64(keep)
	m.Step(c.now, config)
	if len(m.Losses()) != 1 || m.Epoch() <= mark.Epoch {
		t.Fatalf("losses %v, epoch %d: the mark's is %d", m.Losses(), m.Epoch(), mark.Epoch)
	}
	return m
}

// silent throws at m whatever a host, timers, applications and restarts can.
func silent(tb testing.TB, t *rapid.T, c *chaos, m *Machine) {
	old := slices.Clone(m.All())
	step := func(ev Event) Ready {
		r := m.Step(c.now, ev)
		for _, o := range r.Messages {
			t.Fatalf("%T: a %s of %s leaves", ev, o.Facts.Kind, o.UUID)
		}
		for _, rec := range r.Records {
			if _, ok := rec.(*Confirmed); ok && m.Get(rec.Group()).Kind.MovesMoney() {
				t.Fatalf("%T: %s is confirmed", ev, rec.Group())
			}
		}
		return r
	}
	for range 3 {
		for _, uuid := range m.Open() {
			step(Recovered{UUID: uuid})
		}
		for _, o := range c.sent { // late answers of every kind
			for _, code := range []string{"00", "05", "94", "96"} {
				if m.Get(o.UUID) != nil {
					step(answerTo(o, c.rules.MTI[o.Facts.Kind].Response(), code))
				}
			}
		}
		for _, uuid := range old {
			step(Confirm{UUID: uuid})
			step(Cancel{UUID: uuid, Reason: CancelCustomer})
			c.now.Boot += time.Hour
			step(Timeout{UUID: uuid})
		}
	}
	used := map[string]bool{}
	for _, o := range c.sent {
		used[STANKey(o.Facts.TID, o.Facts.STAN)] = true
	}
	for _, uuid := range old {
		o := m.Get(uuid)
		if o.State.Open() && !o.Escalated() {
			t.Fatalf("%s is %s and in front of nobody", uuid, o.State)
		}
		void := beginOf(tb, iso8583.Void, "v"+uuid, uuid, o.Minor)
		void.Epoch = m.Epoch()
		if code := m.Step(c.now, void).Answers[0].Code; code == Accepted {
			t.Fatalf("%s, which is in doubt, is voided", uuid)
		}
	}
	for _, tid := range []iso8583.TID{testTID, "T0000002"} {
		b := beginSale(tb, "n"+string(tid), "new "+string(tid))
		b.TID, b.Epoch = tid, m.Epoch()
		if r := m.Step(c.now, b); len(r.Messages) != 1 || used[STANKey(tid, r.Messages[0].Facts.STAN)] {
			t.Fatalf("a new sale on %s: %+v", tid, r)
		}
	}
}

// A journal that goes beyond its mark, or just to it, lost nothing.
func TestMarkIsNotAheadOfTheJournal(t *testing.T) {
	m := newMachine(testRules())
	started(t, m, at(0), "u1", "s1")
	for _, last := range []uint64{3, 4} {
		mark := m.Mark(3)
		config := testConfig(testRules())
		config.Mark, config.Last = &mark, last
		if r := m.Step(at(0), config); len(r.Records) != 0 {
			t.Errorf("the journal is at %d, the mark at 3: %v", last, r.Records)
		}
	}
}

// The mark lags behind by less than STANMargin: what it does not tell of is
// passed over all the same.
func TestNumberingJumpsOverWhatTheMarkDoesNotTell(t *testing.T) {
	m := newMachine(testRules())
	started(t, m, at(0), "u1", "s1")
	mark := m.Mark(1 << 20)
	lost := New()
	config := testConfig(testRules())
	config.Mark = &mark
	lost.Step(at(0), config)
	if next := lost.Next(testTID); next != 2+STANMargin {
		t.Errorf("next STAN %d, want %d", next, 2+STANMargin)
	}
}

// Numbering that began anew after the older journal was copied goes on from the
// mark's, not from the copy's.
func TestNumberingThatBeganAnewIsTheMarks(t *testing.T) {
	m := New()
	m.Apply(&Epoch{Head{UUID: groupEpoch}, 7})
	m.Apply(&TerminalHead{Head{UUID: "terminal:" + string(testTID)}, testTID, 899000, start})
	mark := &Mark{Epoch: 7, Entry: 90, Heads: []TerminalHead{{TID: testTID, Next: 17, Wrapped: start + 1}}}
	config := testConfig(testRules())
	config.Mark, config.Last = mark, 2
	m.Step(at(0), config)
	if next := m.Next(testTID); next != 17+STANMargin {
		t.Errorf("next STAN %d, want %d", next, 17+STANMargin)
	}
}
