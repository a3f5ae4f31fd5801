package txn

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Apply folds one durable fact into the state. It is the only mutator of
// durable state: Step applies its own records before it returns, and recovery
// is Apply over the journal. A record about a transaction whose intent is
// unknown changes nothing.
func (m *Machine) Apply(r Record) {
	switch r := r.(type) {
	case *Epoch:
		m.epoch = r.Number
		return
	case *RulesUsed:
		m.applyRules(r)
		return
	case *Jump:
		m.head(r.TID).Next = r.Next
		return
	case *TerminalHead:
		*m.head(r.TID) = stanHead{Next: r.Next, Wrapped: r.Wrapped}
		return
	case *Loss, *LossClosed:
		m.applyLoss(r)
		return
	case *Intent:
		m.head(r.TID).used(r.STAN, r.At)
		m.joinBatch(r)
		m.addIntent(r, false)
		return
	case *Inquiry:
		m.head(r.TID).used(r.STAN, r.At)
		m.addInquiry(r, false)
		return
	case *ScriptOwed:
		m.head(r.TID).used(r.STAN, r.At)
		m.addScript(r, false)
		return
	}
	if m.applyBatch(r) || m.applyDataKey(r) {
		return
	}
	t := m.hot[r.Group()]
	if t == nil {
		m.applyKey(r)
		return
	}
	was := t.Settled()
	t.apply(r)
	if now := t.Settled(); now != was {
		m.resettle(t.UUID, now)
	}
}

func (m *Machine) applyRules(r *RulesUsed) {
	var rules iso8583.Rules
	if json.Unmarshal([]byte(r.JSON), &rules) == nil {
		m.rules = maps.Clone(m.rules) // copies of m share it
		m.rules[r.Hash] = &rules
	}
}

// addIntent makes t known. One that was loaded back takes its STAN from nobody,
// since whoever has it is newer: Load sees to that.
func (m *Machine) addIntent(r *Intent, loaded bool) {
	t := &Transaction{Intent: *r, State: StatePending, FirstRoute: r.Route}
	t.Card = nil
	m.hot[t.UUID] = t
	m.open = append(m.open, t.UUID)
	m.claim(t.UUID, STANKey(t.TID, t.STAN), loaded)
	if t.Kind.HandsOver() {
		key := SaleKey(t.MID, t.Sale, t.Part)
		m.bySale[key] = append(slices.Clip(m.bySale[key]), t.UUID) // copies of m share it
	}
}

// claim gives a STAN to a transaction, unless another one that is newer, or
// still open, has it.
func (m *Machine) claim(uuid, key string, loaded bool) {
	other, held := m.bySTAN[key]
	if holder := m.hot[other]; !held || !loaded && (holder == nil || !holder.State.Open()) {
		m.bySTAN[key] = uuid
	}
}

// StateAfter is the state that a record puts its transaction in, or StateNone
// where it leaves it in the one it was.
func StateAfter(r Record) State {
	if _, begins := r.(*Intent); begins {
		return StatePending
	}
	var t Transaction
	t.apply(r)
	return t.State
}

// resettle moves a transaction between the two lists.
func (m *Machine) resettle(uuid string, settled bool) {
	from, to := &m.cold, &m.open
	if settled {
		from, to = to, from
	}
	if i := slices.Index(*from, uuid); i >= 0 {
		*from = slices.Delete(*from, i, i+1)
	}
	*to = append(*to, uuid)
}

func (t *Transaction) apply(r Record) {
	switch r := r.(type) {
	case *Rerouted:
		t.Route, t.Address = r.Route, r.Address
	case *Approved:
		t.State = StateApproved
		t.Code, t.RRN, t.AuthCode, t.Balance = r.Code, r.RRN, r.AuthCode, r.Balance
		t.IssuerData, t.ApprovedMinor = r.ChipData, r.Minor
	case *Declined:
		t.State, t.Final = StateDeclined, r.At
		t.Code, t.RRN, t.IssuerData = r.Code, r.RRN, r.ChipData
	case *NotSent:
		t.State, t.Final = StateNotSent, r.At
	case *ChipResult:
		t.CID, t.ResultEMV, t.Scripts = r.CID, r.EMV, r.Scripts
	case *Confirmed:
		t.State, t.Confirmed, t.Final, t.Stuck = StateConfirmed, r.At, r.At, false
		t.Undated = t.Undated || r.Undated
	case *Failed:
		t.State, t.Final = StateFailed, r.At
	case *Followed:
		t.follow(Follow{By: r.By, Kind: r.Kind, Minor: r.Minor, Open: true})
	case *FollowEnded:
		t.followEnded(r)
	case *ShownNote:
		t.Shown = r.Delivered
	case *ScriptEnded:
		t.Script.Ended, t.Script.Code = true, r.Code
	case *Late:
		t.Evidence++
		t.LateApproval = t.LateApproval || r.Class == iso8583.Approved.String()
	case *Evidence:
		t.Evidence++
	case *Escalated:
		t.Items = append(t.Items, Item{Cause: r.Cause, At: r.At})
		t.Stuck = t.Stuck || r.Cause == CauseCollision || r.Cause == CauseNotReversible || r.Cause == CauseCardGone || r.Cause == CauseAdviceRefused ||
			r.Cause == CauseLost && t.State != StateReversing && t.State != StateConfirmed ||
			r.Cause == CauseContradiction && t.State == StateReversed && t.Original != ""
		t.HostRefused = t.HostRefused || r.Cause == CauseRefused || r.Cause == CauseUnknown || r.Cause == CauseDuplicate
	case *Resolved:
		t.resolve(r)
	case *Acknowledged:
		t.acknowledged(r)
	default:
		t.applyReversal(r)
		t.applyInquiry(r)
		t.applyAdvice(r)
	}
}

// follow adds or reopens a follow-up.
func (t *Transaction) follow(f Follow) {
	t.Follows = slices.DeleteFunc(slices.Clone(t.Follows), func(o Follow) bool { return o.By == f.By })
	t.Follows = append(t.Follows, f)
}

// followEnded: a follow-up is decided. Once all is given back, whether the goods
// were handed over is no question about money any more (R10: void it, else a
// person).
func (t *Transaction) followEnded(r *FollowEnded) {
	t.Follows = slices.Clone(t.Follows)
	for i := range t.Follows {
		if f := &t.Follows[i]; f.By == r.By {
			f.Open, f.Done = false, r.Done
		}
	}
	if t.givenBack() {
		t.closeItems(&r.Head, "", CauseNotShown, CauseNotDelivered)
	}
}

func (t *Transaction) applyReversal(r Record) {
	switch r := r.(type) {
	case *Reversing:
		t.State = StateReversing
		t.Cause, t.Reason, t.Answered, t.ReversalEMV = r.Cause, r.Reason, r.Answered, r.ChipData
	case *Attempt:
		if r.Series != t.Series {
			t.Hold, t.SentAttempt = HoldOver, 0
		}
		if r.Series != t.Series || t.Attempts == 0 {
			t.SeriesStart = r.N
		}
		t.Attempts, t.Series, t.SeriesDE7, t.Repeat = r.N, r.Series, r.Transmission, r.Repeat
	case *ReversalSent:
		t.SentAttempt = r.N
	case *ReversalAnswer:
		t.SawDone = t.SawDone || r.Verdict == VerdictDone
		t.SawUnknown = t.SawUnknown || r.Verdict == VerdictUnknown
		if r.Verdict == VerdictIgnored {
			t.Evidence++
		}
	case *Hold:
		t.Hold = HoldWaiting
	case *Reversed:
		t.State, t.Final = StateReversed, r.At
		t.closeItems(&r.Head, "", CauseParked, CauseLost, CauseOwed)
	}
}

func (t *Transaction) resolve(r *Resolved) {
	switch r.Verb {
	case VerbPark:
		t.Parked = true
	case VerbResume:
		t.Parked, t.Stuck = false, t.Stuck && t.State != StateAdvising
		t.closeItems(&r.Head, r.Who, CauseParked, CauseAdviceRefused, CauseLost)
	case VerbOverride:
		t.Overridden = true
	case VerbReversed:
		t.State, t.Final, t.ByOperator, t.Parked, t.Stuck = StateReversed, r.At, true, false, false
		t.closeItems(&r.Head, r.Who)
	case VerbDebited:
		// The debit stands by the acquirer's word; the person who says so
		// has dealt with the customer, so nobody is asked for a screen.
		t.State, t.Confirmed, t.Final, t.ByOperator, t.Parked, t.Stuck = StateConfirmed, r.At, r.At, true, false, false
		t.Shown = DeliveredUnknown
		t.closeItems(&r.Head, r.Who)
	case VerbClose:
		t.closeItems(&r.Head, r.Who)
		if t.State == StateConfirmed && t.Shown == "" {
			t.Shown = DeliveredUnknown
		}
	}
}

// closeItems closes the items with one of the causes, or all where none is
// given; who is the operator whose decision it was, or "".
func (t *Transaction) closeItems(h *Head, who string, only ...Cause) {
	t.Items = slices.Clone(t.Items)
	for i := range t.Items {
		if it := &t.Items[i]; !it.Closed && (len(only) == 0 || slices.Contains(only, it.Cause)) {
			it.Closed, it.ClosedBy, it.ClosedAt = true, who, h.At
		}
	}
}
