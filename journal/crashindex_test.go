package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// indexTimes keeps what the index file was after each operation of the log.
type indexTimes struct {
	at    []int
	bytes [][]byte
}

// watch notes the file's content when it has changed. bbolt's own durability is
// not in question here: whatever a copy holds, also one made while bbolt wrote,
// the log must be right.
func (x *indexTimes) watch(path string) func(*crashFS) {
	return func(c *crashFS) {
		b, err := os.ReadFile(path)
		if err != nil {
			b = nil
		}
		if n := len(x.bytes); n == 0 || string(x.bytes[n-1]) != string(b) {
			x.at, x.bytes = append(x.at, len(c.ops)), append(x.bytes, b)
		}
	}
}

// before is the index as it stood at a cut before operation k.
func (x *indexTimes) before(k int) (b []byte) {
	for i, at := range x.at {
		if at <= k {
			b = x.bytes[i]
		}
	}
	return b
}

// Cuts of a journal with its index on the disk: the index is never ahead of the
// log, which would make it look cut short.
func TestPowerCutWithIndex(t *testing.T) {
	sc := &scenario{name: "with an index", opts: Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20}, plan: stuckPlan()}
	var times indexTimes
	disk := newCrashFS()
	disk.local = t.TempDir()
	disk.onOp = times.watch(filepath.Join(disk.local, indexName))
	s := &session{t: t, disk: disk, plan: sc.plan, opts: sc.opts, tag: 1}
	for _, n := range []int{3, 2, 6} { // each end of a life commits
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		s.append(n)
		s.end()
	}
	n, d, rng, states := need{}.clone(), disk.replay(), rand.New(rand.NewPCG(crashSeed, 9)), 0
	dir := t.TempDir()
	for k := range len(disk.ops) + 1 {
		if k < len(disk.ops) && disk.ops[k].kind == opMark {
			n.note(disk.ops[k].note)
			d.at++
			continue
		}
		d.states(sampling{all: 2, edges: 1, random: 1}, rng, func(img image, _ bool) {
			states++
			if err := openWithIndex(img, times.before(k), dir, sc, n.clone()); err != nil {
				t.Errorf("cut %d: %v\n%s", k, err, lastOps(disk.ops, k))
			}
		})
		if t.Failed() {
			return
		}
		if k < len(disk.ops) {
			d.step(&disk.ops[k])
		}
	}
	t.Logf("%d states, with %d states of the index", states, len(times.bytes))
}

func openWithIndex(img image, index []byte, dir string, sc *scenario, n need) error {
	path := filepath.Join(dir, indexName)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	disk := mount(img)
	if index != nil {
		if err := os.WriteFile(path, index, 0o600); err != nil {
			return err
		}
	}
	disk.local, disk.quiet = dir, true
	l, err := openLogOn(disk, sc.opts)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	if _, err := sc.plan.check(l, n); err != nil {
		return err
	}
	return sc.plan.checkLookups(l, n)
}
