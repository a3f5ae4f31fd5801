package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// osFS is a directory of the operating system.
type osFS struct{ dir string }

// OSFS is the directory at path, which must exist.
func OSFS(path string) FS { return osFS{path} }

func (d osFS) path(name string) string { return filepath.Join(d.dir, name) }

func (d osFS) Create(name string) (File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}
func (d osFS) Open(name string) (File, error)     { return d.open(name, os.O_RDWR) }
func (d osFS) OpenRead(name string) (File, error) { return d.open(name, os.O_RDONLY) }

func (d osFS) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(d.path(name), flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osFS) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d osFS) Remove(name string) error     { return os.Remove(d.path(name)) }
func (d osFS) Local(name string) string     { return d.path(name) }

func (d osFS) List() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (d osFS) SyncDir() error { return syncDir(d.dir) }

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync of directory %s: %w", path, err)
	}
	return nil
}

// Lock holds flock on a file of its own, so that readers are not in the way.
func (d osFS) Lock() (io.Closer, error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f, true); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil // closing gives the lock back
}

func (d osFS) Free() (int64, error) { return freeBytes(d.dir) }

// osFile is a file of the operating system.
type osFile struct{ *os.File }

func (f osFile) Datasync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
