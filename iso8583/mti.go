package iso8583

import "fmt"

// MTI is a message type indicator: version, class, function, origin, four
// decimal digits (ISO 8583:1987, 4.1).
type MTI string

// ParseMTI accepts exactly four decimal digits.
func ParseMTI(s string) (MTI, error) {
	if len(s) != 4 || !isDigits(s) {
		return "", fmt.Errorf("MTI: want 4 digits, got %d characters", len(s))
	}
	return MTI(s), nil
}

// Class is the second digit: 1 authorisation, 2 financial, 4 reversal,
// 5 reconciliation, 8 network management. It is part of the match key, since a
// 0210 and a 0410 can share a STAN.
func (m MTI) Class() byte {
	if len(m) != 4 {
		return 0
	}
	return m[1]
}

// IsResponse says whether the function digit is that of a response (odd).
func (m MTI) IsResponse() bool { return len(m) == 4 && (m[2]-'0')%2 == 1 }

// Response is the MTI that answers m: 0200 → 0210, 0401 → 0410, 0421 → 0430.
func (m MTI) Response() MTI {
	if len(m) != 4 || m.IsResponse() {
		return ""
	}
	return MTI([]byte{m[0], m[1], m[2] + 1, '0'})
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}
