package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Data keys: cards are sealed by batch, and a batch's key is destroyed some time
// after its settlement. No message may need a card whose key is gone, and no key
// may stay for ever.

// dataKeys is what the world knows of them. Its slices are changed in copies only.
type dataKeys struct {
	last   uint32   // the highest number that any intent was sealed under
	gone   []uint32 // destroyed, for good
	timers []dataKeyTimer
}

type dataKeyTimer struct {
	group string
	at    time.Duration
}

// started: whoever puts an older journal back, puts its key files back with it.
func (k *dataKeys) started(w *World) {
	if w.times == 0 {
		return
	}
	k.gone = slices.DeleteFunc(slices.Clone(k.gone), func(n uint32) bool {
		return !slices.ContainsFunc(w.disk.durable, func(r txn.Record) bool {
			_, ok := r.(*txn.DataKeyRetired)
			return ok && r.Group() == txn.DataKeyGroup(n)
		})
	})
}

// destroyKey is the shell's: the key is gone, and the core hears of it, unless the
// agent dies before.
func (w *World) destroyKey(n uint32) {
	k := &w.dataKeys
	w.tell("journal  data key %d is destroyed", n)
	if slices.Contains(k.gone, n) {
		w.saw(DataKeyAgain)
	} else {
		w.saw(DataKeyDestroyed)
		k.gone = append(slices.Clip(k.gone), n)
	}
	if w.store != nil {
		if err := w.store.log.DestroyKey(n); err != nil {
			w.fail("journal", "data key %d is not destroyed: %v", n, err)
		}
	}
	w.agent.reports = append(w.agent.reports, report{kind: reportDestroyed, dataKey: n, after: w.now.Boot})
}

// cardsThere: the shell can read every card that the message needs.
func (w *World) cardsThere(o *txn.Outbound) {
	need := o.Of
	if !o.Batch() && !o.Request() {
		need = []string{o.CardOf()}
	}
	for _, uuid := range need {
		if t := w.named(uuid); t != nil && t.intent != nil && !t.doubt && slices.Contains(w.dataKeys.gone, t.intent.DataKey) {
			w.fail("card", "a %s of %s needs its card, and data key %d is destroyed", o.Facts.Kind, t, t.intent.DataKey)
		}
	}
}

// dataKeyJournaled judges what is durable of data keys: none is retired while
// something of its batch is open or in front of a person.
func (w *World) dataKeyJournaled(r txn.Record) {
	switch r := r.(type) {
	case *txn.DataKey:
		w.dataKeys.last = max(w.dataKeys.last, r.Number)
	case *txn.DataKeyRetired:
		for _, t := range w.txns {
			if t.intent == nil || txn.DataKeyGroup(t.intent.DataKey) != r.Group() {
				continue
			}
			if seen := w.agent.view.Get(t.uuid); t.j.Open() || seen != nil && seen.Escalated() {
				w.fail("card", "%s is retired, and %s is %s", r.Group(), t, t.j)
			}
			if b := w.batchOf(txn.BatchGroup(t.intent.TID, t.intent.Serial)); !t.doubt && (b == nil || !b.ended) {
				w.fail("card", "%s is retired, and the batch of %s is not settled", r.Group(), t)
			}
		}
	}
}

// dataKeyTimer arms a key's timer, and says whether that is what it is.
func (w *World) dataKeyTimer(t txn.Timer) bool {
	if !txn.IsDataKey(t.UUID) {
		return false
	}
	k := &w.dataKeys
	k.timers = append(slices.DeleteFunc(slices.Clone(k.timers), func(o dataKeyTimer) bool { return o.group == t.UUID }), dataKeyTimer{t.UUID, t.At})
	return true
}

// fireDataKey lets a key's timer come due.
func (w *World) fireDataKey(i int) {
	k := &w.dataKeys
	t := k.timers[i]
	k.timers = slices.Delete(slices.Clone(k.timers), i, i+1)
	if w.now.Boot < t.at {
		w.settleDisk()
		w.now.Boot = t.at
		w.setWall()
	}
	if w.agent.up {
		w.step(txn.Timeout{UUID: t.group})
	}
}

// reviewDataKeys lets the time go by after which keys are looked at, at the end.
func (w *World) reviewDataKeys() {
	if w.p.Settles == 0 {
		return
	}
	for n := 3 * len(w.dataKeys.timers); n > 0 && w.broken == nil && len(w.dataKeys.timers) > 0; n-- {
		w.fireDataKey(0)
		w.heal()
	}
	if w.p.Flip > 0 && w.agent.up && w.broken == nil && w.c.Intn(2) == 1 { // the host says yes after all, long after
		w.flipOne()
		w.heal()
	}
}

// dataKeysGone: at the end of a run, the key of a batch in which nothing is
// expected any more is destroyed, and that is durable.
func (w *World) dataKeysGone() {
	if w.p.Settles == 0 || w.p.Rollback > 0 || w.budget != nil { // no time goes by in an exhaustive run
		return
	}
	for _, group := range w.agent.view.DataKeys() {
		var first *Txn
		kept := slices.ContainsFunc(w.txns, func(t *Txn) bool {
			if t.intent == nil || txn.DataKeyGroup(t.intent.DataKey) != group {
				return false
			}
			first = t
			seen := w.agent.view.Get(t.uuid)
			return t.typ() == "preauth" || seen != nil && !seen.Settled()
		})
		if first == nil {
			w.fail("card", "%s seals nothing", group)
			continue
		}
		b := w.batchOf(txn.BatchGroup(first.intent.TID, first.intent.Serial))
		switch {
		case b == nil || !b.ended: // it takes intents
		case kept || b.raised:
			w.saw(DataKeyKept)
		default:
			w.fail("card", "%s is not destroyed, and nothing of %s is open", group, b.group)
		}
	}
}
