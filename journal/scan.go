package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// segments is a snapshot of the segments that have been begun.
func (l *Log) segments() []*segment {
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	return slices.Clone(l.segs)
}

// firstLSN is the oldest entry that is kept.
func (l *Log) firstLSN() (LSN, error) {
	h, err := l.segments()[0].header()
	if err != nil {
		return 0, err
	}
	return h.first, nil
}

// scanChunk is how many records Scan holds at a time.
const scanChunk = 256

// Scan implements Journal.
func (l *Log) Scan(from LSN, fn func(Record) error) error {
	if err := l.usable(); err != nil {
		return err
	}
	return l.wrap(l.walkLog(l.Last(), func(segs []*segment) (int, error) {
		return segmentOf(segs, from)
	}, func(r *raw, h *segHeader) error {
		if r.flags&flagsOfCarry != 0 || r.lsn < from {
			return nil
		}
		rec, err := r.decode(h.salt)
		if err != nil {
			return err
		}
		return fn(rec)
	}))
}

// Recover implements Journal.
func (l *Log) Recover(fn func(Record) error) error { return l.fromCarry(recoveryBegins, fn) }

// History gives all that is kept: what the oldest segment carries, its extra
// entries last, and every entry behind it, in order. A fold of it up to any
// entry is what was known then. Like Scan it sees what was durable when it began.
func (l *Log) History(fn func(Record) error) error {
	return l.fromCarry(func([]*segment) (int, error) { return 0, nil }, fn)
}

// fromCarry gives the carry of the segment that begins says, and what is behind
// it.
func (l *Log) fromCarry(begins func([]*segment) (int, error), fn func(Record) error) error {
	if err := l.usable(); err != nil {
		return err
	}
	begin := uint64(0)
	return l.wrap(l.walkLog(l.Last(), func(segs []*segment) (int, error) {
		i, err := begins(segs)
		begin = segs[i].seq
		return i, err
	}, func(r *raw, h *segHeader) error {
		if r.flags&flagsOfCarry != 0 && h.seq != begin {
			return nil // of a later segment
		}
		rec, err := r.decode(h.salt)
		if err != nil {
			return err
		}
		return fn(rec)
	}))
}

// recoveryBegins is the newest segment with a carry, or the first.
func recoveryBegins(segs []*segment) (int, error) {
	for i := len(segs) - 1; i > 0; i-- {
		h, err := segs[i].header()
		if err != nil || h.flags&segCarries != 0 {
			return i, err
		}
	}
	return 0, nil
}

// segmentOf is the last segment that begins at or before an LSN.
func segmentOf(segs []*segment, lsn LSN) (int, error) {
	lo, hi := 0, len(segs)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		h, err := segs[mid].header()
		if err != nil {
			return 0, err
		}
		if h.first <= lsn {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo, nil
}

// walkLog gives fn every record from a segment on, through entry last. While fn
// runs no lock is held, so it may call any method.
func (l *Log) walkLog(last LSN, begin func([]*segment) (int, error), fn func(*raw, *segHeader) error) error {
	segs := l.segments()
	from, err := begin(segs)
	if err != nil {
		return err
	}
	for i := from; i < len(segs); i++ {
		if h, err := segs[i].header(); err == nil && h.first > last && i != from {
			return nil // the one to begin with may hold a carry and nothing else
		}
		w, err := l.walkSegment(segs[i], nil, func(w *walker, b *batch) error {
			for k := range b.recs {
				if b.recs[k].flags&flagsOfCarry == 0 && b.recs[k].lsn > last {
					return errEnough
				}
				if err := fn(&b.recs[k], w.head); err != nil {
					return err
				}
			}
			if w.next > last {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) || err == nil && w.next > last {
			return nil
		}
		if err != nil && l.isRetired(segs[i].seq) {
			return fmt.Errorf("segment %d retired while it was read: %w", segs[i].seq, fs.ErrNotExist)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errEnough = errors.New("enough")

func (l *Log) isRetired(seq uint64) bool { return l.segments()[0].seq > seq }

// walkSegment verifies a segment's batches and gives them to fn. It ends where
// the log does, or where the next segment follows; anything else is damage.
// from, where it is set, says where to begin.
func (l *Log) walkSegment(s *segment, from func(*walker) error, fn func(*walker, *batch) error) (*walker, error) {
	h, err := s.header()
	if err != nil {
		return nil, err
	}
	f, err := l.fs.OpenRead(s.name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Size(); err != nil || size != h.size {
		return nil, cmp.Or(err, wrongSize(s.seq, size, h.size))
	}
	w := newWalker(f, h)
	if from != nil {
		if err := from(w); err != nil {
			return nil, err
		}
	}
	limit := l.Last() // before anything is read: what is read then is there
	for w.next <= limit || w.off < h.body() {
		b, fl := w.step()
		if b == nil {
			return w, l.endsWell(s, w, fl)
		}
		if err := fn(w, b); err != nil {
			return w, err
		}
	}
	return w, nil
}
