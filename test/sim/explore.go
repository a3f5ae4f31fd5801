package sim

import (
	"hash/maphash"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Exploration is what an exhaustive run found.
type Exploration struct {
	Schedules float64 // from the start to the end, each different
	States    int64   // of core and world
	Steps     int64   // between two states
	Ends      int64   // states in which nothing has to happen any more, judged as a settlement
	Depth     int     // longest way to a state that was new
	Stats     Stats
	Broken    *World // the run that broke a property, with its transcript
	Crossed   Transitions
}

// Explore goes through every schedule of the personality with at most so many
// crashes, of the agent and the application together, and faults, of network,
// link and host together. It branches from copies of the world, and does not
// follow a state twice. It stops at the first violation.
func Explore(p Personality, crashes, faults int) *Exploration {
	e := explorer{p: p, budget: budget{crashes, faults}, seen: map[[2]uint64]float64{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	e.x.Crossed = Transitions{}
	e.x.Schedules = e.branch(nil, action{op: opStart})
	return &e.x
}

type explorer struct {
	p      Personality
	budget budget
	seen   map[[2]uint64]float64 // schedules from that state on
	seeds  [2]maphash.Seed
	buf    []byte
	path   []turn
	x      Exploration
}

// turn is one step of the way to the present state.
type turn struct {
	action action
	c      *Choices // taken within it
}

// world is a new one.
func (e *explorer) world(c *Choices) *World {
	left := e.budget
	w := newWorld(e.p, c, &e.x.Stats)
	w.unit, w.budget, w.checks = time.Microsecond, &left, true
	w.transitions = e.x.Crossed
	return w
}

// branch lets a happen in w, in every way it can, and goes on from there. It
// returns the number of schedules.
func (e *explorer) branch(w *World, a action) (schedules float64) {
	c := &Choices{mode: enumerating}
	e.path = append(e.path, turn{a, c})
	defer func() { e.path = e.path[:len(e.path)-1] }()
	for {
		var n *World
		switch {
		case w == nil:
			n = e.world(c)
		case a.op == opDelay:
			n = w // it is the last one of its list, and chooses nothing
		default:
			n = w.clone()
		}
		n.c = c
		e.x.Steps++
		n.doAny(a)
		if n.broken == nil {
			schedules += e.visit(n)
		} else {
			e.x.Broken = e.again()
		}
		if e.x.Broken != nil || !c.next() {
			return schedules
		}
	}
}

// visit goes on from a state, unless it was seen before.
func (e *explorer) visit(w *World) (schedules float64) {
	e.buf = w.shape(e.buf[:0])
	key := [2]uint64{maphash.Bytes(e.seeds[0], e.buf), maphash.Bytes(e.seeds[1], e.buf)}
	if n, ok := e.seen[key]; ok {
		return n
	}
	e.seen[key] = 0
	e.x.States++
	e.x.Depth = max(e.x.Depth, len(e.path))
	if calm := w.listAll(); calm {
		e.x.Ends++
		w.settle()
		if w.broken != nil {
			e.x.Broken = e.again()
			return 0
		}
		schedules = 1
	}
	for _, a := range w.acts {
		if schedules += e.branch(w, a); e.x.Broken != nil {
			return schedules
		}
	}
	e.seen[key] = schedules
	return schedules
}

// again goes the present way once more, and writes down what happens.
func (e *explorer) again() *World {
	w := e.world(nil)
	w.tracing = true
	for _, t := range e.path {
		w.c = Replaying(t.c.Values())
		w.doAny(t.action)
	}
	if w.broken == nil {
		w.settle()
	}
	return w
}

// listAll lists everything that can happen; calm says that nothing has to.
//
// What is on its way happens promptly and in order: the disk, the network, the
// application, and only when all of that is done the timers, in any order. To
// delay one thing costs a fault, like losing it; it may then happen at any
// later moment, whatever it overtakes.
func (w *World) listAll() (calm bool) {
	w.acts = w.acts[:0]
	prompt := false
	var delay []action
	next := func(a action, late bool) {
		if late {
			w.acts = append(w.acts, a)
		} else if !prompt {
			prompt = true
			w.acts = append(w.acts, a)
			if w.budget.faults > 0 {
				delay = []action{{opDelay, a.arg, int(a.op)}}
			}
		}
	}
	if len(w.disk.batch) > 0 {
		next(action{opSynced, 0, 0}, w.disk.late)
	}
	for i := range w.net {
		next(action{opDeliver, i, 0}, w.net[i].late)
	}
	for i, a := range w.apps {
		if a.state != appDead && a.ready(w) {
			next(action{opApp, i, 0}, a.late)
		}
	}
	for i, t := range w.txns {
		if !prompt && w.ticking(t) {
			w.acts = append(w.acts, action{opTimer, i, 0})
		}
	}
	calm = len(w.acts) == 0
	w.listFree()
	w.acts = append(w.acts, delay...)
	return calm
}

// listFree lists what people do, and the crashes.
func (w *World) listFree() {
	for i, a := range w.apps {
		switch {
		case a.state == appDead:
			w.acts = append(w.acts, action{opApp, i, 0})
		case a.state == appWaiting && !a.cancelled:
			w.may(opCancel, i, w.p.Cancels)
		}
		if w.budget.crashes > 0 && a.waits() {
			w.acts = append(w.acts, action{opAppCrash, i, 0})
		}
	}
	if w.budget.crashes > 0 {
		w.acts = append(w.acts, action{opAgentCrash, 0, 0})
	}
}

// doAny lets it happen, and pays for it.
func (w *World) doAny(a action) {
	switch a.op {
	case opDelay:
		w.budget.faults--
		w.delay(op(a.weight), a.arg)
		return
	case opAppCrash, opAgentCrash:
		w.budget.crashes--
	case opSynced:
		w.disk.late = false
	case opApp:
		w.apps[a.arg].late = false
	}
	w.do(a)
	for !w.agent.up && w.broken == nil {
		w.start()
	}
}

// delay lets something wait.
func (w *World) delay(o op, arg int) {
	w.stats.Faults[Delayed]++
	switch o {
	case opSynced:
		w.disk.late = true
		w.tell("disk     takes its time")
	case opDeliver:
		w.net[arg].late = true
		w.tell("network  %s is delayed", &w.net[arg])
	case opApp:
		w.apps[arg].late = true
		w.tell("app %d    takes its time", arg)
	}
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
