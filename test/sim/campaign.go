package sim

import (
	"sync"
	"sync/atomic"
)

// Failure is a run that broke a property.
type Failure struct {
	Seed  uint64
	After int64 // transactions of the runs before it, in the order of seeds
	Violation
}

// chunk is how many runs a worker takes at a time. Results are added in the
// order of seeds, so that the number of workers changes nothing but the time.
const chunk = 64

// Campaign runs seeds first, first+1, … until that many transactions are done
// or a run fails. The result does not depend on the number of workers.
func Campaign(first uint64, transactions int64, workers int) (Stats, *Failure) {
	var (
		next    atomic.Int64
		stop    atomic.Bool
		mu      sync.Mutex
		waiting = map[int64]*piece{}
		done    int64
		total   Stats
		failed  *Failure
		wg      sync.WaitGroup
	)
	add := func(n int64, p *piece) {
		mu.Lock()
		defer mu.Unlock()
		waiting[n] = p
		for p := waiting[done]; p != nil && !stop.Load(); p = waiting[done] {
			delete(waiting, done)
			done++
			if p.failed != nil {
				failed = p.failed
				failed.After += total.Transactions
			}
			total.Add(&p.stats)
			if failed != nil || total.Transactions >= transactions {
				stop.Store(true)
			}
		}
	}
	for range workers {
		wg.Go(func() {
			for !stop.Load() {
				n := next.Add(1) - 1
				add(n, runPiece(first+uint64(n)*chunk))
			}
		})
	}
	wg.Wait()
	return total, failed
}

type piece struct {
	stats  Stats
	failed *Failure
}

func runPiece(first uint64) *piece {
	p := &piece{}
	for seed := first; seed < first+chunk; seed++ {
		before := p.stats.Transactions
		w := Run(draw(seed), Seeded(seed), &p.stats, false, false, seed%256 == 0)
		if w.broken != nil {
			p.failed = &Failure{Seed: seed, After: before, Violation: *w.broken}
			return p
		}
	}
	return p
}
