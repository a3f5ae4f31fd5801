package journal

import (
	"testing"
	"time"
)

// Each scenario is a short life. Where a cut leaves few states all are tried;
// more, nested and random ones without -short.
func crashScenarios() []*scenario {
	small := Options{SegmentBytes: 64 << 10}
	tiny := Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20}
	recycling := tiny
	recycling.Retain.Bytes = 5 * tiny.SegmentBytes
	expiring := recycling
	expiring.Retain.Names = time.Nanosecond
	open := func(group string) bool { return group == "stuck" || group == "batch-3" || group == "batch-9" }

	mixed := func(i int) []shape {
		out := []shape{{clear: 40 + 97*i%1300, fill: 0xFF}}
		for k := range i % 3 {
			out = append(out, shape{clear: 30 + 211*(i+k)%700, sealed: 40 + i, keyID: 1, fill: 0xFF})
		}
		return out
	}
	wide := func(i int) []shape {
		return []shape{{clear: []int{10, 380, 3900, 4096, 9000, 505, 1, 12000}[i%8], fill: 0xFF}, {clear: 300, sealed: 300 * (i % 3), keyID: 1, fill: 'x'}}
	}
	stuck := func(i int) []shape {
		s := []shape{{clear: 600 + 137*i%900, fill: 0xFF}}
		if i%4 == 1 {
			s = append(s, shape{clear: 50, sealed: 60, keyID: uint32(1 + i/8), group: "stuck", fill: 0xFF})
		}
		return s
	}
	edge := func(i int) []shape { return []shape{{clear: 300 + 150*i, fill: 0xFF, edge: true}} }
	hollow := func(i int) []shape { return []shape{{clear: 200 + 700*(i%5), fill: 0}, {clear: 20, fill: 'x'}} }

	lives := func(n ...int) func(s *session) {
		return func(s *session) {
			for k, batches := range n {
				if k > 0 {
					if err := s.begin(); err != nil {
						s.t.Fatal(err)
					}
				}
				s.append(batches)
				s.end()
			}
		}
	}
	few, more := sampling{all: 256, edges: 8, random: 8, wild: 1}, sampling{all: 16, edges: 3, random: 3}
	if testing.Short() {
		few, more = sampling{all: 16, edges: 3, random: 3, wild: 1}, sampling{all: 4, edges: 2, random: 1}
	}
	if raceDetector { // it slows everything down, and looks for something else
		few, more = sampling{all: 3, edges: 1}, sampling{all: 1}
	}
	return []*scenario{
		{name: "creation", opts: small, plan: &plan{batch: mixed}, live: lives(2), cuts: few, again: more, nested: 4, twice: 20},
		{name: "appends of many sizes", opts: small, plan: &plan{batch: mixed}, live: lives(24), cuts: few, again: more, nested: 40, twice: 100},
		{name: "batches of many blocks", opts: Options{SegmentBytes: 256 << 10}, plan: &plan{batch: wide}, live: lives(12), cuts: few, again: more, nested: 40, twice: 100},
		{name: "a last bit in a sector", opts: small, plan: &plan{batch: edge}, live: lives(10), cuts: few, again: more, nested: 40, twice: 100},
		{name: "records full of zeros", opts: small, plan: &plan{batch: hollow}, live: lives(10), cuts: few, again: more, nested: 40, twice: 100},
		{name: "rolls, no carry", opts: tiny, plan: &plan{batch: mixed}, live: lives(14), cuts: few, again: more, nested: 60, twice: 100},
		{name: "rolls with a carry", opts: tiny, plan: &plan{batch: stuck, open: open}, live: lives(18), cuts: few, again: more, nested: 60, twice: 100},
		{name: "recycling", opts: recycling, plan: &plan{batch: stuck, open: open}, live: lives(30), cuts: few, again: more, nested: 60, twice: 100},
		{name: "names expire", opts: expiring, plan: &plan{batch: stuck, open: open, forgets: true}, live: lives(30), cuts: few, again: more, nested: 60, twice: 100},
		{name: "larger than a segment", opts: tiny, plan: &plan{batch: func(i int) []shape {
			return []shape{{clear: 500 + 17000*(i%3/2), fill: 0xFF}}
		}, open: open}, live: lives(9), cuts: few, again: more, nested: 40, twice: 100},
		{name: "closed and opened again", opts: tiny, plan: &plan{batch: stuck, open: open}, live: lives(2, 3, 1, 4), cuts: few, again: more, nested: 40, twice: 100},
		{name: "keys destroyed", opts: small, plan: &plan{batch: func(i int) []shape {
			return []shape{{clear: 60, sealed: 80, keyID: uint32(1 + i/3), fill: 'k'}}
		}}, live: shredding, cuts: few, again: more, nested: 10, twice: 60},
	}
}

// shredding destroys each key three batches after its last use.
func shredding(s *session) {
	for i := range 12 {
		s.append(1)
		if i%3 == 2 && i > 2 {
			id := uint32(i / 3)
			s.disk.mark(markShred{id})
			if err := s.log.DestroyKey(id); err != nil {
				s.t.Fatal(err)
			}
			s.disk.mark(markShredOK{id})
		}
	}
	s.end()
}

// Whatever a power cut leaves, the journal opens and holds exactly what was
// acknowledged, or that and one whole batch; it goes on from there; and so it
// does when recovery itself is cut, twice.
func TestPowerCut(t *testing.T) {
	total := 0
	for _, sc := range crashScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			began := time.Now()
			c := sc.run(t)
			c.report(t, began)
			y := c.tally
			total += y.states + y.nested + y.twice + y.wild
			if y.states == 0 || y.nested == 0 {
				t.Error("nothing was tried")
			}
		})
	}
	t.Logf("%d states in all", total)
}
