package profile

import (
	"errors"
	"fmt"

	moov "github.com/moov-io/iso8583"
	moverr "github.com/moov-io/iso8583/errors"
	"github.com/moov-io/iso8583/field"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// ErrMalformed says that bytes are not a message of this dialect. What wraps
// it names a data element or a position, never a byte of the message and never
// the codec library's text: both can hold a card number.
var ErrMalformed = errors.New("malformed message")

// Pack writes m as a message body. Every element is checked first: an element
// that the dialect does not have, or whose value does not fit it, is an error
// that names it and does not quote it.
func (p *Profile) Pack(m *iso8583.Message) ([]byte, error) {
	if _, err := iso8583.ParseMTI(string(m.MTI)); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	if m.MAC == iso8583.MACWanted { // Codec.Pack signs
		return nil, fmt.Errorf("packing %s: %w", m.MTI, ErrUnsigned)
	}
	des := m.Fields()
	w := p.fresh(des)
	w.MTI(string(m.MTI))
	for _, de := range des {
		e, ok := p.doc.Spec.Elements[de]
		if !ok {
			return nil, fmt.Errorf("packing %s: profile %s has no data element %d", m.MTI, p.Name, de)
		}
		v := e.toWire(m.Get(de))
		if err := e.check(v); err != nil {
			return nil, fmt.Errorf("packing %s: data element %d: %w", m.MTI, de, err)
		}
		if err := w.BinaryField(de, e.bytes(v)); err != nil {
			return nil, fmt.Errorf("packing %s: data element %d cannot be set", m.MTI, de)
		}
	}
	b, err := w.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing %s: the codec refused it", m.MTI)
	}
	return b, nil
}

// Unpack reads a message body. It is strict: packed again, the result must
// give the same bytes, so trailing bytes, lower-case hexadecimal, an empty
// element and a needless second bitmap are ErrMalformed.
//
// Text of fixed length (an, ans) loses its trailing spaces, unless it is
// nothing but spaces.
func (p *Profile) Unpack(b []byte) (m *iso8583.Message, err error) {
	if limit := p.maxBody(); len(b) > limit {
		return nil, fmt.Errorf("%w: %d bytes are above the bound of %d", ErrMalformed, len(b), limit)
	}
	defer func() {
		if recover() != nil { // the codec library is known to panic on some input
			m, err = nil, fmt.Errorf("%w: the codec gave up", ErrMalformed)
		}
	}()
	des := p.announced(b)
	r := p.fresh(des)
	if err := r.Unpack(b); err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read", ErrMalformed, where(err))
	}
	if m, err = p.read(r, des); err != nil {
		return nil, err
	}
	again, err := r.Pack()
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be written again", ErrMalformed)
	}
	if err := same(again, b); err != nil {
		return nil, err
	}
	return m, nil
}

// fresh is a message of the codec library that can hold these elements. A
// reused one would keep old elements, and one that can hold all of them costs
// more to make than to fill.
func (p *Profile) fresh(des []int) *moov.Message {
	fields := make(map[int]field.Field, len(des)+2)
	fields[0], fields[1] = p.spec.Fields[0], p.spec.Fields[1]
	for _, de := range des {
		if f, ok := p.spec.Fields[de]; ok {
			fields[de] = f
		}
	}
	return moov.NewMessage(&moov.MessageSpec{Fields: fields})
}

// read takes the elements out of the library's message and checks each.
func (p *Profile) read(r *moov.Message, des []int) (*iso8583.Message, error) {
	s, err := r.GetMTI()
	if err != nil {
		return nil, fmt.Errorf("%w: no MTI", ErrMalformed)
	}
	mti, err := iso8583.ParseMTI(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := iso8583.NewMessage(mti)
	for _, de := range des {
		b, err := r.GetBytes(de)
		if err != nil {
			return nil, fmt.Errorf("%w: data element %d cannot be read", ErrMalformed, de)
		}
		e := p.doc.Spec.Elements[de]
		v := e.text(b)
		if err := e.check(v); err != nil {
			return nil, fmt.Errorf("%w: data element %d: %w", ErrMalformed, de, err)
		}
		m.Set(de, e.fromWire(v))
	}
	return m, nil
}

// same says where b departs from the form this dialect would give it.
func same(again, b []byte) error {
	n := min(len(again), len(b))
	for i := range n {
		if again[i] != b[i] {
			return fmt.Errorf("%w: byte %d does not re-encode to itself", ErrMalformed, i)
		}
	}
	if len(again) != len(b) {
		return fmt.Errorf("%w: %d bytes after the last data element", ErrMalformed, len(b)-n)
	}
	return nil
}

// where names the element at which the library stopped.
func where(err error) string {
	var u *moverr.UnpackError
	if !errors.As(err, &u) {
		return "the message"
	}
	switch u.FieldID {
	case "0":
		return "the MTI"
	case "1":
		return "the bitmap"
	default:
		return "data element " + u.FieldID // set by the library from an int
	}
}
