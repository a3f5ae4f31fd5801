package iso8583

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Card is what the payment application read from the card. It is a handle that
// masks itself: it travels from the API to the wire in memory, and only
// Template (PAN and expiry) may be stored, sealed. Track data and PIN block
// exist in memory only (PCI DSS 3.3.1), so a request can never be sent again
// after a restart; a reversal does not need them.
type Card struct {
	PAN       PAN    // DE 2
	Expiry    string // DE 14, YYMM
	EntryMode string // DE 22, three digits
	Track2    Secret // DE 35
	PINBlock  Secret // DE 52, 16 hexadecimal digits
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
	_, _ = fmt.Fprintf(f, "card %s", c.PAN.Masked())
}

// MarshalJSON shows the masked number and nothing else.
func (c Card) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"pan": c.PAN.Masked()})
}

// MarshalYAML shows the masked number and nothing else.
func (c Card) MarshalYAML() (any, error) {
	return map[string]string{"pan": c.PAN.Masked()}, nil
}

// Template is what a reversal needs of the card: PAN, expiry, entry mode. It
// is plain and goes nowhere but into the sealed part of a journal entry.
func (c *Card) Template() []byte {
	if c == nil {
		return nil
	}
	return []byte(c.PAN.digits + "|" + c.Expiry + "|" + c.EntryMode)
}

// ErrTemplate says that sealed card data does not have the shape that Template
// gives it. It never quotes them.
var ErrTemplate = errors.New("sealed card template: not of the form that was sealed")

// ParseTemplate is the inverse of Template.
func ParseTemplate(b []byte) (*Card, error) {
	var part [3]string
	n := 0
	for _, c := range b {
		if c == '|' {
			if n++; n > 2 {
				return nil, ErrTemplate
			}
			continue
		}
		part[n] += string(c)
	}
	if n != 2 {
		return nil, ErrTemplate
	}
	pan, err := ParsePAN(part[0])
	if err != nil {
		return nil, ErrTemplate
	}
	return &Card{PAN: pan, Expiry: part[1], EntryMode: part[2]}, nil
}
