package txn

import "github.com/counterfoil-pos/counterfoil/iso8583"

// What the payment application and the operator ask for.

// commit makes what somebody is going to show final, and waits for his word that
// he did (R10).
func (s *step) commit(t *Transaction) {
	s.record(t.UUID, &Confirmed{Undated: s.now.Dead})
	s.paid(t)
	s.arm(t, waitShown, s.rules(t).ShownTimeout)
}

// paid keeps when t was, by the clock since boot.
func (s *step) paid(t *Transaction) {
	s.wait(t).Paid = s.now.Boot
	if s.now.Dead {
		s.m.undated = s.now.Boot
	}
}

func confirmEarly(s *step, t *Transaction, ev Event) { s.answer(ev.(Confirm).Req, t.UUID, NotDecided) }

func confirmLate(s *step, t *Transaction, ev Event) {
	e := ev.(Confirm)
	s.answer(e.Req, t.UUID, declinedAgain(t, &e, BeingReversed))
}

func confirmNothing(s *step, t *Transaction, ev Event) {
	e := ev.(Confirm)
	s.answer(e.Req, t.UUID, declinedAgain(t, &e, NotApproved))
}

// cancel undoes what is not confirmed.
func cancel(s *step, t *Transaction, ev Event) {
	e := ev.(Cancel)
	if t.Stuck || t.Kind.MovesMoney() && !reversible(s.rules(t), t.Kind) {
		s.answer(e.Req, t.UUID, Unsuitable) // the host or a person decides
		return
	}
	cause := CauseCancelled
	switch e.Reason {
	case CancelCardDeclined, CancelCardRemoved:
		cause = CauseChip
	case CancelPartialRefused:
		switch {
		case t.ApprovedMinor == 0: // nothing was approved yet, and the request may still be on its way
		case s.rules(t).PartialRefused == iso8583.PartialVoid && !t.NeedsVerdict():
			s.recordPart(t)
			s.answer(e.Req, t.UUID, OK)
			return
		default:
			cause = CausePartial
		}
	}
	s.reverse(t, cause)
	s.answer(e.Req, t.UUID, OK)
}

func cancelAgain(s *step, t *Transaction, ev Event) { s.answer(ev.(Cancel).Req, t.UUID, OK) }

// recordPart makes a part that is not wanted final and not handed over: the
// application voids it under a UUID of its own, and a person has it until then
// (R10). A chip in the reader is told no instead, and its approval reversed.
func (s *step) recordPart(t *Transaction) {
	s.commit(t)
	s.record(t.UUID, &ShownNote{Delivered: DeliveredNo})
	s.escalate(t, CauseNotDelivered)
	s.disarm(t)
}

// partUnwanted says that only a part was approved and nothing was handed over.
func (t *Transaction) partUnwanted() bool { return t.ApprovedMinor != 0 && t.Shown == DeliveredNo }

// cancelLate refuses: what is committed is voided. The same refusal of a part,
// asked again, is answered the same.
func cancelLate(s *step, t *Transaction, ev Event) {
	e, code := ev.(Cancel), Committed
	if e.Reason == CancelPartialRefused && t.partUnwanted() {
		code = OK
	}
	s.answer(e.Req, t.UUID, code)
}

// shown takes the application's word about a confirmed sale (R10). Only "yes"
// is delivery; anything else is a person's.
func shown(s *step, t *Transaction, ev Event) {
	e := ev.(Shown)
	if !e.Delivered.valid() {
		s.answer(e.Req, t.UUID, Invalid)
		return
	}
	if e.Delivered != t.Shown {
		s.record(t.UUID, &ShownNote{Delivered: e.Delivered})
	}
	w := s.wait(t)
	late := w.For == waitShown && s.now.Boot >= w.Deadline // the timer was about to say so
	if w.For == waitShown {
		s.disarm(t)
	}
	switch {
	case !t.Kind.HandsOver(), t.givenBack(): // no goods depend on it, or no money
	case late:
		s.escalate(t, CauseNotShown)
	case e.Delivered == DeliveredNo:
		s.escalate(t, CauseNotDelivered)
	case e.Delivered == DeliveredUnknown:
		s.escalate(t, CauseNotShown)
	}
	s.answer(e.Req, t.UUID, OK)
}

// shownNot notes that the application showed that nothing was paid.
func shownNot(s *step, t *Transaction, ev Event) {
	e := ev.(Shown)
	if !e.Delivered.valid() {
		s.answer(e.Req, t.UUID, Invalid)
		return
	}
	if e.Delivered != t.Shown {
		s.record(t.UUID, &ShownNote{Delivered: e.Delivered})
	}
	s.answer(e.Req, t.UUID, OK)
}

func shownEarly(s *step, t *Transaction, ev Event) { s.answer(ev.(Shown).Req, t.UUID, NotConfirmed) }

// notShown: confirmed, and in all that time nobody said that it was shown.
func notShown(s *step, t *Transaction, _ Event) {
	s.escalate(t, CauseNotShown)
	s.disarm(t)
}

// resolve is an operator's decision, with a name and a reason.
func resolve(s *step, t *Transaction, ev Event) {
	e := ev.(Resolve)
	code := s.unfit(t, &e)
	if code == "" {
		s.record(t.UUID, &Resolved{Verb: e.Verb, Who: e.Who, Why: e.Why, Ref: e.Ref})
		s.resolved(t, e.Verb)
		code = OK
	}
	s.answer(e.Req, t.UUID, code)
}

// unfit says why the verb cannot be obeyed now, or "".
func (s *step) unfit(t *Transaction, e *Resolve) Code {
	switch e.Verb {
	case VerbPark:
		if !t.sending() || t.Parked || t.Stuck {
			return Unsuitable
		}
	case VerbResume:
		// What collided would collide again, and as a repeat look as if it was taken.
		if !t.sending() || !t.Parked && !t.Stuck || t.has(CauseCollision) {
			return Unsuitable
		}
		// The lost entries may have it under way to another address, with a ledger of its own.
		if t.Advice && s.m.InDoubt(t) && s.now.Boot < s.wait(t).Quiet {
			return TooEarly
		}
	case VerbOverride:
		if t.State != StateReversing && !t.Stuck && !s.m.InDoubt(t) || t.Overridden || t.State == StateAdvising {
			return Unsuitable
		}
	case VerbReversed, VerbDebited:
		switch {
		case e.Ref == "":
			return Invalid
		case !t.sending() && !t.Stuck:
			return Unsuitable
		case !t.Stuck && !t.Parked:
			return ParkFirst
		case s.now.Boot < s.wait(t).Quiet:
			return TooEarly
		}
	case VerbClose:
		if t.State.Open() || t.Stuck || !t.Escalated() {
			return Unsuitable
		}
	default:
		return Invalid
	}
	if e.Who == "" || e.Why == "" {
		return Invalid
	}
	return ""
}

func (s *step) resolved(t *Transaction, v Verb) {
	switch v {
	case VerbResume:
		switch {
		case t.Advice:
			s.line(t)
		case t.Hold == HoldWaiting:
			s.holdDown(t)
		default:
			s.attempt(t, false)
		}
	case VerbPark:
		s.escalate(t, CauseParked) // nothing is sent: a person has it until it is closed
		s.leave(t)
	case VerbReversed, VerbDebited:
		s.unlock(t)
		s.leave(t)
	}
}

// sending says that there is something to be sent until the host closes it.
func (t *Transaction) sending() bool { return t.State == StateReversing || t.State == StateAdvising }

// leave lets t wait for nothing, and what stood in line behind it go on.
func (s *step) leave(t *Transaction) {
	s.disarm(t)
	if t.Advice {
		s.advance(t.TID)
	}
}
