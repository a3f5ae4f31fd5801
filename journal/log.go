package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Log is a Journal on disk: an append-only log in segments, which is the truth,
// and an index that can be made from it at any time.
type Log struct {
	path    string
	fs      FS
	opts    Options
	id      journalID
	created time.Time
	keys    *keyring
	index   *index
	retired *retiredNames
	lock    io.Closer // nil: opened for reading
	tail    *Tail
	marks   atomic.Int32 // what waits for accept-loss
	losses  int          // files of losses that were accepted

	queue queue
	carry atomic.Pointer[func() Carry]

	mu  sync.Mutex // the writer's: one write at a time
	cur writer

	segMu sync.RWMutex // held for reading while a segment that may retire is read
	segs  []*segment   // begun, ascending; the last one is being written

	spare keeper
	last  atomic.Uint64
	bytes atomic.Int64 // of all segments, prepared ones too
	room  atomic.Int64 // left in the segment being written

	failed atomic.Pointer[error]
	closed atomic.Bool
}

var _ Journal = (*Log)(nil)

// writer is where the next batch goes.
type writer struct {
	file    File
	head    *segHeader
	off     int64
	enc     encoder
	carried map[string]bool // the groups of its carry; nil: not known
}

// Info is what a journal says of itself.
type Info struct {
	Path     string    `json:"path"`
	ID       string    `json:"id"` // 32 hexadecimal digits, random at creation
	Format   int       `json:"format"`
	Created  time.Time `json:"created"` // by the terminal's clock, which may have been wrong
	First    LSN       `json:"first"`   // the oldest entry that is kept
	Last     LSN       `json:"last"`
	Segments int       `json:"segments"`
	Prepared int       `json:"prepared"`  // segments that are ready to be written
	Bytes    int64     `json:"bytes"`     // of the log's files, prepared ones too
	MaxBytes int64     `json:"max_bytes"` // the budget of Reserve
	Retired  int       `json:"retired"`   // segments of which only the names are left
	Losses   int       `json:"losses"`    // files of evidence whose loss was accepted
	Index    string    `json:"index"`     // disk, memory
	Tail     *Tail     `json:"tail,omitempty"`
	// Quarantine: damaged entries were kept aside, and no new transaction is
	// taken until a person has accepted the loss.
	Quarantine bool `json:"quarantine"`
}

// Info describes the journal.
func (l *Log) Info() Info {
	info := Info{
		Path: l.path, ID: hex.EncodeToString(l.id[:]), Format: formatVersion, Created: l.created,
		First: 1, Last: l.Last(), Bytes: l.bytes.Load(), MaxBytes: l.opts.MaxBytes,
		Retired: l.retired.count(), Index: l.index.kind(), Prepared: l.spare.count(),
		Tail: l.tail, Quarantine: l.marks.Load() > 0, Losses: l.losses,
	}
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	info.Segments = len(l.segs)
	if h, err := l.segs[0].header(); err == nil {
		info.First = h.first
	}
	return info
}

// SetCarry implements Journal.
func (l *Log) SetCarry(fn func() Carry) { l.carry.Store(&fn) }

// Unseal implements Journal.
func (l *Log) Unseal(r Record) ([]byte, error) { return l.keys.unseal(r) }

// DestroyKey implements Journal.
func (l *Log) DestroyKey(keyID uint32) error {
	switch {
	case l.usable() != nil:
		return l.usable()
	case l.lock == nil:
		return l.wrap(ErrReadOnly)
	}
	return l.wrap(l.keys.destroy(keyID))
}

// MakeKey implements Journal.
func (l *Log) MakeKey(keyID uint32) error {
	switch {
	case l.usable() != nil:
		return l.usable()
	case l.lock == nil:
		return l.wrap(ErrReadOnly)
	}
	_, err := l.keys.forSealing(keyID)
	if isDiskFull(err) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return l.wrap(err)
}

// LastKey implements Journal.
func (l *Log) LastKey() (uint32, error) {
	last, err := l.keys.lastID()
	return last, l.wrap(err)
}

// KeyedHash implements Journal.
func (l *Log) KeyedHash(label string, data []byte) (string, error) {
	return l.keys.keyedHash(label, data)
}

// Last implements Journal.
func (l *Log) Last() LSN { return LSN(l.last.Load()) }

// Close implements Journal. It waits for the Append that is under way, and
// brings the index up to date, so that the next open has little to read.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Swap(true) {
		return nil
	}
	l.spare.stop()
	err := l.index.close(l.failed.Load() == nil)
	if l.cur.file != nil {
		err = errors.Join(err, l.cur.file.Close())
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return l.wrap(err)
}

// wrap names the journal in an error.
func (l *Log) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("journal %s: %w", l.path, err)
}

// usable says why the journal cannot be used.
func (l *Log) usable() error {
	if l.closed.Load() {
		return l.wrap(ErrClosed)
	}
	return nil
}

// fail makes the journal take nothing more, for good.
func (l *Log) fail(err error) {
	l.failed.CompareAndSwap(nil, &err)
}

// failure is the first error, as an ErrFailed.
func (l *Log) failure() error {
	if p := l.failed.Load(); p != nil {
		return l.wrap(fmt.Errorf("%w, because of: %w", ErrFailed, *p))
	}
	return nil
}
