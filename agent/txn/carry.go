package txn

import (
	"maps"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TypeTerminalHead is said anew at the beginning of each journal segment, and
// where numbering jumps because entries were lost.
const TypeTerminalHead RecordType = 5

// TerminalHead is where a terminal's numbering stands: what the fold of all
// that came before would say, or what begins behind a loss.
type TerminalHead struct {
	Head
	TID     iso8583.TID  `json:"tid"`
	Next    iso8583.STAN `json:"next"`
	Wrapped int64        `json:"wrapped"` // wall time of the latest start at 000001
}

// Type makes it a Record.
func (*TerminalHead) Type() RecordType { return TypeTerminalHead }

func (r *TerminalHead) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.Next)
	c.int64(4, &r.Wrapped)
}

// Carry says what recovery needs of everything folded so far: the groups whose
// records must stay, and what is said anew. Folding those groups' records, then
// heads, then whatever comes later gives the same open transactions, heads,
// epoch and rules as folding everything. Settled transactions are left out: they
// are loaded when something asks for them.
func (m *Machine) Carry() (groups []string, heads []Record) {
	if m.epoch != 0 {
		groups = append(groups, groupEpoch)
	}
	for _, l := range m.losses {
		groups = append(groups, l.Group())
	}
	for _, hash := range slices.Sorted(maps.Keys(m.rules)) {
		groups = append(groups, groupRules+hash)
	}
	for _, uuid := range m.open {
		groups = append(groups, uuid)
		if o := m.hot[uuid].Original; o != "" && !slices.Contains(groups, o) && !slices.Contains(m.open, o) {
			groups = append(groups, o) // settled, and what follows it is not
		}
	}
	for _, b := range m.settlements {
		groups = append(groups, b.Group())
	}
	for _, h := range m.headRecords() {
		heads = append(heads, h)
	}
	for _, tid := range slices.Sorted(maps.Keys(m.batches)) {
		b := m.batches[tid]
		heads = append(heads, &BatchNumber{Head: Head{UUID: groupTerminal + string(tid)}, TID: tid, Number: b.Number, Serial: b.Serial, Used: b.Used})
	}
	return groups, slices.Concat(heads, m.keyRecords(), m.dataKeyRecords())
}

// headRecords says where each terminal's numbering stands, by TID.
func (m *Machine) headRecords() (heads []*TerminalHead) {
	for _, tid := range slices.Sorted(maps.Keys(m.heads)) {
		if h := m.heads[tid]; h.Next != 0 {
			heads = append(heads, &TerminalHead{Head: Head{UUID: groupTerminal + string(tid)}, TID: tid, Next: h.Next, Wrapped: h.Wrapped})
		}
	}
	return heads
}

// The groups of records that belong to no transaction; none has a UUID's form.
const (
	groupEpoch    = "epoch:"
	groupRules    = "rules:"
	groupTerminal = "terminal:"
	groupLoss     = "loss:"
)
