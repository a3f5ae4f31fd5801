package profile

import (
	"encoding/hex"
	"fmt"
)

// Part is a piece of a message body: MTI, a bitmap, or one data element with
// its length prefix.
type Part struct {
	Name   string // "MTI", "bitmap", or the data element's number
	DE     int    // 0 for MTI and bitmaps
	Offset int    // in the body
	Bytes  []byte // as on the wire: may hold card data
}

// Dissect cuts a body by the dialect's table of elements, without the codec
// library, so that the two check each other, and so that a body the codec
// refuses can be looked at up to the place where it goes wrong. On error it
// gives the parts before that, and what is left as "rest".
func (p *Profile) Dissect(body []byte) (parts []Part, err error) {
	d := dissection{p: p, body: body}
	if err = d.head(); err == nil {
		err = d.elements()
	}
	if d.at < len(body) {
		rest := body[d.at:]
		d.parts = append(d.parts, Part{Name: "rest", Offset: d.at, Bytes: rest})
		if err == nil {
			err = fmt.Errorf("%w: %d bytes after the last data element", ErrMalformed, len(rest))
		}
	}
	return d.parts, err
}

type dissection struct {
	p     *Profile
	body  []byte
	at    int
	des   []int // that the bitmaps announce
	parts []Part
}

// take cuts n bytes.
func (d *dissection) take(name string, de, n int) error {
	if len(d.body)-d.at < n {
		return fmt.Errorf("%w: %s: %d bytes are missing", ErrMalformed, describeName(name, de), n-(len(d.body)-d.at))
	}
	d.parts = append(d.parts, Part{Name: name, DE: de, Offset: d.at, Bytes: d.body[d.at : d.at+n]})
	d.at += n
	return nil
}

func describeName(name string, de int) string {
	if de == 0 {
		return "the " + name
	}
	return "data element " + name
}

// head cuts MTI and bitmaps.
func (d *dissection) head() error {
	mti, bitmap := d.p.heads()
	if err := d.take("MTI", 0, mti); err != nil {
		return err
	}
	for i := range 2 {
		if err := d.take("bitmap", 0, bitmap); err != nil {
			return err
		}
		more, err := d.p.bitmap(d.parts[len(d.parts)-1].Bytes, i, &d.des)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// bitmap adds what the bitmap of this index announces to des, and says whether
// another follows.
func (p *Profile) bitmap(b []byte, index int, des *[]int) (more bool, err error) {
	var raw [8]byte
	if p.doc.Spec.Encoding == encodingBCD {
		copy(raw[:], b)
	} else if _, err := hex.Decode(raw[:], b); err != nil {
		return false, fmt.Errorf("%w: the bitmap is not hexadecimal", ErrMalformed)
	}
	for n := 1; n < 64; n++ {
		if raw[n/8]>>(7-n%8)&1 != 0 {
			*des = append(*des, 64*index+n+1)
		}
	}
	return raw[0]>>7 != 0, nil
}

// announced lists the elements of b's bitmaps, as far as they can be read:
// what cannot, the codec library refuses.
func (p *Profile) announced(b []byte) []int {
	at, size := p.heads()
	des := make([]int, 0, 32)
	for i := 0; i < 2 && len(b) >= at+size; i++ {
		more, err := p.bitmap(b[at:at+size], i, &des)
		if err != nil || !more {
			break
		}
		at += size
	}
	return des
}

// heads is the sizes of MTI and of a bitmap on the wire.
func (p *Profile) heads() (mti, bitmap int) {
	if p.doc.Spec.Encoding == encodingBCD {
		return 2, 8
	}
	return 4, 16
}

func (d *dissection) elements() error {
	for _, de := range d.des {
		e, ok := d.p.doc.Spec.Elements[de]
		if !ok {
			return fmt.Errorf("%w: profile %s has no data element %d", ErrMalformed, d.p.Name, de)
		}
		n, err := d.size(e)
		if err != nil {
			return fmt.Errorf("%w: data element %d: %w", ErrMalformed, de, err)
		}
		if err := d.take(fmt.Sprint(de), de, n); err != nil {
			return err
		}
	}
	return nil
}

// size is how many bytes the element at d.at has, length prefix included.
func (d *dissection) size(e element) (int, error) {
	s, n, head := d.p.doc.Spec, e.Length, 0
	if e.Prefix != "fixed" {
		var err error
		if n, head, err = prefixes[s.Encoding][e.Prefix].DecodeLength(e.Length, d.body[d.at:]); err != nil || n < 0 {
			return 0, fmt.Errorf("its length cannot be read, or is above %d", e.Length)
		}
	}
	switch {
	case s.packed(e):
		n = (n + 1) / 2
	case e.Type == "b" && s.Encoding == encodingASCII:
		n *= 2
	}
	return head + n, nil
}
