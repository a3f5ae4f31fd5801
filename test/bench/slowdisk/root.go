package slowdisk

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// rootDir holds the one file.
type rootDir struct {
	fs.Inode
	file *slowFile
}

var _ fs.NodeOnAdder = (*rootDir)(nil)

// OnAdd puts the file in.
func (r *rootDir) OnAdd(ctx context.Context) {
	r.AddChild(fileName, r.NewPersistentInode(ctx, r.file, fs.StableAttr{Mode: fuse.S_IFREG}), true)
}
