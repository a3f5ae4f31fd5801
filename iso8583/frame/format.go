// Package frame cuts a byte stream into ISO 8583 messages: a length header,
// optionally a TPDU and a message header, then the body. It knows nothing of
// what a body means.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// LengthKind is the form of the length header. The length excludes itself and
// includes TPDU, header and body. The zero value is invalid.
type LengthKind uint8

// The length headers there are.
const (
	Binary2 LengthKind = iota + 1 // two bytes, big-endian
	ASCII4                        // four ASCII digits
	BCD2                          // two bytes of packed decimal digits
)

var lengthKindNames = map[LengthKind]string{Binary2: "binary2", ASCII4: "ascii4", BCD2: "bcd2"}

// String is the name a profile gives it.
func (k LengthKind) String() string {
	if n, ok := lengthKindNames[k]; ok {
		return n
	}
	return "unknown length kind " + strconv.Itoa(int(k))
}

// MarshalText writes "binary2", "ascii4" or "bcd2".
func (k LengthKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "binary2", "ascii4" or "bcd2".
func (k *LengthKind) UnmarshalText(b []byte) error {
	for kind, name := range lengthKindNames {
		if name == string(b) {
			*k = kind
			return nil
		}
	}
	return fmt.Errorf("length header %.16q: want binary2, ascii4 or bcd2", b)
}

// size is the number of bytes of the length header.
func (k LengthKind) size() int {
	if k == ASCII4 {
		return 4
	}
	return 2
}

// limit is the largest length the header can hold.
func (k LengthKind) limit() int {
	if k == Binary2 {
		return 0xFFFF
	}
	return 9999
}

// DefaultMax bounds a frame where Format.Max is zero. ISO 8583 messages of
// terminals are a few hundred bytes.
const DefaultMax = 4096

// Format is how one acquirer frames its messages.
type Format struct {
	Length LengthKind
	Max    int    // largest length accepted in either direction; 0: DefaultMax
	TPDU   []byte // sent before Header; its size is skipped in what is received
	Header []byte // sent before the body; its size is skipped in what is received
}

// ErrLength says that a length header is no number, zero, too small for TPDU
// and header, or above the bound. On reading, the stream cannot be followed
// any further: close the connection.
var ErrLength = errors.New("frame length")

// Validate says what is wrong with f.
func (f Format) Validate() error {
	if _, ok := lengthKindNames[f.Length]; !ok {
		return fmt.Errorf("frame: %s", f.Length)
	}
	if f.Max < 0 || f.Max > f.Length.limit() {
		return fmt.Errorf("frame: max %d does not fit a %s length header (at most %d)", f.Max, f.Length, f.Length.limit())
	}
	if f.prefix() >= f.max() {
		return fmt.Errorf("frame: TPDU and header of %d bytes leave no room in max %d", f.prefix(), f.max())
	}
	return nil
}

func (f Format) max() int {
	if f.Max == 0 {
		return DefaultMax
	}
	return f.Max
}

func (f Format) prefix() int { return len(f.TPDU) + len(f.Header) }

// Append appends the frame of body to dst. An empty body or one above the
// bound is ErrLength.
func (f Format) Append(dst, body []byte) ([]byte, error) {
	n := f.prefix() + len(body)
	if err := f.check(n); err != nil {
		return dst, err
	}
	switch f.Length {
	case Binary2:
		dst = binary.BigEndian.AppendUint16(dst, uint16(n)) //nolint:gosec // check bounds n
	case ASCII4:
		dst = append(dst, byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
	case BCD2:
		dst = append(dst, byte(n/1000<<4|n/100%10), byte(n/10%10<<4|n%10))
	}
	dst = append(dst, f.TPDU...)
	dst = append(dst, f.Header...)
	return append(dst, body...), nil
}

// length reads the length header and checks it against the bounds.
func (f Format) length(h []byte) (int, error) {
	n := 0
	switch f.Length {
	case Binary2:
		n = int(binary.BigEndian.Uint16(h))
	case ASCII4:
		for _, c := range h {
			if c < '0' || c > '9' {
				return 0, fmt.Errorf("%w: header is not four digits", ErrLength)
			}
			n = n*10 + int(c-'0')
		}
	case BCD2:
		for _, c := range h {
			if c>>4 > 9 || c&15 > 9 {
				return 0, fmt.Errorf("%w: header is not packed decimal", ErrLength)
			}
			n = n*100 + int(c>>4)*10 + int(c&15)
		}
	}
	return n, f.check(n)
}

// Cut takes the first frame off b and gives its body, which is part of b, and
// how many bytes the frame has. ErrLength is a length header that is wrong,
// io.ErrUnexpectedEOF a frame that is not whole.
func (f Format) Cut(b []byte) (body []byte, n int, err error) {
	head := f.Length.size()
	if len(b) < head {
		return nil, 0, fmt.Errorf("cutting a frame: %w", io.ErrUnexpectedEOF)
	}
	size, err := f.length(b[:head])
	if err != nil {
		return nil, 0, fmt.Errorf("cutting a frame: %w", err)
	}
	if len(b) < head+size {
		return nil, 0, fmt.Errorf("cutting a frame: %d of %d bytes are there: %w", len(b)-head, size, io.ErrUnexpectedEOF)
	}
	return b[head+f.prefix() : head+size], head + size, nil
}

func (f Format) check(n int) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrLength, err)
	}
	if n <= f.prefix() {
		return fmt.Errorf("%w: %d bytes hold no message", ErrLength, n)
	}
	if n > f.max() {
		return fmt.Errorf("%w: %d bytes are above the bound of %d", ErrLength, n, f.max())
	}
	return nil
}
