package journal

import (
	"cmp"
	"errors"
	"fmt"
)

// end is the end of the log, as recovery found it, and what is to be put right
// there before anything is appended.
type end struct {
	seg    *segment
	head   *segHeader
	off    int64 // where the next batch goes
	window int64 // the last write began here: it is written and synced again
	next   LSN
	chain  chainHash
	free   []uint64             // segments that are prepared, ascending
	empty  func() (bool, error) // whether there is nothing in the first of them

	tail    *Tail  // nil: nothing was found behind the end
	wipe    int64  // of seg: from off to here
	discard uint64 // a segment whose beginning a cut tore; 0: none
	keep    bool   // tail is damage: it goes aside, as evidence
}

// findEnd walks the newest segment. It changes nothing. cp is what the index
// knows to be synced, nil where there is none.
func findEnd(d FS, l *layout, cp *checkpoint) (*end, error) {
	e := &end{}
	segs := l.segs
	for n := len(segs); n > 0; n-- {
		is, err := isPrepared(d, segs[n-1])
		if err != nil {
			return nil, err
		}
		if !is {
			break
		}
		e.free, segs = append([]uint64{segs[n-1]}, e.free...), segs[:n-1]
	}
	if len(segs) == 0 {
		return nil, &Damage{Segment: l.segs[0], Reason: "the segment's header is gone"}
	}
	newest := segs[len(segs)-1]
	if cp != nil && cp.seq > newest {
		return nil, &Damage{Segment: cp.seq, Reason: fmt.Sprintf("entry %d was synced here, and is gone", cp.lsn)}
	}
	e.seg = &segment{fs: d, seq: newest}
	if len(e.free) > 0 { // it is read while the newest is walked through
		next := e.free[0]
		e.empty = later(func() (bool, error) { return isEmpty(d, next) })
	}
	torn, err := e.walk(d, cp)
	if err == nil && torn != "" {
		err = e.stepBack(d, segs, cp, torn)
	}
	if err == nil && e.discard == 0 {
		err = e.checkFree(d)
	}
	if err != nil {
		return nil, err
	}
	if cp != nil && cp.lsn >= e.next {
		return nil, &Damage{Segment: e.seg.seq, Offset: e.off, Reason: fmt.Sprintf("the log ends after entry %d, and entry %d was synced", e.next-1, cp.lsn)}
	}
	return e, nil
}

func isPrepared(d FS, seq uint64) (bool, error) {
	f, err := d.OpenRead(segName(seq))
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err == nil && (size < minSegmentBytes || size%blockSize != 0) { // it had its length before it had its name
		return false, &Damage{Segment: seq, Reason: fmt.Sprintf("the file has only %d bytes", size)}
	}
	if err != nil {
		return false, fmt.Errorf("segment %d: %w", seq, err)
	}
	b, err := readBlock(f)
	if err != nil {
		return false, fmt.Errorf("segment %d: %w", seq, err)
	}
	is, _ := prepared(b)
	return is, nil
}

// checkFree looks at the segment that comes next: behind a header of zeros
// there may be the rest of a roll that a cut tore, or a segment that was begun
// and has lost its header.
func (e *end) checkFree(d FS) error {
	if len(e.free) == 0 {
		return nil
	}
	empty, err := e.empty()
	if err != nil || empty {
		return err
	}
	if e.tail != nil && e.tail.Kind != tailKinds[endPadding] {
		return &Damage{Segment: e.seg.seq, Offset: e.tail.Offset, Reason: e.tail.Reason + ", and the next segment was begun"}
	}
	size, err := e.checkTorn(d, e.free[0])
	if err != nil {
		return err
	}
	e.discard = e.free[0]
	if e.tail == nil {
		e.tail = &Tail{Kind: tailKinds[endTorn], Segment: e.discard, Bytes: size, Reason: "its header was not written"}
	}
	return nil
}

// later begins at once and gives the answer when it is asked for.
func later(fn func() (bool, error)) func() (bool, error) {
	type answer struct {
		yes bool
		err error
	}
	done := make(chan answer, 1)
	go func() {
		yes, err := fn()
		done <- answer{yes, err}
	}()
	return func() (bool, error) {
		a := <-done
		return a.yes, a.err
	}
}

// isEmpty says that a prepared segment is marked as free, or all zeros.
func isEmpty(d FS, seq uint64) (bool, error) {
	f, err := d.OpenRead(segName(seq))
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	b := make([]byte, min(size, windowSize))
	for off := int64(0); off < size; off += int64(len(b)) {
		b = b[:min(size-off, windowSize)]
		if err := readFull(f, b, off); err != nil {
			return false, fmt.Errorf("segment %d: %w", seq, err)
		}
		if off == 0 && !isZero(b[:blockSize]) {
			return true, nil
		}
		if !isZero(b) {
			return false, nil
		}
	}
	return true, nil
}

// walk reads the segment to its end. torn says that the segment was being begun
// when the power went.
func (e *end) walk(d FS, cp *checkpoint) (torn string, err error) {
	h, err := e.seg.header()
	var damage *Damage
	if errors.As(err, &damage) {
		if cp != nil && cp.seq == e.seg.seq {
			damage.Reason += fmt.Sprintf(", and entry %d was synced here", cp.lsn)
			return "", damage
		}
		return "its header does not verify", nil
	}
	if err != nil {
		return "", err
	}
	f, err := d.OpenRead(e.seg.name())
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Size(); err != nil || size != h.size {
		return "", cmp.Or(err, wrongSize(e.seg.seq, size, h.size))
	}
	w := newWalker(f, h)
	for {
		b, fl := w.step()
		if b != nil {
			e.window = b.off
			continue
		}
		return e.settle(w, fl, cp)
	}
}

// wrongSize is a file that is longer or shorter than its header says.
func wrongSize(seq uint64, size, made int64) error {
	return &Damage{Segment: seq, Reason: fmt.Sprintf("the file has %d bytes, it was made with %d", size, made)}
}

// settle takes over what the walk found.
func (e *end) settle(w *walker, fl *flaw, cp *checkpoint) (torn string, err error) {
	synced := ""
	if cp != nil && cp.seq == w.head.seq && cp.off > fl.off {
		synced = fmt.Sprintf("entry %d behind it was synced", cp.lsn)
	}
	if fl.off == w.head.size {
		fl = &flaw{off: fl.off} // it is full
	}
	found := finding{}
	if fl.off < w.head.size {
		if found, err = judge(w, fl, synced); err != nil {
			return "", err
		}
	}
	if found.verdict == endPadding {
		e.window = fl.off
		w.take(fl)
	}
	e.head, e.off, e.next, e.chain = w.head, w.off, w.next, w.chain
	if e.window <= w.head.body() { // the roll's own write
		e.window = 0
	}
	if found.verdict == endClean {
		return "", nil
	}
	e.tail = &Tail{Kind: tailKinds[found.verdict], Segment: w.head.seq, Offset: fl.off, Bytes: found.end - fl.off, Reason: found.reason}
	e.keep = found.verdict == endKept
	if found.verdict != endPadding {
		e.wipe = found.end
	}
	if w.off < w.head.body() {
		return found.reason, nil
	}
	return "", nil
}

var tailKinds = map[verdict]string{endPadding: "padding", endTorn: "torn", endKept: "damaged"}

// stepBack goes to the segment before, since the newest was only being begun.
func (e *end) stepBack(d FS, segs []uint64, cp *checkpoint, torn string) error {
	bad, tail, keep := e.seg.seq, e.tail, e.keep
	if len(segs) < 2 {
		return &Damage{Segment: bad, Reason: torn + ", and no segment comes before it"}
	}
	if cp != nil && cp.seq == bad {
		return &Damage{Segment: bad, Reason: fmt.Sprintf("%s, and entry %d was synced here", torn, cp.lsn)}
	}
	*e = end{seg: &segment{fs: d, seq: segs[len(segs)-2]}, free: append([]uint64{bad}, e.free...)}
	if again, err := e.walk(d, cp); err != nil || again != "" {
		return errors.Join(err, &Damage{Segment: bad, Reason: torn + ", nor does the segment before it begin"})
	}
	if e.tail != nil && e.tail.Kind != "padding" { // its last batch was synced before the next was begun
		return &Damage{Segment: e.seg.seq, Offset: e.tail.Offset, Reason: e.tail.Reason + ", and the next segment was begun"}
	}
	size, err := e.checkTorn(d, bad)
	if err != nil {
		return err
	}
	if tail == nil {
		tail = &Tail{Kind: tailKinds[endTorn], Segment: bad, Bytes: size, Reason: torn}
	}
	e.tail, e.discard, e.keep, e.wipe = tail, bad, keep, 0
	return nil
}

// checkTorn looks whether a segment with a bad beginning can be one that a cut
// tore.
func (e *end) checkTorn(d FS, seq uint64) (int64, error) {
	f, err := d.OpenRead(segName(seq))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	b := make([]byte, max(size, blockSize))
	if err := readFull(f, b[:size], 0); err != nil {
		return 0, err
	}
	if _, err := decodeSegHeader(b); err == nil {
		return size, nil // judged with its records
	}
	return size, judgeHeader(seq, b[:blockSize], b[blockSize:], e.next-1)
}

// repair puts the end right: evidence is kept, a torn batch wiped, and the last
// write written and synced again, since a sync that failed unnoticed leaves
// pages that are in memory only. It returns the segment, open for writing.
func (e *end) repair(d FS) (File, error) {
	if e.keep {
		if err := e.keepAside(d); err != nil {
			return nil, fmt.Errorf("keeping the evidence: %w", err)
		}
	}
	if e.discard != 0 {
		if err := markFree(d, segName(e.discard)); err != nil {
			return nil, fmt.Errorf("segment %d: %w", e.discard, err)
		}
	}
	f, err := d.Open(e.seg.name())
	if err != nil {
		return nil, err
	}
	if err := e.rewrite(f); err != nil {
		return nil, errors.Join(fmt.Errorf("segment %d: rewriting its end: %w", e.seg.seq, err), f.Close())
	}
	return f, nil
}

func (e *end) rewrite(f File) error {
	b := make([]byte, max(e.off, e.wipe)-e.window)
	if err := readFull(f, b[:e.off-e.window], e.window); err != nil {
		return err
	}
	if e.tail != nil && e.tail.Kind == tailKinds[endPadding] {
		zeroPadding(b[e.tail.Offset-e.window:])
	}
	if _, err := f.WriteAt(b, e.window); err != nil {
		return err
	}
	return f.Datasync()
}

// zeroPadding makes the padding of the batch in b zero again.
func zeroPadding(b []byte) {
	at := int64(0)
	for {
		h, _ := parseHead(b[at:])
		at += h.size()
		if h.flags&flagLast != 0 {
			clear(b[at:])
			return
		}
	}
}

// keepAside copies what no torn write explains to a file of its own. While that
// file is there the journal is quarantined.
func (e *end) keepAside(d FS) error {
	b, err := readFile(d, segName(e.tail.Segment))
	if err != nil {
		return err
	}
	from := e.tail.Offset
	return writeFile(d, fmt.Sprintf("%s%012d-%08x", markPrefix, e.tail.Segment, from), b[from:min(from+e.tail.Bytes, int64(len(b)))])
}

// markFree makes a segment one that is prepared.
func markFree(d FS, name string) error {
	f, err := d.Open(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(freeBlock(), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
