package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// verdict is what became of a gate.
type verdict string

const (
	met     verdict = "passed"
	inPart  verdict = "passed in part"
	failed  verdict = "FAILED"
	below   verdict = "BELOW"
	skipped verdict = "skipped"
	missing verdict = "missing"
)

// worse orders verdicts: of several pieces the worst counts.
var worse = []verdict{met, inPart, skipped, below, failed}

// row is one line of the table.
type row struct {
	gate     string
	demanded string
	measured string
	verdict  verdict
	seconds  float64
	cpu      float64
}

// gates runs the gates and gives their rows in order. Two go on at a time: one
// that takes every core, and beside it those that wait for timers or compute on
// one core; when no wide one is left, two of these.
func (r *runner) gates(all []gate) []row {
	rows := make([]row, len(all))
	var mu sync.Mutex
	begun := make([]bool, len(all))
	next := func(wide bool) int {
		mu.Lock()
		defer mu.Unlock()
		for i := range all {
			if !begun[i] && all[i].wide == wide {
				begun[i] = true
				return i
			}
		}
		return -1
	}
	var wg sync.WaitGroup
	for _, kinds := range [][]bool{{true, false}, {false}} {
		wg.Go(func() {
			for _, wide := range kinds {
				for i := next(wide); i >= 0 && r.ctx.Err() == nil; i = next(wide) {
					rows[i] = r.gate(all[i])
				}
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(rows, func(r row) bool { return r.gate == "" })
}

// gate runs a gate's pieces and sums up what they measured.
func (r *runner) gate(g gate) row {
	out := row{gate: g.name, demanded: g.demanded, verdict: met}
	pieces := g.change
	if r.nightly && len(g.nightly) > 0 {
		pieces = g.nightly
	}
	if len(pieces) == 0 {
		out.verdict, out.measured = missing, "nothing measures it"
		return out
	}
	if g.lacks != "" {
		out.verdict = inPart
	}
	sums, order := map[string]float64{}, []string(nil)
	var notes []string
	worsen := func(v verdict, format string, args ...any) {
		if slices.Index(worse, v) > slices.Index(worse, out.verdict) {
			out.verdict = v
		}
		notes = append(notes, fmt.Sprintf(format, args...))
	}
	for _, p := range pieces {
		res, err := r.run(g.name, p)
		if err != nil {
			worsen(failed, "%v", err)
		}
		out.seconds, out.cpu = out.seconds+res.Seconds, out.cpu+res.CPU
		switch {
		case res.Skipped:
			worsen(skipped, "%s", res.Why)
			continue
		case !res.OK:
			worsen(failed, "%s: %s", res.Why, strings.Join(p.cmd, " "))
		}
		for _, m := range p.measure {
			got, ok := m.in(res.text)
			if !ok {
				worsen(failed, "no %s in the output", m.what)
				continue
			}
			if _, known := sums[m.what]; !known {
				order = append(order, m.what)
			}
			sums[m.what] += got
			if got < m.least {
				worsen(below, "%s %s of %s", m.what, number(got), number(m.least))
			}
		}
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, number(sums[what])+" "+what)
	}
	if g.lacks != "" {
		notes = append(notes, "lacks: "+g.lacks)
	}
	out.measured = strings.Join(append(parts, notes...), "; ")
	r.say(g.name, "%s: %s (%.0f s, CPU %.0f s)", out.verdict, out.measured, out.seconds, out.cpu)
	return out
}

// in is the sum of the figure over the output.
func (m *measure) in(text []byte) (sum float64, ok bool) {
	for _, found := range m.find.FindAllSubmatch(text, -1) {
		if ok = true; len(found) == 1 {
			sum++
			continue
		}
		f, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return 0, false
		}
		sum += f
	}
	return sum, ok
}

func number(f float64) string {
	if f >= 1e9 || f != float64(int64(f)) {
		return strconv.FormatFloat(f, 'g', 3, 64)
	}
	s := strconv.FormatInt(int64(f), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table is the proof's last word, in Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| Gate | Demanded | Measured | Verdict | s | CPU s |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f | %.0f |\n", r.gate, r.demanded, r.measured, r.verdict, r.seconds, r.cpu)
	}
	return b.String()
}

// good says that nothing failed, stayed below its demand, was skipped, or is
// missing.
func good(rows []row) bool {
	return !slices.ContainsFunc(rows, func(r row) bool { return r.verdict != met && r.verdict != inPart })
}
