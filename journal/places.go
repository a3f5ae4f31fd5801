package journal

import "slices"

// place is where a record with some name stands.
type place struct {
	seq uint64
	row
}

// places gives where records with a hash stand, oldest entry first, of each
// only the newest copy. Segments before from are left out.
func (x *index) places(hash, from uint64) ([]place, error) {
	if _, err := x.load(); err != nil {
		return nil, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	heads := x.heads
	x.pendMu.Lock() // before the store is read: what leaves it is in the store by then
	oldest := max(x.oldest, from)
	var out []place
	for _, tables := range [][]*table{x.frozen, x.pending} {
		for _, t := range tables {
			if t.seq < oldest {
				continue
			}
			for _, r := range t.rows {
				if r.hash == hash {
					out = append(out, place{t.seq, r})
				}
			}
		}
	}
	x.pendMu.Unlock()
	for i := range heads {
		h := &heads[i]
		if h.seq < oldest || !h.filter.may(hash) {
			continue
		}
		err := x.st.rows(h.seq, h.first, func(rows []byte) {
			for _, r := range search(rows, hash) {
				out = append(out, place{h.seq, r})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return newest(out), nil
}

// elsewhere gives those of the groups that may have entries outside a segment;
// the others have none. It reads each table once at the most.
func (x *index) elsewhere(groups map[string][]found, seq uint64) (map[string][]found, error) {
	if _, err := x.load(); err != nil {
		return nil, err
	}
	named := make(map[uint64]string, len(groups))
	out := map[string][]found{}
	for g, recs := range groups {
		h := hashName(g)
		if other, ok := named[h]; ok { // two names with one hash: both are looked up
			out[g], out[other] = recs, groups[other]
		}
		named[h] = g
	}
	note := func(hash uint64) {
		if g, ok := named[hash]; ok {
			out[g] = groups[g]
		}
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.pendMu.Lock()
	for _, t := range slices.Concat(x.frozen, x.pending) {
		if t.seq != seq {
			for _, r := range t.rows {
				note(r.hash)
			}
		}
	}
	x.pendMu.Unlock()
	for i := range x.heads {
		h := &x.heads[i]
		if h.seq == seq {
			continue
		}
		var may []uint64
		for hash := range named {
			if h.filter.may(hash) {
				may = append(may, hash)
			}
		}
		if len(may) == 0 {
			continue
		}
		err := x.st.rows(h.seq, h.first, func(rows []byte) {
			for _, hash := range may {
				if len(search(rows, hash)) > 0 {
					note(hash)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// newest keeps the newest copy of each entry.
func newest(all []place) []place {
	slices.SortFunc(all, func(a, b place) int {
		if a.lsn != b.lsn {
			return compareRows(row{lsn: a.lsn}, row{lsn: b.lsn})
		}
		return int(int64(b.seq) - int64(a.seq))
	})
	return slices.CompactFunc(all, func(a, b place) bool { return a.lsn == b.lsn })
}
