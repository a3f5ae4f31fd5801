package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// syncCalls are the system calls that make data durable.
const syncCalls = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"

// syncs counts an engine's sync calls per record with one writer: the
// difference of two traced runs, so that opening, closing and warming up do
// not count.
func (p *plan) syncs(ctx context.Context, at place, engine string) (float64, error) {
	if _, err := exec.LookPath("strace"); err != nil {
		return 0, errors.New("strace is not installed")
	}
	var calls [2]int
	for i := range calls {
		out := filepath.Join(at.Dir, "strace.txt")
		_, err := p.round(ctx, at, job{Engine: engine, Writers: 1, N: (i + 1) * p.n},
			"strace", "-f", "--seccomp-bpf", "-c", "-e", "trace="+syncCalls, "-o", out)
		if err != nil {
			return 0, err
		}
		if calls[i], err = countCalls(out); err != nil {
			return 0, err
		}
		if err := os.Remove(out); err != nil {
			return 0, err
		}
	}
	return float64(calls[1]-calls[0]) / float64(p.n), nil
}

// countCalls adds up the column "calls" of a summary of strace -c.
func countCalls(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.Contains(","+syncCalls+",", ","+f[len(f)-1]+",") {
			continue
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			return 0, fmt.Errorf("strace summary: %w", err)
		}
		sum += n
	}
	return sum, nil
}
