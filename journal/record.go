package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// The fixed part of a stored record; FORMAT.md has the table.
const (
	recordMagic = 0x524A4643 // "CFJR"
	headerLen   = 64
	boundLen    = 36 // of the header: what a sealed part is bound to and the chain covers
	crcAt       = 36
	chainAt     = 40
	chainLen    = 24
	bodyFixed   = 4 // group length and number of keys, before them
)

// The flags of a record.
const (
	flagLast     = 1 << 0 // last of its write batch
	flagCarried  = 1 << 1 // a whole record of an earlier segment, after its salt
	flagExtra    = 1 << 2 // said by a carry; has no LSN of its own
	flagCarryEnd = 1 << 3 // last of a carry: without it the carry is not complete
	flagClassAt  = 8      // two bits
	flagsKnown   = flagLast | flagCarried | flagExtra | flagCarryEnd | 3<<flagClassAt
	flagsOfCarry = flagCarried | flagExtra
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// journalID tells one journal from another; a salt one life of a segment from
// another.
type (
	journalID [16]byte
	saltBytes [16]byte
	chainHash [chainLen]byte
)

// recordHead is the header of a stored record.
type recordHead struct {
	typ    uint16
	flags  uint16
	length uint32 // of what follows the header
	sealed uint32 // of these, at the end: nonce, ciphertext, tag
	lsn    LSN
	index  uint32 // in the write batch, from 0
	keyID  uint32
	synced uint32 // this much of the segment was synced before the batch was written
	crc    uint32
	chain  chainHash
}

// origin is what else than a Record's own fields its sealed part is bound to:
// where it was first written.
type origin struct {
	salt          saltBytes
	flags         uint16
	index, synced uint32
}

// put writes all of the header but CRC and chain.
func (h *recordHead) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b, recordMagic)
	le.PutUint16(b[4:], h.typ)
	le.PutUint16(b[6:], h.flags)
	le.PutUint32(b[8:], h.length)
	le.PutUint32(b[12:], h.sealed)
	le.PutUint64(b[16:], uint64(h.lsn))
	le.PutUint32(b[24:], h.index)
	le.PutUint32(b[28:], h.keyID)
	le.PutUint32(b[32:], h.synced)
}

// parseHead reads a header; ok says that its magic is there.
func parseHead(b []byte) (h recordHead, ok bool) {
	le := binary.LittleEndian
	return recordHead{
		typ: le.Uint16(b[4:]), flags: le.Uint16(b[6:]), length: le.Uint32(b[8:]), sealed: le.Uint32(b[12:]),
		lsn: LSN(le.Uint64(b[16:])), index: le.Uint32(b[24:]), keyID: le.Uint32(b[28:]), synced: le.Uint32(b[32:]),
		crc: le.Uint32(b[crcAt:]), chain: chainHash(b[chainAt:]),
	}, le.Uint32(b) == recordMagic
}

func (h *recordHead) class() Class { return Class(h.flags >> flagClassAt & 3) }

// checksum is CRC-32C over the segment's salt and a stored record, the
// checksum's own four bytes left out.
func checksum(salt saltBytes, b []byte) uint32 {
	c := crc32.Update(0, castagnoli, salt[:])
	c = crc32.Update(c, castagnoli, b[:crcAt])
	return crc32.Update(c, castagnoli, b[chainAt:])
}

// check says what is wrong with an entry, quoting none of it.
func (e *Entry) check() error {
	switch {
	case e.Type == 0:
		return errors.New("type is 0")
	case e.Class != ClassIntent && e.Class != ClassOutcome:
		return fmt.Errorf("class %d is not known", e.Class)
	case len(e.Keys) > MaxKeys:
		return fmt.Errorf("%d keys, at most %d are allowed", len(e.Keys), MaxKeys)
	case len(e.Clear) > MaxEntry || len(e.Clear)+len(e.Sealed) > MaxEntry:
		return fmt.Errorf("%d bytes, at most %d are allowed", len(e.Clear)+len(e.Sealed), MaxEntry)
	}
	if err := checkName("group", e.Group); err != nil {
		return err
	}
	for i, k := range e.Keys {
		if err := checkName(fmt.Sprintf("key %d", i+1), k); err != nil {
			return err
		}
	}
	return nil
}

func checkName(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > MaxName:
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", what, len(s), MaxName)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s holds a zero byte", what)
	}
	return nil
}

// checkBatch checks the entries of one call.
func checkBatch(batch []Entry) error {
	for i := range batch {
		if err := batch[i].check(); err != nil {
			return fmt.Errorf("entry %d of %d, type %d: %w", i+1, len(batch), batch[i].Type, err)
		}
	}
	return nil
}

// bodyLen is the length of the clear part as stored.
func bodyLen(group string, keys []string, clear []byte) int {
	n := bodyFixed + len(group) + len(clear)
	for _, k := range keys {
		n += 2 + len(k)
	}
	return n
}

// storedLen is what an entry takes in a batch.
func (e *Entry) storedLen() int {
	n := headerLen + bodyLen(e.Group, e.Keys, e.Clear)
	if len(e.Sealed) > 0 {
		n += nonceLen + len(e.Sealed) + tagLen
	}
	return n
}

// appendBody appends the clear part as stored: group, keys, clear.
func appendBody(b []byte, group string, keys []string, clear []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(len(group)))
	b = le.AppendUint16(b, uint16(len(keys)))
	b = append(b, group...)
	for _, k := range keys {
		b = le.AppendUint16(b, uint16(len(k)))
		b = append(b, k...)
	}
	return append(b, clear...)
}

// bound appends what the sealed part of r is bound to: the salt of the segment
// where it was first written, the header as it was there, and the clear part.
func (r *Record) bound(b []byte) []byte {
	b = append(b, r.origin.salt[:]...)
	at := len(b)
	b = append(b, make([]byte, boundLen)...)
	h := recordHead{
		typ: r.Type, flags: r.origin.flags&^(3<<flagClassAt) | uint16(r.Class)<<flagClassAt, lsn: r.LSN,
		length: uint32(bodyLen(r.Group, r.Keys, r.Clear) + len(r.Sealed)), sealed: uint32(len(r.Sealed)),
		index: r.origin.index, keyID: r.KeyID, synced: r.origin.synced,
	}
	h.put(b[at:])
	return appendBody(b, r.Group, r.Keys, r.Clear)
}

// raw is one record as it stands in a segment. Its bytes are not the reader's
// own.
type raw struct {
	recordHead
	off   int64
	bytes []byte // header and all

	carrySalt saltBytes // set where it is about to be carried
}

// size is the record's length, header and all.
func (h *recordHead) size() int64 { return headerLen + int64(h.length) }

// decode gives the record in a raw that has been verified. It copies.
func (r *raw) decode(salt saltBytes) (Record, error) {
	if r.flags&flagCarried != 0 {
		inner, innerSalt, err := r.unwrap()
		if err != nil {
			return Record{}, err
		}
		return inner.decode(innerSalt)
	}
	bad := func() (Record, error) {
		return Record{}, fmt.Errorf("entry %d: %w: its lengths do not add up", r.lsn, ErrDamaged)
	}
	if r.length < bodyFixed || r.sealed > r.length-bodyFixed {
		return bad()
	}
	out := Record{LSN: r.lsn, Type: r.typ, Class: r.class(), KeyID: r.keyID, origin: origin{salt, r.flags, r.index, r.synced}}
	c := cutter{rest: append([]byte(nil), r.bytes[headerLen:]...)}
	group, keys := c.uint16(), c.uint16()
	out.Group = string(c.cut(group))
	for range min(keys, MaxKeys+1) {
		out.Keys = append(out.Keys, string(c.cut(c.uint16())))
	}
	out.Clear = c.cut(int64(len(c.rest)) - int64(r.sealed))
	out.Sealed = c.cut(int64(r.sealed))
	if c.short || len(c.rest) > 0 {
		return bad()
	}
	return out, nil
}

// unwrap gives the record that a carried one holds, verified under its own
// segment's salt.
func (r *raw) unwrap() (inner raw, salt saltBytes, err error) {
	b := r.bytes[headerLen:]
	if len(b) >= len(salt)+headerLen {
		copy(salt[:], b)
		inner.bytes = b[len(salt):]
		var ok bool
		if inner.recordHead, ok = parseHead(inner.bytes); ok && inner.size() == int64(len(inner.bytes)) &&
			inner.flags&flagsOfCarry == 0 && inner.lsn == r.lsn && checksum(salt, inner.bytes) == inner.crc {
			return inner, salt, nil
		}
	}
	return inner, salt, fmt.Errorf("entry %d: %w: what the carry holds of it does not verify", r.lsn, ErrDamaged)
}

// cutter takes a record's parts off the front.
type cutter struct {
	rest  []byte
	short bool
}

// cut gives the next n bytes, nil where n is 0 or too much.
func (c *cutter) cut(n int64) []byte {
	if n < 0 || n > int64(len(c.rest)) {
		c.short = true
		return nil
	}
	if n == 0 {
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cutter) uint16() int64 {
	b := c.cut(2)
	if b == nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint16(b))
}
