package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whatever a power cut leaves of a conversion, the next open has every entry:
// after each of its steps, with every state of a name that was not synced, and
// while it copies with files of the copy whole, half or missing.
func TestPowerCutDuringMigration(t *testing.T) {
	states := 0
	try := func(what string, path string) {
		t.Helper()
		states++
		l, err := Open(path, Options{Key: testKey})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		checkMigrated(t, l)
		mustClose(t, l)
	}
	live := func(steps int) string {
		path := oldFile(t)
		opts := Options{Key: testKey, SegmentBytes: 32 << 10}
		if err := opts.fill(); err != nil {
			t.Fatal(err)
		}
		old, err := openOld(path, testKey)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = old.db.Close() }()
		for _, step := range migration(path, opts, old)[:steps] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	for steps := range 7 {
		try("as it is", live(steps))
	}
	path := live(3) // the first rename's old name is still there as well
	if err := os.Link(path+oldSuffix, path); err != nil {
		t.Fatal(err)
	}
	try("both names of the file", path)
	path = live(5) // and the second's
	if err := os.CopyFS(path+newSuffix, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	try("both names of the journal", path)

	path = live(2)
	files, err := os.ReadDir(path + newSuffix)
	if err != nil {
		t.Fatal(err)
	}
	total, stride := 1, 23 // each state costs a real disk some syncs
	if testing.Short() {
		stride = 101
	}
	for range files {
		total *= 3
	}
	for state := 0; state < total; state += stride {
		path := live(2)
		for i, n := 0, state; i < len(files); i, n = i+1, n/3 {
			name := filepath.Join(path+newSuffix, files[i].Name())
			info, err := os.Stat(name)
			if err == nil && n%3 == 1 {
				err = os.Truncate(name, info.Size()/2)
			}
			if err == nil && n%3 == 2 {
				err = os.Remove(name)
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		try("a copy in part", path)
	}
	t.Logf("%d states, of each every entry came back", states)
}
