package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Loss is what AcceptLoss did.
type Loss struct {
	Evidence []string `json:"evidence"`        // names of the files in which everything damaged is kept
	Last     LSN      `json:"last"`            // the last entry of what is left
	Retired  int      `json:"retired"`         // segments of which only the names are left
	Wiped    *Damage  `json:"wiped,omitempty"` // where the log was cut; nil: it was not
}

// AcceptLoss makes a journal that is damaged or in quarantine one that opens. It
// is a person's decision: what does not verify is put aside, as evidence, in
// files of its own; nothing is deleted. What is left begins with the newest
// carry that verifies and ends where it or what follows is damaged.
//
// decide is called with the journal open and still in quarantine: it must write
// what follows from the loss, such as a new epoch and what is in doubt. Only
// when it returns nil does the quarantine end. A run that died is repeated.
func AcceptLoss(path string, opts Options, decide func(*Log) error) (*Loss, error) {
	d := opts.FS
	if d == nil {
		d = OSFS(path)
	}
	loss, err := acceptLoss(d, opts)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	l, err := Open(path, opts)
	if err != nil {
		return loss, err
	}
	if !l.Info().Quarantine && len(loss.Evidence) == 0 {
		return nil, errors.Join(fmt.Errorf("journal %s: there is no loss to accept", path), l.Close())
	}
	err = decide(l)
	if err == nil {
		err = l.endQuarantine()
	}
	loss.Last = l.Last()
	return loss, errors.Join(err, l.Close())
}

// endQuarantine renames the evidence.
func (l *Log) endQuarantine() error {
	have, err := readLayout(l.fs)
	if err != nil {
		return err
	}
	for _, name := range have.marks {
		if err := l.fs.Rename(name, lostPrefix+strings.TrimPrefix(name, markPrefix)); err != nil {
			return err
		}
	}
	l.marks.Store(0)
	return l.fs.SyncDir()
}

// salvage is what is left of a damaged log.
type salvage struct {
	fs     FS
	loss   *Loss
	oldest uint64 // that should be there
	since  uint64 // of the names of what retired
	segs   []uint64
	base   int // of segs: what is kept begins here
}

func acceptLoss(d FS, opts Options) (*Loss, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	lock, err := d.Lock()
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	have, err := readLayout(d)
	if err != nil {
		return nil, err
	}
	have.retire()
	if len(have.segs) == 0 {
		return nil, fmt.Errorf("%w: there is no segment to go on from", ErrDamaged)
	}
	s := &salvage{fs: d, loss: &Loss{Evidence: slices.Clone(have.marks)}, segs: have.segs, oldest: have.oldest()}
	if err := s.provesKey(have, opts); err != nil {
		return nil, err
	}
	if err := s.names(have); err != nil {
		return nil, err
	}
	whole := have.check()
	if whole == nil {
		_, whole = findEnd(d, have, nil)
	}
	history := s.history(have)
	if whole == nil && history == nil {
		return s.loss, s.indexAside(have)
	}
	if !errors.Is(errors.Join(whole, history), ErrDamaged) {
		return nil, errors.Join(whole, history)
	}
	if err := s.report(errors.Join(whole, history)); err != nil {
		return nil, err
	}
	return s.loss, s.run()
}

// report keeps what was wrong, before anything is put right: while it is there
// the journal is in quarantine, so that no power cut in what follows leaves a
// journal that opens as if a person had decided.
func (s *salvage) report(damage error) error {
	name := fmt.Sprintf("%sreport-%012d-%012d", markPrefix, s.oldest, s.segs[len(s.segs)-1])
	return writeFile(s.fs, name, []byte(damage.Error()+"\n"))
}

// names begins the names of what retired with the oldest that are there, where
// older ones are missing, and takes back the word that a missing segment was made.
func (s *salvage) names(have *layout) error {
	s.since = have.oldest()
	if n := len(have.rets); n > 0 {
		for s.since = have.rets[n-1]; slices.Contains(have.rets, s.since-1); {
			s.since--
		}
		if have.since > 0 && have.since < s.since {
			if err := s.newSince(have.rets[n-1]); err != nil {
				return err
			}
			have.since, have.rets = s.since, have.rets[slices.Index(have.rets, s.since):]
		}
	}
	switch {
	case have.made == 0:
		return nil
	case have.made <= have.segs[len(have.segs)-1]: // the keeper makes it again
		return errors.Join(s.fs.Remove(madeName(have.made)), s.fs.SyncDir())
	}
	name := fmt.Sprintf("%smade-%012d", markPrefix, have.made)
	s.loss.Evidence = append(s.loss.Evidence, name)
	err := s.fs.Rename(madeName(have.made), name)
	have.made = 0
	return errors.Join(err, s.fs.SyncDir())
}

// newSince writes the newest names anew; as they were they are evidence.
func (s *salvage) newSince(seq uint64) error {
	b, err := readFile(s.fs, retiredName(seq))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%snames-%012d", markPrefix, s.since)
	if err := writeFile(s.fs, name, b); err != nil {
		return err
	}
	s.loss.Evidence = append(s.loss.Evidence, name)
	n := len(b) - 4
	binary.LittleEndian.PutUint64(b[48:], s.since)
	return writeFile(s.fs, retiredName(seq), appendCRC(b[:n]))
}

// indexAside puts the index aside where it proves that the log, sound as it is,
// lacks its end.
func (s *salvage) indexAside(have *layout) error {
	h, err := (&segment{fs: s.fs, seq: have.segs[0]}).header()
	if err != nil {
		return err
	}
	st, cp := openIndex(s.fs, h.id, have.index)
	if st == nil {
		return nil
	}
	if err := st.close(); err != nil {
		return err
	}
	if _, err := findEnd(s.fs, have, cp); !errors.Is(err, ErrDamaged) {
		return err
	}
	name := fmt.Sprintf("%sindex-%012d", markPrefix, cp.lsn)
	s.loss.Evidence = append(s.loss.Evidence, name)
	return errors.Join(s.fs.Rename(indexName, name), s.fs.SyncDir())
}

// provesKey refuses a wrong key before anything is changed.
func (s *salvage) provesKey(have *layout, opts Options) error {
	l := &Log{fs: s.fs, opts: opts}
	if opts.Wrapper == nil {
		w, err := NewKeyWrapper(opts.Key)
		if err != nil {
			return err
		}
		l.opts.Wrapper = w
	}
	_, err := l.identify(have)
	return err
}

// history says what is wrong with the segments before the newest.
func (s *salvage) history(have *layout) error {
	v := &verification{fs: s.fs, report: &VerifyReport{}}
	begun, err := v.begun(have)
	if err != nil {
		return err
	}
	for i := range begun[:len(begun)-1] {
		if err := s.joins(begun[i], begun[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// joins reads a segment to its end, where the next one must begin.
func (s *salvage) joins(seq, follower uint64) error {
	v := &verification{fs: s.fs}
	c := segmentCheck{seq: seq}
	if err := v.read(&c); err != nil {
		return err
	}
	if c.damage != nil {
		return c.damage
	}
	next, err := (&segment{fs: s.fs, seq: follower}).header()
	if err != nil {
		return err
	}
	return linked(c.walker, c.flaw, next)
}

// run finds what can be kept and puts the rest aside.
func (s *salvage) run() error {
	for s.base = len(s.segs) - 1; s.base >= 0; s.base-- {
		if s.begins(s.segs[s.base]) {
			break
		}
	}
	if s.base < 0 {
		return fmt.Errorf("%w: no segment has a beginning that verifies: there is nothing to go on from", ErrDamaged)
	}
	for s.base > 0 && s.begins(s.segs[s.base-1]) && s.joins(s.segs[s.base-1], s.segs[s.base]) == nil {
		s.base-- // history that is sound stays
	}
	end, err := s.cut()
	if err != nil {
		return err
	}
	for seq := s.oldest; seq < s.segs[s.base]; seq++ {
		if err := s.forget(seq); err != nil {
			return fmt.Errorf("segment %d: %w", seq, err)
		}
	}
	for _, seq := range s.segs[end+1:] {
		if err := s.aside(seq); err != nil {
			return fmt.Errorf("segment %d: %w", seq, err)
		}
	}
	return errors.Join(removeIndex(s.fs), s.fs.SyncDir())
}

// begins says whether recovery may begin with a segment: its header and carry
// verify.
func (s *salvage) begins(seq uint64) bool {
	h, err := (&segment{fs: s.fs, seq: seq}).header()
	if err != nil || h.flags&segCarries == 0 && seq != 1 {
		return false
	}
	if h.carry == 0 {
		return true
	}
	f, err := s.fs.OpenRead(segName(seq))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	b, _ := newWalker(f, h).step()
	return b != nil
}

// cut follows the log from the base to the first flaw, and wipes what is behind
// it in that segment. It gives the last segment that is kept.
func (s *salvage) cut() (int, error) {
	for i := s.base; ; i++ {
		h, err := (&segment{fs: s.fs, seq: s.segs[i]}).header()
		if err != nil {
			return 0, err
		}
		f, err := s.fs.Open(segName(s.segs[i]))
		if err != nil {
			return 0, err
		}
		w := newWalker(f, h)
		b, fl := w.step()
		for b != nil {
			b, fl = w.step()
		}
		if i+1 < len(s.segs) && s.segs[i+1] == s.segs[i]+1 {
			if next, err := (&segment{fs: s.fs, seq: s.segs[i+1]}).header(); err == nil && linked(w, fl, next) == nil {
				_ = f.Close()
				continue
			}
		}
		err = s.wipe(f, w, fl)
		return i, errors.Join(err, f.Close())
	}
}

// wipe copies what is behind the flaw aside and writes zeros over it.
func (s *salvage) wipe(f File, w *walker, fl *flaw) error {
	rest := make([]byte, w.head.size-w.off)
	if len(rest) == 0 {
		return nil
	}
	if found, err := judge(w, fl, ""); err == nil && found.verdict == endClean {
		return nil
	}
	if err := readFull(f, rest, w.off); err != nil {
		return err
	}
	s.loss.Wiped = &Damage{Segment: w.head.seq, Offset: w.off, Reason: fl.reason}
	name := fmt.Sprintf("%s%012d-%08x", markPrefix, w.head.seq, w.off)
	if err := writeFile(s.fs, name, rest); err != nil {
		return err
	}
	s.loss.Evidence = append(s.loss.Evidence, name)
	clear(rest)
	if _, err := f.WriteAt(rest, w.off); err != nil {
		return err
	}
	return f.Sync()
}

// aside renames a segment to evidence. One that was only prepared holds none.
func (s *salvage) aside(seq uint64) error {
	if is, err := isPrepared(s.fs, seq); err != nil || is {
		return errors.Join(err, s.fs.Remove(segName(seq)))
	}
	name := fmt.Sprintf("%s%012d-%08x", markPrefix, seq, 0)
	s.loss.Evidence = append(s.loss.Evidence, name)
	return s.fs.Rename(segName(seq), name)
}

// forget puts a segment of history aside that cannot be kept with a gap behind
// it, and keeps the names that can be read of it, but for those that the base
// carries.
func (s *salvage) forget(seq uint64) error {
	carried := map[string]bool{}
	s.groups(s.segs[s.base], func(group string, r *raw) {
		if r.flags&flagCarried != 0 {
			carried[group] = true
		}
	})
	names := map[string]RetiredGroup{}
	s.groups(seq, func(group string, r *raw) {
		if !carried[group] {
			names[group] = RetiredGroup{Group: group, Last: max(r.lsn, names[group].Last), Type: r.typ}
		}
	})
	var list []RetiredGroup
	for _, g := range sortedKeys(names) {
		list = append(list, names[g])
	}
	h, err := (&segment{fs: s.fs, seq: s.segs[s.base]}).header()
	if err != nil {
		return err
	}
	if err := newRetiredNames(s.fs, h.id, nil).add(seq, s.since, list); err != nil {
		return err
	}
	s.loss.Retired++
	if !slices.Contains(s.segs, seq) { // it is missing
		return nil
	}
	return s.aside(seq)
}

// groups gives every record of a segment as far as it can be read.
func (s *salvage) groups(seq uint64, fn func(group string, r *raw)) {
	h, err := (&segment{fs: s.fs, seq: seq}).header()
	if err != nil {
		return
	}
	f, err := s.fs.OpenRead(segName(seq))
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	w := newWalker(f, h)
	for b, _ := w.step(); b != nil; b, _ = w.step() {
		for i := range b.recs {
			if rec, err := b.recs[i].decode(h.salt); err == nil && b.recs[i].flags&flagExtra == 0 {
				fn(rec.Group, &b.recs[i])
			}
		}
	}
}
