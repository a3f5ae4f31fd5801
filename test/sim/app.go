package sim

import (
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// app is one payment application on one terminal. It shows an approval only
// after its confirm was acknowledged, or when the agent says on recovery that
// it was confirmed. It may die at any point, come back or not, and know what
// it was doing or not.
type app struct {
	id    int
	tid   iso8583.TID
	state appState
	cur   *Txn
	lost  bool // the connection to the agent broke

	errand   int // number of the one under way, from 1
	job      errand
	freed    int // a sale that was given back, and may be sold again; 0 none
	since    time.Duration
	attempts int
	first    uint64 // of the requests whose answer it would take
	last     uint64

	knows      bool // after a crash: the UUID
	returns    bool
	recovering bool
	delivered  txn.Delivered // told last
	late       bool          // in an exhaustive run: it acts at any moment
	cancelled  bool          // it tried to, once for each transaction
	left       *Txn          // approved, and never to be confirmed
	said       txn.Confirm   // its latest
	session    string        // "": none that it knows of
	replaces   string        // what the next attempt closes
	rung       int           // purchases that were rung up again
}

type appState uint8

const (
	appIdle       appState = iota // between two sales
	appAsking                     // begin sent
	appWaiting                    // for the outcome
	appConfirming                 // confirm sent
	appCancelling                 // cancel sent
	appTelling                    // shown sent
	appDead
	appGone // dead for ever
	appDone // no more sales
)

func (s appState) String() string {
	return [...]string{"idle", "asking", "waiting", "confirming", "cancelling", "telling", "dead", "gone", "done"}[s]
}

// waits says that somebody stands in front of the application.
func (a *app) waits() bool { return a.state != appDone && a.state != appGone && a.state != appDead }

// cutOff: the agent died, so no answer will come.
func (a *app) cutOff() { a.lost = true }

// ready says that it can do something now.
func (a *app) ready(w *World) bool {
	switch a.state {
	case appDone, appGone:
		return false
	case appDead:
		return a.returns && w.agent.up
	case appIdle:
		return w.agent.up
	}
	if !w.agent.up {
		return false
	}
	if a.state != appWaiting {
		return a.lost
	}
	t := w.agent.view.Get(a.cur.uuid)
	return a.lost || t == nil || t.State != txn.StatePending && t.State != txn.StateInquiring || t.Escalated()
}

// act does the next thing.
func (a *app) act(w *World) {
	a.lost = false
	switch a.state {
	case appDead:
		a.comeBack(w)
	case appIdle:
		a.next(w)
	case appAsking:
		a.again(w)
	case appWaiting:
		a.look(w)
	case appTelling:
		a.tellShown(w)
	case appConfirming, appCancelling:
		a.state = appWaiting
	}
}

func (a *app) next(w *World) {
	if a.recovering {
		a.recover(w)
		return
	}
	if a.errand == w.p.errands() || len(w.txns) == len(uuids) {
		a.state = appDone
		return
	}
	a.errand++
	a.job = a.choose(w)
	a.since, a.attempts = w.now.Boot, 0
	a.attempt(w)
}

// attempt asks for it under a new UUID.
func (a *app) attempt(w *World) {
	n := len(w.txns)
	a.attempts++
	j := &a.job
	t := &Txn{uuid: uuids[n], owner: a, errand: a.errand, ref: j.ref, original: j.original}
	t.begin = &txn.Begin{
		UUID: t.uuid, Epoch: max(w.agent.view.Epoch(), 1), TID: a.tid, Type: j.typ,
		Amount: iso8583.Amount{Minor: j.minor, Currency: 156}, Digest: t.uuid, Card: card,
	}
	if j.ref > 0 {
		t.begin.Replaces, t.begin.CardHash = a.replaces, w.p.cardHash()
		if t.purchase = j.purchase; t.purchase == 0 {
			t.purchase, j.minor = a.errand, price(w)
		}
		t.begin.Amount.Minor = j.minor
		t.begin.Sale = saleNames[a.id][j.ref]
	}
	if j.original != nil {
		t.begin.Original = j.original.uuid
	}
	w.readCard(t)
	w.txns = append(w.txns, t)
	a.take(t)
	a.ask(w)
}

func (a *app) take(t *Txn) { a.cur, a.cancelled = t, false }

// ask sends begin for the present UUID, for the first time or again.
func (a *app) ask(w *World) {
	a.state = appAsking
	if a.underSession(w); !w.agent.up {
		return // it died of that
	}
	begin := *a.cur.begin
	begin.Session = a.session
	a.cur.begin = &begin
	if w.tracing {
		w.tell("app %d    begins %s", a.id, a.cur.describe())
	}
	if o := a.cur.original; o != nil {
		a.cur.found = o.j
	}
	e := *a.cur.begin
	e.Req = a.request(true)
	w.step(e)
}

// request numbers a request. Answers to the ones before are taken too, unless
// it is a new question.
func (a *app) request(anew bool) uint64 {
	a.last++
	if anew {
		a.first = a.last
	}
	return a.last
}

// again: the connection broke before begin was answered. Never journaled means
// that it is safe to send.
func (a *app) again(w *World) {
	if w.agent.view.Get(a.cur.uuid) != nil {
		a.state = appWaiting
	} else {
		a.ask(w)
	}
}

// look reads the durable view and acts on what became of the transaction.
func (a *app) look(w *World) {
	t := w.agent.view.Get(a.cur.uuid)
	switch {
	case t == nil:
		a.ask(w)
	case (t.State == txn.StatePending || t.State == txn.StateInquiring || t.State == txn.StateApproved) && t.Escalated():
		w.showUnknown(a.cur)
		a.state = appIdle
	case t.InQuestion(): // as the API says: call
		w.showUnknown(a.cur)
		a.state = appIdle
	case t.State == txn.StatePending, t.State == txn.StateInquiring:
		// the connection broke; it goes on waiting
	case t.State == txn.StateApproved && t.Kind.NeedsConfirmation():
		a.decide(w)
	case t.State == txn.StateApproved: // of a type that is not confirmed, it is all that the customer waits for
		w.showPaid(a.cur)
		a.state = appIdle
	case t.State == txn.StateConfirmed, t.State == txn.StateAdvising:
		w.showPaid(a.cur)
		a.done(w)
	default:
		a.refused(w)
	}
}

// decide: approved. Confirm, undo, or turn away.
func (a *app) decide(w *World) {
	switch {
	case a.left == a.cur || w.chance(w.p.WalksAway):
		a.left = a.cur
		w.tell("app %d    turns away from %s", a.id, a.cur)
		a.state = appIdle
	case !a.cancelled && w.chance(w.p.Cancels):
		a.cancel(w)
	case a.balks(w):
		a.refusePart(w)
	default:
		a.confirm(w)
		if a.state == appConfirming && w.agent.up && w.chance(w.p.ConfirmsTwice) {
			w.saw(ConfirmedTwice)
			again := a.said
			again.Req = a.request(false)
			w.step(again)
		}
	}
}

func (a *app) confirm(w *World) {
	a.state = appConfirming
	w.tell("app %d    confirms %s", a.id, a.cur)
	a.said = a.confirmation(w)
	w.step(a.said)
}

func (a *app) cancel(w *World) {
	if a.switches(w) {
		return
	}
	a.state, a.cancelled = appCancelling, true
	w.tell("app %d    cancels %s", a.id, a.cur)
	reasons := [...]txn.CancelReason{txn.CancelCustomer, txn.CancelCardRemoved, txn.CancelPartialRefused}
	reason := reasons[0]
	if w.budget == nil {
		reason = reasons[w.c.Intn(len(reasons))]
	}
	w.step(txn.Cancel{Req: a.request(true), UUID: a.cur.uuid, Reason: reason})
}

// done: committed and shown. Goods depend on a sale and a hold, so the agent is
// told what became of the screen; of the others it is told as it happens.
func (a *app) done(w *World) {
	t := a.cur
	if t.begin.Type == iso8583.Void && t.original.ref > 0 && t.original.owner == a {
		a.freed = t.original.ref
	}
	if t.begin.Type.HandsOver() || w.budget == nil && w.c.Intn(4) == 0 {
		a.tellShown(w)
	} else {
		a.state = appIdle
	}
}

// tellShown says what became of the screen.
func (a *app) tellShown(w *World) {
	a.state = appTelling
	delivered := txn.DeliveredYes
	if w.chance(w.p.ShownNo) {
		delivered = txn.DeliveredNo
	} else if w.chance(w.p.ShownEtc) {
		delivered = txn.DeliveredUnknown
	}
	a.delivered = delivered
	w.handedOver(a.cur)
	w.step(txn.Shown{Req: a.request(true), UUID: a.cur.uuid, Delivered: delivered})
}

// refused: nothing came of it. It may be tried again.
func (a *app) refused(w *World) {
	w.showUnpaid(a.cur)
	a.state = appIdle
	if !a.recovering && a.mayRetry(w) && w.chance(w.p.Retries) {
		a.attempt(w)
	}
}

// mayRetry: a sale reference is good for a business day, and this world's
// applications give a sale up well before it ends.
func (a *app) mayRetry(w *World) bool {
	return a.attempts < w.p.MaxAttempts && !a.saw(w, a.job.purchase) && w.now.Boot-a.since < 5*time.Hour && len(w.txns) < len(uuids)
}

// answered takes an answer of the agent to its application.
func (w *World) answered(answer txn.Answer) {
	if answer.UUID == "" {
		return // about a session
	}
	id := int(answer.Req >> 32)
	switch id {
	case operatorID:
		w.toOperator(answer)
		return
	case pesterID:
		w.toPester(answer)
		return
	}
	a := w.apps[id]
	if answer.Req < a.first {
		return // it does not wait for this one any more
	}
	if w.tracing {
		w.tell("agent    tells app %d: %s %s %s", id, answer.UUID, answer.Code, answer.Warning)
	}
	a.first = a.last + 1 // one answer is enough
	a.hear(w, answer)
}

func (a *app) hear(w *World, answer txn.Answer) {
	switch a.state {
	case appAsking:
		a.admitted(w, answer)
	case appConfirming:
		switch answer.Code {
		case txn.OK:
			w.agreedTo(a.cur)
			w.showPaid(a.cur)
			a.state, a.lost = appTelling, true // shown follows as its next act
		case txn.BeingReversed, txn.NotApproved:
			w.saw(ConfirmRaced)
			a.state = appWaiting // the view says the same
		case txn.Unsuitable:
			w.stuck(a.cur)
			a.state = appWaiting
		default:
			if !a.cardAnswer(w, answer.Code) {
				w.unheard(a, answer, "confirm of the approved")
			}
		}
	case appCancelling:
		a.state = appWaiting
	case appTelling:
		if answer.Code != txn.OK {
			w.unheard(a, answer, "shown of the confirmed")
		}
		a.cur.undelivered = a.cur.undelivered || a.delivered != txn.DeliveredYes
		a.state = appIdle
	}
}

func (a *app) admitted(w *World, answer txn.Answer) {
	switch answer.Code {
	case txn.Accepted, txn.Existing:
		a.state = appWaiting
		if answer.Warning == txn.BeingReversed {
			w.saw(WarnedReversing)
		}
	case txn.SaleOpen, txn.SalePaid:
		if answer.Code == txn.SaleOpen {
			w.saw(SaleOpenRefused)
		} else {
			w.saw(SalePaidRefused)
		}
		a.state = appWaiting
		a.take(w.named(answer.Other))
		w.freed(answer)
	case txn.SignOnRequired, txn.SigningOn:
		w.saw(RefusedKeyless)
		a.state = appIdle
	case txn.ReversalOwed:
		w.saw(GateClosed)
		a.state = appIdle
	case txn.EpochOld:
		a.outdated(w)
	case txn.ReplacedUnknown:
		if o := w.named(a.cur.begin.Replaces); o == nil || !o.gone {
			w.fail("answer", "%s replaces %s and was answered %s", a.cur, a.cur.begin.Replaces, answer.Code)
		}
		a.outdated(w) // what was to be closed is lost: a person has it
	case txn.OriginalInDoubt:
		w.saw(InDoubtRefused)
		a.state = appIdle
		if !a.cur.original.doubt {
			w.fail("answer", "%s was answered %s", a.cur.describe(), answer.Code)
		}
	case txn.UnknownSession: // it was missed, or another took the terminal
		w.saw(SessionLost)
		a.session = ""
		a.ask(w)
	case txn.SuspectedDuplicate:
		a.suspected(w, answer)
	case txn.AdviceQueueFull:
		w.saw(QueueFull)
		a.state = appIdle
	case txn.Settling, txn.BatchFull:
		w.saw(WaitedForSettlement)
		a.state = appIdle
	case txn.OriginalSettled:
		w.saw(SettledRefused)
		a.state = appIdle
		if o := a.cur.original; a.cur.typ() != iso8583.Void || w.batchOf("batch:"+string(o.intent.TID)+"/"+strconv.Itoa(o.intent.Serial)) == nil {
			w.fail("answer", "%s was answered %s, and its batch is not settled", a.cur.describe(), answer.Code)
		}
	case txn.OriginalUnknown, txn.OriginalUnfit, txn.OriginalOpen, txn.OriginalOwed, txn.OriginalBusy, txn.OriginalUsed, txn.AboveOriginal:
		w.unfollowed(a.cur, answer)
		a.state = appIdle
		if busy := w.named(answer.Other); answer.Code == txn.OriginalBusy && busy != nil && busy.owner == a {
			a.state = appWaiting
			a.take(busy) // it was asked for before, and is not through
		}
	default:
		w.fail("answer", "begin of %s was answered %s", a.cur, answer.Code)
	}
}

// chance is for what an application or a person does of its own will; nothing
// of the kind happens any more at the end of a run.
func (w *World) chance(perMille int) bool { return !w.healing && w.c.Chance(perMille) }

// saleNames are the merchant's references.
var saleNames = func() (names [4][64]string) {
	for i := range names {
		for j := range names[i] {
			names[i][j] = string(rune('a'+i)) + uuids[j][1:]
		}
	}
	return
}()
