package txn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// begin admits a transaction or says why not. Everything that can forbid the
// request is asked here, before the intent: afterwards it is sent.
func (s *step) begin(e Begin) {
	if t := s.m.hot[e.UUID]; t != nil {
		code := Existing
		if t.Digest != e.Digest {
			code = UUIDReused
		}
		s.answer(e.Req, e.UUID, code)
		return
	}
	term := s.m.terminals[e.TID]
	if code := s.m.refuse(term, &e); code != "" {
		s.answer(e.Req, e.UUID, code)
		return
	}
	if code := s.refuseKeyless(term); code != "" {
		s.answer(e.Req, e.UUID, code)
		return
	}
	code, other := s.m.conflict(term, &e, s.now)
	if code != "" && code != BeingReversed {
		s.ready.Answers = append(s.ready.Answers, Answer{Req: e.Req, UUID: e.UUID, Code: code, Other: other})
		return
	}
	if other := s.m.suspect(term, &e, s.now); other != "" {
		s.ready.Answers = append(s.ready.Answers, Answer{Req: e.Req, UUID: e.UUID, Code: SuspectedDuplicate, Other: other})
		return
	}
	if code := s.m.refuseBatch(term); code != "" {
		s.answer(e.Req, e.UUID, code)
		return
	}
	if other := s.m.gate(&e, &term.Rules); other != "" {
		s.ready.Answers = append(s.ready.Answers, Answer{Req: e.Req, UUID: e.UUID, Code: ReversalOwed, Other: other})
		return
	}
	if s.m.queueFull(term, e.Type) {
		s.answer(e.Req, e.UUID, AdviceQueueFull)
		return
	}
	stan, ok := s.m.nextSTAN(e.TID, s.now.Wall)
	if !ok {
		s.answer(e.Req, e.UUID, STANExhausted)
		return
	}
	s.replace(&e)
	s.intent(&e, term, stan)
	s.ready.Answers = append(s.ready.Answers, Answer{Req: e.Req, UUID: e.UUID, Code: Accepted, Warning: code, Other: other})
}

// refuse checks what does not depend on other transactions.
func (m *Machine) refuse(term *Terminal, e *Begin) Code {
	switch {
	case e.Epoch != m.epoch:
		return EpochOld
	case term == nil:
		return UnknownTerminal
	case e.UUID == "" || strings.Contains(e.UUID, ":"),
		!e.Type.Valid(), e.Card == nil,
		e.Type.HandsOver() == (e.Sale == ""), e.Sale == "" && e.Part != "",
		e.Approval != "" && e.Type != iso8583.Offline,
		e.Partial && !e.Type.NeedsConfirmation(),
		(e.Type.Originals() != nil) == (e.Original == ""),
		e.Sale == "" && e.Replaces+e.NotDuplicateOf != "", e.Replaces == e.UUID,
		e.Amount.Minor < 0 || e.Amount.Minor > iso8583.MaxMinor,
		(e.Amount.Minor == 0) == e.Type.MovesMoney(),
		!e.Amount.Currency.Known():
		return Invalid
	case !term.Rules.Supports(e.Type):
		return Unsupported
	case term.Rules.EpochMark == iso8583.EpochMarkNone && m.openLoss():
		return Quarantined
	}
	return m.refuseSession(term, e)
}

// conflict says which earlier transaction forbids this one, or warns of it.
func (m *Machine) conflict(term *Terminal, e *Begin, now Time) (Code, string) {
	switch {
	case e.Type.Originals() != nil:
		return m.refuseOriginal(term, e)
	case e.Type.HandsOver():
		if code := m.refuseReplaced(term, e); code != "" {
			return code, e.Replaces
		}
		return m.refuseSale(SaleKey(term.MID, e.Sale, e.Part), e.Replaces, now)
	}
	return "", ""
}

// saleAgain is how long a paid part refuses another attempt even though the
// local date has changed: an application that died just before midnight and
// comes back just after must not charge again. A clock that is behind the
// confirmation is wrong (a dead battery says 1970) and frees nothing.
const saleAgain = int64(6 * time.Hour / time.Millisecond)

// refuseSale is R11: one live attempt per part of a sale. Once reversing is
// durable, or about to be in the same batch, a new one is admitted, with
// BeingReversed as a warning.
func (m *Machine) refuseSale(key, replaced string, now Time) (Code, string) {
	warning, other := Code(""), ""
	for _, uuid := range m.bySale[key] {
		t := m.hot[uuid]
		switch t.State {
		case StatePending, StateInquiring, StateApproved:
			if !t.Overridden && uuid != replaced {
				return SaleOpen, uuid
			}
			warning, other = BeingReversed, uuid
		case StateConfirmed, StateAdvising:
			if t.givenBack() {
				continue
			}
			_, date, year := localTime(now)
			near := now.Wall - t.Confirmed
			if t.LocalDate == date && t.Year == year || near < saleAgain || m.paidLately(uuid, now) {
				return SalePaid, uuid
			}
		case StateReversing:
			warning, other = BeingReversed, uuid
		}
	}
	return warning, other
}

// paidLately says that this process saw the confirmation less than saleAgain ago,
// whatever the wall clock did since: one that comes back from 1970 makes no day.
// Of what an earlier process saw under a dead clock nobody knows when that was:
// it is as old as this process. Nor of what has left memory since, with its wait:
// it is as old as the latest that was paid so.
func (m *Machine) paidLately(uuid string, now Time) bool {
	const again = time.Duration(saleAgain) * time.Millisecond
	return m.paidWithin(uuid, again, now) || m.hot[uuid].Undated && now.Boot-m.undated < again
}

func (m *Machine) paidWithin(uuid string, d time.Duration, now Time) bool {
	w := m.waits[uuid]
	return w != nil && w.Paid != 0 && now.Boot-w.Paid < d
}

// refuseOriginal is what P3 asks of credits and completions: one that follows
// at a time, never more than is left, and only after what stands.
func (m *Machine) refuseOriginal(term *Terminal, e *Begin) (Code, string) {
	o := m.hot[e.Original]
	switch {
	case o == nil:
		return OriginalUnknown, e.Original
	case !slices.Contains(e.Type.Originals(), o.Kind), o.MID != term.MID, o.Currency != e.Amount.Currency:
		return OriginalUnfit, e.Original
	case o.State == StateAdvising:
		return OriginalOwed, e.Original
	case e.CardHash != "" && o.CardHash != "" && e.CardHash != o.CardHash:
		return OtherCard, e.Original // credits and captures belong to the card that was debited or held
	case o.State != StateConfirmed:
		return OriginalOpen, e.Original
	case e.Type == iso8583.Void && m.inSettledBatch(o):
		return OriginalSettled, e.Original // C.23: what is settled is refunded
	case m.InDoubt(o) && !o.Overridden:
		return OriginalInDoubt, e.Original
	case o.Busy() != "":
		return OriginalBusy, o.Busy()
	case o.Left() == 0, e.Type != iso8583.Refund && o.Left() != o.Taken():
		return OriginalUsed, e.Original
	case e.Amount.Minor > o.Left(), (e.Type == iso8583.Void || e.Type == iso8583.PreAuthVoid) && e.Amount.Minor != o.Taken():
		return AboveOriginal, e.Original
	}
	return "", ""
}

// gate says which owed reversal forbids a new transaction, or "". One that the
// new one is going to bring about counts. What is told to the host adds no
// reversal, and is needed most when the host cannot be reached, so a limit does
// not hold it up.
func (m *Machine) gate(e *Begin, rules *iso8583.Rules) string {
	limit := rules.OwedLimit
	switch {
	case rules.Gate == iso8583.GateStrict:
		limit = 1
	case rules.Advice.Covers(e.Type):
		return ""
	}
	for _, uuid := range m.open {
		if t := m.hot[uuid]; t.TID == e.TID && (t.blocks() || uuid == e.Replaces && t.replaceable()) {
			if limit--; limit <= 0 {
				return uuid
			}
		}
	}
	return ""
}

// intent makes the intent durable and sends the request: the only place that
// does, since the card is in nobody's memory afterwards. An advice needs no
// more of the card than what is sealed.
func (s *step) intent(e *Begin, term *Terminal, stan iso8583.STAN) {
	clock, date, year := localTime(s.now)
	hostTime, hostDate := "", ""
	if s.m.clocks[term.TID] != nil {
		hostTime, hostDate = s.wireTime(term.TID)
	}
	route := s.firstRoute(e, term)
	batch, serial := s.m.batchOf(term)
	dataKey := s.sealUnder(e.TID, serial)
	s.record(e.UUID, &Intent{
		Kind: e.Type, TID: e.TID, MID: term.MID, STAN: stan, Epoch: s.m.epoch,
		Minor: e.Amount.Minor, Currency: e.Amount.Currency,
		Sale: e.Sale, Part: e.Part, Digest: e.Digest,
		PAN: e.Card.Masked(), CardHash: e.CardHash,
		Transmission: transmission(s.now.Wall), LocalTime: clock, LocalDate: date, Year: year,
		Rules: term.hash, Route: route, Original: e.Original, Address: term.address(route),
		Approval: e.Approval, Session: e.Session, Implicit: term.Implicit && e.Type.NeedsConfirmation(),
		Replaces: e.Replaces, NotDuplicateOf: e.NotDuplicateOf, Undated: s.now.Dead,
		HostTime: hostTime, HostDate: hostDate,
		Chip: e.Card.ReadChip(), EMV: e.EMV, Partial: e.Partial, Batch: batch, Serial: serial, DataKey: dataKey, Handle: e.Card.Handle != nil, Card: e.Card,
	})
	t := s.m.hot[e.UUID]
	s.wait(t).Holder = e.Session
	s.lock(t)
	if term.Rules.Advice.Covers(e.Type) {
		s.owe(t)
		return
	}
	s.request(t, e.Card)
}

// firstRoute is the address that is tried first. What follows another goes to
// the address that had it: where the addresses keep separate ledgers, no other
// can give back, capture or let go what it does not hold (row "Whose answer
// closes"). An address that is configured no more cannot be kept to.
func (s *step) firstRoute(e *Begin, term *Terminal) int {
	o := s.m.hot[e.Original]
	switch {
	case o == nil || term.Rules.Reversal.SharedLedger:
		return e.Route
	case len(term.Addresses) == 0:
		return o.Route
	}
	if i := slices.Index(term.Addresses, o.Address); i >= 0 {
		return i
	}
	return e.Route
}

// address is the host:port of a route, or "" where the shell did not say.
func (t *Terminal) address(route int) string {
	if t == nil || route < 0 || route >= len(t.Addresses) {
		return ""
	}
	return t.Addresses[route]
}

// lock makes t's original wait for t, unless it does already.
func (s *step) lock(t *Transaction) {
	o := s.m.hot[t.Original]
	if t.Original == "" || o != nil && slices.ContainsFunc(o.Follows, func(f Follow) bool { return f.By == t.UUID && f.Open }) {
		return
	}
	s.record(t.Original, &Followed{By: t.UUID, Kind: t.Kind, Minor: t.Minor, TID: t.TID, STAN: t.STAN})
}

// finish records the end of t and what that means for its original.
func (s *step) finish(t *Transaction, end Record) {
	s.record(t.UUID, end)
	s.unlock(t)
	s.disarm(t)
}

// unlock lets t's original go, now that t is decided. A void takes back what its
// original took: of a completion, the hold, which can be completed again or let
// go.
func (s *step) unlock(t *Transaction) {
	if t.Original == "" {
		return
	}
	done := t.State == StateConfirmed
	s.record(t.Original, &FollowEnded{By: t.UUID, Done: done})
	o := s.m.hot[t.Original]
	if o == nil {
		return
	}
	if done && t.Kind == iso8583.Void && o.Original != "" {
		s.record(o.Original, &FollowEnded{By: o.UUID})
	}
	if s.wait(o).For == waitShown && !o.awaitsShown() {
		s.disarm(o)
	}
}

// request sends the request of t to its present address.
func (s *step) request(t *Transaction, card *iso8583.Card) {
	r := s.rules(t)
	f := s.ownFacts(t)
	f.Card = card
	s.ready.Messages = append(s.ready.Messages, Outbound{UUID: t.UUID, Route: t.Route, Facts: f})
	s.arm(t, waitResponse, r.SendTimeout+r.ResponseTimeout)
	s.wait(t).Request = s.now.Boot + time.Duration(r.SendTimeout)
	s.wait(t).Keys = s.m.keySTAN(t.TID)
}

// ownFacts is what t's own message carries: its request, or its advice.
func (s *step) ownFacts(t *Transaction) iso8583.Facts {
	f := t.facts(t.Kind.Kind())
	f.Transmission, f.AuthCode = t.Transmission, t.Approval
	if o := s.m.hot[t.Original]; o != nil {
		f.RRN, f.AuthCode = o.RRN, o.AuthCode
		f.Original = o.identity(s.rules(o))
	}
	return f
}

// facts is what every message about t carries.
func (t *Transaction) facts(k iso8583.Kind) iso8583.Facts {
	clock, date := t.wire()
	return iso8583.Facts{
		Kind: k, Type: t.Kind, TID: t.TID, MID: t.MID, STAN: t.STAN, Amount: t.Amount(),
		LocalTime: clock, LocalDate: date, Batch: t.Batch,
	}
}

// identity is what DE 90 says of t's request.
func (t *Transaction) identity(r *iso8583.Rules) iso8583.Original {
	_, date := t.wire()
	return iso8583.Original{
		MTI: r.MTI[t.Kind.Kind()], STAN: t.STAN, Transmission: t.Transmission,
		Type: t.Kind, Batch: t.Batch, LocalDate: date,
	}
}

// unsent: no byte left for this address, which is certain. Another may be
// tried (row "Failover": only before the first byte); with none left the
// transaction never was.
func unsent(s *step, t *Transaction, ev Event) {
	e := ev.(Unsent)
	if e.Route != t.Route || t.Stuck {
		return
	}
	if t.State != StatePending {
		// Given up before it left: there is nothing to ask or to reverse any more.
		s.finish(t, &NotSent{})
		return
	}
	if next := s.nextRoute(t); next != t.FirstRoute && e.Card != nil {
		s.record(t.UUID, &Rerouted{Route: next, Address: s.m.terminals[t.TID].address(next)})
		s.request(t, e.Card)
		return
	}
	s.finish(t, &NotSent{})
}

// nextRoute is the address after t's present one, where that is certain not to
// have had t. What follows another is bound to the address that had it.
func (s *step) nextRoute(t *Transaction) int {
	routes := 1
	if t.Original != "" && !s.rules(t).Reversal.SharedLedger {
		return t.Route
	}
	if term := s.m.terminals[t.TID]; term != nil {
		routes = max(term.Routes, 1)
	}
	return (t.Route + 1) % routes
}

// requestSent starts the host's time.
func requestSent(s *step, t *Transaction, ev Event) {
	if !t.Stuck && ev.(Sent).Route == t.Route {
		s.wait(t).Request = s.now.Boot
		s.arm(t, waitResponse, s.rules(t).ResponseTimeout)
	}
}

// localTime gives DE 12, DE 13 and the year in the terminal's zone.
func localTime(now Time) (clock, date string, year int) {
	w := time.UnixMilli(now.Wall).UTC().Add(time.Duration(now.Zone) * time.Second)
	return w.Format("150405"), w.Format("0102"), w.Year()
}

// transmission gives DE 7, UTC.
func transmission(wall int64) string {
	return time.UnixMilli(wall).UTC().Format("0102150405")
}

// reversible says whether the rules reverse this type.
func reversible(r *iso8583.Rules, t iso8583.Type) bool { return slices.Contains(r.Reversal.Types, t) }

// String names a transaction in messages to people: never card data.
func (t *Transaction) String() string {
	return fmt.Sprintf("%s %s %s TID %s STAN %s", t.UUID, t.Kind, t.Amount(), t.TID, t.STAN)
}
