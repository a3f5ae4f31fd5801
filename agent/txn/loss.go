package txn

import (
	"slices"
	"strconv"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What a loss of journal entries means (R15). An entry that is gone may have
// said that a sale was confirmed, that it was voided, or that its reversal was
// done. So nothing that the journal still holds of that time is believed where
// money would move by it: what is open is neither sent, nor confirmed, nor
// decided by a timer; what stands cannot be followed; no key of that time is run
// again; and numbering goes on above whatever can have been used. A person asks
// the acquirer.

// The record types of this file.
const (
	TypeLoss       RecordType = 70
	TypeLossClosed RecordType = 71
)

// Mark is how far a journal is known to have come, as kept outside of it: a
// journal that ends before it lost entries.
type Mark struct {
	Epoch uint64
	Entry uint64         // number of the newest entry
	Heads []TerminalHead // where numbering stood, by TID
}

// STANMargin is how far a terminal's numbering may run ahead of the mark. The
// shell refuses intents beyond it, so that what is above cannot have been used.
const STANMargin = stanJump

// Mark is what of the machine belongs into a mark; Entry is the journal's.
func (m *Machine) Mark(entry uint64) Mark {
	mark := Mark{Epoch: m.epoch, Entry: entry}
	for _, h := range m.headRecords() {
		mark.Heads = append(mark.Heads, *h)
	}
	return mark
}

// Next is the STAN that a terminal's next intent gets at the earliest; 0 where
// it never had one.
func (m *Machine) Next(tid iso8583.TID) iso8583.STAN {
	if h := m.heads[tid]; h != nil {
		return h.Next
	}
	return 0
}

// Loss says that entries of the epoch Ended are gone. It is durable together
// with the epoch that begins.
type Loss struct {
	Head
	Ended uint64 `json:"ended"`          // this epoch and all before it are in doubt
	Begun uint64 `json:"begun"`          // the epoch that begins
	Last  uint64 `json:"last"`           // the journal's last entry
	Mark  uint64 `json:"mark,omitempty"` // the mark's; 0: no mark told of it
	Who   string `json:"who"`
	Why   string `json:"why"`
}

// LossClosed says that a person has dealt with it: compared the acquirer's list
// of that time with the journal.
type LossClosed struct {
	Head
	Who string `json:"who"`
	Why string `json:"why"`
	Ref string `json:"reference,omitempty"`
}

// Type makes each record a Record.
func (*Loss) Type() RecordType       { return TypeLoss }
func (*LossClosed) Type() RecordType { return TypeLossClosed }

func (r *Loss) fields(c *coder) {
	num(c, 2, &r.Ended)
	num(c, 3, &r.Begun)
	num(c, 4, &r.Last)
	num(c, 5, &r.Mark)
	str(c, 6, &r.Who)
	str(c, 7, &r.Why)
}

func (r *LossClosed) fields(c *coder) { str(c, 2, &r.Who); str(c, 3, &r.Why); str(c, 4, &r.Ref) }

// KnownLoss is a loss as it stands.
type KnownLoss struct {
	Loss
	Closed bool
}

// Losses lists every loss, oldest first.
func (m *Machine) Losses() []KnownLoss { return slices.Clone(m.losses) }

func lossGroup(begun uint64) string { return groupLoss + strconv.FormatUint(begun, 10) }

// applyLoss folds both records of this file.
func (m *Machine) applyLoss(r Record) {
	switch r := r.(type) {
	case *Loss:
		m.losses = append(m.losses, KnownLoss{Loss: *r})
	case *LossClosed:
		for i := range m.losses {
			if m.losses[i].Group() == r.Group() {
				m.losses[i].Closed = true
			}
		}
	}
}

// InDoubt says that entries about t may be gone.
func (m *Machine) InDoubt(t *Transaction) bool {
	return slices.ContainsFunc(m.losses, func(l KnownLoss) bool { return t.Epoch <= l.Ended })
}

// openLoss says that a loss waits for a person.
func (m *Machine) openLoss() bool {
	return slices.ContainsFunc(m.losses, func(l KnownLoss) bool { return !l.Closed })
}

// Lose gives the records that follow from lost entries, applied: the loss, a
// new epoch, heads above whatever can have been used, and every open transaction
// in front of a person. tids are the terminals there are.
func (m *Machine) Lose(wall int64, tids []iso8583.TID, mark *Mark, last uint64, who, why string) []Record {
	s := &step{m: m, now: Time{Wall: wall}}
	s.lose(tids, mark, last, who, why)
	return s.ready.Records
}

// Doubt is the last part of Lose alone: for a journal that cannot take a new
// epoch yet.
func (m *Machine) Doubt(wall int64, who, why string) []Record {
	s := &step{m: m, now: Time{Wall: wall}}
	s.doubt(who, why)
	return s.ready.Records
}

// behind says that the journal ends before the mark.
func (m *Machine) behind(mark *Mark, last uint64) bool {
	return mark != nil && (mark.Epoch > m.epoch || mark.Epoch == m.epoch && mark.Entry > last)
}

func (s *step) lose(tids []iso8583.TID, mark *Mark, last uint64, who, why string) {
	if mark == nil {
		mark = &Mark{}
	}
	ended := max(s.m.epoch, mark.Epoch)
	begun := max(ended+1, uint64(max(s.now.Wall/1000, 1)))
	s.record(lossGroup(begun), &Loss{Ended: ended, Begun: begun, Last: last, Mark: mark.Entry, Who: who, Why: why})
	s.record(groupEpoch, &Epoch{Number: begun})
	s.jump(tids, mark)
	s.doubt(who, why)
}

// jump moves every terminal's numbering above what can have been used: the
// epoch's sign on the wire. A terminal of which neither journal nor mark knows
// may have begun since the mark was written.
func (s *step) jump(tids []iso8583.TID, mark *Mark) {
	tids = slices.Clone(tids)
	heads := map[iso8583.TID]stanHead{}
	for _, tid := range tids {
		heads[tid] = stanHead{}
	}
	add := func(h *TerminalHead) {
		known, ok := heads[h.TID]
		if !ok {
			tids = append(tids, h.TID)
		}
		if h.Wrapped > known.Wrapped { // numbering began anew since: what came before is old
			known = stanHead{Wrapped: h.Wrapped, Next: h.Next}
		} else if h.Wrapped == known.Wrapped {
			known.Next = max(known.Next, h.Next)
		}
		heads[h.TID] = known
	}
	for _, h := range s.m.headRecords() {
		add(h)
	}
	for i := range mark.Heads {
		add(&mark.Heads[i])
	}
	slices.Sort(tids)
	for _, tid := range tids {
		if b := s.m.batches[tid]; b != nil { // the epoch's sign where there are batches (R15)
			s.moveBatch(tid, iso8583.NextBatch(b.Number))
		}
		h := heads[tid]
		next := min(h.Next+stanJump, iso8583.LastSTAN+1)
		s.record(groupTerminal+string(tid), &TerminalHead{TID: tid, Next: next, Wrapped: h.Wrapped})
	}
}

// InQuestion says that a person is asked whether t is what the journal says:
// nobody may be told that it is paid.
func (t *Transaction) InQuestion() bool {
	return slices.ContainsFunc(t.Items, func(i Item) bool { return i.Cause == CauseLost && !i.Closed })
}

// doubt puts every open transaction in front of a person and stops its
// messages, once; and each that was paid and not shown, since it may have been
// given back meanwhile.
func (s *step) doubt(who, why string) {
	for _, group := range s.m.Settling() { // what it is about may be gone
		s.escalateBatch(s.m.byGroup(group), CauseLost)
	}
	for _, uuid := range s.m.Open() {
		switch t := s.m.hot[uuid]; {
		case t.awaitsShown():
			s.escalate(t, CauseLost)
		case !t.State.Open() || t.Stuck || !t.Kind.MovesMoney(): // what moves no money fails by itself
		case t.State == StateReversing: // to be resumed, if nothing else is known
			if !t.Parked {
				s.record(uuid, &Resolved{Verb: VerbPark, Who: who, Why: why})
			}
			s.escalate(t, CauseLost)
		default:
			s.escalate(t, CauseLost)
			s.disarm(t)
		}
	}
}

// closeLoss is an operator's word that a loss is dealt with.
func (s *step) closeLoss(e CloseLoss) {
	i := slices.IndexFunc(s.m.losses, func(l KnownLoss) bool { return l.Begun == e.Begun })
	code := OK
	switch {
	case i < 0:
		code = NotFound
	case e.Who == "" || e.Why == "":
		code = Invalid
	case s.m.losses[i].Closed:
		code = Unsuitable
	default:
		s.record(lossGroup(e.Begun), &LossClosed{Who: e.Who, Why: e.Why, Ref: e.Ref})
	}
	s.answer(e.Req, "", code)
}
