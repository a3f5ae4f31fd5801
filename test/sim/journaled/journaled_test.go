// Package journaled runs the seeded simulation on the product's journal. It is a
// package of its own for go test's sake, which gives each package ten minutes.
package journaled

import (
	"flag"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/test/sim"
)

var firstSeed = flag.Uint64("sim.seed", 1, "first seed")

var transactions = flag.Int64("sim.transactions", 20_000, "transactions of the run on the product's journal, 2,000 with -short; make proof takes 50,000")

// The seeded simulation over the product's journal: records are encoded, sealed,
// appended, carried from segment to segment and recovered by the daemon's code,
// on a disk of which each crash of the agent keeps what a power cut may.
func TestSeededOnTheJournal(t *testing.T) {
	n := *transactions
	if testing.Short() {
		n = min(n, 2_000)
	}
	// Each run's disk is a small heap: to collect them seldom saves a quarter.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	began := time.Now()
	var mu sync.Mutex
	var stats sim.Stats
	var total sim.PowerCuts
	var seed atomic.Uint64
	var failed atomic.Bool
	var wg sync.WaitGroup
	seed.Store(*firstSeed)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !failed.Load() {
				s := seed.Add(1) - 1
				var one sim.Stats
				cuts, broken := sim.RunOnJournal(s, &one)
				mu.Lock()
				stats.Add(&one)
				total.Add(cuts)
				done := stats.Transactions >= n
				mu.Unlock()
				if broken != nil {
					failed.Store(true)
					t.Errorf("VIOLATION %s, seed %d: %s", broken.Property, s, broken.Text)
				}
				if done {
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d transactions in %d runs, %d batches sealed and synced, %d faults, %d agent crashes, each a power cut; %.1f s",
		stats.Transactions, stats.Runs, stats.Batches, stats.AllFaults(), stats.AgentCrashes, time.Since(began).Seconds())
	t.Logf("%d cuts, %d of them with a torn tail, %d with a whole batch that nobody had heard of, %d cuts in the middle of a recovery; %d segments were being used",
		total.Cuts, total.Torn, total.Whole, total.Again, total.Segments)
	if !failed.Load() {
		t.Log("violations: 0")
	}
	if !testing.Short() && (total.Torn == 0 || total.Whole == 0 || total.Again == 0 || total.Segments <= total.Cuts) {
		t.Error("too kind")
	}
}
