package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Liveness: every run ends with a time in which nothing goes wrong any more, a
// third of the runs in the middle of everything. From then on P5 has a length:
// what is undecided ends, or is in front of a person, within its deadline.

// deadline is how long a transaction may take to its end, or to a person, in a
// world in which nothing goes wrong: the longest sum of the waits that the rules
// allow. A host that says "later" again and again is given as many attempts as
// it takes until a person knows.
func (p *Personality) deadline(unit time.Duration) time.Duration {
	r := p.rules(unit, true) // the slower profile
	v, d := &r.Reversal, func(d iso8583.Duration) time.Duration { return time.Duration(d) }
	attempt := d(r.SendTimeout) + d(v.AnswerTimeout)
	attempts := 1 + 1 + 1 // the one under way, the next one, and the one after the hold-down
	if p.Refusals > 0 && slices.Contains(v.Retry, p.RefusalCode) {
		attempts += v.EscalateAfter
	}
	inquiries := time.Duration(r.Inquiry.Attempts) * (d(r.Inquiry.After) + d(r.Inquiry.Every) + d(r.SendTimeout) + d(r.Inquiry.AnswerTimeout))
	if s := r.SignOn.Schedule; len(s) > 0 { // what is owed waits for keys, and each attempt may be the one that is told so
		attempts *= 2
		inquiries += d(s[len(s)-1]) + d(r.SendTimeout) + d(r.SignOn.AnswerTimeout)
	}
	return inquiries + d(r.SendTimeout) + d(r.ResponseTimeout) + d(r.ConfirmTimeout) +
		time.Duration(attempts)*(attempt+v.Slowest()) + d(r.SendTimeout) + d(v.MessageLifetime)
}

// progress notes when t became undecided, and judges how long it took since
// nothing goes wrong any more.
func (w *World) progress(t *Txn) {
	if w.budget != nil {
		return
	}
	open := t.j.Open() && !t.escalated && !t.owed // an advice is decided: the host is to be told, for as long as it takes
	switch {
	case open && !t.open:
		t.since = w.now.Boot
	case !open && t.open && w.healing:
		took, allowed := w.now.Boot-max(t.since, w.healed), w.p.deadline(w.unit)*w.queue(t)
		w.stats.Longest = max(w.stats.Longest, took)
		if took > allowed {
			w.fail("P5", "%s took %s to its end although nothing went wrong any more; %s is allowed", t, took, allowed)
		}
	}
	t.open, t.advice = open, t.advice || t.j == txn.StateAdvising
}

// queue is how many have to end before t can, and t itself: advices of one
// terminal may have to be told in their order.
func (w *World) queue(t *Txn) time.Duration {
	n := time.Duration(1)
	for _, o := range w.txns {
		if t.advice && o.advice && o != t && o.begin.TID == t.begin.TID {
			n++
		}
	}
	return n
}
