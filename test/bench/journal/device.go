package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// counters are a block device's own, since it was attached.
type counters struct {
	Bytes   int64 // written
	Writes  int64 // write commands
	Flushes int64 // flush commands
}

func (c counters) minus(o counters) counters {
	return counters{c.Bytes - o.Bytes, c.Writes - o.Writes, c.Flushes - o.Flushes}
}

// device is what lies under a folder: /sys/block/NAME, or nothing where the
// folder is not on one block device.
type device struct{ sys string }

func deviceOf(dir string) (device, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return device{}, fmt.Errorf("%s: %w", dir, err)
	}
	path := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	sys, err := filepath.EvalSymlinks(path)
	if err != nil {
		return device{}, nil // tmpfs, overlay, btrfs: no counters
	}
	if _, err := os.Stat(filepath.Join(sys, "partition")); err == nil {
		sys = filepath.Dir(sys)
	}
	return device{sys}, nil
}

// name is the device's, "vda", or "none".
func (d device) name() string {
	if d.sys == "" {
		return "none"
	}
	return filepath.Base(d.sys)
}

// attr reads a file below the device's folder, "" where there is none.
func (d device) attr(name string) string {
	b, err := os.ReadFile(filepath.Join(d.sys, name))
	if d.sys == "" || err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// read gives the counters; all zero where there are none.
func (d device) read() counters {
	f := strings.Fields(d.attr("stat"))
	at := func(i int) int64 {
		if i >= len(f) {
			return 0
		}
		n, _ := strconv.ParseInt(f[i], 10, 64)
		return n
	}
	return counters{Bytes: 512 * at(6), Writes: at(4), Flushes: at(15)}
}

// settle writes out everything that the file system under dir still holds, so
// that late writes count for who caused them.
func settle(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
