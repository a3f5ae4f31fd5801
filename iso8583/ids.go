package iso8583

import "fmt"

// STAN is the system trace audit number, DE 11, six digits.
type STAN uint32

// The range this project uses. A host was seen that rewrites the first digit
// of a reversal's STAN to 9 (terminal-rules A), so 900000 and above are left
// to it.
const (
	FirstSTAN STAN = 1
	LastSTAN  STAN = 899999
)

// String is the six digits of DE 11.
func (s STAN) String() string { return digits(uint64(s), 6) }

// digits is n with zeros before it, up to that width.
func digits(n uint64, width int) string {
	var b [20]byte
	i := len(b)
	for ; n > 0 || len(b)-i < width; n /= 10 {
		i--
		b[i] = byte('0' + n%10)
	}
	return string(b[i:])
}

// ParseSTAN accepts exactly six decimal digits.
func ParseSTAN(s string) (STAN, error) {
	if len(s) != 6 || !isDigits(s) {
		return 0, fmt.Errorf("STAN (DE 11): want 6 digits, got %d characters", len(s))
	}
	var n STAN
	for i := 0; i < len(s); i++ {
		n = n*10 + STAN(s[i]-'0')
	}
	return n, nil
}

// TID is the card acceptor terminal identification, DE 41, ans 8.
type TID string

// ParseTID accepts one to eight printable characters without spaces; the wire
// pads it.
func ParseTID(s string) (TID, error) {
	if err := ansID("terminal id (DE 41)", s, 8); err != nil {
		return "", err
	}
	return TID(s), nil
}

// MID is the card acceptor identification code, DE 42, ans 15.
type MID string

// ParseMID accepts one to fifteen printable characters without spaces.
func ParseMID(s string) (MID, error) {
	if err := ansID("merchant id (DE 42)", s, 15); err != nil {
		return "", err
	}
	return MID(s), nil
}

// RRN is the retrieval reference number, DE 37, twelve characters, given by
// the host.
type RRN string

func ansID(what, s string, limit int) error {
	if s == "" || len(s) > limit {
		return fmt.Errorf("%s: want 1 to %d characters, got %d", what, limit, len(s))
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("%s: character %d is not a printable ASCII character", what, i+1)
		}
	}
	return nil
}
