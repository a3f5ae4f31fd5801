package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// scenario is a life of a journal of which every cut is tried.
type scenario struct {
	name string
	plan *plan
	opts Options
	from image            // the disk at the beginning; nil: empty
	had  need             // what is on it
	live func(s *session) // what is done; nothing of it may wait for the clock

	cuts   sampling // at each operation of it
	again  sampling // at each operation of the recoveries of some of these states
	nested int      // 1 in so many states is one of which the recovery is cut too; 0: none
	twice  int      // and of those recoveries' recoveries
}

// session is an open journal and what was done with it.
type session struct {
	t    testing.TB
	disk *crashFS
	plan *plan
	opts Options
	log  *Log
	next int // batch
	tag  int // of what it writes
}

// begin opens the journal that is on the disk.
func (s *session) begin() error {
	l, err := openLogOn(s.disk, s.opts)
	if err != nil {
		return err
	}
	s.log = l
	if s.plan.open != nil {
		l.SetCarry(s.carry)
	}
	return nil
}

// carry names the open groups of what is durable.
func (s *session) carry() Carry {
	c := Carry{Extra: []Entry{{Type: headType, Group: "head", Class: ClassOutcome, Clear: fmt.Appendf(nil, headText, s.log.Last())}}}
	seen := map[string]bool{}
	for i := 0; s.plan.end(i) <= s.log.Last(); i++ {
		for _, e := range s.plan.entries(i, 0) {
			if s.plan.open(e.Group) && !seen[e.Group] {
				seen[e.Group] = true
				c.Groups = append(c.Groups, e.Group)
			}
		}
	}
	return c
}

// append writes the next n batches of the plan.
func (s *session) append(n int) {
	s.t.Helper()
	for range n {
		if err := s.appendOne(); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *session) appendOne() error {
	i := s.next
	s.disk.mark(markBegin{i, s.tag})
	lsn, err := s.log.Append(s.plan.entries(i, s.tag))
	if err != nil {
		return err
	}
	if lsn != s.plan.start(i) {
		return fmt.Errorf("batch %d begins with %d, want %d", i, lsn, s.plan.start(i))
	}
	s.disk.mark(markAck{i})
	s.next++
	return nil
}

// end closes the journal.
func (s *session) end() {
	s.t.Helper()
	if err := s.log.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// campaign counts what was tried.
type campaign struct {
	t     testing.TB
	sc    *scenario
	rng   *rand.Rand
	tally struct {
		cuts, states, nested, twice, wild, refused, more, torn int
	}
	bad int
}

const crashSeed = 1

// run lives the scenario once and tries every cut of it.
func (sc *scenario) run(t testing.TB) *campaign {
	t.Helper()
	c := &campaign{t: t, sc: sc, rng: rand.New(rand.NewPCG(crashSeed, hashName(sc.name)))}
	img := sc.from
	if img == nil {
		img = image{}
	}
	s := &session{t: t, disk: mount(img), plan: sc.plan, opts: sc.opts, next: sc.had.acked, tag: 1}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	sc.live(s)
	c.try(s.disk, sc.had.clone(), 0, "")
	return c
}

// try replays operations and tries the states of each cut.
func (c *campaign) try(disk *crashFS, n need, depth int, trace string) {
	how := [...]sampling{c.sc.cuts, c.sc.again, c.sc.again}[depth]
	d, ops := disk.replay(), disk.ops
	for k := range len(ops) + 1 {
		if k < len(ops) && ops[k].kind == opMark {
			n.note(ops[k].note)
			d.at++
			continue
		}
		if depth == 0 {
			c.tally.cuts++
		}
		d.states(how, c.rng, func(state image, wild bool) {
			if c.bad > 3 {
				return
			}
			where := ""
			if k < len(ops) {
				where = fmt.Sprintf("%s\n  cut %d before %s", trace, k, &ops[k])
			} else {
				where = fmt.Sprintf("%s\n  cut at the end", trace)
			}
			if wild && depth > 0 {
				return // the last batch is written again: garbage there is beyond any repair
			}
			err := c.recover(state, n.clone(), depth, wild, where)
			if wild && errors.Is(err, ErrDamaged) {
				c.tally.refused++ // sectors are promised to be old or new; then that is no torn write
				return
			}
			if err != nil {
				if wild {
					where += ", with garbage"
				}
				c.bad++
				c.t.Errorf("%s: %v\n%s\nstate: %s\noperations before:\n%s", c.sc.name, err, where, describe(state), lastOps(ops, k))
			}
		})
		if k < len(ops) {
			d.step(&ops[k])
		}
	}
}

// recover opens one state, checks it, goes on with it, and may cut that too.
func (c *campaign) recover(state image, n need, depth int, wild bool, where string) error {
	c.count(depth, wild)
	s := &session{t: c.t, disk: mount(state), plan: c.sc.plan, opts: c.sc.opts, tag: 2 + depth}
	if err := s.begin(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	has, err := s.plan.check(s.log, n)
	if err == nil && c.rng.IntN(8) == 0 {
		err = s.plan.checkLookups(s.log, n)
	}
	if err != nil {
		return err
	}
	if s.log.Info().Quarantine && !wild {
		return errors.New("it is in quarantine")
	}
	if has > n.acked {
		c.tally.more++
	}
	if s.log.Info().Tail != nil {
		c.tally.torn++
	}
	if has > 0 {
		s.disk.mark(markAck{has - 1}) // what was found may be acted upon
	}
	s.next = has
	for range 2 {
		if err := s.appendOne(); err != nil {
			return fmt.Errorf("going on: %w", err)
		}
	}
	if err := s.log.Close(); err != nil {
		return err
	}
	if err := c.reopen(s, n); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	every := [...]int{c.sc.nested, c.sc.twice, 0}[depth]
	if every > 0 && c.rng.IntN(every) == 0 {
		c.try(s.disk, n, depth+1, where)
	}
	return nil
}

// reopen checks that what was written after a recovery is there.
func (c *campaign) reopen(s *session, n need) error {
	for i := range s.disk.ops {
		if s.disk.ops[i].kind == opMark {
			n.note(s.disk.ops[i].note)
		}
	}
	again := &session{t: c.t, disk: mount(s.disk.image()), plan: c.sc.plan, opts: c.sc.opts}
	if err := again.begin(); err != nil {
		return err
	}
	defer again.log.Close()
	if has, err := again.plan.check(again.log, n); err != nil || has != n.acked {
		return errors.Join(err, fmt.Errorf("%d batches, want %d", has, n.acked))
	}
	if t := again.log.Info().Tail; t != nil {
		return fmt.Errorf("a clean end is called %s: %s", t.Kind, t.Reason)
	}
	return nil
}

func (c *campaign) count(depth int, wild bool) {
	switch {
	case wild:
		c.tally.wild++
	case depth == 0:
		c.tally.states++
	case depth == 1:
		c.tally.nested++
	default:
		c.tally.twice++
	}
}

func describe(img image) string {
	var parts []string
	for _, name := range img.files() {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, len(img[name].data)))
	}
	return strings.Join(parts, ", ")
}

func lastOps(ops []op, k int) string {
	var b strings.Builder
	for i := max(0, k-25); i < k; i++ {
		fmt.Fprintf(&b, "  %4d %s\n", i, &ops[i])
	}
	return b.String()
}

func (c *campaign) report(t *testing.T, began time.Time) {
	y := c.tally
	t.Logf("%-22s %6d states: %d cuts of the life, %d states of them, %d of their recoveries, %d of those recoveries' recoveries, %d with garbage (%d refused); %d kept a whole batch more, %d had a torn tail (%.1f s)",
		c.sc.name, y.states+y.nested+y.twice+y.wild, y.cuts, y.states, y.nested, y.twice, y.wild, y.refused, y.more, y.torn, time.Since(began).Seconds())
}

// openLogOn opens the journal on a disk.
func openLogOn(d FS, opts Options) (*Log, error) {
	opts.FS, opts.Key = d, testKey
	return Open("disk", opts)
}
