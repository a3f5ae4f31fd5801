package journal

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// oldFile is a journal of the first version, written by it: five groups of two
// entries, the first of each with a sealed part.
func oldFile(t *testing.T) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "v0", "journal.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkMigrated(t *testing.T, l *Log) {
	t.Helper()
	recs := all(t, l, 1)
	if len(recs) != 10 {
		t.Fatalf("%d entries", len(recs))
	}
	for i := range 5 {
		found, err := l.Lookup(fmt.Sprintf("stan/%06d", i+1))
		if err != nil || len(found) != 2 || found[0].Group != fmt.Sprintf("tx-%d", i) || found[1].Type != 12 || found[1].Class != ClassOutcome {
			t.Fatalf("%v, %+v", err, found)
		}
		if plain, err := l.Unseal(found[0]); err != nil || string(plain) != fmt.Sprint("secret ", i) {
			t.Errorf("%v", err)
		}
	}
}

func TestMigrate(t *testing.T) {
	path := oldFile(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{ReadOnly: true}); !errors.Is(err, errOldFormat) {
		t.Errorf("to read: %v", err)
	}
	if _, err := Open(path, Options{Key: bytes.Repeat([]byte{1}, KeyLen)}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("wrong key: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Fatal("refused, and changed")
	}
	l := reopen(t, path)
	checkMigrated(t, l)
	mustAppend(t, l, entry("tx-9", "c", "s"))
	if kept, err := os.ReadFile(path + oldSuffix); err != nil || !bytes.Equal(kept, before) {
		t.Errorf("the old file is not kept as it was: %v", err)
	}
}

// A process that died at any step of a conversion leaves what the next one
// converts or takes over.
func TestMigrateAfterACrash(t *testing.T) {
	t.Run("while copying", func(t *testing.T) {
		path := oldFile(t)
		if err := errors.Join(os.Mkdir(path+newSuffix, 0o700), os.WriteFile(filepath.Join(path+newSuffix, segName(1)), []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
		checkMigrated(t, reopen(t, path))
	})
	t.Run("between the names", func(t *testing.T) {
		path := oldFile(t)
		mustClose(t, reopen(t, path))
		if err := os.Rename(path, path+newSuffix); err != nil {
			t.Fatal(err)
		}
		checkMigrated(t, reopen(t, path))
	})
}

func TestMigrateRefusesDamage(t *testing.T) {
	path := oldFile(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("approved"), []byte("declined"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Key: testKey}); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
		t.Error("refused, and changed")
	}
}
