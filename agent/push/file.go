package push

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File appends each message as a line of NDJSON and syncs it. It opens the
// file anew each time, so that it may be rotated.
type File struct {
	Label string
	Path  string
}

// Name implements Sink.
func (f *File) Name() string { return f.Label }

// Deliver implements Sink: when it returns nil the line is on stable storage. A
// line that a crash has torn is ended first, so that no two are glued together.
func (f *File) Deliver(_ context.Context, m Message) error {
	return failed(f.Label, f.append(append(m.Body[:len(m.Body):len(m.Body)], '\n')))
}

func (f *File) append(line []byte) (err error) {
	_, missing := os.Stat(f.Path)
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var last [1]byte
	if n := info.Size(); n > 0 {
		if _, err := file.ReadAt(last[:], n-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if errors.Is(missing, fs.ErrNotExist) {
		return syncDir(filepath.Dir(f.Path))
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Check implements Sink: the file, or a new one in its directory, can be
// written.
func (f *File) Check(context.Context) error {
	_, missing := os.Stat(f.Path)
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Close()
		if errors.Is(missing, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(f.Path))
		}
	}
	return failed(f.Label, err)
}
