package journal

import (
	"io"
)

// FS is the directory of one journal, as the journal sees the disk. Names have
// no slash. Only what is said here is relied upon, so whoever implements it for
// a test knows which states a power cut may leave.
//
// After a power cut:
//
//   - A file's content is what its last Datasync or Sync that returned nil saw.
//     Of each write since then, any part may be there: every 512-byte sector is
//     old or new on its own, in any order, never a mixture. A sector that was
//     written by no write since the last sync is as it was.
//   - A file's length is what the last sync saw, or that of any state since.
//     The journal changes no length after a file was first synced.
//   - A name is as the last SyncDir saw it, or as Create, Rename and Remove left
//     it at any time since. Rename is atomic: the target is the old file or the
//     new one. Each name decides alone. Datasync and Sync of a file do not make
//     its name durable.
//
// Errors: what a failed write, Datasync or Sync left is unknown, also after a
// later sync that succeeds (the system may have dropped the pages and called
// them clean). The journal never repeats a failed sync: it fails for good.
//
// What is assumed of the disk: it has written when it says so, it does not
// change what was synced (where it does, checksums and the chain find it), and
// a cut while a page is programmed damages nothing outside the blocks written.
type FS interface {
	// Create makes a new, empty file, open for reading and writing. It is an
	// error (fs.ErrExist) where the name is taken.
	Create(name string) (File, error)
	// Open opens a file that exists for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens a file that exists for reading.
	OpenRead(name string) (File, error)
	// Rename gives a file another name, replacing what has it.
	Rename(from, to string) error
	// Remove takes a name away; an open file stays readable.
	Remove(name string) error
	// List gives every name, sorted.
	List() ([]string, error)
	// SyncDir makes every Create, Rename and Remove before it durable.
	SyncDir() error
	// Lock claims the directory for one writer until the Closer is closed or
	// the process ends; ErrLocked where another has it. Readers take no lock.
	Lock() (io.Closer, error)
	// Free is what may still be written to this disk, in bytes.
	Free() (int64, error)
	// Local is the path of a file for a library that opens files by itself (the
	// index), or "" where there is none: then the index lives in memory.
	Local(name string) string
}

// File is an open file of an FS. WriteAt, Datasync and Sync are called by one
// goroutine at a time; ReadAt by any.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Datasync makes the content durable, and what is needed to read it.
	Datasync() error
	// Sync is Datasync, and everything else about the file.
	Sync() error
	// Size is the file's length.
	Size() (int64, error)
	Close() error
}
