package sim

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var journaled = flag.Int64("sim.journaled", 50_000, "transactions of the run on the product's journal; 2,000 with -short")

// powerCuts is what the runs on a journal add up to.
type powerCuts struct {
	stats                            Stats
	cuts, torn, recut, extra, rolled int
}

// The seeded simulation over the product's journal: records are encoded, sealed,
// appended, carried from segment to segment and recovered by the daemon's code,
// on a disk of which each crash of the agent keeps what a power cut may.
func TestSeededOnTheJournal(t *testing.T) {
	n := *journaled
	if testing.Short() {
		n = min(n, 2_000)
	}
	began := time.Now()
	var mu sync.Mutex
	var total powerCuts
	var seed atomic.Uint64
	var failed atomic.Bool
	var wg sync.WaitGroup
	seed.Store(*firstSeed)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !failed.Load() {
				s := seed.Add(1) - 1
				var stats Stats
				w := runOnJournal(s, &stats, false)
				mu.Lock()
				total.add(&stats, w.store)
				done := total.stats.Transactions >= n
				mu.Unlock()
				if w.broken != nil {
					failed.Store(true)
					t.Errorf("VIOLATION %s, seed %d: %s", w.broken.Property, s, w.broken.Text)
				}
				if done {
					return
				}
			}
		})
	}
	wg.Wait()
	s := &total.stats
	t.Logf("%d transactions in %d runs, %d batches sealed and synced, %d faults, %d agent crashes, each a power cut; %.1f s",
		s.Transactions, s.Runs, s.Batches, s.AllFaults(), s.AgentCrashes, time.Since(began).Seconds())
	t.Logf("%d cuts, %d of them with a torn tail, %d with a whole batch that nobody had heard of, %d cuts in the middle of a recovery; %d segments were being used",
		total.cuts, total.torn, total.extra, total.recut, total.rolled)
	if !failed.Load() {
		t.Log("violations: 0")
	}
	if !testing.Short() && (total.torn == 0 || total.extra == 0 || total.recut == 0 || total.rolled <= total.cuts) {
		t.Error("too kind")
	}
}

func (p *powerCuts) add(s *Stats, j *store) {
	p.stats.Add(s)
	p.cuts, p.torn, p.recut, p.extra, p.rolled = p.cuts+j.cuts, p.torn+j.torn, p.recut+j.recut, p.extra+j.extra, p.rolled+j.segments
}

// runOnJournal is one run. What is settled leaves the machine, as it does when
// recovery begins with a carry.
func runOnJournal(seed uint64, stats *Stats, tracing bool) *World {
	p := draw(seed)
	p.Keep = max(p.Keep, 0)
	w := newWorld(p, Seeded(seed), stats)
	w.tracing = tracing
	w.plug(seed)
	w.run()
	w.unplug()
	return w
}
