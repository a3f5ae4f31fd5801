package txn

import (
	"slices"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// kept is a machine together with its journal, to load from.
type kept struct {
	*Machine
	t       *testing.T
	journal []stored
}

func newKept(t *testing.T) *kept {
	k := &kept{Machine: New(), t: t}
	k.step(testConfig(testRules()))
	return k
}

func (k *kept) step(ev Event) Ready {
	r := k.Step(at(0), ev)
	for _, rec := range r.Records {
		k.journal = append(k.journal, store(rec))
	}
	return r
}

// look is the journal's look-up of one key: every record of every group that
// has it.
func (k *kept) look(key string) (found []Record) {
	groups := []string{key}
	for _, s := range k.journal {
		if slices.Contains(s.keys, key) {
			groups = append(groups, s.group)
		}
	}
	for _, s := range k.journal {
		if slices.Contains(groups, s.group) {
			found = append(found, s.load(k.t))
		}
	}
	return found
}

// paid confirms a sale whose showing is known, so that it is settled.
func (k *kept) paid(uuid, sale string) Outbound {
	o := k.step(beginSale(k.t, uuid, sale)).Messages[0]
	k.step(answerTo(o, "0210", "00"))
	k.step(Confirm{UUID: uuid})
	k.step(Shown{UUID: uuid, Delivered: DeliveredYes})
	return o
}

func TestEvictKeepsWhatIsNotSettled(t *testing.T) {
	k := newKept(t)
	k.paid("u1", "s1")
	k.paid("u2", "s2")
	k.step(beginSale(t, "u3", "s3"))
	o := k.step(beginSale(t, "u4", "s4")).Messages[0]
	k.step(answerTo(o, "0210", "00"))
	k.step(Confirm{UUID: "u4"}) // not shown yet
	k.Evict(1)
	if k.Get("u1") != nil || k.Get("u2") == nil {
		t.Error("the oldest settled one goes first")
	}
	k.Evict(0)
	if k.Get("u2") != nil || k.Get("u3") == nil || k.Get("u4") == nil {
		t.Error("settled ones go, the others stay")
	}
	if !slices.Equal(k.Open(), []string{"u3", "u4"}) {
		t.Errorf("open: %v", k.Open())
	}
}

// Every question about an evicted transaction is answered as before, once what
// Needs names has been loaded.
func TestEvictedTransactionsComeBack(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  func(k *kept, request Outbound) Event
		key  string
		want Code
	}{
		{"begin, the same UUID", func(k *kept, _ Outbound) Event { return beginSale(k.t, "u1", "s1") }, "u1", Existing},
		{"begin, the same part of the sale", func(k *kept, _ Outbound) Event { return beginSale(k.t, "u2", "s1") }, SaleKey(testMID, "s1", ""), SalePaid},
		{"confirm", func(*kept, Outbound) Event { return Confirm{UUID: "u1"} }, "u1", OK},
		{"cancel", func(*kept, Outbound) Event { return Cancel{UUID: "u1"} }, "u1", Committed},
		{"shown", func(*kept, Outbound) Event { return Shown{UUID: "u1", Delivered: DeliveredYes} }, "u1", OK},
		{"resolve", func(*kept, Outbound) Event {
			return Resolve{UUID: "u1", Verb: VerbClose, Who: "Li", Why: "x"}
		}, "u1", Unsuitable},
		{"a late response", func(_ *kept, o Outbound) Event { return answerTo(o, "0210", "05") }, STANKey(testTID, 1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKept(t)
			ev := c.ask(k, k.paid("u1", "s1"))
			before := k.Get("u1").append(nil)
			k.Evict(0)
			needs := k.Needs(ev)
			if !slices.Contains(needs, c.key) {
				t.Fatalf("needs %v, not %s", needs, c.key)
			}
			for _, key := range needs {
				k.Load(k.look(key))
			}
			if got := k.Get("u1").append(nil); string(got) != string(before) {
				t.Fatalf("loaded\n %s\nevicted\n %s", got, before)
			}
			r := k.step(ev)
			if c.want != "" && r.Answers[0].Code != c.want {
				t.Errorf("got %s, want %s", r.Answers[0].Code, c.want)
			}
			if c.want == "" && k.Get("u1").Escalated() == false {
				t.Error("the late response did not find its transaction")
			}
		})
	}
}

// What follows another finds it again, and the other way round: what locks a
// sale is in memory with it.
func TestFollowUpsComeBackWithTheirOriginal(t *testing.T) {
	k := newKept(t)
	k.paid("u1", "s1")
	void := beginOf(t, iso8583.Void, "u2", "u1", 1234)
	k.Evict(0)
	if needs := k.Needs(void); !slices.Equal(needs, []string{"u2", "u1"}) {
		t.Fatalf("a void needs %v", needs)
	}
	k.Load(k.look("u1"))
	o := k.step(void).Messages[0]
	if k.Evict(0); k.Get("u1") == nil {
		t.Fatal("a locked sale left memory")
	}
	k.step(answerTo(o, "0210", "05"))

	// Only the sale has left when the host changes its mind.
	late := answerTo(o, "0210", "00")
	k.Evict(0)
	k.Load(k.look("u2"))
	if needs := k.Needs(late); !slices.Equal(needs, []string{"u1"}) {
		t.Fatalf("the late answer needs %v", needs)
	}
	// Both have left.
	k.Evict(0)
	needs := k.Needs(late)
	for _, key := range needs {
		k.Load(k.look(key))
	}
	k.step(late)
	if o := k.Get("u1"); o == nil || o.Busy() != "u2" {
		t.Fatalf("needs %v, and the sale is not locked", needs)
	}
}

// Only what goods are handed over for is found by a sale's reference.
func TestKeysByType(t *testing.T) {
	for _, typ := range iso8583.Types() {
		keys := Keys(&Intent{Kind: typ, TID: testTID, MID: testMID, STAN: 3, Sale: "s1"})
		want := []string{STANKey(testTID, 3)}
		if typ.HandsOver() {
			want = append(want, SaleKey(testMID, "s1", ""), WholeKey(testMID, "s1"))
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%s: %v", typ, keys)
		}
	}
}

func TestNeedsNothingForWhatIsInMemory(t *testing.T) {
	k := newKept(t)
	o := k.paid("u1", "s1")
	for _, ev := range []Event{Confirm{UUID: "u1"}, Cancel{UUID: "u1"}, answerTo(o, "0210", "00"), Timeout{UUID: "u1"}, Sent{UUID: "u1"}} {
		if n := k.Needs(ev); len(n) != 0 {
			t.Errorf("%T needs %v", ev, n)
		}
	}
}

// What is in memory is newer than what was looked up: Load leaves it alone.
func TestLoadPassesOverWhatIsInMemory(t *testing.T) {
	k := newKept(t)
	k.step(beginSale(t, "u1", "s1"))
	old := k.look("u1")
	k.step(Cancel{UUID: "u1"})
	before := string(k.AppendDurable(nil))
	k.Load(old)
	if string(k.AppendDurable(nil)) != before {
		t.Error("Load changed a transaction in memory")
	}
}

// Loading an old transaction neither moves the STAN nor takes its own STAN back
// from a newer transaction, whose late answers must find it.
func TestLoadDoesNotTakeTheSTAN(t *testing.T) {
	k := newKept(t)
	k.paid("u1", "s1")
	k.Evict(0)
	k.Apply(&Jump{TID: testTID, Next: 1}) // numbering has come round
	o := k.paid("u2", "s2")
	if o.Facts.STAN != 1 {
		t.Fatalf("got %s", o.Facts.STAN)
	}
	k.Load(k.look("u1"))
	if k.Get("u1") == nil || k.bySTAN[STANKey(testTID, 1)] != "u2" {
		t.Error("the loaded transaction took the STAN")
	}
	if got := k.step(beginSale(t, "u3", "s3")).Messages[0].Facts.STAN; got != 2 {
		t.Errorf("the next STAN is %s", got)
	}
}

// Two with one STAN that have both left memory: a late answer is the newer one's.
func TestLoadGivesTheSTANToTheNewest(t *testing.T) {
	k := newKept(t)
	k.paid("u1", "s1")
	k.Evict(0)
	k.Apply(&Jump{TID: testTID, Next: 1}) // numbering has come round
	o := k.step(beginSale(t, "u2", "s2")).Messages[0]
	k.step(answerTo(o, "0210", "05"))
	k.Evict(0)
	late := answerTo(o, "0210", "00")
	for _, key := range k.Needs(late) {
		k.Load(k.look(key))
	}
	k.step(late)
	if got := k.Get("u2").State; got != StateReversing {
		t.Errorf("the approval of what was declined is %s", got)
	}
}
