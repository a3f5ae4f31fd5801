package iso8583

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Card is what the payment application read from the card. It is a handle that
// masks itself: it travels from the API to the wire in memory, and only
// Template (PAN or handle, and expiry) may be stored, sealed. Track data, PIN
// block and chip data exist in memory only (PCI DSS 3.3.1), so a request can
// never be sent again after a restart; a reversal does not need them.
type Card struct {
	PAN       PAN     // DE 2; zero where the device never releases it
	Handle    *Handle // instead of a PAN, or nil
	Expiry    string  // DE 14, YYMM
	EntryMode string  // DE 22, three digits
	Sequence  string  // DE 23, three digits; "" is unknown
	Track2    Secret  // DE 35
	PINBlock  Secret  // DE 52, 16 hexadecimal digits
	EMV       Secret  // DE 55, hexadecimal: what the dialect sends of it
}

// Handle stands for a card whose number the device never releases: encrypted
// for the acquirer (P2PE). Data must be of the card number alone: a track or a
// verification value may not be stored, encrypted or not (PCI DSS 3.3.1).
type Handle struct {
	Data   Secret // the encrypted card number, as the acquirer wants it
	KSN    string // key serial number
	Masked string // first six and last four digits at most
	Token  Secret // the same for the same card: what equality is judged by
}

// ReadChip says how the chip was read, "" where there is no chip data.
func (c *Card) ReadChip() Chip {
	if c == nil || c.EMV.IsZero() {
		return ""
	}
	return ChipOf(c.EntryMode)
}

// Masked is the card number as people may see it.
func (c *Card) Masked() string {
	if c.Handle != nil {
		return c.Handle.Masked
	}
	return c.PAN.Masked()
}

// SetEMV takes chip data over: sent of them is what the dialect puts into
// DE 55, all is everything that was read.
func (c *Card) SetEMV(sent string, all []TLV) {
	c.EMV, c.Sequence = NewSecret(sent), panSequence(all)
}

// Secret is text that prints as [secret] whatever prints it.
type Secret struct{ text string }

// NewSecret wraps text that must never be printed or stored.
func NewSecret(s string) Secret { return Secret{text: s} }

// IsZero says that there is nothing in it.
func (s Secret) IsZero() bool { return s.text == "" }

// Reveal gives the text, for the wire only.
func (s Secret) Reveal() string { return s.text }

// String hides the text.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "[secret]"
}

// Format hides the text under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Format masks under every verb.
func (c Card) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "card %s", c.Masked())
}

// MarshalJSON shows the masked number and nothing else.
func (c Card) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"pan": c.Masked()})
}

// MarshalYAML shows the masked number and nothing else.
func (c Card) MarshalYAML() (any, error) {
	return map[string]string{"pan": c.Masked()}, nil
}

// templateV2 begins a template of the second version. The first had no mark:
// card number, expiry and entry mode.
const templateV2 = "v2"

// Template is what a reversal needs of the card: PAN or handle, expiry, entry
// mode, sequence number. It is plain and goes nowhere but into the sealed part
// of a journal entry. It begins with its version; fields are parted by a bar.
func (c *Card) Template() []byte {
	if c == nil {
		return nil
	}
	h := c.Handle
	if h == nil {
		h = &Handle{}
	}
	return []byte(strings.Join([]string{
		templateV2, c.PAN.digits, c.Expiry, c.EntryMode, c.Sequence,
		h.Data.text, h.KSN, h.Masked, h.Token.text,
	}, "|"))
}

// ErrTemplate says that sealed card data does not have the shape that Template
// gives it. It never quotes them.
var ErrTemplate = errors.New("sealed card template: not of the form that was sealed")

// ParseTemplate is the inverse of Template. It reads the first version too.
func ParseTemplate(b []byte) (*Card, error) {
	part := strings.Split(string(b), "|")
	switch {
	case len(part) == 3:
		part = append([]string{templateV2}, append(part, "", "", "", "", "")...)
	case len(part) != 9 || part[0] != templateV2:
		return nil, ErrTemplate
	}
	c := &Card{Expiry: part[2], EntryMode: part[3], Sequence: part[4]}
	if part[5] != "" {
		c.Handle = &Handle{Data: NewSecret(part[5]), KSN: part[6], Masked: part[7], Token: NewSecret(part[8])}
		if part[1] != "" {
			return nil, ErrTemplate
		}
		return c, nil
	}
	pan, err := ParsePAN(part[1])
	if err != nil {
		return nil, ErrTemplate
	}
	c.PAN = pan
	return c, nil
}
