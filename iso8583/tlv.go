package iso8583

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// TLV is one BER-TLV data object (ISO/IEC 8825-1 as EMV Book 3, annex B, uses
// it). The value of a constructed one holds further objects.
type TLV struct {
	Tag   string // upper-case hexadecimal: "9F26"
	Value []byte
}

// Bounds of what is taken apart. DE 55 has at most 999 bytes in any dialect.
const (
	MaxTLV      = 1024 // bytes
	maxTLVDepth = 4
	maxTag      = 4 // bytes
)

// ErrTLV says that bytes are not BER-TLV. It never quotes them: they may hold
// a track.
var ErrTLV = errors.New("BER-TLV")

// ParseTLV takes data objects apart. Constructed ones stay whole, but what is
// in them must be BER-TLV too. Bytes of 00 between objects are passed over.
// Lengths are definite and of at most two bytes. It allocates no more than its
// input is worth, and never panics.
func ParseTLV(b []byte) ([]TLV, error) {
	if len(b) > MaxTLV {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTLV, MaxTLV)
	}
	return parseTLV(b, 0)
}

// ParseTLVHex is ParseTLV of hexadecimal text.
func ParseTLVHex(s string) ([]TLV, error) {
	if len(s) > 2*MaxTLV {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTLV, MaxTLV)
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: want hexadecimal, two digits a byte", ErrTLV)
	}
	return ParseTLV(b)
}

func parseTLV(b []byte, depth int) (out []TLV, err error) {
	if depth > maxTLVDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", ErrTLV, maxTLVDepth)
	}
	for at := 0; at < len(b); {
		if b[at] == 0 {
			at++
			continue
		}
		tag := tagLength(b[at:])
		if tag == 0 {
			return nil, fmt.Errorf("%w: byte %d: want a tag of at most %d bytes", ErrTLV, at, maxTag)
		}
		size, width := valueLength(b[at+tag:])
		if width == 0 || size > len(b)-at-tag-width {
			return nil, fmt.Errorf("%w: byte %d: the length does not fit", ErrTLV, at+tag)
		}
		from := at + tag + width
		t := TLV{Tag: strings.ToUpper(hex.EncodeToString(b[at : at+tag])), Value: b[from : from+size : from+size]}
		if t.Constructed() {
			if _, err := parseTLV(t.Value, depth+1); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
		at = from + size
	}
	return out, nil
}

// tagLength is how many bytes the tag at the start of b has; 0: it has none.
func tagLength(b []byte) int {
	if b[0]&0x1F != 0x1F {
		return 1
	}
	for n := 1; n < min(len(b), maxTag); n++ {
		if b[n]&0x80 == 0 {
			return n + 1
		}
	}
	return 0
}

// valueLength reads a definite length and says how wide it is; 0: it is none.
func valueLength(b []byte) (size, width int) {
	switch {
	case len(b) >= 1 && b[0] < 0x80:
		return int(b[0]), 1
	case len(b) >= 2 && b[0] == 0x81:
		return int(b[1]), 2
	case len(b) >= 3 && b[0] == 0x82:
		return int(b[1])<<8 | int(b[2]), 3
	default:
		return 0, 0
	}
}

// NewTLV makes an object of a value in hexadecimal.
func NewTLV(tag, value string) (TLV, error) {
	b, err := hex.DecodeString(value)
	if err != nil || len(b) > MaxTLV {
		return TLV{}, fmt.Errorf("%w: want hexadecimal, two digits a byte", ErrTLV)
	}
	return TLV{Tag: tag, Value: b}, nil
}

// Constructed says that the value holds further objects.
func (t TLV) Constructed() bool {
	first, err := hex.DecodeString(t.Tag[:min(2, len(t.Tag))])
	return err == nil && len(first) == 1 && first[0]&0x20 != 0
}

// Hex is the object as upper-case hexadecimal, its length in the shortest form.
func (t TLV) Hex() string {
	n := len(t.Value)
	length := fmt.Sprintf("%02X", n)
	if n > 0xFF {
		length = fmt.Sprintf("82%04X", n)
	} else if n > 0x7F {
		length = fmt.Sprintf("81%02X", n)
	}
	return t.Tag + length + strings.ToUpper(hex.EncodeToString(t.Value))
}

// HexValue is the value as upper-case hexadecimal.
func (t TLV) HexValue() string { return strings.ToUpper(hex.EncodeToString(t.Value)) }

// FindTLV gives the first object with the tag.
func FindTLV(all []TLV, tag string) (TLV, bool) {
	i := slices.IndexFunc(all, func(t TLV) bool { return t.Tag == tag })
	if i < 0 {
		return TLV{}, false
	}
	return all[i], true
}

// SelectTLV gives, as hexadecimal, the objects whose tags are listed, in the
// order of the list; of a tag that is there more than once, all.
func SelectTLV(all []TLV, tags []string) string {
	var b strings.Builder
	for _, tag := range tags {
		for _, t := range all {
			if t.Tag == tag {
				b.WriteString(t.Hex())
			}
		}
	}
	return b.String()
}

// ValidTag says whether s is a tag in upper-case hexadecimal.
func ValidTag(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) > 0 && b[0] != 0 && tagLength(b) == len(b) && strings.ToUpper(s) == s
}
