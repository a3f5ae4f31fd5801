package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// ensure makes the journal where there is none, and removes what a run left
// that died while making one. The directory is locked meanwhile, so that no
// two processes make the same journal.
func ensure(path string, key []byte) (err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("its directory must exist: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := lock(dir, true); err != nil {
		return fmt.Errorf("directory %s: %w", dir.Name(), err)
	}
	if err := removeLeftovers(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return err // nil where it is there
	}
	temp := path + tempMark + strconv.Itoa(os.Getpid())
	if err := create(temp, key); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("create %s: %w", temp, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync of directory %s: %w", dir.Name(), err)
	}
	return nil
}

// tempMark and a process id follow the journal's name in the name of one that
// is being made.
const tempMark = ".new-"

// removeLeftovers is called with the directory locked, so that whoever made
// them is dead.
func removeLeftovers(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	prefix := filepath.Base(path) + tempMark
	for _, e := range entries {
		pid, ours := strings.CutPrefix(e.Name(), prefix)
		if _, err := strconv.ParseUint(pid, 10, 32); !ours || err != nil {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), e.Name())); err != nil {
			return fmt.Errorf("left over by a run that died: %w", err)
		}
	}
	return nil
}

// create writes a complete, empty journal and syncs it.
func create(path string, key []byte) error {
	h := header{created: time.Now()}
	_, _ = rand.Read(h.id[:]) // never fails
	s, err := newSealer(h.id, key)
	if err != nil {
		return err
	}
	if h.keyCheck, err = s.keyCheck(); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, boltOptions(false, nil))
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketRecords, bucketIndex} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyHeader, h.encode())
	})
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

// openLocked opens an existing journal and takes the lock that bbolt takes:
// shared for reading, exclusive otherwise. bbolt is given the file only after
// its pages have been checked.
func openLocked(path string, readOnly bool) (*os.File, error) {
	flag := os.O_RDWR
	if readOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	if err := lock(f, !readOnly); err != nil {
		_ = f.Close()
		if readOnly && errors.Is(err, ErrLocked) {
			return nil, fmt.Errorf("%w: copy the file and open the copy; copy again where the copy does not verify", err)
		}
		return nil, err
	}
	return f, nil
}
