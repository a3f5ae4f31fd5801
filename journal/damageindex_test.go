package journal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// indexed is a closed journal in a directory, with its index.
type indexed struct {
	dir   string
	plan  *plan
	opts  Options
	need  need
	index []byte
}

func newIndexed(t testing.TB, batches int) *indexed {
	t.Helper()
	v := &indexed{dir: t.TempDir(), plan: stuckPlan(), opts: Options{SegmentBytes: 64 << 10, MaxBytes: 4 << 20}}
	v.need = v.need.clone()
	v.grow(t, v.dir, batches)
	v.index = v.read(t, v.dir)
	return v
}

// grow appends n batches to the journal in dir, and closes it.
func (v *indexed) grow(t testing.TB, dir string, n int) {
	t.Helper()
	l, err := openLogOn(OSFS(dir), v.opts)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		v.need.note(markBegin{v.need.acked, 1})
		if _, err := l.Append(v.plan.entries(v.need.acked, 1)); err != nil {
			t.Fatal(err)
		}
		v.need.note(markAck{v.need.acked})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func (v *indexed) read(t testing.TB, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check opens the journal in dir with another index, nil for none, and compares
// everything, look-ups too.
func (v *indexed) check(t testing.TB, dir string, index []byte) error {
	t.Helper()
	path := filepath.Join(dir, indexName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if index != nil {
		if err := os.WriteFile(path, index, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := openLogOn(OSFS(dir), v.opts)
	if err != nil {
		return err
	}
	err = v.plan.checkLookups(l, v.need)
	if err == nil {
		_, err = v.plan.check(l, v.need)
	}
	return errors.Join(err, l.Close())
}

// The index deleted, cut, of an earlier time, of another journal, and damaged
// in every way: it is made anew, never believed, and the process lives.
func TestDamagedIndex(t *testing.T) {
	v := newIndexed(t, 60)
	young := v.index
	v.grow(t, v.dir, 30)
	v.index = v.read(t, v.dir)
	other := newIndexed(t, 90)
	tried := 0
	try := func(what string, index []byte) {
		t.Helper()
		tried++
		if err := v.check(t, v.dir, index); err != nil {
			t.Errorf("index %s: %v", what, err)
		}
	}
	try("deleted", nil)
	try("empty", []byte{})
	try("of an earlier time", young)
	try("of another journal", other.index)
	try("of zeros", make([]byte, len(v.index)))
	for n := range 8 {
		try("cut", v.index[:len(v.index)*n/8])
	}
	for off := 0; off < min(len(v.index), 64*blockSize); off += blockSize {
		b := bytes.Clone(v.index)
		if clear(b[off : off+blockSize]); !bytes.Equal(b, v.index) {
			try("with a block of zeros", b)
		}
	}
	rng := rand.New(rand.NewPCG(crashSeed, 7))
	flips := 400
	if testing.Short() {
		flips = 60
	}
	used := usedBlocks(v.index)
	for range flips {
		b := bytes.Clone(v.index)
		at := used[rng.IntN(len(used))]*blockSize + rng.IntN(blockSize)
		if rng.IntN(2) == 0 {
			at = at/blockSize*blockSize + rng.IntN(128) // where a page says what it is
		}
		b[at] ^= 1 << rng.IntN(8)
		try("with a bit wrong", b)
	}
	for range flips / 4 {
		b := bytes.Clone(v.index)
		x, y := used[rng.IntN(len(used))]*blockSize, used[rng.IntN(len(used))]*blockSize
		copy(b[x:x+blockSize], v.index[y:y+blockSize])
		try("with a block twice", b)
	}
	t.Logf("%d damaged indexes: every look-up right", tried)
}

// usedBlocks lists the blocks that hold something.
func usedBlocks(b []byte) (used []int) {
	for i := 0; i+blockSize <= len(b); i += blockSize {
		if !isZero(b[i : i+blockSize]) {
			used = append(used, i/blockSize)
		}
	}
	return used
}

// With an index on the disk, an older end of the log is known for what it is:
// the checkpoint says how far the log was synced.
func TestCheckpointTellsARollback(t *testing.T) {
	v := newIndexed(t, 3)
	old, err := os.ReadFile(filepath.Join(v.dir, segName(1)))
	if err != nil {
		t.Fatal(err)
	}
	v.grow(t, v.dir, 2)
	if err := os.WriteFile(filepath.Join(v.dir, segName(1)), old, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLogOn(OSFS(v.dir), v.opts)
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("open says %v", err)
	}
	if err == nil {
		_ = l.Close()
	}
}

// What an index leads to is verified before it is given out.
func TestLookUpVerifies(t *testing.T) {
	v := newIndexed(t, 60)
	path := filepath.Join(v.dir, segName(1))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("2.0.1:"))
	if at < 0 {
		t.Fatal("batch 2 is not there")
	}
	b[at+6] ^= 4
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLogOn(OSFS(v.dir), v.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if recs, err := l.Lookup("batch-2"); !errors.Is(err, ErrDamaged) {
		t.Errorf("%d entries, %v", len(recs), err)
	}
	if recs, err := l.Lookup("batch-3"); err != nil || len(recs) != 2 {
		t.Errorf("its neighbour: %d entries, %v", len(recs), err)
	}
}
