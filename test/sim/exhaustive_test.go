package sim

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var deeper = flag.Bool("sim.deeper", false, "exhaustive run within 2 crashes and 2 faults for all, and 3 and 3 for a sale and a void: an hour, and 12 GB")

// thorough are the personalities whose schedules are gone through one and all:
// one sale, and a second attempt at it under another UUID.
func thorough() []thoroughRun {
	base := Personality{
		Tombstones: true, Unknown: "25", DuplicateIs: "same", DoneAgain: "00", Declined: "00", RefusalCode: "12",
		Drop: 1, Duplicate: 1, Routes: 1, Apps: 1, Sales: 1, Terminals: 1, MaxAttempts: 2, Retries: 1, Forgets: 1,
		CrashObeying: 1, Keep: -1, Wall: baseWall,
	}
	variant := func(name string, change func(*Personality)) thoroughRun {
		r := thoroughRun{Personality: base}
		r.Name = name
		change(&r.Personality)
		return r
	}
	runs := []thoroughRun{
		variant(deepSale, func(p *Personality) { p.Tombstones, p.Unknown = false, "00" }),
		variant("no tombstones, 25", func(p *Personality) { p.Tombstones = false }),
		variant("certified tombstones", func(p *Personality) { p.Certified = true }),
		variant("refuses reversals", func(p *Personality) { p.Refusals = 2 }),
		variant("tombstones; repeats are answered 94", func(p *Personality) { p.DuplicateIs, p.DoneAgain = "94", "94" }),
		variant("no tombstones, 00, replay cache", func(p *Personality) {
			p.Tombstones, p.Unknown, p.ReplayCache = false, "00", true
		}),
		variant("25 for what is reversed, and listed", func(p *Personality) {
			p.Tombstones, p.DoneAgain, p.ListsUnknown = false, "25", true
		}),
		variant("declines, approves in part", func(p *Personality) { p.Decline, p.Partial = 1, 1 }),
		variant("cancels, confirms twice", func(p *Personality) { p.Cancels, p.ConfirmsTwice = 1, 1 }),
		variant("the card declines, and is forgotten to be asked", func(p *Personality) {
			p.Inserted, p.CardDeclines, p.Hasty = 1000, 1, 1
		}),
		variant("chip data that cannot be read", func(p *Personality) {
			p.Inserted, p.Tapped, p.BadChip, p.Tombstones, p.Unknown = 1, 1000, 1, false, "00"
		}),
		variant("partial approvals accepted, refused, misnamed", func(p *Personality) {
			p.Partial, p.Accepts, p.Balks, p.Misnames = 1, 1, 1, 1
		}),
		variant("two addresses, a bad link", func(p *Personality) {
			p.Routes, p.Unsent, p.InDoubt, p.Misroute = 2, 1, 1, 1
		}),
	}
	for i := range runs {
		runs[i].main = i < 4
	}
	runs = slices.Concat(runs, typed(base), askings(base))
	runs = append(runs, upsets(base)...)
	return append(runs,
		variant("sessions", func(p *Personality) { p.Sessions, p.Tombstones, p.Unknown = true, false, "00" }),
		variant("implicit confirmation", func(p *Personality) { p.Sessions, p.Implicit, p.Tombstones = true, true, false }),
		variant("switches the card", func(p *Personality) { p.Cancels, p.Switches, p.Forgets, p.Tombstones, p.Unknown = 1, 1, 0, false, "00" }),
		variant("forged answers", func(p *Personality) { p.Signed, p.Tamper, p.Tombstones, p.Decline = true, 1, false, 1 }),
		variant("rings it up again", func(p *Personality) { p.Sessions, p.RingsAgain, p.Tombstones = true, 1, false }),
	)
}

// upsets are what happens to a terminal beside its transactions: keys that are
// lost, a journal that is replaced, a clock that jumps, a batch that somebody
// closes at any moment.
func upsets(base Personality) (runs []thoroughRun) {
	base.Tombstones, base.Unknown = false, "00"
	with := func(name string, change func(*Personality), bounds ...bound) {
		r := thoroughRun{Personality: base, beside: bounds}
		r.Name = name
		change(&r.Personality)
		runs = append(runs, r)
	}
	void := []plan{{iso8583.Sale, 0, whole}, {iso8583.Void, 1, whole}}
	twice, crashed, faulty, small := bound{2, 1, 1}, bound{1, 2, 1}, bound{1, 1, 2}, bound{1, 1, 1}
	with("keys are lost", func(p *Personality) {
		p.Signed, p.Keyed, p.KeyLoss, p.SignerLoss, p.SignOnRefusal = true, true, 1, 1, 1
	}, crashed, faulty, twice)
	with("keys are lost, a void", func(p *Personality) {
		p.Signed, p.Keyed, p.KeyLoss, p.SignerLoss, p.SignOnRefusal = true, true, 1, 1, 1
		p.Plan, p.Calm = void, 1
	}, crashed, faulty)
	with("an older journal", func(p *Personality) { p.Rollback = 1 }, crashed, faulty, twice)
	with("an older journal, an operator", func(p *Personality) { p.Rollback, p.Operator = 1, 1 }, crashed, faulty, twice)
	with("an older journal, a void", func(p *Personality) { p.Rollback, p.Plan, p.Calm = 1, void, 1 }, crashed, faulty)
	with("the clock jumps", func(p *Personality) { p.Clock = 1 }, crashed, faulty, twice)
	with("the clock jumps, a void", func(p *Personality) { p.Clock, p.Plan, p.Calm = 1, void, 1 }, crashed, faulty)
	with("the battery was dead", func(p *Personality) { p.Clock, p.Wall = 1, 20_000 }, bound{2, 2, 1})
	with("a batch closes", func(p *Personality) { p.Settles = 1 }, small, twice)
	with("a batch closes, a void", func(p *Personality) { p.Settles, p.Plan, p.Calm = 1, void, 1 }, small)
	return runs
}

// typed are the other types, each with what it follows already done: against the
// least helpful host, which says 00 to whatever it does not know and books what
// it is asked to, and the most usual one, which says 25 and looks what is left.
func typed(base Personality) (runs []thoroughRun) {
	of := func(t iso8583.Type, of int, s share) plan { return plan{t, of, s} }
	plans := []struct {
		name   string
		calm   int
		plan   []plan
		more   bool // several follow-ups: within smaller bounds
		locked bool // refunds are not reversed; an operator has the acquirer's word
	}{
		{"void", 1, []plan{of(iso8583.Sale, 0, whole), of(iso8583.Void, 1, whole)}, false, false},
		{"refund", 1, []plan{of(iso8583.Sale, 0, whole), of(iso8583.Refund, 1, half)}, false, false},
		{"hold", 0, []plan{of(iso8583.PreAuth, 0, whole)}, false, false},
		{"hold let go", 1, []plan{of(iso8583.PreAuth, 0, whole), of(iso8583.PreAuthVoid, 1, whole)}, false, false},
		{"completion below the hold", 1, []plan{of(iso8583.PreAuth, 0, whole), of(iso8583.Completion, 1, half)}, false, false},
		{"balance", 0, []plan{of(iso8583.Balance, 0, whole)}, false, false},
		{"refunds in part, and too much", 1, []plan{
			of(iso8583.Sale, 0, whole), of(iso8583.Refund, 1, half), of(iso8583.Void, 1, whole), of(iso8583.Refund, 1, half), of(iso8583.Refund, 1, half),
		}, true, false},
		{"completion voided, and the hold let go", 2, []plan{
			of(iso8583.PreAuth, 0, whole), of(iso8583.Completion, 1, half), of(iso8583.Void, 2, whole), of(iso8583.PreAuthVoid, 1, whole),
		}, true, false},
		{"refunds that are not reversed", 1, []plan{
			of(iso8583.Sale, 0, whole), of(iso8583.Refund, 1, half), of(iso8583.Void, 1, whole),
		}, true, true},
	}
	for _, p := range plans {
		for _, lenient := range []bool{true, false} {
			r := thoroughRun{Personality: base, follows: true, main: !p.more}
			r.Plan, r.Calm, r.Tombstones = p.plan, p.calm, false
			r.Name = p.name + ", the usual host"
			if lenient {
				r.Name, r.Lenient, r.Unknown = p.name+", the least helpful host", true, "00"
			}
			if p.locked {
				r.NotReversed, r.Operator = []iso8583.Type{iso8583.Refund}, 1
			}
			runs = append(runs, r)
		}
	}
	return runs
}

// thoroughRun is a personality; the main ones get the full bounds on each
// change, the others on request.
type thoroughRun struct {
	Personality
	main    bool
	follows bool
	beside  []bound // of what no model has, and is not compared with one
}

// bound is how far a personality is explored.
type bound struct{ attempts, crashes, faults int }

// What goes as deep as it gets, against the host that helps least.
const (
	deepSale = "no tombstones, 00"
	deepVoid = "void, the least helpful host"
)

// bounds: one sale with two crashes and two faults; with a second attempt under
// another UUID, one fewer of either.
func (r *thoroughRun) bounds() []bound {
	switch {
	case *deeper && (r.Name == deepSale || r.Name == deepVoid):
		return []bound{{1, 3, 3}}
	case *deeper:
		return []bound{{1, 2, 2}}
	case testing.Short():
		return []bound{{2, 1, 1}}
	case r.beside != nil:
		return r.beside
	case r.follows && r.main:
		return []bound{{1, 2, 2}, {2, 1, 1}}
	case r.follows:
		return []bound{{1, 1, 1}}
	case r.main:
		return []bound{{1, 2, 2}, {2, 2, 1}, {2, 1, 2}}
	}
	return []bound{{1, 2, 1}, {1, 1, 2}, {2, 1, 1}}
}

// TestExhaustive goes through every schedule within the bounds.
func TestExhaustive(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var total Exploration
	start := time.Now()
	t.Run("all", func(t *testing.T) {
		var mu sync.Mutex
		for _, p := range thorough() {
			for _, b := range p.bounds() {
				p := p.Personality
				p.MaxAttempts = b.attempts
				t.Run(fmt.Sprintf("%s/%d attempts/%d crashes/%d faults", p.Name, b.attempts, b.crashes, b.faults), func(t *testing.T) {
					t.Parallel()
					x := exhaust(t, p, b.crashes, b.faults)
					mu.Lock()
					defer mu.Unlock()
					total.Schedules += x.Schedules
					total.States += x.States
					total.Steps += x.Steps
					total.Ends += x.Ends
				})
			}
		}
	})
	t.Logf("in all %.3g schedules through %d states and %d steps, %d ends judged, %.1f s",
		total.Schedules, total.States, total.Steps, total.Ends, time.Since(start).Seconds())
}

func exhaust(t *testing.T, p Personality, crashes, faults int) *Exploration {
	start := time.Now()
	x := Explore(p, crashes, faults)
	t.Logf("%.3g schedules through %d states and %d steps; %d ends judged, depth %d, %.1f s",
		x.Schedules, x.States, x.Steps, x.Ends, x.Depth, time.Since(start).Seconds())
	if x.Broken != nil {
		t.Errorf("VIOLATION %s: %s\n%s", x.Broken.broken.Property, x.Broken.broken.Text, strings.Join(x.Broken.trace, "\n"))
	}
	return x
}
