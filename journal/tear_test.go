package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A batch of which the first block was written, and the block ends where a
// record does, or within the next one's header: that is a torn write like any
// other, and nobody is asked to accept a loss. (The first kills inside of a write
// of the real daemon ended in a quarantine.)
func TestTornWhereARecordEnds(t *testing.T) {
	for _, end := range []int{blockSize, blockSize - 1, blockSize - 3, blockSize - headerLen, blockSize - headerLen - 1, blockSize + 1} {
		t.Run(fmt.Sprint(end), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			l := openWith(t, dir, smallSegments)
			mustAppend(t, l, entry("before", "x", ""))
			first := entry("torn", "", "")
			first.Clear = []byte(strings.Repeat("x", end-first.storedLen()))
			if n := first.storedLen(); n != end {
				t.Fatalf("the record takes %d bytes, want %d", n, end)
			}
			off := l.cur.off
			mustAppend(t, l, first, entry("torn", strings.Repeat("y", 3000), ""))
			name := filepath.Join(dir, l.cur.head.name())
			mustClose(t, l)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			clear(b[off+blockSize:])
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, indexName)); err != nil { // it knows that all was synced
				t.Fatal(err)
			}
			l = openWith(t, dir, smallSegments)
			if tail := l.Info().Tail; tail == nil || tail.Kind != "torn" {
				t.Errorf("recovery found %+v", tail)
			}
			if err := l.Reserve(ClassIntent, 100); err != nil {
				t.Error(err)
			}
			if l.Last() != 1 {
				t.Errorf("%d entries are left, want 1", l.Last())
			}
		})
	}
}
