package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// VerifyOptions says how Verify goes about it.
type VerifyOptions struct {
	From     uint64               // segment to begin with; 0: the oldest
	Workers  int                  // segments read at a time; 0: as many as there are processors
	Progress func(VerifyProgress) // called after each segment, by one goroutine at a time; nil: not
	FS       FS                   // stands in for the directory at the path, for tests
}

// VerifyProgress is how far it is.
type VerifyProgress struct {
	Segments, Of int
	Entries      int64
	Bytes        int64 // read
}

// VerifyReport is what was found.
type VerifyReport struct {
	Segments int       `json:"segments"`
	Entries  int64     `json:"entries"`
	Bytes    int64     `json:"bytes"`
	First    LSN       `json:"first"`
	Last     LSN       `json:"last"`
	Damage   []*Damage `json:"damage"`
	Tail     *Tail     `json:"tail,omitempty"` // what recovery would find behind the end
	Kept     []string  `json:"kept,omitempty"` // what waits for accept-loss
	// Next is where a run that was interrupted goes on; 0: it is complete.
	Next uint64 `json:"next,omitempty"`
}

// Verify reads every byte of a journal and checks it: segments, batches,
// padding, chain, LSNs, names of what retired, files of data keys. It needs no
// key, takes no lock and changes nothing; of a live journal it reads what was
// there when it began. The error is of reading; damage is in the report.
func Verify(ctx context.Context, path string, opts VerifyOptions) (*VerifyReport, error) {
	d := opts.FS
	if d == nil {
		d = OSFS(path)
	}
	v := &verification{fs: d, opts: opts, report: &VerifyReport{Damage: []*Damage{}}}
	if err := v.run(ctx); err != nil {
		return v.report, fmt.Errorf("journal %s: %w", path, err)
	}
	return v.report, nil
}

// verification is one run.
type verification struct {
	fs     FS
	opts   VerifyOptions
	report *VerifyReport

	mu   sync.Mutex
	done VerifyProgress
	segs []segmentCheck
}

// segmentCheck is what a segment says by itself.
type segmentCheck struct {
	seq     uint64
	head    *segHeader
	next    LSN
	chain   chainHash
	flaw    *flaw
	walker  *walker
	entries int64
	read    bool
	damage  *Damage
}

func (v *verification) run(ctx context.Context) error {
	have, err := readLayout(v.fs)
	if err != nil {
		return err
	}
	if have.empty() {
		return fmt.Errorf("there is no journal here: %w", fs.ErrNotExist)
	}
	v.report.Kept = have.marks
	have.retire()
	if err := have.check(); err != nil {
		v.damaged(err)
	}
	begun, err := v.begun(have)
	if err != nil {
		return err
	}
	for _, seq := range begun {
		if seq >= v.opts.From {
			v.segs = append(v.segs, segmentCheck{seq: seq})
		}
	}
	v.done.Of = len(v.segs)
	if err := v.readAll(ctx); err != nil {
		return err
	}
	v.link(have)
	v.small(have)
	return nil
}

// begun leaves out what is only prepared.
func (v *verification) begun(have *layout) ([]uint64, error) {
	segs := have.segs
	for len(segs) > 1 {
		is, err := isPrepared(v.fs, segs[len(segs)-1])
		if err != nil {
			return nil, err
		}
		if !is {
			break
		}
		segs = segs[:len(segs)-1]
	}
	return segs, nil
}

// readAll reads the segments, several at a time, in order.
func (v *verification) readAll(ctx context.Context) error {
	workers := v.opts.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	var wg sync.WaitGroup
	work := make(chan int)
	errs := make([]error, workers)
	for i := range workers {
		wg.Go(func() {
			for k := range work {
				if errs[i] == nil {
					errs[i] = v.read(&v.segs[k])
				}
			}
		})
	}
	for k := range v.segs {
		if ctx.Err() != nil {
			break
		}
		work <- k
	}
	close(work)
	wg.Wait()
	for k := range v.segs {
		if !v.segs[k].read {
			v.report.Next = v.segs[k].seq
			v.segs = v.segs[:k]
			break
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// read walks one segment to its end.
func (v *verification) read(c *segmentCheck) error {
	s := &segment{fs: v.fs, seq: c.seq}
	h, err := s.header()
	var bytes int64
	switch {
	case errors.As(err, &c.damage):
	case err != nil:
		return err
	default:
		if err := v.walk(c, h); err != nil {
			return err
		}
		bytes = h.size
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.read = true
	v.done.Segments++
	v.done.Entries += c.entries
	v.done.Bytes += bytes
	if v.opts.Progress != nil {
		v.opts.Progress(v.done)
	}
	return nil
}

func (v *verification) walk(c *segmentCheck, h *segHeader) error {
	f, err := v.fs.OpenRead(segName(c.seq))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size != h.size {
		c.damage = &Damage{Segment: c.seq, Reason: fmt.Sprintf("the file has %d bytes, it was made with %d", size, h.size)}
		return nil
	}
	w := newWalker(f, h)
	c.head = h
	for {
		b, fl := w.step()
		if b == nil {
			c.flaw, c.next, c.chain, c.walker = fl, w.next, w.chain, w
			return fl.err
		}
		for i := range b.recs {
			if b.recs[i].flags&flagsOfCarry == 0 {
				c.entries++
				continue
			}
			if _, err := b.recs[i].decode(h.salt); err != nil {
				c.damage = &Damage{Segment: c.seq, Offset: b.recs[i].off, Reason: err.Error()}
			}
		}
	}
}

// link checks that each segment ends where the next begins, and the last one as
// recovery would.
func (v *verification) link(have *layout) {
	for k := range v.segs {
		c := &v.segs[k]
		v.report.Segments++
		v.report.Entries += c.entries
		switch {
		case c.damage != nil:
			v.damaged(c.damage)
			continue
		case k+1 < len(v.segs):
			if next := v.segs[k+1].head; next != nil {
				if err := linked(c.walker, c.flaw, next); err != nil {
					v.damaged(err)
				}
			}
		case v.report.Next == 0:
			v.end(have)
		}
		v.report.Bytes += c.head.size
		if v.report.First == 0 {
			v.report.First = c.head.first
		}
		v.report.Last = c.next - 1
	}
}

// end judges the newest segment. While a writer writes it may look damaged for
// a moment.
func (v *verification) end(have *layout) {
	var err error
	for range 5 {
		var e *end
		if e, err = findEnd(v.fs, have, nil); err == nil {
			v.report.Tail = e.tail
			return
		}
		if again, err := readLayout(v.fs); err == nil {
			again.retire()
			*have = *again
		}
	}
	v.damaged(err)
}

// small checks the files beside the segments.
func (v *verification) small(have *layout) {
	var id journalID
	for _, c := range v.segs {
		if c.head != nil {
			id = c.head.id
		}
	}
	if id == (journalID{}) {
		return
	}
	names := newRetiredNames(v.fs, id, have.rets)
	for _, seq := range have.rets {
		if _, _, err := names.read(seq); err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.damaged(err)
		}
	}
	all, err := v.fs.List()
	if err != nil {
		v.damaged(err)
	}
	keys := newKeyring(id, nil, v.fs)
	for _, name := range all {
		digits, ok := strings.CutPrefix(name, keyPrefix)
		keyID, err := strconv.ParseUint(digits, 16, 32)
		if !ok || err != nil {
			continue
		}
		if _, err := keys.read(uint32(keyID)); err != nil {
			v.damaged(err)
		}
	}
}

func (v *verification) damaged(err error) {
	var d *Damage
	if !errors.As(err, &d) {
		d = &Damage{Reason: err.Error()}
	}
	v.report.Damage = append(v.report.Damage, d)
}
