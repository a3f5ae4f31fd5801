package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps card data, which is in memory for a moment, out of core dumps
// and away from debuggers of other processes.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core dumps (PR_SET_DUMPABLE): %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps (RLIMIT_CORE): %w", err)
	}
	return nil
}
