package powerfail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// ErrUnavailable: this system has no FUSE for us. The text says what it lacks.
var ErrUnavailable = errors.New("no FUSE on this machine")

// Available says whether Mount can work here, and if not, why.
func Available() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: mounting needs root", ErrUnavailable)
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return f.Close()
}

// Mount is the mounted file system. Each disk is a directory of it, so that
// after a cut the kernel remembers nothing of the survivor.
type Mount struct {
	dir    string
	root   *rootNode
	server *fuse.Server

	mu    sync.Mutex
	count int
}

// NewMount mounts the file system at dir.
func NewMount(dir string) (*Mount, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	m := &Mount{dir: dir, root: &rootNode{}}
	var err error
	m.server, err = fs.Mount(dir, m.root, &fs.Options{
		MountOptions: fuse.MountOptions{FsName: "powerfail", Name: "powerfail", DirectMount: true, MaxWrite: 1 << 20},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return m, nil
}

// Attach gives the path at which a disk is seen.
func (m *Mount) Attach(d *Disk) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	name := fmt.Sprintf("disk-%d", m.count)
	node := m.root.NewPersistentInode(context.Background(), &dirNode{disk: d}, fs.StableAttr{Mode: syscall.S_IFDIR, Ino: uint64(m.count) << 32})
	m.root.AddChild(name, node, true)
	return filepath.Join(m.dir, name)
}

// Close unmounts.
func (m *Mount) Close() error { return m.server.Unmount() }

type rootNode struct{ fs.Inode }

// dirNode is a disk's directory.
type dirNode struct {
	fs.Inode
	disk *Disk
}

var (
	_ fs.NodeLookuper  = (*dirNode)(nil)
	_ fs.NodeCreater   = (*dirNode)(nil)
	_ fs.NodeReaddirer = (*dirNode)(nil)
	_ fs.NodeRenamer   = (*dirNode)(nil)
	_ fs.NodeUnlinker  = (*dirNode)(nil)
	_ fs.NodeFsyncer   = (*dirNode)(nil)
	_ fs.NodeStatfser  = (*dirNode)(nil)
	_ fs.NodeGetattrer = (*dirNode)(nil)
)

func (n *dirNode) child(ctx context.Context, f *file) *fs.Inode {
	return n.NewInode(ctx, &fileNode{disk: n.disk, file: f}, fs.StableAttr{Mode: syscall.S_IFREG, Ino: n.StableAttr().Ino | f.id})
}

func (n *dirNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFDIR | 0o700
	return 0
}

func (n *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.disk.look(func() syscall.Errno {
		f := n.disk.seen[name]
		if f == nil {
			return syscall.ENOENT
		}
		child = n.child(ctx, f)
		f.attr(&out.Attr)
		return 0
	})
	return child, errno
}

func (n *dirNode) Create(ctx context.Context, name string, flags uint32, _ uint32, out *fuse.EntryOut) (child *fs.Inode, _ fs.FileHandle, _ uint32, errno syscall.Errno) {
	errno = n.disk.change(func() syscall.Errno {
		f := n.disk.seen[name]
		if f != nil && flags&syscall.O_EXCL != 0 {
			return syscall.EEXIST
		}
		if f == nil {
			f = n.disk.newFile()
			n.disk.seen[name] = f
		}
		child = n.child(ctx, f)
		f.attr(&out.Attr)
		return 0
	})
	return child, nil, 0, errno
}

func (n *dirNode) Readdir(context.Context) (stream fs.DirStream, errno syscall.Errno) {
	errno = n.disk.look(func() syscall.Errno {
		var list []fuse.DirEntry
		for name, f := range n.disk.seen {
			list = append(list, fuse.DirEntry{Name: name, Mode: syscall.S_IFREG, Ino: f.id})
		}
		sort.Slice(list, func(i, k int) bool { return list[i].Name < list[k].Name })
		stream = fs.NewListDirStream(list)
		return 0
	})
	return stream, errno
}

func (n *dirNode) Rename(_ context.Context, from string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if p, ok := parent.(*dirNode); !ok || p != n || flags != 0 {
		return syscall.ENOTSUP
	}
	return n.disk.change(func() syscall.Errno {
		f := n.disk.seen[from]
		if f == nil {
			return syscall.ENOENT
		}
		delete(n.disk.seen, from)
		n.disk.seen[to] = f
		return 0
	})
}

func (n *dirNode) Unlink(_ context.Context, name string) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		if n.disk.seen[name] == nil {
			return syscall.ENOENT
		}
		delete(n.disk.seen, name)
		return 0
	})
}

func (n *dirNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		n.disk.syncDir()
		n.disk.syn++
		return 0
	})
}

func (n *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize = 4096, 4096
	out.Blocks, out.Bfree, out.Bavail = 1<<20, 1<<20, 1<<20
	return 0
}

// fileNode is a file of a disk.
type fileNode struct {
	fs.Inode
	disk *Disk
	file *file
}

var (
	_ fs.NodeOpener    = (*fileNode)(nil)
	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
	_ fs.NodeReader    = (*fileNode)(nil)
	_ fs.NodeWriter    = (*fileNode)(nil)
	_ fs.NodeFsyncer   = (*fileNode)(nil)
)

func (f *file) attr(out *fuse.Attr) {
	out.Mode = syscall.S_IFREG | 0o600
	out.Size = uint64(len(f.data))
	out.Blocks = (out.Size + sectorSize - 1) / sectorSize
	out.Nlink = 1
}

func (n *fileNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.disk.look(func() syscall.Errno { return 0 })
}

func (n *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.disk.look(func() syscall.Errno { n.file.attr(&out.Attr); return 0 })
}

func (n *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		if size, ok := in.GetSize(); ok {
			n.file.resize(int64(size))
		}
		n.file.attr(&out.Attr)
		return 0
	})
}

func (n *fileNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got := 0
	errno := n.disk.look(func() syscall.Errno {
		if off < int64(len(n.file.data)) {
			got = copy(dest, n.file.data[off:])
		}
		return 0
	})
	return fuse.ReadResultData(dest[:got]), errno
}

func (n *fileNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := n.disk.change(func() syscall.Errno { n.file.write(off, data); return 0 })
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

func (n *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		n.file.sync()
		n.disk.syn++
		return 0
	})
}
