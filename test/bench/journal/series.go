package main

import (
	"cmp"
	"slices"
	"time"
)

// section is one table: one disk, so many writers, all engines.
type section struct {
	Place   string // "real" or "slow"
	Disk    string // in words
	Writers int
	N       int
	Series  []series
}

// series is one engine's rounds.
type series struct {
	Engine string
	Rounds []result
	Syncs  *float64 // per record; nil: not counted
}

// of gives an engine's series, nil where it did not run.
func (s *section) of(engine string) *series {
	i := slices.IndexFunc(s.Series, func(x series) bool { return x.Engine == engine })
	if i < 0 {
		return nil
	}
	return &s.Series[i]
}

func (s *series) p50() time.Duration {
	return median(s.Rounds, func(r result) time.Duration { return r.P50 })
}

func (s *series) p99() time.Duration {
	return median(s.Rounds, func(r result) time.Duration { return r.P99 })
}

// rate is records per second.
func (s *series) rate(n int) float64 {
	return perSecond(n, median(s.Rounds, func(r result) time.Duration { return r.Elapsed }))
}

func (s *series) bytes() float64 {
	return median(s.Rounds, func(r result) float64 { return per(r.Device.Bytes, r.Records) })
}

func (s *series) flushes() float64 {
	return median(s.Rounds, func(r result) float64 { return per(r.Device.Flushes, r.Records) })
}

// median of what the rounds say; of an even number the upper one.
func median[R any, T cmp.Ordered](rounds []R, get func(R) T) T {
	var all []T
	for _, r := range rounds {
		all = append(all, get(r))
	}
	if len(all) == 0 {
		var zero T
		return zero
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func per(n int64, records int) float64 { return float64(n) / float64(max(records, 1)) }

func perSecond(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }
