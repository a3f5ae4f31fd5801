package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// closedJournal gives the path of a closed journal that holds the batches.
func closedJournal(t testing.TB, batches ...[]Entry) string {
	t.Helper()
	l := openTemp(t)
	for _, batch := range batches {
		mustAppend(t, l, batch...)
	}
	mustClose(t, l)
	return l.path
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// snapshot reads every file of a directory.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a segment is being made
		}
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func unchanged(t testing.TB, dir string, before map[string]string) {
	t.Helper()
	after := snapshot(t, dir)
	for name := range before {
		if after[name] != before[name] {
			t.Errorf("%s changed", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

func TestReopen(t *testing.T) {
	l := openTemp(t)
	mustAppend(t, l, entry("g", "1", "secret", "k"), entry("h", "2", ""))
	before := l.Info()
	for want := LSN(3); want < 6; want++ {
		mustClose(t, l)
		l = reopen(t, l.path)
		if l.Last() != want-1 || l.Info().Tail != nil {
			t.Fatalf("last %d, want %d; %+v", l.Last(), want-1, l.Info().Tail)
		}
		if lsn := mustAppend(t, l, entry("g", "more", "secret")); lsn != want {
			t.Fatalf("LSN %d, want %d", lsn, want)
		}
	}
	recs, err := l.Lookup("k")
	if err != nil || len(recs) != 4 {
		t.Fatalf("%d entries, %v", len(recs), err)
	}
	for _, r := range recs {
		if plain, err := l.Unseal(r); err != nil || string(plain) != "secret" {
			t.Errorf("entry %d: %v", r.LSN, err)
		}
	}
	after := l.Info()
	if after.ID != before.ID || !after.Created.Equal(before.Created.Truncate(time.Millisecond)) || after.Last != 5 || after.Format != 1 || after.Index != "disk" {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	st, err := os.Stat(l.path)
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestReadOnly(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "secret", "k")})
	before := snapshot(t, path)
	for name, key := range map[string][]byte{"without key": nil, "with key": testKey} {
		t.Run(name, func(t *testing.T) {
			l := openWith(t, path, Options{ReadOnly: true, Key: key})
			second := openWith(t, path, Options{ReadOnly: true})
			_, err := l.Unseal(all(t, l, 1)[0])
			if key == nil && !errors.Is(err, ErrNoKey) || key != nil && err != nil {
				t.Errorf("unseal: %v", err)
			}
			if recs, err := second.Lookup("k"); err != nil || brief(recs) != "1:g[k]=1" {
				t.Errorf("lookup: %v, %s", err, brief(recs))
			}
			for _, err := range []error{
				second.Reserve(ClassIntent, 1), second.DestroyKey(3), func() error { _, err := l.Append([]Entry{entry("g", "2", "")}); return err }(),
			} {
				if !errors.Is(err, ErrReadOnly) {
					t.Errorf("a reader may write: %v", err)
				}
			}
		})
	}
	unchanged(t, path, before)
	if _, err := Open(path+"x", Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("reading made a journal")
	}
}

// Readers come and go while a writer rolls and retires: each sees a prefix that
// was acknowledged, and the writer notices nothing.
func TestReadersOfALiveJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	opts := smallSegments
	opts.Retain.Bytes = 20 * opts.SegmentBytes
	l := openWith(t, dir, opts)
	u := newLife(t, l)
	u.begin("open-1")
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				u.sell(fmt.Sprintf("r%d-", i), 3)
			}
		}
	}()
	looked, passed := 0, 0
	for looked < 30 {
		before := l.Last()
		r, err := Open(dir, Options{ReadOnly: true})
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) { // a segment went while it was looked for
				passed++
				continue
			}
			t.Fatal(err)
		}
		looked++
		if r.Last() < before {
			t.Fatalf("a reader sees %d, %d were acknowledged before", r.Last(), before)
		}
		next := LSN(0)
		err = r.Scan(1, func(rec Record) error {
			if next != 0 && rec.LSN != next {
				return fmt.Errorf("entry %d where %d belongs", rec.LSN, next)
			}
			next = rec.LSN + 1
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	close(stop)
	<-done
	t.Logf("%d readers, %d retired under them, %d entries", looked, passed, l.Last())
}

func TestWrongKeyHarmsNothing(t *testing.T) {
	path := closedJournal(t, []Entry{entry("g", "1", "secret")})
	// A tail to be wiped and a leftover to be removed: not with this key.
	seg := filepath.Join(path, segName(1))
	b, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[2*blockSize:], "half a batch")
	if err := errors.Join(os.WriteFile(seg, b, 0o600), os.WriteFile(filepath.Join(path, "x.tmp"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, path)
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
	unchanged(t, path, before)
	if l := reopen(t, path); l.Last() != 1 {
		t.Error("the right key finds less")
	}
}

func TestLeftoversOfADeadRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	for i := range 3 {
		if i > 0 {
			for _, name := range []string{segName(9) + tempSuffix, keyName(3) + tempSuffix} {
				if err := os.WriteFile(filepath.Join(path, name), []byte("half"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		l := reopen(t, path)
		mustAppend(t, l, entry("g", "1", "s"))
		mustClose(t, l)
		for name := range snapshot(t, path) {
			if strings.HasSuffix(name, tempSuffix) {
				t.Errorf("%s is left", name)
			}
		}
	}
	if l := reopen(t, path); l.Last() != 3 {
		t.Errorf("last %d", l.Last())
	}
}

func TestNoDirectory(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none", "journal"), Options{Key: testKey})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "directory must exist") {
		t.Error(err)
	}
}

func TestMissingSegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	l := openWith(t, dir, smallSegments)
	u := newLife(t, l)
	u.sell("a", 30)
	eventually(t, l, func() bool { return l.spare.count() == spares })
	newest := l.segs[len(l.segs)-1].seq
	mustClose(t, l)
	for _, index := range []bool{true, false} {
		if !index {
			if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
				t.Fatal(err)
			}
		}
		for seq := uint64(1); seq <= newest; seq++ {
			name := filepath.Join(dir, segName(seq))
			if err := os.Rename(name, name+".away"); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			_, err := Open(dir, smallSegments)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("segment %d", seq)) {
				t.Errorf("segment %d of %d: %v", seq, newest, err)
			}
			unchanged(t, dir, before)
			if err := os.Rename(name+".away", name); err != nil {
				t.Fatal(err)
			}
		}
	}
	openWith(t, dir, smallSegments)
}

// The files never hold what was sealed, in the forms in which it might be.
func TestSealedPartIsNotInTheFiles(t *testing.T) {
	const pan, planted = "4111111111111111", "6228480000000000007"
	l := openSmall(t)
	u := newLife(t, l)
	mustAppend(t, l, entry("g", "masked 411111******1111", pan), entry("g", planted, ""))
	u.open["g"] = 1 // and carried
	u.sell("a", 50)
	for range 2 { // open and closed
		files := ""
		for _, content := range snapshot(t, l.path) {
			files += content
		}
		for name, form := range map[string][]byte{"text": []byte(pan), "hexadecimal": []byte(hex.EncodeToString([]byte(pan))), "BCD": {0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11}} {
			if strings.Contains(files, string(form)) {
				t.Errorf("the files hold the card number as %s", name)
			}
		}
		if !strings.Contains(files, planted) {
			t.Error("the search does not find what was planted")
		}
		mustClose(t, l)
	}
}
