package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the run took place.
type machine struct {
	Cores  int
	CPU    string
	Memory string
	Kernel string
	Go     string
	Load   string // at the start: a busy machine shows
}

func describe() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	m.CPU = field("/proc/cpuinfo", "model name")
	var kib int64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.Memory = fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(b), " ")
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores (%s), %s, %s, %s, load %s at the start", m.Cores, m.CPU, m.Memory, m.Kernel, m.Go, m.Load)
}

// field is the first value of "name : value" in a file of /proc.
func field(path, name string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "?"
}

// describeDisk says what is under a folder: file system, options, device.
func describeDisk(dir string) string {
	dev, err := deviceOf(dir)
	if err != nil {
		return "unknown"
	}
	kind, options := mountOf(dir)
	text := fmt.Sprintf("%s (%s) on %s", kind, options, dev.name())
	if cache := dev.attr("queue/write_cache"); cache != "" {
		text += ", " + cache + " cache"
	}
	return text
}

// mountOf finds the file system that holds dir: the one of its device number.
func mountOf(dir string) (kind, options string) {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return "?", "?"
	}
	id := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	b, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		mount, fs, ok := strings.Cut(line, " - ")
		f := strings.Fields(mount)
		if !ok || len(f) < 6 || f[2] != id {
			continue
		}
		return strings.Fields(fs)[0], f[5]
	}
	return "?", "?"
}
