package sim

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// rollback is what the world does with the journal as a whole (R15): it loses
// it, or puts an older copy in its place, now and then more than once. The mark
// is outside and stays. What lies between the mark and the journal's end is not
// covered, so a copy always ends before the mark.
type rollback struct {
	mark  *txn.Mark
	times int
	ends  []int // of the batches in the journal
}

// marked keeps the mark up to date, as the shell does: not with every batch.
func (w *World) marked() {
	if w.p.Rollback == 0 {
		return
	}
	w.ends = append(w.ends, len(w.disk.durable))
	if w.budget != nil || w.c.Intn(4) == 0 {
		m := w.agent.view.Mark(uint64(len(w.disk.durable)))
		w.mark = &m
	}
}

// opened: the mark knows of the epoch before anybody uses it.
func (w *World) opened() {
	if w.p.Rollback > 0 && (w.budget == nil || w.mark == nil) { // in an exhaustive run, the next batch marks it
		w.awaitDisk()
		m := w.agent.view.Mark(uint64(len(w.disk.durable)))
		w.mark = &m
	}
}

// cover is the shell's: nothing is begun with numbering so far ahead of the mark
// that the jump after a loss would not clear it. A collision at the host makes
// numbering jump.
func (w *World) cover(ev txn.Event) {
	b, ok := ev.(txn.Begin)
	if !ok || w.p.Rollback == 0 || !w.agent.up {
		return
	}
	known := txn.TerminalHead{}
	for _, h := range w.mark.Heads {
		if h.TID == b.TID {
			known = h
		}
	}
	if next := w.agent.m.Next(b.TID); next < known.Next || next-known.Next >= txn.STANMargin-100 {
		w.saw(MarkWaitedFor)
		w.opened()
	}
}

// putBack may put an older journal in the place of the present one, before the
// agent starts. What anybody outside has seen and done stays as it is.
func (w *World) putBack() {
	r := &w.rollback
	if r.mark == nil || r.mark.Entry == 0 || r.times == 2 || !w.fault(JournalReplaced, w.p.Rollback) {
		return
	}
	r.times++
	keep := 0
	if n := w.older(); n > 0 && r.ends[n-1] < int(r.mark.Entry) {
		keep = r.ends[n-1]
		r.ends = slices.Clip(r.ends[:n])
	} else {
		r.ends = nil
	}
	w.saw(JournalPutBack)
	w.tell("disk     A JOURNAL OF %d ENTRIES IS PUT BACK; it had %d, and the mark is at %d", keep, len(w.disk.durable), r.mark.Entry)
	w.disk.durable = slices.Clip(w.disk.durable[:keep])
	w.agent.view, w.agent.viewShared = txn.New(), false
	for _, rec := range w.disk.durable {
		w.agent.view.Apply(rec)
	}
	for _, t := range w.txns {
		t.records = slices.DeleteFunc(t.records, func(rec txn.Record) bool { return !slices.Contains(w.disk.durable, rec) })
		if t.intent == nil {
			continue
		}
		t.doubt = true
		if w.agent.view.Get(t.uuid) == nil {
			t.gone = true
			w.saw(LostWithTheJournal)
		}
	}
}

// older chooses how many batches the older journal has: any number, or, in a
// seeded run that has many, a few less than the present one.
func (w *World) older() int {
	n := len(w.ends)
	if w.budget == nil && w.c.Intn(2) == 1 {
		return max(n-1-w.c.Intn(8), 0)
	}
	return w.c.Intn(n + 1)
}

// outdated: the UUID belongs to an epoch that ended. It may have run, so nobody
// runs it again: the cashier is told to call.
func (a *app) outdated(w *World) {
	w.saw(KeyOfOldEpoch)
	if w.times == 0 {
		w.fail("answer", "%s was answered %s, and no journal was lost", a.cur, txn.EpochOld)
	}
	w.showUnknown(a.cur)
	a.state = appIdle
}

// unheard: an answer about what the journal does not know any more, or knows as
// it was.
func (w *World) unheard(a *app, answer txn.Answer, what string) {
	if !a.cur.doubt {
		w.fail("answer", "%s %s was answered %s", what, a.cur, answer.Code)
		return
	}
	a.state = pick(a.cur.paid > 0, appIdle, appWaiting) // it asks, and hears that a person has it, or that its key is old
}

func pick(when bool, yes, no appState) appState {
	if when {
		return yes
	}
	return no
}

// settleDoubt judges what a lost journal left behind: a person has the loss, and
// each transaction of which the journal still knows that it is open. Nothing of
// it was undone by the machine (P2, P4 are judged as it happens).
func (w *World) settleDoubt(t *Txn) {
	if !slices.ContainsFunc(w.agent.view.Losses(), func(l txn.KnownLoss) bool { return !l.Closed }) {
		w.fail("R15", "a journal was put back, and no person is told")
	}
	if t.paid > 0 && t.net != t.due() && t.typ().MovesMoney() && !t.owed { // what the host was to be told is lost with the journal
		w.fail("P2", "%s was shown as approved and the host holds %d", t, t.net)
	}
	seen := w.agent.view.Get(t.uuid)
	if seen != nil && seen.State.Open() && !seen.Escalated() {
		w.fail("P5", "%s is still %s and in front of nobody", t, seen.State)
	}
}

// truthful says that an operator may do this to what is in doubt: he knows what
// the acquirer and the merchant know, and neither resumes what stands, or an
// advice that was given up or that some address holds, nor frees what was followed.
func (w *World) truthful(g *Txn, v txn.Verb) bool {
	switch {
	case !g.doubt:
		return true
	case v == txn.VerbResume:
		return !g.confirmed && (!g.advice || !closedNegative(g.j) && g.net == 0)
	case v == txn.VerbOverride:
		return !slices.ContainsFunc(w.txns, func(f *Txn) bool { return f.original == g })
	default:
		return true
	}
}
