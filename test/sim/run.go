package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// action is something that can happen next.
type action struct {
	op     op
	arg    int
	weight int // in a seeded run
}

type op uint8

const (
	opSynced op = iota
	opReport
	opDeliver
	opApp
	opStart
	opTimer
	opCancel
	opAppCrash
	opAgentCrash
	opOperator
	opStray
	opFlip
	opPester
	opClock
	opGone
	opBatch
	opBatchTimer
	opSettle
	opSignOn
	opSignOnTimer
	opLoseKeys
	opDataKey
	opDelay // in an exhaustive run
)

// Run draws one schedule from c, lets everything settle, and judges it.
func Run(p Personality, c *Choices, stats *Stats, tracing, hashing, checks bool) *World {
	w := newWorld(p, c, stats)
	w.tracing, w.hashing, w.checks = tracing, hashing, checks
	w.run()
	return w
}

// run goes through the world's schedule.
func (w *World) run() {
	p := w.p
	w.stats.Runs++
	w.start()
	limit := 150 * p.Sales * p.Apps
	if p.Heals > 0 {
		limit = min(limit, p.Heals)
	}
	for n := 0; n < limit && w.broken == nil && w.busy(); n++ {
		w.tick()
		w.list()
		if len(w.acts) == 0 {
			break
		}
		w.do(w.choose())
	}
	w.heal()
	w.closeDay()
	w.reviewDataKeys()
	if w.broken == nil {
		w.compare()
		w.settle()
	}
}

// busy says that an application is still at work.
func (w *World) busy() bool {
	for _, a := range w.apps {
		if a.state != appDone && a.state != appGone {
			return true
		}
	}
	return false
}

// choose picks by weight. The first action is the harmless one.
func (w *World) choose() action {
	total := 0
	for i := range w.acts {
		total += w.acts[i].weight
	}
	n := w.c.Intn(total)
	for _, a := range w.acts {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	panic("unreachable: the weights do not add up")
}

// list lists what can happen now: first what has to, then what goes wrong.
func (w *World) list() {
	w.acts = w.acts[:0]
	w.forward()
	w.timers(w.calm())
	if w.healing {
		return
	}
	for i, a := range w.apps {
		if a.state != appDead && a.state != appGone && a.state != appDone {
			w.may(opAppCrash, i, w.p.AppCrash)
		}
		if a.state == appWaiting && !a.cancelled && w.agent.up {
			w.may(opCancel, i, w.p.Cancels)
		}
	}
	if w.agent.up {
		w.may(opAgentCrash, 0, w.p.AgentCrash)
		w.may(opOperator, 0, w.p.Operator)
		w.may(opStray, 0, w.p.Stray)
		w.may(opPester, 0, w.p.Pesters)
		w.may(opSettle, 0, w.p.Settles-1)
	}
	w.may(opClock, 0, w.p.Clock)
	w.may(opLoseKeys, 0, w.p.KeyLoss)
	if w.p.Flip > 0 {
		w.may(opFlip, 0, 100)
	}
}

// calm says that nothing is about to happen but what is delayed for long.
func (w *World) calm() bool {
	for _, a := range w.acts {
		if a.op != opDeliver || !w.net[a.arg].late {
			return false
		}
	}
	return true
}

func (w *World) may(o op, arg, weight int) {
	if weight > 0 {
		w.acts = append(w.acts, action{o, arg, weight})
	}
}

// forward lists what brings things forward.
func (w *World) forward() {
	if !w.agent.up {
		w.may(opStart, 0, 500)
	}
	if len(w.disk.batch) > 0 {
		w.may(opSynced, 0, 1000)
	}
	if i := w.known(); i >= 0 {
		w.may(opReport, i, 800)
	}
	w.arrivals()
	if len(w.wire) > 0 {
		w.may(opBatch, 0, 600)
	}
	if len(w.keys.net) > 0 {
		w.may(opSignOn, 0, 800)
	}
	w.dying()
	for i, a := range w.apps {
		if a.ready(w) {
			weight := 700
			if a.state == appDead {
				weight = 50
			}
			w.may(opApp, i, weight)
		}
	}
}

// arrivals lists the messages that may arrive next: the oldest, one that
// overtakes it, one that was delayed for long.
func (w *World) arrivals() {
	foremost := true
	for i := range min(len(w.net), 12) {
		switch {
		case w.net[i].late:
			if !w.healing {
				w.may(opDeliver, i, 10)
			}
		case foremost:
			foremost = false
			w.may(opDeliver, i, 800)
		case !w.healing:
			w.may(opDeliver, i, w.p.Overtake)
		}
	}
}

// timers lists those that are armed; when nothing else can happen, they are
// what does.
func (w *World) timers(calm bool) {
	weight := w.p.EarlyTimer
	if calm {
		weight = 300
	}
	if !w.agent.up || weight == 0 || w.healing {
		return
	}
	for i, t := range w.txns {
		if t.armed {
			w.may(opTimer, i, weight)
		}
	}
	if w.batchDue() != nil {
		w.may(opBatchTimer, 0, weight)
	}
	for i := range w.dataKeys.timers {
		w.may(opDataKey, i, weight)
	}
	for i, at := range w.keys.timers {
		if at > 0 {
			w.may(opSignOnTimer, i, weight)
		}
	}
}

// do lets it happen.
func (w *World) do(a action) {
	w.note(uint64(a.op)<<32 | uint64(a.arg))
	switch a.op {
	case opSynced:
		w.synced()
	case opReport:
		w.report(a.arg)
	case opDeliver:
		w.deliver(a.arg)
	case opApp:
		w.apps[a.arg].act(w)
	case opStart:
		w.start()
	case opTimer:
		if len(w.net)+len(w.disk.batch) > 0 {
			w.stats.Faults[Early]++
		}
		w.fire(w.txns[a.arg])
	case opSignOn:
		w.deliverSignOn()
	case opSignOnTimer:
		w.fireSignOn(a.arg)
	case opLoseKeys:
		w.loseKeys()
	case opDataKey:
		w.fireDataKey(a.arg)
	case opCancel:
		w.apps[a.arg].cancel(w)
	case opAppCrash:
		w.apps[a.arg].die(w)
	case opGone:
		w.miss(a.arg)
	case opAgentCrash:
		w.crash()
	case opOperator:
		if w.budget != nil {
			w.word(w.txns[a.arg])
		} else {
			w.operate()
		}
	case opStray:
		w.stats.Faults[Strayed]++
		w.stray()
	case opBatch:
		w.deliverBatch()
	case opBatchTimer:
		w.fireBatch(w.batchDue())
	case opSettle:
		w.askSettle(tids[w.c.Intn(w.p.Terminals)])
	case opPester:
		w.pester()
	case opFlip:
		w.flipOne()
	case opClock:
		w.stats.Faults[ClockJump]++
		w.jumpClock()
	}
	w.dueNotices()
}

// heal ends the trouble: the network delivers in order, what was delayed comes
// at last, applications that come back do, timers fire one after the other,
// until nothing is left to happen.
func (w *World) heal() {
	w.healing, w.healed = true, w.now.Boot
	for _, t := range w.txns {
		if t.open {
			w.saw(HealedOpen)
		}
	}
	w.tell("         --- from here on nothing goes wrong ---")
	for fired := 0; w.broken == nil; {
		w.tick()
		w.list()
		late := slices.IndexFunc(w.net, func(p packet) bool { return p.late })
		if len(w.acts) > 0 && (late < 0 || w.c.Intn(12) > 0) {
			w.do(w.acts[0])
			continue
		}
		t := w.due()
		if i := w.dueSignOn(t); i >= 0 && late < 0 {
			w.fireSignOn(i)
			continue
		}
		switch {
		case late >= 0 && (len(w.acts) > 0 || t == nil || w.c.Intn(4) == 0):
			w.deliver(late)
		case t == nil && w.batchDue() != nil && fired <= 60*len(w.txns)+100:
			fired++
			w.fireBatch(w.batchDue())
		case t == nil:
			return
		case fired > 60*len(w.txns)+100:
			w.fail("liveness", "%s keeps its timer running for ever", t)
		default:
			fired++
			w.fire(t)
		}
	}
}

// due is the transaction whose timer comes next, among those of which anything
// is still expected.
func (w *World) due() *Txn {
	var next *Txn
	var at time.Duration
	for _, t := range w.txns {
		if !t.armed || next != nil && t.timer >= at {
			continue
		}
		seen := w.agent.view.Get(t.uuid)
		if seen == nil || seen.State == txn.StateReversing && seen.Escalated() && seen.Attempts >= w.p.Patience && !w.closing(t) {
			continue
		}
		next, at = t, t.timer
	}
	return next
}

// flipOne lets a host that said no debit all the same.
func (w *World) flipOne() {
	for route, h := range w.hosts {
		for _, a := range h.ledger.accounts {
			if a.flips && a.state == accountDeclined && (w.p.Lenient || a.t.original == nil || a.covered(h.ledger, a.t.typ(), a.amount)) {
				h.flip(w, a, route)
				return
			}
		}
	}
}
