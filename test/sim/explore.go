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
	e.x.Schedules = e.branch(nil, action{op: opStart}, false)
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

// world is a new one, in which as much of the plan is done as is to go well.
func (e *explorer) world(c *Choices, tracing bool) *World {
	left := e.budget
	w := newWorld(e.p, Replaying(nil), &e.x.Stats)
	w.transitions = e.x.Crossed
	w.now.Boot = time.Millisecond // no machine just booted at this instant
	w.unit, w.budget, w.checks, w.tracing = time.Microsecond, &budget{}, true, tracing
	w.calmly()
	w.c, w.budget = c, &left
	return w
}

// calmly does the first errands of the plan, and a sign-on, with nothing going
// wrong.
func (w *World) calmly() {
	if w.p.Calm == 0 && !w.p.Keyed {
		return
	}
	w.start()
	for a := w.apps[0]; a.errand < w.p.Calm || a.state != appIdle || w.p.Keyed && w.keys.signer[0] == 0; {
		if w.listAll(); len(w.acts) == 0 || w.broken != nil {
			panic("the calm part of the plan does not end: " + a.state.String())
		}
		w.doAny(w.acts[0])
	}
}

// branch lets a happen in w, in every way it can, and goes on from there. It
// returns the number of schedules. The last branch of a state may use it up.
func (e *explorer) branch(w *World, a action, last bool) (schedules float64) {
	c := &Choices{mode: enumerating}
	e.path = append(e.path, turn{a, c})
	defer func() { e.path = e.path[:len(e.path)-1] }()
	for {
		var n *World
		switch {
		case w == nil:
			n = e.world(c, false)
		case last && w.certain(a):
			n = w // nobody needs it any more
		default:
			n = w.clone()
		}
		n.c = c
		e.x.Steps++
		if n.doAny(a); n == w && len(c.taken) > 0 {
			panic("a certain outcome was chosen")
		}
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
	acts := w.acts
	for i, a := range acts {
		if schedules += e.branch(w, a, i == len(acts)-1); e.x.Broken != nil {
			return schedules
		}
	}
	e.seen[key] = schedules
	return schedules
}

// certain says that a has one outcome: there is nothing left to choose, in it
// or in what it sets off.
func (w *World) certain(a action) bool {
	switch a.op {
	case opDelay:
		return true
	case opSynced, opTimer:
		return w.budget.spent()
	case opDeliver:
		p := &w.net[a.arg]
		return w.budget.spent() && (p.out == nil || p.out.Reversal())
	}
	return false
}

func (b *budget) spent() bool { return b.crashes == 0 && b.faults == 0 }

// again goes the present way once more, and writes down what happens.
func (e *explorer) again() *World {
	w := e.world(nil, true)
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
	prompt = w.listBeside(prompt)
	for i, a := range w.apps {
		if a.state != appDead && a.ready(w) {
			next(action{opApp, i, 0}, a.late)
		}
	}
	if !prompt {
		w.listTimers()
	}
	w.dying()
	calm = len(w.acts) == 0
	w.listFree()
	w.acts = append(w.acts, delay...)
	return calm
}

// listBeside lists the next message about keys or a batch. Nothing overtakes it.
func (w *World) listBeside(prompt bool) bool {
	switch {
	case prompt:
	case len(w.keys.net) > 0:
		w.acts = append(w.acts, action{opSignOn, 0, 0})
	case len(w.wire) > 0:
		w.acts = append(w.acts, action{opBatch, 0, 0})
	default:
		return false
	}
	return true
}

// listTimers lists the timers that can make a difference.
func (w *World) listTimers() {
	for i, t := range w.txns {
		if w.ticking(t) {
			w.acts = append(w.acts, action{opTimer, i, 0})
		}
	}
	for i, at := range w.keys.timers {
		if at > 0 {
			w.acts = append(w.acts, action{opSignOnTimer, i, 0})
		}
	}
	if w.batchDue() != nil {
		w.acts = append(w.acts, action{opBatchTimer, 0, 0})
	}
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
	if w.budget.faults > 0 {
		w.may(opClock, 0, w.p.Clock)
		w.may(opLoseKeys, 0, w.p.KeyLoss)
	}
	if w.p.Settles > 0 && !w.dayOver {
		w.acts = append(w.acts, action{opSettle, 0, 0})
	}
	if w.p.Operator == 0 || len(w.agent.held) > 0 {
		return
	}
	for i, t := range w.txns {
		if seen := w.agent.view.Get(t.uuid); seen != nil && seen.Stuck {
			w.acts = append(w.acts, action{opOperator, i, 0})
		}
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
	case opClock, opLoseKeys:
		w.budget.faults--
	case opSettle:
		w.dayOver = true
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
	case m.State == txn.StateAdvising:
		return !m.Stuck && !m.Parked
	}
	return m.State.Open()
}
