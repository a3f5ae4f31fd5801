package agent_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// storm is many lanes selling through one agent, with a host that misbehaves,
// applications that vanish and an agent that is stopped in between. What it
// looks for is in verify.
type storm struct {
	*lab
	mu    sync.Mutex
	rng   *rand.Rand // of the host
	calm  bool
	notes map[string]*note
	order []string
}

// note is what an application knows of a sale by itself.
type note struct {
	body   client.Begin
	shown  bool // the application has shown an approval
	undone bool // it was told that there is none
}

var stormSales = flag.Int("agent.storm", 0, "sales of TestStorm; 0: one storm's, some 2,500, with -short 500")

// TestStorm lets storms pass, each in a bubble of its own, until there were
// enough sales: a goroutine that is left behind fails it. (One long storm would
// spend its time on what the earlier sales left in front of a person.)
func TestStorm(t *testing.T) {
	rounds, sales := 6, 20 // with 20 lanes 2400, and second attempts
	if testing.Short() {
		rounds, sales = 3, 8
	}
	seed := rand.Uint64()
	t.Logf("seed %d (of faults and applications; scheduling is not part of it)", seed)
	for done := 0; done == 0 || done < *stormSales && !t.Failed(); seed++ {
		s := &storm{rng: rand.New(rand.NewPCG(seed, 0)), notes: map[string]*note{}}
		s.pass(t, seed, rounds, sales)
		done += len(s.notes)
	}
}

const lanes = 20

// pass lets one storm pass.
func (s *storm) pass(t *testing.T, seed uint64, rounds, sales int) {
	bubble(t, func(l *lab) {
		s.lab = l
		own := rand.New(rand.NewPCG(seed, 1<<32))
		for round := range rounds {
			var wg sync.WaitGroup
			ctx, dead := context.WithCancel(context.Background())
			for lane := range lanes {
				rng := rand.New(rand.NewPCG(seed, uint64(round*lanes+lane+1)))
				wg.Go(func() { s.lane(ctx, rng, lane, fmt.Sprintf("R%dL%d", round, lane), sales) })
			}
			if round%2 == 1 { // the agent is stopped in the middle, the applications die with it
				time.Sleep(time.Duration(own.IntN(1000)) * time.Second)
				dead()
				if err := l.stop(); err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				l.reopen()
				l.start()
			}
			wg.Wait()
			dead()
		}
		s.mu.Lock()
		s.calm = true
		s.mu.Unlock()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		s.verify(t)
	}, settledAlike, smallMemory, func(l *lab) {
		l.quiet, l.tids, l.host.mishap = true, nil, s.mishap
		for i := range lanes {
			l.tids = append(l.tids, laneTID(i))
		}
	})
}

// smallMemory makes old transactions leave memory soon, so that many must be
// looked up.
func smallMemory(l *lab) {
	check := l.setup
	l.setup = func(a *agent.Agent) {
		check(a)
		a.SetHotLimit(5)
	}
}

func laneTID(i int) iso8583.TID { return iso8583.TID(fmt.Sprintf("L%07d", i)) }

// mishap strikes two messages of five, network management left out.
func (s *storm) mishap(m *iso8583.Message, _ int) mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm || m.MTI.Class() == '8' {
		return mishap{}
	}
	within := func(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d))) }
	switch s.rng.IntN(30) {
	case 0:
		return mishap{drop: true}
	case 1:
		return mishap{mute: true}
	case 2:
		return mishap{late: within(80 * time.Second)}
	case 3:
		return mishap{delay: within(250 * time.Second)} // within a message's longest lifetime
	case 4:
		return mishap{cut: true}
	case 5:
		return mishap{hangUp: true}
	case 6:
		return mishap{hangUp: true, drop: true}
	case 7:
		return mishap{twice: true}
	case 8:
		return mishap{raw: "\x01\x02 no message at all \xff"}
	case 9:
		return mishap{stall: within(20 * time.Second)}
	case 10:
		return mishap{unprocessed: [...]string{"05", "12", "91", "96", "09", ""}[s.rng.IntN(6)]}
	case 11:
		other := s.rng.IntN(4)
		return mishap{change: func(a *iso8583.Message) {
			switch other {
			case 0:
				a.Set(4, "000000000001")
			case 1:
				a.Set(11, "899999")
			case 2:
				a.Set(39, "")
			case 3:
				a.Set(7, "0101000000")
			}
		}}
	default:
		return mishap{}
	}
}

// lane is one application: a sale after the other, some of them abandoned. Every
// other lane holds a lease, and lets it go and takes another in between.
func (s *storm) lane(ctx context.Context, rng *rand.Rand, lane int, prefix string, sales int) {
	var session *client.Session
	defer func() { s.leave(session) }()
	for i := range sales {
		if ctx.Err() != nil {
			return
		}
		if lane%2 == 1 && (session == nil || rng.IntN(6) == 0) {
			s.leave(session)
			session, _ = s.client.BeginSession(ctx, client.NewSession{Terminal: laneTID(lane), Heartbeat: "1m"})
		}
		body := s.sale(fmt.Sprintf("%s-%d", prefix, i), 1+rng.Int64N(100000))
		body.Terminal = laneTID(lane)
		if session != nil {
			body.Session = session.Session
		}
		id, n := client.NewUUID(), &note{body: body}
		s.mu.Lock()
		s.notes[id] = n
		s.order = append(s.order, id)
		old := s.order[rng.IntN(len(s.order))]
		s.mu.Unlock()
		s.sell(ctx, rng, id, n)
		s.ask(ctx, rng, old)
		time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
	}
}

// leave lets a lease go, if there is one.
func (s *storm) leave(session *client.Session) {
	if session != nil {
		_ = session.Close(s.ctx()) // where the agent is stopped, it is over already
	}
}

func (s *storm) sell(ctx context.Context, rng *rand.Rand, id string, n *note) {
	tx, err := s.client.Begin(ctx, id, n.body, time.Duration(rng.IntN(100))*time.Second)
	if err != nil || rng.IntN(12) == 0 {
		return // vanishes: it knows nothing
	}
	switch tx.Must {
	case client.MustConfirm:
		if rng.IntN(8) == 0 {
			_, _ = s.client.Cancel(ctx, id, "customer")
			return
		}
		if _, err := s.client.Confirm(ctx, id); err != nil {
			return
		}
		s.note(func() { n.shown = true })
	case client.MustShowNotApproved:
		s.note(func() { n.undone = true })
	default:
		return
	}
	if rng.IntN(4) > 0 {
		_, _ = s.client.Shown(ctx, id, "yes")
	}
}

// ask looks an older transaction up again, in one way or another.
func (s *storm) ask(ctx context.Context, rng *rand.Rand, id string) {
	s.mu.Lock()
	body := s.notes[id].body
	s.mu.Unlock()
	switch rng.IntN(6) {
	case 0:
		_, _ = s.client.Get(ctx, id, 0)
	case 1: // a repeat runs nothing twice, but it may be the first that arrives
		_, _ = s.client.Begin(ctx, id, body, 0)
	case 2:
		_, _ = s.client.Shown(ctx, id, "yes")
	case 3:
		other := body // a second attempt at the same part
		second := &note{body: other}
		uuid := client.NewUUID()
		s.note(func() { s.notes[uuid], s.order = second, append(s.order, uuid) })
		_, _ = s.client.Begin(ctx, uuid, other, 0)
	}
}

func (s *storm) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// verify holds the host's ledger against the agent's word and the applications'
// notes: no silent debit, no lost approval, no double debit.
func (s *storm) verify(t *testing.T) {
	var confirmed int64
	count := map[string]int{}
	expected := []string{"silence", "unknown_original", "refused", "contradiction", "unbelievable", "duplicate"}
	for id, n := range s.notes {
		tx, err := s.client.Get(s.ctx(), id, 0)
		if p := client.AsProblem(err); p != nil && p.Code == "not_found" {
			if n.shown || n.undone {
				t.Errorf("%s: the application has an outcome of it, the journal has nothing", id)
			}
			count["never begun"]++
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		count[tx.State]++
		net, debits := s.host.of(tx.Terminal, tx.STAN)
		want := int64(0)
		switch tx.State {
		case "confirmed":
			want = tx.Amount
			confirmed += tx.Amount
		case "declined", "reversed", "not_sent":
		default: // a host that never saw the original says so for ever: a person's
			if tx.State != "reversing" || len(tx.Items) == 0 || !slices.Contains(expected, tx.Items[0].Cause) {
				t.Errorf("%s: still %s after two hours of calm, and nobody knows: %+v", id, tx.State, tx)
			}
		}
		if net != want || debits > 1 {
			t.Errorf("%s: %s, and the ledger holds %d of %d after %d debits: %+v", id, tx.State, net, tx.Amount, debits, tx)
		}
		if n.shown && tx.State != "confirmed" || n.undone && tx.State == "confirmed" {
			t.Errorf("%s: the application showed otherwise: %s", id, tx.State)
		}
	}
	if total := s.host.total(); total != confirmed {
		t.Errorf("the ledger holds %d, confirmed are %d", total, confirmed)
	}
	t.Logf("%d sales: %v; the host had %d messages", len(s.notes), count, len(s.host.messages()))
}
