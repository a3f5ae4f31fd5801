package txn

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The settlement of a batch. Nothing new is taken while it goes on. What is
// undecided ends first; owed reversals and advices have one last round, are
// flagged then, left out of the totals, and go on under the old batch. Then the
// set is frozen, the host is told its totals until it answers, and, where it
// does not agree, the transactions, from the first record that it has not
// acknowledged, and that this was all. Whatever it says, the batch ends and its
// number moves, in one durable step; a difference is a person's (P6).

// Settle asks for the terminal's oldest unsettled batch to be settled. Asking
// again while it is under way is harmless.
type Settle struct {
	Req   uint64
	TID   iso8583.TID
	Who   string
	Route int // the address to tell
}

// BatchResolve is an operator's decision about a batch: VerbClose closes the
// items of one that ended; VerbSettled ends one that the acquirer says is
// settled.
type BatchResolve struct {
	Req    uint64
	TID    iso8583.TID
	Serial int
	Verb   Verb
	Who    string
	Why    string
	Ref    string // the acquirer's reference
}

// VerbSettled is the acquirer's word that a batch is settled, or that it is
// settled with it outside of this terminal.
const VerbSettled Verb = "acquirer-settled"

func (Settle) event()       {}
func (BatchResolve) event() {}

// uploadSize is how many records an upload holds at the most (B1, 0320).
const uploadSize = 8

func (s *step) settle(e Settle) {
	term := s.m.terminals[e.TID]
	switch {
	case term == nil:
		s.answer(e.Req, "", UnknownTerminal)
		return
	case !term.Rules.Settlement.Has():
		s.answer(e.Req, "", Unsupported)
		return
	case s.m.openLoss():
		s.answer(e.Req, "", Quarantined)
		return
	}
	if b := s.m.busy(e.TID); b != nil {
		s.answer(e.Req, b.Group(), Existing)
		return
	}
	due := s.m.unsettled(e.TID)[0]
	group := BatchGroup(e.TID, due.Serial)
	s.record(group, &BatchClosingBegun{TID: e.TID, Serial: due.Serial, Number: due.Number, Rules: term.hash, Route: e.Route, Who: e.Who})
	s.answer(e.Req, group, Accepted)
	b := s.m.byGroup(group)
	s.batchWait(b)
	s.lastRound(b)
}

// unsettled lists the terminal's batches that are to be settled, oldest first:
// those that were left, then the present one.
func (m *Machine) unsettled(tid iso8583.TID) (all []batchHead) {
	for _, b := range m.settlements {
		if b.TID == tid && b.State == BatchLeft {
			all = append(all, batchHead{Serial: b.Serial, Number: b.Number})
		}
	}
	return append(all, m.present(tid))
}

// members lists what is in memory of the batch, in the order of its intents.
// Needs has brought back the rest.
func (m *Machine) members(b *Batch) (all []*Transaction) {
	for _, list := range [][]string{m.cold, m.open} {
		for _, uuid := range list {
			if t := m.hot[uuid]; t.TID == b.TID && t.Serial == b.Serial {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, func(x, y *Transaction) int {
		if x.At != y.At {
			return int(min(max(x.At-y.At, -1), 1))
		}
		return int(x.STAN) - int(y.STAN)
	})
	return all
}

// lastRound sends what the batch owes once more, at once.
func (s *step) lastRound(b *Batch) {
	for _, t := range s.m.members(b) {
		switch w := s.wait(t); {
		case t.State == StateReversing && w.For == waitRetry:
			s.attempt(t, false)
		case t.State == StateAdvising && w.For == waitResend:
			s.tell(t)
		}
	}
}

// freeze ends the closing of every batch in which nothing is waited for any
// more. It runs at the end of each Step. After a restart a batch waits for its
// Recovered: until then what is settled of it may not be in memory.
func (s *step) freeze() {
	for _, group := range s.m.Settling() {
		if b := s.m.byGroup(group); b.State == BatchClosing && !b.Stuck && s.m.waits[group] != nil && !s.undecided(b) {
			s.freezeBatch(b)
		}
	}
}

// undecided says that something of the batch is to end first: by itself, or by
// the end of its last round.
func (s *step) undecided(b *Batch) (waiting bool) {
	for _, t := range s.m.members(b) {
		if !t.State.Open() || t.Stuck {
			continue
		}
		w := s.wait(t)
		switch t.State {
		case StatePending, StateInquiring, StateApproved:
			return true
		default:
			if w.Round == 0 {
				w.Round = max(t.Attempts, 1)
			}
			if (w.For == waitAnswer || w.For == waitTaken) && t.Attempts <= w.Round {
				return true
			}
		}
	}
	return false
}

// Totals says what t does to the totals of its batch; zeros: nothing.
func (t *Transaction) Totals() (debit, credit int64) {
	if t.State != StateConfirmed {
		return 0, 0
	}
	switch t.Kind {
	case iso8583.Sale, iso8583.Completion, iso8583.Offline:
		return t.Taken(), 0
	case iso8583.Void, iso8583.Refund:
		return 0, t.Taken()
	}
	return 0, 0
}

// Members lists what is in memory of a terminal's batch, in the order of its
// intents. The caller must not change it.
func (m *Machine) Members(tid iso8583.TID, serial int) []*Transaction {
	return m.members(&Batch{TID: tid, Serial: serial})
}

// freezeBatch fixes the set, flags what is owed, and tells the host.
func (s *step) freezeBatch(b *Batch) {
	f := &BatchFrozen{}
	var counted, owed, unlisted []iso8583.STAN
	for _, t := range s.m.members(b) {
		debit, credit := t.Totals()
		switch {
		case t.State.Open():
			owed = append(owed, t.STAN)
			if !t.Escalated() {
				s.escalate(t, CauseOwed)
			}
			continue
		case debit != 0:
			f.Debit += debit
			f.DebitCount++
		case credit != 0:
			f.Credit += credit
			f.CreditCount++
		default:
			continue
		}
		f.Currency = t.Currency
		if s.listed(b, t) {
			counted = append(counted, t.STAN)
		} else {
			unlisted = append(unlisted, t.STAN)
		}
	}
	counted, f.Unlisted = append(counted, unlisted...), len(unlisted)
	f.Counted, f.Owed = joinSTANs(counted), joinSTANs(owed)
	s.record(b.Group(), f)
	s.say(b, iso8583.KindSettle)
}

func (s *step) batchRules(b *Batch) *iso8583.Rules { return s.m.rules[b.Rules] }

// say begins the next message of the settlement.
func (s *step) say(b *Batch, k iso8583.Kind) {
	stan, ok := s.m.nextSTAN(b.TID, s.now.Wall)
	if !ok { // numbering is blocked for a time: what was said last is said again meanwhile
		s.batchLater(b)
		return
	}
	clock, date := s.wireTime(b.TID)
	msg := &BatchMessage{Kind: k, TID: b.TID, STAN: stan, Transmission: transmission(s.now.Wall), LocalTime: clock, LocalDate: date}
	if k == iso8583.KindUpload {
		msg.From = b.Uploaded
		msg.Kind, msg.Count = s.nextUpload(b)
	}
	s.record(b.Group(), msg)
	*s.batchWait(b) = wait{Shift: s.batchWait(b).Shift}
	s.sendBatch(b)
}

func (s *step) batchWait(b *Batch) *wait {
	w := s.m.waits[b.Group()]
	if w == nil {
		w = &wait{}
		s.m.waits[b.Group()] = w
	}
	return w
}

// sendBatch sends the latest message, for the first time or again.
func (s *step) sendBatch(b *Batch) {
	r, w, msg := s.batchRules(b), s.batchWait(b), &b.Message
	term := s.m.terminals[b.TID]
	if term == nil { // not configured any more: nothing can be sent until it is
		return
	}
	w.Round++
	if msg.STAN == 0 { // numbering was blocked when the set was frozen: nothing was said yet
		s.say(b, iso8583.KindSettle)
		return
	}
	f := iso8583.Facts{
		Kind: msg.Kind, TID: b.TID, MID: term.MID, STAN: msg.STAN, Transmission: msg.Transmission,
		LocalTime: msg.LocalTime, LocalDate: msg.LocalDate, Batch: b.Number, Operator: r.SignOn.Operator,
		Amount:     iso8583.Amount{Currency: b.Currency},
		Settlement: &iso8583.Settlement{Totals: [2]iso8583.Totals{b.Totals}, Count: b.Uploaded},
	}
	o := Outbound{UUID: b.Group(), Route: (b.Route + w.Shift) % max(term.Routes, 1), Attempt: w.Round, Facts: f}
	if msg.Kind.Uploads() {
		o.Facts.Settlement.Records, o.Of = s.records(b)
	}
	if msg.Kind.ChipUpload() && len(o.Of) > 0 {
		s.withChip(b, &o.Facts)
	}
	s.ready.Messages = append(s.ready.Messages, o)
	s.armBatch(b, waitTaken, r.SendTimeout+r.Settlement.AnswerTimeout)
}

// records is what the latest upload carries, and whose cards it needs.
func (s *step) records(b *Batch) (out []iso8583.BatchRecord, of []string) {
	all := s.m.members(b)
	for _, stan := range b.Counted[b.Message.From:min(b.Message.From+b.Message.Count, len(b.Counted))] {
		i := slices.IndexFunc(all, func(t *Transaction) bool { return t.STAN == stan })
		if i < 0 { // Needs has brought it back: cannot be
			continue
		}
		out = append(out, iso8583.BatchRecord{CardType: "00", STAN: stan, Minor: all[i].Taken()})
		of = append(of, all[i].UUID)
	}
	return out, of
}

func (s *step) armBatch(b *Batch, what waitFor, d iso8583.Duration) {
	w := s.batchWait(b)
	w.For, w.Deadline = what, s.now.Boot+time.Duration(d)
	s.ready.Timers = append(s.ready.Timers, Timer{UUID: b.Group(), At: w.Deadline, For: what.String()})
}

// batchLater ends a send that brought nothing. From the configured number on a
// person knows; sending goes on all the same.
func (s *step) batchLater(b *Batch) {
	r, w := &s.batchRules(b).Settlement, s.batchWait(b)
	if w.Round >= r.EscalateAfter {
		s.escalateBatch(b, CauseBatchSilence)
	}
	s.armBatch(b, waitResend, iso8583.Duration(r.Schedule.Wait(w.Round+1)))
}

func (s *step) escalateBatch(b *Batch, c Cause) {
	if !slices.ContainsFunc(b.Items, func(i Item) bool { return i.Cause == c && !i.Closed }) {
		s.record(b.Group(), &BatchEscalated{Cause: c})
	}
}

// batchEvent takes what the link, the clock or a restart says about a batch.
func (s *step) batchEvent(b *Batch, ev Event) {
	if !b.State.Busy() || b.Stuck {
		return
	}
	w := s.batchWait(b)
	switch e := ev.(type) {
	case Recovered:
		if b.State != BatchClosing {
			s.sendBatch(b)
		}
	case Timeout:
		switch {
		case s.now.Boot < w.Deadline:
		case w.For == waitTaken:
			s.batchLater(b)
		case w.For == waitResend:
			s.sendBatch(b)
		}
	case Sent:
		if e.Attempt == w.Round && w.For == waitTaken {
			s.armBatch(b, waitTaken, s.batchRules(b).Settlement.AnswerTimeout)
		}
	case Unsent:
		if e.Attempt == w.Round && w.For == waitTaken {
			w.Shift++
			s.batchLater(b)
		}
	case InDoubt:
		if e.Attempt == w.Round && w.For == waitTaken {
			s.batchLater(b)
		}
	}
}

// batchAnswer takes the host's answer to the latest message. Anything else of
// it says nothing new; nor does an answer before the batch's Recovered, since the
// message is sent again then.
func (s *step) batchAnswer(b *Batch, e Response) {
	msg := &b.Message
	if !b.State.Busy() || b.Stuck || e.STAN != msg.STAN || s.m.waits[b.Group()] == nil {
		return
	}
	r := s.batchRules(b)
	if !believed(r, &e) {
		s.stray(e.Route, "the answer to the settlement is not proved by its MAC", e.Text)
		return
	}
	if e.MTI != r.MTI[msg.Kind].Response() || e.Transmission != "" && e.Transmission != msg.Transmission && slices.Contains(r.Match, 7) {
		s.stray(e.Route, "it does not answer the settlement's message", e.Text)
		return
	}
	switch {
	case slices.Contains(r.Settlement.Retry, e.Code):
		if s.batchWait(b).For == waitTaken {
			s.batchLater(b)
		}
	case b.State == BatchSettling:
		s.verdict(b, r, &e)
	default:
		s.taken(b, r, &e)
	}
}

// verdict is the host's word about the totals: per side, or in DE 39.
func (s *step) verdict(b *Batch, r *iso8583.Rules, e *Response) {
	v := e.Verdicts
	if code, known := r.Settlement.Verdict(e.Code); known && v == ([2]iso8583.BatchVerdict{}) {
		v = [2]iso8583.BatchVerdict{code, code}
	}
	if v[0] == iso8583.BatchUnknown || v[1] == iso8583.BatchUnknown {
		s.batchRefused(b)
		return
	}
	s.record(b.Group(), &BatchAnswer{Code: e.Code, Domestic: v[0], Foreign: v[1], Text: e.Text})
	balanced := v[0] == iso8583.BatchBalanced && v[1] == iso8583.BatchBalanced
	switch has := func(k iso8583.Kind) bool { return r.MTI[k] != "" }; {
	case balanced && has(iso8583.KindUploadEnd):
		s.say(b, iso8583.KindUploadEnd)
	case balanced:
		s.settled(b, &BatchSettled{Outcome: BatchBalanced})
	case v[0] != iso8583.BatchBalanced && has(iso8583.KindUpload) && len(b.Counted) > 0:
		if b.Unlisted > 0 { // before the first record leaves
			s.escalateBatch(b, CauseNotUploaded)
		}
		if len(b.Listed()) == 0 {
			s.endUnbalanced(b, r)
			return
		}
		s.say(b, iso8583.KindUpload) // every card is a domestic one here
	default:
		s.endUnbalanced(b, r)
	}
}

func (s *step) endUnbalanced(b *Batch, r *iso8583.Rules) {
	if r.MTI[iso8583.KindUploadEndUnbalanced] != "" {
		s.say(b, iso8583.KindUploadEndUnbalanced)
		return
	}
	s.settled(b, &BatchSettled{Outcome: BatchUnbalanced})
}

// taken: the host has the records, or has heard that they were all. A code 95
// to the last word says once more that it does not agree (C.31).
func (s *step) taken(b *Batch, r *iso8583.Rules, e *Response) {
	if v, known := r.Settlement.Verdict(e.Code); e.Code != "" && (!known || b.State == BatchUploading && v != iso8583.BatchBalanced) {
		s.batchRefused(b)
		return
	}
	if b.State == BatchUploading {
		s.record(b.Group(), &BatchAnswer{Code: e.Code, Uploaded: b.Message.From + b.Message.Count, Text: e.Text})
		if b.Uploaded < len(b.Listed()) {
			s.say(b, iso8583.KindUpload)
		} else {
			s.endUnbalanced(b, r)
		}
		return
	}
	outcome := BatchBalanced
	if b.Verdicts[0] != iso8583.BatchBalanced || b.Verdicts[1] != iso8583.BatchBalanced {
		outcome = BatchUnbalanced
	}
	s.settled(b, &BatchSettled{Outcome: outcome})
}

// batchRefused: the host answers, and not about the batch. A person asks why;
// the message is sent again all the same.
func (s *step) batchRefused(b *Batch) {
	s.escalateBatch(b, CauseBatchRefused)
	if s.batchWait(b).For == waitTaken {
		s.batchLater(b)
	}
}

// settled ends the batch and, in the same durable step, moves the terminal to
// the next one, unless the host has moved it already.
func (s *step) settled(b *Batch, r *BatchSettled) {
	s.record(b.Group(), r)
	if r.Outcome == BatchUnbalanced {
		s.escalateBatch(b, CauseUnbalanced)
	}
	if p := s.m.present(b.TID); p.Serial == b.Serial {
		s.record(groupTerminal+string(b.TID), &BatchNumber{TID: b.TID, Number: iso8583.NextBatch(p.Number), Serial: p.Serial + 1})
	}
	delete(s.m.waits, b.Group())
	s.batchOver(b)
}

// batchResolve is an operator's word about a batch.
func (s *step) batchResolve(e BatchResolve) {
	group := BatchGroup(e.TID, e.Serial)
	b := s.m.byGroup(group)
	code := OK
	switch {
	case b == nil:
		code = NotFound
	case e.Who == "" || e.Why == "", e.Verb == VerbSettled && e.Ref == "":
		code = Invalid
	case e.Verb == VerbClose && b.State.Final() && b.Escalated():
		s.record(group, &BatchResolved{Who: e.Who, Why: e.Why, Ref: e.Ref})
	case e.Verb == VerbSettled && (b.State == BatchLeft || b.State > BatchClosing && b.State.Busy() || b.Stuck):
		s.settled(b, &BatchSettled{Outcome: BatchByHand, Who: e.Who, Why: e.Why, Ref: e.Ref})
	default:
		code = Unsuitable
	}
	s.answer(e.Req, group, code)
}
