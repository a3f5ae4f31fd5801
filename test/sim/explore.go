package sim

import (
	"hash/maphash"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Exploration is what an exhaustive run found.
type Exploration struct {
	Schedules int64 // runs from the start, each to its end or to a known state
	States    int64 // different states of core and world
	Ends      int64 // of those, settled ones, which were judged
	Depth     int   // longest schedule, in choices
	Stats     Stats
	Broken    *World // the run that broke a property, with its transcript
}

// Explore goes through every schedule of the personality with at most so many
// crashes and faults: of the agent and the application together, and of
// network, link and host together. It stops at the first violation.
func Explore(p Personality, crashes, faults int) Exploration {
	x := Exploration{}
	e := explorer{p: p, budget: budget{crashes, faults}, seen: map[[2]uint64]struct{}{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, x: &x}
	c := &Choices{mode: enumerating}
	for {
		x.Schedules++
		w := e.run(c, false)
		x.Depth = max(x.Depth, c.pos)
		if w.broken != nil {
			again := &Choices{mode: enumerating, taken: c.taken[:c.pos]}
			e.seen = map[[2]uint64]struct{}{}
			x.Broken = e.run(again, true)
			return x
		}
		if !c.next() {
			return x
		}
	}
}

type explorer struct {
	p      Personality
	budget budget
	seen   map[[2]uint64]struct{}
	seeds  [2]maphash.Seed
	buf    []byte
	x      *Exploration
}

// run replays the choices taken so far and goes on from there, always with the
// first possibility, until nothing is left to do or the state is known.
func (e *explorer) run(c *Choices, tracing bool) *World {
	left := e.budget
	w := newWorld(e.p, c, &e.x.Stats)
	w.unit, w.budget = time.Microsecond, &left
	w.tracing, w.checks = tracing, true
	w.start()
	for w.broken == nil {
		for !w.agent.up {
			w.start()
		}
		fresh := c.fresh()
		if fresh && e.known(w) {
			break
		}
		if calm := w.listAll(); calm && fresh {
			e.x.Ends++
			w.compare()
			w.settle()
		}
		if len(w.acts) == 0 || w.broken != nil {
			break
		}
		w.doAny(w.acts[c.Intn(len(w.acts))])
	}
	return w
}

// known says whether this state was seen before, and notes it.
func (e *explorer) known(w *World) bool {
	e.buf = w.shape(e.buf[:0])
	key := [2]uint64{maphash.Bytes(e.seeds[0], e.buf), maphash.Bytes(e.seeds[1], e.buf)}
	if _, ok := e.seen[key]; ok {
		return true
	}
	e.seen[key] = struct{}{}
	e.x.States++
	return false
}

// listAll lists everything that can happen; calm says that nothing has to.
func (w *World) listAll() (calm bool) {
	w.acts = w.acts[:0]
	if len(w.disk.batch) > 0 {
		w.may(opSynced, 0, 1)
	}
	for i := range w.net {
		if w.foremost(i) {
			w.may(opDeliver, i, 1)
		}
	}
	for i, a := range w.apps {
		if a.state != appDead && a.ready(w) {
			w.may(opApp, i, 1)
		}
	}
	for i, t := range w.txns {
		if w.ticking(t) && !w.inFlight(t) && len(w.disk.batch) == 0 {
			w.may(opTimer, i, 1)
		}
	}
	calm = len(w.acts) == 0
	w.listTrouble()
	return calm
}

// listTrouble lists what need not happen, and what costs a crash or a fault.
func (w *World) listTrouble() {
	for i, a := range w.apps {
		switch {
		case a.state == appDead:
			w.may(opApp, i, 1)
		case a.state == appWaiting && !a.cancelled:
			w.may(opCancel, i, w.p.Cancels)
		}
		if w.budget.crashes > 0 && a.waits() {
			w.may(opAppCrash, i, 1)
		}
	}
	if w.budget.crashes > 0 {
		w.may(opAgentCrash, 0, 1)
	}
	if w.budget.faults == 0 {
		return
	}
	for i := range w.net {
		if !w.foremost(i) {
			w.acts = append(w.acts, action{opDeliver, i, costs})
		}
	}
	for i, t := range w.txns {
		if w.ticking(t) && (w.inFlight(t) || len(w.disk.batch) > 0) {
			w.acts = append(w.acts, action{opTimer, i, costs})
		}
	}
}

// foremost says that no message in the same direction is ahead of message i.
func (w *World) foremost(i int) bool {
	for _, p := range w.net[:i] {
		if (p.in == nil) == (w.net[i].in == nil) {
			return false
		}
	}
	return true
}

// costs marks an action that costs a fault: a message that overtakes another,
// a timer that comes before a message or the disk.
const costs = -1

// doAny lets it happen, and pays for it.
func (w *World) doAny(a action) {
	if a.weight == costs {
		w.budget.faults--
	}
	switch a.op {
	case opAppCrash, opAgentCrash:
		w.budget.crashes--
	}
	w.do(a)
}

// ticking says that the timer of t can make a difference. An escalated
// reversal is in front of a person and goes round in circles from there.
func (w *World) ticking(t *Txn) bool {
	if !t.armed {
		return false
	}
	m := w.agent.m.Get(t.uuid)
	switch {
	case m == nil:
		return false
	case m.State == txn.StateConfirmed:
		return m.Shown == "" && !m.Escalated()
	case m.State == txn.StateReversing:
		return !m.Escalated()
	}
	return m.State.Open()
}
