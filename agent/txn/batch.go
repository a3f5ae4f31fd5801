package txn

import (
	"slices"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A batch is a terminal's transactions between two settlements. Its number is
// frozen in each intent and goes out with whatever is sent about the
// transaction, also when the terminal has long been in another batch (C.19).
// settlement.go closes one with the host.

// batchHead is the batch that a terminal's next intent belongs to.
type batchHead struct {
	Number string
	Serial int // counts the terminal's batches from 1
	Used   int // intents in it
}

// BatchState is where the closing of a batch stands.
type BatchState uint8

// The states there are. A batch that is none of them takes transactions.
const (
	BatchLeft       BatchState = iota // the host began another; this one is still to be settled
	BatchClosing                      // what is undecided ends first; nothing new is taken
	BatchSettling                     // the set is frozen; the host is told its totals
	BatchUploading                    // the host did not agree; it is told the transactions
	BatchEnding                       // the host is told that this is all
	BatchBalanced                     // final: both sides hold the same totals
	BatchUnbalanced                   // final: they do not; a person has it
	BatchByHand                       // final by an operator's word
)

var batchStates = [...]string{"left", "closing", "settling", "uploading", "ending", "balanced", "unbalanced", "closed_by_hand"}

// String is the word used in API, logs and docs.
func (s BatchState) String() string { return batchStates[s] }

// MarshalText is String.
func (s BatchState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Busy says that the batch is being settled: its terminal takes nothing new.
func (s BatchState) Busy() bool { return BatchClosing <= s && s <= BatchEnding }

// Final says that the batch is settled, whatever came of it.
func (s BatchState) Final() bool { return s >= BatchBalanced }

// Batch is the durable state of one batch that is no longer open: a fold of its
// records.
type Batch struct {
	TID    iso8583.TID
	Serial int
	Number string
	State  BatchState
	Who    string // asked for the settlement
	Rules  string // hash of those it is settled under
	Route  int    // the address that is told

	Begun, Ended int64

	Totals   iso8583.Totals
	Currency iso8583.Currency
	Counted  []iso8583.STAN // what the totals are of, in the order of the upload
	Unlisted int            // so many at the end of Counted are in no upload
	Owed     []iso8583.STAN // what was undecided when the set was frozen: left out, and still owed

	Message  BatchMessage // the latest
	Uploaded int          // of Counted: what the host has acknowledged
	Verdicts [2]iso8583.BatchVerdict

	Stuck bool // only a person can go on
	Items []Item
}

// Group is the batch's journal group.
func (b *Batch) Group() string { return BatchGroup(b.TID, b.Serial) }

// Listed is what an upload tells, in its order: an upload's record has a card
// number, so what was paid by a card handle is in the totals alone.
func (b *Batch) Listed() []iso8583.STAN { return b.Counted[:max(len(b.Counted)-b.Unlisted, 0)] }

// Escalated says whether an item of the batch is open.
func (b *Batch) Escalated() bool {
	return slices.ContainsFunc(b.Items, func(i Item) bool { return !i.Closed })
}

const groupBatch = "batch:"

// BatchGroup is the journal group of a terminal's batch.
func BatchGroup(tid iso8583.TID, serial int) string {
	return groupBatch + string(tid) + "/" + strconv.Itoa(serial)
}

// BatchKey is the journal key of all intents of a terminal's batch.
func BatchKey(tid iso8583.TID, serial int) string {
	return "batch/" + string(tid) + "/" + strconv.Itoa(serial)
}

// BatchAnnounced says which batch the host holds the terminal to be in: the
// answer to a sign-on names it. What is in the batch before it stays there and
// is still to be settled.
type BatchAnnounced struct {
	TID    iso8583.TID
	Number string // six digits; anything else changes nothing
}

func (BatchAnnounced) event() {}

// Batch is the number of the terminal's present batch.
func (m *Machine) Batch(tid iso8583.TID) string { return m.present(tid).Number }

// Present is the terminal's present batch: its number, its serial and how many
// intents it has.
func (m *Machine) Present(tid iso8583.TID) (number string, serial, used int) {
	b := m.present(tid)
	return b.Number, b.Serial, b.Used
}

// Batches lists what is known of the terminal's earlier batches, oldest first:
// what is not settled, what a person has, and the latest settled ones.
func (m *Machine) Batches(tid iso8583.TID) []Batch {
	var out []Batch
	for _, b := range m.settlements {
		if b.TID == tid {
			out = append(out, *b)
		}
	}
	return out
}

// Settling lists the groups of the batches that are being settled.
func (m *Machine) Settling() []string { return slices.Clone(m.settling) }

func (m *Machine) present(tid iso8583.TID) batchHead {
	if b := m.batches[tid]; b != nil {
		return *b
	}
	return batchHead{Number: iso8583.FirstBatch, Serial: 1}
}

// byGroup is the batch of that group, or nil.
func (m *Machine) byGroup(group string) *Batch {
	if !strings.HasPrefix(group, groupBatch) {
		return nil
	}
	for _, b := range m.settlements {
		if b.Group() == group {
			return b
		}
	}
	return nil
}

// busy is the terminal's batch that is being settled, or nil.
func (m *Machine) busy(tid iso8583.TID) *Batch {
	for _, group := range m.settling {
		if b := m.byGroup(group); b != nil && b.TID == tid {
			return b
		}
	}
	return nil
}

// busyAndGoing says that a batch of the terminal is being settled, and that no
// loss of the journal has stopped that: then it is a person's, and the terminal
// is in another.
func (m *Machine) busyAndGoing(tid iso8583.TID) bool {
	b := m.busy(tid)
	return b != nil && !b.Stuck
}

// refuseBatch says why the terminal's present batch takes no new transaction,
// or "".
func (m *Machine) refuseBatch(term *Terminal) Code {
	switch r := &term.Rules.Settlement; {
	case !r.Has():
	case m.busyAndGoing(term.TID):
		return Settling
	case m.present(term.TID).Used >= r.Limit:
		return BatchFull
	}
	return ""
}

// inSettledBatch says that t's batch is being settled or is: it cannot be voided any
// more, only refunded. A batch that is left behind is not settled yet.
func (m *Machine) inSettledBatch(t *Transaction) bool {
	if t.Serial == 0 {
		return false
	}
	if b := m.byGroup(BatchGroup(t.TID, t.Serial)); b != nil {
		return b.State != BatchLeft
	}
	return t.Serial < m.present(t.TID).Serial
}

// batchOf is the batch of the terminal's next intent; none where its dialect
// settles nothing.
func (m *Machine) batchOf(term *Terminal) (number string, serial int) {
	if !term.Rules.Settlement.Has() {
		return "", 0
	}
	b := m.present(term.TID)
	return b.Number, b.Serial
}

// joinBatch counts a new intent.
func (m *Machine) joinBatch(r *Intent) {
	if r.Serial == 0 {
		return
	}
	b := m.present(r.TID)
	if b.Serial == r.Serial {
		b.Used++
		m.batches[r.TID] = &b
	}
}

func (s *step) batchAnnounced(e BatchAnnounced) {
	if s.m.terminals[e.TID] == nil || !iso8583.ValidBatch(e.Number) || e.Number == s.m.Batch(e.TID) {
		return
	}
	s.moveBatch(e.TID, e.Number)
}

// moveBatch begins the terminal's next batch, because somebody says so: what is
// in the present one is left there.
func (s *step) moveBatch(tid iso8583.TID, number string) {
	b := s.m.present(tid)
	serial := b.Serial
	if b.Used > 0 || s.m.byGroup(BatchGroup(tid, serial)) != nil {
		serial++
	}
	if b.Used > 0 && s.m.byGroup(BatchGroup(tid, b.Serial)) == nil {
		s.record(BatchGroup(tid, b.Serial), &BatchLeftOver{TID: tid, Serial: b.Serial, Number: b.Number})
	}
	s.record(groupTerminal+string(tid), &BatchNumber{TID: tid, Number: number, Serial: serial})
}

// keptBatches is how many settled batches of a terminal are kept in memory.
const keptBatches = 8

// prune forgets the oldest settled batches that nobody has to look at.
func (m *Machine) prune(tid iso8583.TID) {
	kept := 0
	for i := len(m.settlements) - 1; i >= 0; i-- {
		b := m.settlements[i]
		if b.TID != tid || !b.State.Final() || b.Escalated() {
			continue
		}
		if kept++; kept > keptBatches {
			m.settlements = slices.Delete(slices.Clone(m.settlements), i, i+1)
		}
	}
}

// pinned says that t is of a batch that is being settled, so that it must stay
// in memory.
func (m *Machine) pinned(t *Transaction) bool {
	return len(m.settling) > 0 && t.Serial != 0 && slices.Contains(m.settling, BatchGroup(t.TID, t.Serial))
}
