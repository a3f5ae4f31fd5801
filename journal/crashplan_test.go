package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// plan is what a scenario appends: what batch i holds follows from i and from a
// tag that says in which life of the disk it was written, so that whoever reads
// a journal knows each byte that must be there.
type plan struct {
	batch func(i int) []shape
	open  func(group string) bool // groups that are carried; nil: no carry

	forgets bool // the names of what retired expire

	starts []LSN // of each batch, as far as computed
}

// shape is an entry's size and look.
type shape struct {
	clear  int // bytes, at least
	sealed int // bytes in plain; 0: nothing
	keyID  uint32
	group  string // "": the batch's own
	fill   byte   // what clear is filled with; 0xFF: changing bytes
	edge   bool   // made longer until the batch ends one byte into a sector, and that byte has one bit
}

// start is the LSN at which batch i begins.
func (p *plan) start(i int) LSN {
	if len(p.starts) == 0 {
		p.starts = []LSN{1}
	}
	for len(p.starts) <= i {
		n := len(p.starts)
		p.starts = append(p.starts, p.starts[n-1]+LSN(len(p.batch(n-1))))
	}
	return p.starts[i]
}

// end is the last LSN of batch i.
func (p *plan) end(i int) LSN { return p.start(i+1) - 1 }

// after is how many batches end with lsn; ok says that one does.
func (p *plan) after(lsn LSN) (n int, ok bool) {
	for p.start(n) <= lsn {
		n++
	}
	return n, p.start(n) == lsn+1
}

// entries is batch i as tag writes it.
func (p *plan) entries(i, tag int) []Entry {
	var out []Entry
	total := 0
	for k, s := range p.batch(i) {
		e := Entry{Type: uint16(1 + i%500), Group: s.group, Keys: []string{fmt.Sprintf("key-%d", i)}, Class: ClassOutcome}
		if s.group == "" {
			e.Group = fmt.Sprintf("batch-%d", i)
		}
		// A batch that is written again in a later life is smaller or larger, so
		// that what is left of the first is not just covered.
		size := s.clear * [...]int{2, 2, 1, 3}[tag%4] / 2
		e.Clear = fmt.Appendf(make([]byte, 0, size+sectorSize), "%d.%d.%d:", i, k, tag)
		for n := len(e.Clear); n < size; n++ {
			b := s.fill
			if b == 0xFF {
				b = byte(n*7+i*31+tag*101) | 1
			}
			e.Clear = append(e.Clear, b)
		}
		if s.sealed > 0 {
			e.KeyID = s.keyID
			e.Sealed = bytes.Repeat([]byte{byte(i), byte(k), byte(tag)}, s.sealed)[:s.sealed]
		}
		if s.edge {
			for (total+e.storedLen())%sectorSize != 1 {
				e.Clear = append(e.Clear, 'e')
			}
			e.Clear[len(e.Clear)-1] = 0x10
		}
		total += e.storedLen()
		out = append(out, e)
	}
	return out
}

// need is what a journal must hold after a cut.
type need struct {
	acked int   // batches that were acknowledged, or found by an earlier recovery
	begun int   // batches that were begun: acked, or one more
	tags  []int // of each batch that was begun

	destroyed map[uint32]bool // keys; false: its destruction was begun
}

func (n need) clone() need {
	n.tags = slices.Clone(n.tags)
	d := map[uint32]bool{}
	for k, v := range n.destroyed {
		d[k] = v
	}
	n.destroyed = d
	return n
}

// begin and ack, and so on, are the marks that a scenario leaves among the
// operations.
type (
	markBegin   struct{ batch, tag int }
	markAck     struct{ batch int }
	markShred   struct{ key uint32 }
	markShredOK struct{ key uint32 }
)

func (n *need) note(mark any) {
	switch m := mark.(type) {
	case markBegin:
		n.begun = m.batch + 1
		n.tags = append(n.tags[:m.batch], m.tag)
	case markAck:
		n.acked = m.batch + 1
	case markShred:
		if !n.destroyed[m.key] {
			n.destroyed[m.key] = false
		}
	case markShredOK:
		n.destroyed[m.key] = true
	}
}

// settled repeats a check while the oldest segment retires under it.
func settled(l *Log, check func() error) error {
	for {
		first := l.Info().First
		if err := check(); err == nil || l.Info().First == first {
			return err
		}
	}
}

// check compares an open journal with what is needed, and says how many whole
// batches it has. It reads everything.
func (p *plan) check(l *Log, n need) (batches int, err error) {
	err = settled(l, func() error { batches, err = p.checkScan(l, n); return err })
	if err == nil {
		err = settled(l, func() error { return p.checkRecovery(l, n) })
	}
	return batches, err
}

func (p *plan) checkScan(l *Log, n need) (batches int, err error) {
	batches, ok := p.after(l.Last())
	switch {
	case !ok:
		return 0, fmt.Errorf("the last entry is %d, in the middle of batch %d", l.Last(), batches-1)
	case batches < n.acked:
		return 0, fmt.Errorf("%d batches, and %d were acknowledged", batches, n.acked)
	case batches > n.begun:
		return 0, fmt.Errorf("%d batches, and only %d were begun", batches, n.begun)
	}
	want := l.Info().First
	at, inBatch := 0, []Entry(nil)
	err = l.Scan(1, func(r Record) error {
		if r.LSN != want {
			return fmt.Errorf("entry %d where %d belongs", r.LSN, want)
		}
		want++
		for inBatch == nil || r.LSN > p.end(at) {
			at, _ = p.after(r.LSN)
			at--
			inBatch = p.entries(at, n.tags[at])
		}
		return p.same(l, &r, &inBatch[r.LSN-p.start(at)], n)
	})
	if err == nil && want != l.Last()+1 {
		err = fmt.Errorf("the scan ends before entry %d, and %d is the last", want, l.Last())
	}
	return batches, err
}

// same compares a record with an entry.
func (p *plan) same(l *Log, r *Record, e *Entry, n need) error {
	keys := slices.Compact(slices.Sorted(slices.Values(e.Keys)))
	if r.Type != e.Type || r.Group != e.Group || !slices.Equal(slices.Sorted(slices.Values(r.Keys)), keys) || r.Class != e.Class ||
		!bytes.Equal(r.Clear, e.Clear) || (len(r.Sealed) > 0) != (len(e.Sealed) > 0) {
		return fmt.Errorf("entry %d is not what was written: %.20q, want %.20q", r.LSN, r.Clear, e.Clear)
	}
	if len(e.Sealed) == 0 {
		return nil
	}
	plain, err := l.Unseal(*r)
	gone, begun := n.destroyed[r.KeyID]
	switch {
	case begun && errors.Is(err, ErrKeyDestroyed):
		return nil
	case gone:
		return fmt.Errorf("entry %d: key %d was destroyed, unseal says %v", r.LSN, r.KeyID, err)
	case err != nil:
		return err
	case !bytes.Equal(plain, e.Sealed):
		return fmt.Errorf("entry %d: unsealed, and it is not what was sealed", r.LSN)
	}
	return nil
}

// checkRecovery compares what Recover gives with what it must: every entry of
// what is open, and everything since the carry, each once and in order.
func (p *plan) checkRecovery(l *Log, n need) error {
	since, last := LSN(0), LSN(0)
	got := map[LSN]bool{}
	err := l.Recover(func(r Record) error {
		if r.Type == headType {
			if _, err := fmt.Sscanf(string(r.Clear), headText, &since); err != nil || last > since || r.LSN != since {
				return fmt.Errorf("recovery: %s comes after entry %d, with LSN %d: %v", r.Clear, last, r.LSN, err)
			}
			last = since
			return nil
		}
		if r.LSN <= last {
			return fmt.Errorf("recovery: entry %d after %d", r.LSN, last)
		}
		last = r.LSN
		got[r.LSN] = true
		i, _ := p.after(r.LSN)
		return p.same(l, &r, &p.entries(i-1, n.tags[i-1])[r.LSN-p.start(i-1)], n)
	})
	if err != nil {
		return err
	}
	for i := 0; p.start(i) <= l.Last(); i++ {
		for k, e := range p.entries(i, 0) {
			lsn := p.start(i) + LSN(k)
			if !got[lsn] && (lsn > since || p.open != nil && p.open(e.Group)) {
				return fmt.Errorf("recovery: entry %d of %s is missing", lsn, e.Group)
			}
		}
	}
	return nil
}

// What a carry says anew: how far the log was when it was made.
const (
	headType = 900
	headText = "head after %d"
)

// errNameless: a group retired, and nothing is known of it.
var errNameless = errors.New("nothing is known of it")

// checkLookups compares every group with what a look-up of it gives. Of what
// retired the name is known, and nothing else; what is open never retires.
func (p *plan) checkLookups(l *Log, n need) error {
	return settled(l, func() error { return p.lookUpAll(l, n) })
}

func (p *plan) lookUpAll(l *Log, n need) error {
	first := l.Info().First
	want := map[string][]LSN{}
	for i := 0; p.start(i) <= l.Last(); i++ {
		for k, e := range p.entries(i, 0) {
			want[e.Group] = append(want[e.Group], p.start(i)+LSN(k))
		}
	}
	for group, lsns := range want {
		recs, err := l.Lookup(group)
		if err != nil {
			return fmt.Errorf("look-up of %s: %w", group, err)
		}
		var got []LSN
		for i := range recs {
			got = append(got, recs[i].LSN)
			b, _ := p.after(recs[i].LSN)
			if err := p.same(l, &recs[i], &p.entries(b-1, n.tags[b-1])[recs[i].LSN-p.start(b-1)], n); err != nil {
				return fmt.Errorf("look-up of %s: %w", group, err)
			}
		}
		if lsns[0] < first && (p.open == nil || !p.open(group)) && len(got) == 0 {
			if _, ok, err := l.Retired(group); err != nil || !ok && !p.forgets {
				return fmt.Errorf("%s retired, and its name is not known: %w", group, cmp.Or(err, errNameless))
			}
			continue
		}
		if !slices.Equal(got, lsns) {
			return fmt.Errorf("look-up of %s: entries %d, want %d", group, got, lsns)
		}
	}
	return nil
}
