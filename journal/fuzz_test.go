package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// allocated runs fn and fails where it takes more memory than limit.
func allocated(t *testing.T, limit uint64, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("%d bytes were allocated, at most %d are allowed", n, limit)
	}
}

// fuzzSegment is a small segment with a carry and three batches.
func fuzzSegment(t testing.TB) []byte {
	v := newVictim(t, Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20}, &plan{
		open: func(g string) bool { return g == "batch-0" },
		batch: func(i int) []shape {
			return []shape{{clear: 30, fill: 'a'}, {clear: 20, sealed: 16, keyID: 1, fill: 'b'}}
		},
	}, 5)
	return v.img[segName(v.seq)].data
}

// FuzzSegment reads any bytes as a segment, with checksums made right, so that
// the fuzzer comes behind them.
func FuzzSegment(f *testing.F) {
	f.Add(fuzzSegment(f), false)
	f.Add(fuzzSegment(f), true)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if len(b) < blockSize || len(b) > 64<<10 {
			return
		}
		b = b[:len(b)/blockSize*blockSize]
		b = bytes.Clone(b)
		file := &crashFile{c: newCrashFS(), node: &inode{data: b}}
		if mend {
			binary.LittleEndian.PutUint32(b[blockSize-4:], crc32c(b[:blockSize-4]))
		}
		h, err := decodeSegHeader(b[:blockSize])
		if err != nil {
			return
		}
		h.size = int64(len(b)) // what an open demands
		if mend {
			mendRecords(b, h)
		}
		allocated(t, 8<<20, func() {
			w := newWalker(file, h)
			for {
				batch, fl := w.step()
				if batch == nil {
					if fl.off < h.size {
						_, _ = judge(w, fl, "")
					}
					return
				}
				for i := range batch.recs {
					r, err := batch.recs[i].decode(h.salt)
					if err == nil && r.Group == "" && len(r.Keys) == 0 && len(r.Clear) == 0 && len(r.Sealed) > MaxEntry+64 {
						t.Error("a record larger than any")
					}
				}
			}
		})
	})
}

// mendRecords makes the checksums and the chain of what looks like records
// right.
func mendRecords(b []byte, h *segHeader) {
	w := newWalker(nil, h)
	chain := h.chain()
	for at := int64(blockSize); at+headerLen <= int64(len(b)); {
		head, ok := parseHead(b[at:])
		if !ok || head.size() > int64(len(b))-at {
			return
		}
		rec := b[at : at+head.size()]
		chain = nextChain(w.sum, chain, rec)
		copy(rec[chainAt:], chain[:])
		binary.LittleEndian.PutUint32(rec[crcAt:], checksum(h.salt, rec))
		if at += head.size(); head.flags&flagLast != 0 {
			at = pad(at)
		}
	}
}

// FuzzRecord decodes any bytes as a record: what comes out is encoded to the
// same bytes again.
func FuzzRecord(f *testing.F) {
	seg := fuzzSegment(f)
	for at := int64(blockSize); at < int64(len(seg)); {
		h, ok := parseHead(seg[at:])
		if !ok {
			break
		}
		f.Add(seg[at : at+h.size()])
		if at += h.size(); h.flags&flagLast != 0 {
			at = pad(at)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerLen {
			return
		}
		h, ok := parseHead(b)
		if !ok || h.size() != int64(len(b)) {
			return
		}
		r := raw{recordHead: h, bytes: b}
		var rec Record
		var err error
		allocated(t, uint64(64*len(b))+64<<10, func() { rec, err = r.decode(saltBytes{}) })
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		if h.flags&flagCarried == 0 && bodyLen(rec.Group, rec.Keys, rec.Clear)+len(rec.Sealed) != int(h.length) {
			t.Error("what was decoded is not what was there")
		}
	})
}

// FuzzSmallFiles decodes any bytes as the smaller things on the disk.
func FuzzSmallFiles(f *testing.F) {
	var id journalID
	table := &table{seq: 3, first: 1, last: 2, rows: []row{{1, 1, 4096}, {2, 2, 4200}}}
	f.Add((&checkpoint{seq: 1, off: 8192, lsn: 7}).encode(id))
	f.Add(table.encode())
	f.Add(keyFile{wrapped: make([]byte, 60)}.encode(id, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		allocated(t, uint64(64*len(b))+256<<10, func() {
			_, _ = decodeCheckpoint(b, id)
			_, _ = decodeKeyFile(b, id, 1)
			_, _, _ = decodeRetired(b, id, 1)
			if h, err := parseTable(b); err == nil {
				h.filter.may(hashName("x"))
				if rows, err := tableRows(b); err == nil {
					search(rows, hashName("x"))
				}
			}
		})
	})
}

// FuzzIndexFile gives bbolt any bytes: no look-up is wrong, and the process
// lives.
func FuzzIndexFile(f *testing.F) {
	v := newIndexed(f, 20)
	f.Add(v.index[:min(len(v.index), 32<<10)], uint32(0), byte(0))
	f.Add(v.index[:min(len(v.index), 32<<10)], uint32(4096+16), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, mask byte) {
		if len(b) > 128<<10 {
			return
		}
		if b = bytes.Clone(b); int64(at) < int64(len(b)) {
			b[at] ^= mask
		}
		path := filepath.Join(t.TempDir(), indexName)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := openBolt(path, journalID{}, false)
		if err != nil {
			return
		}
		defer st.close()
		if checkPages(st.file, true) != nil {
			return
		}
		_, _ = st.heads()
		_, _ = st.checkpoint()
	})
}
