package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// gate is a journal whose Append waits, before it writes or after, until it is
// let through.
type gate struct {
	*journal.Memory
	mu      sync.Mutex
	shut    bool
	after   bool // it has written, and does not say so yet
	let     chan struct{}
	batches [][]txn.RecordType
	fail    error
}

func newGate() *gate { return &gate{Memory: journal.NewMemory(bytes.Repeat([]byte{7}, 32))} }

// gated is called in the bubble: a channel from outside would keep it awake.
func gated(g *gate) func(*lab) {
	return func(l *lab) { g.let, l.journal = make(chan struct{}), g }
}

func (g *gate) Append(batch []journal.Entry) (journal.LSN, error) {
	var types []txn.RecordType
	for _, e := range batch {
		types = append(types, txn.RecordType(e.Type))
	}
	g.mu.Lock()
	g.batches = append(g.batches, types)
	shut, after, fail := g.shut, g.after, g.fail
	g.mu.Unlock()
	if fail != nil {
		return 0, fail
	}
	if after {
		lsn, err := g.Memory.Append(batch)
		<-g.let
		return lsn, err
	}
	if shut {
		<-g.let
	}
	return g.Memory.Append(batch)
}

func (g *gate) close(after bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.after, g.batches = true, after, nil
}

// pass lets one batch through.
func (g *gate) pass() {
	g.let <- struct{}{}
	synctest.Wait()
}

// open lets everything through from now on.
func (g *gate) open() {
	g.mu.Lock()
	g.shut, g.after = false, false
	g.mu.Unlock()
	select {
	case g.let <- struct{}{}:
	default:
	}
	synctest.Wait()
}

func (g *gate) seen() [][]txn.RecordType {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.batches)
}

// call is one API call under way.
type call struct {
	done chan struct{}
	tx   *client.Transaction
	err  error
}

func calling(f func() (*client.Transaction, error)) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		c.tx, c.err = f()
		close(c.done)
	}()
	synctest.Wait()
	return c
}

func (c *call) answered() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// R1, R5, R6: before its records are durable, nothing of a Ready is seen by
// anybody: no byte leaves, no call is answered, no reader is told.
func TestNothingBeforeItIsDurable(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		held := func(what string, sent int, calls ...*call) {
			t.Helper()
			for _, c := range calls {
				if c.answered() {
					t.Fatalf("%s: answered before its record was durable: %+v %v", what, c.tx, c.err)
				}
			}
			if m := l.host.messages(); len(m) != sent {
				t.Fatalf("%s: the host has %v, want %d messages", what, m, sent)
			}
		}
		synctest.Wait()
		g.close(false)

		put := calling(func() (*client.Transaction, error) { return l.client.Begin(l.ctx(), id, l.sale("S1", 100), 0) })
		held("intent", 0, put)
		if _, err := l.client.Get(l.ctx(), id, 0); client.AsProblem(err) == nil {
			t.Fatal("a reader sees an intent that is not durable")
		}
		g.pass()
		if !put.answered() || put.tx.State != "pending" {
			t.Fatalf("put: %+v %v", put.tx, put.err)
		}
		// The host has answered; the approval waits for the journal.
		held("approval", 1)
		l.state(id, "pending")
		g.pass()
		l.state(id, "approved")

		confirm := func() (*client.Transaction, error) { return l.client.Confirm(l.ctx(), id) }
		one := calling(confirm)
		two := calling(confirm) // steps to "already so", which is not durable either
		again := calling(func() (*client.Transaction, error) { return l.client.Begin(l.ctx(), id, l.sale("S1", 100), 0) })
		held("confirm", 1, one, two, again)
		l.state(id, "approved")
		g.pass()
		for _, c := range []*call{one, two, again} {
			if !c.answered() || c.err != nil || c.tx.State != "confirmed" {
				t.Fatalf("confirm: %+v %v", c.tx, c.err)
			}
		}

		shown := calling(func() (*client.Transaction, error) { return l.client.Shown(l.ctx(), id, "yes") })
		held("shown", 1, shown)
		g.pass()
		if !shown.answered() || shown.tx.Must != client.MustNothing {
			t.Fatalf("shown: %+v", shown.tx)
		}
	}, gated(g))
}

// R6: reversing and the attempt are durable before the reversal leaves.
func TestNoReversalBeforeItIsDurable(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 100), time.Minute)
		synctest.Wait()
		g.close(false)
		cancel := calling(func() (*client.Transaction, error) { return l.client.Cancel(l.ctx(), id, "customer") })
		late := calling(func() (*client.Transaction, error) { return l.client.Confirm(l.ctx(), id) })
		if cancel.answered() || late.answered() || len(l.host.messages()) != 1 || l.host.total() != 100 {
			t.Fatalf("before the journal: %v", l.host.messages())
		}
		l.state(id, "approved")
		g.pass()
		if p := client.AsProblem(late.err); !cancel.answered() || cancel.err != nil || p == nil || p.Code != "being_reversed" {
			t.Fatalf("%+v %v, %v", cancel.tx, cancel.err, late.err)
		}
		if m := l.host.messages(); !slices.Equal(m, []string{"0200", "0400"}) {
			t.Fatalf("%v", m)
		}
		g.open()
		l.state(id, "reversed")
	}, gated(g))
}

// While one batch is being synced, what comes in becomes the next one.
func TestGroupCommit(t *testing.T) {
	const n = 40
	g := newGate()
	bubble(t, func(l *lab) {
		synctest.Wait()
		g.close(false)
		var calls []*call
		for i := range n + 1 {
			calls = append(calls, calling(func() (*client.Transaction, error) {
				return l.client.Begin(l.ctx(), client.NewUUID(), l.sale(fmt.Sprint("S", i), 100), 0)
			}))
		}
		g.pass()
		batches := g.seen()
		if len(batches) != 2 || len(batches[0]) != 2 || len(batches[1]) < n { // a batch's first intent begins its data key
			t.Fatalf("batches: %v, want one intent, then the other %d at once", batches, n)
		}
		if sent := len(l.host.messages()); sent != 1 {
			t.Fatalf("%d requests left before their intents were durable", sent)
		}
		g.open()
		for _, c := range calls {
			if !c.answered() || c.err != nil {
				t.Fatalf("%+v %v", c.tx, c.err)
			}
		}
	}, gated(g))
}

// Past the bound of what the fence holds back, new intents are refused, and
// nothing of them is journaled; what is under way goes on.
func TestTooMuchIsHeldBack(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		paid := client.NewUUID()
		l.begin(paid, l.sale("PAID", 100), time.Minute)
		synctest.Wait()
		g.close(false)
		var calls []*call
		for i := range agent.FenceLimit {
			calls = append(calls, calling(func() (*client.Transaction, error) {
				return l.client.Begin(l.ctx(), client.NewUUID(), l.sale(fmt.Sprint("S", i), 100), 0)
			}))
		}
		confirm := calling(func() (*client.Transaction, error) { return l.client.Confirm(l.ctx(), paid) })
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 503, "overloaded", client.RetrySameID, ""})
		g.open()
		for _, c := range append(calls, confirm) {
			if !c.answered() || c.err != nil {
				t.Fatalf("%+v %v", c.tx, c.err)
			}
		}
	}, gated(g))
}

var errDisk = errors.New("input/output error")

// The journal fails: Run says so, and nothing that was not durable is
// acknowledged or sent. A new process recovers what was.
func TestJournalFails(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		approved := client.NewUUID()
		l.begin(approved, l.sale("S1", 100), time.Minute)
		synctest.Wait()
		waiting := calling(func() (*client.Transaction, error) { return l.client.Get(l.ctx(), approved, 0) })
		g.mu.Lock()
		g.fail = errDisk
		g.mu.Unlock()
		sent := len(l.host.messages())
		confirm := calling(func() (*client.Transaction, error) { return l.client.Confirm(l.ctx(), approved) })
		if p := client.AsProblem(confirm.err); p == nil || p.Code != "stopping" || p.Retry != client.RetrySameID || p.Status != 503 {
			t.Fatalf("confirm: %+v %v", confirm.tx, confirm.err)
		}
		put := calling(func() (*client.Transaction, error) {
			return l.client.Begin(l.ctx(), client.NewUUID(), l.sale("S2", 100), time.Minute)
		})
		if p := client.AsProblem(put.err); p == nil || p.Code != "stopping" {
			t.Fatalf("put: %+v %v", put.tx, put.err)
		}
		if !waiting.answered() || len(l.host.messages()) != sent {
			t.Fatalf("the host has %v", l.host.messages())
		}
		if h, err := l.client.Health(l.ctx()); err != nil || h.Status != "failing" {
			t.Errorf("health: %+v %v", h, err)
		}
		if res, _ := l.raw("GET", "/v1/ready", ""); res.StatusCode != 503 {
			t.Errorf("ready: %s", res.Status)
		}
		if err := l.stop(); !errors.Is(err, errDisk) || !errors.Is(l.agent.Err(), errDisk) {
			t.Fatalf("Run: %v", err)
		}
		l.journal = g.Reopen()
		l.start()
		l.state(approved, "approved")
		if _, err := l.client.Confirm(l.ctx(), approved); err != nil {
			t.Fatal(err)
		}
	}, gated(g), func(l *lab) { l.fails = true })
}

// A journal that hangs: a call ends all the same, without an outcome. When the
// journal is back the request is past its time to be sent, and does not leave.
func TestJournalHangs(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		synctest.Wait()
		g.close(false)
		id := client.NewUUID()
		start := time.Now()
		_, err := l.client.Begin(l.ctx(), id, l.sale("S1", 100), time.Minute)
		if p := client.AsProblem(err); p == nil || p.Code != "no_answer_in_time" || p.Retry != client.RetrySameID || p.Status != 504 {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("after %s", took)
		}
		g.open()
		l.state(id, "not_sent") // the same id says so
		if tx := l.begin(id, l.sale("S1", 100), 0); tx.State != "not_sent" {
			t.Fatalf("%+v", tx)
		}
	}, gated(g))
}

// A look-up may find an intent that is durable already and that the fence has
// not released yet. The view must not fold it twice.
func TestLookUpRunsAheadOfTheFence(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		synctest.Wait()
		g.close(true)
		one, two := client.NewUUID(), client.NewUUID()
		first := calling(func() (*client.Transaction, error) { return l.client.Begin(l.ctx(), one, l.sale("S1", 100), 0) })
		second := calling(func() (*client.Transaction, error) { return l.client.Begin(l.ctx(), two, l.sale("S1", 100), 0) })
		if first.answered() || second.answered() {
			t.Fatal("answered before the journal was")
		}
		g.open()
		if p := client.AsProblem(second.err); first.err != nil || p == nil || p.Code != "sale_open" || p.Other != one {
			t.Fatalf("%v %v", first.err, second.err)
		}
		list, err := l.client.List(l.ctx(), nil)
		if err != nil || len(list.Transactions) != 1 {
			t.Fatalf("%d transactions, %v", len(list.Transactions), err)
		}
	}, gated(g), settledAlike)
}

// settledAlike compares what machine and view hold once the agent has ended.
func settledAlike(l *lab) {
	l.setup = func(a *agent.Agent) {
		l.check = func() {
			if machine, view := a.Folds(); a.Settled() && !bytes.Equal(machine, view) {
				l.t.Errorf("machine and view have folded different things:\n%s\n%s", machine, view)
			}
		}
	}
}
