package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// names lists the files of a directory that end so.
func names(t *testing.T, dir, suffix string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.HasSuffix(e.Name(), suffix) {
			out = append(out, e.Name())
		}
	}
	return out
}

// The oldest names of what retired are missing: those UUIDs would be new again.
// It is damage, which a person may accept.
func TestOldestNamesMissing(t *testing.T) {
	l := openSmall(t)
	newLife(t, l).sell("a", 60)
	retain(l, func(r *Retain) { r.Age = time.Nanosecond })
	eventually(t, l, func() bool { return !l.due() })
	mustClose(t, l)
	rets := names(t, l.path, retSuffix)
	if len(rets) < 3 {
		t.Fatal(rets)
	}
	if err := os.Remove(filepath.Join(l.path, rets[0])); err != nil {
		t.Fatal(err)
	}
	opts := smallSegments
	opts.Key = testKey
	var damage *Damage
	if _, err := Open(l.path, opts); !errors.As(err, &damage) || damage.Segment != 1 || !strings.Contains(err.Error(), "names") {
		t.Fatalf("%v", err)
	}
	loss, err := AcceptLoss(l.path, opts, func(*Log) error { return nil })
	if err != nil || len(loss.Evidence) != 1 {
		t.Fatalf("%+v, %v", loss, err)
	}
	again, err := Open(l.path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := names(t, l.path, retSuffix); !slices.Equal(got, rets[1:]) {
		t.Errorf("%v", got)
	}
	if _, ok, err := again.Retired("none"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// Nothing can be prepared behind the newest segment, since the disk is full, and
// then that segment is lost, and the index with it.
func TestNewestSegmentMissingOnAFullDisk(t *testing.T) {
	opts := smallSegments
	opts.MaxBytes, opts.Retain.Bytes = 5*opts.SegmentBytes, -1
	l := openWith(t, filepath.Join(t.TempDir(), "journal"), opts)
	u := newLife(t, l)
	for i := 0; l.Reserve(ClassIntent, 100) == nil; i++ {
		if i > 1000 {
			t.Fatal("it is never full")
		}
		u.sell("a", 1)
	}
	eventually(t, l, func() bool { return len(names(t, l.path, madeSuffix)) == 1 })
	mustClose(t, l)
	segs := names(t, l.path, segSuffix)
	opts.Key = testKey
	for n := len(segs) - 1; n > 0; n-- { // the last one only, then more of them
		for _, name := range []string{segs[n], indexName} {
			if err := os.Remove(filepath.Join(l.path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if j, err := Open(l.path, opts); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "it was made") {
			t.Fatalf("without %s: %v, %v", segs[n], j, err)
		}
	}
	if _, err := AcceptLoss(l.path, opts, func(*Log) error { return nil }); err != nil {
		t.Fatal(err)
	}
	mustClose(t, openWith(t, l.path, opts))
}
