package journal

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// life is a user of a journal: it opens groups and closes them, and names to
// the carry those that are open.
type userLife struct {
	t    testing.TB
	j    Journal
	open map[string]int // entries of each open group
	n    int
}

func newLife(t testing.TB, j Journal) *userLife {
	u := &userLife{t: t, j: j, open: map[string]int{}}
	j.SetCarry(u.carry)
	return u
}

func (u *userLife) carry() Carry {
	return Carry{
		Groups: slices.Sorted(maps.Keys(u.open)),
		Extra:  []Entry{{Type: 99, Group: "head", Class: ClassOutcome, Clear: fmt.Append(nil, u.n)}},
	}
}

// begin opens a group with an entry that has a sealed part.
func (u *userLife) begin(group string) {
	u.n++
	u.open[group]++
	mustAppend(u.t, u.j, entry(group, fmt.Sprint("begun ", u.n), "4111111111111111", "key/"+group))
}

// end closes it.
func (u *userLife) end(group string) {
	delete(u.open, group)
	u.n++
	mustAppend(u.t, u.j, Entry{Type: 8, Group: group, Class: ClassOutcome, Clear: []byte("ended")})
}

// sell opens and closes n groups.
func (u *userLife) sell(prefix string, n int) {
	for i := range n {
		g := fmt.Sprintf("%s%04d", prefix, i)
		u.begin(g)
		u.end(g)
	}
}

func recovered(t testing.TB, j Journal) (heads []string, recs []Record) {
	t.Helper()
	err := j.Recover(func(r Record) error {
		if r.Type == 99 {
			heads = append(heads, string(r.Clear))
		} else {
			recs = append(recs, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return heads, recs
}

func TestCarry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	opts := smallSegments
	l := openWith(t, dir, opts)
	u := newLife(t, l)
	u.begin("open-1")
	u.sell("a", 40) // some rolls
	u.begin("open-2")
	mustAppend(t, l, entry("open-1", "more", "secret"))
	u.sell("b", 40)
	if l.Info().Segments < 10 {
		t.Fatalf("%d segments: no roll to speak of", l.Info().Segments)
	}
	for range 2 {
		heads, recs := recovered(t, l)
		if len(heads) != 1 {
			t.Fatalf("heads %v", heads)
		}
		var first []string
		for i, r := range recs {
			if i > 0 && recs[i-1].LSN >= r.LSN {
				t.Fatalf("entry %d after %d", r.LSN, recs[i-1].LSN)
			}
			if strings.HasPrefix(r.Group, "open-") {
				first = append(first, fmt.Sprintf("%d:%s=%s", r.LSN, r.Group, r.Clear))
				if plain, err := l.Unseal(r); err != nil || len(plain) < 6 {
					t.Errorf("entry %d does not unseal after it was carried: %v", r.LSN, err)
				}
			}
		}
		if got, want := strings.Join(first, " "), "1:open-1=begun 1 82:open-2=begun 82 83:open-1=more"; got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		if len(recs) > 20 {
			t.Errorf("recovery gives %d entries of %d", len(recs), l.Last())
		}
		if n := len(all(t, l, 1)); n != int(l.Last()) || n != 163 {
			t.Errorf("history has %d of %d", n, l.Last())
		}
		found, err := l.Lookup("key/open-1")
		if err != nil || brief(found) != "1:open-1[key/open-1]=begun 1 83:open-1[]=more" {
			t.Errorf("%v: %s", err, brief(found))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openWith(t, dir, opts)
	}
}

// The newest carry and what is behind it say the same as everything.
func TestRecoverOfMemory(t *testing.T) {
	m := NewMemory(testKey)
	m.RollEvery = 10
	u := newLife(t, m)
	u.begin("open-1")
	u.sell("a", 40)
	for _, j := range []func() *Memory{func() *Memory { return m }, m.Reopen} {
		j := j()
		heads, recs := recovered(t, j)
		if len(heads) != 1 || recs[0].Group != "open-1" || recs[0].LSN != 1 || len(recs) > 20 {
			t.Errorf("%v, %d entries: %s", heads, len(recs), brief(recs[:1]))
		}
	}
}

// eventually runs the keeper until ok: it works beside the test.
func eventually(t testing.TB, l *Log, ok func() bool) {
	t.Helper()
	for range 1000 {
		l.spare.fill()
		if ok() {
			return
		}
	}
	t.Fatal("it did not come to that")
}

func TestRetention(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	opts := smallSegments
	opts.Retain.Bytes = 8 * opts.SegmentBytes
	opts.Final = func(group []Record) []byte { return fmt.Appendf(nil, "%d entries", len(group)) }
	l := openWith(t, dir, opts)
	u := newLife(t, l)
	u.begin("open-1")
	u.sell("a", 200)
	eventually(t, l, func() bool { return !l.due() })
	for range 2 {
		info := l.Info()
		if info.Segments > 8 || info.Retired < 20 || info.Bytes > opts.Retain.Bytes+2*opts.SegmentBytes {
			t.Fatalf("%+v", info)
		}
		hist := all(t, l, 1)
		if hist[0].LSN != info.First || info.First < 100 || int(l.Last()-info.First)+1 != len(hist) {
			t.Errorf("history begins with %d, %d entries", hist[0].LSN, len(hist))
		}
		// What is open is there; what retired is known by name; what is between is whole.
		recs, err := l.Lookup("open-1")
		if err != nil || len(recs) != 1 || recs[0].LSN != 1 {
			t.Errorf("open: %v, %s", err, brief(recs))
		}
		if plain, err := l.Unseal(recs[0]); err != nil || string(plain) != "4111111111111111" {
			t.Errorf("open: %v", err)
		}
		gone := 0
		for i := range 200 {
			g := fmt.Sprintf("a%04d", i)
			recs, err := l.Lookup(g)
			r, ok, err2 := l.Retired(g)
			if err != nil || err2 != nil || ok != (len(recs) == 0) || !ok && len(recs) != 2 {
				t.Fatalf("%s: %d entries, retired %v, %v, %v", g, len(recs), ok, err, err2)
			}
			if ok {
				gone++
				if r.Group != g || r.Type != 8 || string(r.Final) != "2 entries" || int(r.Last) != 2*i+3 {
					t.Fatalf("%+v", r)
				}
			}
		}
		if gone < 50 || gone == 200 {
			t.Errorf("%d of 200 retired", gone)
		}
		if _, ok, err := l.Retired("never"); ok || err != nil {
			t.Errorf("never seen: %v, %v", ok, err)
		}
		if heads, recs := recovered(t, l); len(heads) != 1 || recs[0].Group != "open-1" {
			t.Errorf("recovery: %v, %s", heads, brief(recs[:1]))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openWith(t, dir, opts)
	}
}

// retain changes what a log that is open keeps.
func retain(l *Log, change func(*Retain)) {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	change(&l.opts.Retain)
}

func TestRetentionByAge(t *testing.T) {
	l := openSmall(t)
	u := newLife(t, l)
	u.sell("a", 60)
	if l.due() {
		t.Fatal("a young segment is due")
	}
	retain(l, func(r *Retain) { r.Age = time.Nanosecond })
	l.segMu.RLock()
	n := len(l.segs)
	l.segMu.RUnlock()
	eventually(t, l, func() bool { return !l.due() })
	if info := l.Info(); info.Segments != 2 || info.Retired != n-2 {
		t.Errorf("%+v, before %d segments", info, n)
	}
	// Names have a second period; the newest file stays.
	retain(l, func(r *Retain) { r.Names = time.Nanosecond })
	u.sell("more", 10)
	eventually(t, l, func() bool { return !l.due() })
	if l.retired.count() != 1 {
		t.Errorf("%d files of names", l.retired.count())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openWith(t, l.path, smallSegments)
	u = newLife(t, l)
	u.sell("b", 5)
}

// Without a carry nothing retires, whatever the age, and recovery is the whole
// log.
func TestNoCarryNoRetention(t *testing.T) {
	l := openSmall(t)
	retain(l, func(r *Retain) { r.Age = time.Nanosecond })
	for i := range 50 {
		mustAppend(t, l, entry(fmt.Sprint("g", i), "c", "s"))
	}
	if l.due() || l.mayRetire() {
		t.Error("something may retire")
	}
	if _, recs := recovered(t, l); len(recs) != 50 {
		t.Errorf("recovery gives %d", len(recs))
	}
}

// A group that is larger than a segment is carried, and an entry that is larger
// than a segment has one of its own.
func TestLargerThanASegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	l := openWith(t, dir, smallSegments)
	u := newLife(t, l)
	u.open["big"] = 1
	for i := range 6 {
		mustAppend(t, l, entry("big", strings.Repeat(fmt.Sprint(i), 20_000), "s"))
	}
	mustAppend(t, l, entry("big", strings.Repeat("x", MaxEntry-10), "s"))
	u.sell("a", 20)
	for range 2 {
		recs, err := l.Lookup("big")
		if err != nil || len(recs) != 7 || len(recs[6].Clear) != MaxEntry-10 {
			t.Fatalf("%d entries, %v", len(recs), err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openWith(t, dir, smallSegments)
		newLife(t, l).open["big"] = 1
	}
}

func TestBadCarryFails(t *testing.T) {
	l := openSmall(t)
	l.SetCarry(func() Carry { return Carry{Extra: []Entry{entry("g", "c", "sealed")}} })
	var err error
	for range 20 {
		if _, err = l.Append([]Entry{entry("g", "c", "")}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "carry") {
		t.Fatal(err)
	}
}
