package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// agent is the shell around the core: what of it can be killed.
type agent struct {
	up      bool
	m       *txn.Machine
	fence   txn.Fence
	held    []txn.Ready // a copy of what the fence holds: for the shape
	syncing int         // of those, being synced
	reports []report
	variant bool // the other profile

	view *txn.Machine // folded from durable records: what the API shows

	// In an exhaustive run the world that this one was copied from, or copies of
	// it, have the same m or view: whoever changes it takes a copy first.
	shared, viewShared bool
}

// report is what the link knows about a message.
type report struct {
	kind    reportKind
	t       *Txn
	route   int
	uuid    string // of what is no transaction
	attempt int
	inquiry int
	dataKey uint32
	card    *iso8583.Card
	after   time.Duration // it is not known before
	prompt  bool          // and then before any timer
}

type reportKind uint8

const (
	reportSent reportKind = iota
	reportUnsent
	reportInDoubt
	reportDestroyed
)

func (k reportKind) String() string {
	return [...]string{"sent", "not sent", "in doubt", "destroyed"}[k]
}

// start recovers the machine from the disk: Apply over the records, then one
// Recovered for each open transaction.
func (w *World) start() {
	a := &w.agent
	a.fence, a.held, a.syncing, a.up = txn.Fence{}, nil, 0, true
	w.putBack()
	w.fold()
	if w.script != nil {
		w.script.begin(w)
	}
	a.m.Observe = w.observe
	if err := a.m.Check(); err != nil {
		w.fail("recovery", "%v", err)
	}
	w.compare()
	if len(w.disk.durable) > 0 {
		a.variant = w.c.Chance(w.p.Reconfigure)
	}
	open, settling := a.m.Open(), slices.Concat(a.m.DataKeys(), a.m.Settling())
	w.dataKeys.started(w)
	w.tell("agent    starts; %d open", len(open))
	w.step(w.configuration())
	w.opened()
	w.wakeSigners()
	for _, uuid := range open {
		if !a.up {
			return
		}
		if a.m.Get(uuid).State == txn.StateReversing {
			w.saw(RecoveredOwed)
		}
		w.step(txn.Recovered{UUID: uuid})
	}
	for _, group := range settling {
		if !a.up {
			return
		}
		w.step(txn.Recovered{UUID: group})
	}
}

// fold makes a machine of what is durable. The view is that already: an
// exhaustive run, in which many ways lead to one state, mostly copies it.
func (w *World) fold() {
	a := &w.agent
	a.shared = false
	if w.budget != nil && !w.tracing && w.stats.Batches%16 != 0 {
		a.m = a.view.Clone()
		return
	}
	a.m = txn.New()
	if w.store != nil {
		w.recovered(a.m)
		return
	}
	rest := w.disk.durable
	if f := &w.disk.first; f.m != nil && len(rest) >= f.n && rest[f.n-1] == f.last {
		a.m, rest = f.m.Clone(), rest[f.n:]
	}
	for _, r := range rest {
		a.m.Apply(r)
	}
}

// own makes the machine this world's own, before it changes.
func (w *World) own() *txn.Machine {
	if a := &w.agent; a.shared {
		a.m, a.shared = a.m.Clone(), false
		a.m.Observe = w.observe
	}
	return w.agent.m
}

// ownView is own for the view.
func (w *World) ownView() *txn.Machine {
	if a := &w.agent; a.viewShared {
		a.view, a.viewShared = a.view.Clone(), false
	}
	return w.agent.view
}

func (w *World) configuration() txn.Configure {
	return txn.Configure{Epoch: 1, Mark: w.mark, Last: uint64(len(w.disk.durable)), DataKeys: w.dataKeys.last, Terminals: w.terminals()}
}

// terminals are made once for each of the two profiles.
func (w *World) terminals() []txn.Terminal {
	made := &w.configured[bit(w.agent.variant)-'0']
	if *made == nil {
		rules := w.p.rules(w.unit, w.agent.variant)
		for _, tid := range tids[:w.p.Terminals] {
			*made = append(*made, txn.Terminal{TID: tid, MID: mid, Rules: rules, Routes: w.p.Routes, Implicit: w.p.Implicit}.Hashed())
		}
	}
	return *made
}

// crash kills the agent. A batch that was being synced is kept or lost.
func (w *World) crash() {
	a := &w.agent
	w.stats.AgentCrashes++
	w.tell("agent    CRASH")
	if len(a.held) > a.syncing {
		w.saw(ReadysLost)
	}
	kept := len(w.disk.batch) > 0 && w.c.Intn(2) == 1
	if a.up = false; w.store != nil {
		kept = w.cutPower()
	}
	if len(w.disk.batch) > 0 {
		if kept {
			w.saw(BatchKept)
			w.tell("disk     the batch is kept")
			w.commit()
		} else {
			w.saw(BatchLost)
			w.tell("disk     the batch is lost")
			w.lose()
		}
	}
	a.m, a.held, a.reports = nil, nil, a.reports[:0]
	for i := range w.net {
		w.net[i].left = min(w.net[i].left, w.now.Boot) // what has not left by now never will
	}
	for _, t := range w.txns {
		t.armed, t.notice = false, 0
	}
	for _, b := range w.batches {
		b.armed = false
	}
	w.dataKeys.timers = nil
	for _, p := range w.apps {
		p.cutOff()
	}
	w.cutSessions()
}

// step gives the core an event and obeys whatever the fence lets through.
func (w *World) step(ev txn.Event) {
	a := &w.agent
	w.stats.Steps++
	if w.cover(ev); !a.up {
		return
	}
	if w.p.Keep >= 0 {
		w.load(ev)
	}
	if w.script != nil {
		w.script.event(w, ev)
	}
	r := w.own().Step(w.now, ev)
	w.shapely(&r)
	w.transition(ev, &r)
	released := a.fence.Push(r)
	if len(released) == 0 {
		a.held = append(a.held, r)
	}
	w.obey(released)
	w.sync()
}

// sync hands the next batch to the disk, if it is idle.
func (w *World) sync() {
	if !w.agent.up || len(w.disk.batch) > 0 {
		return
	}
	if batch := w.agent.fence.Batch(); len(batch) > 0 {
		w.agent.syncing = len(w.agent.held)
		if w.script != nil {
			w.script.line("> write")
		}
		w.write(batch)
	}
}

// synced ends the syncing of the batch.
func (w *World) synced() {
	a := &w.agent
	if w.script != nil {
		w.script.line("> sync")
	}
	w.commit()
	released := a.fence.Durable()
	a.held, a.syncing = slices.Delete(a.held, 0, min(len(released), len(a.held))), 0
	w.obey(released)
	w.sync()
	if a.up && len(a.held) == 0 {
		w.compare()
		if w.p.Keep >= 0 {
			w.evict()
		}
	}
}

// evict forgets what is settled.
func (w *World) evict() {
	before := len(w.agent.m.All())
	w.agent.m.Evict(w.p.Keep)
	if w.script != nil && len(w.agent.m.All()) < before {
		w.script.line("> evict %d", w.p.Keep)
	}
}

// obey does what Readys want, in their order. The agent may die between any
// two effects; that it dies before the first or after the last is the driver's
// business.
func (w *World) obey(readys []txn.Ready) {
	begun := false
	dies := func() bool {
		was := begun
		begun = true
		return was && w.dies()
	}
	for i := range readys {
		r := &readys[i]
		for _, k := range r.Keys {
			if dies() {
				return
			}
			w.loadKeys(k)
		}
		for j := range r.Messages {
			if dies() {
				return
			}
			w.noteMessage(&r.Messages[j])
			w.transmit(&r.Messages[j], r.Stepped)
		}
		for _, n := range r.Destroy {
			if dies() {
				return
			}
			w.destroyKey(n)
		}
		for _, t := range r.Timers {
			if w.signOnTimer(t) || w.scriptTimer(t) || w.dataKeyTimer(t) {
				continue
			}
			g := w.named(t.UUID)
			if b := w.batchOf(t.UUID); b != nil {
				b.armed, b.timer = true, t.At
				continue
			}
			g.armed, g.timer = true, t.At
			w.note(uint64(t.At))
		}
		for _, answer := range r.Answers {
			if dies() {
				return
			}
			w.noteText(answer.UUID, string(answer.Code), string(answer.Warning))
			w.answered(answer)
		}
	}
	if w.budget != nil {
		w.reportAll()
	}
}

func (w *World) dies() bool {
	if w.healing || w.p.CrashObeying == 0 {
		return false
	}
	if w.budget != nil {
		if w.budget.crashes == 0 || !w.c.Chance(1) {
			return false
		}
		w.budget.crashes--
	} else if !w.c.Chance(w.p.CrashObeying) {
		return false
	}
	w.saw(CrashObeying)
	w.crash()
	return true
}

// known is the report that can be made next, or -1.
func (w *World) known() int {
	return slices.IndexFunc(w.agent.reports, func(r report) bool { return r.after <= w.now.Boot })
}

// report tells the core what the link knows about a message.
func (w *World) report(i int) {
	a := &w.agent
	r := a.reports[i]
	a.reports = slices.Delete(a.reports, i, i+1)
	if r.t == nil {
		r.t = &Txn{uuid: r.uuid}
	}
	switch r.kind {
	case reportSent:
		w.step(txn.Sent{UUID: r.t.uuid, Route: r.route, Attempt: r.attempt, Inquiry: r.inquiry})
	case reportUnsent:
		w.step(txn.Unsent{UUID: r.t.uuid, Route: r.route, Attempt: r.attempt, Inquiry: r.inquiry, Card: r.card})
	case reportDestroyed:
		w.step(txn.KeyDestroyed{Number: r.dataKey})
	case reportInDoubt:
		w.step(txn.InDoubt{UUID: r.t.uuid, Route: r.route, Attempt: r.attempt, Inquiry: r.inquiry})
	}
}

func (w *World) reportAll() {
	for w.agent.up && len(w.agent.reports) > 0 {
		w.report(0)
	}
}

// fire lets the timer of t come due. A timer may fire at any moment, so the
// clock jumps to it.
func (w *World) fire(t *Txn) {
	t.armed = false
	if w.budget != nil {
		if held := w.agent.m.Get(t.uuid); held.Hold == txn.HoldWaiting {
			w.endLifetimes(t)
		}
		w.now.Boot += time.Millisecond // longer than everything that waits
	} else if w.now.Boot < t.timer {
		w.settleDisk()
		w.now.Boot = t.timer
		w.setWall()
	}
	if !w.agent.up {
		return
	}
	w.reportPrompt()
	w.tell("agent    the timer of %s fires", t)
	w.step(txn.Timeout{UUID: t.uuid})
}

// reportPrompt tells the core what it knows before any timer that is due.
func (w *World) reportPrompt() {
	for {
		i := slices.IndexFunc(w.agent.reports, func(r report) bool { return r.prompt && r.after <= w.now.Boot })
		if i < 0 {
			return
		}
		w.report(i)
	}
}

// settleDisk ends a sync before the clock jumps, unless the disk is slow.
func (w *World) settleDisk() {
	if len(w.disk.batch) > 0 && w.budget == nil && w.fault(SlowDisk, w.p.SlowDisk) {
		w.tell("disk     takes longer than anything waits")
		return
	}
	w.awaitDisk()
}

// awaitDisk ends a sync.
func (w *World) awaitDisk() {
	for w.agent.up && len(w.disk.batch) > 0 && w.budget == nil {
		w.synced()
	}
}

// compare holds the machine against the fold of the durable records, at a
// moment when nothing is on its way to the disk.
func (w *World) compare() {
	a := &w.agent
	if !w.checks || w.p.Keep >= 0 {
		return
	}
	if w.budget != nil && !w.tracing && w.stats.Batches%16 != 0 {
		return // there are many ways to one state
	}
	if memory, disk := a.m.AppendDurable(nil), a.view.AppendDurable(nil); !bytes.Equal(memory, disk) {
		w.fail("fold", "the machine holds %s, its records give %s", memory, disk)
	}
}

// load does what Needs asks for: it looks whole groups up among the durable
// records, by their names and the keys of their records.
func (w *World) load(ev txn.Event) {
	if w.store != nil {
		w.lookUp(ev)
		return
	}
	for _, key := range w.agent.m.Needs(ev) {
		for _, t := range w.txns {
			if key == t.uuid || slices.Contains(t.keys, key) {
				if w.agent.m.Get(t.uuid) == nil {
					w.saw(LoadedAgain)
				}
				w.agent.m.Load(t.records)
			}
		}
	}
}

// observe counts the squares of the state table that were passed through.
func (w *World) observe(from txn.State, in txn.Input, to txn.State) {
	w.stats.Cells[from][in]++
	w.crossed = Transition{From: from, Input: in.String(), To: to}
	switch {
	case in == txn.AnswerApproved && from == txn.StateReversing:
		w.saw(LateApproval)
	case in == txn.AnswerApproved && from == txn.StateReversed:
		w.saw(ApprovalAfterReversed)
	case in == txn.AnswerApproved && from == txn.StatePending && to == txn.StateReversing:
		w.saw(ChipUnread)
	case in == txn.AnswerPartial && to == txn.StateReversing:
		w.saw(PartialRefused)
	case in == txn.RequestUnsent && from == txn.StateReversing && to == txn.StateNotSent:
		w.saw(CancelledUnsent)
	}
}
