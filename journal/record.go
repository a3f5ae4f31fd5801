package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// recordVersion is the first byte of each stored record. A record with a
// higher one is refused with ErrNewer; its checksum is found where it is here.
const recordVersion = 1

// The fixed part of a stored record; FORMAT.md has the table.
const (
	headerLen = 32
	crcAt     = 28
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// journalID tells one journal's records from another's.
type journalID [16]byte

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

// encodeBatch seals the entries and gives their stored forms; the first gets
// LSN first.
func encodeBatch(batch []Entry, first LSN, s *sealer) ([]Record, [][]byte, error) {
	recs, values := make([]Record, len(batch)), make([][]byte, len(batch))
	for i := range batch {
		e := &batch[i]
		if err := e.check(); err != nil {
			return nil, nil, fmt.Errorf("entry %d of %d, type %d: %w", i+1, len(batch), e.Type, err)
		}
		r := Record{LSN: first + LSN(i), Type: e.Type, Group: e.Group, Keys: e.Keys, Class: e.Class, Clear: e.Clear}
		if len(e.Sealed) > 0 {
			r.KeyID = e.KeyID
			var err error
			if r.Sealed, err = s.seal(&r, e.Sealed); err != nil {
				return nil, nil, fmt.Errorf("entry %d of %d, type %d: %w", i+1, len(batch), e.Type, err)
			}
		}
		recs[i], values[i] = r, r.encode(s.id)
	}
	return recs, values, nil
}

// encode gives the stored form: header, group, keys, clear, sealed.
func (r *Record) encode(id journalID) []byte {
	b := r.body()
	b = append(b, r.Sealed...)
	binary.LittleEndian.PutUint32(b[20:], uint32(len(r.Sealed)))
	binary.LittleEndian.PutUint32(b[crcAt:], checksum(id, b))
	return b
}

// body is the stored form as it would be with nothing sealed and no checksum.
// Together with the journal's id it is what a sealed part is bound to.
func (r *Record) body() []byte {
	n := headerLen + len(r.Group) + len(r.Clear)
	for _, k := range r.Keys {
		n += 2 + len(k)
	}
	b := make([]byte, headerLen, n+len(r.Sealed))
	le := binary.LittleEndian
	b[0], b[1] = recordVersion, byte(r.Class)
	le.PutUint16(b[2:], r.Type)
	le.PutUint32(b[4:], r.KeyID)
	le.PutUint64(b[8:], uint64(r.LSN))
	le.PutUint32(b[16:], uint32(len(r.Clear)))
	le.PutUint16(b[24:], uint16(len(r.Group)))
	le.PutUint16(b[26:], uint16(len(r.Keys)))
	b = append(b, r.Group...)
	for _, k := range r.Keys {
		b = le.AppendUint16(b, uint16(len(k)))
		b = append(b, k...)
	}
	return append(b, r.Clear...)
}

// checksum is CRC-32C over the journal's id and the stored record, the
// checksum's own four bytes left out.
func checksum(id journalID, b []byte) uint32 {
	c := crc32.Update(0, castagnoli, id[:])
	c = crc32.Update(c, castagnoli, b[:crcAt])
	return crc32.Update(c, castagnoli, b[headerLen:])
}

// decode is the inverse of encode. It copies, and it names the LSN in every
// error.
func decode(id journalID, lsn LSN, value []byte) (Record, error) {
	bad := func(sentinel error, why string) (Record, error) {
		return Record{}, fmt.Errorf("entry %d: %w: %s", lsn, sentinel, why)
	}
	le := binary.LittleEndian
	if len(value) < headerLen {
		return bad(ErrDamaged, "shorter than a header")
	}
	if checksum(id, value) != le.Uint32(value[crcAt:]) {
		return bad(ErrDamaged, "checksum does not match")
	}
	if value[0] != recordVersion {
		return bad(ErrNewer, fmt.Sprintf("record format %d, this program knows %d", value[0], recordVersion))
	}
	r := Record{LSN: LSN(le.Uint64(value[8:])), Type: le.Uint16(value[2:]), Class: Class(value[1]), KeyID: le.Uint32(value[4:])}
	if r.LSN != lsn {
		return bad(ErrDamaged, fmt.Sprintf("it says that it is entry %d", r.LSN))
	}
	c := cutter{rest: append([]byte(nil), value[headerLen:]...)}
	r.Group = string(c.cut(int64(le.Uint16(value[24:]))))
	for range le.Uint16(value[26:]) {
		r.Keys = append(r.Keys, string(c.cut(c.uint16())))
	}
	r.Clear = c.cut(int64(le.Uint32(value[16:])))
	r.Sealed = c.cut(int64(le.Uint32(value[20:])))
	if c.short || len(c.rest) > 0 {
		return bad(ErrDamaged, "its lengths do not add up")
	}
	return r, nil
}

// cutter takes a record's parts off the front.
type cutter struct {
	rest  []byte
	short bool
}

// cut gives the next n bytes, nil where n is 0 or too much.
func (c *cutter) cut(n int64) []byte {
	if n > int64(len(c.rest)) {
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
