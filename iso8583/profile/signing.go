package profile

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// macElement is where a message's authentication code stands: last, so that it
// covers everything before it, MTI and bitmap included.
const macElement = 64

// ErrUnsigned says that a message wants a MAC and nobody is there to make one.
var ErrUnsigned = errors.New("the message wants a MAC and there is no signer")

// Codec is a dialect in the hands of one terminal: what it packs is signed
// where the dialect wants it, and what it reads has been looked at before
// anybody acts on it. It is safe for use by several goroutines.
type Codec struct {
	*Profile
	signer mac.Signer
}

// With joins the dialect to a terminal's signer; nil serves where the dialect
// has no MAC.
func (p *Profile) With(s mac.Signer) *Codec { return &Codec{p, s} }

// MAC is how the dialect makes its MACs; false: it has none.
func (p *Profile) MAC() (mac.Method, bool) {
	if p.doc.Wire.MAC == nil {
		return mac.Method{}, false
	}
	return *p.doc.Wire.MAC, true
}

// Pack is Profile.Pack and signs what wants a MAC. Errors are those of the
// profile, ErrUnsigned, or the signer's: mac.ErrNoKey before the first
// sign-on. Nothing must be sent then.
func (c *Codec) Pack(m *iso8583.Message) ([]byte, error) {
	if m.MAC != iso8583.MACWanted {
		return c.Profile.Pack(m)
	}
	if c.signer == nil {
		return nil, fmt.Errorf("packing %s: %w", m.MTI, ErrUnsigned)
	}
	signed := m.Clone()
	signed.MAC = iso8583.MACNone
	signed.Set(macElement, "0000000000000000")
	b, err := c.Profile.Pack(signed)
	if err != nil {
		return nil, err
	}
	size := c.macSize()
	sum, err := c.signer.Sign(b[:len(b)-size])
	if err != nil {
		return nil, fmt.Errorf("packing %s: signing: %w", m.MTI, err)
	}
	if len(sum) != mac.Size {
		return nil, fmt.Errorf("packing %s: the signer gave %d bytes, want %d", m.MTI, len(sum), mac.Size)
	}
	copy(b[len(b)-size:], c.macText(sum))
	return b, nil
}

// Unpack is Profile.Unpack, with the verdict on the message's MAC in its MAC:
// valid, bad or missing, or none where the dialect has none in such a message
// or nobody is there to look. A verdict is no error: what a bad one means is
// decided by the rules (terminal-rules A, "When a response is accepted").
//
// An error that is not ErrMalformed is the signer's: nothing is known of the
// message then, and it must be taken as not received.
func (c *Codec) Unpack(b []byte) (*iso8583.Message, error) {
	m, err := c.Profile.Unpack(b)
	if err != nil || c.signer == nil || c.doc.Wire.MAC == nil {
		return m, err
	}
	if !m.Has(macElement) {
		if c.signed[m.MTI] {
			m.MAC = iso8583.MACMissing
		}
		return m, nil
	}
	if fields := m.Fields(); fields[len(fields)-1] != macElement {
		m.MAC = iso8583.MACBad // it does not cover what stands behind it
		return m, nil
	}
	sum, err := hex.DecodeString(m.Get(macElement))
	if err != nil { // the element's type is b
		return nil, fmt.Errorf("%w: data element %d", ErrMalformed, macElement)
	}
	err = c.signer.Verify(b[:len(b)-c.macSize()], sum)
	switch {
	case err == nil:
		m.MAC = iso8583.MACValid
	case errors.Is(err, mac.ErrMismatch), errors.Is(err, mac.ErrNoKey):
		m.MAC = iso8583.MACBad
	default:
		return nil, fmt.Errorf("verifying the MAC of a %s: %w", m.MTI, err)
	}
	return m, nil
}

// macSize is the length of DE 64 on the wire.
func (c *Codec) macSize() int { return len(c.macText(make([]byte, mac.Size))) }

func (c *Codec) macText(sum []byte) []byte {
	if c.doc.Spec.Encoding == encodingBCD {
		return sum
	}
	return []byte(fmt.Sprintf("%X", sum))
}

// checkMAC holds wire.mac against the messages, and finds out which answers
// must have a MAC: those to requests that have one.
func (p *Profile) checkMAC() error {
	p.signed = map[iso8583.MTI]bool{}
	m := p.doc.Wire.MAC
	if m == nil {
		return nil
	}
	if err := m.Validate(); err != nil {
		return fmt.Errorf("wire.mac.%w", err)
	}
	e, ok := p.doc.Spec.Elements[macElement]
	if !ok || e.Type != "b" || e.Prefix != "fixed" || e.Length != mac.Size {
		return fmt.Errorf("spec.elements.%d: wire.mac wants it of type b and %d bytes", macElement, mac.Size)
	}
	for de := range p.doc.Spec.Elements {
		if de > macElement {
			return fmt.Errorf("spec.elements.%d: with wire.mac nothing may stand behind data element %d", de, macElement)
		}
	}
	for _, spec := range p.doc.Wire.Messages {
		if spec.wantsMAC() {
			p.signed[spec.MTI.Response()] = true
		}
	}
	return nil
}
