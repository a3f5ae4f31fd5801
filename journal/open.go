package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Options says how Open treats a journal.
type Options struct {
	// Key seals card data: KeyLen bytes. Nil, with Wrapper nil, opens for
	// reading only what is clear.
	Key []byte
	// Wrapper stands in for Key where hardware holds it.
	Wrapper KeyWrapper
	// ReadOnly changes nothing, creates nothing, takes no lock and disturbs no
	// writer: what a writer adds after the open is not seen.
	ReadOnly bool
	// SegmentBytes is the size of a segment; 0 is 4 MiB. A journal may have
	// segments of several sizes.
	SegmentBytes int64
	// MaxBytes is what the log may use of the disk, see Reserve; 0 is 2 GiB.
	MaxBytes int64
	// Retain says how long history is kept.
	Retain Retain
	// Final says in a few bytes what became of a group that retires, of all its
	// entries: at most 65535. Nil: nothing is kept beside the last entry's type.
	Final func(group []Record) []byte
	// FS stands in for the directory at the path, for tests.
	FS FS
}

// Open opens the journal in the directory at path, recovers, and where there is
// none, and not ReadOnly, makes one. A journal of the first version, which was
// one file, is converted; the file is kept with .old at the end of its name.
//
// Recovery: a batch that a power cut tore is wiped, and Info().Tail says so. A
// last batch that is damaged in a way no power cut explains is kept aside; the
// journal is then in quarantine, see ErrQuarantined. Anything else that does not
// verify is ErrDamaged with segment, offset and reason, and nothing is changed.
// Segments older than the newest are verified when they are read; Verify reads
// all.
//
// A crash during creation leaves either no journal or a complete, empty one.
// Errors: ErrLocked, ErrDamaged, ErrNewer, ErrWrongKey; for all of them, nothing
// was changed. With ReadOnly a missing journal is fs.ErrNotExist.
func Open(path string, opts Options) (*Log, error) {
	l, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return l, nil
}

func open(path string, opts Options) (_ *Log, err error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if opts.Wrapper == nil && opts.Key != nil {
		if opts.Wrapper, err = NewKeyWrapper(opts.Key); err != nil {
			return nil, err
		}
	}
	if opts.Wrapper == nil && !opts.ReadOnly {
		return nil, fmt.Errorf("to write it: %w", ErrNoKey)
	}
	l := &Log{path: path, fs: opts.FS, opts: opts, index: &index{}}
	l.index.l = l
	if l.fs == nil {
		if err := l.directory(); err != nil {
			return nil, err
		}
	}
	if !opts.ReadOnly {
		if l.lock, err = l.fs.Lock(); err != nil {
			return nil, err
		}
	}
	if err := l.load(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// directory finds or makes the directory at the path.
func (l *Log) directory() error {
	if !l.opts.ReadOnly && unfinished(l.path) {
		if err := finishMigration(l.path); err != nil {
			return err
		}
	}
	st, err := os.Stat(l.path)
	switch {
	case err == nil && st.Mode().IsRegular():
		if l.opts.ReadOnly {
			return errOldFormat
		}
		if err := migrate(l.path, l.opts); err != nil {
			return fmt.Errorf("converting it from the first version: %w", err)
		}
	case errors.Is(err, fs.ErrNotExist) && !l.opts.ReadOnly:
		if err := os.Mkdir(l.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("its directory must exist: %w", err)
		}
		if err := syncDir(filepath.Dir(l.path)); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	l.fs = OSFS(l.path)
	return nil
}

func (l *Log) release() {
	if l.index.st != nil {
		_ = l.index.st.close()
	}
	if l.cur.file != nil {
		_ = l.cur.file.Close()
	}
	if l.lock != nil {
		_ = l.lock.Close()
	}
}

// load reads what is there, and changes nothing before all of it fits: names,
// key, end of the log. Then it puts the end right.
func (l *Log) load() error {
	have, err := readLayout(l.fs)
	if err != nil {
		return err
	}
	if have.empty() {
		if l.opts.ReadOnly {
			return fmt.Errorf("there is no journal here: %w", fs.ErrNotExist)
		}
		if err := l.create(have); err != nil {
			return fmt.Errorf("create: %w", err)
		}
		if have, err = readLayout(l.fs); err != nil {
			return err
		}
	}
	gone := have.retire()
	if err := have.check(); err != nil {
		return err
	}
	first, err := l.identify(have)
	if err != nil {
		return err
	}
	var st store
	var cp *checkpoint
	if !l.opts.ReadOnly {
		if st, cp = openIndex(l.fs, first.id, have.index); st != nil {
			l.index.st = st
		}
	}
	e, err := l.findEnd(have, cp)
	if err != nil {
		return err
	}
	l.adopt(have, e)
	if l.opts.ReadOnly {
		return nil
	}
	if err := l.settle(have, e, gone); err != nil {
		return err
	}
	if err := l.index.attach(st, cp); err != nil {
		return err
	}
	l.index.start()
	return l.startKeeper(have, e)
}

// identify reads the oldest header that is whole: who the journal is, and
// whether the key is its own.
func (l *Log) identify(have *layout) (*segHeader, error) {
	var h *segHeader
	var err error
	for _, seq := range have.segs {
		if h, err = (&segment{fs: l.fs, seq: seq}).header(); !errors.Is(err, ErrDamaged) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	l.id, l.created = h.id, h.created
	l.keys = newKeyring(h.id, l.opts.Wrapper, l.fs)
	l.retired = newRetiredNames(l.fs, h.id, have.rets)
	if l.opts.Wrapper == nil {
		return h, nil
	}
	check, err := l.keys.keyCheck()
	if err == nil && check != h.keyCheck {
		err = ErrWrongKey
	}
	return h, err
}

// findEnd looks for the end of the log. A reader may look while a writer
// writes: what seems damaged is looked at again.
func (l *Log) findEnd(have *layout, cp *checkpoint) (e *end, err error) {
	for try := 0; ; try++ {
		e, err = findEnd(l.fs, have, cp)
		if err == nil && e.head.id != l.id {
			err = &Damage{Segment: e.head.seq, Reason: "the segment is another journal's"}
		}
		if err == nil || !l.opts.ReadOnly || try == 5 {
			return e, err
		}
		again, err2 := readLayout(l.fs)
		if err2 != nil {
			return nil, err2
		}
		again.retire()
		if err2 := again.check(); err2 != nil {
			return nil, err2
		}
		*have = *again
	}
}

// adopt takes over what was found.
func (l *Log) adopt(have *layout, e *end) {
	for _, seq := range have.segs {
		if seq < e.seg.seq {
			l.segs = append(l.segs, &segment{fs: l.fs, seq: seq})
		}
	}
	l.segs = append(l.segs, e.seg)
	l.tail = e.tail
	l.last.Store(uint64(e.next - 1))
	l.index.oldest = l.segs[0].seq
	l.marks.Store(int32(len(have.marks)))
	l.losses = have.lost
}

// settle makes the directory what the log says: this is the first change.
func (l *Log) settle(have *layout, e *end, gone []uint64) error {
	f, err := e.repair(l.fs)
	if err != nil {
		return err
	}
	if e.keep {
		l.marks.Add(1)
	}
	l.cur = writer{file: f, head: e.head, off: e.off}
	l.cur.enc = encoder{keys: l.keys, salt: e.head.salt, chain: e.chain}
	l.room.Store(e.head.size - e.off)
	for _, seq := range gone {
		if err := l.fs.Remove(segName(seq)); err != nil {
			return fmt.Errorf("retired segment %d: %w", seq, err)
		}
	}
	if err := have.removeTemps(l.fs); err != nil {
		return err
	}
	// Names that a dead run left without this sync may not be durable.
	return l.fs.SyncDir()
}

// startKeeper counts what there is and begins to prepare.
func (l *Log) startKeeper(have *layout, e *end) error {
	for _, s := range l.segs {
		l.bytes.Add(l.opts.SegmentBytes)
		if h := s.known(); h != nil {
			l.bytes.Add(h.size - l.opts.SegmentBytes)
		}
	}
	var ready []spareSegment
	for _, seq := range e.free {
		s, err := l.inspect(seq)
		if err != nil {
			return err
		}
		l.bytes.Add(s.size)
		ready = append(ready, s)
	}
	l.spare.start(l, e.seg.seq, have.made, ready)
	return nil
}

func (l *Log) inspect(seq uint64) (spareSegment, error) {
	s := spareSegment{seq: seq}
	f, err := l.fs.OpenRead(segName(seq))
	if err != nil {
		return s, err
	}
	defer func() { _ = f.Close() }()
	if s.size, err = f.Size(); err != nil {
		return s, err
	}
	b, err := readBlock(f)
	_, s.recycled = prepared(b)
	return s, err
}

// create makes the first segment. Before its name is durable there is no
// journal.
func (l *Log) create(have *layout) error {
	if err := have.removeTemps(l.fs); err != nil {
		return err
	}
	h := &segHeader{salt: newSalt(), seq: 1, first: 1, size: l.opts.SegmentBytes, created: time.Now().UTC()}
	h.begun = h.created
	_, _ = rand.Read(h.id[:]) // never fails
	var err error
	if h.keyCheck, err = newKeyring(h.id, l.opts.Wrapper, l.fs).keyCheck(); err != nil {
		return err
	}
	if free, err := l.fs.Free(); err != nil || free < h.size {
		return errors.Join(err, fmt.Errorf("%w: a segment needs %d bytes, disk free %d", ErrNoSpace, h.size, free))
	}
	temp := segName(1) + tempSuffix
	if err := zeroFile(l.fs, temp, h.size); err != nil {
		return err
	}
	f, err := l.fs.Open(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(h.encode(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := l.fs.Rename(temp, segName(1)); err != nil {
		return err
	}
	return l.fs.SyncDir()
}
