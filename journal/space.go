package journal

import (
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"

	"go.etcd.io/bbolt"
)

// budget is what a journal may use.
type budget struct {
	max     int64 // bytes of the file in use
	reserve int64 // of max and of the disk's free bytes: outcomes only
}

// What the file may become. A 32-bit process has little address space, and
// bbolt maps the file in powers of two: 128 MiB there, less two steps of
// growth so that an outcome is refused by Reserve and never by bbolt, which
// does not survive a failed growth.
const (
	maxMapping32 = 128 << 20
	maxBudget32  = maxMapping32 - 2*allocBytes
)

// maxMapping is bbolt's own limit: none on 64-bit.
var maxMapping = map[bool]int{true: maxMapping32}[strconv.IntSize == 32]

func newBudget(limit, reserve int64) (budget, error) {
	if limit == 0 {
		limit = 1 << 30
		if maxMapping != 0 {
			limit = maxBudget32
		}
	}
	if reserve == 0 {
		reserve = min(limit/8, 4<<20)
	}
	switch {
	case limit < 0 || reserve < 0 || reserve >= limit:
		return budget{}, fmt.Errorf("budget: want a reserve of less than the maximum, got %d of %d bytes", reserve, limit)
	case maxMapping != 0 && limit > maxBudget32:
		return budget{}, fmt.Errorf("budget: at most %d bytes on a 32-bit system, got %d", maxBudget32, limit)
	}
	return budget{max: limit, reserve: reserve}, nil
}

// cost bounds what a batch of n bytes may add to the file: its pages, half
// full, and new copies of the pages of the index and the free list that it
// touches.
func cost(n int) int64 { return 2*int64(max(n, 0)) + 64<<10 }

// Reserve implements Journal. The room is the smaller of what is left of
// Options.MaxBytes and of the file system.
func (b *Bolt) Reserve(c Class, n int) error {
	var used int64
	if err := b.view("a reservation", func(tx *bbolt.Tx) error { used = tx.Size(); return nil }); err != nil {
		return err
	}
	free, err := freeBytes(filepath.Dir(b.path))
	if err != nil {
		return fmt.Errorf("journal %s: free space: %w", b.path, err)
	}
	if err := b.budget.allow(c, n, used, free); err != nil {
		return fmt.Errorf("journal %s: %w", b.path, err)
	}
	return nil
}

// allow decides over a batch of n bytes when used bytes of the file are in
// use and the file system has free bytes.
func (g budget) allow(c Class, n int, used, free int64) error {
	need := cost(n)
	if c != ClassOutcome {
		need += g.reserve
	}
	if room := min(g.max-used, free); room < need {
		return fmt.Errorf("%w: an %s needs %d bytes, %d are left (in use %d of %d, disk free %d)",
			ErrNoSpace, c, need, max(room, 0), used, g.max, free)
	}
	return nil
}

// freeBytes is what an unprivileged process may still write below dir.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // types differ by system
}
