package sim

import "github.com/counterfoil-pos/counterfoil/agent/txn"

// die is a flash exit.
func (a *app) die(w *World) {
	w.stats.AppCrashes++
	w.tell("app %d    CRASH", a.id)
	a.state, a.lost, a.late = appDead, false, false
	w.died(a)
	a.first = a.last + 1
	if a.cur != nil {
		a.cur.dropped = true
	}
	a.returns = !w.chance(w.p.NeverReturns)
	if !a.returns {
		a.state = appGone
	}
}

// comeBack: it asks the agent what it must act on.
func (a *app) comeBack(w *World) {
	if w.startsSlowly(); !w.agent.up {
		return // it died meanwhile: later
	}
	w.tell("app %d    starts", a.id)
	a.state, a.recovering = appIdle, true
	a.knows = !w.chance(w.p.Forgets)
	if a.ringsAgain(w) {
		return
	}
	a.recover(w)
}

// recover acts on one open outcome after the other, then goes back to what
// was under way.
func (a *app) recover(w *World) {
	for _, uuid := range w.agent.view.Open() {
		t, g := w.agent.view.Get(uuid), w.named(uuid)
		if g.owner != a {
			continue
		}
		if (t.State == txn.StateConfirmed || t.State == txn.StateAdvising) && t.Shown == "" {
			if t.InQuestion() {
				continue // a person has it
			}
			a.take(g)
			w.showPaid(g)
			a.tellShown(w)
			return
		}
	}
	a.recovering = false
	switch {
	case a.cur == nil:
		a.state = appIdle
	case !a.mayRetry(w):
		a.state = appIdle
	case a.knows:
		if a.cur.errand != a.errand || a.cur.paid > 0 || a.cur.unpaid > 0 {
			a.state = appIdle
			return
		}
		a.state, a.cur.dropped = appWaiting, false
		if w.agent.view.Get(a.cur.uuid) == nil {
			a.ask(w)
		}
	default:
		// It knows only that it is not through: the cashier tries again.
		a.attempt(w)
	}
}
