package journal

import (
	"cmp"
	"errors"
	"io"
	"slices"
)

// names lists under what a record is found: its group and its keys, each once.
func (r *Record) names() []string {
	names := append([]string{r.Group}, r.Keys...)
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Record) has(name string) bool { return r.Group == name || slices.Contains(r.Keys, name) }

// lookup is Journal.Lookup over an index: named gives the records that have a
// name as their group or among their keys.
func lookup(key string, named func(string) ([]Record, error)) ([]Record, error) {
	hits, err := named(key)
	if err != nil {
		return nil, err
	}
	var groups []string
	for i := range hits {
		groups = append(groups, hits[i].Group)
	}
	slices.Sort(groups)
	var found []Record
	for _, g := range slices.Compact(groups) {
		recs := hits
		if g != key || len(groups) > 1 {
			if recs, err = named(g); err != nil {
				return nil, err
			}
		}
		for _, r := range recs { // g may be a key of a record of another group
			if r.Group == g {
				found = append(found, r)
			}
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return found, nil
}

// Lookup implements Journal.
func (l *Log) Lookup(key string) ([]Record, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if checkName("", key) != nil {
		return nil, nil // nothing can have such a name
	}
	recs, err := lookup(key, func(name string) ([]Record, error) {
		found, err := l.find(name)
		if err != nil {
			return nil, err
		}
		recs := make([]Record, len(found))
		for i := range found {
			recs[i] = found[i].rec
		}
		return recs, nil
	})
	return recs, l.wrap(err)
}

// found is a record with the place where it was read.
type found struct {
	rec  Record
	raw  raw
	salt saltBytes
	seq  uint64
}

// find gives the records with a name, without those of groups that retired.
// What the index says is verified; where the index itself does not verify it is
// made anew.
func (l *Log) find(name string) ([]found, error) { return l.findFrom(name, 0) }

// findFrom looks only at what stands in a segment or behind it.
func (l *Log) findFrom(name string, from uint64) ([]found, error) {
	repaired := false
	for {
		out, err := l.findOnce(name, from)
		switch {
		case l.closed.Load():
			return nil, l.usable()
		case errors.Is(err, errMoved):
			continue // a segment retired meanwhile: the index knows by now
		case !errors.Is(err, errIndex) || repaired:
			return out, err
		}
		if err := l.index.repair(); err != nil {
			return nil, err
		}
		repaired = true
	}
}

var (
	// errIndex says that the index led nowhere, or does not verify.
	errIndex = errors.New("the index does not verify")
	// errMoved says that a segment retired between two steps of a look-up.
	errMoved = errors.New("the segment has retired")
)

func (l *Log) findOnce(name string, from uint64) ([]found, error) {
	places, err := l.index.places(hashName(name), from)
	if err != nil {
		return nil, errors.Join(errIndex, err)
	}
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	var out []found
	files := map[uint64]File{}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for _, p := range places {
		f, err := l.readAt(p, files)
		if err != nil {
			return nil, err
		}
		if !f.rec.has(name) {
			continue // another name with the same hash
		}
		gone, err := l.retired.has(f.rec.Group, f.rec.LSN)
		if err != nil {
			return nil, err
		}
		if !gone {
			out = append(out, f)
		}
	}
	return out, nil
}

// readAt reads one record and verifies it. The caller holds segMu.
func (l *Log) readAt(p place, files map[uint64]File) (found, error) {
	i, ok := slices.BinarySearchFunc(l.segs, p.seq, func(s *segment, seq uint64) int { return cmp.Compare(s.seq, seq) })
	if !ok && p.seq < l.segs[0].seq {
		return found{}, errMoved
	}
	if !ok {
		return found{}, errIndex
	}
	s := l.segs[i]
	h, err := s.header()
	if err != nil {
		return found{}, err
	}
	f := files[p.seq]
	if f == nil {
		if f, err = l.fs.OpenRead(s.name()); err != nil {
			return found{}, err
		}
		files[p.seq] = f
	}
	w := walker{f: f, head: h, win: window{f: f, size: h.size, piece: lookupPiece}}
	r, why, err := w.record(int64(p.off))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return found{}, &Damage{Segment: p.seq, Offset: int64(p.off), Reason: "the file ends before it should"}
	case err != nil:
		return found{}, err
	case why == "" && r.lsn != p.lsn:
		return found{}, errIndex
	case why != "":
		return found{}, &Damage{Segment: p.seq, Offset: int64(p.off), Reason: why}
	}
	rec, err := r.decode(h.salt)
	return found{rec: rec, raw: r, salt: h.salt, seq: p.seq}, err
}

// lookupPiece is what a look-up reads at a time: most records fit.
const lookupPiece = 2048
