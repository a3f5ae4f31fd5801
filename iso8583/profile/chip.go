package profile

import (
	"fmt"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// chipDocument is what of the chip's data goes into DE 55 of a request.
type chipDocument struct {
	Tags []string `json:"tags"` // in this order; empty: the dialect has no DE 55
}

// handleDocument names the data elements that carry a card handle, since there
// is no rule for it among acquirers. Zero: the dialect takes none.
type handleDocument struct {
	Data int `json:"data"` // the encrypted card number
	KSN  int `json:"ksn"`  // its key serial number
}

// chipData is DE 55: of a reversal what the core journaled for it, of a request
// the card's.
func chipData(_ *Profile, f *iso8583.Facts) string {
	if f.ChipData != "" {
		return f.ChipData
	}
	return card(f).EMV.Reveal()
}

// ChipData gives what the dialect sends of chip data, as hexadecimal, or says
// why it cannot. The error never quotes a value.
func (p *Profile) ChipData(all []iso8583.TLV) (string, error) {
	w := &p.doc.Wire
	if len(w.Chip.Tags) == 0 {
		return "", fmt.Errorf("profile %s has no chip data", p.Name)
	}
	out := iso8583.SelectTLV(all, w.Chip.Tags)
	if out == "" {
		return "", fmt.Errorf("none of the tags that the acquirer takes is there: %v", w.Chip.Tags)
	}
	if err := p.checkValue(55, out); err != nil {
		return "", fmt.Errorf("data element 55: %w", err)
	}
	return out, nil
}

// CheckHandle says why the dialect cannot carry h.
func (p *Profile) CheckHandle(h *iso8583.Handle) error {
	w := p.doc.Wire.Handle
	if w.Data == 0 {
		return fmt.Errorf("profile %s has no element for a card handle", p.Name)
	}
	if err := p.checkValue(w.Data, h.Data.Reveal()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if w.KSN == 0 {
		return nil
	}
	if err := p.checkValue(w.KSN, h.KSN); err != nil {
		return fmt.Errorf("ksn: %w", err)
	}
	return nil
}

// handled says that a message about c carries a handle instead of DE 2.
func (p *Profile) handled(c *iso8583.Card) bool {
	return c != nil && c.Handle != nil && p.doc.Wire.Handle.Data != 0
}

// setHandle adds the elements of a card handle.
func (p *Profile) setHandle(m *iso8583.Message, c *iso8583.Card) error {
	if c == nil || c.Handle == nil {
		return nil
	}
	if err := p.CheckHandle(c.Handle); err != nil {
		return fmt.Errorf("composing %s: card handle: %w", m.MTI, err)
	}
	m.Set(p.doc.Wire.Handle.Data, c.Handle.Data.Reveal())
	if p.doc.Wire.Handle.KSN != 0 {
		m.Set(p.doc.Wire.Handle.KSN, c.Handle.KSN)
	}
	return nil
}

// checkChip holds chip and handle settings against the spec and the messages.
func (p *Profile) checkChip() error {
	w := &p.doc.Wire
	for i, tag := range w.Chip.Tags {
		switch {
		case !iso8583.ValidTag(tag):
			return fmt.Errorf("wire.chip.tags: %q is no tag", tag)
		case slices.Contains(w.Chip.Tags[:i], tag):
			return fmt.Errorf("wire.chip.tags: tag %q is listed twice", tag)
		}
	}
	if sent := p.sends(55); sent && len(w.Chip.Tags) == 0 {
		return fmt.Errorf("wire.chip.tags: missing; wire.messages has data element 55")
	}
	if len(p.Rules.Chip.ReversalTags) > 0 {
		m := w.Messages[iso8583.KindReversal]
		if !slices.Contains(m.Optional, 55) {
			return fmt.Errorf("wire.messages.reversal.optional: data element 55 is missing; rules.chip.reversal_tags is for it")
		}
	}
	for _, k := range []iso8583.Kind{iso8583.KindUploadChip, iso8583.KindUploadChipFailed} {
		if m := w.Messages[k]; len(p.Rules.Chip.UploadTags) > 0 && !slices.Contains(m.Fields, 55) {
			return fmt.Errorf("wire.messages.%s.fields: data element 55 is missing; rules.chip.upload_tags is for it", k)
		}
	}
	h := w.Handle
	if h.Data == 0 && h.KSN != 0 || h.Data != 0 && h.Data == h.KSN {
		return fmt.Errorf("wire.handle: want a data element for data, and another for ksn")
	}
	for _, de := range []int{h.Data, h.KSN} {
		if de == 0 {
			continue
		}
		if _, ok := p.doc.Spec.Elements[de]; !ok || p.sends(de) || slices.Contains(w.Stripped, de) {
			return fmt.Errorf("wire.handle: data element %d must be in spec.elements, in no message and not in wire.stripped", de)
		}
	}
	return nil
}

// sends says whether a message has data element de.
func (p *Profile) sends(de int) bool {
	for _, m := range p.doc.Wire.Messages { // order: any will do
		if _, constant := m.Constants[de]; constant || slices.Contains(m.Fields, de) || slices.Contains(m.Optional, de) {
			return true
		}
	}
	return false
}
