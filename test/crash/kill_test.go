package crash

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var (
	killsFlag = flag.Int("crash.kills", 0, "kills in all; 0: 120, with -short 25")
	seedFlag  = flag.Uint64("crash.seed", 0, "seed of sales, faults and kill instants; 0: a new one")
)

// drawn is the seed of a run, said so that it can be had again.
func drawn(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: -crash.seed=%d", seed, seed)
	return seed
}

// campaign is one station's part of the kill test.
type campaign struct {
	s     *station
	rng   *rand.Rand
	quota int

	kills   int // in a sale's life: those after its end are not counted here
	early   int // of all kills, those before the daemon answered
	closing int // of all kills, those after SIGTERM
	moments map[moment]int
	notes   []*note
	final   map[string]int
}

// TestKillDuringSale kills the daemon at random moments of sales and starts it
// again on the same journal (terminal-rules.md C.1 and C.3). Each attempt to be
// paid is judged by the acquirer's ledger and the application's own notes.
func TestKillDuringSale(t *testing.T) {
	kills := *killsFlag
	switch {
	case kills > 0:
	case testing.Short():
		kills = 25
	default:
		kills = 120
	}
	seed := drawn(t)
	began := time.Now()
	all := runCampaigns(t, "kill", seed, kills)
	summarise(t, all, time.Since(began))
}

// runCampaigns spreads the kills over one station for each personality.
func runCampaigns(t *testing.T, name string, seed uint64, kills int) []*campaign {
	t.Helper()
	var all []*campaign
	for i, p := range personalities {
		c := &campaign{
			s: newStation(t, filepath.Join(room, fmt.Sprintf("%s-%d", name, i)), p), rng: rand.New(rand.NewPCG(seed, uint64(i))),
			quota: (kills + len(personalities) - 1 - i) / len(personalities), moments: map[moment]int{}, final: map[string]int{},
		}
		all = append(all, c)
	}
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			if err := c.run(); err != nil {
				t.Errorf("host %q: %v", personalities[i].name, err)
				return
			}
			for _, v := range c.judge(t) {
				t.Errorf("host %q: VIOLATION %s", personalities[i].name, v)
			}
		})
	}
	wg.Wait()
	return all
}

// run sells until the kills are used up, then waits until nothing is owed but
// what a person must decide.
func (c *campaign) run() error {
	if err := c.s.serve(); err != nil {
		return err
	}
	tids := []iso8583.TID{"T0000001", "T0000002"}
	for i := 0; c.kills < c.quota; i++ {
		n := newNote(tids[i%len(tids)], fmt.Sprintf("S%04d", i), int64(1000+i), draw(c.rng))
		if last := len(c.notes) - 1; last >= 0 && c.notes[last].screen != screenApproved && c.rng.IntN(100) < retriesPerHundred {
			n.sale = c.notes[last].sale
		}
		c.notes = append(c.notes, n)
		if err := c.sell(n); err != nil {
			return err
		}
	}
	return c.settle()
}

// sell lets the application be paid while the daemon is killed.
func (c *campaign) sell(n *note) error {
	if err := c.s.script(n.plan.scenario.script(n.amount)); err != nil {
		return err
	}
	over := make(chan struct{})
	killed := make(chan error, 1)
	if n.plan.anchor == atMint {
		close(n.anchors[atMint])
		if err := c.kill(n, over); err != nil {
			return err
		}
		return n.pay(c.s)
	}
	go func() { killed <- c.kill(n, over) }()
	paid := n.pay(c.s)
	close(over)
	if err := <-killed; err != nil {
		return err
	}
	return paid
}

// kill kills at the planned moments, and restarts. A sale that never comes to
// its anchor is killed when it is over.
func (c *campaign) kill(n *note, over <-chan struct{}) error {
	select {
	case <-n.anchors[n.plan.anchor]:
	case <-over:
	}
	strike(n.plan.after)
	p := c.s.down()
	if n.plan.term > 0 {
		c.closing++
		p.terminate()
		strike(n.plan.term)
	}
	if err := c.killed(p, n); err != nil {
		return err
	}
	for _, d := range n.plan.again {
		p, err := c.s.launch()
		if err != nil {
			return err
		}
		strike(d)
		if err := c.killed(p, n); err != nil {
			return err
		}
		if len(p.first) == 0 {
			c.early++
		}
	}
	return c.s.serve()
}

// strike lets the drawn time pass: the instant of the fault, not a wait for
// anything.
func strike(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func (c *campaign) killed(p *process, n *note) error {
	p.kill()
	m, err := c.s.momentOf(n)
	if c.moments[m]++; m != ended {
		c.kills++
	}
	return err
}

// summarise prints what was hit and what came of it.
func summarise(t *testing.T, all []*campaign, took time.Duration) {
	t.Helper()
	var kills, early, closing, attempts int
	hit, final := map[moment]int{}, map[string]int{}
	plans := map[string]int{}
	for _, c := range all {
		kills, early, closing, attempts = kills+c.kills, early+c.early, closing+c.closing, attempts+len(c.notes)
		for m, n := range c.moments {
			hit[m] += n
		}
		for f, n := range c.final {
			final[f] += n
		}
		for _, n := range c.notes {
			plans[n.plan.scenario.name]++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d kills during %d attempts to be paid, and %d after one's end; of all, %d while starting, %d while closing; %s\nkilled:\n",
		kills, attempts, hit[ended], early, closing, took.Round(time.Millisecond))
	for _, m := range moments {
		fmt.Fprintf(&b, "  %5d  %s\n", hit[m], m)
	}
	b.WriteString("the host's part:\n")
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		fmt.Fprintf(&b, "  %5d  %s\n", plans[name], name)
	}
	b.WriteString("ended:\n")
	for _, f := range slices.Sorted(maps.Keys(final)) {
		fmt.Fprintf(&b, "  %5d  %s\n", final[f], f)
	}
	verdict := "0 violations"
	if t.Failed() {
		verdict = "FAILED, see above"
	}
	t.Logf("%s%s", b.String(), verdict)
}
