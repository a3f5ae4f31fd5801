package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"

	"go.etcd.io/bbolt"
)

// store keeps the index's tables and its checkpoint. Whatever goes wrong in it
// costs a rebuild and nothing else.
type store interface {
	// commit makes tables, removals and checkpoint durable together.
	commit(put []*table, dropBefore uint64, cp *checkpoint) error
	// heads gives every table's head in order.
	heads() ([]tableHead, error)
	// rows gives fn the verified rows of one table. They are valid inside fn.
	rows(seq uint64, first LSN, fn func(rows []byte)) error
	// table reads one table whole.
	table(seq uint64, first LSN) (*table, error)
	checkpoint() (*checkpoint, error)
	close() error
}

// checkpoint is how far the index knows the log: all of it was synced before
// the checkpoint was written.
type checkpoint struct {
	seq   uint64
	off   int64 // where the next batch begins
	lsn   LSN   // the last one covered
	chain chainHash
}

const checkpointLen = 68

func (c *checkpoint) encode(id journalID) []byte {
	b := append([]byte(nil), id[:]...)
	b = binary.LittleEndian.AppendUint64(b, c.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.off))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.lsn))
	b = append(b, c.chain[:]...)
	return appendCRC(b)
}

// errStale says that the index is another journal's or does not verify.
var errStale = errors.New("the index does not belong to this log, or is damaged")

func decodeCheckpoint(b []byte, id journalID) (*checkpoint, error) {
	le := binary.LittleEndian
	if len(b) != checkpointLen || crc32c(b[:checkpointLen-4]) != le.Uint32(b[checkpointLen-4:]) || journalID(b) != id {
		return nil, errStale
	}
	return &checkpoint{seq: le.Uint64(b[16:]), off: int64(le.Uint64(b[24:])), lsn: LSN(le.Uint64(b[32:])), chain: chainHash(b[40:])}, nil
}

// boltStore is a store in a bbolt file.
type boltStore struct {
	db   *bbolt.DB
	file *os.File // bbolt's own, for what it leaves open when it panics
	id   journalID
	bad  bool // it panicked: it may hold its own locks for ever
}

var (
	bucketMeta   = []byte("meta")
	bucketTables = []byte("tables")
	keyCheckpt   = []byte("checkpoint")
)

// What bbolt may map: a 32-bit process has little address space, and a failed
// growth there costs the handle.
const maxMapping32 = 128 << 20

var maxMapping = map[bool]int{true: maxMapping32}[strconv.IntSize == 32]

// openBolt opens or makes the file; without create, only one that is there.
func openBolt(path string, id journalID, create bool) (*boltStore, error) {
	s := &boltStore{id: id}
	if !create { // before bbolt walks into it
		if err := checkFile(path); err != nil {
			return nil, err
		}
	}
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	err := s.guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait, PageSize: blockSize, FreelistType: bbolt.FreelistMapType, MaxSize: maxMapping, NoStatistics: true,
			OpenFile: func(name string, _ int, mode os.FileMode) (f *os.File, err error) {
				f, err = os.OpenFile(name, flag, mode)
				s.file = f
				return f, err
			},
		})
		if err != nil || !create {
			return err
		}
		return s.db.Update(func(tx *bbolt.Tx) error {
			_, err1 := tx.CreateBucketIfNotExists(bucketMeta)
			_, err2 := tx.CreateBucketIfNotExists(bucketTables)
			return errors.Join(err1, err2)
		})
	})
	if err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// checkFile checks the pages that lead to the checkpoint.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(checkPages(f, false), f.Close())
}

// guard turns a panic or a memory fault inside bbolt, which trusts its pages,
// into an error.
func (s *boltStore) guard(fn func() error) (err error) {
	if s.bad {
		return errStale
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s.bad = true
			err = fmt.Errorf("%w: bbolt gave up: %v", errStale, p)
		}
	}()
	return fn()
}

// close lets go of the file. bbolt's own Close may wait for ever for a lock
// that it held when it panicked.
func (s *boltStore) close() error {
	if s.db != nil && !s.bad {
		return s.guard(s.db.Close)
	}
	if s.file != nil && s.bad {
		return errors.Join(unlock(s.file), s.file.Close())
	}
	return nil
}

func tableKey(seq uint64, first LSN) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seq), uint64(first))
}

func (s *boltStore) update(fn func(meta, tables *bbolt.Bucket) error) error {
	return s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return onBuckets(tx, fn) })
	})
}

func (s *boltStore) view(fn func(meta, tables *bbolt.Bucket) error) error {
	return s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return onBuckets(tx, fn) })
	})
}

func onBuckets(tx *bbolt.Tx, fn func(meta, tables *bbolt.Bucket) error) error {
	meta, tables := tx.Bucket(bucketMeta), tx.Bucket(bucketTables)
	if meta == nil || tables == nil {
		return errStale
	}
	return fn(meta, tables)
}

func (s *boltStore) commit(put []*table, dropBefore uint64, cp *checkpoint) error {
	return s.update(func(meta, tables *bbolt.Bucket) error {
		c := tables.Cursor()
		var old [][]byte
		for k, _ := c.First(); k != nil && bytes.Compare(k, tableKey(dropBefore, 0)) < 0; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		for _, k := range old {
			if err := tables.Delete(k); err != nil {
				return err
			}
		}
		for _, t := range put {
			if err := tables.Put(tableKey(t.seq, t.first), t.encode()); err != nil {
				return err
			}
		}
		return meta.Put(keyCheckpt, cp.encode(s.id))
	})
}

func (s *boltStore) heads() (out []tableHead, err error) {
	err = s.view(func(_, tables *bbolt.Bucket) error {
		return tables.ForEach(func(k, v []byte) error {
			h, err := parseTable(v)
			if err == nil && !bytes.Equal(k, tableKey(h.seq, h.first)) {
				err = errStale
			}
			out = append(out, h)
			return err
		})
	})
	return out, err
}

func (s *boltStore) rows(seq uint64, first LSN, fn func([]byte)) error {
	return s.view(func(_, tables *bbolt.Bucket) error {
		rows, err := tableRows(tables.Get(tableKey(seq, first)))
		if err == nil {
			fn(rows)
		}
		return err
	})
}

func (s *boltStore) table(seq uint64, first LSN) (t *table, err error) {
	err = s.view(func(_, tables *bbolt.Bucket) (err error) {
		t, err = decodeTable(tables.Get(tableKey(seq, first)))
		return err
	})
	return t, err
}

func (s *boltStore) checkpoint() (cp *checkpoint, err error) {
	err = s.view(func(meta, _ *bbolt.Bucket) (err error) {
		cp, err = decodeCheckpoint(meta.Get(keyCheckpt), s.id)
		return err
	})
	return cp, err
}

// memStore is a store in memory: for readers, which may not touch the file, and
// where the disk takes no index.
type memStore struct {
	vals map[string][]byte
	cp   *checkpoint
}

func newMemStore() *memStore { return &memStore{vals: map[string][]byte{}} }

func (s *memStore) commit(put []*table, dropBefore uint64, cp *checkpoint) error {
	for _, t := range put {
		s.vals[string(tableKey(t.seq, t.first))] = t.encode()
	}
	for k := range s.vals {
		if k < string(tableKey(dropBefore, 0)) {
			delete(s.vals, k)
		}
	}
	s.cp = cp
	return nil
}

func (s *memStore) heads() (out []tableHead, err error) {
	for _, k := range sortedKeys(s.vals) {
		h, err := parseTable(s.vals[k])
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func (s *memStore) rows(seq uint64, first LSN, fn func([]byte)) error {
	rows, err := tableRows(s.vals[string(tableKey(seq, first))])
	if err == nil {
		fn(rows)
	}
	return err
}

func (s *memStore) table(seq uint64, first LSN) (*table, error) {
	return decodeTable(s.vals[string(tableKey(seq, first))])
}

func (s *memStore) checkpoint() (*checkpoint, error) {
	if s.cp == nil {
		return nil, errStale
	}
	return s.cp, nil
}

func (s *memStore) close() error { return nil }

func removeIndex(d FS) error {
	if err := d.Remove(indexName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
