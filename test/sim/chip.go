package sim

import (
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Cards is what cards and customers are like in a run. Rates are per thousand.
type Cards struct {
	Inserted, Tapped int // read by their chip
	CardDeclines     int // the second GENERATE AC
	Hasty            int // the application confirms before it has asked the card
	BadChip          int // DE 55 of an approval is no chip data
	Accepts          int // an approval of less will do
	Balks            int // the customer is asked, and does not want it
	Misnames         int // the application confirms another amount first

	Scripts bool // an approval brings a script, and the host is told what came of it
}

// drawCards makes the cards of a seed's personality.
func drawCards(rate func(...int) int) Cards {
	return Cards{
		Inserted: rate(300, 1000), Tapped: rate(300), CardDeclines: rate(100, 500), Hasty: rate(100), BadChip: rate(50),
		Accepts: rate(500, 1000), Balks: rate(300), Misnames: rate(100),
	}
}

// cardStory is what the world knows of a transaction's card and customer. The
// card answers once, and the customer is asked once.
type cardStory struct {
	chip    iso8583.Chip
	said    string // 9F27 of the second GENERATE AC; "" it was not asked
	spoiled bool   // DE 55 of its approval is no chip data
	balked  bool   // the customer did not want a part
	wanted  bool   // the customer did, or was not asked
	part    int64  // what is durably approved, if that is less than was asked for
	agreed  int64  // what was on the screen when the confirm was acknowledged; 0: the whole
	asked   int64  // the amount that the confirm under way names
	de55    string // of its first reversal that left
	left    bool   // and one has
	refused bool   // its confirm was taken as a cancel
}

var (
	insertedCard = chipCard("051")
	tappedCard   = chipCard("071")
)

func chipCard(entryMode string) *iso8583.Card {
	c := *card
	c.EntryMode, c.EMV = entryMode, iso8583.NewSecret("9F2608A1A2A3A4A5A6A7A8")
	return &c
}

// keptEMV is what the shell keeps of that chip's data.
const keptEMV = "9F2608A1A2A3A4A5A6A7A8" + "9F36020001" + "95050000000000"

// declinedTVR is what every card of this world says with its second cryptogram.
const declinedTVR = "95050000008000"

// readCard decides how the card of t is read, and whether a part will do.
func (w *World) readCard(t *Txn) {
	if !t.begin.Type.NeedsConfirmation() {
		return
	}
	if w.p.Inserted+w.p.Tapped > 0 {
		switch { // a terminal that cannot confirm takes neither a card inserted nor a part
		case !w.p.Implicit && w.chance(w.p.Inserted):
			t.story.chip, t.begin.Card, t.begin.EMV = iso8583.ChipContact, insertedCard, keptEMV
		case w.chance(w.p.Tapped):
			t.story.chip, t.begin.Card, t.begin.EMV = iso8583.ChipContactless, tappedCard, keptEMV
		}
	}
	t.begin.Partial = w.p.Accepts > 0 && !w.p.Implicit && w.chance(w.p.Accepts)
}

// balks asks the customer about a part, once.
func (a *app) balks(w *World) bool {
	t := a.cur
	if seen := w.agent.view.Get(t.uuid); seen.ApprovedMinor == 0 || w.p.Balks == 0 || t.story.wanted {
		return false // nobody asks a customer twice
	}
	t.story.balked = t.story.balked || w.chance(w.p.Balks)
	return t.story.balked
}

// refusePart cancels since the customer does not want a part. Where the type is
// not reversed that is refused, and the application has done what it can.
func (a *app) refusePart(w *World) {
	if a.cancelled {
		a.left, a.state = a.cur, appIdle
		return
	}
	a.cancelled = true
	a.state = appCancelling
	w.tell("app %d    refuses the part of %s", a.id, a.cur)
	w.step(txn.Cancel{Req: a.request(true), UUID: a.cur.uuid, Reason: txn.CancelPartialRefused})
}

// confirmation is a confirm with what the card and the customer said.
func (a *app) confirmation(w *World) txn.Confirm {
	t := a.cur
	e := txn.Confirm{Req: a.request(true), UUID: t.uuid}
	if t.story.chip == iso8583.ChipContact && (w.p.Hasty == 0 || !w.chance(w.p.Hasty)) {
		if t.story.said == "" {
			t.story.said = "40"
			if w.p.CardDeclines > 0 && w.chance(w.p.CardDeclines) {
				t.story.said = "00"
			}
		}
		e.Chip = txn.ChipVerdict{CID: t.story.said, EMV: declinedTVR}
		if w.p.Scripts {
			e.Chip.Scripts = "2000000001"
		}
	}
	if seen := w.agent.view.Get(t.uuid); seen != nil {
		e.Amount = seen.ApprovedMinor
		if e.Amount != 0 && w.p.Misnames > 0 && w.chance(w.p.Misnames) {
			e.Amount = t.begin.Amount.Minor
		}
	}
	t.story.asked = e.Amount
	t.story.wanted = t.story.wanted || e.Amount != 0
	return e
}

// cardAnswer takes the answers to a confirm that are about card or amount, and
// says whether this was one.
func (a *app) cardAnswer(w *World, code txn.Code) bool {
	t := a.cur
	switch code {
	case txn.TakenAsCancel:
		w.saw(CardDeclined)
		t.story.refused = true
		if t.story.said == "40" || t.story.said == "" {
			w.fail("answer", "the card of %s did not decline, and its confirm was taken as a cancel", t)
		}
	case txn.ChipVerdictMissing:
		w.saw(VerdictMissing)
		if t.story.chip != iso8583.ChipContact {
			w.fail("answer", "%s was asked for the word of a card that is not in the reader", t)
		}
	case txn.AmountNotAgreed:
		w.saw(AmountRefused)
		if t.story.asked == 0 {
			w.fail("answer", "%s was approved whole, and its confirm was refused for its amount", t)
		}
	default:
		return false
	}
	a.state, a.lost = appWaiting, true
	return true
}

// agreedTo: the confirm that named an amount was acknowledged.
func (w *World) agreedTo(t *Txn) {
	if t.story.asked != 0 && t.story.asked != t.net {
		w.fail("partial", "a confirm of %s for %d was acknowledged while the host holds %d", t, t.story.asked, t.net)
	}
}

// due is what is paid by t, as far as the screen knows.
func (t *Txn) due() int64 {
	if t.story.agreed != 0 {
		return t.story.agreed
	}
	return t.begin.Amount.Minor
}

// worth is what of t there is to give back or to complete.
func (t *Txn) worth() int64 {
	if t.story.part != 0 {
		return t.story.part
	}
	return t.begin.Amount.Minor
}

// onScreen is the amount that is about to be shown as paid: what the confirm
// named, or what the durable state says where the application forgot.
func (w *World) onScreen(t *Txn) {
	if seen := w.agent.view.Get(t.uuid); seen != nil && seen.ApprovedMinor != 0 {
		t.story.agreed = seen.ApprovedMinor
		w.saw(PartAccepted)
	}
}

// committed judges a durable confirmation by what the card said (R4: the commit
// point of a chip is the card's word, then ours).
func (w *World) committed(t *Txn) {
	switch {
	case t.story.chip == iso8583.ChipContact && t.story.said == "":
		w.fail("chip", "%s is durably confirmed, and its card was never asked", t)
	case t.story.said != "" && t.story.said != "40":
		w.fail("chip", "%s is durably confirmed although its card declined", t)
	case t.story.spoiled && t.story.chip == iso8583.ChipContact:
		w.fail("chip", "%s is durably confirmed, and its card never got what it waits for", t)
	case t.story.balked:
		w.fail("partial", "%s is durably confirmed although the customer did not want a part", t)
	}
}

// sameChip: every attempt of a reversal carries the same DE 55.
func (w *World) sameChip(t *Txn, f *iso8583.Facts) {
	switch s := &t.story; {
	case !s.left:
		s.left, s.de55 = true, f.ChipData
	case s.de55 != f.ChipData:
		w.fail("identity", "the reversal of %s carries another DE 55 than before", t)
	case s.refused && !strings.HasPrefix(s.de55, declinedTVR):
		w.fail("chip", "the reversal of %s does not say why its card declined", t)
	}
}

// spoil makes the approval of t one whose DE 55 is no chip data.
func (w *World) spoil(t *Txn) {
	if t.story.chip != "" && w.p.BadChip > 0 && w.fault(ChipSpoiled, w.p.BadChip) {
		t.story.spoiled = true
	}
}

// shape is what of the story decides the future.
func (s *cardStory) shape(b []byte) []byte {
	b = append(b, bit(s.chip != ""), bit(s.chip == iso8583.ChipContact), bit(s.spoiled), bit(s.balked), bit(s.wanted), bit(s.agreed != 0), bit(s.part != 0), bit(s.asked != 0), bit(s.left), bit(s.refused), bit(s.de55 != ""))
	return append(b, s.said...)
}
