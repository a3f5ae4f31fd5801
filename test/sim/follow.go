package sim

import (
	"cmp"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// books says what the host does for each type, and what its reversal does.
var books = map[iso8583.Type]struct{ does, undoes string }{
	iso8583.Sale:        {"DEBITS", "gives back the debit of"},
	iso8583.Offline:     {"DEBITS", "gives back the debit of"},
	iso8583.Void:        {"CREDITS", "takes back the credit of"},
	iso8583.Refund:      {"CREDITS", "takes back the credit of"},
	iso8583.PreAuth:     {"HOLDS", "lets go the hold of"},
	iso8583.PreAuthVoid: {"RELEASES", "holds again"},
	iso8583.Completion:  {"CAPTURES", "gives back the capture of"},
}

// left is what the ledgers still hold of o, without what but took: of a debit
// less its credits, of a hold all or nothing. A void of what captured a hold
// gives the hold back; a refund of it does not.
func (w *World) left(o, but *Txn) int64 {
	left := o.net
	for _, f := range w.txns {
		switch {
		case f.original != o || f == but || f.net == 0:
		case f.typ() == iso8583.Void || f.typ() == iso8583.Refund:
			left -= f.net
		case f.typ() == iso8583.PreAuthVoid, !w.voided(f, but):
			left = 0
		}
	}
	return left
}

// voided says whether a void of t stands.
func (w *World) voided(t, but *Txn) bool {
	for _, f := range w.txns {
		if f.original == t && f != but && f.typ() == iso8583.Void && f.net != 0 {
			return true
		}
	}
	return false
}

// standing is what the cardholder does without through t: its debit less the
// credits, its hold, or what the hold was captured for.
func (w *World) standing(t *Txn) int64 {
	stands := w.left(t, nil)
	if t.typ() == iso8583.PreAuth {
		for _, f := range w.txns {
			if f.original == t && f.typ() == iso8583.Completion {
				stands += w.left(f, nil)
			}
		}
	}
	return stands
}

// covered is P3 at the moment of booking: credits never exceed the debit, and
// a hold is let go or captured once. A host that booked what it was not asked
// for, or had declined, has only itself to blame.
func (w *World) covered(t *Txn, amount int64) {
	o := t.original
	left := w.left(o, t)
	if t.ledger != o.ledger {
		left = 0 // this address knows nothing of it
	}
	whole := t.typ() != iso8583.Refund && t.typ() != iso8583.Completion
	if amount <= left && (!whole || left == o.net) || w.misled(o, t) {
		return
	}
	w.fail("P3", "%s takes %d of %s, of which %d is left", t, amount, o, left)
}

// misled says that the host itself did wrong with o or what follows it.
func (w *World) misled(o, t *Txn) bool {
	for _, f := range w.txns {
		if (f == o || f == t || f.original == o) && (f.flipped || f.misread) {
			return true
		}
	}
	return false
}

// undone takes note of what the reversal of a follow-up leaves behind.
func (w *World) undone(t *Txn) {
	switch {
	case t.original == nil:
		return
	case t.typ() == iso8583.Void && w.left(t.original, nil) == t.original.net:
		w.saw(VoidUndone)
	case t.typ() == iso8583.Refund:
		w.saw(RefundUndone)
	case t.typ() == iso8583.Completion:
		w.saw(CompletionUndone)
	case t.typ() == iso8583.PreAuthVoid:
		w.saw(HoldBack)
	}
}

// followsOnWire judges the request of what follows another: only what is
// durably confirmed is followed, and it is named as the host knows it.
func (w *World) followsOnWire(t *Txn, f *iso8583.Facts) {
	o := t.original
	if o == nil {
		return
	}
	if !o.confirmed {
		w.fail("P3", "%s follows %s, which is durably %s", t, o, o.j)
	}
	want := iso8583.Original{
		MTI: mtis[o.typ().Kind()], STAN: o.intent.STAN, Transmission: o.intent.Transmission,
		Type: o.typ(), Batch: o.intent.Batch, LocalDate: cmp.Or(o.intent.HostDate, o.intent.LocalDate),
	}
	if f.Original != want {
		w.fail("identity", "%s names another original than %s", t, o)
	}
}

// locked judges a new intent of what follows another, in the order of the
// journal: one is undecided at a time.
func (w *World) locked(t *Txn) {
	for _, other := range w.txns {
		switch {
		case t.original == nil || other.original != t.original || other == t:
		case other.j.Open() || other.dubious:
			w.fail("P3", "%s begins while %s, which follows the same %s, is durably %s and undecided", t, other, t.original, other.j)
		case other.j == txn.StateReversed:
			w.saw(FollowedAgain)
		}
	}
}

// freed judges sale_paid: what was voided occupies its part of the sale no more,
// unless another that follows it is undecided.
func (w *World) freed(answer txn.Answer) {
	o := w.named(answer.Other)
	if o == nil || o.doubt || answer.Code != txn.SalePaid || w.followersExcused(o) {
		return
	}
	void := (*Txn)(nil)
	for _, f := range w.txns {
		switch {
		case f.original != o:
		case f.j.Open():
			return
		case f.confirmed && f.typ() == iso8583.Void:
			void = f
		}
	}
	if void != nil {
		w.fail("answer", "a part of a sale is called paid by %s, which %s voided", o, void)
	}
}

// unfollowed judges the refusal of what would follow another, by what is
// durable: a merchant who cannot give back what he owes is lost money too.
func (w *World) unfollowed(t *Txn, answer txn.Answer) {
	o, just := t.original, false
	used, busy := int64(0), false
	for _, f := range w.txns {
		if f.original != o || f == t || f.intent == nil {
			continue
		}
		busy = busy || f.uuid == answer.Other
		if f.confirmed || f.escalated {
			used += f.begin.Amount.Minor
		}
	}
	whole := t.typ() == iso8583.Void || t.typ() == iso8583.PreAuthVoid
	switch answer.Code {
	case txn.OriginalUnknown:
		just = t.found == txn.StateNone
	case txn.OriginalUnfit:
		w.saw(UnfitRefused)
		just = !follows(t.typ(), o.typ())
	case txn.OriginalOpen:
		w.saw(OpenRefused)
		just = t.found != txn.StateConfirmed || o.j != txn.StateConfirmed
	case txn.OriginalOwed:
		w.saw(OwedRefused)
		just = o.owed && t.found != txn.StateConfirmed
	case txn.OriginalBusy:
		w.saw(BusyRefused)
		just = busy
	case txn.OriginalUsed:
		w.saw(UsedRefused)
		just = used > 0
	case txn.AboveOriginal:
		w.saw(AboveRefused)
		just = t.begin.Amount.Minor > o.worth()-used || whole && t.begin.Amount.Minor != o.worth()
	}
	if !just && !o.doubt {
		w.fail("answer", "%s was answered %s, and nothing durable forbids it", t.describe(), answer.Code)
	}
}

func follows(t, o iso8583.Type) bool {
	for _, f := range followers[o] {
		if f == t {
			return true
		}
	}
	return false
}

// stuck judges that an approval cannot be confirmed any more: a person has it.
func (w *World) stuck(t *Txn) {
	if !t.escalated {
		w.fail("answer", "the confirm of %s was refused, and nobody is asked about it", t)
	}
}

// settleFollowed judges what is left of t at the end: what the agent says is
// what the ledgers hold, unless a person knows (P3, P6).
func (w *World) settleFollowed(t *Txn) {
	seen := w.agent.view.Get(t.uuid)
	if followers[t.typ()] == nil || t.j != txn.StateConfirmed || seen == nil {
		return
	}
	parts, known := 0, t.excused()
	for _, f := range w.txns {
		if f.original != t {
			continue
		}
		known = known || f.excused() || w.followersExcused(f)
		if f.typ() == iso8583.Refund && f.net != 0 {
			parts++
		}
		if f.typ() == iso8583.Completion && f.net != 0 && w.voided(f, nil) {
			w.saw(CompletionVoided)
		}
	}
	if parts > 1 {
		w.saw(PartsAddUp)
	}
	left, busy := w.left(t, nil), seen.Busy()
	switch {
	case busy != "" && w.closed(busy):
		w.fail("P5", "%s is locked by %s, which is decided", t, busy)
	case known:
	case left < 0:
		w.fail("P3", "%s holds %d less than was credited", t, -left)
	case seen.Left() != left:
		w.fail("P6", "of %s the agent says that %d is left, and the host holds %d", t, seen.Left(), left)
	}
}

// closed says that nothing is expected of a transaction any more, of the host or
// of a person.
func (w *World) closed(uuid string) bool {
	t := w.agent.view.Get(uuid)
	return t == nil || !t.State.Open() && !t.Escalated()
}

// followersExcused says that a person knows of something that follows t: a void
// of a completion decides about its hold too.
func (w *World) followersExcused(t *Txn) bool {
	for _, f := range w.txns {
		if f.original == t && f.excused() {
			return true
		}
	}
	return false
}

// settleInquiry judges what moves no money: it ends, and asks nobody.
func (w *World) settleInquiry(t *Txn) {
	switch {
	case t.net != 0 || t.booked > 0:
		w.fail("balance", "%s moved money", t)
	case t.j.Open():
		w.fail("P5", "%s is still %s", t, t.j)
	}
}

// failed: the end of what moves no money, and of nothing else.
func (w *World) failed(t *Txn) {
	t.j = txn.StateFailed
	w.saw(BalanceFailed)
	if t.typ().MovesMoney() {
		w.fail("P1s", "%s is durably failed, and a %s moves money", t, t.typ())
	}
}
