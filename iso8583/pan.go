package iso8583

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// PAN is a primary account number (DE 2) that prints masked whatever verb,
// encoder or logger prints it. Only Reveal gives the digits, and only the wire
// and the sealed part of the journal may ask for them (PCI DSS 3.4.1).
type PAN struct{ digits string }

// ErrPAN says that the digits are no card number. It never quotes them.
var ErrPAN = errors.New("card number (PAN): want 12 to 19 digits with a valid check digit")

// ParsePAN accepts 12 to 19 digits that pass the Luhn check (ISO/IEC 7812-1).
func ParsePAN(s string) (PAN, error) {
	if len(s) < 12 || len(s) > 19 || !isDigits(s) || !Luhn(s) {
		return PAN{}, ErrPAN
	}
	return PAN{digits: s}, nil
}

// Luhn is the check of ISO/IEC 7812-1 annex B over decimal digits.
func Luhn(s string) bool {
	sum := 0
	for i := 0; i < len(s); i++ {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// IsZero says that there is no card number.
func (p PAN) IsZero() bool { return p.digits == "" }

// Reveal gives the digits, for the wire and for sealing. Nothing else.
func (p PAN) Reveal() string { return p.digits }

// Masked keeps the first six and the last four digits.
func (p PAN) Masked() string { return MaskDigits(p.digits) }

// MaskDigits masks a card number given as text: first six, last four; a text
// too short for that is masked whole.
func MaskDigits(s string) string {
	if len(s) < 12 {
		return strings.Repeat("*", len(s))
	}
	return s[:6] + strings.Repeat("*", len(s)-10) + s[len(s)-4:]
}

// String is Masked.
func (p PAN) String() string { return p.Masked() }

// GoString is Masked.
func (p PAN) GoString() string { return p.Masked() }

// Format masks under every verb.
func (p PAN) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.Masked()) }

// MarshalText is Masked, which covers JSON and YAML too.
func (p PAN) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }
