package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// path gives the path of a closed journal that holds the given batches.
func closedJournal(t testing.TB, batches ...[]Entry) string {
	t.Helper()
	b := openTemp(t)
	for _, batch := range batches {
		mustAppend(t, b, batch...)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return b.path
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw changes a closed journal behind the package's back, through bbolt.
func raw(t testing.TB, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	b := openTemp(t)
	mustAppend(t, b, entry("g", "1", "secret", "k"), entry("h", "2", ""))
	before := b.Info()
	for want := LSN(3); want < 6; want++ {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = reopen(t, b.path)
		if b.Last() != want-1 {
			t.Fatalf("last %d, want %d", b.Last(), want-1)
		}
		if lsn := mustAppend(t, b, entry("g", "more", "secret")); lsn != want {
			t.Fatalf("LSN %d, want %d", lsn, want)
		}
	}
	recs, err := b.Lookup("k")
	if err != nil || len(recs) != 4 {
		t.Fatalf("%d entries, %v", len(recs), err)
	}
	for _, r := range recs {
		if plain, err := b.Unseal(r); err != nil || string(plain) != "secret" {
			t.Errorf("entry %d: %v", r.LSN, err)
		}
	}
	after := b.Info()
	if after.ID != before.ID || !after.Created.Equal(before.Created) || after.Entries != 5 || after.Bytes == 0 || after.Format != 1 || after.MaxBytes == 0 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if st, err := os.Stat(b.path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestReadOnly(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "secret")})
	before := mustRead(t, path)
	for name, key := range map[string][]byte{"without key": nil, "with key": testKey} {
		t.Run(name, func(t *testing.T) {
			b, err := Open(path, Options{ReadOnly: true, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			second, err := Open(path, Options{ReadOnly: true})
			if err != nil {
				t.Fatalf("two readers: %v", err)
			}
			defer func() { _ = second.Close() }()
			_, err = b.Unseal(all(t, b, 1)[0])
			if key == nil && !errors.Is(err, ErrNoKey) || key != nil && err != nil {
				t.Errorf("unseal: %v", err)
			}
			if _, err := b.Append([]Entry{entry("g", "2", "")}); !errors.Is(err, ErrReadOnly) {
				t.Errorf("append: %v", err)
			}
		})
	}
	if !bytes.Equal(before, mustRead(t, path)) {
		t.Error("reading changed the file")
	}
	if _, err := Open(path+"x", Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("reading made a journal")
	}
}

func TestWrongKeyHarmsNothing(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "secret")})
	before := mustRead(t, path)
	wrong := bytes.Repeat([]byte{1}, KeyLen)
	for name, c := range map[string]struct {
		opts Options
		want error
	}{
		"wrong":            {Options{Key: wrong}, ErrWrongKey},
		"wrong, read only": {Options{Key: wrong, ReadOnly: true}, ErrWrongKey},
		"none, to write":   {Options{}, ErrNoKey},
		"too short":        {Options{Key: wrong[1:]}, nil},
	} {
		if _, err := Open(path, c.opts); err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !bytes.Equal(before, mustRead(t, path)) {
		t.Error("the file changed")
	}
	if b := reopen(t, path); b.Last() != 1 {
		t.Error("the right key finds less")
	}
}

func TestLeftoverOfADeadRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	for name, gone := range map[string]bool{
		"journal.new-1": true, "journal.new-99999": true, fmt.Sprintf("journal.new-%d", os.Getpid()): true,
		"journal.new-x": false, "journal.newer": false, "other.new-1": false,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half a journal"), 0o600); err != nil {
			t.Fatal(err)
		}
		b := reopen(t, path)
		mustAppend(t, b, entry("g", "1", ""))
		_ = b.Close()
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) != gone {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b := reopen(t, path); b.Last() != 6 {
		t.Errorf("last %d", b.Last())
	}
}

func TestNoDirectory(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none", "journal"), Options{Key: testKey})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "directory must exist") {
		t.Error(err)
	}
}

func TestNewerIsRefused(t *testing.T) {
	t.Run("container", func(t *testing.T) {
		path := closedJournal(t, []Entry{entry("g", "1", "")})
		raw(t, path, func(tx *bbolt.Tx) error {
			h := bytes.Clone(tx.Bucket(bucketMeta).Get(keyHeader))
			h[4]++
			h = append(h[:headerSize-4], "a newer header is longer"...)
			return tx.Bucket(bucketMeta).Put(keyHeader, appendCRC(h))
		})
		if err := refusedUnchanged(t, path, ErrNewer); !strings.Contains(err.Error(), "format 2") {
			t.Error(err)
		}
	})
	t.Run("record", func(t *testing.T) {
		path := closedJournal(t, []Entry{entry("g", "1", ""), entry("g", "2", "")})
		raw(t, path, func(tx *bbolt.Tx) error {
			h, err := decodeHeader(tx.Bucket(bucketMeta).Get(keyHeader))
			if err != nil {
				return err
			}
			v := bytes.Clone(tx.Bucket(bucketRecords).Get(recordKey(2)))
			v[0]++
			binary.LittleEndian.PutUint32(v[crcAt:], checksum(h.id, v))
			return tx.Bucket(bucketRecords).Put(recordKey(2), v)
		})
		if err := refusedUnchanged(t, path, ErrNewer); !strings.Contains(err.Error(), "entry 2") {
			t.Error(err)
		}
	})
}

// refusedUnchanged opens a journal that must be refused with want and left as
// it is.
func refusedUnchanged(t testing.TB, path string, want error) error {
	t.Helper()
	before := mustRead(t, path)
	b, err := Open(path, Options{Key: testKey})
	if err == nil {
		_ = b.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if !bytes.Equal(before, mustRead(t, path)) {
		t.Fatal("the file changed")
	}
	return err
}

// Every byte of a stored record, changed behind bbolt's back, stops Open with
// the entry's position.
func TestDamagedRecord(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "first", "secret", "k1")}, []Entry{entry("g", "second", "secret", "k1", "k2"), entry("h", "third", "")})
	clean := mustRead(t, path)
	for _, lsn := range []LSN{1, 2, 3} {
		var value []byte
		raw(t, path, func(tx *bbolt.Tx) error {
			value = bytes.Clone(tx.Bucket(bucketRecords).Get(recordKey(lsn)))
			return nil
		})
		restore(t, path, clean)
		at := bytes.LastIndex(clean, value)
		for i := range value {
			damaged := bytes.Clone(clean)
			damaged[at+i] ^= byte(1 << (i % 8))
			// The same bytes may stand in an older copy of the page, which is free.
			restore(t, path, damaged)
			b, err := Open(path, Options{Key: testKey})
			if err == nil {
				got := brief(all(t, b, 1))
				_ = b.Close()
				if want := "1:g[k1]=first 2:g[k1 k2]=second 3:h[]=third"; got != want || at == bytes.Index(clean, value) {
					t.Fatalf("entry %d, byte %d: opened with %s", lsn, i, got)
				}
				continue
			}
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("entry %d:", lsn)) {
				t.Fatalf("entry %d, byte %d: %v", lsn, i, err)
			}
		}
		// Through bbolt, so that it is the live copy without doubt.
		for i := range value {
			restore(t, path, clean)
			raw(t, path, func(tx *bbolt.Tx) error {
				v := bytes.Clone(value)
				v[i] ^= 0x80
				return tx.Bucket(bucketRecords).Put(recordKey(lsn), v)
			})
			if err := refusedUnchanged(t, path, ErrDamaged); !strings.Contains(err.Error(), fmt.Sprintf("entry %d:", lsn)) {
				t.Fatalf("entry %d, byte %d: %v", lsn, i, err)
			}
		}
		restore(t, path, clean)
	}
}

func restore(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// One flipped bit anywhere in the file, pages of bbolt's own included: Open
// refuses, or everything is there. Never other data, never a dead process.
func TestBitFlipAnywhere(t *testing.T) {
	t.Parallel()
	var batches [][]Entry
	for i := range 60 { // enough for branch pages and a free list
		batches = append(batches, []Entry{entry(fmt.Sprintf("g%d", i%7), strings.Repeat(fmt.Sprint(i), 150), "secret", fmt.Sprintf("stan/%06d", i))})
	}
	path := closedJournal(t, batches...)
	clean := mustRead(t, path)
	b := reopen(t, path)
	want := brief(all(t, b, 1))
	_ = b.Close()

	flips := 1500
	if testing.Short() {
		flips = 300
	}
	const seed = 1
	rng, refused := rand.New(rand.NewPCG(seed, 0)), 0
	for n := range flips {
		at, bit := rng.IntN(len(clean)), byte(1)<<rng.IntN(8)
		if n%4 == 0 { // page headers and meta pages are small and matter most
			at = rng.IntN(len(clean)/pageSize)*pageSize + rng.IntN(128)
		}
		damaged := bytes.Clone(clean)
		damaged[at] ^= bit
		restore(t, path, damaged)
		b, err := Open(path, Options{Key: testKey})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatalf("seed %d, byte %d of the file, bit %#x: %v", seed, at, bit, err)
			}
			refused++
			continue
		}
		if got := brief(all(t, b, 1)); got != want {
			t.Fatalf("seed %d, byte %d of the file, bit %#x: other data", seed, at, bit)
		}
		if recs, err := b.Lookup("g3"); err != nil || len(recs) != 9 {
			t.Fatalf("seed %d, byte %d of the file, bit %#x: look-up gives %d, %v", seed, at, bit, len(recs), err)
		}
		mustAppend(t, b, entry("g3", "more", "secret"))
		_ = b.Close()
		if b := reopen(t, path); b.Last() != 61 || b.Close() != nil {
			t.Fatalf("seed %d, byte %d of the file, bit %#x: broken by an append", seed, at, bit)
		}
	}
	t.Logf("%d of %d flips were in bytes that matter and were refused", refused, flips)
	if refused == 0 {
		t.Error("no flip was refused: the test does not reach what it tests")
	}
}

// bbolt would fall back to the state before the last batch.
func TestDamagedMetaPageDoesNotLoseABatch(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "")}, []Entry{entry("g", "2", "")})
	clean := mustRead(t, path)
	for page := range 2 {
		for i := range pageHeader + 64 {
			damaged := bytes.Clone(clean)
			damaged[page*pageSize+i] ^= 4
			restore(t, path, damaged)
			b, err := Open(path, Options{Key: testKey})
			if err == nil && (b.Last() != 2 || b.Close() != nil) {
				t.Fatalf("page %d, byte %d: a batch is lost", page, i)
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatalf("page %d, byte %d: %v", page, i, err)
			}
		}
	}
}

func TestNotAJournal(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "")})
	clean := mustRead(t, path)
	for name, content := range map[string][]byte{
		"empty": {}, "short": []byte("not a journal"), "zeros": make([]byte, len(clean)),
		"cut": clean[:5*pageSize], "cut in a page": clean[:3*pageSize+7], "text": bytes.Repeat([]byte("text "), 10000),
	} {
		restore(t, path, content)
		t.Run(name, func(t *testing.T) { _ = refusedUnchanged(t, path, ErrDamaged) })
	}
	restore(t, path, clean)
	for name, change := range map[string]func(tx *bbolt.Tx) error{
		"gap":            func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put(recordKey(3), []byte("x")) },
		"record lost":    func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Delete(recordKey(1)) },
		"index lost":     func(tx *bbolt.Tx) error { return tx.Bucket(bucketIndex).Delete(indexKey("g", 1)) },
		"index too much": func(tx *bbolt.Tx) error { return tx.Bucket(bucketIndex).Put(indexKey("g", 2), nil) },
		"no header":      func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyHeader) },
		"no bucket":      func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketIndex) },
		"no meta":        func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketMeta) },
	} {
		restore(t, path, clean)
		raw(t, path, change)
		t.Run(name, func(t *testing.T) { _ = refusedUnchanged(t, path, ErrDamaged) })
	}
}

// The file never holds what was sealed, in the forms in which it might.
func TestSealedPartIsNotInTheFile(t *testing.T) {
	const pan, planted = "4111111111111111", "6228480000000000007"
	b := openTemp(t)
	mustAppend(t, b, entry("g", "masked 411111******1111", pan), entry("g", planted, ""))
	for i := range 50 {
		mustAppend(t, b, entry(fmt.Sprintf("g%d", i), "", pan))
	}
	for when := range 2 { // open and closed
		file := mustRead(t, b.path)
		for name, form := range map[string][]byte{"text": []byte(pan), "hexadecimal": []byte(hex.EncodeToString([]byte(pan))), "BCD": {0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11}} {
			if bytes.Contains(file, form) {
				t.Errorf("the file holds the card number as %s", name)
			}
		}
		if !bytes.Contains(file, []byte(planted)) {
			t.Error("the search does not find what was planted")
		}
		if when == 0 {
			_ = b.Close()
		}
	}
}

func TestBrokenContainerFailsForGood(t *testing.T) {
	b := openTemp(t)
	mustAppend(t, b, entry("g", "1", ""))
	err := b.guard("a test", func() error { panic("page 5: bad") })
	if !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, err := b.Lookup("g"); !errors.Is(err, ErrFailed) {
		t.Errorf("lookup: %v", err)
	}
	if _, err := b.Append([]Entry{entry("g", "2", "")}); !errors.Is(err, ErrFailed) {
		t.Errorf("append: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if b := reopen(t, b.path); b.Last() != 1 {
		t.Error("what was acknowledged is gone")
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, n := range map[string]int{"1 entry": 1, "3 entries": 3} {
		b.Run(name, func(b *testing.B) {
			j := openTemp(b)
			batch := make([]Entry, n)
			for i := 0; b.Loop(); i++ {
				for k := range batch {
					batch[k] = entry(fmt.Sprintf("group-%d", i), strings.Repeat("c", 500), "4111111111111111|2912|051", fmt.Sprintf("stan/%06d", i))
				}
				mustAppend(b, j, batch...)
			}
		})
	}
}
