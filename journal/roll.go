package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Carry is what a new segment begins with: everything that recovery needs of
// what came before, so that it need not be read.
type Carry struct {
	// Groups are carried whole: every entry of each, with its LSN and sealed as
	// it was.
	Groups []string
	// Extra are entries said anew, such as a terminal's head. They have no LSN
	// of their own and no sealed part; Recover gives them last.
	Extra []Entry
}

// roll begins the next segment and writes the group into it: header, carry and
// batch in one write and one sync. The segment has stood under its name, filled,
// since it was prepared.
func (l *Log) roll(group []*request, first LSN, n int, bytes int64) error {
	old := l.cur
	enc := &encoder{keys: l.keys, sum: old.enc.sum}
	h := &segHeader{
		id: l.id, salt: newSalt(), seq: old.head.seq + 1, first: first, prev: old.enc.chain, begun: time.Now(),
		keyCheck: old.head.keyCheck, created: l.created,
	}
	carry, err := l.gather(h)
	if err != nil {
		return fmt.Errorf("carry: %w", err)
	}
	need := blockSize + pad(carry.bytes) + pad(bytes)
	next, err := l.spare.next(h.seq, need)
	if err != nil {
		return fmt.Errorf("segment %d: %w", h.seq, err)
	}
	h.size = next.size
	if next.recycled {
		h.flags |= segRecycled
	}
	h.carry = uint32(pad(carry.bytes))
	if err = enc.segment(h, carry); err == nil {
		err = enc.batch(group, first, n, 0)
	}
	if err != nil {
		return errors.Join(err, next.file.Close())
	}
	l.cur = writer{file: next.file, head: h, off: 0, enc: *enc, carried: carry.groups}
	if err := l.cur.flush(0); err != nil {
		return errors.Join(err, old.file.Close())
	}
	l.enter(h)
	l.publish(first, n, blockSize, enc.buf[blockSize:], h)
	l.cur.off = int64(len(enc.buf))
	l.cur.enc.buf = old.enc.buf
	l.room.Store(h.size - l.cur.off)
	l.spare.wake() // what comes next, and what may retire
	return old.file.Close()
}

// enter makes a segment that has been begun known.
func (l *Log) enter(h *segHeader) {
	l.segMu.Lock()
	defer l.segMu.Unlock()
	l.segs = append(l.segs, &segment{fs: l.fs, seq: h.seq, head: h})
}

// carried is the records of a carry.
type carried struct {
	extra  []Entry
	groups map[string]bool
	recs   []raw
	bytes  int64
}

// gather asks what must stay and reads it. Without a callback nothing is
// carried: recovery then begins further back, and nothing retires.
func (l *Log) gather(h *segHeader) (*carried, error) {
	c := &carried{groups: map[string]bool{}}
	fn := l.carry.Load()
	if fn == nil {
		return c, nil
	}
	h.flags |= segCarries
	want := (*fn)()
	for i := range want.Extra {
		e := &want.Extra[i]
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("extra entry %d, type %d: %w", i+1, e.Type, err)
		}
		if len(e.Sealed) > 0 {
			return nil, fmt.Errorf("extra entry %d, type %d: it has a sealed part", i+1, e.Type)
		}
		c.bytes += int64(e.storedLen())
	}
	c.extra = want.Extra
	for _, g := range want.Groups {
		if err := l.collect(g, c); err != nil {
			return nil, fmt.Errorf("group %.40q: %w", g, err)
		}
		c.groups[g] = true
	}
	slices.SortFunc(c.recs, func(a, b raw) int { return cmp.Compare(a.lsn, b.lsn) })
	return c, nil
}

// collect reads the records of one group as they stand on the disk. What the
// segment before carried stands in it as a whole: a group that has been open for
// a thousand segments is not looked for in each of them.
func (l *Log) collect(group string, c *carried) error {
	from := uint64(0)
	if l.cur.carried[group] {
		from = l.cur.head.seq
	}
	found, err := l.findFrom(group, from)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.rec.Group != group {
			continue
		}
		r, salt := f.raw, f.salt
		if r.flags&flagCarried != 0 {
			if r, salt, err = r.unwrap(); err != nil {
				return err
			}
		}
		c.bytes += int64(headerLen+len(salt)) + int64(len(r.bytes))
		r.carrySalt = salt
		c.recs = append(c.recs, r)
	}
	return nil
}

// segment encodes a segment's beginning: header and carry.
func (e *encoder) segment(h *segHeader, c *carried) error {
	e.buf = append(make([]byte, 0, blockSize+int(pad(c.bytes))+blockSize), h.encode()...)
	e.salt, e.chain = h.salt, h.chain()
	e.begin(0)
	left := len(c.extra) + len(c.recs)
	flags := func() uint16 {
		if left--; left == 0 {
			return flagLast | flagCarryEnd
		}
		return 0
	}
	for i := range c.recs {
		e.carried(&c.recs[i], c.recs[i].carrySalt, flags())
	}
	for i := range c.extra {
		if err := e.entry(&c.extra[i], h.first-1, flags()|flagExtra); err != nil {
			return err
		}
	}
	e.end()
	return nil
}
