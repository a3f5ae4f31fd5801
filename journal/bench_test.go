package journal

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprintf("%d entries", n), func(b *testing.B) {
			j := openWith(b, filepath.Join(b.TempDir(), "journal"), Options{Key: testKey})
			batch := make([]Entry, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for k := range batch {
					batch[k] = entry(fmt.Sprintf("group-%d", i), strings.Repeat("c", 500), "4111111111111111|2912|051", fmt.Sprintf("stan/%06d", i))
				}
				mustAppend(b, j, batch...)
			}
		})
	}
}

// BenchmarkEncode is what an append costs without the disk.
func BenchmarkEncode(b *testing.B) {
	m := NewMemory(testKey)
	e := entry("group-1", strings.Repeat("c", 500), "4111111111111111|2912|051", "stan/000001")
	enc := encoder{keys: m.keys, salt: m.salt}
	reqs := []*request{{batch: []Entry{e}}}
	x := &index{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		enc.buf = enc.buf[:0]
		if err := enc.batch(reqs, LSN(i+1), 1, 4096); err != nil {
			b.Fatal(err)
		}
		x.add(enc.buf, 4096, 1, 8192, enc.chain)
		x.pending, x.records = x.pending[:0], 0
	}
}
