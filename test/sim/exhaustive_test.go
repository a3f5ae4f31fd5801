package sim

import (
	"flag"
	"strings"
	"testing"
	"time"
)

var deeper = flag.Bool("sim.deeper", false, "exhaustive run with 3 crashes and 3 faults instead of 2 and 2")

// thorough are the personalities whose schedules are gone through one and all:
// one sale, and a second attempt at it under another UUID.
func thorough() []Personality {
	base := Personality{
		Tombstones: true, Unknown: "25", DuplicateIs: "same", DoneAgain: "00", Declined: "00", RefusalCode: "12",
		Drop: 1, Duplicate: 1, Routes: 1, Apps: 1, Sales: 1, Terminals: 1, MaxAttempts: 2, Retries: 1, Forgets: 1,
		CrashObeying: 1, Keep: -1, Wall: baseWall,
	}
	variant := func(name string, change func(*Personality)) Personality {
		p := base
		p.Name = name
		change(&p)
		return p
	}
	return []Personality{
		variant("certified tombstones", func(p *Personality) { p.Certified = true }),
		variant("tombstones; repeats are answered 94", func(p *Personality) { p.DuplicateIs, p.DoneAgain = "94", "94" }),
		variant("no tombstones, 25", func(p *Personality) { p.Tombstones = false }),
		variant("no tombstones, 00", func(p *Personality) { p.Tombstones, p.Unknown = false, "00" }),
		variant("no tombstones, 00, replay cache", func(p *Personality) {
			p.Tombstones, p.Unknown, p.ReplayCache = false, "00", true
		}),
		variant("25 for what is reversed, and listed", func(p *Personality) {
			p.Tombstones, p.DoneAgain, p.ListsUnknown = false, "25", true
		}),
		variant("refuses reversals", func(p *Personality) { p.Refusals = 2 }),
		variant("declines, approves in part", func(p *Personality) { p.Decline, p.Partial = 1, 1 }),
		variant("cancels, confirms twice", func(p *Personality) { p.Cancels, p.ConfirmsTwice = 1, 1 }),
		variant("two addresses, a bad link", func(p *Personality) {
			p.Routes, p.Unsent, p.InDoubt, p.Misroute = 2, 1, 1, 1
		}),
	}
}

// TestExhaustive goes through every schedule with at most two crashes and two
// faults.
func TestExhaustive(t *testing.T) {
	crashes, faults := 2, 2
	if *deeper {
		crashes, faults = 3, 3
	} else if testing.Short() {
		crashes, faults = 1, 1
	}
	for _, p := range thorough() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			x := Explore(p, crashes, faults)
			t.Logf("%d crashes, %d faults: %.3g schedules through %d states and %d steps; %d ends judged, depth %d, %.1f s",
				crashes, faults, x.Schedules, x.States, x.Steps, x.Ends, x.Depth, time.Since(start).Seconds())
			if x.Broken != nil {
				t.Errorf("VIOLATION %s: %s\n%s", x.Broken.broken.Property, x.Broken.broken.Text, strings.Join(x.Broken.trace, "\n"))
			}
		})
	}
}
