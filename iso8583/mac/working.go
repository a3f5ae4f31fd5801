package mac

import (
	"bytes"
	"errors"
	"fmt"
)

// Errors of the working keys that a sign-on delivers.
var (
	// ErrLength says that DE 62 has none of the lengths of terminal-rules B1.
	ErrLength = errors.New("working keys (DE 62): length")
	// ErrCheckValue says that a key, unwrapped, does not give the check value
	// that came with it: another master key, or a damaged answer.
	ErrCheckValue = errors.New("working key: check value does not match")
)

// Wrapped is DE 62 of a sign-on's answer cut into working keys, each still
// encrypted under the terminal's master key: it may be stored as it is.
type Wrapped struct {
	PIN, MAC Slot
	Track    Slot // only in the lengths 60 and 84
}

// Slot is one wrapped key with its check value.
type Slot struct{ Key, Check []byte }

// layouts gives, for each length of DE 62, how many keys there are and the
// length of each; a check value of four bytes follows each key.
var layouts = map[int]struct{ keys, size int }{
	24: {2, 8},  // single DES
	40: {2, 16}, // double DES, SM4
	56: {2, 24}, // triple DES
	60: {3, 16}, // double DES or SM4, with a key for track data
	84: {3, 24}, // triple DES, with a key for track data
}

// Unpack cuts DE 62: PIN key, MAC key and, in the longer ones, track key.
func Unpack(de62 []byte) (Wrapped, error) {
	l, ok := layouts[len(de62)]
	if !ok {
		return Wrapped{}, fmt.Errorf("%w: want 24, 40, 56, 60 or 84 bytes, got %d", ErrLength, len(de62))
	}
	var w Wrapped
	for _, s := range []*Slot{&w.PIN, &w.MAC, &w.Track}[:l.keys] {
		s.Key = bytes.Clone(de62[:l.size])
		s.Check = bytes.Clone(de62[l.size : l.size+CheckSize])
		de62 = de62[l.size+CheckSize:]
	}
	return w, nil
}

// Pack is the inverse of Unpack, for the host.
func (w Wrapped) Pack() []byte {
	var out []byte
	for _, s := range []Slot{w.PIN, w.MAC, w.Track} {
		out = append(append(out, s.Key...), s.Check...)
	}
	return out
}

// IsZero says that there are no keys.
func (w Wrapped) IsZero() bool { return len(w.MAC.Key) == 0 }

// Unwrap decrypts the key under master and proves it by its check value. A
// DES key whose last 8 or 16 wrapped bytes are zero is shorter by them: a
// single MAC key stands so in a field made for double ones. The errors are
// ErrKey and ErrCheckValue.
func (s Slot) Unwrap(c Cipher, master Key) (Key, error) {
	b, err := master.block(c)
	if err != nil {
		return Key{}, fmt.Errorf("master key: %w", err)
	}
	wrapped := s.Key
	if c == DES {
		wrapped = withoutZeros(wrapped)
	}
	if len(wrapped) == 0 || len(wrapped)%b.BlockSize() != 0 {
		return Key{}, fmt.Errorf("%w: %d wrapped bytes make no %s key", ErrKey, len(wrapped), c)
	}
	k, err := NewKey(decrypt(b, wrapped))
	if err != nil {
		return Key{}, err
	}
	check, err := k.CheckValue(c)
	if err != nil {
		return Key{}, err
	}
	if !bytes.Equal(check, s.Check) {
		return Key{}, ErrCheckValue
	}
	return k, nil
}

func withoutZeros(wrapped []byte) []byte {
	zeros := make([]byte, 8)
	for len(wrapped) > 8 && bytes.HasSuffix(wrapped, zeros) {
		wrapped = wrapped[:len(wrapped)-8]
	}
	return wrapped
}

// Wrap encrypts a working key under master into a slot of size bytes: the
// host's half of Unwrap.
func Wrap(c Cipher, master, key Key, size int) (Slot, error) {
	b, err := master.block(c)
	if err != nil {
		return Slot{}, fmt.Errorf("master key: %w", err)
	}
	check, err := key.CheckValue(c)
	if err != nil {
		return Slot{}, err
	}
	plain := key.bytes()
	if size < len(plain) {
		return Slot{}, fmt.Errorf("%w: %d bytes do not fit a slot of %d", ErrKey, len(plain), size)
	}
	out := make([]byte, size)
	n := b.BlockSize()
	for i := 0; i+n <= len(plain); i += n {
		b.Encrypt(out[i:i+n], plain[i:i+n])
	}
	return Slot{Key: out, Check: check}, nil
}
