package main

import (
	"fmt"
	"time"
)

// target is one demand and what the run says about it.
type target struct {
	What, Demand, Got string
	Met               bool
}

// targets are the demands on the journal, as far as the run measured them.
func (r *report) targets() (all []target) {
	for i := range r.Sections {
		all = append(all, r.Sections[i].targets()...)
	}
	if o := r.Open; o != nil {
		all = append(all, o.targets()...)
	}
	if s := r.Sale; s != nil {
		all = append(all, s.targets()...)
	}
	return all
}

// bounds of a ratio to the raw limit.
var (
	p50Bound  = map[string]float64{"slow": 1.05, "real": 1.15}
	rateBound = map[string]float64{"slow": 0.85, "real": 0.40}
)

const (
	p99Bound   = 1.5
	flushBound = 1.02
	syncBound  = 1.02 // one per batch, and now and then a new segment's
)

func (s *section) targets() []target {
	raw, own := s.of(rawName), s.of(journalName)
	if raw == nil || own == nil {
		return nil
	}
	if s.Writers > 1 {
		ratio := own.rate(s.N) / raw.rate(s.N)
		return []target{{fmt.Sprintf("%d writers, %s disk, records/s × raw", s.Writers, s.Place),
			fmt.Sprintf("≥ %.2f", rateBound[s.Place]), fmt.Sprintf("%.2f", ratio), ratio >= rateBound[s.Place]}}
	}
	what := "one writer, " + s.Place + " disk, "
	all := []target{
		atMost(what+"p50 × raw", p50Bound[s.Place], quotient(own.p50(), raw.p50())),
		atMost(what+"p99 × raw", p99Bound, quotient(own.p99(), raw.p99())),
	}
	if s.Place == "slow" { // the real disk's counters include what others do
		all = append(all, atMost(what+"flushes per record", flushBound, own.flushes()))
	}
	if own.Syncs != nil {
		all = append(all, atMost("one writer, syncs per batch", syncBound, *own.Syncs))
	}
	return all
}

func atMost(what string, bound, got float64) target {
	return target{what, fmt.Sprintf("≤ %.2f", bound), fmt.Sprintf("%.3f", got), got <= bound}
}

func quotient(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }
