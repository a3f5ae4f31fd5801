package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// keeper has segments ready before they are needed, and retires what is past
// its time. It works in a goroutine of its own: making a segment in the way of
// an append would hold it up for as long as filling 4 MiB takes.
type keeper struct {
	l *Log

	work sync.Mutex // held while a segment is made or retired

	mu      sync.Mutex
	ready   []spareSegment // ascending
	seq     uint64         // the segment being written
	short   error          // why the latest attempt made none
	tried   time.Time
	ended   bool
	filling bool // one is being made, and there is room for it
	kick    chan struct{}
	done    chan struct{}
	damage  error  // why nothing can retire
	made    uint64 // of the mark that is there; fill's
}

// spareSegment is one that is prepared.
type spareSegment struct {
	seq      uint64
	size     int64
	recycled bool
	file     File // opened by next
}

// spares is how many segments are kept ready: the next one, and one for
// outcomes alone when the disk is full.
const spares = 2

func (k *keeper) start(l *Log, seq, made uint64, ready []spareSegment) {
	k.l, k.seq, k.made, k.ready = l, seq, made, ready
	k.kick, k.done = make(chan struct{}, 1), make(chan struct{})
	go k.run()
	k.wake()
}

func (k *keeper) run() {
	defer close(k.done)
	for range k.kick {
		k.fill()
	}
}

// wake asks for another round; it waits for nothing.
func (k *keeper) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended || k.kick == nil {
		return
	}
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

func (k *keeper) stop() {
	if k.kick == nil {
		return
	}
	k.mu.Lock()
	k.ended = true
	close(k.kick)
	k.mu.Unlock()
	<-k.done
}

func (k *keeper) stopping() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.ready)
}

// fill makes what is missing and retires what is due.
func (k *keeper) fill() {
	k.work.Lock()
	defer k.work.Unlock()
	for k.count() < spares && !k.stopping() {
		s, err := k.make(false)
		k.mu.Lock()
		k.filling = false
		if k.short, k.tried = err, time.Now(); err == nil {
			k.ready = append(k.ready, s)
		}
		k.mu.Unlock()
		if err != nil {
			break
		}
	}
	k.mark()
	for !k.stopping() && k.l.due() {
		if err := k.l.retire(nil); err != nil {
			k.mu.Lock()
			k.damage = err
			k.mu.Unlock()
			return
		}
	}
}

// mark says, where nothing can be prepared behind the newest segment, that it
// was made: lost, it would be missed by nobody otherwise. The mark is best
// effort, on a disk that is full.
func (k *keeper) mark() {
	newest := k.newest()
	switch {
	case k.count() >= spares && k.made > 0:
		if k.l.fs.Remove(madeName(k.made)) == nil {
			k.made = 0
		}
	case k.count() < spares && k.made != newest && !k.stopping():
		f, err := k.l.fs.Create(madeName(newest))
		if err == nil {
			err = f.Close()
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			if err := k.l.fs.SyncDir(); err == nil {
				old := k.made
				if k.made = newest; old > 0 {
					_ = k.l.fs.Remove(madeName(old))
				}
			}
		}
	}
}

func madeName(seq uint64) string { return fmt.Sprintf("%012d%s", seq, madeSuffix) }

// make prepares one segment: an old one where that is due, or in need; a new
// one otherwise.
func (k *keeper) make(need bool) (spareSegment, error) {
	s := spareSegment{seq: k.newest() + 1, size: k.l.opts.SegmentBytes}
	if k.l.due() && k.l.retire(&s) == nil && s.recycled {
		return s, nil
	}
	err := k.l.prepare(&s)
	if errors.Is(err, ErrNoSpace) && (need || k.l.opts.Retain.Bytes >= 0 && k.l.overBudget(s.size)) && k.l.mayRetire() {
		if err2 := k.l.retire(&s); err2 != nil {
			return s, errors.Join(err, err2)
		}
		if s.recycled {
			return s, nil
		}
		err = k.l.prepare(&s)
	}
	return s, err
}

// newest is the highest segment that is there.
func (k *keeper) newest() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.ready); n > 0 {
		return k.ready[n-1].seq
	}
	return k.seq
}

// next gives segment seq, ready to be written, with room for need bytes. Where
// none is ready it is made now; where the disk is full the oldest history gives
// way, since an outcome must be recorded.
func (k *keeper) next(seq uint64, need int64) (s spareSegment, err error) {
	s, ok := k.pop(seq)
	if ok && s.size >= need {
		return s, k.open(&s)
	}
	if !ok {
		k.work.Lock() // one may be under way
		defer k.work.Unlock()
		defer k.fills(false)
		if s, ok = k.pop(seq); !ok {
			if s, err = k.make(true); err != nil {
				return s, err
			}
			k.mu.Lock()
			k.seq = seq
			k.mu.Unlock()
		}
		if s.size >= need {
			return s, k.open(&s)
		}
	}
	small := s.size // it is replaced
	s = spareSegment{seq: seq, size: pad(max(need, k.l.opts.SegmentBytes))}
	err = k.l.prepare(&s)
	k.fills(false)
	if err != nil {
		return s, err
	}
	k.l.bytes.Add(-small)
	return s, k.open(&s)
}

// fills says whether a segment is being made for which there is room: what it
// takes of the disk is then still to be counted on.
func (k *keeper) fills(yes bool) {
	k.mu.Lock()
	k.filling = yes
	k.mu.Unlock()
}

func (k *keeper) open(s *spareSegment) (err error) {
	s.file, err = k.l.fs.Open(segName(s.seq))
	return err
}

func (k *keeper) pop(seq uint64) (spareSegment, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.ready) == 0 || k.ready[0].seq != seq {
		return spareSegment{}, false
	}
	s := k.ready[0]
	k.ready, k.seq = k.ready[1:], seq
	return s, true
}

// prepare makes a segment: under another name, filled with zeros, synced, then
// named and the name synced. Writing zeros is worth it: a sync of a file that
// grows, or whose blocks are only reserved, costs two flushes.
func (l *Log) prepare(s *spareSegment) error {
	if err := l.hasRoom(s.size); err != nil {
		return err
	}
	l.spare.fills(true)
	name := segName(s.seq)
	if err := zeroFile(l.fs, name+tempSuffix, s.size); err != nil {
		if isDiskFull(err) {
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
		return err
	}
	if err := l.fs.Rename(name+tempSuffix, name); err != nil {
		return err
	}
	s.recycled = false
	l.bytes.Add(s.size)
	return l.fs.SyncDir()
}

// zeroFile makes a file of zeros and syncs it. What it leaves after an error is
// removed.
func zeroFile(d FS, name string, size int64) (err error) {
	_ = d.Remove(name) // of an attempt that failed
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = d.Remove(name)
		}
	}()
	zeros := make([]byte, min(size, windowSize))
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return f.Sync()
}
