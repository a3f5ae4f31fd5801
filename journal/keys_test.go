package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
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
