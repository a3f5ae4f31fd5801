package profile

import (
	"errors"
	"fmt"

	"github.com/moov-io/iso8583/prefix"
)

// packed writes digits as packed decimal (BCD), two to a byte. The codec
// library's own encoder builds a table for each call, loses leading zeros
// where padding is set, and knows one alignment only.
type packed struct {
	left  bool // an odd number of digits begins at the left; a zero follows
	track bool // the nibble D stands for the separator of a track
}

// The encoders there are. They are pointers, made once: the library compares
// encoders, and copies nothing of a pointer for each message.
var (
	packedRight      = &packed{}
	packedLeft       = &packed{left: true}
	packedTrack      = &packed{left: true, track: true}
	packedTrackRight = &packed{track: true}
)

// Errors say no value: they end in the library's error texts.
var (
	errNoDigit = errors.New("not a digit")
	errShort   = errors.New("not enough bytes")
	errPadding = errors.New("the half byte that fills up is not zero")
	errLength  = errors.New("length out of range")
)

// Encode packs digits.
func (p *packed) Encode(src []byte) ([]byte, error) {
	n := (len(src) + 1) / 2
	out := make([]byte, n)
	at := 0 // in half bytes
	if len(src)%2 != 0 && !p.left {
		at = 1
	}
	for _, c := range src {
		v := c - '0'
		if v > 9 {
			if !p.track || c != '=' && c != 'D' {
				return nil, errNoDigit
			}
			v = 0xD
		}
		out[at/2] |= v << (4 * (1 - at%2))
		at++
	}
	return out, nil
}

// Decode unpacks length digits.
func (p *packed) Decode(src []byte, length int) ([]byte, int, error) {
	n := (length + 1) / 2
	if length < 0 {
		return nil, 0, errLength
	}
	if len(src) < n {
		return nil, 0, errShort
	}
	out := make([]byte, length)
	at, fill := 0, 2*n-1 // half bytes
	if length%2 != 0 && !p.left {
		at, fill = 1, 0
	}
	if length%2 != 0 && src[fill/2]>>(4*(1-fill%2))&0xF != 0 {
		return nil, 0, errPadding
	}
	for i := range out {
		v := src[at/2] >> (4 * (1 - at%2)) & 0xF
		switch {
		case v <= 9:
			out[i] = '0' + v
		case p.track && v == 0xD:
			out[i] = '='
		default:
			return nil, 0, errNoDigit
		}
		at++
	}
	return out, n, nil
}

// packedLength writes a length as packed decimal: LL in one byte, LLL in two.
type packedLength struct{ size, limit int }

var (
	packedLL  = &packedLength{size: 1, limit: 99}
	packedLLL = &packedLength{size: 2, limit: 999}

	_ prefix.Prefixer = packedLL
)

// EncodeLength packs a length.
func (p *packedLength) EncodeLength(most, length int) ([]byte, error) {
	if length < 0 || length > min(most, p.limit) {
		return nil, errLength
	}
	low := byte(length%10 | length/10%10<<4)
	if p.size == 1 {
		return []byte{low}, nil
	}
	return []byte{byte(length / 100), low}, nil
}

// DecodeLength unpacks a length and holds it against the bound before anybody
// allocates by it.
func (p *packedLength) DecodeLength(most int, data []byte) (length, read int, err error) {
	if len(data) < p.size {
		return 0, 0, errShort
	}
	for _, b := range data[:p.size] {
		if b>>4 > 9 || b&0xF > 9 {
			return 0, 0, errNoDigit
		}
		length = length*100 + int(b>>4)*10 + int(b&0xF)
	}
	if length > min(most, p.limit) {
		return 0, 0, errLength
	}
	return length, p.size, nil
}

// Inspect names the prefixer as the library's own do.
func (p *packedLength) Inspect() string { return fmt.Sprintf("Packed.%d", p.size+1) }
