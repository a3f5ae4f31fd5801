package journal

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The example in FORMAT.md is a journal, byte for byte.
func TestFormatExample(t *testing.T) {
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	segment, key := make([]byte, defaultSegmentBytes), []byte(nil)
	for _, block := range regexp.MustCompile("(?ms)^```\n(.*?)^```").FindAllSubmatch(page, -1) {
		for _, m := range regexp.MustCompile(`(?m)^([0-9a-f]{4})  ([0-9a-f ]+)$`).FindAllSubmatch(block[1], -1) {
			at, err1 := strconv.ParseInt(string(m[1]), 16, 64)
			b, err2 := hex.DecodeString(strings.ReplaceAll(string(m[2]), " ", ""))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if strings.HasPrefix(string(block[1]), "0000  43 46 4a 4b") {
				key = append(key, b...)
			} else {
				copy(segment[at:], b)
			}
		}
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{segName(1): segment, keyName(3): key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, readOnly := range []bool{true, false} {
		l := openWith(t, dir, Options{Key: testKey, ReadOnly: readOnly})
		recs := all(t, l, 1)
		if brief(recs) != "1:tx-1[stan/000001]=hello" || recs[0].Type != 7 || recs[0].Class != ClassIntent || recs[0].KeyID != 3 || l.Info().Tail != nil {
			t.Fatalf("%s, %+v", brief(recs), recs)
		}
		if plain, err := l.Unseal(recs[0]); err != nil || string(plain) != "secret" {
			t.Errorf("unseal: %v", err)
		}
		mustClose(t, l)
	}
}

var makeGolden = flag.Bool("make-golden", false, "write a new golden journal; the one of a released format is never replaced")

// state is what a journal says, in words that later versions must repeat.
func state(t *testing.T, l *Log) string {
	t.Helper()
	var b strings.Builder
	line := func(what string, r Record) {
		plain, err := "", error(nil)
		if len(r.Sealed) > 0 {
			var p []byte
			p, err = l.Unseal(r)
			plain = fmt.Sprintf(" sealed %d %.4x", r.KeyID, sha256.Sum256(p)) // not what it is: it may be a card number
			if err != nil {
				plain = fmt.Sprintf(" sealed %d, gone", r.KeyID)
			}
		}
		fmt.Fprintf(&b, "%s %d type %d %s %q %q %q%s\n", what, r.LSN, r.Type, r.Class, r.Group, r.Keys, r.Clear, plain)
	}
	if err := l.Recover(func(r Record) error { line("open", r); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, r := range all(t, l, 1) {
		line("kept", r)
	}
	for i := range 40 {
		g := fmt.Sprintf("a%04d", i)
		if r, ok, err := l.Retired(g); err != nil || ok {
			fmt.Fprintf(&b, "gone %d type %d %q %q %v\n", r.Last, r.Type, r.Group, r.Final, err)
		}
	}
	recs, err := l.Lookup("key/open-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		line("found", r)
	}
	return b.String()
}

// The journal that the first release of format 1 wrote opens and says the same:
// with its index, without it, and for a reader.
func TestGoldenV1(t *testing.T) {
	archive, words := filepath.Join("testdata", "v1", "journal.zip"), filepath.Join("testdata", "v1", "journal.txt")
	if *makeGolden {
		writeGolden(t, archive, words)
	}
	want, err := os.ReadFile(words)
	if err != nil {
		t.Fatal(err)
	}
	for name, index := range map[string]bool{"with its index": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			dir := unzip(t, archive)
			if !index {
				if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
					t.Fatal(err)
				}
			}
			reader := openWith(t, dir, Options{Key: testKey, ReadOnly: true})
			if got := state(t, reader); got != string(want) {
				t.Errorf("a reader sees\n%s\nwant\n%s", got, want)
			}
			l := openWith(t, dir, goldenOptions)
			if got := state(t, l); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			mustAppend(t, l, entry("new", "c", "s"))
		})
	}
}

var goldenOptions = Options{
	Key: testKey, SegmentBytes: minSegmentBytes, MaxBytes: 1 << 20,
	Final: func(group []Record) []byte { return []byte("ended") },
}

func writeGolden(t *testing.T, archive, words string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	opts := goldenOptions
	opts.Retain.Bytes = 8 * minSegmentBytes
	l := openWith(t, dir, opts)
	u := newLife(t, l)
	u.begin("open-1")
	u.sell("a", 12)
	mustAppend(t, l, keyed("open-1", "6228480000000000007", 4))
	if err := l.DestroyKey(4); err != nil {
		t.Fatal(err)
	}
	u.sell("b", 2)
	eventually(t, l, func() bool { return !l.due() })
	mustAppend(t, l, entry("c", "1", "s"), entry("c", "2", ""), Entry{Type: 9, Group: "d", Class: ClassOutcome})
	mustClose(t, l)
	l = openWith(t, dir, opts)
	text := state(t, l)
	mustClose(t, l)
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	files := snapshot(t, dir)
	for _, name := range sortedKeys(files) {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(words, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func unzip(t *testing.T, archive string) string {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	dir := t.TempDir()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
