// Package slowdisk is a block device with ext4 on it that is as slow as it is
// told to be: a stand-in for a terminal's eMMC. A FUSE file charges time for
// each command, each 4 KiB and each flush; a loop device makes it a disk. What
// is written lives in memory and dies with the process.
package slowdisk

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Model is what the disk charges. It does one thing at a time.
type Model struct {
	Command time.Duration // each read, write and flush
	Block   time.Duration // each 4 KiB of a read or write, begun ones included
	Flush   time.Duration // each flush, on top of Command
}

// EMMC is the model that the journal's targets speak of.
var EMMC = Model{Command: 150 * time.Microsecond, Block: 100 * time.Microsecond, Flush: 1500 * time.Microsecond}

const blockSize = 4096

// transfer is the price of n bytes.
func (m Model) transfer(n int) time.Duration {
	return m.Command + m.Block*time.Duration((n+blockSize-1)/blockSize)
}

// lane is the device's one command queue.
type lane struct {
	mu sync.Mutex
}

// do runs fn, which is quick, and holds the device for at least d.
func (l *lane) do(d time.Duration, fn func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := now() + d
	err := fn()
	sleepUntil(until)
	return err
}

func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

// sleepUntil waits by the kernel's timer: time.Sleep may be a millisecond late.
func sleepUntil(t time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	ts := unix.NsecToTimespec(int64(t))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}
