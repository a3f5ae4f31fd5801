package txn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TestCarry: wherever random events lead, a journal that is read from a carry
// on, taken at any moment, gives the same open transactions, heads, epoch and
// rules as the whole of it.
func TestCarry(t *testing.T) {
	open, cuts := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := &chaos{t: t, m: New(), now: at(0), rules: testRules()}
		c.step(testConfig(c.rules))
		t.Repeat(map[string]func(*rapid.T){
			"begin": c.begin, "delivery": c.delivery, "answer": c.answer, "answer 2": c.answer,
			"ask": c.ask, "resolve": c.resolve, "time": c.time, "crash": c.crash,
		})
		want := shapeOfOpen(c.fold())
		for _, cut := range []int{0, rapid.IntRange(0, len(c.records)).Draw(t, "cut"), len(c.records)} {
			m := fromCarry(t, c.records, cut)
			if got := shapeOfOpen(m); !bytes.Equal(got, want) {
				t.Fatalf("carried at %d of %d\n got %s\nwant %s", cut, len(c.records), got, want)
			}
			if err := m.Check(); err != nil {
				t.Fatal(err)
			}
			cuts++
			open += len(m.open)
		}
	})
	t.Logf("%d carries, %d open transactions", cuts, open)
}

// fromCarry recovers as the shell does: the carry as it was after so many
// records, then the rest; what had been settled by then is loaded when a later
// record is about it.
func fromCarry(t *rapid.T, all []stored, cut int) *Machine {
	record := func(s stored) Record {
		r, err := Decode(s.typ, s.group, s.clear)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := New()
	for _, s := range all[:cut] {
		before.Apply(record(s))
	}
	groups, heads := before.Carry()
	m := New()
	for _, s := range all[:cut] {
		if slices.Contains(groups, s.group) {
			m.Apply(record(s))
		}
	}
	for _, h := range heads {
		m.Apply(record(store(h)))
	}
	for i, s := range all[cut:] {
		if _, begins := record(s).(*Intent); !begins && m.Get(s.group) == nil {
			var past []Record
			for _, old := range all[:cut+i] {
				if old.group == s.group {
					past = append(past, record(old))
				}
			}
			m.Load(past)
		}
		m.Apply(record(s))
	}
	return m
}

// shapeOfOpen is everything that a carry must bring back.
func shapeOfOpen(m *Machine) []byte {
	b := fmt.Appendf(nil, "%d %v", m.epoch, slices.Sorted(maps.Keys(m.rules)))
	for _, tid := range slices.Sorted(maps.Keys(m.heads)) {
		b = fmt.Appendf(b, "|%s %v", tid, *m.heads[tid])
	}
	open := slices.Sorted(slices.Values(m.open))
	for _, uuid := range open {
		b = m.hot[uuid].append(b)
	}
	// Whom an answer or a new STAN meets.
	for _, uuid := range open {
		t := m.hot[uuid]
		b = fmt.Appendf(b, "|%s %s", uuid, m.bySTAN[STANKey(t.TID, t.STAN)])
	}
	return b
}

func TestCarryOfNothing(t *testing.T) {
	if groups, heads := New().Carry(); len(groups)+len(heads) > 0 {
		t.Errorf("%v, %v", groups, heads)
	}
}

// A head says what the fold of its terminal's past says.
func TestTerminalHead(t *testing.T) {
	r := &TerminalHead{Head: Head{UUID: "terminal:" + string(testTID)}, TID: testTID, Next: 77, Wrapped: 5}
	m := New()
	m.Apply(r)
	_, heads := m.Carry()
	got, _ := json.Marshal(heads)
	want, _ := json.Marshal([]Record{r})
	if string(got) != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if next, ok := m.nextSTAN(testTID, 5); !ok || next != iso8583.STAN(77) {
		t.Errorf("next %v, %v", next, ok)
	}
}
