package txn

import (
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Machine is every transaction of every terminal of one agent. Its durable
// part is changed by Apply alone; the rest is Step's and dies with the process.
// It is not safe for concurrent use: one goroutine owns it.
type Machine struct {
	// Durable: a fold of the records.
	epoch  uint64
	rules  map[string]*iso8583.Rules // by hash
	heads  map[iso8583.TID]*stanHead
	hot    map[string]*Transaction // by UUID
	open   []string                // UUIDs that are not settled, in the order of their intents
	cold   []string                // settled ones still in memory, oldest first
	bySTAN map[string]string       // STANKey → UUID of the latest transaction with it
	bySale map[string][]string     // SaleKey → UUIDs, oldest first
	losses []KnownLoss             // of entries, oldest first

	batches     map[iso8583.TID]*batchHead // that take intents
	settlements []*Batch                   // those that do not any more, in the order in which that began
	settling    []string                   // of these, the groups of those that are being settled
	keys        map[iso8583.TID]*keyHead
	dataKeys    []heldDataKey // in the order in which they began

	// Volatile: Step's own.
	terminals map[iso8583.TID]*Terminal
	sessions  map[string]*session // by id
	signing   map[iso8583.TID]*signing
	clocks    map[iso8583.TID]*hostClock
	telling   map[string]*telling // by UUID
	waits     map[string]*wait    // by UUID
	reviews   []review
	evidence  budget
	undated   time.Duration // Boot time of the latest commit under a dead clock, or of this process's start

	lastDataKey uint32 // the highest number known to be used

	// Observe, where it is set, is told of every cell of the state table that
	// is passed through: for coverage in tests.
	Observe func(from State, in Input, to State)
}

// New is an empty machine.
func New() *Machine {
	return &Machine{
		rules:     map[string]*iso8583.Rules{},
		heads:     map[iso8583.TID]*stanHead{},
		hot:       map[string]*Transaction{},
		bySTAN:    map[string]string{},
		bySale:    map[string][]string{},
		batches:   map[iso8583.TID]*batchHead{},
		keys:      map[iso8583.TID]*keyHead{},
		signing:   map[iso8583.TID]*signing{},
		clocks:    map[iso8583.TID]*hostClock{},
		telling:   map[string]*telling{},
		terminals: map[iso8583.TID]*Terminal{},
		sessions:  map[string]*session{},
		waits:     map[string]*wait{},
	}
}

// Epoch is the journal's epoch, 0 before the first Configure.
func (m *Machine) Epoch() uint64 { return m.epoch }

// Get is the transaction, or nil where it is not in memory. The caller must not
// change it.
func (m *Machine) Get(uuid string) *Transaction { return m.hot[uuid] }

// ByTrace is the UUID of the latest transaction in memory with this terminal
// and STAN, or "".
func (m *Machine) ByTrace(tid iso8583.TID, stan iso8583.STAN) string {
	return m.bySTAN[STANKey(tid, stan)]
}

// Open lists the transactions that are not settled, in the order of their
// intents: what is recovered after a start.
func (m *Machine) Open() []string { return slices.Clone(m.open) }

// All lists every transaction in memory: settled ones first, oldest first.
func (m *Machine) All() []string { return slices.Concat(m.cold, m.open) }

// RulesFor is the frozen rules of t.
func (m *Machine) RulesFor(t *Transaction) *iso8583.Rules { return m.rules[t.Rules] }

// STANKey is the journal key under which a late response finds its owner.
func STANKey(tid iso8583.TID, stan iso8583.STAN) string {
	return "stan/" + string(tid) + "/" + stan.String()
}

// WholeKey is the journal key of all parts of a sale of a merchant.
func WholeKey(mid iso8583.MID, sale string) string { return "whole/" + string(mid) + "/" + sale }

// SaleKey is the journal key of one part of a sale of a merchant.
func SaleKey(mid iso8583.MID, sale, part string) string {
	return "sale/" + string(mid) + "/" + sale + "/" + part
}

// Keys lists the journal keys of a record beside its group.
func Keys(r Record) []string {
	switch r := r.(type) {
	case *Intent:
		keys := []string{STANKey(r.TID, r.STAN)}
		if r.Kind.HandsOver() {
			keys = append(keys, SaleKey(r.MID, r.Sale, r.Part), WholeKey(r.MID, r.Sale))
		}
		if r.Serial != 0 {
			keys = append(keys, BatchKey(r.TID, r.Serial))
		}
		return keys
	case *Followed:
		return []string{STANKey(r.TID, r.STAN)}
	case *Inquiry:
		return []string{STANKey(r.TID, r.STAN)}
	case *ScriptOwed:
		return []string{STANKey(r.TID, r.STAN)}
	}
	return nil
}

// Needs lists the journal keys whose groups must be in memory before Step may
// take ev: an old UUID, a sale's earlier attempts, what a void follows, a late
// response's owner and its original. The shell looks them up off its loop and gives the result to Load.
func (m *Machine) Needs(ev Event) []string {
	switch e := ev.(type) {
	case Begin:
		keys := m.needUUID(e.UUID)
		if e.Original != "" {
			keys = append(keys, m.needUUID(e.Original)...)
		} else if term := m.terminals[e.TID]; term != nil {
			keys = append(keys, SaleKey(term.MID, e.Sale, e.Part))
		}
		if e.Replaces != "" {
			keys = append(keys, m.needUUID(e.Replaces)...)
		}
		return keys
	case Confirm:
		return m.needUUID(e.UUID)
	case Cancel:
		return m.needUUID(e.UUID)
	case Shown:
		return m.needUUID(e.UUID)
	case Resolve:
		if t := m.hot[e.UUID]; t != nil && t.Original != "" {
			return m.needOriginal(t)
		}
		return m.needUUID(e.UUID)
	case Acknowledge:
		return m.needUUID(e.UUID)
	case Settle:
		var keys []string // of whichever is due when they are read
		for _, b := range m.unsettled(e.TID) {
			keys = append(keys, BatchKey(e.TID, b.Serial))
		}
		return keys
	case Recovered:
		if b := m.byGroup(e.UUID); b != nil {
			return []string{BatchKey(b.TID, b.Serial)}
		}
	case Timeout:
		if k := m.heldOf(e.UUID); k != nil && !k.Retired && !m.dataKeyNeeded(k) {
			return []string{BatchKey(k.TID, k.Serial)}
		}
	case Response:
		holder := m.bySTAN[STANKey(e.TID, e.STAN)]
		t := m.hot[holder]
		switch {
		case m.byGroup(holder) != nil:
		case t == nil:
			return []string{STANKey(e.TID, e.STAN)}
		case t.Original != "":
			return m.needOriginal(t) // the answer may lock it anew, or give a hold back
		}
	}
	return nil
}

// needOriginal is what t follows, and what that follows: a void of a completion
// gives the hold back.
func (m *Machine) needOriginal(t *Transaction) []string {
	keys := m.needUUID(t.Original)
	if o := m.hot[t.Original]; o != nil && o.Original != "" {
		keys = append(keys, m.needUUID(o.Original)...)
	}
	return keys
}

func (m *Machine) needUUID(uuid string) []string {
	if m.hot[uuid] != nil {
		return nil
	}
	return []string{uuid}
}

// Load folds groups read back from the journal. Records of transactions that
// are in memory already are passed over, since those are newer.
func (m *Machine) Load(records []Record) {
	var fresh []Record
	for _, r := range records {
		if m.hot[r.Group()] == nil && !strings.Contains(r.Group(), ":") {
			fresh = append(fresh, r)
		}
	}
	for _, r := range slices.Backward(fresh) { // of several with one STAN the newest has it
		switch r := r.(type) {
		case *Intent:
			m.claim(r.UUID, STANKey(r.TID, r.STAN), true)
		case *Inquiry:
			m.claim(r.UUID, STANKey(r.TID, r.STAN), true)
		case *ScriptOwed:
			m.claim(r.UUID, STANKey(r.TID, r.STAN), true)
		}
	}
	for _, r := range fresh { // without moving the terminal's STAN: it is an old one
		switch r := r.(type) {
		case *Intent:
			m.addIntent(r, true)
		case *Inquiry:
			m.addInquiry(r, true)
		case *ScriptOwed:
			m.addScript(r, true)
		default:
			m.Apply(r)
		}
	}
}

// Evict forgets the oldest settled transactions until at most keep are left.
// The caller promises that the journal finds them again by their keys, and
// that no Load is under way.
func (m *Machine) Evict(keep int) {
	from := 0
	for len(m.cold)-from > keep {
		t := m.hot[m.cold[from]]
		if m.pinned(t) {
			from++
			continue
		}
		m.cold = slices.Delete(m.cold, from, from+1)
		delete(m.hot, t.UUID)
		delete(m.waits, t.UUID)
		for _, stan := range t.stans() {
			if key := STANKey(t.TID, stan); m.bySTAN[key] == t.UUID {
				delete(m.bySTAN, key)
			}
		}
		key := SaleKey(t.MID, t.Sale, t.Part)
		if m.bySale[key] = slices.DeleteFunc(slices.Clone(m.bySale[key]), func(u string) bool { return u == t.UUID }); len(m.bySale[key]) == 0 {
			delete(m.bySale, key)
		}
	}
}

// budget bounds the evidence that belongs to no transaction: a host that
// sends rubbish must not fill the journal.
type budget struct {
	since time.Duration
	used  int
}

const (
	evidenceWindow = time.Minute
	evidenceLimit  = 32 // per window, for all that belongs to no transaction
	evidencePerTxn = 16 // per transaction, for ever
)

func (b *budget) take(now time.Duration) bool {
	if now-b.since >= evidenceWindow || now < b.since {
		b.since, b.used = now, 0
	}
	b.used++
	return b.used <= evidenceLimit
}
