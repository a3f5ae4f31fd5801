package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What became of a damage.
type verdictOf string

const (
	harmless verdictOf = "whole"       // opened, and every entry is as it was: nothing of use was hit, or it was healed
	refused  verdictOf = "refused"     // the journal does not open, and says where it is damaged
	atRead   verdictOf = "at reading"  // it opens, and reading says where it is damaged
	kept     verdictOf = "quarantine"  // the last batch is kept aside, and no new transaction is taken
	cut      verdictOf = "called torn" // the last batch is gone, as a torn write would leave it
	older    verdictOf = "rolled back" // an earlier end of the log, whole: only a mark kept elsewhere can tell
	nameless verdictOf = "forgotten"   // nothing but the names of what retired first: as if they had expired
	wrong    verdictOf = "WRONG"       // anything else
)

// victim is a journal that was closed, and what is in it.
type victim struct {
	img  image
	plan *plan
	opts Options
	need need
	end  int64 // of what is in use of the newest segment
	last int64 // where its last write begins
	seq  uint64
	past []image // the disk at earlier times
}

// newVictim writes n batches and closes.
func newVictim(t testing.TB, opts Options, p *plan, batches int) *victim {
	t.Helper()
	s := &session{t: t, disk: newCrashFS(), plan: p, opts: opts, tag: 1}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	var past []image
	for range batches {
		s.append(1)
		past = append(past, s.disk.image())
	}
	v := &victim{plan: p, opts: opts, end: s.log.cur.off, seq: s.log.cur.head.seq, past: past}
	s.end()
	v.img = s.disk.image()
	v.need = v.need.clone()
	for i := range s.disk.ops {
		o := &s.disk.ops[i]
		if o.kind == opMark {
			v.need.note(o.note)
		}
		if o.kind == opWrite && o.name == segName(v.seq) && o.off+int64(len(o.data)) == v.end {
			v.last = o.off // 0: header, carry and batch in one write
		}
	}
	return v
}

// judge opens a damaged copy and says what became of it.
func (v *victim) judge(t testing.TB, img image, read bool) (verdictOf, error) {
	s := &session{t: t, disk: mount(img), plan: v.plan, opts: v.opts}
	s.disk.quiet = true
	if err := s.begin(); err != nil {
		if errors.Is(err, ErrDamaged) {
			return refused, nil
		}
		return wrong, fmt.Errorf("open: %w", err)
	}
	defer s.log.Close()
	info := s.log.Info()
	n := v.need.clone()
	if has, ok := v.plan.after(s.log.Last()); ok && (info.Tail == nil || has == n.acked-1) {
		n.acked = min(n.acked, has)
	}
	_, err := v.plan.check(s.log, n)
	if err == nil && read {
		err = v.plan.checkLookups(s.log, n)
	}
	switch {
	case errors.Is(err, ErrDamaged):
		return atRead, nil
	case errors.Is(err, errNameless):
		return nameless, nil
	case err != nil:
		return wrong, err
	case n.acked == v.need.acked:
		return harmless, nil
	case info.Tail == nil:
		return older, nil
	case info.Quarantine && info.Tail.Kind == tailKinds[endKept]:
		return kept, nil
	case info.Tail.Kind == tailKinds[endTorn]:
		return cut, nil
	}
	return wrong, fmt.Errorf("the last batch is gone, and it is said: %+v", info.Tail)
}

// with is a copy of the image with one file changed.
func (v *victim) with(name string, change func(b []byte) []byte) image {
	out := image{}
	for k, n := range v.img {
		out[k] = &inode{data: n.data, shared: true}
	}
	if b := change(bytes.Clone(v.img[name].data)); b == nil {
		delete(out, name)
	} else {
		out[name] = &inode{data: b}
	}
	return out
}

// toll counts verdicts.
type toll map[verdictOf]int

func (l toll) String() string {
	s, total := "", 0
	for _, k := range slices.Sorted(maps.Keys(l)) {
		s += fmt.Sprintf(", %d %s", l[k], k)
		total += l[k]
	}
	return fmt.Sprintf("%d damages%s", total, s)
}

// try judges one damage and counts it. Verdicts that are not allowed fail the
// test.
func (l toll) try(t testing.TB, v *victim, img image, what string, allowed ...verdictOf) {
	t.Helper()
	got, err := v.judge(t, img, l.total()%16 == 0)
	l[got]++
	if !slices.Contains(allowed, got) && l[wrong] < 5 {
		t.Errorf("%s: %s: %v", what, got, err)
	}
}

func (l toll) total() (n int) {
	for _, k := range l {
		n += k
	}
	return n
}

func small(n int) func(int) []shape {
	return func(i int) []shape {
		return []shape{{clear: 20 + 13*i%90, fill: 0xFF}, {clear: 10, sealed: 19, keyID: 1, fill: 'x'}}[:1+min(i%3, n)/2]
	}
}

func stuckPlan() *plan {
	return &plan{open: func(g string) bool { return g == "stuck" }, batch: func(i int) []shape {
		out := []shape{{clear: 100 + 237*i%1900, fill: 0xFF}, {clear: 80, sealed: 60, keyID: 1, fill: 'x'}}
		if i%4 == 1 {
			out = append(out, shape{clear: 90, sealed: 40, keyID: 1, group: "stuck", fill: 0xFF})
		}
		return out
	}}
}

// Every bit of twenty records, of their padding's beginnings and of the
// segment's header: found, or kept aside with a quarantine; never gone, never
// other data.
func TestEveryBit(t *testing.T) {
	v := newVictim(t, Options{SegmentBytes: 256 << 10}, &plan{batch: small(2)}, 16)
	name, l := segName(v.seq), toll{}
	step := int64(1)
	if testing.Short() {
		step = 13
	}
	b := v.img[name].data
	flip := func(bit int64) {
		l.try(t, v, v.with(name, func(b []byte) []byte { b[bit/8] ^= 1 << (bit % 8); return b }),
			fmt.Sprintf("bit %d of byte %d", bit%8, bit/8), refused, kept, harmless)
	}
	records := 0
	for at := int64(0); at < v.end; at += blockSize {
		used := int64(segHeaderLen) // and the checksum at the end of the block
		if at > 0 {
			for used = 0; ; {
				h, _ := parseHead(b[at+used:])
				used += h.size()
				records++
				if h.flags&flagLast != 0 {
					break
				}
			}
		}
		for bit := 8 * at; bit < 8*(at+used); bit += step {
			flip(bit)
		}
		for bit := 8 * (at + blockSize - 4); bit < 8*(at+blockSize); bit += step {
			flip(bit)
		}
	}
	t.Logf("every bit of %d records and a header: %s", records, l)
	if records < 20 || l[harmless] > l.total()/20 {
		t.Errorf("%d records", records)
	}
}

// victims are journals of each kind: fresh, rolled with a carry, recycled.
func victims(t testing.TB) map[string]*victim {
	tiny := Options{SegmentBytes: 32 << 10, MaxBytes: 1 << 20}
	recycled := tiny
	recycled.Retain.Bytes = 5 * tiny.SegmentBytes
	return map[string]*victim{
		"fresh":      newVictim(t, Options{SegmentBytes: 64 << 10}, stuckPlan(), 12),
		"rolled":     newVictim(t, tiny, stuckPlan(), 23),
		"recycled":   newVictim(t, recycled, stuckPlan(), 60),
		"just begun": newVictim(t, tiny, stuckPlan(), 8),
	}
}

func eachVictim(t *testing.T, test func(t *testing.T, v *victim, l toll)) {
	vs := victims(t)
	for _, kind := range slices.Sorted(maps.Keys(vs)) {
		t.Run(kind, func(t *testing.T) {
			l := toll{}
			test(t, vs[kind], l)
			t.Logf("%s", l)
		})
	}
}

// segments lists the victim's segments that have been begun.
func (v *victim) segments() (names []string) {
	for _, name := range v.img.files() {
		if strings.HasSuffix(name, segSuffix) && name <= segName(v.seq) {
			names = append(names, name)
		}
	}
	return names
}

// Bits at random, of every file.
func TestAnyBit(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		rng := rand.New(rand.NewPCG(crashSeed, 5))
		n := 1500
		if testing.Short() {
			n = 150
		}
		files := v.img.files()
		for range n {
			name := files[rng.IntN(len(files))]
			if len(v.img[name].data) == 0 {
				continue
			}
			at, bit := rng.IntN(len(v.img[name].data)), rng.IntN(8)
			l.try(t, v, v.with(name, func(b []byte) []byte { b[at] ^= 1 << bit; return b }),
				fmt.Sprintf("%s: bit %d of byte %d", name, bit, at), refused, atRead, kept, harmless)
		}
	})
}

// tornLike says whether a damage at off touches the last batch: of one that was
// never followed by another, nothing proves that it was synced.
func (v *victim) tornLike(name string, off, n int64) bool {
	return name == segName(v.seq) && off < v.end && off+n > v.last
}

// Sectors and blocks that read as zeros.
func TestZeroed(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		for _, size := range []int64{sectorSize, blockSize} {
			for _, name := range v.segments() {
				for off := int64(0); off < int64(len(v.img[name].data)); off += size {
					allowed := []verdictOf{refused, atRead, kept, harmless}
					if v.tornLike(name, off, size) {
						allowed = append(allowed, cut, older)
					}
					l.try(t, v, v.with(name, func(b []byte) []byte { clear(b[off : off+size]); return b }),
						fmt.Sprintf("%s: %d zeros at %d", name, size, off), allowed...)
				}
			}
		}
	})
}

// Blocks that were written in each other's place, and blocks that were written
// twice.
func TestSwappedAndDoubled(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		rng := rand.New(rand.NewPCG(crashSeed, 6))
		n := 300
		if testing.Short() {
			n = 60
		}
		for k := range n {
			names := v.segments()
			name := names[rng.IntN(len(names))]
			size := []int64{sectorSize, blockSize}[k%2]
			blocks := int64(len(v.img[name].data)) / size
			a, b := rng.Int64N(blocks)*size, rng.Int64N(blocks)*size
			allowed := []verdictOf{refused, atRead, kept, harmless}
			if v.tornLike(name, a, size) || v.tornLike(name, b, size) {
				allowed = append(allowed, cut, older)
			}
			double := k%4 < 2
			l.try(t, v, v.with(name, func(data []byte) []byte {
				old := bytes.Clone(data[a : a+size])
				copy(data[a:a+size], data[b:b+size])
				if !double {
					copy(data[b:b+size], old)
				}
				return data
			}), fmt.Sprintf("%s: %d bytes at %d and %d, doubled %t", name, size, a, b, double), allowed...)
		}
	})
}

// Files that end too early.
func TestTruncated(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		for _, name := range v.segments() {
			size := int64(len(v.img[name].data))
			for off := int64(0); off < size; off += sectorSize {
				if off%(5*sectorSize) != 0 && testing.Short() {
					continue
				}
				l.try(t, v, v.with(name, func(b []byte) []byte { return b[:off] }),
					fmt.Sprintf("%s: ends at %d of %d", name, off, size), refused, atRead)
			}
		}
	})
}

// Files that are gone.
func TestMissing(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		for _, name := range v.img.files() {
			allowed := []verdictOf{refused, atRead}
			switch {
			case name == segName(v.seq): // a crash, no index, no segment prepared behind it and no mark yet
				allowed = append(allowed, older)
			case !slices.Contains(v.segments(), name):
				allowed = append(allowed, harmless)
			}
			l.try(t, v, v.with(name, func([]byte) []byte { return nil }), name+" is missing", allowed...)
		}
	})
}

// Segments as they were at an earlier time, and segments of another journal.
// An older end of the whole log cannot be told from the end.
func TestStaleSegment(t *testing.T) {
	eachVictim(t, func(t *testing.T, v *victim, l toll) {
		other := newVictim(t, v.opts, stuckPlan(), v.need.acked)
		for _, name := range v.segments() {
			for age, img := range append(v.past, other.img) {
				old := img[name]
				if old == nil || bytes.Equal(old.data, v.img[name].data) {
					continue
				}
				allowed := []verdictOf{refused, atRead}
				if name == segName(v.seq) && age < len(v.past) {
					allowed = append(allowed, older)
				}
				l.try(t, v, v.with(name, func([]byte) []byte { return old.data }), fmt.Sprintf("%s as it was after batch %d", name, age), allowed...)
			}
		}
	})
}

// A block that a write never reached, and that holds what stood there in an
// earlier life: checksum and LSN are right, only the chain tells.
func TestLostWrite(t *testing.T) {
	p := &plan{batch: func(i int) []shape { return []shape{{clear: 200, fill: 'x'}} }}
	opts := Options{SegmentBytes: 64 << 10}
	live := func(img image, next, tag, n int) *session {
		s := &session{t: t, disk: mount(img), plan: p, opts: opts, next: next, tag: tag}
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		s.append(n)
		s.end()
		return s
	}
	begun := live(image{}, 0, 1, 3).disk.image()
	torn := live(begun, 3, 1, 1).disk.image() // batch 3 as nobody acknowledged it
	v := &victim{img: live(begun, 3, 2, 3).disk.image(), plan: p, opts: opts, seq: 1}
	v.need = need{acked: 6, begun: 6, tags: []int{1, 1, 1, 2, 2, 2}}
	at := int64(4 * blockSize)
	img := v.with(segName(1), func(b []byte) []byte {
		copy(b[at:at+blockSize], torn[segName(1)].data[at:])
		return b
	})
	if got, err := v.judge(t, img, true); got != refused && got != atRead {
		t.Errorf("an older batch in the place of one that was acknowledged: %s, %v", got, err)
	}
}
