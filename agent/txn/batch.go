package txn

import "github.com/counterfoil-pos/counterfoil/iso8583"

// A batch is a terminal's transactions between two settlements. Its number is
// frozen in each intent and goes out with whatever is sent about the
// transaction, also when the terminal has long been in another batch (C.19).

// batchHead is where a terminal's batches stand. The zero value is the first
// one, before its first intent.
type batchHead struct {
	Number string
	Serial int // counts the terminal's batches from 1
	Used   int // intents in it
}

// BatchNumber begins a terminal's next batch; at the beginning of a journal
// segment it says the present one anew.
type BatchNumber struct {
	Head
	TID    iso8583.TID `json:"tid"`
	Number string      `json:"number"`
	Serial int         `json:"serial"`
	Used   int         `json:"used,omitempty"` // intents in it already
}

// Type makes it a Record.
func (*BatchNumber) Type() RecordType { return TypeBatchNumber }

func (r *BatchNumber) fields(c *coder) {
	str(c, 2, &r.TID)
	str(c, 3, &r.Number)
	num(c, 4, &r.Serial)
	num(c, 5, &r.Used)
}

// BatchAnnounced says which batch the host holds the terminal to be in: the
// answer to a sign-on names it. What is in the batch before it stays there and
// is still to be settled.
type BatchAnnounced struct {
	TID    iso8583.TID
	Number string // six digits; anything else changes nothing
}

// Batch is the number of the terminal's present batch.
func (m *Machine) Batch(tid iso8583.TID) string {
	if b := m.batches[tid]; b != nil {
		return b.Number
	}
	return iso8583.FirstBatch
}

// batch is the terminal's head, made where there is none.
func (m *Machine) batch(tid iso8583.TID) *batchHead {
	b := m.batches[tid]
	if b == nil {
		b = &batchHead{Number: iso8583.FirstBatch, Serial: 1}
		m.batches[tid] = b
	}
	return b
}

// batchOf is the batch of the terminal's next intent; none where its dialect
// settles nothing.
func (m *Machine) batchOf(term *Terminal) (number string, serial int) {
	if !term.Rules.Settlement.Has() {
		return "", 0
	}
	if b := m.batches[term.TID]; b != nil {
		return b.Number, b.Serial
	}
	return iso8583.FirstBatch, 1
}

// joinBatch counts a new intent.
func (m *Machine) joinBatch(r *Intent) {
	if r.Serial == 0 {
		return
	}
	if b := m.batch(r.TID); b.Serial == r.Serial {
		b.Used++
	}
}

func (s *step) batchAnnounced(e BatchAnnounced) {
	if s.m.terminals[e.TID] == nil || !iso8583.ValidBatch(e.Number) || e.Number == s.m.Batch(e.TID) {
		return
	}
	s.moveBatch(e.TID, e.Number)
}

// moveBatch begins the terminal's next batch.
func (s *step) moveBatch(tid iso8583.TID, number string) {
	serial := 1
	if b := s.m.batches[tid]; b != nil {
		serial = b.Serial
		if b.Used > 0 {
			serial++
		}
	}
	s.record(groupTerminal+string(tid), &BatchNumber{TID: tid, Number: number, Serial: serial})
}
