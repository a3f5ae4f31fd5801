package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeyLen is the length of a journal's key, and of each data key, in bytes.
const KeyLen = 32

const (
	nonceLen = 12
	tagLen   = 16
)

// KeyWrapper holds the key of a journal. It wraps data keys, one per settlement
// batch, and never gives out its own. Hardware can implement it; NewKeyWrapper
// is the software that does. It is called rarely: when a data key is made or
// first used after a start. The same key must give the same answers for ever.
type KeyWrapper interface {
	// Wrap encrypts a data key, bound to context.
	Wrap(key, context []byte) ([]byte, error)
	// Unwrap is the inverse; an error where key, context or bytes do not fit.
	Unwrap(wrapped, context []byte) ([]byte, error)
	// Derive gives KeyLen secret bytes for a purpose, from which Wrap's key
	// cannot be found.
	Derive(purpose string) ([]byte, error)
}

// NewKeyWrapper wraps in software under a key of KeyLen bytes.
func NewKeyWrapper(key []byte) (KeyWrapper, error) {
	if len(key) != KeyLen {
		return nil, fmt.Errorf("journal key: want %d bytes, got %d", KeyLen, len(key))
	}
	return softWrapper{append([]byte(nil), key...)}, nil
}

// softWrapper holds the key in memory. The key itself encrypts nothing: each
// purpose has a key of its own, by HKDF-SHA256.
type softWrapper struct{ key []byte }

func (w softWrapper) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, w.key, nil, "counterfoil journal "+purpose, KeyLen)
}

func (w softWrapper) aead() (cipher.AEAD, error) {
	key, err := w.Derive("key wrap")
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

func (w softWrapper) Wrap(key, context []byte) ([]byte, error) {
	aead, err := w.aead()
	if err != nil {
		return nil, err
	}
	return sealTo(nil, aead, key, context), nil
}

func (w softWrapper) Unwrap(wrapped, context []byte) ([]byte, error) {
	aead, err := w.aead()
	if err != nil {
		return nil, err
	}
	if len(wrapped) < nonceLen+tagLen {
		return nil, errors.New("a wrapped key is too short")
	}
	return aead.Open(nil, wrapped[:nonceLen], wrapped[nonceLen:], context)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealTo appends nonce, ciphertext and tag. The nonce is random: an LSN is used
// again after a torn batch.
func sealTo(dst []byte, aead cipher.AEAD, plain, bound []byte) []byte {
	var nonce [nonceLen]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return aead.Seal(append(dst, nonce[:]...), nonce[:], plain, bound)
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
