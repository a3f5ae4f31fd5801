package slowdisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// ErrUnavailable: this system cannot make such a disk. The text says what it
// lacks.
var ErrUnavailable = errors.New("no slow disk on this machine")

// Available says whether Make can work here, and if not, why.
func Available() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: mounting needs root", ErrUnavailable)
	}
	for _, dev := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(dev); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	for _, tool := range []string{"losetup", "mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// Disk is a mounted slow disk.
type Disk struct {
	Dir    string // where its ext4 is mounted
	Device string // the loop device, as /dev/loop3

	undo []func() error
}

// Make builds a disk of size bytes and mounts it in a new directory below
// base. The caller's process serves every access to it: it must not itself
// wait for this disk with all its threads.
func Make(base string, size int64, model Model) (*Disk, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	d := &Disk{}
	if err := d.build(base, size, model); err != nil {
		return nil, errors.Join(fmt.Errorf("slow disk: %w", err), d.Close())
	}
	return d, nil
}

func (d *Disk) build(base string, size int64, model Model) error {
	dir, err := os.MkdirTemp(base, "slowdisk-")
	if err != nil {
		return err
	}
	d.later(func() error { return os.Remove(dir) })
	fuseDir, mountDir := filepath.Join(dir, "fuse"), filepath.Join(dir, "mnt")
	for _, p := range []string{fuseDir, mountDir} {
		if err := os.Mkdir(p, 0o700); err != nil {
			return err
		}
		d.later(func() error { return os.Remove(p) })
	}
	if err := d.serve(fuseDir, size, model); err != nil {
		return err
	}
	if d.Device, err = run("losetup", "--find", "--show", "--direct-io=on", filepath.Join(fuseDir, fileName)); err != nil {
		return err
	}
	d.later(func() error { _, err := run("losetup", "--detach", d.Device); return err })
	if _, err := run("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", d.Device); err != nil {
		return err
	}
	if _, err := run("mount", "-o", "noatime", d.Device, mountDir); err != nil {
		return err
	}
	d.later(func() error { return unmount(mountDir) })
	d.Dir = mountDir
	return nil
}

// serve mounts the FUSE file.
func (d *Disk) serve(dir string, size int64, model Model) error {
	file, err := newSlowFile(size, model)
	if err != nil {
		return err
	}
	d.later(file.mem.Close)
	root := &rootDir{file: file}
	timeout := time.Hour
	server, err := fs.Mount(dir, root, &fs.Options{
		AttrTimeout: &timeout, EntryTimeout: &timeout,
		MountOptions: fuse.MountOptions{FsName: "slowdisk", Name: "slowdisk", DirectMount: true, MaxWrite: 1 << 20},
	})
	if err != nil {
		return fmt.Errorf("FUSE: %w", err)
	}
	d.later(server.Unmount)
	return nil
}

// Close unmounts and detaches everything. Closing twice is harmless.
func (d *Disk) Close() error {
	var errs []error
	for i := len(d.undo) - 1; i >= 0; i-- {
		errs = append(errs, d.undo[i]())
	}
	d.undo = nil
	return errors.Join(errs...)
}

// unmount waits a little for who still has files open there.
func unmount(dir string) (err error) {
	for range 50 {
		if _, err = run("umount", dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (d *Disk) later(fn func() error) { d.undo = append(d.undo, fn) }

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, text)
	}
	return text, nil
}
