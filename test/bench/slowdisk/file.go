package slowdisk

import (
	"context"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fileName is the one file of the FUSE file system.
const fileName = "disk"

// slowFile is the FUSE file: memory behind a lane.
type slowFile struct {
	fs.Inode
	model Model
	lane  lane
	mem   *os.File // a memfd: sparse, and outside the Go heap
	size  int64
}

var (
	_ fs.NodeOpener    = (*slowFile)(nil)
	_ fs.NodeGetattrer = (*slowFile)(nil)
	_ fs.NodeReader    = (*slowFile)(nil)
	_ fs.NodeWriter    = (*slowFile)(nil)
	_ fs.NodeFsyncer   = (*slowFile)(nil)
)

func newSlowFile(size int64, model Model) (*slowFile, error) {
	fd, err := unix.MemfdCreate("slowdisk", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	mem := os.NewFile(uintptr(fd), "slowdisk")
	if err := mem.Truncate(size); err != nil {
		_ = mem.Close()
		return nil, err
	}
	return &slowFile{model: model, mem: mem, size: size}, nil
}

// Open bypasses the page cache: every command of the loop device arrives.
func (f *slowFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Getattr tells the size.
func (f *slowFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = fuse.S_IFREG | 0o600
	out.Size = uint64(f.size)
	return 0
}

// Read charges a command and its blocks.
func (f *slowFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n := 0
	err := f.lane.do(f.model.transfer(len(dest)), func() (err error) {
		n, err = unix.Pread(int(f.mem.Fd()), dest, off)
		return err
	})
	return fuse.ReadResultData(dest[:max(n, 0)]), fs.ToErrno(err)
}

// Write charges a command and its blocks.
func (f *slowFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	err := f.lane.do(f.model.transfer(len(data)), func() error {
		_, err := f.mem.WriteAt(data, off)
		return err
	})
	if err != nil {
		return 0, fs.ToErrno(err)
	}
	return uint32(len(data)), 0
}

// Fsync charges a flush.
func (f *slowFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return fs.ToErrno(f.lane.do(f.model.Command+f.model.Flush, func() error { return nil }))
}
