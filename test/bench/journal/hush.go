package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hush waits, at most as long as is left of *budget, until nobody else works on
// this machine: until its processors are idle nine parts of ten for a while.
func hush(ctx context.Context, budget *time.Duration) {
	const look = 400 * time.Millisecond
	for *budget > 0 && ctx.Err() == nil {
		busy, idle := ticks()
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
		busy2, idle2 := ticks()
		if busy2-busy <= (busy2-busy+idle2-idle)/10 {
			return
		}
		*budget -= look
	}
}

// ticks are the processors' since the start, in hundredths of a second: busy
// and idle ones. Waiting for a disk is idling here.
func ticks() (busy, idle int64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		switch {
		case err != nil || i > 8: // "cpu", and guests, which are in user already
		case i == 4 || i == 5: // idle, waiting
			idle += n
		default:
			busy += n
		}
	}
	return busy, idle
}

// mostNoise is how much of the processors others may use during a round. The
// system's own threads, which serve the loop device, are among the others.
const mostNoise = 0.15

// noise tells how much others worked since listen.
type noise struct {
	served           int
	busy, idle, mine int64
}

// listen begins. served is a process that works for the round, 0: none.
func listen(served int) noise {
	n := noise{served: served, mine: used(served)}
	n.busy, n.idle = ticks()
	return n
}

// others is the part of the processors' time that was not the round's.
func (n noise) others() float64 {
	busy, idle := ticks()
	busy, idle = busy-n.busy, idle-n.idle
	return float64(busy-(used(n.served)-n.mine)) / float64(max(busy+idle, 1))
}

// used is what this process's ended children and the process pid have used.
func used(pid int) (ticks int64) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) == nil {
		ticks = (u.Utime.Nano() + u.Stime.Nano()) / 1e7
	}
	if pid == 0 {
		return ticks
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold anything else
	for i, f := range strings.Fields(rest) {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && (i == 11 || i == 12) {
			ticks += n
		}
	}
	return ticks
}

// quietWords says how far the machine was left alone.
func (r *report) quietWords() string {
	if r.Noisy {
		return fmt.Sprintf("It was **not quiet**: others worked during the run, and %v of waiting for them and %d repeated rounds were not enough, so p99 says little. ", r.Plan.quiet, r.Plan.Repeated)
	}
	return fmt.Sprintf("Every round began when the machine was idle; %d in which others began to work were repeated, whatever they had measured. ", r.Plan.Repeated)
}
