package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func keyed(group, sealed string, keyID uint32) Entry {
	e := entry(group, "clear", sealed)
	e.KeyID = keyID
	return e
}

// After its key is destroyed an entry lists and verifies, and its sealed part is
// gone for good; other keys are not touched.
func TestDestroyKey(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		mustAppend(t, j, keyed("a", "4111111111111111", 1), keyed("b", "6228480000000000007", 2))
		if err := j.DestroyKey(1); err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{false, true} {
			if l, ok := j.(*Log); ok && again {
				mustClose(t, l)
				j = openWith(t, l.path, l.opts)
			}
			recs := all(t, j, 1)
			if _, err := j.Unseal(recs[0]); !errors.Is(err, ErrKeyDestroyed) {
				t.Errorf("destroyed: %v", err)
			}
			if plain, err := j.Unseal(recs[1]); err != nil || string(plain) != "6228480000000000007" {
				t.Errorf("the other: %v", err)
			}
			if found, err := j.Lookup("a"); err != nil || len(found) != 1 {
				t.Errorf("look-up: %d, %v", len(found), err)
			}
		}
		if err := j.DestroyKey(1); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, err := j.Append([]Entry{keyed("c", "s", 1)}); !errors.Is(err, ErrKeyDestroyed) || !errors.Is(err, ErrFailed) {
			t.Errorf("append under a destroyed key: %v", err)
		}
	})
}

// Nothing of the wrapped key is left in the directory, and a cut between the
// zeros and the tombstone leaves it destroyed.
func TestDestroyedKeyIsGone(t *testing.T) {
	l := openTemp(t)
	mustAppend(t, l, keyed("a", "secret", 7))
	path := filepath.Join(l.path, keyName(7))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := before[keyHeadLen : len(before)-4]
	if err := l.DestroyKey(7); err != nil {
		t.Fatal(err)
	}
	for name, content := range snapshot(t, l.path) {
		if bytes.Contains([]byte(content), wrapped) {
			t.Errorf("%s holds the wrapped key", name)
		}
	}
	mustClose(t, l)
	if err := os.WriteFile(path, make([]byte, len(before)), 0o600); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, l.path)
	if _, err := l.Unseal(all(t, l, 1)[0]); !errors.Is(err, ErrKeyDestroyed) {
		t.Errorf("zeros: %v", err)
	}
}

// Every bit of a key's file: detected, never another key.
func TestDamagedKeyFile(t *testing.T) {
	path := closedJournal(t, []Entry{keyed("a", "secret", 7)})
	name := filepath.Join(path, keyName(7))
	clean, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(clean) {
		b := bytes.Clone(clean)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l := openWith(t, path, Options{Key: testKey, ReadOnly: true})
		if _, err := l.Unseal(all(t, l, 1)[0]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d: %v", bit, err)
		}
		mustClose(t, l)
	}
}

// A key file of another journal does not open here.
func TestForeignKeyFile(t *testing.T) {
	a := closedJournal(t, []Entry{keyed("a", "secret", 7)})
	b := closedJournal(t, []Entry{keyed("a", "secret", 7)})
	content, err := os.ReadFile(filepath.Join(a, keyName(7)))
	if err == nil {
		err = os.WriteFile(filepath.Join(b, keyName(7)), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := reopen(t, b)
	if _, err := l.Unseal(all(t, l, 1)[0]); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// wrapper counts, as hardware might.
type countingWrapper struct {
	KeyWrapper
	wraps, unwraps int
}

func (w *countingWrapper) Wrap(key, context []byte) ([]byte, error) {
	w.wraps++
	return w.KeyWrapper.Wrap(key, context)
}

func (w *countingWrapper) Unwrap(wrapped, context []byte) ([]byte, error) {
	w.unwraps++
	return w.KeyWrapper.Unwrap(wrapped, context)
}

func TestKeyWrapper(t *testing.T) {
	soft, err := NewKeyWrapper(testKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &countingWrapper{KeyWrapper: soft}
	path := filepath.Join(t.TempDir(), "journal")
	for range 2 {
		l := openWith(t, path, Options{Wrapper: w})
		for range 5 {
			mustAppend(t, l, keyed("a", "secret", 1))
		}
		if plain, err := l.Unseal(all(t, l, 1)[0]); err != nil || string(plain) != "secret" {
			t.Error(err)
		}
		mustClose(t, l)
	}
	if w.wraps != 1 || w.unwraps != 1 {
		t.Errorf("%d wraps, %d unwraps: one each for one data key and one restart", w.wraps, w.unwraps)
	}
	if got := reopen(t, path).Last(); got != 10 { // the same key in software
		t.Errorf("last %d", got)
	}
}

// A key is destroyed while a group sealed under it is open, and the group is
// carried: its entries are carried as they stand, verify, list and are found, and
// only the sealed part is gone. What is sealed under another key is not touched.
// The agent's core never lets it come to this.
func TestKeyDestroyedWhileItsGroupIsCarried(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	l := openWith(t, dir, smallSegments)
	u := newLife(t, l)
	u.begin("open-1")
	u.open["open-7"]++
	mustAppend(t, l, keyed("open-7", "4111111111111111", 7))
	u.sell("a", 40)
	if err := l.DestroyKey(7); err != nil {
		t.Fatal(err)
	}
	u.sell("b", 40) // some carries more
	for range 2 {
		_, recs := recovered(t, l)
		seen := map[string]error{}
		for _, r := range recs {
			if r.Group == "open-1" || r.Group == "open-7" {
				_, seen[r.Group] = l.Unseal(r)
			}
		}
		if len(seen) != 2 || seen["open-1"] != nil || !errors.Is(seen["open-7"], ErrKeyDestroyed) {
			t.Fatalf("carried: %v", seen)
		}
		if found, err := l.Lookup("open-7"); err != nil || len(found) != 1 || string(found[0].Clear) != "clear" {
			t.Fatalf("look-up: %v, %v", found, err)
		}
		mustClose(t, l)
		report, err := Verify(t.Context(), dir, VerifyOptions{})
		if err != nil || len(report.Damage) > 0 {
			t.Fatalf("verify: %+v, %v", report, err)
		}
		l = openWith(t, dir, smallSegments)
		u.j = l
		l.SetCarry(u.carry)
	}
}

// A key is made before anything is sealed under it, on a disk that may be full,
// and the highest id is known though its key is destroyed.
func TestMakeKey(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		if last, err := j.LastKey(); err != nil || last != 0 {
			t.Errorf("none: %d, %v", last, err)
		}
		for _, id := range []uint32{3, 0x1a, 3} {
			if err := j.MakeKey(id); err != nil {
				t.Fatal(err)
			}
		}
		mustAppend(t, j, keyed("a", "secret", 3))
		if err := j.DestroyKey(0x1a); err != nil {
			t.Fatal(err)
		}
		if err := j.MakeKey(0x1a); !errors.Is(err, ErrKeyDestroyed) {
			t.Errorf("a destroyed one: %v", err)
		}
		if last, err := j.LastKey(); err != nil || last != 0x1a {
			t.Errorf("last: %d, %v", last, err)
		}
	})
	disk := newCrashFS()
	l, err := Open("full", Options{FS: disk, Key: testKey, SegmentBytes: 32 << 10, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	for l.spare.count() < spares { // the keeper is at work
		runtime.Gosched()
	}
	disk.mu.Lock()
	disk.free = 10
	disk.mu.Unlock()
	if err := l.MakeKey(5); !errors.Is(err, ErrNoSpace) {
		t.Errorf("full: %v", err)
	}
	disk.mu.Lock()
	disk.free = -1
	disk.mu.Unlock()
	if err := l.MakeKey(5); err != nil {
		t.Errorf("room again: %v", err)
	}
}
