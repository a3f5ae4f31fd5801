package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// job is one round of one engine, for a process of its own.
type job struct {
	Engine  string
	Dir     string // empty, and the process's own
	Writers int
	N       int // records that are measured, of all writers together
	Warm    int // records before that
	Profile string
}

// result is what a round gives.
type result struct {
	P50, P99 time.Duration // from the call to its return
	Elapsed  time.Duration // of all N
	Device   counters      // of N and Warm and the close, everything written out
	Records  int           // N + Warm
}

func (j *job) flags(f *flag.FlagSet) {
	f.StringVar(&j.Engine, "engine", "", "candidate")
	f.StringVar(&j.Dir, "dir", "", "empty folder")
	f.IntVar(&j.Writers, "writers", 1, "concurrent writers")
	f.IntVar(&j.N, "n", 2000, "records")
	f.IntVar(&j.Warm, "warm", 64, "records before the measured ones")
	f.StringVar(&j.Profile, "profile", "", "write a CPU profile of the measured part here")
}

// run opens the engine, warms it up, measures, closes it and counts.
func (j *job) run() (res result, err error) {
	c, err := find(j.Engine)
	if err != nil {
		return res, err
	}
	dev, err := deviceOf(j.Dir)
	if err != nil {
		return res, err
	}
	expect := j.N + j.Warm
	if j.Writers > 1 { // several share a block
		expect = j.Warm + j.N/2
	}
	eng, err := c.open(j.Dir, expect)
	if err != nil {
		return res, err
	}
	if p, ok := eng.(preparer); ok {
		err = p.ready()
	}
	if err = errors.Join(err, settle(j.Dir)); err != nil {
		return res, err
	}
	append1, stop := appender(eng, j.Writers)
	before := dev.read()
	recs := newRecords()
	if _, _, err = drive(append1, recs, 1, j.Warm, 0); err != nil {
		return res, err
	}
	end, err := profile(j.Profile)
	if err != nil {
		return res, err
	}
	took, elapsed, err := drive(append1, recs, j.Writers, j.N, j.Warm)
	end()
	stop()
	if err = errors.Join(err, eng.Close(), settle(j.Dir)); err != nil {
		return res, err
	}
	slices.Sort(took)
	return result{
		P50: quantile(took, 0.50), P99: quantile(took, 0.99), Elapsed: elapsed,
		Device: dev.read().minus(before), Records: j.N + j.Warm,
	}, nil
}

// appender is how one writer makes one record durable.
func appender(eng engine, writers int) (append1 func([]byte) error, stop func()) {
	g, ok := eng.(grouper)
	switch {
	case writers == 1:
		batch := make([][]byte, 1)
		return func(rec []byte) error { batch[0] = rec; return eng.Write(batch) }, func() {}
	case ok:
		return g.Append, func() {}
	}
	c := newCrew(eng)
	return c.Append, c.Stop
}

// drive lets the writers append n records and gives how long each took.
func drive(append1 func([]byte) error, recs records, writers, n, from int) ([]time.Duration, time.Duration, error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	errs := make([]error, writers)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range writers {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				t := time.Now()
				errs[w] = append1(recs.at(from + i))
				took[i] = time.Since(t)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	return took, elapsed, errors.Join(errs...)
}

// quantile of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func profile(path string) (end func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}, nil
}
