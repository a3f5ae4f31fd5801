package journal

import (
	"bytes"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// Options says how Open treats a journal.
type Options struct {
	// Key seals card data: 32 bytes. Nil opens for reading only what is clear.
	Key []byte
	// ReadOnly changes nothing, creates nothing, and shares the file with
	// other readers.
	ReadOnly bool
	// MaxBytes is what the journal may use of the disk, see Reserve; 0 is 1 GiB
	// on a 64-bit system and 120 MiB, which is also the most, on a 32-bit one.
	MaxBytes int64
	// ReserveBytes is what only outcomes may use, of MaxBytes and of the disk's
	// free space; 0 is an eighth of MaxBytes, at most 4 MiB.
	ReserveBytes int64
}

// allocBytes is the step in which the file grows.
const allocBytes = 4 << 20

// Open opens the journal at path and verifies every entry; where there is
// none, and not ReadOnly, it makes one.
//
// A crash during creation leaves either no journal or a complete, empty one.
// Errors: ErrLocked, ErrDamaged with the position, ErrNewer, ErrWrongKey; for
// all of them, nothing was changed. With ReadOnly a missing file is
// fs.ErrNotExist.
func Open(path string, opts Options) (*Bolt, error) {
	b, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return b, nil
}

func open(path string, opts Options) (*Bolt, error) {
	limits, err := newBudget(opts.MaxBytes, opts.ReserveBytes)
	if err != nil {
		return nil, err
	}
	if !opts.ReadOnly {
		if len(opts.Key) == 0 {
			return nil, fmt.Errorf("to write it: %w", ErrNoKey)
		}
		if err := ensure(path, opts.Key); err != nil {
			return nil, err
		}
	}
	f, err := openLocked(path, opts.ReadOnly)
	if err != nil {
		return nil, err
	}
	b := &Bolt{path: path, file: f, readOnly: opts.ReadOnly, budget: limits}
	if err := b.load(opts.Key); err != nil {
		_ = b.release()
		return nil, err
	}
	return b, nil
}

// load checks the locked file's pages, hands it to bbolt and verifies what is
// in it.
func (b *Bolt) load(key []byte) error {
	if err := checkPages(b.file); err != nil {
		return err
	}
	err := b.guard("opening", func() (err error) {
		b.db, err = bbolt.Open(b.path, 0o600, boltOptions(b.readOnly, func(string, int, os.FileMode) (*os.File, error) {
			return b.file, nil
		}))
		return err
	})
	if err != nil {
		return err
	}
	b.db.AllocSize = allocBytes
	return b.guard("verifying", func() error {
		return b.db.View(func(tx *bbolt.Tx) error {
			if err := b.readHeader(tx, key); err != nil {
				return err
			}
			return b.verify(tx)
		})
	})
}

func boltOptions(readOnly bool, open func(string, int, os.FileMode) (*os.File, error)) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      lockWait,
		PageSize:     pageSize, // the same on every system, so that a copy opens elsewhere
		FreelistType: bbolt.FreelistMapType,
		MaxSize:      maxMapping,
		ReadOnly:     readOnly,
		OpenFile:     open,
		NoStatistics: true,
	}
}

// readHeader reads who the journal is, and proves the key where there is one.
func (b *Bolt) readHeader(tx *bbolt.Tx, key []byte) (err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return fmt.Errorf("header: %w: it is missing", ErrDamaged)
	}
	if b.head, err = decodeHeader(meta.Get(keyHeader)); err != nil {
		return err
	}
	if b.seal, err = newSealer(b.head.id, key); err != nil || key == nil {
		return err
	}
	check, err := b.seal.keyCheck()
	if err == nil && check != b.head.keyCheck {
		err = ErrWrongKey
	}
	return err
}

// verify decodes every record and compares the index with them, one to one.
func (b *Bolt) verify(tx *bbolt.Tx) error {
	records, index := tx.Bucket(bucketRecords), tx.Bucket(bucketIndex)
	if records == nil || index == nil {
		return fmt.Errorf("container: %w: a bucket is missing", ErrDamaged)
	}
	last, entries, at := LSN(0), 0, index.Cursor()
	c := records.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if !bytes.Equal(k, recordKey(last+1)) {
			return fmt.Errorf("entry %d: %w: it is missing", last+1, ErrDamaged)
		}
		last++
		r, err := decode(b.head.id, last, v)
		if err != nil {
			return err
		}
		for _, name := range r.names() {
			want := indexKey(name, last)
			if got, _ := at.Seek(want); !bytes.Equal(got, want) {
				return fmt.Errorf("entry %d: %w: the index lacks it", last, ErrDamaged)
			}
			entries++
		}
	}
	for k, _ := at.First(); k != nil; k, _ = at.Next() {
		entries--
	}
	if entries != 0 {
		return fmt.Errorf("index: %w: it names entries that are not there", ErrDamaged)
	}
	b.last.Store(uint64(last))
	return nil
}
