package txn

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The encoding of a record's clear part: its fields in the order of their
// numbers, each as number (one byte), length (uvarint), bytes. Integers are
// zigzag varints. Zero values are left out. The group and the record type are
// kept by the journal. A number this version does not know means that a newer
// version wrote it: refused, never skipped, since it may carry money.

// ErrRecord says that a journal record cannot be decoded.
var ErrRecord = errors.New("journal record does not decode")

// ErrRecordNewer says that a record is of a type, or has a field, that only a
// newer version knows.
var ErrRecordNewer = errors.New("journal record was written by a newer version")

// maxFields bounds the field numbers of a record.
const maxFields = 64

// coder walks a record's fields in one direction or the other, so that what
// is written and what is read cannot drift apart.
type coder struct {
	out     []byte
	in      []byte // what is not read yet, its form checked
	reading bool
	err     error
}

// Encode appends the clear part of r to dst.
func Encode(dst []byte, r Record) []byte {
	c := coder{out: dst}
	c.int64(1, &r.head().At)
	r.fields(&c)
	return c.out
}

// Decode is the inverse of Encode. It returns ErrRecord or ErrRecordNewer,
// wrapped.
func Decode(t RecordType, group string, clear []byte) (Record, error) {
	maker, ok := recordTypes[t]
	if !ok {
		return nil, fmt.Errorf("record type %d: %w", uint16(t), ErrRecordNewer)
	}
	if err := checkForm(clear); err != nil {
		return nil, fmt.Errorf("%s record: %w", t, err)
	}
	c := coder{reading: true, in: clear}
	r := maker.make()
	r.head().UUID = group
	c.int64(1, &r.head().At)
	r.fields(&c)
	if c.err != nil {
		return nil, fmt.Errorf("%s record: %w", t, c.err)
	}
	if len(c.in) > 0 {
		return nil, fmt.Errorf("%s record, field %d: %w", t, c.in[0], ErrRecordNewer)
	}
	return r, nil
}

// checkForm says whether b is fields in the order of their numbers, whole and
// none of them empty.
func checkForm(b []byte) error {
	last := 0
	for len(b) > 0 {
		n := int(b[0])
		size, w := binary.Uvarint(b[1:])
		switch {
		case n >= maxFields:
			return fmt.Errorf("field %d: %w", n, ErrRecordNewer)
		case n <= last || w <= 0 || size == 0 || size > uint64(len(b)-1-w):
			return fmt.Errorf("field %d: %w", n, ErrRecord)
		}
		b, last = b[1+w+int(size):], n
	}
	return nil
}

func (c *coder) bytes(n int, v []byte) {
	if len(v) == 0 {
		return
	}
	c.out = append(c.out, byte(n))
	c.out = binary.AppendUvarint(c.out, uint64(len(v)))
	c.out = append(c.out, v...)
}

// take is the next field, if it is field n; else nil. A field that nobody takes
// is still there in the end.
func (c *coder) take(n int) []byte {
	if len(c.in) == 0 || int(c.in[0]) != n {
		return nil
	}
	size, w := binary.Uvarint(c.in[1:])
	end := 1 + w + int(size)
	v := c.in[1+w : end]
	c.in = c.in[end:]
	return v
}

func (c *coder) int64(n int, v *int64) {
	if c.reading {
		b := c.take(n)
		if b == nil {
			return
		}
		x, w := binary.Varint(b)
		if w != len(b) || x == 0 {
			c.err = fmt.Errorf("field %d: %w", n, ErrRecord)
		}
		*v = x
		return
	}
	if *v != 0 {
		var buf [binary.MaxVarintLen64]byte
		c.bytes(n, binary.AppendVarint(buf[:0], *v))
	}
}

// str walks a field of any string type.
func str[T ~string](c *coder, n int, v *T) {
	if c.reading {
		*v = T(c.take(n))
		return
	}
	c.bytes(n, []byte(*v))
}

// num walks a field of any integer type that fits an int64.
func num[T ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64](c *coder, n int, v *T) {
	x := int64(*v)
	c.int64(n, &x)
	if c.reading {
		if *v = T(x); int64(*v) != x {
			c.err = fmt.Errorf("field %d: %w", n, ErrRecord)
		}
	}
}

func (c *coder) bool(n int, v *bool) {
	x := int64(0)
	if *v {
		x = 1
	}
	c.int64(n, &x)
	if c.reading {
		*v = x == 1
		if x != 0 && x != 1 {
			c.err = fmt.Errorf("field %d: %w", n, ErrRecord)
		}
	}
}

func (r *Epoch) fields(c *coder) { num(c, 2, &r.Number) }

func (r *RulesUsed) fields(c *coder) { str(c, 2, &r.Hash); str(c, 3, &r.JSON) }

func (r *Jump) fields(c *coder) { str(c, 2, &r.TID); num(c, 3, &r.Next) }

func (r *Evidence) fields(c *coder) { num(c, 2, &r.Route); str(c, 3, &r.Why); str(c, 4, &r.Text) }

func (r *Intent) fields(c *coder) {
	str(c, 2, &r.Kind)
	str(c, 3, &r.TID)
	str(c, 4, &r.MID)
	num(c, 5, &r.STAN)
	num(c, 6, &r.Epoch)
	c.int64(7, &r.Minor)
	num(c, 8, &r.Currency)
	str(c, 9, &r.Sale)
	str(c, 10, &r.Part)
	str(c, 11, &r.Digest)
	str(c, 12, &r.PAN)
	str(c, 13, &r.CardHash)
	str(c, 14, &r.Transmission)
	str(c, 15, &r.LocalTime)
	str(c, 16, &r.LocalDate)
	num(c, 17, &r.Year)
	str(c, 18, &r.Rules)
	num(c, 19, &r.Route)
	str(c, 20, &r.Original)
	str(c, 21, &r.Address)
	str(c, 22, &r.Approval)
	str(c, 23, &r.Session)
	c.bool(24, &r.Implicit)
	str(c, 25, &r.Replaces)
	str(c, 26, &r.NotDuplicateOf)
	str(c, 27, &r.Chip)
	str(c, 28, &r.EMV)
	c.bool(29, &r.Partial)
	str(c, 33, &r.Batch)
	num(c, 34, &r.Serial)
	c.bool(36, &r.Undated)
	str(c, 37, &r.HostTime)
	str(c, 38, &r.HostDate)
	num(c, 40, &r.DataKey)
	c.bool(41, &r.Handle)
}

func (r *Rerouted) fields(c *coder) { num(c, 2, &r.Route); str(c, 3, &r.Address) }

func (r *Approved) fields(c *coder) {
	str(c, 2, &r.Code)
	str(c, 3, &r.RRN)
	str(c, 4, &r.AuthCode)
	num(c, 5, &r.Route)
	str(c, 6, &r.Balance)
	str(c, 7, &r.ChipData)
	c.int64(8, &r.Minor)
}

func (r *Declined) fields(c *coder) {
	str(c, 2, &r.Code)
	str(c, 3, &r.RRN)
	str(c, 4, &r.ChipData)
}

func (r *NotSent) fields(*coder) {}

func (r *Confirmed) fields(c *coder) { c.bool(2, &r.Undated) }

func (r *ShownNote) fields(c *coder) { str(c, 2, &r.Delivered) }

func (r *Followed) fields(c *coder) {
	str(c, 2, &r.By)
	str(c, 3, &r.Kind)
	c.int64(4, &r.Minor)
	str(c, 5, &r.TID)
	num(c, 6, &r.STAN)
}

func (r *FollowEnded) fields(c *coder) { str(c, 2, &r.By); c.bool(3, &r.Done) }

func (r *Failed) fields(*coder) {}

func (r *Reversing) fields(c *coder) {
	str(c, 2, &r.Cause)
	str(c, 3, &r.Reason)
	c.bool(4, &r.Answered)
	str(c, 5, &r.ChipData)
}

func (r *Attempt) fields(c *coder) {
	num(c, 2, &r.N)
	num(c, 3, &r.Series)
	str(c, 4, &r.Transmission)
	c.bool(5, &r.Repeat)
}

func (r *ReversalSent) fields(c *coder) { num(c, 2, &r.N) }

func (r *ReversalAnswer) fields(c *coder) {
	str(c, 2, &r.Code)
	num(c, 3, &r.Route)
	str(c, 4, &r.Verdict)
}

func (r *Hold) fields(*coder) {}

func (r *Reversed) fields(*coder) {}

func (r *Late) fields(c *coder) {
	str(c, 2, &r.Class)
	str(c, 3, &r.Code)
	str(c, 4, &r.RRN)
	str(c, 5, &r.AuthCode)
	num(c, 6, &r.Route)
	str(c, 7, &r.Text)
}

func (r *Escalated) fields(c *coder) { str(c, 2, &r.Cause) }

func (r *Resolved) fields(c *coder) {
	str(c, 2, &r.Verb)
	str(c, 3, &r.Who)
	str(c, 4, &r.Why)
	str(c, 5, &r.Ref)
}

func (r *Acknowledged) fields(c *coder) { num(c, 2, &r.Item); str(c, 3, &r.Who) }
