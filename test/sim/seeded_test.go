package sim

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	transactions = flag.Int64("sim.transactions", 1_000_000, "transactions of the seeded run, 50,000 with -short; make proof takes 2,000,000")
	firstSeed    = flag.Uint64("sim.seed", 1, "first seed of the seeded run")
	shorten      = flag.Bool("sim.shrink", true, "look for a short run that breaks the same property")
	golden       = flag.String("sim.golden", "", "name of the transcript of agent/txn that a shrunk run becomes")
	oneRun       = flag.Bool("sim.one", false, "run only -sim.seed, and print what happened")
)

// TestSeeded runs random schedules until enough transactions are through.
func TestSeeded(t *testing.T) {
	if *oneRun {
		showRun(t, *firstSeed)
		return
	}
	n := *transactions
	if testing.Short() {
		n = min(n, 50_000)
	}
	// The runs are short-lived and small: collecting them seldom is faster.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	start := time.Now()
	workers := runtime.GOMAXPROCS(0)
	stats, failed := Campaign(*firstSeed, n, workers)
	took := time.Since(start)
	summarize(t, &stats, took, workers)
	if failed == nil {
		t.Logf("violations: 0")
		if !testing.Short() && n >= 1_000_000 {
			complete(t, &stats)
		}
		return
	}
	t.Errorf("VIOLATION %s after %d transactions, seed %d: %s", failed.Property, failed.After, failed.Seed, failed.Text)
	if !*shorten {
		return
	}
	if w := Shrink(failed.Seed, failed.Property); w != nil {
		keep(t, failed, w)
		t.Logf("the shortest run found that breaks %s (%s):\n%s", failed.Property, w.broken.Text, strings.Join(w.trace, "\n"))
	}
	t.Logf("the whole run: go test ./test/sim -run TestSeeded -sim.one -sim.seed=%d", failed.Seed)
}

// keep makes the shrunk run a golden test of the core, or says how.
func keep(t *testing.T, failed *Failure, w *World) {
	if *golden == "" {
		t.Logf("to keep it as a golden test: go test ./test/sim -run TestSeeded -sim.seed=%d -sim.golden=NAME", failed.Seed)
		return
	}
	title := fmt.Sprintf("Found by the simulation (seed %d), %s: %s.", failed.Seed, w.broken.Property, w.broken.Text)
	text, _ := Script(*w.p, Replaying(w.c.Values()), title)
	file := filepath.Join("..", "..", "agent", "txn", "testdata", "transcripts", *golden+".txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "../../agent/txn", "-run=^TestTranscripts$/^"+*golden+"$", "-update")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("kept as %s: read it, mend the core, run go test ./agent/txn -run TestTranscripts -update, and read the difference", file)
}

func showRun(t *testing.T, seed uint64) {
	w := Run(draw(seed), Seeded(seed), &Stats{}, true, true, true)
	t.Logf("personality %+v", *w.p)
	t.Logf("run of seed %d, hash %016x:\n%s", seed, w.hash, strings.Join(w.trace, "\n"))
	if w.broken != nil {
		t.Errorf("VIOLATION %s: %s", w.broken.Property, w.broken.Text)
	}
}

// summarize prints what was done.
func summarize(t *testing.T, s *Stats, took time.Duration, workers int) {
	t.Logf("%d transactions in %d runs, %d steps, %d batches; %d faults, %d agent crashes, %d application crashes",
		s.Transactions, s.Runs, s.Steps, s.Batches, s.AllFaults(), s.AgentCrashes, s.AppCrashes)
	rate := float64(s.Transactions) / took.Seconds()
	t.Logf("%.1f s on %d workers: %.0f transactions/s, %.0f on each", took.Seconds(), workers, rate, rate/float64(workers))
	t.Logf("the longest way to an end once nothing went wrong any more: %s", s.Longest.Round(time.Second))
	for i, n := range s.Faults {
		t.Logf("fault      %9d  %s", n, faultNames[i])
	}
	for i, n := range s.Sometimes {
		t.Logf("sometimes  %9d  %s", n, sometimeNames[i])
	}
	t.Logf("how often each square of the state table was passed through:\n%s", coverage(s))
}

// complete demands that the world was unkind enough.
func complete(t *testing.T, s *Stats) {
	for i, n := range s.Sometimes {
		if n == 0 {
			t.Errorf("in no run: %s", sometimeNames[i])
		}
	}
	covered(t, s)
	if s.AllFaults() < s.Transactions/2 {
		t.Errorf("%d faults in %d transactions: too kind", s.AllFaults(), s.Transactions)
	}
	if crashes := s.AgentCrashes + s.AppCrashes; crashes < s.Transactions/10 {
		t.Errorf("%d crashes in %d transactions: too kind", crashes, s.Transactions)
	}
}
