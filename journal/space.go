package journal

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// isDiskFull says whether a write failed for want of space.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// What the budget is where Options say nothing.
const (
	defaultMaxBytes     = 2 << 30
	defaultSegmentBytes = 4 << 20
	minSegmentBytes     = 4 * blockSize
	maxSegmentBytes     = 1 << 30
	defaultRetain       = 18 * 30 * 24 * time.Hour
	defaultRetired      = 5 * 365 * 24 * time.Hour
)

func (o *Options) fill() error {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Retain.Age == 0 {
		o.Retain.Age = defaultRetain
	}
	if o.Retain.Names == 0 {
		o.Retain.Names = defaultRetired
	}
	switch {
	case o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes || o.SegmentBytes%blockSize != 0:
		return fmt.Errorf("segment size: want %d to %d bytes, a multiple of %d, got %d", minSegmentBytes, maxSegmentBytes, blockSize, o.SegmentBytes)
	case o.MaxBytes < 4*o.SegmentBytes:
		return fmt.Errorf("budget: want at least 4 segments of %d bytes, got %d", o.SegmentBytes, o.MaxBytes)
	}
	return nil
}

// cost bounds what a batch of about n bytes, and what follows from it, takes in
// a segment: batches are padded.
func cost(n int) int64 { return pad(int64(max(n, 0))) + 4*blockSize }

// Reserve implements Journal. Intents are taken as long as, beside what they
// need, a whole segment is left for outcomes.
func (l *Log) Reserve(c Class, n int) error {
	switch {
	case l.failed.Load() != nil:
		return l.failure()
	case l.usable() != nil:
		return l.usable()
	case l.lock == nil:
		return l.wrap(ErrReadOnly)
	case c != ClassOutcome && l.marks.Load() > 0:
		return l.wrap(ErrQuarantined)
	}
	need, room := cost(n), l.room.Load()
	ready := l.spare.available()
	enough := ready >= spares || ready == spares-1 && room >= need
	if c == ClassOutcome {
		enough = ready > 0 || room >= need || l.mayRetire()
	}
	if enough {
		return nil
	}
	return l.wrap(fmt.Errorf("%w: an %s needs %d bytes; %d are left in the segment and %d segments are ready, one of them for outcomes alone (%d of %d bytes in use)",
		ErrNoSpace, c, need, room, ready, l.bytes.Load(), l.opts.MaxBytes))
}

// retryAfter is how often a full disk is tried again.
const retryAfter = time.Second

// available counts the segments that are ready or about to be.
func (k *keeper) available() int {
	k.mu.Lock()
	ready, short, again := len(k.ready), k.short, time.Since(k.tried) >= retryAfter
	n := ready
	if k.filling {
		n++
	}
	k.mu.Unlock()
	if n >= spares {
		return n
	}
	if short == nil { // being made, as far as there is room
		for n < spares && k.l.hasRoom(int64(n+1-ready)*k.l.opts.SegmentBytes) == nil {
			n++
		}
		return n
	}
	if again {
		k.wake()
	}
	return n
}

// overBudget says whether another n bytes are more than MaxBytes.
func (l *Log) overBudget(n int64) bool { return l.bytes.Load()+n > l.opts.MaxBytes }

// hasRoom says whether a file of n bytes may be made.
func (l *Log) hasRoom(n int64) error {
	free, err := l.fs.Free()
	switch {
	case err != nil:
		return fmt.Errorf("free space: %w", err)
	case l.overBudget(n) || free < n:
		return fmt.Errorf("%w: a segment needs %d bytes, %d of %d are in use, disk free %d", ErrNoSpace, n, l.bytes.Load(), l.opts.MaxBytes, free)
	}
	return nil
}

// freeBytes is what an unprivileged process may still write below dir.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // types differ by system
		}
		if !errors.Is(err, syscall.EINTR) {
			return 0, err
		}
	}
}
