package txn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The journal seals the cards of each settlement batch under a data key of their
// own, and destroys it when nothing can need them any more (journal.md,
// "Secrets"). Which key an intent is sealed under, and when a key goes, is
// decided here. A key is in use, then retired, durably and for good, then
// destroyed by the shell, then forgotten: a crash between two of these goes on
// where it stopped.
//
// A key is retired when its batch is settled and nobody has an item of it; the
// longest lifetime of a message has gone by since, so that no answer to one of
// its messages is still on its way; none of its transactions is open, escalated,
// followed by what is undecided or still to be shown; and no pre-authorisation of
// it waits for its completion. What the host says of them after that reaches a
// person, and nothing is sent by itself.

// NoDataKey is the key of what belongs to no batch; the journal seals it under
// FirstDataKey, which is never destroyed.
const (
	NoDataKey    uint32 = 0
	FirstDataKey uint32 = 1
)

// The record types of data keys.
const (
	TypeDataKey          RecordType = 100
	TypeDataKeyRetired   RecordType = 101
	TypeDataKeyDestroyed RecordType = 102
)

// DataKey begins a batch's data key; at the beginning of a journal segment it
// says anew that there is one.
type DataKey struct {
	Head
	Number  uint32      `json:"key"`
	TID     iso8583.TID `json:"tid"`
	Serial  int         `json:"batch_serial"`
	Retired bool        `json:"retired,omitempty"`
}

// DataKeyRetired is the irrevocable decision to destroy the key: no message will
// need a card that it seals.
type DataKeyRetired struct{ Head }

// DataKeyDestroyed says that the journal has destroyed the key.
type DataKeyDestroyed struct{ Head }

// Type makes each record a Record.
func (*DataKey) Type() RecordType          { return TypeDataKey }
func (*DataKeyRetired) Type() RecordType   { return TypeDataKeyRetired }
func (*DataKeyDestroyed) Type() RecordType { return TypeDataKeyDestroyed }

func (r *DataKey) fields(c *coder) {
	num(c, 2, &r.Number)
	str(c, 3, &r.TID)
	num(c, 4, &r.Serial)
	c.bool(5, &r.Retired)
}

func (r *DataKeyRetired) fields(*coder)   {}
func (r *DataKeyDestroyed) fields(*coder) {}

// KeyDestroyed says that the journal has destroyed a retired data key. A
// destruction that failed is not reported: it is asked for again.
type KeyDestroyed struct{ Number uint32 }

func (KeyDestroyed) event() {}

const groupDataKey = "datakey:"

// DataKeyGroup is the journal group of a data key's records, and the name of its
// timer.
func DataKeyGroup(n uint32) string { return fmt.Sprintf("%s%d", groupDataKey, n) }

// IsDataKey says whether a group is a data key's.
func IsDataKey(group string) bool { return strings.HasPrefix(group, groupDataKey) }

// heldDataKey is a key that is not known to be destroyed.
type heldDataKey struct {
	Number  uint32
	TID     iso8583.TID
	Serial  int
	Retired bool
}

func (k *heldDataKey) group() string { return DataKeyGroup(k.Number) }

// applyDataKey folds a record of this file, and says whether it was one.
func (m *Machine) applyDataKey(r Record) bool {
	is := func(k heldDataKey) bool { return k.group() == r.Group() }
	switch r := r.(type) {
	case *DataKey:
		m.dataKeys = append(slices.DeleteFunc(slices.Clone(m.dataKeys), is), heldDataKey{r.Number, r.TID, r.Serial, r.Retired})
		m.lastDataKey = max(m.lastDataKey, r.Number)
	case *DataKeyRetired:
		m.dataKeys = slices.Clone(m.dataKeys) // copies of m share it
		if i := slices.IndexFunc(m.dataKeys, is); i >= 0 {
			m.dataKeys[i].Retired = true
		}
	case *DataKeyDestroyed:
		m.dataKeys = slices.DeleteFunc(slices.Clone(m.dataKeys), is)
	default:
		return false
	}
	return true
}

// dataKeyRecords says which keys there are.
func (m *Machine) dataKeyRecords() (heads []Record) {
	for _, k := range m.dataKeys {
		heads = append(heads, &DataKey{Head: Head{UUID: k.group()}, Number: k.Number, TID: k.TID, Serial: k.Serial, Retired: k.Retired})
	}
	return heads
}

// DataKeys lists the groups of the data keys that are not known to be destroyed:
// after a start each gets one Recovered.
func (m *Machine) DataKeys() (groups []string) {
	for _, k := range m.dataKeys {
		groups = append(groups, k.group())
	}
	return groups
}

// CardGone says that the card of t cannot be read any more.
func (m *Machine) CardGone(t *Transaction) bool {
	return t.DataKey != NoDataKey && !slices.ContainsFunc(m.dataKeys, func(k heldDataKey) bool { return k.Number == t.DataKey && !k.Retired })
}

// NextDataKey is the key that the terminal's next intent begins, or NoDataKey
// where it begins none. The shell may make it ready in the journal.
func (m *Machine) NextDataKey(tid iso8583.TID) uint32 {
	term := m.terminals[tid]
	if term == nil {
		return NoDataKey
	}
	_, serial := m.batchOf(term)
	if serial == 0 || m.dataKeyOf(tid, serial) != NoDataKey {
		return NoDataKey
	}
	return max(m.lastDataKey, FirstDataKey) + 1
}

// dataKeyOf is the key in use for the batch, or NoDataKey.
func (m *Machine) dataKeyOf(tid iso8583.TID, serial int) uint32 {
	for _, k := range m.dataKeys {
		if k.TID == tid && k.Serial == serial && !k.Retired {
			return k.Number
		}
	}
	return NoDataKey
}

// sealUnder is the data key of the terminal's next intent: its batch's, which
// begins where there is none.
func (s *step) sealUnder(tid iso8583.TID, serial int) uint32 {
	if n := s.m.NextDataKey(tid); n != NoDataKey {
		s.record(DataKeyGroup(n), &DataKey{Number: n, TID: tid, Serial: serial})
	}
	return s.m.dataKeyOf(tid, serial)
}

// keyReview is how often it is looked at again whether a key can go, or was
// destroyed.
const keyReview = time.Hour

// holdLife is how long a pre-authorisation that nothing followed keeps its key: by
// then the issuer has let the hold go (terminal-rules A has no row; 30 days is
// from memory). Only the wall clock spans that. If it is wrong the card is asked
// for again, and nothing worse.
const holdLife = int64(30 * 24 * time.Hour / time.Millisecond)

// batchOver begins the time after which the key of a settled batch may go.
func (s *step) batchOver(b *Batch) {
	if n := s.m.dataKeyOf(b.TID, b.Serial); n != NoDataKey {
		s.armDataKey(n, s.lifetime(b.TID))
	}
}

// lifetime is when nothing that was sent for the terminal by now can be answered
// any more.
func (s *step) lifetime(tid iso8583.TID) time.Duration {
	term := s.m.terminals[tid]
	if term == nil {
		return keyReview
	}
	r := &term.Rules
	return time.Duration(r.SendTimeout + r.ResponseTimeout + r.Reversal.MessageLifetime)
}

func (s *step) armDataKey(n uint32, d time.Duration) {
	at := s.now.Boot + d
	s.m.reviews = slices.DeleteFunc(slices.Clone(s.m.reviews), func(v review) bool { return v.key == n })
	s.m.reviews = append(s.m.reviews, review{n, at})
	s.ready.Timers = append(s.ready.Timers, Timer{UUID: DataKeyGroup(n), At: at, For: "the end of its data key"})
}

// review is when a key is looked at next. It is volatile.
type review struct {
	key uint32
	at  time.Duration
}

// heldOf is the key of that group, or nil.
func (m *Machine) heldOf(group string) *heldDataKey {
	if !IsDataKey(group) {
		return nil
	}
	for i := range m.dataKeys {
		if k := m.dataKeys[i]; k.group() == group {
			return &k
		}
	}
	return nil
}

// dataKeyEvent takes what clock, start and journal say of a data key, and says
// whether ev was about one.
func (s *step) dataKeyEvent(ev Event) bool {
	group := about(ev)
	if e, ok := ev.(KeyDestroyed); ok {
		group = DataKeyGroup(e.Number)
	}
	if !IsDataKey(group) {
		return false
	}
	k := s.m.heldOf(group)
	if k == nil {
		return true
	}
	switch ev.(type) {
	case KeyDestroyed:
		if k.Retired {
			s.record(group, &DataKeyDestroyed{})
			s.m.reviews = slices.DeleteFunc(slices.Clone(s.m.reviews), func(v review) bool { return v.key == k.Number })
		}
	case Recovered:
		if k.Retired {
			s.destroy(k.Number)
		} else if s.m.ended(k) {
			s.armDataKey(k.Number, s.lifetime(k.TID))
		}
	case Timeout:
		if !slices.ContainsFunc(s.m.reviews, func(v review) bool { return v.key == k.Number && s.now.Boot < v.at }) {
			s.reviewDataKey(k)
		}
	}
	return true
}

// reviewDataKey retires a key that nothing needs any more. All that was begun
// under it is in memory: Needs has seen to that.
func (s *step) reviewDataKey(k *heldDataKey) {
	switch {
	case k.Retired: // the journal has not said that it is destroyed
	case s.m.dataKeyNeeded(k) || slices.ContainsFunc(s.m.members(&Batch{TID: k.TID, Serial: k.Serial}), s.keepsCard):
		s.armDataKey(k.Number, keyReview)
		return
	default:
		s.record(k.group(), &DataKeyRetired{})
	}
	s.destroy(k.Number)
}

// ended says that the key's batch is settled. One that is known no more was, long
// ago.
func (m *Machine) ended(k *heldDataKey) bool {
	if b := m.byGroup(BatchGroup(k.TID, k.Serial)); b != nil {
		return b.State.Final()
	}
	return k.Serial < m.present(k.TID).Serial
}

// dataKeyNeeded is what can be said without the batch's settled transactions.
func (m *Machine) dataKeyNeeded(k *heldDataKey) bool {
	b := m.byGroup(BatchGroup(k.TID, k.Serial))
	return !m.ended(k) || b != nil && b.Escalated() || m.openLoss() || slices.ContainsFunc(m.open, func(uuid string) bool { return m.hot[uuid].DataKey == k.Number })
}

// keepsCard says that a message about t, or about what follows it, may need its
// card.
func (s *step) keepsCard(t *Transaction) bool {
	hold := t.Kind == iso8583.PreAuth && t.State == StateConfirmed && t.Left() > 0 && s.now.Wall-t.Confirmed < holdLife
	return hold || !t.Settled()
}

// destroy has the journal destroy a retired key, and asks again until it has.
func (s *step) destroy(n uint32) {
	s.ready.Destroy = append(s.ready.Destroy, n)
	s.armDataKey(n, keyReview)
}

// appendDataKeys is AppendShape of the keys.
func (m *Machine) appendDataKeys(dst []byte, now Time) []byte {
	for _, k := range m.dataKeys {
		dst = fmt.Appendf(dst, "|D%s/%d%c", k.TID, k.Serial, flag(k.Retired))
		for _, v := range m.reviews {
			if v.key == k.Number {
				dst = append(dst, '@', flag(now.Boot < v.at))
			}
		}
	}
	return dst
}
