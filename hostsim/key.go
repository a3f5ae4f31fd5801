package hostsim

import (
	"fmt"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Key is the whole identity of a transaction at this host: the request's MTI,
// terminal, STAN and transmission date and time (DE 7). The amount belongs to
// it as well, but as something to compare, since a reversal with another
// amount is refused (64) and not taken for somebody else's.
type Key struct {
	MTI          iso8583.MTI
	TID          iso8583.TID
	STAN         iso8583.STAN
	Transmission string // DE 7, MMDDhhmmss
}

// fixed parts of a written key: MTI, STAN, DE 7 and three slashes
const keyOverhead = 4 + 6 + 10 + 3

// String is "0200/10000001/000123/0928143011".
func (k Key) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", k.MTI, k.TID, k.STAN, k.Transmission)
}

// MarshalText is String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseKey.
func (k *Key) UnmarshalText(b []byte) error {
	v, err := ParseKey(string(b))
	if err != nil {
		return err
	}
	*k = v
	return nil
}

// ParseKey is the inverse of String. It cuts from both ends, because a
// terminal id may hold a slash.
func ParseKey(s string) (Key, error) {
	n := len(s)
	if n <= keyOverhead || s[4] != '/' || s[n-11] != '/' || s[n-18] != '/' {
		return Key{}, fmt.Errorf("ledger key %.40q: want MTI/TID/STAN/DE 7", s)
	}
	return newKey(s[:4], s[5:n-18], s[n-17:n-11], s[n-10:])
}

// newKey checks each part.
func newKey(mti, tid, stan, transmission string) (Key, error) {
	var (
		k   Key
		err error
	)
	if k.MTI, err = iso8583.ParseMTI(mti); err != nil {
		return Key{}, err
	}
	if k.TID, err = iso8583.ParseTID(tid); err != nil {
		return Key{}, err
	}
	if k.STAN, err = iso8583.ParseSTAN(stan); err != nil {
		return Key{}, err
	}
	if len(transmission) != 10 || !digits(transmission) {
		return Key{}, fmt.Errorf("transmission date and time (DE 7): want 10 digits, got %d characters", len(transmission))
	}
	k.Transmission = transmission
	return k, nil
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
