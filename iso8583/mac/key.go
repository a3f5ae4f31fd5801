package mac

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm4"
)

// Cipher is the block cipher that working keys are wrapped under and made for.
type Cipher string

// The ciphers there are.
const (
	DES Cipher = "des" // single, double or triple, by the key's length
	SM4 Cipher = "sm4"
	AES Cipher = "aes"
)

// Key is a secret key that prints as its length, whatever prints it. The zero
// Key is none. The bytes are behind a function: fmt asks no methods of a field
// that is not exported, and would print bytes out of a structure that holds a
// Key; of a function it prints the address.
type Key struct{ reveal func() []byte }

func (k Key) bytes() []byte {
	if k.reveal == nil {
		return nil
	}
	return k.reveal()
}

// ErrKey says that a key has a length its use does not allow, or is no
// hexadecimal. What wraps it never quotes the key.
var ErrKey = errors.New("key")

// NewKey copies b: 8, 16, 24 or 32 bytes.
func NewKey(b []byte) (Key, error) {
	switch len(b) {
	case 8, 16, 24, 32:
		own := append([]byte(nil), b...)
		return Key{func() []byte { return own }}, nil
	default:
		return Key{}, fmt.Errorf("%w: want 8, 16, 24 or 32 bytes, got %d", ErrKey, len(b))
	}
}

// ParseKey reads a key in hexadecimal.
func ParseKey(s string) (Key, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return Key{}, fmt.Errorf("%w: want whole bytes in hexadecimal", ErrKey) // err would quote a character
	}
	return NewKey(b)
}

// IsZero says that there is no key.
func (k Key) IsZero() bool { return k.reveal == nil }

// Len is the key's length in bytes.
func (k Key) Len() int { return len(k.bytes()) }

// Equal compares in constant time.
func (k Key) Equal(o Key) bool { return subtle.ConstantTimeCompare(k.bytes(), o.bytes()) == 1 }

// String hides the key.
func (k Key) String() string {
	if k.IsZero() {
		return "[no key]"
	}
	return fmt.Sprintf("[key of %d bytes]", len(k.bytes()))
}

// Format hides the key under every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText hides the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// CheckSize is the length of a check value in bytes.
const CheckSize = 4

// CheckValue is the first four bytes of a block of zeros encrypted under k
// (terminal-rules B1, "0810").
func (k Key) CheckValue(c Cipher) ([]byte, error) {
	b, err := k.block(c)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, b.BlockSize())
	b.Encrypt(zeros, zeros)
	return zeros[:CheckSize], nil
}

// block is the cipher under k. A DES key of 8 bytes is single, one of 16
// double (its first half used again), one of 24 triple.
func (k Key) block(c Cipher) (cipher.Block, error) {
	b := k.bytes()
	switch n := len(b); {
	case c == DES && n == 8:
		return des.NewCipher(b)
	case c == DES && n == 16:
		return des.NewTripleDESCipher(append(append([]byte(nil), b...), b[:8]...))
	case c == DES && n == 24:
		return des.NewTripleDESCipher(b)
	case c == SM4 && n == 16:
		return sm4.NewCipher(b)
	case c == AES && (n == 16 || n == 24 || n == 32):
		return aes.NewCipher(b)
	case c != DES && c != SM4 && c != AES:
		return nil, fmt.Errorf("%w: unknown cipher %.16q: want %s, %s or %s", ErrKey, c, DES, SM4, AES)
	default:
		return nil, fmt.Errorf("%w: %d bytes make no %s key", ErrKey, n, c)
	}
}

// decrypt decrypts whole blocks one by one (ECB), as keys are wrapped.
func decrypt(b cipher.Block, wrapped []byte) []byte {
	out := make([]byte, len(wrapped))
	n := b.BlockSize()
	for i := 0; i+n <= len(wrapped); i += n {
		b.Decrypt(out[i:i+n], wrapped[i:i+n])
	}
	return out
}
