package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
)

// openIndex opens the index file as it is. No checkpoint: there is none, or it
// is of no use, and it is made anew once the log's end is known.
func openIndex(d FS, id journalID, have bool) (store, *checkpoint) {
	path := d.Local(indexName)
	if path == "" || !have {
		return nil, nil
	}
	st, err := openBolt(path, id, false)
	if err != nil {
		return nil, nil
	}
	cp, err := st.checkpoint()
	if err != nil {
		_ = st.close()
		return nil, nil
	}
	return st, cp
}

// attach begins with a store that was opened, and reads what the log has beyond
// it; where that does not fit together, the index is made anew.
func (x *index) attach(st store, cp *checkpoint) error {
	x.st = st
	if st != nil {
		err := x.catchUp(cp)
		if err == nil {
			return nil
		}
		x.pending, x.records = nil, 0
	}
	x.work.Lock()
	defer x.work.Unlock()
	return x.rebuild()
}

// catchUp reads the log from the checkpoint on. The chain proves that the index
// was made from this log.
func (x *index) catchUp(cp *checkpoint) error {
	x.at = *cp
	segs := x.l.segments()
	for i, s := range segs {
		if s.seq < cp.seq {
			continue
		}
		if i == 0 && s.seq != cp.seq {
			return errStale
		}
		last, err := x.l.walkSegment(s, func(w *walker) error {
			if s.seq == cp.seq {
				w.off, w.chain, w.next = cp.off, cp.chain, cp.lsn+1
			}
			return nil
		}, x.takeBatch(s.seq))
		if err != nil {
			return err
		}
		x.at.seq, x.at.off, x.at.chain, x.at.lsn = s.seq, last.off, last.chain, last.next-1
	}
	return nil
}

func (x *index) takeBatch(seq uint64) func(*walker, *batch) error {
	return func(_ *walker, b *batch) error {
		for i := range b.recs {
			x.record(&b.recs[i].recordHead, b.recs[i].bytes, uint32(b.recs[i].off), seq)
		}
		return nil
	}
}

// rebuild makes the index anew from the log: on disk, or where the disk takes
// none, in memory. The caller holds work. Look-ups wait.
func (x *index) rebuild() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.st != nil {
		_ = x.st.close()
	}
	x.st, x.heads, x.loaded = nil, nil, false
	if path := x.l.fs.Local(indexName); path != "" && x.l.lock != nil {
		if err := removeIndex(x.l.fs); err == nil {
			st, err := openBolt(path, x.l.id, true)
			if err == nil {
				if err = x.refill(st); err == nil {
					return nil
				}
				_ = st.close()
			}
			if errors.Is(err, ErrDamaged) {
				return err
			}
			_ = removeIndex(x.l.fs)
		}
	}
	return x.refill(newMemStore())
}

// refillEvery is how many rows are put into the store at a time.
const refillEvery = 1 << 17

// refill reads the whole log into a store: segments by several workers, tables
// in the segments' order.
func (x *index) refill(st store) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var cp checkpoint
	var put []*table
	rows := 0
	flush := func() error {
		if err := st.commit(put, 0, &cp); err != nil {
			return err
		}
		for _, t := range put {
			x.heads = append(x.heads, t.head())
		}
		put, rows = nil, 0
		return nil
	}
	for part := range x.readTables(ctx) {
		r := <-part
		if r.err != nil {
			x.heads = nil
			return fmt.Errorf("index: %w", r.err)
		}
		cp = r.end
		for _, t := range r.tables {
			put, rows = append(put, t), rows+len(t.rows)
		}
		if rows >= refillEvery {
			if err := flush(); err != nil {
				x.heads = nil
				return err
			}
		}
	}
	if err := flush(); err != nil {
		x.heads = nil
		return err
	}
	x.st, x.loaded = st, true
	x.pendMu.Lock()
	if x.at.lsn < cp.lsn {
		x.at = cp
	}
	x.pendMu.Unlock()
	return nil
}

// segmentTables is what one segment gives the index.
type segmentTables struct {
	tables []*table
	end    checkpoint
	err    error
}

// readTables reads every segment, a few at a time, and gives the results in
// order. It stops when ctx ends.
func (x *index) readTables(ctx context.Context) <-chan chan segmentTables {
	parts := make(chan chan segmentTables, runtime.GOMAXPROCS(0))
	go func() {
		defer close(parts)
		for _, s := range x.l.segments() {
			part := make(chan segmentTables, 1)
			select {
			case parts <- part: // holds as many as are being read
			case <-ctx.Done():
				return
			}
			go func() { part <- x.readTable(s) }()
		}
	}()
	return parts
}

func (x *index) readTable(s *segment) segmentTables {
	build := &index{l: x.l}
	begin := func(w *walker) error { build.at.lsn = w.head.first - 1; return nil }
	last, err := x.l.walkSegment(s, begin, build.takeBatch(s.seq))
	if err != nil {
		return segmentTables{err: err}
	}
	for _, t := range build.pending {
		slices.SortFunc(t.rows, compareRows) // here, where several are at work
	}
	return segmentTables{build.pending, checkpoint{seq: s.seq, off: last.off, lsn: last.next - 1, chain: last.chain}, nil}
}

// repair makes the index anew after something in it did not verify.
func (x *index) repair() error {
	x.work.Lock()
	defer x.work.Unlock()
	return x.rebuild()
}
