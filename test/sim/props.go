package sim

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Txn is what the world knows of one transaction. None of it comes from the
// agent's memory; J(t) is read from durable records by this package's own fold.
type Txn struct {
	uuid  string
	owner *app
	begin *txn.Begin // to be asked again with; replaced, never changed, once it was

	errand   int       // of the owner
	ref      int       // number of the sale's reference; 0 none
	original *Txn      // what it follows
	found    txn.State // durable, of the original when it was asked for
	purchase int       // of the owner, that it is for; 0: none
	insisted bool      // somebody said that it is another purchase

	// The wire.
	key  hostKey // of its request, once one was released
	left int     // requests that went on the wire

	notice time.Duration // when the timer of its notice comes due; 0: none is armed

	net int64 // what the ledgers hold of it: debited, held, given back or let go under its key

	// The screen.
	paid, unpaid, unknown int

	undelivered bool // and somebody said that the goods were not handed over
	dropped     bool // its application died, and does not know of it
	attempts    int  // of its reversal
	before      int  // of these, before its hold-down; 0: there was none
	granted     int  // of those after it, that the host said 00 to when nothing went wrong any more

	// Durable.
	intent    *txn.Intent
	records   []txn.Record
	keys      []string // of these
	j         txn.State
	confirmed bool  // ever
	committed int64 // when it was, by the wall clock
	told      bool  // somebody said what became of the screen
	stale     bool  // it was said to be handed over when it was older than it may be (R10)
	escalated bool  // ever
	handled   bool  // an operator gave the acquirer's word
	held      bool  // a hold-down ended
	story     cardStory

	// Liveness.
	open   bool // durably undecided, and in front of nobody
	since  time.Duration
	advice bool

	// The shell.
	armed bool
	timer time.Duration

	// Of inquiries and advices.
	inquiries int            // durable
	asks      []iso8583.STAN // that they were given
	question  iso8583.Facts  // the latest
	owed      bool           // an advice, durably

	booked  int
	ledger  int  // that it was booked in
	flipped bool // the host said no, then yes
	dubious bool // its approval was first heard of when its reversal was done
	misread bool // the host booked something else than was asked for
	heard   bool // and a late approval is durable
	doubt   bool // a journal that held it was lost, or replaced by an older one
	gone    bool // and the journal knows nothing of it
}

// String is the transaction in a transcript.
func (t *Txn) String() string { return t.uuid }

func (t *Txn) typ() iso8583.Type { return t.begin.Type }

// describe says what is asked for.
func (t *Txn) describe() string {
	what := fmt.Sprintf("%s: %s %s", t, t.typ(), t.begin.Amount)
	switch {
	case t.original != nil:
		what += " of " + t.original.uuid
	case t.ref > 0:
		what += " (sale " + t.begin.Sale + ")"
	}
	return what
}

func closedNegative(j txn.State) bool {
	return j == txn.StateDeclined || j == txn.StateReversed || j == txn.StateNotSent || j == txn.StateFailed
}

// journaled takes note of a durable record: J(t, ·) and Esc(t).
func (w *World) journaled(r txn.Record) {
	if w.tracing {
		w.tell("disk     %s %s", r.Group(), r.Type())
	}
	t := w.named(r.Group())
	if t == nil {
		w.batchJournaled(r)
		return
	}
	if w.p.Keep >= 0 {
		t.records, t.keys = append(t.records, r), append(t.keys, txn.Keys(r)...)
	}
	before := t.j
	switch r := r.(type) {
	case *txn.Intent:
		w.begun(t, r)
	case *txn.Hold:
		t.before = t.attempts
	case *txn.Approved:
		t.j = txn.StateApproved
		t.story.part = r.Minor
	case *txn.Declined:
		t.j = txn.StateDeclined
	case *txn.NotSent:
		t.j = txn.StateNotSent
	case *txn.Failed:
		w.failed(t)
	case *txn.Confirmed:
		w.committed(t)
		t.j, t.confirmed, t.committed = txn.StateConfirmed, true, r.At
	case *txn.Reversing:
		if t.j = txn.StateReversing; t.doubt {
			w.fail("R15", "%s is reversed, and what was lost may have let it stand", t)
		}
	case *txn.Reversed:
		t.j = txn.StateReversed
	case *txn.Attempt:
		t.attempts = r.N
		if r.Series > 0 && !t.held {
			t.held = true
			w.saw(HeldDown)
		}
	case *txn.ReversalAnswer:
		if r.Verdict == txn.VerdictDone && r.Code == "94" {
			w.saw(DuplicateClosed)
		}
	case *txn.Late:
		if r.Class == iso8583.Approved.String() {
			t.dubious = t.dubious || !t.heard && t.j == txn.StateReversed && t.held
			t.heard = true
		}
	case *txn.Escalated:
		t.escalated = true
		w.raised(t, r.Cause)
	case *txn.Followed:
		w.saw(Locked)
	case *txn.Acknowledged:
		// It is made only for what is open, and the queue is what people see.
		w.saw(TakenOn)
		if shown := w.agent.view.Get(t.uuid); shown != nil && !shown.Escalated() {
			w.fail("P5", "a person took on an item of %s, and it left the queue undecided", t)
		}
	case *txn.Resolved:
		w.decided(t, r.Verb)
	default:
		w.journaledAdvice(t, r)
	}
	w.progress(t)
	if t.j != before && closedNegative(t.j) && t.net != 0 && !t.flipped {
		w.fail("P1s", "%s is durably %s while the host holds %d", t, t.j, t.net)
	}
	if before == txn.StateConfirmed && t.j != before && !t.doubt {
		w.fail("P4", "%s was durably confirmed and is now %s", t, t.j)
	}
	if before == txn.StateReversing && t.confirmed && t.j == txn.StateConfirmed && !t.handled {
		w.fail("P4", "%s was durably reversing and is now confirmed", t)
	}
}

// begun: a durable intent. Its STAN must be new to the terminal.
func (w *World) begun(t *Txn, r *txn.Intent) {
	if t.intent != nil {
		w.fail("identity", "%s has two intents", t)
	}
	w.stats.Transactions++
	t.intent, t.j = r, txn.StatePending
	w.locked(t)
	if b := w.batchOf("batch:" + string(r.TID) + "/" + strconv.Itoa(r.Serial)); b != nil {
		w.fail("batch", "%s begins in a batch that is being settled", t)
	}
	for _, other := range w.txns {
		if o := other.intent; other != t && o != nil && o.TID == r.TID && (o.STAN == r.STAN || slices.Contains(other.asks, r.STAN)) {
			w.fail("identity", "%s has the STAN %s of %s", t, r.STAN, other)
		}
	}
}

// decided: the acquirer's word, through an operator who tells the truth.
func (w *World) decided(t *Txn, v txn.Verb) {
	switch v {
	case txn.VerbReversed:
		t.j, t.handled, t.dubious = txn.StateReversed, true, false
		w.saw(OperatorReversed)
	case txn.VerbDebited:
		t.j, t.confirmed, t.handled, t.dubious = txn.StateConfirmed, true, true, false
		w.saw(OperatorDebited)
	}
}

func (w *World) raised(t *Txn, c txn.Cause) {
	if !t.typ().MovesMoney() {
		w.fail("balance", "a person is asked about %s, which moves no money (%s)", t, c)
	}
	if (c == txn.CauseNotShown || c == txn.CauseNotDelivered) && !t.typ().HandsOver() {
		w.fail("R10", "a person is asked about goods, and none depend on the %s %s", t.typ(), t)
	}
	switch c {
	case txn.CauseNotReversible:
		w.saw(NotReversibleRaised)
	case txn.CauseUnknown:
		w.saw(UnknownEscalated)
	case txn.CauseNotShown:
		w.saw(NotShownRaised)
	case txn.CauseCollision:
		w.saw(CollisionRaised)
	case txn.CauseSilence:
		w.saw(SilenceRaised)
	case txn.CauseContradiction:
		w.saw(Contradicted)
	case txn.CauseUnbelievable:
		w.saw(Disbelieved)
	case txn.CauseAfterDecision:
		w.saw(Reopened)
	case txn.CauseAdviceRefused:
		w.saw(AdviceRefusedRaised)
	case txn.CauseAdviceSilence:
		w.saw(AdviceSilenceRaised)
	case txn.CauseCardGone:
		w.saw(CardGoneRaised)
	}
}

// onWire judges a message as it is handed to the link: R1, R6 and P4.
func (w *World) onWire(t *Txn, o *txn.Outbound) {
	f := &o.Facts
	key := hostKey{f.TID, f.STAN, f.Original.Transmission}
	if o.Attempt == 0 {
		key.de7 = f.Transmission
	}
	if t.intent == nil {
		w.fail("R1", "a %s of %s leaves before its intent is durable", f.Kind, t)
		return
	}
	switch {
	case o.Inquiry > 0:
		w.asked(t, o)
		return
	case o.Attempt > 0 && !o.Reversal():
		w.told(t, o)
		return
	}
	if f.Batch != t.intent.Batch {
		w.fail("C.19", "a %s of %s leaves under batch %q, and it is of %q", f.Kind, t, f.Batch, t.intent.Batch)
	}
	if o.Attempt == 0 {
		if t.left > 0 {
			w.fail("identity", "the request of %s goes on the wire again", t)
		}
		if t.key.stan != 0 && t.key != key {
			w.fail("identity", "the request of %s changed its identity", t)
		}
		t.key = key
		if o.Route > 0 {
			w.saw(Rerouting)
		}
		w.followsOnWire(t, f)
		return
	}
	switch {
	case !t.typ().MovesMoney() || slices.Contains(w.p.NotReversed, t.typ()) || t.owed:
		w.fail("R6", "a reversal of %s leaves, and a %s is not reversed", t, t.typ())
	case t.confirmed:
		w.fail("P4", "a reversal of %s leaves after its durable confirmation", t)
	case t.j != txn.StateReversing && t.j != txn.StateReversed && t.j != txn.StateNotSent:
		w.fail("R6", "a reversal of %s leaves while it is durably %s", t, t.j)
	case t.key.stan != 0 && t.key != key:
		w.fail("identity", "the reversal of %s names another original", t)
	}
	w.sameChip(t, f)
}

// booked and unbooked are the host's ledger: P1s, P2, P3.
func (w *World) booked(t *Txn, amount int64, ledger int) {
	t.booked++
	t.ledger = ledger
	t.misread = t.misread || amount != t.begin.Amount.Minor && (!t.begin.Partial || amount > t.begin.Amount.Minor)
	if t.original != nil {
		w.covered(t, amount)
	}
	t.net += amount
	w.tell("host     %s %d for %s", books[t.typ()].does, amount, t)
	if t.booked > 1 {
		w.fail("P3", "%s is booked twice", t)
	}
	if closedNegative(t.j) && !t.flipped {
		w.fail("P1s", "%s is booked although it is durably %s", t, t.j)
	}
}

func (w *World) unbooked(t *Txn, amount int64) {
	t.net -= amount
	w.tell("host     %s %d of %s", books[t.typ()].undoes, amount, t)
	w.undone(t)
	if t.held {
		w.saw(HoldCaughtDebit)
	}
	if t.paid > 0 {
		w.fail("P2", "%s is undone after its approval was shown", t)
	}
	if t.handled && t.j == txn.StateConfirmed {
		w.fail("P4", "%s is undone after the acquirer's word, through a person, that it stands", t)
	}
}

// showPaid is the approval on the screen: goods leave.
func (w *World) showPaid(t *Txn) {
	w.onScreen(t)
	if t.paid++; t.paid > 1 {
		w.saw(ShownAgain)
	}
	if !t.typ().MovesMoney() {
		w.saw(BalanceAnswered)
	}
	w.tell("app %d    shows APPROVED %s", t.owner.id, t)
	if t.typ().MovesMoney() && t.net != t.due() && !t.owed { // an advice's is not the host's
		w.fail("P2", "the approval of %s is shown while the host holds %d", t, t.net)
	}
}

func (w *World) showUnpaid(t *Txn) {
	t.unpaid++
	w.tell("app %d    shows NOT APPROVED %s", t.owner.id, t)
}

func (w *World) showUnknown(t *Txn) {
	t.unknown++
	w.tell("app %d    shows UNKNOWN, call %s", t.owner.id, t)
}

// shapely judges what every Ready must look like, whoever obeys it.
func (w *World) shapely(r *txn.Ready) {
	w.implicitly(r)
	for i := range r.Messages {
		o := &r.Messages[i]
		if o.Batch() || o.Facts.Kind == iso8583.KindScript {
			continue // batchOnWire, scriptLeaves
		}
		if !justified(r, o) {
			w.fail("ready", "a %s of %s without its record in the same Ready", o.Facts.Kind, o.UUID)
		}
		if (o.Request() && o.Facts.Kind != iso8583.KindSignOn) != (o.Facts.Card != nil) {
			w.fail("ready", "a %s of %s with the wrong card data", o.Facts.Kind, o.UUID)
		}
	}
}

// justified: a request only beside its intent or its rerouting, a reversal
// only beside its attempt.
func justified(r *txn.Ready, o *txn.Outbound) bool {
	for _, rec := range r.Records {
		if s, ok := rec.(*txn.SignOnSent); ok && o.UUID == txn.SignOnID(s.TID) && s.STAN == o.Facts.STAN {
			return true
		}
		if rec.Group() != o.UUID {
			continue
		}
		switch rec := rec.(type) {
		case *txn.Intent:
			if o.Request() && o.Facts.Kind == rec.Kind.Kind() {
				return true
			}
		case *txn.Rerouted:
			if o.Request() && rec.Route == o.Route {
				return true
			}
		case *txn.Attempt:
			if o.Reversal() && rec.N == o.Attempt {
				return true
			}
		case *txn.Inquiry:
			if rec.N == o.Inquiry && rec.STAN == o.Facts.STAN {
				return true
			}
		case *txn.AdviceAttempt:
			if !o.Reversal() && rec.N == o.Attempt {
				return true
			}
		}
	}
	return false
}

// settle judges the end of a run, which stands for settlement.
func (w *World) settle() {
	w.settleBatches()
	w.dataKeysGone()
	w.noticesKept()
	for i, t := range w.txns {
		if t.intent == nil {
			if t.net != 0 {
				w.fail("P1", "%s is booked and nobody knows of it", t)
			}
			continue
		}
		if t.doubt {
			w.settleDoubt(t)
			continue
		}
		if !t.typ().MovesMoney() {
			w.settleInquiry(t)
			continue
		}
		w.settleOne(t)
		w.settleFollowed(t)
		for _, o := range w.txns[:i] {
			// P3: one net debit for a sale.
			if t.ref != 0 && o.owner == t.owner && o.ref == t.ref && w.standing(o) != 0 && w.standing(t) != 0 && !o.excused() && !t.excused() {
				w.fail("P3", "%s and %s both stand for one sale", o, t)
			}
			w.boughtTwice(o, t)
		}
	}
	for _, a := range w.apps {
		if a.waits() {
			w.fail("liveness", "application %d waits for ever (%s, %s)", a.id, a.state, a.cur)
		}
	}
}

// excused: a person knows, or nobody on this side can.
func (t *Txn) excused() bool { return t.doubt || t.escalated || t.handled || t.flipped && !t.heard }

func (w *World) settleOne(t *Txn) {
	seen := w.agent.view.Get(t.uuid)
	item := seen != nil && seen.Escalated()
	alive := t.owner.state != appGone && t.owner.state != appDead
	if t.flipped && !t.heard {
		return // only reconciliation can tell
	}
	goods := t.typ().HandsOver() && w.standing(t) != 0
	switch {
	case goods && t.paid == 0 && !t.escalated && !t.handled:
		w.fail("P1", "%s is debited (durably %s), was never shown as approved and is in front of nobody", t, t.j)
	case t.paid > 0 && t.net != t.due() && (!t.owed || !item && !t.handled):
		w.fail("P2", "%s was shown as approved and the host holds %d", t, t.net)
	case t.j.Open() && !item:
		w.fail("P5", "%s is still %s and in front of nobody", t, t.j)
	case t.granted > 1 && t.j == txn.StateReversing && !seen.Parked && !seen.Stuck:
		w.fail("P5", "%s is still %s; the host said 00 to %d attempts after the hold-down, and nothing went wrong any more", t, t.j, t.granted)
	case (t.net != 0) != (t.j == txn.StateConfirmed) && !item:
		w.fail("P6", "%s is durably %s, the host holds %d, and no item is open", t, t.j, t.net)
	case goods && t.stale && t.j == txn.StateConfirmed && !t.escalated && !t.handled:
		w.fail("R10", "%s was paid too long before it was shown again, and it is in front of nobody", t)
	case goods && t.undelivered && t.j == txn.StateConfirmed && !t.escalated && !t.handled:
		w.fail("R10", "the goods of %s were not handed over, and it is in front of nobody", t)
	case alive && (goods || t.original != nil && !t.dropped) && t.j == txn.StateConfirmed && t.paid == 0 && !t.escalated && !t.handled:
		w.fail("P7", "%s is confirmed and its application never heard of it", t)
	}
	if goods && t.paid == 0 && t.j == txn.StateConfirmed && !alive {
		w.saw(GoneWithDebit)
	}
}
