package txn

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Clone is an independent copy, volatile part included. The exhaustive run
// branches from it.
func (m *Machine) Clone() *Machine {
	c := *m // rules and terminals are replaced, never changed
	c.bySTAN, c.bySale = maps.Clone(m.bySTAN), maps.Clone(m.bySale)
	c.open, c.cold, c.losses = slices.Clone(m.open), slices.Clone(m.cold), slices.Clone(m.losses)
	c.sessions = maps.Clone(m.sessions)
	c.settlements, c.settling = make([]*Batch, len(m.settlements)), slices.Clone(m.settling)
	for i, b := range m.settlements {
		copied := *b // its slices are replaced, never changed
		c.settlements[i] = &copied
	}
	c.heads, c.waits, c.hot, c.batches = copies(m.heads), copies(m.waits), copies(m.hot), copies(m.batches)
	c.keys, c.signing, c.telling, c.clocks = copies(m.keys), copies(m.signing), copies(m.telling), copies(m.clocks)
	for _, t := range c.hot { // order: each on its own
		t.Items, t.Follows, t.Asked = slices.Clip(t.Items), slices.Clip(t.Follows), slices.Clip(t.Asked) // changed in copies only
	}
	return &c
}

// copies clones a map and what its values point to.
func copies[K comparable, V any](from map[K]*V) map[K]*V {
	if len(from) == 0 {
		return map[K]*V{}
	}
	to, values := make(map[K]*V, len(from)), make([]V, 0, len(from))
	for k, v := range from { // order: each on its own
		values = append(values, *v)
		to[k] = &values[len(values)-1]
	}
	return to
}

// sorted is the map's keys in their order.
func sorted[K cmp.Ordered, V any](from map[K]V) []K {
	if len(from) == 0 {
		return nil
	}
	keys := make([]K, 0, 8)
	for k := range from { // order: sorted next
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// AppendDurable appends a canonical image of the durable state: two machines
// that folded the same records give the same bytes. Tests compare a Machine
// with the fold of its records by it.
func (m *Machine) AppendDurable(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, m.epoch)
	for _, hash := range sorted(m.rules) {
		dst = append(dst, hash...)
	}
	for _, tid := range sorted(m.heads) {
		dst = fmt.Appendf(dst, "|%s %d %d", tid, m.heads[tid].Next, m.heads[tid].Wrapped)
	}
	for _, tid := range sorted(m.batches) {
		dst = fmt.Appendf(dst, "|batch %s %+v", tid, *m.batches[tid])
	}
	for _, b := range m.settlements {
		dst = fmt.Appendf(dst, "|%+v", *b)
	}
	dst = m.appendKeys(dst)
	for _, k := range m.dataKeys {
		dst = fmt.Appendf(dst, "|data key %+v", k)
	}
	for _, l := range m.losses {
		dst = fmt.Appendf(dst, "|loss %d-%d %v", l.Ended, l.Begun, l.Closed)
	}
	for _, list := range [][]string{m.cold, m.open} {
		for _, uuid := range list {
			dst = m.hot[uuid].append(dst)
		}
		dst = append(dst, '#')
	}
	return dst
}

// append appends everything that the durable state of t consists of.
func (t *Transaction) append(dst []byte) []byte {
	b, err := json.Marshal(struct {
		*Transaction
		UUID string
		At   int64
	}{t, t.UUID, t.At})
	if err != nil { // plain data: cannot fail
		panic(err)
	}
	return append(dst, b...)
}

// AppendShape appends what decides the future of the machine, and nothing
// else: states, flags and waits relative to now, without wall times and
// evidence. The exhaustive run tells visited states by it.
func (m *Machine) AppendShape(dst []byte, now Time) []byte {
	for _, l := range m.losses {
		dst = append(dst, 'L', flag(l.Closed))
	}
	for _, tid := range sorted(m.heads) {
		dst = append(append(dst, '|'), tid...)
		dst = binary.AppendVarint(dst, int64(m.heads[tid].Next))
		if b := m.batches[tid]; b != nil {
			dst = fmt.Appendf(dst, "B%+v", *b)
		}
	}
	for _, b := range m.settlements {
		dst = m.appendBatch(dst, b, now)
	}
	dst = m.appendDataKeys(dst, now)
	for _, tid := range sorted(m.keys) {
		dst = fmt.Appendf(dst, "|k%s%d", tid, m.keySTAN(tid))
	}
	for _, tid := range sorted(m.signing) {
		g := m.signing[tid]
		dst = fmt.Appendf(dst, "|s%d %d %c%c%d", g.STAN, g.Shift, flag(g.Need), flag(g.Unusable), len(g.Asked))
		if g.STAN != 0 || g.Need {
			dst = binary.AppendVarint(binary.AppendVarint(dst, int64(g.Tries)), int64((g.Deadline-now.Boot)/time.Second))
		}
	}
	for _, id := range sorted(m.sessions) {
		dst = fmt.Appendf(dst, "|%s%v", id, m.sessions[id].tids)
	}
	for _, list := range [...][]string{m.cold, m.open} {
		for _, uuid := range list {
			t, w := m.hot[uuid], m.waits[uuid]
			dst = m.appendScript(t.appendShape(append(dst, '|')), t, now)
			if w == nil {
				continue
			}
			if w.Holder != "" && (t.State == StatePending || t.State == StateInquiring || t.State == StateApproved) {
				dst = append(dst, '*', flag(w.Orphan))
				dst = append(dst, w.Holder...)
				if t.State == StateApproved {
					dst = binary.AppendVarint(dst, int64((w.Confirm-now.Boot)/time.Second))
				}
			}
			if len(m.keys) > 0 {
				dst = binary.AppendUvarint(dst, uint64(w.Keys))
			}
			if w.For != waitNothing {
				dst = append(dst, '@', byte(w.For), flag(w.Unsent), byte(w.Shift))
				if m.pinned(t) {
					dst = append(dst, byte(w.Round))
				}
				dst = binary.AppendVarint(dst, int64((w.Deadline-now.Boot)/time.Second))
			}
			if t.State == StateInquiring && w.Until > now.Boot {
				dst = binary.AppendVarint(dst, int64((w.Until-now.Boot)/time.Second))
			}
			if t.Stuck || t.Parked {
				dst = append(dst, flag(now.Boot < w.Quiet))
			}
		}
	}
	return dst
}

// appendScript is AppendShape of a notice that is owed.
func (m *Machine) appendScript(dst []byte, t *Transaction, now Time) []byte {
	if !t.Script.Owed() {
		return dst
	}
	dst = binary.AppendUvarint(append(dst, 'N'), uint64(t.Script.STAN))
	if n := m.telling[t.UUID]; n != nil {
		dst = append(dst, flag(n.Waiting), byte(min(n.Sends, 8)))
		dst = binary.AppendVarint(binary.AppendUvarint(dst, uint64(n.Keys)), int64((n.Deadline-now.Boot)/time.Second))
	}
	return dst
}

// appendBatch is AppendShape of one batch.
func (m *Machine) appendBatch(dst []byte, b *Batch, now Time) []byte {
	dst = fmt.Appendf(dst, "|%s%d%v%d%v%c", b.Group(), b.State, b.Totals, b.Uploaded, b.Verdicts, flag(b.Stuck))
	for _, i := range b.Items {
		dst = append(append(append(dst, '!'), i.Cause...), flag(i.Closed))
	}
	dst = append(dst, flag(m.waits[b.Group()] != nil))
	if w := m.waits[b.Group()]; w != nil && w.For != waitNothing && b.State.Busy() {
		dst = fmt.Appendf(dst, "@%d %d %d %d", w.For, w.Shift, min(w.Round, 8), int64((w.Deadline-now.Boot)/time.Second))
	}
	return dst
}

func (t *Transaction) appendShape(dst []byte) []byte {
	dst = append(dst, t.UUID...)
	if t.DataKey != NoDataKey {
		dst = append(dst, 'D')
	}
	dst = append(dst, byte(t.State), byte(t.Route), byte(t.Attempts), byte(t.SeriesStart), byte(t.Series), byte(t.SentAttempt), byte(t.Hold))
	for _, b := range [...]bool{t.Answered, t.Repeat, t.SawDone, t.SawUnknown, t.HostRefused, t.LateApproval, t.Stuck, t.Parked, t.Overridden, t.ByOperator, t.Evidence >= evidencePerTxn} {
		dst = append(dst, flag(b))
	}
	dst = append(dst, t.Shown...)
	if t.Chip != "" || t.Partial || t.ApprovedMinor != 0 {
		dst = fmt.Appendf(dst, "~%s%c%d %s", t.Chip, flag(t.Partial), t.ApprovedMinor, t.ReversalEMV)
	}
	if t.Advice || len(t.Asked) > 0 || t.Doubt != "" {
		dst = append(dst, '?', flag(t.Advice))
		dst = append(dst, t.Doubt...)
		for _, q := range t.Asked {
			dst = binary.AppendUvarint(append(dst, ' '), uint64(q.STAN))
		}
	}
	for _, i := range t.Items {
		dst = append(dst, '!')
		dst = append(dst, i.Cause...)
		dst = append(dst, flag(i.Closed))
		dst = append(dst, i.AckBy...) // decides whether the next acknowledgement is a record
	}
	for _, f := range t.Follows {
		dst = append(dst, '>', flag(f.Open), flag(f.Done))
		dst = append(dst, f.By...)
	}
	return dst
}

func flag(b bool) byte {
	if b {
		return '1'
	}
	return '0'
}

// Check says what a recovered machine lacks to go on, naming it: the rules of
// an open transaction. The shell refuses to start then.
func (m *Machine) Check() error {
	for _, uuid := range m.open {
		if t := m.hot[uuid]; m.rules[t.Rules] == nil {
			return fmt.Errorf("journal: transaction %s was begun under rules %s, which no record holds: %w", uuid, t.Rules, ErrRecord)
		}
	}
	return nil
}
