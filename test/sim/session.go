package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// session is one that the agent believes in. That its application is gone is
// noticed later: at once where the stream ends, after a missed heartbeat where a
// child of the dead one holds the socket open; here both are any later moment.
type session struct {
	id   string
	app  int
	tid  iso8583.TID
	gone bool
}

// underSession sees to it that the application has a session, where it works
// with such.
func (a *app) underSession(w *World) {
	if !w.p.Sessions || a.session != "" {
		return
	}
	w.begins++
	a.session = "w" + strconv.Itoa(w.begins)
	taken := slices.IndexFunc(w.sessions, func(s session) bool { return s.tid == a.tid })
	if taken >= 0 {
		w.saw(TakenOver)
		w.sessions = slices.Delete(slices.Clone(w.sessions), taken, taken+1)
	}
	w.sessions = append(slices.Clip(w.sessions), session{id: a.session, app: a.id, tid: a.tid})
	w.tell("app %d    begins session %s", a.id, a.session)
	w.step(txn.SessionBegan{Req: uint64(a.id) << 32, ID: a.session, TIDs: []iso8583.TID{a.tid}})
}

// died: whoever holds the session's lease is dead, which nobody has noticed yet.
func (w *World) died(a *app) {
	if i := slices.IndexFunc(w.sessions, func(s session) bool { return s.id == a.session }); i >= 0 {
		w.sessions = slices.Clone(w.sessions)
		w.sessions[i].gone = true
	}
	a.session = ""
}

// cutSessions: the agent died, and all sessions with it.
func (w *World) cutSessions() {
	w.sessions = nil
	for _, a := range w.apps {
		a.session = ""
	}
}

// dying lists the sessions whose end the agent can notice now.
func (w *World) dying() {
	if !w.agent.up {
		return
	}
	for i, s := range w.sessions {
		if s.gone {
			w.may(opGone, i, 100)
		}
	}
}

// miss is the end of the stream, or a heartbeat that does not come.
func (w *World) miss(i int) {
	id := w.sessions[i].id
	w.sessions = slices.Delete(slices.Clone(w.sessions), i, i+1)
	w.saw(Missed)
	w.tell("agent    misses the application of session %s", id)
	w.step(txn.SessionEnded{ID: id})
}

// implicitly judges what is committed with the approval: only while the session
// that asked for it lives, as far as the agent can know.
func (w *World) implicitly(r *txn.Ready) {
	if !w.p.Implicit {
		return
	}
	for _, rec := range r.Records {
		if _, ok := rec.(*txn.Confirmed); !ok {
			continue
		}
		t := w.named(rec.Group())
		if !t.begin.Type.NeedsConfirmation() || t.intent == nil {
			continue
		}
		w.saw(CommittedImplicitly)
		if !slices.ContainsFunc(w.sessions, func(s session) bool { return s.id == t.intent.Session }) {
			w.fail("implicit", "%s is committed with its approval, and nobody is there to show it", t)
		}
	}
}

// startsSlowly: time goes by while the application starts, and timers that come
// due meanwhile may fire late.
func (w *World) startsSlowly() {
	if w.budget == nil && w.chance(w.p.SlowStart) {
		w.settleDisk()
		w.now.Boot += 45 * time.Second
		w.setWall()
	}
}

// switches: the customer turns to another card, and the first attempt is closed
// by the second. A strict gate would refuse the second as long as the first is
// owed, and closes nothing.
func (a *app) switches(w *World) bool {
	if a.cur.ref == 0 || !a.cur.typ().NeedsConfirmation() || a.cur.owner != a || a.cur.ref != a.job.ref || !a.mayRetry(w) || !w.chance(w.p.Switches) {
		return false
	}
	first := a.cur
	w.saw(Switched)
	w.tell("app %d    turns to another card after %s", a.id, first)
	a.replaces = first.uuid
	a.attempt(w)
	a.replaces = ""
	return true
}

// ringsAgain: after a flash exit the cashier does not know what became of the
// purchase, and rings it up anew: another reference, the same card and price.
func (a *app) ringsAgain(w *World) bool {
	if a.knows || a.cur == nil || a.cur.begin.Sale == "" || a.rung == maxRung || !a.mayRetry(w) || a.saw(w, a.cur.purchase) || !w.chance(w.p.RingsAgain) {
		return false
	}
	w.saw(RungAgain)
	lost := a.cur
	a.rung++
	a.job = errand{typ: lost.begin.Type, ref: ringRef + a.rung, minor: lost.begin.Amount.Minor, purchase: lost.purchase}
	a.attempt(w)
	return true
}

// The references of what is rung up again.
const (
	ringRef = 48
	maxRung = 15
)

// suspected: the agent takes it for a repetition. As a rule it is, and the
// cashier looks at the first one; now and then he insists.
func (a *app) suspected(w *World, answer txn.Answer) {
	w.saw(Suspected)
	first := w.named(answer.Other)
	if first == nil || first.owner != a {
		w.fail("answer", "begin of %s was taken for a repetition of %s", a.cur, answer.Other)
		return
	}
	if w.chance(w.p.Insists) {
		w.saw(Insisted)
		a.cur.begin.NotDuplicateOf, a.cur.insisted = first.uuid, true
		a.ask(w)
		return
	}
	a.cur.purchase = 0 // whoever asks for it again wants another one
	a.state = appWaiting
	a.take(first)
}

// saw says that the cashier saw that the purchase was paid.
func (a *app) saw(w *World, purchase int) bool {
	return purchase != 0 && slices.ContainsFunc(w.txns, func(t *Txn) bool { return t.owner == a && t.purchase == purchase && t.paid > 0 })
}

// handedOver: the application says so of what it shows. Of a sale that was paid a
// minute ago or longer that is no delivery (R10): a person's. It is judged where
// nobody sets the clock, since no clock can tell then.
func (w *World) handedOver(t *Txn) {
	if w.budget == nil && w.p.Clock == 0 && t.begin.Type.NeedsConfirmation() && t.j == txn.StateConfirmed && !t.handled {
		old := t.committed != 0 && w.now.Wall-t.committed >= shownWithin
		t.stale, t.told = t.stale || old && !t.told, true
	}
}

// shownWithin is the profile's shown_timeout, in milliseconds.
const shownWithin = 60_000

// boughtTwice: P3 for what people pay twice (field-problems.md 2): one purchase,
// under whatever references, stands once, unless somebody said that it was two.
func (w *World) boughtTwice(o, t *Txn) {
	if t.purchase == 0 || o.owner != t.owner || o.purchase != t.purchase || o.insisted || t.insisted {
		return
	}
	if w.standing(o) != 0 && w.standing(t) != 0 && !o.excused() && !t.excused() {
		w.fail("P3", "%s and %s both stand for one purchase", o, t)
	}
}

// cardHash is the same for all of an application's customers, where the agent
// looks at it: prices differ.
func (p *Personality) cardHash() string {
	if p.RingsAgain > 0 {
		return "h"
	}
	return ""
}

// drawSessions: most runs are without; the choices come last, so that they
// change no other.
func (p *Personality) drawSessions(c *Choices, rate func(...int) int) {
	if c.Intn(3) > 0 {
		return
	}
	p.Sessions, p.Implicit = true, c.Intn(3) == 0
	p.Switches, p.RingsAgain, p.Insists = rate(300, 800), rate(500, 1000), rate(300)
	p.SlowStart = rate(300, 800)
}
