package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Retain says how long history is kept. What is open is carried forward and
// never retires.
type Retain struct {
	// Age is how long a segment is kept after its last entry; 0 is 18 months,
	// as long as a chargeback may ask for it.
	Age time.Duration
	// Bytes is how much of the log is kept; beyond it the oldest segment
	// retires though it is younger. 0 is Options.MaxBytes; negative: never, new
	// transactions are refused instead.
	Bytes int64
	// Names is how long the names of what retired are kept; 0 is 5 years.
	Names time.Duration
}

// mayRetire says whether the oldest segment can be done without: recovery never
// needs it, nor would it if the newest segment were lost.
func (l *Log) mayRetire() bool {
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	n := len(l.segs)
	if n < 3 || l.segs[0].seq == 0 {
		return false
	}
	for _, s := range l.segs[n-2:] {
		if h, err := s.header(); err != nil || h.flags&segCarries == 0 {
			return false
		}
	}
	return true
}

// sane is before any time at which this program ran. A terminal whose battery
// died begins in 1970.
var sane = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// due says whether the oldest segment has reached its age or the log its size.
func (l *Log) due() bool {
	if !l.mayRetire() {
		return false
	}
	l.segMu.RLock()
	segs, retain := slices.Clone(l.segs), l.opts.Retain
	l.segMu.RUnlock()
	if max := retain.Bytes; max > 0 && l.bytes.Load() > max {
		return true
	}
	for _, s := range segs[1:] { // the first that was begun at a time to be believed
		h, err := s.header()
		if err != nil {
			return false
		}
		if h.begun.After(sane) {
			return time.Since(h.begun) > retain.Age
		}
	}
	return false
}

// retire lets the oldest segment go: first the names of what ends with it are
// durable, then its file is used again for s, or removed. A crash in between
// leaves the names, and the next open removes the file.
func (l *Log) retire(s *spareSegment) error {
	l.segMu.RLock()
	old, kept := l.segs[0], l.opts.Retain.Names
	l.segMu.RUnlock()
	h, err := old.header()
	if err != nil {
		return err
	}
	names, err := l.leaving(old, h)
	if err != nil {
		return fmt.Errorf("retiring segment %d: %w", old.seq, err)
	}
	since, err := l.retired.since(old.seq, kept)
	if err == nil {
		err = l.retired.add(old.seq, since, names)
	}
	if err != nil {
		return fmt.Errorf("retiring segment %d: %w", old.seq, err)
	}
	l.index.drop(old.seq)
	l.segMu.Lock()
	l.segs = slices.Clone(l.segs[1:])
	l.segMu.Unlock()
	if s != nil && h.size == s.size {
		err = l.recycle(old, s)
	} else {
		err = l.fs.Remove(old.name())
		l.bytes.Add(-h.size)
		err = errors.Join(err, l.fs.SyncDir())
	}
	if err != nil {
		return fmt.Errorf("retiring segment %d: %w", old.seq, err)
	}
	return l.retired.expire(since)
}

// recycle makes a retired segment's file a prepared segment. Its header is gone
// before it has the new name; what else is in it stays and verifies nowhere,
// since the next life has another salt.
func (l *Log) recycle(old *segment, s *spareSegment) error {
	name := segName(s.seq)
	if err := l.fs.Rename(old.name(), name+tempSuffix); err != nil {
		return err
	}
	if err := markFree(l.fs, name+tempSuffix); err != nil {
		return err
	}
	if err := l.fs.Rename(name+tempSuffix, name); err != nil {
		return err
	}
	s.recycled = true
	return l.fs.SyncDir()
}

// leaving lists the groups that retire with a segment: those of which it holds
// an entry that no later carry holds.
func (l *Log) leaving(old *segment, h *segHeader) ([]RetiredGroup, error) {
	f, err := l.fs.OpenRead(old.name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	here := map[string][]found{}
	w := newWalker(f, h)
	for {
		b, fl := w.step()
		if b == nil {
			if err := l.endsWell(old, w, fl); err != nil {
				return nil, err
			}
			break
		}
		for i := range b.recs {
			if b.recs[i].flags&flagExtra != 0 {
				continue
			}
			r, err := b.recs[i].decode(h.salt)
			if err != nil {
				return nil, err
			}
			here[r.Group] = append(here[r.Group], found{rec: r, seq: old.seq})
		}
	}
	elsewhere, err := l.index.elsewhere(here, old.seq)
	if err != nil {
		elsewhere = here // the look-ups mend the index
	}
	var out []RetiredGroup
	for _, g := range sortedKeys(here) {
		all := here[g]
		if _, more := elsewhere[g]; more {
			if all, err = l.find(g); err != nil {
				return nil, err
			}
		}
		if r, ok := l.leaves(g, old.seq, all); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// leaves decides about one group, of which found is every entry.
func (l *Log) leaves(group string, seq uint64, found []found) (RetiredGroup, bool) {
	leaves := false
	r := RetiredGroup{Group: group}
	var recs []Record
	for _, f := range found {
		if f.rec.Group != group {
			continue
		}
		leaves = leaves || f.seq == seq
		r.Last, r.Type = f.rec.LSN, f.rec.Type
		recs = append(recs, f.rec)
	}
	if leaves && l.opts.Final != nil {
		r.Final = l.opts.Final(recs)
	}
	return r, leaves
}

// endsWell checks that a segment that is not the newest ends where the next one
// begins.
func (l *Log) endsWell(s *segment, w *walker, fl *flaw) error {
	if fl.err != nil {
		return fl.err
	}
	l.segMu.RLock()
	var next *segment
	for _, n := range l.segs {
		if n.seq == s.seq+1 {
			next = n
		}
	}
	l.segMu.RUnlock()
	if next == nil {
		return &Damage{Segment: s.seq, Offset: fl.at, Reason: fl.reason}
	}
	h, err := next.header()
	if err != nil {
		return err
	}
	return linked(w, fl, h)
}

// linked says where two segments do not follow each other.
func linked(w *walker, fl *flaw, next *segHeader) error {
	switch {
	case w.next < next.first:
		return &Damage{Segment: w.head.seq, Offset: fl.at, Reason: fmt.Sprintf("%s, and the next segment begins with entry %d", fl.reason, next.first)}
	case w.next != next.first || w.chain != next.prev:
		return &Damage{Segment: next.seq, Reason: fmt.Sprintf("it does not follow the segment before, which ends with entry %d", w.next-1)}
	}
	return nil
}
