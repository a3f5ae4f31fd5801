package journal

import (
	"crypto/sha256"
	"fmt"
	"hash"
)

// walker reads a segment's batches in order and verifies everything: lengths,
// checksums, LSNs, the chain, the padding.
type walker struct {
	f    File
	head *segHeader
	off  int64 // where the next batch begins
	next LSN   // of the next record with an LSN of its own

	chain chainHash
	sum   hash.Hash
	win   window
	batch batch
}

// batch is one write batch, verified. Its bytes are the walker's until the next
// one is read.
type batch struct {
	off, end int64
	carry    bool
	recs     []raw
}

// flaw is what keeps the walker from going on.
type flaw struct {
	off    int64 // of the batch
	at     int64 // of what is wrong
	reason string
	err    error

	verifies bool // the record by itself does: it is in the wrong place
	whole    bool // every record does: only the padding is wrong
	padding  bool // the same, of a carry
	end      int64
	chain    chainHash
	next     LSN
}

// newWalker begins at the first record of a segment, the carry's if there is
// one.
func newWalker(f File, h *segHeader) *walker {
	return &walker{f: f, head: h, off: blockSize, next: h.first, chain: h.chain(), sum: sha256.New(), win: window{f: f, size: h.size}}
}

// step reads the next batch; nil at a flaw, of which the end of the log is one.
func (w *walker) step() (*batch, *flaw) {
	b := &w.batch
	*b = batch{off: w.off, carry: w.off < w.head.body(), recs: b.recs[:0]}
	chain, next, at := w.chain, w.next, w.off
	for last := false; !last; {
		r, why, err := w.record(at)
		if err != nil {
			return nil, &flaw{off: w.off, at: at, reason: err.Error(), err: err}
		}
		if why != "" {
			return nil, &flaw{off: w.off, at: at, reason: why}
		}
		if why = w.expect(&r, uint32(len(b.recs)), b.carry, next); why == "" {
			if chain = nextChain(w.sum, chain, r.bytes); chain != r.chain {
				why = "the chain is broken"
			}
		}
		if why != "" {
			return nil, &flaw{off: w.off, at: at, reason: why, verifies: true}
		}
		if r.flags&flagsOfCarry == 0 {
			next++
		}
		b.recs = append(b.recs, r)
		at += r.size()
		last = r.flags&flagLast != 0
	}
	b.end = pad(at)
	padding, err := w.win.bytes(at, int(b.end-at))
	if err != nil {
		return nil, &flaw{off: w.off, at: at, reason: err.Error(), err: err}
	}
	why := ""
	switch {
	case !isZero(padding):
		why = "the padding is not zero"
	case b.carry && b.end != w.head.body():
		why = "the carry's length is not what the header says"
	}
	if why != "" {
		return nil, &flaw{off: w.off, at: at, reason: why, whole: !b.carry, padding: b.carry && !isZero(padding), end: b.end, chain: chain, next: next}
	}
	w.off, w.chain, w.next = b.end, chain, next
	return b, nil
}

// take accepts a batch of which only the padding is wrong.
func (w *walker) take(f *flaw) { w.off, w.chain, w.next = f.end, f.chain, f.next }

// record reads one record and verifies it by itself.
func (w *walker) record(at int64) (r raw, why string, err error) {
	if w.head.size-at < headerLen {
		return r, "the segment ends in a record", nil
	}
	b, err := w.win.bytes(at, headerLen)
	if err != nil {
		return r, "", err
	}
	var ok bool
	if r.recordHead, ok = parseHead(b); !ok {
		return r, "there is no record", nil
	}
	r.off = at
	if r.size() > w.head.size-at {
		return r, "a record reaches out of the segment", nil
	}
	if r.bytes, err = w.win.bytes(at, int(r.size())); err != nil {
		return r, "", err
	}
	if checksum(w.head.salt, r.bytes) != r.crc {
		return r, "a checksum does not match", nil
	}
	return r, "", nil
}

// expect says what is wrong with a verified record in this place.
func (w *walker) expect(r *raw, index uint32, carry bool, next LSN) string {
	ofCarry := r.flags&flagsOfCarry != 0
	switch {
	case r.flags&^flagsKnown != 0:
		return fmt.Sprintf("a record has flags %#x, which this program does not know", r.flags)
	case r.index != index:
		return fmt.Sprintf("record %d of a batch where %d belongs", r.index, index)
	case int64(r.synced) > w.off:
		return "a record says that more was synced than comes before it"
	case ofCarry != carry || ofCarry != (r.lsn < w.head.first):
		return "a record of a carry where none belongs, or none where one does"
	case carry && (r.flags&flagCarryEnd == 0) != (r.flags&flagLast == 0):
		return "the carry is not complete"
	case !carry && r.lsn != next:
		return fmt.Sprintf("entry %d where %d belongs", r.lsn, next)
	}
	return ""
}

// windowSize is how much of a segment is read at a time.
const windowSize = 256 << 10

// window reads a file in large pieces. What it gave stays valid while it reads
// on, since each piece has memory of its own.
type window struct {
	f     File
	size  int64
	piece int64 // 0: windowSize
	off   int64
	buf   []byte
}

// bytes gives the n bytes at off.
func (w *window) bytes(off int64, n int) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		if off < 0 || off+int64(n) > w.size {
			return nil, fmt.Errorf("read of %d bytes at %d: beyond the end at %d", n, off, w.size)
		}
		piece := w.piece
		if piece == 0 {
			piece = windowSize
		}
		b := make([]byte, min(max(int64(n), piece), w.size-off))
		if err := readFull(w.f, b, off); err != nil {
			return nil, fmt.Errorf("read of %d bytes at %d: %w", len(b), off, err)
		}
		w.off, w.buf = off, b
	}
	at := off - w.off
	return w.buf[at : at+int64(n) : at+int64(n)], nil
}
