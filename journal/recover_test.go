package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// patient is a closed journal whose newest segment a test changes.
type patient struct {
	t     testing.TB
	dir   string
	opts  Options
	seg   string
	clean map[string]string
	ends  []int64 // where each batch ends in the newest segment
	first LSN     // of the newest segment
	last  LSN
}

// newPatient writes batches of one entry each, the last one of three records
// over more than one block, and removes the index, so that only the log speaks.
func newPatient(t testing.TB, recycled bool) *patient {
	p := &patient{t: t, dir: filepath.Join(t.TempDir(), "journal"), opts: smallSegments}
	l := openWith(t, p.dir, p.opts)
	u := newLife(t, l)
	u.begin("open-1")
	u.sell("a", 30)
	if recycled {
		retain(l, func(r *Retain) { r.Bytes = 2 * l.opts.SegmentBytes })
		eventually(t, l, func() bool { return !l.due() })
		for l.cur.head.flags&segRecycled == 0 || l.room.Load() < 20<<10 {
			u.sell("b", 1)
			l.spare.fill()
		}
	}
	for l.room.Load() < 20<<10 {
		u.sell("c", 1)
	}
	u.sell("d", 1)
	big := strings.Repeat("x", 3000)
	mustAppend(t, l, entry("last", big, "secret"), entry("last", big, "secret"), entry("last", "end", "secret"))
	p.seg, p.first, p.last = filepath.Join(p.dir, l.cur.head.name()), l.cur.head.first, l.Last()
	w := newWalker(l.cur.file, l.cur.head)
	for {
		b, _ := w.step()
		if b == nil {
			break
		}
		p.ends = append(p.ends, b.end)
	}
	mustClose(t, l)
	if err := os.Remove(filepath.Join(p.dir, indexName)); err != nil {
		t.Fatal(err)
	}
	p.clean = snapshot(t, p.dir)
	return p
}

func (h *segHeader) name() string { return segName(h.seq) }

func (p *patient) restore() {
	p.t.Helper()
	for name := range snapshot(p.t, p.dir) {
		if _, ok := p.clean[name]; !ok {
			_ = os.Remove(filepath.Join(p.dir, name))
		}
	}
	for name, content := range p.clean {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// open changes the segment, opens, and gives what is found.
func (p *patient) open(change func(b []byte)) (info Info, err error) {
	p.t.Helper()
	p.restore()
	b := []byte(p.clean[filepath.Base(p.seg)])
	change(b)
	if err := os.WriteFile(p.seg, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	before := snapshot(p.t, p.dir)
	l, err := Open(p.dir, p.opts)
	if err != nil {
		unchanged(p.t, p.dir, before)
		return info, err
	}
	info = l.Info()
	// Whatever was found, the journal goes on from there, and finds it again.
	mustAppend(p.t, l, entry("after", "c", "s"))
	last := l.Last()
	if _, recs := recovered(p.t, l); recs[0].Group != "open-1" || recs[len(recs)-1].Group != "after" {
		p.t.Errorf("recovery gives %s", brief(recs))
	}
	mustClose(p.t, l)
	l = openWith(p.t, p.dir, p.opts)
	if l.Last() != last || l.Info().Tail != nil {
		p.t.Errorf("a second open finds %d, want %d, and %+v; the first %+v", l.Last(), last, l.Info().Tail, info.Tail)
	}
	mustClose(p.t, l)
	return info, nil
}

// A cut leaves any subset of the sectors of the last write. All of it is there,
// or none is kept, and the report says torn.
func TestTornTail(t *testing.T) {
	for name, recycled := range map[string]bool{"first life": false, "recycled": true} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, recycled)
			from, to := p.ends[len(p.ends)-2], p.ends[len(p.ends)-1]
			old := make([]byte, to-from)
			if recycled {
				for i := range old {
					old[i] = byte(0xA5 ^ i)
				}
			}
			n := int((to - from) / sectorSize)
			for mask := range 1 << n {
				if mask%601 != 0 && mask != 1<<n-1 { // a sample
					continue
				}
				info, err := p.open(func(b []byte) {
					for s := range n {
						if mask&(1<<s) == 0 {
							copy(b[from+int64(s)*sectorSize:], old[s*sectorSize:(s+1)*sectorSize])
						}
					}
				})
				whole := info.Last == p.last
				if err != nil || !whole && info.Last != p.last-3 || info.Quarantine {
					t.Fatalf("sectors %b: %v, %+v", mask, err, info)
				}
				if mask == 1<<n-1 && (!whole || info.Tail != nil) {
					t.Fatalf("whole: %+v", info)
				}
			}
		})
	}
}

// Any bit of the last batch: not one is taken for a torn write, since none is.
func TestBitFlipInTheLastBatch(t *testing.T) {
	for name, recycled := range map[string]bool{"first life": false, "recycled": true} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, recycled)
			from, to := p.ends[len(p.ends)-2], p.ends[len(p.ends)-1]
			kinds := map[string]int{}
			for bit := int64(0); bit < 8*(to-from); bit += 301 {
				info, err := p.open(func(b []byte) { b[from+bit/8] ^= 1 << (bit % 8) })
				switch {
				case err != nil:
					if !errors.Is(err, ErrDamaged) {
						t.Fatalf("bit %d: %v", bit, err)
					}
					kinds["refused"]++
				case info.Tail == nil || info.Tail.Kind == "torn":
					t.Fatalf("bit %d: %+v", bit, info.Tail)
				case info.Tail.Kind == "padding" && info.Last == p.last && !info.Quarantine:
					kinds["padding made whole"]++
				case info.Tail.Kind == "damaged" && info.Last == p.last-3 && info.Quarantine:
					kinds["kept aside"]++
				default:
					t.Fatalf("bit %d: %+v", bit, info)
				}
			}
			t.Log(kinds)
			if kinds["kept aside"] == 0 || kinds["padding made whole"] == 0 {
				t.Error("the test does not reach what it tests")
			}
		})
	}
}

// Damage with anything whole behind it is refused, with segment and offset.
func TestDamageInside(t *testing.T) {
	for name, recycled := range map[string]bool{"first life": false, "recycled": true} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, recycled)
			batch := p.ends[len(p.ends)-4]
			for what, change := range map[string]func(b []byte){
				"a bit":          func(b []byte) { b[batch+100] ^= 1 },
				"a sector":       func(b []byte) { clear(b[batch : batch+sectorSize]) },
				"a block":        func(b []byte) { clear(b[batch : batch+blockSize]) },
				"two blocks":     func(b []byte) { clear(b[batch : batch+2*blockSize]) },
				"the padding":    func(b []byte) { b[p.ends[len(p.ends)-3]-1] = 1 },
				"swapped blocks": func(b []byte) { swap(b[batch:batch+blockSize], b[batch+blockSize:batch+2*blockSize]) },
				"duplicated":     func(b []byte) { copy(b[batch:], b[batch-blockSize:batch]) },
				"the carry":      func(b []byte) { b[blockSize+200] ^= 1 },
				"the header":     func(b []byte) { b[50] ^= 1 },
				"header's zeros": func(b []byte) { b[2000] ^= 1 },
				"header gone":    func(b []byte) { clear(b[:blockSize]) },
				"header's start": func(b []byte) { clear(b[:sectorSize]) },
				"header's end":   func(b []byte) { clear(b[blockSize-sectorSize : blockSize]) },
			} {
				_, err := p.open(change)
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "segment ") {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err := p.open(func(b []byte) { // behind the end, a copy of an older batch
				copy(b[p.ends[len(p.ends)-1]:], b[batch:batch+blockSize])
			})
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("a stale block behind the end: %v", err)
			}
		})
	}
}

func swap(a, b []byte) {
	c := bytes.Clone(a)
	copy(a, b)
	copy(b, c)
}

// In quarantine no intent is taken, outcomes are, and that survives a restart.
func TestQuarantine(t *testing.T) {
	p := newPatient(t, false)
	from := p.ends[len(p.ends)-2]
	if _, err := p.open(func(b []byte) { b[from+100] ^= 1 }); err != nil {
		t.Fatal(err)
	}
	l := openWith(t, p.dir, p.opts)
	if err := l.Reserve(ClassIntent, 100); !errors.Is(err, ErrQuarantined) {
		t.Errorf("intent: %v", err)
	}
	if err := l.Reserve(ClassOutcome, 100); err != nil {
		t.Errorf("outcome: %v", err)
	}
	if !l.Info().Quarantine {
		t.Error("it does not say so")
	}
	marks, err := filepath.Glob(filepath.Join(p.dir, markPrefix+"*"))
	if err != nil || len(marks) != 1 {
		t.Fatalf("evidence: %v, %v", marks, err)
	}
	kept, err := os.ReadFile(marks[0])
	want := []byte(p.clean[filepath.Base(p.seg)])[from:p.ends[len(p.ends)-1]]
	want[100] ^= 1
	if err != nil || !bytes.Equal(kept, want) {
		t.Errorf("the evidence is not what was there: %v", err)
	}
}

// A roll that a cut tore: the journal is what it was before the roll.
func TestTornRoll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	l := openWith(t, dir, smallSegments)
	u := newLife(t, l)
	u.begin("open-1")
	for range 3 {
		mustAppend(t, l, entry("open-1", strings.Repeat("x", 500), "s"))
	}
	seq := l.cur.head.seq
	for l.cur.head.seq == seq {
		u.sell("a", 1)
	}
	newest, last := l.cur.head.name(), l.cur.head.first-1
	carry := l.cur.head.body()
	mustClose(t, l)
	if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
		t.Fatal(err)
	}
	clean := snapshot(t, dir)
	rolled := []byte(clean[newest])
	clear(rolled[carry+blockSize:]) // only the roll's own write
	n := int(carry+blockSize) / sectorSize
	torn, begun := 0, 0
	for cut := range 3 * n {
		b := bytes.Clone(rolled)
		for s := range n {
			lost := false
			switch cut / n {
			case 0:
				lost = s >= cut%n // a prefix arrived
			case 1:
				lost = s == cut%n // one is missing
			case 2:
				lost = s != cut%n // only one arrived
			}
			if lost {
				clear(b[s*sectorSize : (s+1)*sectorSize])
			}
		}
		for name, content := range clean {
			if name == newest {
				content = string(b)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_ = os.Remove(filepath.Join(dir, indexName))
		l, err := Open(dir, smallSegments)
		if err != nil {
			t.Fatalf("cut %d of %d: %v", cut, n, err)
		}
		if l.Last() != last && l.Last() != last+1 {
			t.Fatalf("cut %d: last %d, want %d or one more", cut, l.Last(), last)
		}
		if l.cur.head.seq == seq {
			torn++
		} else {
			begun++
		}
		newLife(t, l).open["open-1"] = 1
		for l.cur.head.seq < seq+2 {
			mustAppend(t, l, entry(fmt.Sprint("more", l.Last()), "c", "s"))
		}
		if _, recs := recovered(t, l); recs[0].Group != "open-1" || recs[0].LSN != 1 {
			t.Fatalf("cut %d: recovery gives %s", cut, brief(recs[:1]))
		}
		if len(all(t, l, 1)) != int(l.Last()) {
			t.Fatalf("cut %d: history is not whole", cut)
		}
		mustClose(t, l)
		for name := range snapshot(t, dir) {
			if _, ok := clean[name]; !ok {
				_ = os.Remove(filepath.Join(dir, name))
			}
		}
	}
	t.Logf("%d cuts: the segment was not begun in %d, begun in %d", 3*n, torn, begun)
	if torn == 0 || begun == 0 {
		t.Error("the test does not reach both")
	}
}
