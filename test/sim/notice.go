package sim

import (
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The notice of what came of an issuer's scripts. It moves no money: whatever
// becomes of it, no state and no amount changes, and nothing waits for it.

// scripts are the rules of a dialect that has the notice.
func (p *Personality) scripts(r *iso8583.Rules, d func(int) iso8583.Duration) {
	if !p.Scripts {
		return
	}
	r.Chip.UploadTags = []string{iso8583.TagCID, iso8583.TagTVR}
	r.Script = iso8583.ScriptRules{
		Tags: []string{iso8583.TagScripts}, Schedule: []iso8583.Duration{d(10), d(60)}, AnswerTimeout: d(20), Retry: []string{"96"}, Limit: 2,
	}
}

// certified: a transaction that is uploaded alone is one that its card agreed to,
// with what the card said.
func (w *World) certified(o *txn.Outbound) {
	f := &o.Facts
	t := w.named(o.Of[0])
	cid, _ := iso8583.NewTLV(iso8583.TagCID, "40")
	if len(f.Settlement.Records) != 1 || t.story.said != "40" || !strings.Contains(f.ChipData, cid.Hex()) || f.Original.STAN != t.intent.STAN {
		w.fail("batch", "%s is uploaded alone, and not with its card's word", t)
	}
	w.saw(UploadedAlone)
}

// issuerScript is what the host sends for the card with its approval.
const issuerScript = "72079F180400000001"

// scriptLeaves judges a notice, gives it to the link, and lets the host answer or
// not.
func (w *World) scriptLeaves(o *txn.Outbound) {
	t := w.named(o.CardOf())
	m := w.agent.view.Get(t.uuid)
	switch {
	case m.State != txn.StateConfirmed || t.story.said != "40":
		w.fail("script", "the host is told of scripts of %s, which is %s", t, m.State)
	case w.agent.view.InDoubt(m):
		w.fail("R15", "the host is told of scripts of %s, which is of a lost epoch", t)
	case m.Script.STAN != o.Facts.STAN:
		w.fail("script", "a notice of %s leaves under a STAN that is not durable", t)
	}
	_, signed := w.signedOut(t, o)
	if !signed {
		w.fail("C.18", "a notice of %s is to leave, and its terminal has no keys", t)
	}
	r := report{uuid: o.UUID, route: o.Route, attempt: o.Attempt, after: w.now.Boot}
	switch {
	case !signed, w.fault(Unsent, w.p.Unsent):
		r.kind = reportUnsent
	case w.fault(InDoubt, w.p.InDoubt):
		r.kind = reportInDoubt
	default:
		w.scriptAtHost(t, o)
	}
	w.tell("link     notice of the scripts of %s: %s", t, r.kind)
	w.agent.reports = append(w.agent.reports, r)
}

// scriptAtHost answers it, whatever: nothing hangs on that.
func (w *World) scriptAtHost(t *Txn, o *txn.Outbound) {
	p := packet{t: t, route: o.Route, out: o, keys: w.keys.signer[terminalIndex(o.Facts.TID)]}
	if w.strangeKeys(&p, o.Route) {
		return
	}
	if code := [...]string{"00", "25", "96", ""}[w.c.Intn(4)]; code != "" {
		w.reply(&p, o.Route, mtis[iso8583.KindScript].Response(), iso8583Answer{code: code})
	}
}

// arrived steps an answer. One to a notice changes no state, and sends nothing
// but a sign-on.
func (w *World) arrived(p *packet) {
	if p.in.MTI != mtis[iso8583.KindScript].Response() {
		w.step(*p.in)
		return
	}
	before, known := txn.StateNone, w.agent.m.Get(p.t.uuid)
	if known != nil {
		before = known.State
	}
	net := p.t.net
	w.step(*p.in)
	if !w.agent.up {
		return
	}
	switch after := w.agent.m.Get(p.t.uuid); {
	case known != nil && after != nil && after.State != before, p.t.net != net:
		w.fail("script", "the answer to a notice took %s from %s to %s", p.t, before, after.State)
	case after != nil && after.Script.STAN != 0 && !after.Script.Owed():
		w.saw(ScriptAnswered)
	}
}

// scriptTimer arms the timer of a notice, and says whether that is what it is.
func (w *World) scriptTimer(timer txn.Timer) bool {
	o := txn.Outbound{UUID: timer.UUID}
	if o.CardOf() == timer.UUID {
		return false
	}
	w.named(o.CardOf()).notice = max(timer.At, 1)
	return true
}

// dueNotices lets the timers of notices come due that are.
func (w *World) dueNotices() {
	if !w.p.Scripts {
		return
	}
	for _, t := range w.txns {
		if t.notice > 0 && t.notice <= w.now.Boot && w.agent.up {
			t.notice = 0
			w.step(txn.Timeout{UUID: txn.ScriptID(t.uuid)})
		}
	}
}

// noticesKept: at the end of a run the host has answered what it is told, or is
// told again.
func (w *World) noticesKept() {
	for _, t := range w.txns {
		if m := w.agent.view.Get(t.uuid); m != nil && m.Script.STAN != 0 && !m.Script.Ended && t.notice == 0 && w.agent.up {
			w.fail("script", "the host has not answered the notice of %s, and is not told again", t)
		}
	}
}
