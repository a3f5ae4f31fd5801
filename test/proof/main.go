// Proof runs the gates of the safety rules and ends with one table: gate,
// demanded, measured, verdict. It decides nothing about money; it counts what
// the tests say.
//
//	go run ./test/proof               the short gates
//	go run ./test/proof -nightly      the long ones, in pieces of two hours at the most
//
// Gates that take every core go one after the other; beside them go, one after the
// other too, those that wait for timers or compute on one core. What has passed with this code is kept
// in .proof and not run again, so a night that was cut short goes on where it
// stopped, on another day too and after a change of the documentation; -fresh
// forgets it. A gate
// that nothing measures is "missing", a test that was skipped is "skipped", and
// neither counts as passed. Exit code 0: every gate has passed, at least in part.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	nightly := flag.Bool("nightly", false, "the long gates")
	fresh := flag.Bool("fresh", false, "run everything again")
	only := flag.String("only", "", "the gates whose name contains this")
	dir := flag.String("dir", ".proof", "where the pieces' outputs and results are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &runner{ctx: ctx, nightly: *nightly, dir: *dir, commit: commit(), code: code(), out: os.Stdout, done: map[string]result{}}
	if err := r.open(*fresh); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(2)
	}
	began := time.Now()
	rows := r.gates(slices.DeleteFunc(gates(), func(g gate) bool {
		return !strings.Contains(strings.ToLower(g.name), strings.ToLower(*only))
	}))
	set := "short"
	if *nightly {
		set = "nightly"
	}
	fmt.Printf("\n%s gates, commit %s, %s, %s/%s, %d CPUs, %s, %s\n\n%s", set, r.commit, began.UTC().Format(time.DateOnly),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), time.Since(began).Round(time.Second), table(rows))
	if ctx.Err() != nil || !good(rows) {
		os.Exit(1)
	}
}

// commit names the tree that is proven; what is not committed is said.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(out))
}

// code names what is proven of the tree: every committed file but documentation.
func code() string {
	out, err := exec.Command("git", "ls-tree", "-r", "HEAD", ":/").Output()
	if err != nil || strings.HasSuffix(commit(), "-dirty") {
		return unknown
	}
	h := sha256.New()
	for line := range strings.Lines(string(out)) {
		if !documentation(strings.TrimSpace(line)) {
			_, _ = h.Write([]byte(line))
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// unknown is code that was not committed: nothing that it did is believed later.
const unknown = "unknown"

func documentation(path string) bool {
	switch filepath.Ext(path) {
	case ".md", ".svg":
		return true
	}
	return false
}

// path is a file of the results' directory.
func (r *runner) path(name string) string { return filepath.Join(r.dir, name) }
