package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The buckets of the container; FORMAT.md describes them.
var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	bucketIndex   = []byte("index")
)

// scanChunk is how many records Scan holds at a time. No bbolt transaction is
// open while the caller's function runs.
const scanChunk = 256

// Bolt is a Journal in a bbolt file: one transaction, and so one sync of the
// data and one of the meta page, per batch.
type Bolt struct {
	path     string
	file     *os.File // bbolt's own, for what bbolt leaves open when it panics
	db       *bbolt.DB
	head     header
	seal     *sealer
	readOnly bool
	budget   budget

	last   atomic.Uint64
	broken atomic.Bool // bbolt panicked: it may hold its own locks for ever
	closed atomic.Bool

	mu     sync.Mutex // one Append at a time
	failed error      // the first error of Append
}

var _ Journal = (*Bolt)(nil)

// Info is what a journal says of itself.
type Info struct {
	Path     string    `json:"path"`
	ID       string    `json:"id"` // 32 hexadecimal digits, random at creation
	Format   int       `json:"format"`
	Created  time.Time `json:"created"` // by the terminal's clock, which may have been wrong
	Entries  int64     `json:"entries"`
	Bytes    int64     `json:"bytes"`     // the file's length
	MaxBytes int64     `json:"max_bytes"` // the budget of Reserve
}

// Info describes the journal.
func (b *Bolt) Info() Info {
	info := Info{
		Path: b.path, ID: hex.EncodeToString(b.head.id[:]), Format: formatVersion,
		Created: b.head.created, Entries: int64(b.Last()), MaxBytes: b.budget.max,
	}
	if st, err := os.Stat(b.path); err == nil {
		info.Bytes = st.Size()
	}
	return info
}

// Append implements Journal.
func (b *Bolt) Append(batch []Entry) (LSN, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed != nil:
		return 0, fmt.Errorf("journal %s: %w, because of: %w", b.path, ErrFailed, b.failed)
	case b.usable() != nil:
		return 0, b.usable()
	case b.readOnly:
		return 0, fmt.Errorf("journal %s: %w", b.path, ErrReadOnly)
	case len(batch) == 0:
		return 0, nil
	}
	first := b.Last() + 1
	recs, values, err := encodeBatch(batch, first, b.seal)
	if err == nil {
		err = b.guard("an append", func() error {
			return b.db.Update(func(tx *bbolt.Tx) error { return put(tx, recs, values) })
		})
	}
	if err != nil {
		b.failed = err
		return 0, fmt.Errorf("journal %s: append of entry %d: %w: %w", b.path, first, ErrFailed, err)
	}
	b.last.Store(uint64(first) + uint64(len(batch)) - 1)
	return first, nil
}

// put stores one batch and its index entries.
func put(tx *bbolt.Tx, recs []Record, values [][]byte) error {
	records, index := tx.Bucket(bucketRecords), tx.Bucket(bucketIndex)
	records.FillPercent = 1 // only ever appended to
	for i := range recs {
		if err := records.Put(recordKey(recs[i].LSN), values[i]); err != nil {
			return fmt.Errorf("record: %w", err)
		}
		for _, name := range recs[i].names() {
			if err := index.Put(indexKey(name, recs[i].LSN), nil); err != nil {
				return fmt.Errorf("index: %w", err)
			}
		}
	}
	return nil
}

// recordKey sorts records by LSN.
func recordKey(lsn LSN) []byte { return binary.BigEndian.AppendUint64(nil, uint64(lsn)) }

// indexKey sorts by name, then LSN. Names hold no zero byte.
func indexKey(name string, lsn LSN) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(name), 0), uint64(lsn))
}

// Scan implements Journal.
func (b *Bolt) Scan(from LSN, fn func(Record) error) error {
	end := b.Last()
	for from = max(from, 1); from <= end; {
		recs, err := b.chunk(from, end)
		if err != nil {
			return err
		}
		for _, r := range recs {
			if err := fn(r); err != nil {
				return err
			}
		}
		from += LSN(len(recs))
	}
	return b.usable()
}

// chunk reads at most scanChunk records, without gaps.
func (b *Bolt) chunk(from, end LSN) (recs []Record, err error) {
	err = b.view("a scan", func(tx *bbolt.Tx) error {
		end = min(end, from+scanChunk-1)
		c := tx.Bucket(bucketRecords).Cursor()
		k, v := c.Seek(recordKey(from))
		for lsn := from; lsn <= end; lsn++ {
			if !bytes.Equal(k, recordKey(lsn)) {
				return fmt.Errorf("entry %d: %w: it is missing", lsn, ErrDamaged)
			}
			r, err := decode(b.head.id, lsn, v)
			if err != nil {
				return err
			}
			recs = append(recs, r)
			k, v = c.Next()
		}
		return nil
	})
	return recs, err
}

// Lookup implements Journal.
func (b *Bolt) Lookup(key string) (recs []Record, err error) {
	if checkName("", key) != nil {
		return nil, b.usable() // nothing can have such a name
	}
	err = b.view("a look-up", func(tx *bbolt.Tx) error {
		recs, err = lookup(key, func(name string) ([]Record, error) { return b.named(tx, name) })
		return err
	})
	return recs, err
}

// named gives the records that the index has under name.
func (b *Bolt) named(tx *bbolt.Tx, name string) (recs []Record, err error) {
	records, prefix := tx.Bucket(bucketRecords), append([]byte(name), 0)
	c := tx.Bucket(bucketIndex).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		lsn := LSN(binary.BigEndian.Uint64(k[len(prefix):]))
		r, err := decode(b.head.id, lsn, records.Get(recordKey(lsn)))
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// Unseal implements Journal.
func (b *Bolt) Unseal(r Record) ([]byte, error) { return b.seal.unseal(r) }

// KeyedHash implements Journal.
func (b *Bolt) KeyedHash(label string, data []byte) (string, error) {
	return b.seal.keyedHash(label, data)
}

// Last implements Journal.
func (b *Bolt) Last() LSN { return LSN(b.last.Load()) }

// Close implements Journal. It waits for the Append that is under way.
func (b *Bolt) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Swap(true) {
		return nil
	}
	if err := b.release(); err != nil {
		return fmt.Errorf("journal %s: close: %w", b.path, err)
	}
	return nil
}

// release lets go of the file. bbolt's own Close may wait for ever for a lock
// that it held when it panicked, and what it leaves mapped keeps a file lock.
func (b *Bolt) release() error {
	if b.db != nil && !b.broken.Load() {
		return b.db.Close()
	}
	return errors.Join(unlock(b.file), b.file.Close())
}

// usable says why the journal cannot be used.
func (b *Bolt) usable() error {
	switch {
	case b.closed.Load():
		return fmt.Errorf("journal %s: %w", b.path, ErrClosed)
	case b.broken.Load():
		return fmt.Errorf("journal %s: %w", b.path, ErrFailed)
	}
	return nil
}

// view runs fn in a read transaction. What fn keeps it must copy.
func (b *Bolt) view(what string, fn func(*bbolt.Tx) error) error {
	err := b.usable()
	if err != nil {
		return err
	}
	err = b.guard(what, func() error { return b.db.View(fn) })
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return fmt.Errorf("journal %s: %w", b.path, ErrClosed)
	case err != nil:
		return fmt.Errorf("journal %s: %w", b.path, err)
	}
	return nil
}

// guard runs fn and turns a panic or a memory fault inside bbolt, which
// trusts its pages, into ErrDamaged.
func (b *Bolt) guard(what string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			b.broken.Store(true)
			err = fmt.Errorf("%w: bbolt gave up during %s: %v", ErrDamaged, what, p)
		}
	}()
	return fn()
}
