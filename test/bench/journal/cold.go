package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// chill makes the system forget what it holds of the files below dir, so that
// the next reader goes to the disk. As root it forgets everything else, too:
// names, inodes, this program.
func chill(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_ = f.Sync() // only clean pages can be forgotten
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		return fmt.Errorf("cold cache: %w", err)
	}
	if os.Geteuid() == 0 {
		_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) // a container may forbid it
	}
	return nil
}

// readAll reads the files one after the other, as fast as one goroutine can,
// and gives the time and the bytes.
func readAll(paths []string) (time.Duration, int64, error) {
	buf := make([]byte, 1<<20)
	start, sum := time.Now(), int64(0)
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return 0, 0, err
		}
		for err == nil {
			var n int
			n, err = f.Read(buf)
			sum += int64(n)
		}
		_ = f.Close()
		if err != io.EOF {
			return 0, 0, err
		}
	}
	return time.Since(start), sum, nil
}

// copyDir copies the files of a folder, holes and all.
func copyDir(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

// memory is what a process holds, in bytes.
type memory struct {
	Anon int64 // its own: heap, stacks
	File int64 // pages of files: the program, what is mapped
}

func ownMemory() memory {
	kib := func(name string) int64 {
		v, _, _ := strings.Cut(field("/proc/self/status", name), " ")
		n, _ := strconv.ParseInt(v, 10, 64)
		return n << 10
	}
	return memory{Anon: kib("RssAnon"), File: kib("RssFile")}
}
