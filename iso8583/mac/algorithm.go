package mac

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/cbcmac"
)

// Algorithm is a way to compute a MAC.
type Algorithm string

// The algorithms there are. Each value's name stands in profiles.
const (
	// X99 is ANSI X9.9 and FIPS 113: DES in CBC mode, zeros to fill the last
	// block. 8 bytes.
	X99 Algorithm = "x9.9"
	// X919 is ANSI X9.19, ISO 9797-1 algorithm 3: as X9.9 under the left half
	// of a double key, with the last block decrypted under the right half and
	// encrypted under the left. Zeros to fill. 8 bytes.
	X919 Algorithm = "x9.19"
	// X919Pad2 is X9.19 with a byte 80 and zeros always added (ISO 9797-1
	// padding method 2), as ICAO 9303 has it. 8 bytes.
	X919Pad2 Algorithm = "x9.19-pad2"
	// UnionPayECB folds all blocks into one by XOR, writes it as upper-case
	// hexadecimal, encrypts its first half, folds in the second and encrypts
	// again; the MAC is the first eight hexadecimal characters of that, in
	// ASCII. DES of any length. 8 bytes.
	UnionPayECB Algorithm = "unionpay-ecb"
	// UnionPayECBSM4 is UnionPayECB with SM4 and its blocks of 16 bytes.
	UnionPayECBSM4 Algorithm = "unionpay-ecb-sm4"
	// UnionPayCBC is X9.9 under a single key and X9.19 under a double one. 8
	// raw bytes.
	UnionPayCBC Algorithm = "unionpay-cbc"
	// AESCMAC is NIST SP 800-38B with AES. 16 bytes.
	AESCMAC Algorithm = "aes-cmac"
	// SM4CMAC is the same with SM4. 16 bytes.
	SM4CMAC Algorithm = "sm4-cmac"
)

// Algorithms lists every Algorithm.
func Algorithms() []Algorithm {
	return []Algorithm{X99, X919, X919Pad2, UnionPayECB, UnionPayECBSM4, UnionPayCBC, AESCMAC, SM4CMAC}
}

// Method is an algorithm with its settings.
type Method struct {
	Algorithm Algorithm `json:"algorithm"`

	// ExtraZeroBlock adds a block of zeros to data that fill their last block
	// already, as one UnionPay client does (terminal-rules B1). It changes
	// nothing in an XOR of blocks, and everything in CBC.
	ExtraZeroBlock bool `json:"extra_zero_block"`
}

// Validate says what is wrong with m.
func (m Method) Validate() error {
	if !slices.Contains(Algorithms(), m.Algorithm) {
		var names []string
		for _, a := range Algorithms() {
			names = append(names, string(a))
		}
		return fmt.Errorf("algorithm: want one of %s, got %.32q", strings.Join(names, ", "), m.Algorithm)
	}
	if m.ExtraZeroBlock && m.Algorithm != UnionPayECB && m.Algorithm != UnionPayECBSM4 && m.Algorithm != UnionPayCBC {
		return fmt.Errorf("extra_zero_block: only the unionpay algorithms have it")
	}
	return nil
}

// Cipher is the cipher of the working keys that the algorithm takes.
func (a Algorithm) Cipher() Cipher {
	switch a {
	case UnionPayECBSM4, SM4CMAC:
		return SM4
	case AESCMAC:
		return AES
	default:
		return DES
	}
}

// Sum is the whole MAC over data: 8 bytes, or 16 of a CMAC. Where less goes
// on the wire it is the first bytes. The error is ErrKey, for a key that does
// not fit the algorithm.
func (m Method) Sum(key Key, data []byte) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	switch m.Algorithm {
	case X99:
		return retail(key, m.pad(data, des.BlockSize), 8)
	case X919:
		return retail(key, m.pad(data, des.BlockSize), 16)
	case X919Pad2:
		return retail(key, m.pad(append(slices.Clone(data), 0x80), des.BlockSize), 16)
	case UnionPayCBC:
		return retail(key, m.pad(data, des.BlockSize), 8, 16)
	case UnionPayECB, UnionPayECBSM4:
		b, err := key.block(m.Algorithm.Cipher())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Algorithm, err)
		}
		return fold(b, m.pad(data, b.BlockSize())), nil
	default:
		b, err := key.block(m.Algorithm.Cipher())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Algorithm, err)
		}
		return cbcmac.NewCMAC(b, b.BlockSize()).MAC(data), nil
	}
}

// pad fills the last block with zeros; nothing at all becomes one block.
func (m Method) pad(data []byte, size int) []byte {
	n := (size - len(data)%size) % size
	if len(data) == 0 || n == 0 && m.ExtraZeroBlock {
		n = size
	}
	return append(slices.Clone(data), make([]byte, n)...)
}

// retail is CBC under the left half of key; a double key's right half then
// strengthens the last block.
func retail(key Key, data []byte, sizes ...int) ([]byte, error) {
	k := key.bytes()
	if !slices.Contains(sizes, len(k)) {
		return nil, fmt.Errorf("%w: want %v bytes, got %d", ErrKey, sizes, len(k))
	}
	left, err := des.NewCipher(k[:8])
	if err != nil {
		return nil, fmt.Errorf("%w: no DES key", ErrKey)
	}
	tag := make([]byte, des.BlockSize)
	for len(data) > 0 {
		subtle.XORBytes(tag, tag, data[:des.BlockSize])
		left.Encrypt(tag, tag)
		data = data[des.BlockSize:]
	}
	if len(k) == 16 {
		right, err := des.NewCipher(k[8:])
		if err != nil {
			return nil, fmt.Errorf("%w: no DES key", ErrKey)
		}
		right.Decrypt(tag, tag)
		left.Encrypt(tag, tag)
	}
	return tag, nil
}

// fold is the UnionPay ECB MAC of whole blocks.
func fold(b cipher.Block, data []byte) []byte {
	n := b.BlockSize()
	sum := make([]byte, n)
	for ; len(data) > 0; data = data[n:] {
		subtle.XORBytes(sum, sum, data[:n])
	}
	text := []byte(strings.ToUpper(hex.EncodeToString(sum)))
	b.Encrypt(sum, text[:n])
	subtle.XORBytes(sum, sum, text[n:])
	b.Encrypt(sum, sum)
	return []byte(strings.ToUpper(hex.EncodeToString(sum)))[:8]
}
