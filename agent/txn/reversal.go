package txn

import (
	"cmp"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// reverse decides, irrevocably, to undo t, and sends the first reversal (R6).
func (s *step) reverse(t *Transaction, c Cause) {
	r := s.rules(t)
	if !t.Kind.MovesMoney() {
		s.finish(t, &Failed{})
		return
	}
	s.lock(t) // a declined one may have let its original go
	answered := t.State == StateApproved || c == CausePartial || c == CauseChipData
	if stuck := s.undecidable(t, r); stuck != "" {
		s.escalate(t, stuck)
		if (t.State == StatePending || t.State == StateInquiring) && !answered {
			s.quieten(t)
		}
		s.disarm(t)
		return
	}
	s.record(t.UUID, &Reversing{
		Cause: c, Reason: reason(&r.Reversal.Reasons, c), Answered: answered, ChipData: chipOfReversal(&r.Chip, t, c),
	})
	s.attempt(t, false)
}

// undecidable says why only a person can decide about t, or "".
func (s *step) undecidable(t *Transaction, r *iso8583.Rules) Cause {
	switch {
	case s.m.InDoubt(t):
		return CauseLost // what is lost may have let it stand
	case !reversible(r, t.Kind):
		return CauseNotReversible
	case s.m.CardGone(t): // it was declined, and its batch is long settled
		return CauseCardGone
	}
	return ""
}

// quieten puts off the acquirer's word until the request of t can reach the
// host no more: it would be about what has not happened yet.
func (s *step) quieten(t *Transaction) {
	w := s.wait(t)
	w.Quiet = max(w.Request, s.now.Boot) + time.Duration(s.rules(t).Reversal.MessageLifetime)
}

// mayArrive puts the acquirer's word off after a restart: what was sent before it
// may still be on its way, and where entries were lost nobody knows what that is.
func (s *step) mayArrive(t *Transaction) {
	s.wait(t).Quiet = s.now.Boot + time.Duration(s.rules(t).Reversal.MessageLifetime)
}

// reason is DE 39 of the reversal.
func reason(r *iso8583.Reasons, c Cause) string {
	switch c {
	case CauseCancelled, CausePartial, CauseReplaced:
		return r.Customer
	case CauseChip:
		return r.Chip
	case CauseUnbelievable, CauseContradiction, CauseChipData:
		return r.Invalid
	case CauseBadMAC, CauseUnprovedNo:
		return cmp.Or(r.MAC, r.Invalid)
	default:
		return r.Timeout
	}
}

// attempt sends the reversal once more. The first of a series has a DE 7 of
// its own; the others repeat it, under the repeat MTI from the second send on.
func (s *step) attempt(t *Transaction, fresh bool) {
	r, w := s.rules(t), s.wait(t)
	if t.Parked {
		s.disarm(t)
		return
	}
	if s.withhold(t) {
		return
	}
	a := &Attempt{N: t.Attempts + 1, Series: t.Series, Transmission: t.SeriesDE7, Repeat: t.Repeat || !w.Unsent}
	if fresh {
		a.Series++
	}
	if fresh || t.Attempts == 0 {
		a.Transmission, a.Repeat = s.freshDE7(t), false
	}
	s.record(t.UUID, a)
	kind := iso8583.KindReversal
	if a.Repeat {
		kind = iso8583.KindReversalRepeat
	}
	f := t.facts(kind)
	f.Transmission, f.Reason, f.Original = a.Transmission, t.Reason, t.identity(r)
	f.RRN, f.AuthCode, f.ChipData = t.RRN, t.AuthCode, t.ReversalEMV
	if t.ApprovedMinor != 0 || t.Cause == CausePartial {
		f.Remains = iso8583.Amount{}.DE95()
	}
	s.ready.Messages = append(s.ready.Messages, Outbound{
		UUID: t.UUID, Route: s.reversalRoute(t, r), Attempt: a.N, Series: a.Series, Facts: f,
	})
	w.Unsent, w.Keys = false, s.m.keySTAN(t.TID)
	w.Attempt = s.now.Boot + time.Duration(r.SendTimeout)
	w.Quiet = w.Attempt + time.Duration(r.Reversal.MessageLifetime)
	s.arm(t, waitAnswer, r.SendTimeout+r.Reversal.AnswerTimeout)
}

// freshDE7 is now, but never what the series before used: a replay cache must
// not answer, and its answers must not be taken for this series'.
func (s *step) freshDE7(t *Transaction) string {
	wall := s.now.Wall
	for transmission(wall) == t.SeriesDE7 {
		wall += 1000
	}
	return transmission(wall)
}

// reversalRoute is the address that had the request; where the acquirer's
// addresses share a ledger, each unsent attempt moves on to the next one.
func (s *step) reversalRoute(t *Transaction, r *iso8583.Rules) int {
	term := s.m.terminals[t.TID]
	if !r.Reversal.SharedLedger || term == nil || term.Routes < 2 {
		return t.Route
	}
	return (t.Route + s.wait(t).Shift) % term.Routes
}

func attemptSent(s *step, t *Transaction, ev Event) {
	if ev.(Sent).Attempt != t.Attempts || s.wait(t).For != waitAnswer {
		return
	}
	s.wait(t).Attempt = s.now.Boot
	if t.SentAttempt == 0 {
		s.record(t.UUID, &ReversalSent{N: t.Attempts})
	}
	s.arm(t, waitAnswer, s.rules(t).Reversal.AnswerTimeout)
}

func attemptUnsent(s *step, t *Transaction, ev Event) {
	if ev.(Unsent).Attempt != t.Attempts || s.wait(t).For != waitAnswer {
		return
	}
	s.wait(t).Unsent = true
	s.wait(t).Shift++
	s.retryLater(t)
}

func attemptInDoubt(s *step, t *Transaction, ev Event) {
	if ev.(InDoubt).Attempt == t.Attempts && s.wait(t).For == waitAnswer {
		s.retryLater(t)
	}
}

// retryLater ends an attempt that brought nothing. From the configured number
// on a person knows; sending goes on all the same.
func (s *step) retryLater(t *Transaction) {
	r := &s.rules(t).Reversal
	if t.Attempts >= r.EscalateAfter {
		s.escalate(t, CauseSilence)
	}
	pause := r.Schedule.Wait(t.Attempts - t.SeriesStart + 2)
	if t.HostRefused {
		pause = r.Slowest()
	}
	if t.Parked {
		s.disarm(t)
		return
	}
	s.arm(t, waitRetry, iso8583.Duration(pause))
}

// reversalTimeUp is the end of one of the three waits of a reversal.
func reversalTimeUp(s *step, t *Transaction, _ Event) {
	switch s.wait(t).For {
	case waitAnswer:
		s.retryLater(t)
	case waitRetry:
		s.attempt(t, t.Hold == HoldWaiting) // one that waited for keys, after the hold-down
	case waitHold:
		s.attempt(t, true)
	}
}

// reversalAnswer judges an answer by the row "Answer codes that end a
// reversal".
func reversalAnswer(s *step, t *Transaction, ev Event) {
	e := ev.(Response)
	verdict := s.judge(t, &e)
	if s.idle(t, verdict) {
		verdict = VerdictIgnored
	}
	if verdict == VerdictIgnored && t.Evidence >= evidencePerTxn {
		return
	}
	doneBefore := t.SawDone
	s.record(t.UUID, &ReversalAnswer{Code: e.Code, Route: e.Route, Verdict: verdict})
	switch verdict {
	case VerdictDone:
		s.done(t)
	case VerdictUnknown:
		s.unknownOriginal(t, doneBefore)
	case VerdictRetry:
		s.retryLater(t)
	case VerdictSignOn:
		s.demandsSignOn(t, &e, s.wait(t).Keys)
		if !s.withhold(t) {
			s.retryLater(t)
		}
	case VerdictDuplicate:
		s.refused(t, CauseDuplicate)
	case VerdictRefused:
		s.refused(t, CauseRefused)
	}
}

func (s *step) judge(t *Transaction, e *Response) Verdict {
	r := &s.rules(t).Reversal
	minor, err := iso8583.ParseDE4(e.Amount)
	switch {
	case e.Route != t.Route && !r.SharedLedger, // row "Whose answer closes"
		!believed(s.rules(t), e) && !s.rules(t).SignOn.Demands(e.Code),
		e.Amount != "" && (err != nil || minor != t.Minor && minor != t.Taken()),
		t.Hold == HoldWaiting && (!s.refuses(r, e.Code) || s.rules(t).SignOn.Demands(e.Code)): // nothing is asked at present
		return VerdictIgnored
	case s.rules(t).SignOn.Demands(e.Code):
		return VerdictSignOn
	case slices.Contains(r.Done, e.Code):
		return VerdictDone
	case slices.Contains(r.Duplicate, e.Code):
		if t.SawUnknown || t.HostRefused || t.Hold != HoldNone || t.SentAttempt == 0 || t.SentAttempt >= t.Attempts {
			return VerdictDuplicate
		}
		return VerdictDone
	case slices.Contains(r.Unknown, e.Code):
		return VerdictUnknown
	case slices.Contains(r.Retry, e.Code):
		return VerdictRetry
	default:
		return VerdictRefused
	}
}

// idle says that the verdict brings nothing: no attempt is waiting for an
// answer, and it neither closes, nor holds down, nor escalates for the first
// time. A host that repeats itself must not fill the journal or hold up the
// next attempt.
func (s *step) idle(t *Transaction, v Verdict) bool {
	if s.wait(t).For == waitAnswer {
		return false
	}
	switch v {
	case VerdictRetry, VerdictSignOn:
		return true
	case VerdictRefused, VerdictDuplicate:
		return t.HostRefused
	case VerdictUnknown:
		return t.HostRefused && t.SawUnknown
	}
	return false
}

// refuses says whether the code is in no list at all.
func (s *step) refuses(r *iso8583.ReversalRules, code string) bool {
	return !slices.Contains(slices.Concat(r.Done, r.Duplicate, r.Unknown, r.Retry), code)
}

// done: the host says that it is reversed. Where the request was never
// answered it may still arrive after its reversal, and a host that keeps no
// tombstones would debit then: wait for the longest lifetime of a message and
// ask once more (R3′).
func (s *step) done(t *Transaction) {
	r := &s.rules(t).Reversal
	if r.Tombstones || t.Answered || t.Hold == HoldOver {
		s.finish(t, &Reversed{})
		return
	}
	s.hold(t)
}

// unknownOriginal: 25.
func (s *step) unknownOriginal(t *Transaction, doneBefore bool) {
	r := &s.rules(t).Reversal
	switch {
	case doneBefore && r.UnknownAfterDone && (t.Hold == HoldOver || r.Tombstones || t.Answered):
		s.finish(t, &Reversed{})
	case t.Hold == HoldNone && !doneBefore:
		s.hold(t)
	default:
		s.refused(t, CauseUnknown)
	}
}

func (s *step) hold(t *Transaction) {
	s.record(t.UUID, &Hold{})
	s.holdDown(t)
}

// holdDown waits for the longest lifetime of a message, from when the request
// and the latest attempt have left, so that neither they nor an answer to them
// can still come: with a connection for each message the request may leave
// after its reversal. After a restart all of it again.
func (s *step) holdDown(t *Transaction) {
	if t.Parked {
		s.disarm(t)
		return
	}
	w := s.wait(t)
	left := max(w.Request, s.now.Boot)
	if t.Attempts > t.SeriesStart { // the only attempt has left, or nobody had answered
		left = max(left, w.Attempt)
	}
	s.arm(t, waitHold, iso8583.Duration(left-s.now.Boot)+s.rules(t).Reversal.MessageLifetime)
}

// requestLeft: the request has left only now, behind its reversal. A terminal that
// sleeps, or a slow disk, makes that later than its time to be sent says.
func requestLeft(s *step, t *Transaction, _ Event) {
	w := s.wait(t)
	w.Request = s.now.Boot
	w.Quiet = max(w.Quiet, s.now.Boot+time.Duration(s.rules(t).Reversal.MessageLifetime))
	if w.For == waitHold {
		s.holdDown(t)
	}
}

// refused: the host will not. It never closes (R12); a person decides, and
// sending goes on at the slowest pace.
func (s *step) refused(t *Transaction, c Cause) {
	s.escalate(t, c)
	if t.Hold != HoldWaiting {
		s.retryLater(t)
	}
}

// reversalAnswerLate is an answer to a reversal that is no longer owed.
func reversalAnswerLate(s *step, t *Transaction, ev Event) {
	if e := ev.(Response); t.Evidence < evidencePerTxn {
		s.record(t.UUID, &ReversalAnswer{Code: e.Code, Route: e.Route, Verdict: VerdictIgnored})
	}
	if t.ByOperator {
		s.escalate(t, CauseAfterDecision)
	}
}

// reversalRestart takes an owed reversal up again.
func reversalRestart(s *step, t *Transaction, _ Event) {
	s.mayArrive(t)
	if t.Hold == HoldWaiting {
		s.holdDown(t)
		return
	}
	s.attempt(t, false)
}
