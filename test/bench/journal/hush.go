package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// hush waits, at most as long as is left of *budget, until nobody else works on
// this machine: until its processors are idle nine parts of ten for a while.
func hush(ctx context.Context, budget *time.Duration) {
	const look = 400 * time.Millisecond
	for *budget > 0 && ctx.Err() == nil {
		busy, all := ticks()
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
		busy2, all2 := ticks()
		if 10*(busy2-busy) <= all2-all {
			return
		}
		*budget -= look
	}
}

// ticks are the processors' since the start: busy ones, and all. Waiting for
// a disk counts as busy, so that somebody else's disk is noticed.
func ticks() (busy, all int64) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || i > 8 { // "cpu", and guests, which are in user already
			continue
		}
		all += n
		if i != 4 {
			busy += n
		}
	}
	return busy, all
}

// quietWords says how far the machine was left alone.
func (r *report) quietWords() string {
	if r.Noisy {
		return fmt.Sprintf("It was **not quiet**: others worked during the run, and %v of waiting for them were not enough, so p99 says little. ", r.Plan.quiet)
	}
	return "Every round began when the machine was idle. "
}
