package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	oldSuffix = ".old"
	newSuffix = ".new"
)

// migrate converts a journal of the first version: it is read whole, written
// anew beside, compared, and only then do the names change. The old file stays.
func migrate(path string, opts Options) error {
	if len(opts.Key) == 0 {
		return fmt.Errorf("its sealed parts must be sealed anew: %w: give the key itself, once", ErrNoKey)
	}
	old, err := openOld(path, opts.Key)
	if err != nil {
		return err
	}
	defer func() { _ = old.db.Close() }() // nothing was written
	for _, step := range migration(path, opts, old) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// migration is the steps of a conversion. The old file has its second name,
// durably, before the new journal takes the first one. A rename is relied upon
// to leave one of its two names or both, never neither.
func migration(path string, opts Options, old *oldJournal) []func() error {
	opts.FS = nil
	return []func() error{
		func() error { return os.RemoveAll(path + newSuffix) },
		func() error { return old.copyTo(path+newSuffix, opts) },
		func() error { return setAside(path) },
		func() error { return syncDir(filepath.Dir(path)) },
		func() error { return os.Rename(path+newSuffix, path) },
		func() error { return syncDir(filepath.Dir(path)) },
	}
}

// setAside gives the old file its second name. After a cut both may be names of
// the one file, and then a rename does nothing.
func setAside(path string) error {
	a, err1 := os.Lstat(path)
	b, err2 := os.Lstat(path + oldSuffix)
	if err1 == nil && err2 == nil && os.SameFile(a, b) {
		return os.Remove(path)
	}
	return os.Rename(path, path+oldSuffix)
}

// finishMigration gives the new journal its name. A crash before it leaves the
// old file under its second name and the new journal, complete, beside it.
func finishMigration(path string) error {
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// unfinished says that a migration got as far as the first of the two names.
func unfinished(path string) bool {
	_, err1 := os.Lstat(path)
	_, err2 := os.Lstat(path + oldSuffix)
	_, err3 := os.Lstat(path + newSuffix)
	return errors.Is(err1, fs.ErrNotExist) && err2 == nil && err3 == nil
}

func (o *oldJournal) copyTo(path string, opts Options) error {
	l, err := Open(path, opts)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	var batch []Entry
	flush := func() error {
		_, err := l.Append(batch)
		batch = batch[:0]
		return err
	}
	err = o.each(func(_ LSN, e Entry) error {
		batch = append(batch, e)
		if len(batch) < scanChunk {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = o.compare(l)
	}
	return err
}

// compare proves that the new journal says what the old one said.
func (o *oldJournal) compare(l *Log) error {
	var recs []Record
	if err := l.Scan(1, func(r Record) error { recs = append(recs, r); return nil }); err != nil {
		return err
	}
	err := o.each(func(lsn LSN, e Entry) error {
		if lsn > LSN(len(recs)) {
			return fmt.Errorf("entry %d: it was not copied", lsn)
		}
		r := &recs[lsn-1]
		plain := []byte(nil)
		if len(e.Sealed) > 0 {
			var err error
			if plain, err = l.Unseal(*r); err != nil {
				return err
			}
		}
		if r.LSN != lsn || r.Type != e.Type || r.Group != e.Group || r.Class != e.Class || r.KeyID != e.KeyID ||
			!slices.Equal(r.Keys, e.Keys) || !bytes.Equal(r.Clear, e.Clear) || !bytes.Equal(plain, e.Sealed) {
			return fmt.Errorf("entry %d: the copy is not the same", lsn)
		}
		recs[lsn-1] = Record{}
		return nil
	})
	if err == nil && slices.ContainsFunc(recs, func(r Record) bool { return r.LSN != 0 }) {
		err = errors.New("the copy has more entries")
	}
	return err
}
