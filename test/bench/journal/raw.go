package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// block is the unit that the raw limit and the journal write.
const block = 4096

// raw is the physical limit: a file that was filled with zeros before, each
// batch written to whole new blocks of it, one fdatasync. It keeps no
// checksum, no index and no order beyond the file's.
type raw struct {
	f    *os.File
	off  int64
	size int64
	buf  []byte
}

func openRaw(dir string, records int) (engine, error) {
	f, err := os.OpenFile(filepath.Join(dir, "raw"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// A record alone in its batch takes one block.
	r := &raw{f: f, buf: make([]byte, 0, 1<<16)}
	zero := make([]byte, 1<<20)
	for ; r.size < int64(records)*block; r.size += int64(len(zero)) {
		if _, err := f.WriteAt(zero, r.size); err != nil {
			return nil, err
		}
	}
	return r, f.Sync()
}

func (r *raw) Write(batch [][]byte) error {
	b := r.buf[:0]
	for _, rec := range batch {
		b = append(b, rec...)
	}
	for len(b)%block != 0 {
		b = append(b, make([]byte, block-len(b)%block)...)
	}
	r.buf = b
	if r.off+int64(len(b)) > r.size {
		return fmt.Errorf("the %d bytes prepared are full", r.size)
	}
	if _, err := r.f.WriteAt(b, r.off); err != nil {
		return err
	}
	r.off += int64(len(b))
	return fdatasync(r.f)
}

func (r *raw) Close() error { return r.f.Close() }

func fdatasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
