package profile

import (
	"encoding/hex"
	"fmt"
	"strings"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// spec is the part of a profile that says how elements are written.
type spec struct {
	// Encoding is "ascii": text as ASCII, length prefixes as ASCII digits,
	// bitmap and binary elements as upper-case ASCII hexadecimal.
	Encoding string          `json:"encoding"`
	Elements map[int]element `json:"elements"`
}

// element is one data element: its alphabet, length and length prefix.
type element struct {
	Type   string `json:"type"`   // n, an, ans, z, b
	Length int    `json:"length"` // characters, or bytes of a b; with LL or LLL the most there may be
	Prefix string `json:"prefix"` // fixed, LL, LLL
}

var prefixes = map[string]struct {
	pref  prefix.Prefixer
	limit int
}{
	"fixed": {prefix.ASCII.Fixed, 999},
	"LL":    {prefix.ASCII.LL, 99},
	"LLL":   {prefix.ASCII.LLL, 999},
}

// alphabets says which bytes may stand in an element of each type. A b is
// checked in its hexadecimal form.
var alphabets = map[string]func(c byte) bool{
	"n":   isDigit,
	"an":  func(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == ' ' },
	"ans": func(c byte) bool { return c >= ' ' && c <= '~' },
	"z":   func(c byte) bool { return isDigit(c) || c == '=' || c == 'D' },
	"b":   func(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'F' },
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// build makes the codec library's form of s. Elements are String or Hex, never
// Numeric, which would accept "-100"; the bitmap is eight bytes and grows by
// itself, so that bit 1 is set where there is a second one.
func (s spec) build() (*moov.MessageSpec, error) {
	if s.Encoding != "ascii" {
		return nil, fmt.Errorf("spec.encoding: want \"ascii\", got %q", s.Encoding)
	}
	fields := map[int]field.Field{
		0: field.NewString(&field.Spec{Length: 4, Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed}),
		1: field.NewBitmap(&field.Spec{Length: 8, Enc: encoding.BytesToASCIIHex, Pref: prefix.Hex.Fixed}),
	}
	for de, e := range s.Elements {
		at := fmt.Sprintf("spec.elements.%d", de)
		p, ok := prefixes[e.Prefix]
		switch {
		case de < 2 || de > 128 || de == 65:
			return nil, fmt.Errorf("%s: data elements are 2 to 64 and 66 to 128", at)
		case !ok:
			return nil, fmt.Errorf("%s.prefix: want fixed, LL or LLL, got %q", at, e.Prefix)
		case alphabets[e.Type] == nil:
			return nil, fmt.Errorf("%s.type: want n, an, ans, z or b, got %q", at, e.Type)
		case e.Length < 1 || e.Length > p.limit:
			return nil, fmt.Errorf("%s.length: want 1 to %d with prefix %s, got %d", at, p.limit, e.Prefix, e.Length)
		}
		if e.Type == "b" {
			fields[de] = field.NewHex(&field.Spec{Length: e.Length, Enc: encoding.BytesToASCIIHex, Pref: p.pref})
		} else {
			fields[de] = field.NewString(&field.Spec{Length: e.Length, Enc: encoding.ASCII, Pref: p.pref})
		}
	}
	return &moov.MessageSpec{Fields: fields}, nil
}

// isText says whether trailing spaces of the element are padding.
func (e element) isText() bool { return e.Prefix == "fixed" && (e.Type == "an" || e.Type == "ans") }

// toWire pads text of fixed length with spaces.
func (e element) toWire(v string) string {
	if e.isText() && len(v) < e.Length {
		return v + strings.Repeat(" ", e.Length-len(v))
	}
	return v
}

// fromWire takes the padding off again, except where there is nothing else: an
// element of blanks stays one, or it could not be told from an absent one.
func (e element) fromWire(v string) string {
	if e.isText() {
		if t := strings.TrimRight(v, " "); t != "" {
			return t
		}
	}
	return v
}

// check says whether v, padded, can stand in the element. It never quotes v.
func (e element) check(v string) error {
	n, unit := len(v), "characters"
	if e.Type == "b" {
		if n%2 != 0 {
			return fmt.Errorf("want whole bytes in hexadecimal, got %d digits", n)
		}
		n, unit = n/2, "bytes"
	}
	if e.Prefix == "fixed" && n != e.Length {
		return fmt.Errorf("want %d %s, got %d", e.Length, unit, n)
	}
	if n < 1 || n > e.Length {
		return fmt.Errorf("want 1 to %d %s, got %d", e.Length, unit, n)
	}
	ok := alphabets[e.Type]
	for i := range len(v) {
		if !ok(v[i]) {
			return fmt.Errorf("character %d is not of type %s", i+1, e.Type)
		}
	}
	return nil
}

// bytes is what the codec library keeps for v, which check has passed.
func (e element) bytes(v string) []byte {
	if e.Type != "b" {
		return []byte(v)
	}
	b, _ := hex.DecodeString(v)
	return b
}
