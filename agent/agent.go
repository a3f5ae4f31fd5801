package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/push"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// Options is what an Agent is made of.
type Options struct {
	Journal   journal.Journal
	Mark      Mark // outside of the journal; nil: its loss is not noticed
	Acquirers []AcquirerOptions
	Terminals []TerminalOptions
	Clock     Clock       // nil: SystemClock in UTC
	Log       *zap.Logger // nil: none
	Version   string
	Built     time.Time // no clock is before it; zero: not known
	Push      PushOptions
	Patterns  *Patterns // nil: DefaultPatterns
}

// TerminalOptions names a terminal and its acquirer.
type TerminalOptions struct {
	TID      iso8583.TID
	MID      iso8583.MID
	Acquirer string
	Implicit bool // its applications cannot confirm

	// Signer holds the terminal's keys, in a dialect with MACs; nil elsewhere.
	Signer mac.Signer
}

// Agent is the daemon without its listeners. It is made by New, works in Run,
// and ends for good with it: after a failure of the journal a new process
// recovers.
type Agent struct {
	opts      Options
	log       *zap.Logger
	journal   journal.Journal
	acquirers map[string]*acquirer
	terminals map[iso8583.TID]TerminalOptions
	tids      []iso8583.TID // of them, in the configuration's order

	machine *txn.Machine // the loop's own
	fence   txn.Fence    // the loop's own
	alarms  *alarms      // the loop's own
	loading int          // the loop's own: look-ups under way
	hot     int          // settled transactions kept in memory
	queued  []txn.Event  // the loop's own: what obeying a Ready brought about
	stepped uint64       // the loop's own: Readys that came out of the machine
	obeyed  uint64       // the loop's own: of these, how many the fence has released
	late    []lateLoad   // the loop's own: look-ups that the view does not have yet

	events chan txn.Event
	loaded chan loaded
	batch  chan []txn.Record // to the syncer: one at a time
	synced chan synced       // from the syncer

	clock   Clock                // opts.Clock, with a dead battery seen through
	slept   func() time.Duration // since boot
	asleep  time.Duration        // the loop's own: what of it the links know
	marks   *marks
	view    *View
	leases  leases
	feed    *feed
	criers  []*crier // one per receiver of the escalation queue
	metrics *metrics
	lookout *lookout
	nextReq atomic.Uint64
	asks    sync.Map // request number → chan txn.Answer

	shredders sync.WaitGroup // who destroy data keys

	stopped chan struct{} // closed when Run has ended
	failure atomic.Pointer[error]
}

// Bounds of the shell's queues.
const (
	eventQueue = 1024 // events between API, link and loop
	fenceLimit = 512  // Readys held back: past it, new intents are refused
	hotLimit   = 2048 // settled transactions kept in memory
	lookups    = 256  // look-ups under way beside the loop
)

// ErrStopped says that the agent takes nothing more.
var ErrStopped = errors.New("agent is stopping")

// New folds the journal and prepares an agent: when it returns, the epoch and
// the rules of every terminal are durable. It sends nothing: Run does. An error
// says what of the journal or the configuration does not fit.
func New(opts Options) (*Agent, error) {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Clock == nil {
		opts.Clock = SystemClock(time.UTC)
	}
	a := &Agent{
		opts: opts, clock: opts.Clock, slept: slept, asleep: slept(), log: opts.Log, journal: opts.Journal,
		acquirers: map[string]*acquirer{}, terminals: map[iso8583.TID]TerminalOptions{},
		machine: txn.New(), alarms: newAlarms(), view: newView(), feed: newFeed(), metrics: newMetrics(), hot: hotLimit,
		events: make(chan txn.Event, eventQueue), loaded: make(chan loaded, lookups),
		batch: make(chan []txn.Record, 1), synced: make(chan synced, 1),
		stopped: make(chan struct{}),
	}
	for _, o := range opts.Acquirers {
		if a.acquirers[o.Name] != nil {
			return nil, fmt.Errorf("acquirer %q: configured twice", o.Name)
		}
		acq, err := newAcquirer(a, o)
		if err != nil {
			return nil, fmt.Errorf("acquirer %q: %w", o.Name, err)
		}
		a.acquirers[o.Name] = acq
	}
	for _, t := range opts.Terminals {
		switch {
		case a.acquirers[t.Acquirer] == nil:
			return nil, fmt.Errorf("terminal %s: there is no acquirer %q", t.TID, t.Acquirer)
		case a.terminals[t.TID].TID != "":
			return nil, fmt.Errorf("terminal %s: configured twice", t.TID)
		}
		if err := a.acquirers[t.Acquirer].addSigner(&t); err != nil {
			return nil, err
		}
		a.terminals[t.TID] = t
		a.tids = append(a.tids, t.TID)
	}
	a.marks = newMarks(opts.Mark, opts.Log, func() txn.Mark { return a.view.mark(uint64(a.journal.Last())) })
	if opts.Patterns == nil {
		opts.Patterns = &DefaultPatterns
	}
	a.lookout = &lookout{
		patterns: *opts.Patterns, now: func() time.Duration { return a.opts.Clock().Boot }, tell: a.notify, seen: map[sighting]*sightings{},
	}
	for _, sink := range append([]push.Sink{logSink{a.log}}, opts.Push.Sinks...) {
		a.criers = append(a.criers, newCrier(a, sink, opts.Push.Reminder))
	}
	a.journal.SetCarry(a.carry)
	last, err := a.recover()
	if err != nil {
		return nil, err
	}
	a.clock = opts.Clock.alive(opts.Built, max(last, a.machine.HostTime()))
	return a, a.configure()
}

// recover folds what the journal says is open, and what came after, into the
// machine and the view. It gives the wall time of the newest entry.
func (a *Agent) recover() (last int64, err error) {
	err = a.journal.Recover(func(e journal.Record) error {
		r, err := decode(e)
		if err != nil {
			return err
		}
		if err := a.recall(r, e.LSN); err != nil {
			return err
		}
		last = max(last, r.When())
		a.machine.Apply(r)
		a.view.machine.Apply(r)
		a.machine.Evict(a.hot)
		a.view.machine.Evict(a.hot)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return last, a.machine.Check()
}

// recall brings back the transaction of r where it has been evicted already:
// something happened to it long after it was settled, such as the approval of
// what was declined, and without its past the record would be passed over.
func (a *Agent) recall(r txn.Record, at journal.LSN) error {
	if _, begins := r.(*txn.Intent); begins || strings.Contains(r.Group(), ":") || a.machine.Get(r.Group()) != nil {
		return nil
	}
	entries, err := a.journal.Lookup(r.Group())
	if err != nil {
		return err
	}
	var past []txn.Record
	for _, e := range entries {
		if e.LSN >= at {
			break
		}
		old, err := decode(e)
		if err != nil {
			return err
		}
		past = append(past, old)
	}
	a.machine.Load(past)
	a.view.machine.Load(past)
	return nil
}

// configure makes known to the core, durably where it is new, what there is.
func (a *Agent) configure() error {
	mark, err := a.marks.read()
	if err != nil {
		return err
	}
	// A dead clock starts in 1970.
	c := txn.Configure{Epoch: uint64(max(a.clock().Wall/1000, 1)), Last: uint64(a.journal.Last()), Mark: mark}
	if c.DataKeys, err = a.journal.LastKey(); err != nil {
		return err
	}
	losses := len(a.machine.Losses())
	for _, t := range a.opts.Terminals {
		acq := a.acquirers[t.Acquirer]
		c.Terminals = append(c.Terminals, txn.Terminal{
			TID: t.TID, MID: t.MID, Rules: acq.profile.Rules, Routes: len(acq.opts.Hosts), Addresses: acq.addresses(),
			Implicit: t.Implicit,
		})
	}
	records := a.machine.Step(a.clock(), c).Records
	if errors.Is(a.journal.Reserve(journal.ClassIntent, 0), journal.ErrQuarantined) {
		a.log.Error("the journal lost entries: nothing that is open is sent until a person decides")
		records = append(records, a.machine.Doubt(a.clock().Wall, "agent", "the journal lost entries")...)
	}
	if _, err := a.journal.Append(entries(records)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	a.view.apply(records)
	if l := a.machine.Losses(); len(l) > losses {
		a.log.Error("journal entries were lost: a person must compare with the acquirer", zap.Uint64("epoch", l[losses].Begun), zap.String("why", l[losses].Why))
	}
	a.marks.write()
	a.feed.begin(a.journal.Last())
	return a.sameHosts()
}

// sameHosts refuses to start where an owed reversal would go to another host
// than its request did: that host may answer "done" about a debit that it never
// had. A host that has a new address, under the same acquirer, is the same.
func (a *Agent) sameHosts() error {
	for _, uuid := range a.machine.Open() {
		t := a.machine.Get(uuid)
		term, ok := a.terminals[t.TID]
		if !ok || t.Address == "" || !t.State.Open() {
			continue
		}
		name, host, _ := strings.Cut(t.Address, " ")
		hosts := a.acquirers[term.Acquirer].opts.Hosts
		now := slices.Index(hosts, host)
		if name != term.Acquirer || t.Route >= len(hosts) || now >= 0 && now != t.Route {
			return fmt.Errorf("%s is still open, and its request went to %s of acquirer %s: leave that as hosts[%d] of terminal %s's acquirer until it is closed", t, host, name, t.Route, t.TID)
		}
		if now < 0 {
			a.log.Warn("the host of an open transaction has another address now", zap.String("transaction", uuid), zap.String("was", host), zap.String("is", hosts[t.Route]))
		}
	}
	return nil
}

func decode(e journal.Record) (txn.Record, error) {
	r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
	if err != nil {
		return nil, fmt.Errorf("journal entry %d: %w", e.LSN, err)
	}
	return r, nil
}

// Run works until ctx ends or the journal fails; the latter is returned, and
// the process must exit then.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(a.syncer)
	wg.Go(func() { a.marks.run(a.stopped) })
	for _, c := range a.criers {
		wg.Go(func() { c.run(ctx) })
	}
	for _, name := range slices.Sorted(maps.Keys(a.acquirers)) {
		a.acquirers[name].link.Start()
	}
	err := a.loop(ctx)
	if err != nil {
		a.failure.Store(&err)
	}
	cancel()
	close(a.batch)
	close(a.stopped)
	a.leases.endAll()
	for _, acq := range a.acquirers {
		acq.link.Close()
	}
	wg.Wait()
	a.shredders.Wait()
	return err
}

// Err is the failure that ended Run, or nil.
func (a *Agent) Err() error {
	if p := a.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// post gives the loop an event; it is dropped when the agent stops.
func (a *Agent) post(ev txn.Event) {
	select {
	case a.events <- ev:
	case <-a.stopped:
	}
}

// ask gives the loop an event that is answered, and waits for the answer. When
// ctx ends first, what became of it is unknown to the caller, as with every
// request: ask again under the same UUID.
func (a *Agent) ask(ctx context.Context, event func(req uint64) txn.Event) (txn.Answer, error) {
	req := a.nextReq.Add(1)
	ch := make(chan txn.Answer, 1)
	a.asks.Store(req, ch)
	defer a.asks.Delete(req)
	select {
	case a.events <- event(req):
	case <-ctx.Done():
		return txn.Answer{}, ctx.Err()
	case <-a.stopped:
		return txn.Answer{}, ErrStopped
	}
	select {
	case ans := <-ch:
		return ans, nil
	case <-ctx.Done():
		return txn.Answer{}, ctx.Err()
	case <-a.stopped:
		return txn.Answer{}, ErrStopped
	}
}

func (a *Agent) answer(ans txn.Answer) {
	if ch, ok := a.asks.Load(ans.Req); ok {
		ch.(chan txn.Answer) <- ans // buffered, and answered once
	}
}
