package sim

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// store is the product's journal under a world, where a run has one: records
// are sealed, appended, carried and recovered as the daemon does it, and an
// agent's crash is a power cut.
type store struct {
	disk *powerDisk
	log  *journal.Log
	rng  *rand.Rand // for what the disk does; the world's choices stay as they are

	n PowerCuts
}

// PowerCuts is what the journals of some runs went through.
type PowerCuts struct {
	Cuts     int
	Torn     int // left a torn tail
	Whole    int // left a whole batch that nobody had heard of
	Again    int // came in the middle of a recovery
	Segments int // were in use, summed over the cuts
}

// Add sums up.
func (p *PowerCuts) Add(o PowerCuts) {
	p.Cuts, p.Torn, p.Whole, p.Again, p.Segments = p.Cuts+o.Cuts, p.Torn+o.Torn, p.Whole+o.Whole, p.Again+o.Again, p.Segments+o.Segments
}

// RunOnJournal is one run over the product's journal. What is settled leaves the
// machine, as it does when recovery begins with a carry. No older copy is put in
// the journal's place: that is the same to the core whatever kept the records.
func RunOnJournal(seed uint64, stats *Stats) (PowerCuts, *Violation) {
	p := draw(seed)
	p.Keep, p.Rollback = max(p.Keep, 0), 0
	w := newWorld(p, Seeded(seed), stats)
	w.plug(seed)
	w.run()
	w.unplug()
	return w.store.n, w.broken
}

var storeKey = bytes.Repeat([]byte{7}, journal.KeyLen)

// plug gives the world a journal. Nothing may have happened yet.
func (w *World) plug(seed uint64) {
	w.store = &store{disk: newPowerDisk(), rng: rand.New(rand.NewPCG(seed, 1))}
	w.powerOn()
}

// powerOn opens the journal, at times only after the power failed once or twice
// more in the middle of it, and holds it against what must be in it.
func (w *World) powerOn() {
	s := w.store
	for again := 0; ; again++ {
		if again < 2 && s.rng.IntN(4) == 0 {
			s.disk.left = s.rng.IntN(8)
		}
		var err error
		s.log, err = journal.Open("power", journal.Options{FS: s.disk, Key: storeKey, SegmentBytes: 64 << 10, Retain: journal.Retain{Bytes: -1}})
		if err == nil {
			break
		}
		if !errors.Is(err, errDark) {
			w.fail("journal", "it does not open after a power cut: %v", err)
			return
		}
		s.n.Again++
		s.disk = s.disk.cut(s.rng)
	}
	s.disk.mu.Lock()
	s.disk.left = -1
	s.disk.mu.Unlock()
	if s.log.Info().Tail != nil {
		s.n.Torn++
	}
	if s.log.Info().Quarantine {
		w.fail("journal", "a power cut made a quarantine: %+v", s.log.Info().Tail)
	}
	s.log.SetCarry(func() journal.Carry {
		groups, heads := w.agent.view.Carry()
		c := journal.Carry{Groups: groups}
		for _, r := range heads {
			c.Extra = append(c.Extra, entryOf(r, 0))
		}
		return c
	})
}

// entryOf is a record in the journal's form. Where nothing is settled, each few
// dozen records have a data key of their own.
func entryOf(r txn.Record, n int) journal.Entry {
	e := journal.Entry{Type: uint16(r.Type()), Group: r.Group(), Keys: txn.Keys(r), Class: journal.ClassOutcome, Clear: txn.Encode(nil, r)}
	if i, ok := r.(*txn.Intent); ok {
		e.Class, e.KeyID, e.Sealed = journal.ClassIntent, i.DataKey, card.Template()
		if i.DataKey == txn.NoDataKey {
			e.KeyID = uint32(1<<20 + n/40)
		}
	}
	return e
}

// entries is the batch that is being synced.
func (w *World) entries() []journal.Entry {
	d := &w.disk
	var out []journal.Entry
	start := 0
	for i, b := range d.batch {
		r, err := txn.Decode(b.kind, b.group, d.bytes[start:b.end])
		if err != nil {
			w.fail("codec", "%s of %s: %v", b.kind, b.group, err)
			return nil
		}
		start = b.end
		out = append(out, entryOf(r, len(d.durable)+i))
	}
	return out
}

// append makes the batch durable in the journal.
func (w *World) append() {
	first, err := w.store.log.Append(w.entries())
	if want := journal.LSN(len(w.disk.durable) + 1); err != nil || first != want {
		w.fail("journal", "append gives %d, %v; want %d", first, err, want)
	}
}

// cutPower ends the agent in the middle of whatever its journal does, and says
// whether a batch that was being synced is there afterwards.
func (w *World) cutPower() (kept bool) {
	s, before, n := w.store, len(w.disk.durable), len(w.disk.batch)
	s.n.Cuts++
	if n > 0 {
		s.disk.mu.Lock()
		s.disk.left = s.rng.IntN(4)
		s.disk.mu.Unlock()
		_, _ = s.log.Append(w.entries()) // nobody hears of it
	}
	s.n.Segments += s.log.Info().Segments
	s.disk.mu.Lock()
	s.disk.dark = true
	s.disk.mu.Unlock()
	_ = s.log.Close() // of a dead process: it can change nothing any more
	s.disk = s.disk.cut(s.rng)
	w.powerOn()
	if w.broken != nil {
		return false
	}
	switch last := int(s.log.Last()); last {
	case before:
	case before + n:
		kept = true
		s.n.Whole++
	default:
		w.fail("journal", "%d entries after a power cut; %d were acknowledged, %d being written", last, before, n)
	}
	return kept
}

// recovered folds what the journal gives, as the shell does, and compares.
func (w *World) recovered(m *txn.Machine) {
	err := w.store.log.Recover(func(e journal.Record) error {
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return err
		}
		if _, begins := r.(*txn.Intent); !begins && !strings.Contains(r.Group(), ":") && m.Get(r.Group()) == nil {
			past, err := w.find(r.Group(), e.LSN)
			if err != nil {
				return err
			}
			m.Load(past)
		}
		m.Apply(r)
		m.Evict(max(w.p.Keep, 0))
		return nil
	})
	if err == nil {
		err = w.whole()
	}
	if err != nil {
		w.fail("journal", "recovery: %v", err)
		return
	}
	if len(m.Settling()) > 0 {
		return // of a batch under way, what is settled is read back with its Recovered
	}
	a, b := m.Clone(), w.agent.view.Clone()
	a.Evict(0)
	b.Evict(0)
	if memory, all := a.AppendDurable(nil), b.AppendDurable(nil); !bytes.Equal(memory, all) {
		w.fail("carry", "recovery gives %s, and all records give %s", memory, all)
	}
}

// whole holds every entry against what was acknowledged, sealed parts too.
func (w *World) whole() error {
	n := 0
	err := w.store.log.Scan(1, func(e journal.Record) error {
		if n >= len(w.disk.durable) {
			return fmt.Errorf("entry %d was never acknowledged", e.LSN)
		}
		r := w.disk.durable[n]
		if n++; int(e.LSN) != n || e.Type != uint16(r.Type()) || e.Group != r.Group() || !bytes.Equal(e.Clear, txn.Encode(nil, r)) {
			return fmt.Errorf("entry %d is not what was acknowledged", e.LSN)
		}
		if r.Type() != txn.TypeIntent {
			return nil
		}
		plain, err := w.store.log.Unseal(e)
		if slices.Contains(w.dataKeys.gone, e.KeyID) {
			if !errors.Is(err, journal.ErrKeyDestroyed) {
				err = fmt.Errorf("entry %d unseals, and its key is destroyed: %w", e.LSN, err)
			} else {
				err = nil
			}
			return err
		}
		if err == nil && !bytes.Equal(plain, card.Template()) {
			err = fmt.Errorf("entry %d unseals to something else", e.LSN)
		}
		return err
	})
	if err == nil && n != len(w.disk.durable) {
		err = fmt.Errorf("%d entries, and %d were acknowledged", n, len(w.disk.durable))
	}
	return err
}

// find looks a name up, up to an entry.
func (w *World) find(name string, before journal.LSN) ([]txn.Record, error) {
	entries, err := w.store.log.Lookup(name)
	var out []txn.Record
	for _, e := range entries {
		if e.LSN >= before {
			break
		}
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, err
}

// lookUp does what Needs asks for, out of the journal.
func (w *World) lookUp(ev txn.Event) {
	for _, key := range w.agent.m.Needs(ev) {
		records, err := w.find(key, w.store.log.Last()+1)
		if err != nil {
			w.fail("journal", "look-up of %s: %v", key, err)
			return
		}
		fresh := slices.DeleteFunc(records, func(r txn.Record) bool { return w.agent.m.Get(r.Group()) != nil })
		if len(fresh) > 0 {
			w.saw(LoadedAgain)
			w.agent.m.Load(fresh)
		}
	}
}

// unplug ends the run's journal.
func (w *World) unplug() {
	if err := w.store.log.Close(); err != nil {
		w.fail("journal", "close: %v", err)
	}
}
