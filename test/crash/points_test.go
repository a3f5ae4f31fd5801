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
	"github.com/counterfoil-pos/counterfoil/test/crash/points"
)

var (
	pointsFlag = flag.Int("crash.points", 0, "points at which TestEveryPoint strikes, of all a random choice; 0: 60, with -short 12; -1: all")
	pointFlag  = flag.String("crash.point", "", "only the points of TestEveryPoint whose name contains this")
	partFlag   = flag.String("crash.part", "1/1", "with -crash.points=-1, the part to strike at: 2/5 is the second of five, with the same -crash.seed")
)

// pointCase is one call in a life, or in the daemon's beginning after one that
// was cut short, and what befalls it.
type pointCase struct {
	life
	points.Point
	starting bool
	rare     bool // it does not come in every life: is tried again
}

func (c pointCase) String() string {
	when := c.name
	if c.starting {
		when = "starting after " + c.name
	}
	return fmt.Sprintf("%s; %s at %s %d", when, c.Deed, c.Op, c.N)
}

// calm lets a life pass and counts its calls.
func (c *campaign) calm(s *pointed, l life, starting bool) (map[points.Op]int, error) {
	pc := pointCase{life: l, starting: starting, Point: points.Point{Op: "none"}}
	r, err := c.point(s, pc)
	return r.Seen, err
}

// point lets one life pass with its strike until it is at rest, and says what
// came of the strike.
func (c *campaign) point(s *pointed, pc pointCase) (r points.Report, err error) {
	n, err := c.attempt(pc.life, pc.String())
	if err != nil {
		return r, err
	}
	if r, err = c.strikeAt(s, n, pc); err == nil {
		err = c.settleByHand(n)
	}
	return r, err
}

func (c *campaign) strikeAt(s *pointed, n *note, pc pointCase) (r points.Report, err error) {
	if pc.lost {
		if err := c.loseAnswer(n); err != nil {
			return r, err
		}
	}
	if pc.starting {
		return c.startAt(s, n, pc.Point)
	}
	if _, err := s.tell(points.Command{Arm: &pc.Point}); err != nil {
		return r, fmt.Errorf("arming: %w", err)
	}
	return s.through(func() error { return c.live(n) })
}

// startAt kills the daemon in the middle of n, and strikes the next one in its
// beginning. Whatever becomes of that one, another finds everything.
func (c *campaign) startAt(s *pointed, n *note, at points.Point) (r points.Report, err error) {
	if err := n.pay(s.station); err != nil {
		return r, err
	}
	s.down().kill()
	s.first = &at
	p, err := s.launch()
	s.first = nil
	if err != nil {
		return r, err
	}
	rest := func() error { return c.rest(n) }
	if line, err := p.announced(); err == nil && line != nil && s.reach() == nil {
		return s.through(rest)
	}
	p.wait()
	if r, err = s.again(p, points.Report{}); err == nil {
		err = rest()
	}
	return r, err
}

// through does something while somebody starts the daemon again should it end,
// and says at the end what it was struck with.
func (s *pointed) through(do func() error) (r points.Report, err error) {
	over, end := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		r, err = s.attend(over)
		end <- err
	}()
	did := do()
	close(over)
	if err := <-end; err != nil {
		return r, err
	}
	return r, did
}

func (s *pointed) attend(over <-chan struct{}) (points.Report, error) {
	p := s.process()
	select {
	case <-p.done:
		return s.again(p, points.Report{})
	case <-over:
	}
	r, err := s.tell(points.Command{Disarm: true})
	if err == nil && r.Struck == nil {
		return r, nil
	}
	p.stop() // it is ending, or one of its calls has failed: what follows is of another
	return s.again(p, r)
}

// again starts the daemon after its end, for which it was struck; heard is what
// it has said of that, if it has.
func (s *pointed) again(p *process, heard points.Report) (points.Report, error) {
	s.down()
	r, err := s.lastWord()
	if r.Struck == nil {
		r = heard
	}
	switch {
	case err != nil:
		return r, err
	case r.Struck == nil:
		return r, fmt.Errorf("the daemon ended by itself: %w\n%s", p.err, s.tail())
	}
	return r, s.serve()
}

// beginnings are lives in the middle of which the daemon is killed, for strikes
// in the next one's beginning.
var beginnings = []life{
	{"an approval that nobody confirms", iso8583.Sale, diesApproved, false, plain},
	{"a sale's answer was lost", iso8583.Sale, confirms, true, plain},
	{"a void's answer was lost", iso8583.Void, confirms, true, plain},
}

// askingBeginnings are the same where the host is asked, or told.
var askingBeginnings = []life{
	{"a sale was asked for", iso8583.Sale, confirms, true, plain},
	{"an offline sale's answer was lost", iso8583.Offline, confirms, true, plain},
}

// cases lists every point of these lives, by what a few undisturbed ones of each
// have counted.
func (c *campaign) cases(s *pointed, lives, beginnings []life) (all []pointCase, err error) {
	add := func(l life, starting bool) error {
		most, least := map[points.Op]int{}, map[points.Op]int{}
		for i := range 3 {
			seen, err := c.calm(s, l, starting)
			if err != nil {
				return err
			}
			for _, op := range points.Ops() {
				if most[op] = max(most[op], seen[op]); i == 0 || seen[op] < least[op] {
					least[op] = seen[op]
				}
			}
		}
		for _, op := range points.Ops() {
			for n := 1; n <= most[op]; n++ {
				for _, d := range op.Deeds() {
					all = append(all, pointCase{life: l, Point: points.Point{Op: op, N: n, Deed: d}, starting: starting, rare: n > least[op]})
				}
			}
		}
		return nil
	}
	for _, l := range lives {
		if err := add(l, false); err != nil {
			return nil, err
		}
	}
	for _, l := range beginnings {
		if err := add(l, true); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tries is how often a point is tried that does not come in every life.
const tries = 4

// TestEveryPoint kills the daemon before, inside and after each call of its
// journal, of its file layer and of its connections, in each life of each type,
// and in the beginning after one that was cut short; and has each such call fail
// instead: EIO, ENOSPC, a short write (terminal-rules.md C.1, C.2). The daemon
// is the real one, built with its calls wrapped. The verdict is the ledger's and
// the application's notes', as in the kill test.
func TestEveryPoint(t *testing.T) {
	want := *pointsFlag
	switch {
	case want != 0:
	case testing.Short():
		want = 12
	default:
		want = 60
	}
	seed := drawn(t)
	var part, parts int
	if n, err := fmt.Sscanf(*partFlag, "%d/%d", &part, &parts); n != 2 || part < 1 || part > parts {
		t.Fatalf("-crash.part=%s: want I/N, I from 1 to N (%v)", *partFlag, err)
	}
	began := time.Now()
	tally := &pointTally{hit: map[string]int{}, final: map[string]int{}}
	for i, p := range personalities {
		tally.queues = append(tally.queues, &pointQueue{host: p, lives: lives, beginnings: beginnings, rng: rand.New(rand.NewPCG(seed, uint64(i))), want: want, part: part - 1, parts: parts})
	}
	tally.queues = append(tally.queues, &pointQueue{host: asking, lives: askingLives, beginnings: askingBeginnings, rng: rand.New(rand.NewPCG(seed, uint64(len(personalities)))), want: want, part: part - 1, parts: parts})
	for round := 0; tally.more() && !t.Failed(); round++ {
		tally.round(t, round)
		t.Logf("%d kills and %d failures so far, of %d cases; %s", tally.kills, tally.failures, tally.all(), time.Since(began).Round(time.Second))
	}
	tally.print(t, time.Since(began))
}

// pointQueue is what is left to be struck at one host.
type pointQueue struct {
	host              personality
	lives, beginnings []life
	rng               *rand.Rand
	want, part, parts int
	cases             []pointCase
	listed            bool
	done              int
}

// perStation is how many cases one journal and one ledger take: with the years
// of history that more would make, a restart reads more than it is struck at.
const perStation = 60

// round gives each host's queue a new station and goes on with it.
func (y *pointTally) round(t *testing.T, round int) {
	t.Helper()
	var wg sync.WaitGroup
	for i, q := range y.queues {
		p := q.host
		s := newPointed(t, filepath.Join(room, fmt.Sprintf("points-%d-%d", round, i)), p)
		c := &campaign{s: s.station, final: map[string]int{}}
		wg.Go(func() {
			defer s.close()
			if err := c.strikeAll(s, y, q); err != nil {
				t.Errorf("host %q: %v", p.name, err)
				return
			}
			for _, v := range c.judge(t) {
				t.Errorf("host %q: VIOLATION %s", p.name, v)
			}
			y.ended(c)
		})
	}
	wg.Wait()
}

// choose draws n of them, in any order.
func choose[T any](rng *rand.Rand, from []T, n int) []T {
	out := slices.Clone(from)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, len(out))]
}

// mixed puts one of each kind first, then a second one of each: some kinds are
// many, and few of them tell as much.
func mixed[T comparable](all []T, kind func(T) T) []T {
	turn, seen := make(map[T]int, len(all)), map[T]int{}
	for _, one := range all {
		turn[one] = seen[kind(one)]
		seen[kind(one)]++
	}
	slices.SortStableFunc(all, func(a, b T) int { return turn[a] - turn[b] })
	return all
}

// list draws the queue's cases, at its first station.
func (q *pointQueue) list(c *campaign, s *pointed) (err error) {
	some, starts := q.lives, q.beginnings
	if q.want > 0 {
		some, starts = choose(q.rng, q.lives, 3), choose(q.rng, q.beginnings, 1)
	}
	all, err := c.cases(s, some, starts)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(pc pointCase) bool { return !strings.Contains(pc.String(), *pointFlag) })
	all = mixed(choose(q.rng, all, len(all)), func(pc pointCase) pointCase {
		return pointCase{Point: points.Point{Op: pc.Op, Deed: pc.Deed}, starting: pc.starting}
	})
	if q.want > 0 {
		all = all[:min(len(all), (q.want+len(personalities))/(len(personalities)+1))]
	} else {
		all = all[len(all)*q.part/q.parts : len(all)*(q.part+1)/q.parts]
	}
	q.cases, q.listed = all, true
	return nil
}

// strikeAll goes through a station's share of its queue.
func (c *campaign) strikeAll(s *pointed, tally *pointTally, q *pointQueue) error {
	err := s.serve()
	if err == nil && !q.listed {
		err = q.list(c, s)
	}
	if err != nil {
		return err
	}
	for range perStation {
		if q.done == len(q.cases) {
			return nil
		}
		pc := q.cases[q.done]
		q.done++
		var r points.Report
		for try := 0; r.Struck == nil && (try == 0 || pc.rare && try < tries); try++ {
			if r, err = c.point(s, pc); err != nil {
				return fmt.Errorf("%s (%s): %w", pc, r.What, err)
			}
		}
		tally.count(pc, r)
	}
	return nil
}

// pointTally is what was struck, and what came of it.
type pointTally struct {
	queues []*pointQueue // one for each host

	mu       sync.Mutex
	cases    int
	kills    int
	failures int
	hit      map[string]int
	final    map[string]int
	missed   int
}

// more says whether anything is left to be struck.
func (y *pointTally) more() bool {
	return slices.ContainsFunc(y.queues, func(q *pointQueue) bool { return !q.listed || q.done < len(q.cases) })
}

func (y *pointTally) all() (sum int) {
	for _, q := range y.queues {
		sum += len(q.cases)
	}
	return sum
}

func (y *pointTally) count(pc pointCase, r points.Report) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.cases++
	switch {
	case r.Struck == nil:
		y.missed++
		return
	case slices.Contains(points.Kills, pc.Deed):
		y.kills++
	default:
		y.failures++
	}
	when := ""
	if pc.starting {
		when = "starting: "
	}
	y.hit[fmt.Sprintf("%s%s, %s", when, pc.Op, pc.Deed)]++
}

func (y *pointTally) ended(c *campaign) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for f, n := range c.final {
		y.final[f] += n
	}
}

func (y *pointTally) print(t *testing.T, took time.Duration) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d kills at points and %d failures at points, of %d; %d were not reached; %s\nstruck:\n", y.kills, y.failures, y.cases, y.missed, took.Round(time.Millisecond))
	for _, h := range slices.Sorted(maps.Keys(y.hit)) {
		fmt.Fprintf(&b, "  %5d  %s\n", y.hit[h], h)
	}
	b.WriteString("ended:\n")
	for _, f := range slices.Sorted(maps.Keys(y.final)) {
		fmt.Fprintf(&b, "  %5d  %s\n", y.final[f], f)
	}
	verdict := "0 violations"
	if t.Failed() {
		verdict = "FAILED, see above"
	}
	t.Logf("%s%s", b.String(), verdict)
}
