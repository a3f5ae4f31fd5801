package journal

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// markCall is a call of Append that was acknowledged, with its first LSN.
type markCall struct {
	group string
	first LSN
}

// Many write at once, and calls share a write. Each cut leaves every call that
// was acknowledged where it was told to be, and every call whole.
func TestPowerCutManyWriters(t *testing.T) {
	const writers, calls = 6, 6
	opts := Options{SegmentBytes: 64 << 10, MaxBytes: 1 << 20}
	disk := newCrashFS()
	l, err := openLogOn(disk, opts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range calls {
				group := fmt.Sprintf("w%d-%d", w, i)
				first, err := l.Append(callOf(group, 1+(w+i)%3))
				if err != nil {
					t.Error(err)
					return
				}
				disk.mark(markCall{group, first})
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	acked, states, more := map[string]LSN{}, 0, 0
	d, rng := disk.replay(), rand.New(rand.NewPCG(crashSeed, 11))
	for k := range len(disk.ops) + 1 {
		if k < len(disk.ops) && disk.ops[k].kind == opMark {
			m := disk.ops[k].note.(markCall)
			acked[m.group] = m.first
			d.at++
			continue
		}
		d.states(sampling{all: 32, edges: 4, random: 8}, rng, func(img image, _ bool) {
			states++
			whole, err := readCalls(mount(img), opts, acked)
			if more += whole - len(acked); err != nil && !t.Failed() {
				t.Errorf("cut %d: %v\n%s", k, err, lastOps(disk.ops, k))
			}
		})
		if k < len(disk.ops) {
			d.step(&disk.ops[k])
		}
	}
	t.Logf("%d states; %d whole calls more than were acknowledged", states, more)
	if more == 0 || len(acked) != writers*calls {
		t.Errorf("%d calls", len(acked))
	}
}

// callOf is one call of n entries.
func callOf(group string, n int) []Entry {
	var batch []Entry
	for k := range n {
		batch = append(batch, entry(group, fmt.Sprintf("%d/%d", k+1, n), "sealed"))
	}
	return batch
}

// readCalls opens the journal and counts its calls. One that is not whole, or
// acknowledged and not in its place, is an error.
func readCalls(disk *crashFS, opts Options, acked map[string]LSN) (whole int, err error) {
	l, err := openLogOn(disk, opts)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	found, next, want := map[string]LSN{}, LSN(1), ""
	err = l.Scan(1, func(r Record) error {
		var k, n int
		if _, err := fmt.Sscanf(string(r.Clear), "%d/%d", &k, &n); err != nil || r.LSN != next || want != "" && want != fmt.Sprintf("%s %d/%d", r.Group, k, n) {
			return fmt.Errorf("entry %d of %s is %s, want %q", r.LSN, r.Group, r.Clear, want)
		}
		if k == 1 {
			found[r.Group] = r.LSN
		} else if want == "" {
			return fmt.Errorf("entry %d of %s is %s: its call has no beginning", r.LSN, r.Group, r.Clear)
		}
		next++
		if want = fmt.Sprintf("%s %d/%d", r.Group, k+1, n); k == n {
			want = ""
		}
		_, err := l.Unseal(r)
		return err
	})
	if err == nil && want != "" {
		err = fmt.Errorf("the last call is not whole: %s is missing", want)
	}
	for group, first := range acked {
		if err == nil && found[group] != first {
			err = fmt.Errorf("%s was acknowledged as entry %d and is %d", group, first, found[group])
		}
	}
	return len(found), err
}
