package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestReserveBudget(t *testing.T) {
	const mib = 1 << 20
	g := budget{max: 10 * mib, reserve: 2 * mib}
	for _, c := range []struct {
		used, free      int64
		intent, outcome bool
	}{
		{used: 0, free: 100 * mib, intent: true, outcome: true},
		{used: 7 * mib, free: 100 * mib, intent: true, outcome: true},
		{used: 8 * mib, free: 100 * mib, intent: false, outcome: true}, // only the reserve is left
		{used: 10*mib - cost(600), free: 100 * mib, intent: false, outcome: true},
		{used: 10*mib - cost(600) + 1, free: 100 * mib, intent: false, outcome: false},
		{used: 12 * mib, free: 100 * mib, intent: false, outcome: false},
		{used: 0, free: 3 * mib, intent: true, outcome: true}, // the disk decides
		{used: 0, free: 2 * mib, intent: false, outcome: true},
		{used: 0, free: 0, intent: false, outcome: false},
	} {
		for class, want := range map[Class]bool{ClassIntent: c.intent, ClassOutcome: c.outcome} {
			if err := g.allow(class, 600, c.used, c.free); (err == nil) != want || err != nil && !errors.Is(err, ErrNoSpace) {
				t.Errorf("used %d, free %d, %s: %v", c.used, c.free, class, err)
			}
		}
	}
}

// A journal that fills up refuses intents first, then outcomes, and never
// fails in an append that was reserved.
func TestReserveOnAFillingJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b, err := Open(path, Options{Key: testKey, MaxBytes: 1 << 20, ReserveBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	const size = 20_000
	var intents, outcomes int
	for class := ClassIntent; class <= ClassOutcome; {
		if err := b.Reserve(class, size); err != nil {
			if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), class.String()) {
				t.Fatal(err)
			}
			class++
			continue
		}
		e := entry(fmt.Sprintf("g%d", b.Last()), strings.Repeat("c", size-100), "s")
		e.Class = class
		mustAppend(t, b, e)
		if intents++; class == ClassOutcome {
			intents, outcomes = intents-1, outcomes+1
		}
	}
	if intents < 10 || outcomes < 5 {
		t.Errorf("%d intents, %d outcomes: too few", intents, outcomes)
	}
	if err := b.Reserve(ClassIntent, size); !errors.Is(err, ErrNoSpace) {
		t.Errorf("an intent after the reserve is gone: %v", err)
	}
	if info := b.Info(); info.Bytes > info.MaxBytes+allocBytes {
		t.Errorf("the file has %d bytes, budget %d", info.Bytes, info.MaxBytes)
	}
}

// What Reserve counts on: a batch of n bytes takes no more than cost(n).
func TestCostCoversAnAppend(t *testing.T) {
	b := openTemp(t)
	for i := range 400 {
		n := 100 + 37*i%9000
		e := entry(fmt.Sprintf("group-%d-%d", i*7919%1000, i), strings.Repeat("c", n), "s", fmt.Sprintf("k%d", i*104729%1000))
		before := used(t, b)
		mustAppend(t, b, e)
		if grown := used(t, b) - before; grown > cost(n) {
			t.Fatalf("%d bytes took %d, cost says %d", n, grown, cost(n))
		}
	}
}

func used(t *testing.T, b *Bolt) int64 {
	t.Helper()
	m, err := readMeta(b.file)
	if err != nil {
		t.Fatal(err)
	}
	return int64(m.high) * pageSize
}

func TestBudgetOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	for _, o := range []Options{{MaxBytes: -1}, {ReserveBytes: -1}, {MaxBytes: 1 << 20, ReserveBytes: 1 << 20}} {
		o.Key = testKey
		if b, err := Open(path, o); err == nil {
			_ = b.Close()
			t.Errorf("%d of %d was taken", o.ReserveBytes, o.MaxBytes)
		}
	}
}
