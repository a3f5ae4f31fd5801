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
	// bitmap and binary elements as upper-case ASCII hexadecimal; or "bcd": MTI,
	// n, z and length prefixes as packed decimal, bitmap and binary elements as
	// they are, other text as ASCII.
	Encoding string          `json:"encoding"`
	Elements map[int]element `json:"elements"`
}

// element is one data element: its alphabet, length and length prefix.
type element struct {
	Type   string `json:"type"`   // n, an, ans, z, b
	Length int    `json:"length"` // characters, or bytes of a b; with LL or LLL the most there may be
	Prefix string `json:"prefix"` // fixed, LL, LLL

	// Align is where an odd number of packed digits begins: "left", so that a
	// zero follows, or "right", so that one precedes. It is set exactly where
	// an n or z of a bcd dialect can have an odd number of digits.
	Align string `json:"align"`
}

// The encodings there are.
const (
	encodingASCII = "ascii"
	encodingBCD   = "bcd"
)

// limits is the longest element that a prefix can announce.
var limits = map[string]int{"fixed": 999, "LL": 99, "LLL": 999}

// prefixes are the length prefixes of each encoding.
var prefixes = map[string]map[string]prefix.Prefixer{
	encodingASCII: {"fixed": prefix.ASCII.Fixed, "LL": prefix.ASCII.LL, "LLL": prefix.ASCII.LLL},
	encodingBCD:   {"fixed": prefix.Binary.Fixed, "LL": packedLL, "LLL": packedLLL},
}

// alphabets says which bytes may stand in an element of each type. A b is
// checked in its hexadecimal form.
var alphabets = map[string]*[256]bool{
	"n":   alphabet("0123456789"),
	"an":  alphabet("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "),
	"ans": alphabet(printable()),
	"z":   alphabet("0123456789=D"),
	"b":   alphabet("0123456789ABCDEF"),
}

func alphabet(letters string) *[256]bool {
	var a [256]bool
	for i := range len(letters) {
		a[letters[i]] = true
	}
	return &a
}

// printable is ASCII from space to tilde.
func printable() string {
	var b []byte
	for c := byte(' '); c <= '~'; c++ {
		b = append(b, c)
	}
	return string(b)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// build makes the codec library's form of s. Elements are String or Binary, never
// Numeric, which would accept "-100"; the bitmap is eight bytes and grows by
// itself, so that bit 1 is set where there is a second one.
func (s spec) build() (*moov.MessageSpec, error) {
	fields := map[int]field.Field{}
	switch s.Encoding {
	case encodingASCII:
		fields[0] = field.NewString(&field.Spec{Length: 4, Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed})
		fields[1] = field.NewBitmap(&field.Spec{Length: 8, Enc: encoding.BytesToASCIIHex, Pref: prefix.Hex.Fixed})
	case encodingBCD:
		fields[0] = field.NewString(&field.Spec{Length: 4, Enc: packedRight, Pref: prefix.Binary.Fixed})
		fields[1] = field.NewBitmap(&field.Spec{Length: 8, Enc: encoding.Binary, Pref: prefix.Binary.Fixed})
	default:
		return nil, fmt.Errorf("spec.encoding: want %q or %q, got %q", encodingASCII, encodingBCD, s.Encoding)
	}
	for de, e := range s.Elements {
		at := fmt.Sprintf("spec.elements.%d", de)
		pref, ok := prefixes[s.Encoding][e.Prefix]
		switch {
		case de < 2 || de > 128 || de == 65:
			return nil, fmt.Errorf("%s: data elements are 2 to 64 and 66 to 128", at)
		case !ok:
			return nil, fmt.Errorf("%s.prefix: want fixed, LL or LLL, got %q", at, e.Prefix)
		case alphabets[e.Type] == nil:
			return nil, fmt.Errorf("%s.type: want n, an, ans, z or b, got %q", at, e.Type)
		case e.Length < 1 || e.Length > limits[e.Prefix]:
			return nil, fmt.Errorf("%s.length: want 1 to %d with prefix %s, got %d", at, limits[e.Prefix], e.Prefix, e.Length)
		}
		if err := s.checkAlign(e); err != nil {
			return nil, fmt.Errorf("%s.align: %w", at, err)
		}
		if e.Type == "b" {
			fields[de] = field.NewBinary(&field.Spec{Length: e.Length, Enc: s.encoder(e), Pref: pref})
		} else {
			fields[de] = field.NewString(&field.Spec{Length: e.Length, Enc: s.encoder(e), Pref: pref})
		}
	}
	return &moov.MessageSpec{Fields: fields}, nil
}

// packed says whether the digits of e go two to a byte.
func (s spec) packed(e element) bool {
	return s.Encoding == encodingBCD && (e.Type == "n" || e.Type == "z")
}

func (s spec) checkAlign(e element) error {
	needed := s.packed(e) && (e.Prefix != "fixed" || e.Length%2 != 0)
	switch {
	case needed && e.Align != "left" && e.Align != "right":
		return fmt.Errorf("want left or right, since the number of digits can be odd; got %q", e.Align)
	case !needed && e.Align != "":
		return fmt.Errorf("leave it out: the element has no half byte to fill up")
	}
	return nil
}

// encoder is how the value of e is written.
func (s spec) encoder(e element) encoding.Encoder {
	switch {
	case s.packed(e) && e.Type == "z" && e.Align == "left":
		return packedTrack
	case s.packed(e) && e.Type == "z":
		return packedTrackRight
	case s.packed(e) && e.Align == "left":
		return packedLeft
	case s.packed(e):
		return packedRight
	case e.Type == "b" && s.Encoding == encodingBCD:
		return encoding.Binary
	case e.Type == "b":
		return encoding.BytesToASCIIHex
	default:
		return encoding.ASCII
	}
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
		if !ok[v[i]] {
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

// text is the inverse of bytes.
func (e element) text(b []byte) string {
	if e.Type != "b" {
		return string(b)
	}
	return strings.ToUpper(hex.EncodeToString(b))
}
