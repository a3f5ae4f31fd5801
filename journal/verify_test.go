package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	opts := smallSegments
	opts.Retain.Bytes = 20 * opts.SegmentBytes
	l := openWith(t, dir, opts)
	u := newLife(t, l)
	u.begin("open-1")
	u.sell("a", 150)
	eventually(t, l, func() bool { return !l.due() })
	check := func(what string, want func(r *VerifyReport) bool) {
		t.Helper()
		calls := 0
		r, err := Verify(context.Background(), dir, VerifyOptions{Progress: func(p VerifyProgress) { calls++ }})
		if err != nil || calls == 0 || !want(r) {
			t.Errorf("%s: %v, %d calls, %+v", what, err, calls, r)
		}
	}
	info := l.Info()
	sound := func(r *VerifyReport) bool {
		return len(r.Damage) == 0 && r.Last == info.Last && r.First == info.First && r.Entries == int64(info.Last-info.First)+1 && r.Segments == info.Segments && r.Next == 0
	}
	check("live", sound)
	segs := l.segments()
	mustClose(t, l)
	check("closed", sound)

	// An interrupted run says where to go on.
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Verify(ctx, dir, VerifyOptions{Workers: 1, Progress: func(p VerifyProgress) {
		if p.Segments == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || r.Next <= segs[0].seq || r.Next > segs[0].seq+4 {
		t.Errorf("interrupted: %v, %+v", err, r)
	}
	rest, err := Verify(context.Background(), dir, VerifyOptions{From: r.Next})
	if err != nil || rest.Next != 0 || len(rest.Damage) > 0 || rest.Last != info.Last {
		t.Errorf("resumed: %v, %+v", err, rest)
	}

	// Several damages at once are all named, and an open still works: what it
	// reads is sound.
	flip := func(name string, at int64) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			b[at] ^= 4
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flip(segs[1].name(), 3*blockSize+70)
	flip(segs[3].name(), 20)
	flip(retiredName(segs[0].seq-1), 60)
	flip(keyName(3), 40)
	check("four damages", func(r *VerifyReport) bool {
		return len(r.Damage) == 4 && r.Damage[0].Segment == segs[1].seq && r.Damage[0].Offset == 3*blockSize && r.Damage[1].Segment == segs[3].seq
	})
}
