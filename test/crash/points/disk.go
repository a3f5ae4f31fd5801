package points

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// Disk is the journal's directory at path, which it makes.
func Disk(path string) (journal.FS, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return disk{journal.OSFS(path)}, nil
}

type disk struct{ journal.FS }

func (d disk) open(op Op, name string, open func(string) (journal.File, error)) (out journal.File, err error) {
	err = around(op, name, func() error {
		f, err := open(name)
		if err == nil {
			out = file{f, name}
		}
		return err
	})
	return out, err
}

func (d disk) Create(name string) (journal.File, error)   { return d.open(Create, name, d.FS.Create) }
func (d disk) Open(name string) (journal.File, error)     { return d.open(Open, name, d.FS.Open) }
func (d disk) OpenRead(name string) (journal.File, error) { return d.open(Open, name, d.FS.OpenRead) }
func (d disk) SyncDir() error                             { return around(SyncDir, "", d.FS.SyncDir) }

func (d disk) Rename(from, to string) error {
	return around(Rename, to, func() error { return d.FS.Rename(from, to) })
}

func (d disk) Remove(name string) error {
	return around(Remove, name, func() error { return d.FS.Remove(name) })
}

type file struct {
	journal.File
	name string
}

func (f file) ReadAt(p []byte, off int64) (n int, err error) {
	err = around(Read, f.name, func() (err error) {
		n, err = f.File.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f file) WriteAt(p []byte, off int64) (int, error) {
	half := len(p) / 2
	switch the.pass(Write, f.name) {
	case Before:
		die()
	case Inside:
		_, _ = f.File.WriteAt(p[:half], off)
		die()
	case After:
		defer die()
	case EIO:
		return 0, syscall.EIO
	case ENOSPC:
		return 0, syscall.ENOSPC
	case Short:
		n, _ := f.File.WriteAt(p[:half], off)
		return n, errShort
	}
	return f.File.WriteAt(p, off)
}

func (f file) Datasync() error { return around(Datasync, f.name, f.File.Datasync) }
func (f file) Sync() error     { return around(Sync, f.name, f.File.Sync) }

// Journal is the daemon's, with its appends counted.
func Journal(l *journal.Log) journal.Journal { return log{l} }

type log struct{ *journal.Log }

func (l log) Append(batch []journal.Entry) (first journal.LSN, err error) {
	if len(batch) == 0 {
		return l.Log.Append(batch)
	}
	var what []string
	for _, e := range batch {
		what = append(what, txn.RecordType(e.Type).String())
	}
	err = around(Append, strings.Join(what, " "), func() (err error) {
		first, err = l.Log.Append(batch)
		return err
	})
	return first, err
}

// Outside is the daemon's mark, with its writes counted.
func Outside(m agent.Mark) agent.Mark { return mark{m} }

type mark struct{ agent.Mark }

func (m mark) Write(v txn.Mark) error {
	return around(Mark, fmt.Sprintf("entry %d", v.Entry), func() error { return m.Mark.Write(v) })
}
