package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
)

// KeyLen is the length of a journal's key in bytes.
const KeyLen = 32

const (
	nonceLen = 12
	tagLen   = 16
	// maxCiphers bounds the cache of data keys: one per settlement batch is in
	// use at a time.
	maxCiphers = 64
)

// sealer seals and unseals for one journal. The master key itself encrypts
// nothing: each purpose has a key of its own, by HKDF-SHA256.
type sealer struct {
	id     journalID
	master []byte // nil: there is no key

	mu      sync.Mutex
	ciphers map[uint32]cipher.AEAD
}

func newSealer(id journalID, master []byte) (*sealer, error) {
	if master != nil && len(master) != KeyLen {
		return nil, fmt.Errorf("journal key: want %d bytes, got %d", KeyLen, len(master))
	}
	return &sealer{id: id, master: append([]byte(nil), master...), ciphers: map[uint32]cipher.AEAD{}}, nil
}

// seal gives nonce and ciphertext for plain, bound to the rest of r and to
// this journal.
func (s *sealer) seal(r *Record, plain []byte) ([]byte, error) {
	aead, err := s.cipher(r.KeyID)
	if err != nil {
		return nil, err
	}
	out := make([]byte, nonceLen, nonceLen+len(plain)+tagLen)
	_, _ = rand.Read(out) // never fails
	return aead.Seal(out, out, plain, s.bound(r)), nil
}

// unseal is the inverse of seal. Its errors hold nothing of the plain text.
func (s *sealer) unseal(r Record) ([]byte, error) {
	if len(r.Sealed) == 0 {
		return nil, fmt.Errorf("entry %d: %w", r.LSN, ErrNotSealed)
	}
	aead, err := s.cipher(r.KeyID)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", r.LSN, err)
	}
	if len(r.Sealed) < nonceLen+tagLen {
		return nil, fmt.Errorf("entry %d: %w: its sealed part is too short", r.LSN, ErrDamaged)
	}
	plain, err := aead.Open(nil, r.Sealed[:nonceLen], r.Sealed[nonceLen:], s.bound(&r))
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w: its sealed part does not authenticate", r.LSN, ErrDamaged)
	}
	return plain, nil
}

// bound is the associated data: a sealed part that was moved to another entry
// or another journal does not open there.
func (s *sealer) bound(r *Record) []byte { return append(s.id[:len(s.id):len(s.id)], r.body()...) }

// cipher gives the AEAD of one data key.
func (s *sealer) cipher(keyID uint32) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.ciphers[keyID]; ok {
		return c, nil
	}
	key, err := s.derive("data key "+strconv.FormatUint(uint64(keyID), 10), s.id[:])
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(s.ciphers) >= maxCiphers {
		clear(s.ciphers)
	}
	s.ciphers[keyID] = c
	return c, nil
}

// derive gives the key for one purpose. Data keys are salted with the
// journal's id, so that no two journals share one.
func (s *sealer) derive(purpose string, salt []byte) ([]byte, error) {
	if len(s.master) == 0 {
		return nil, ErrNoKey
	}
	return hkdf.Key(sha256.New, s.master, salt, "counterfoil journal "+purpose, KeyLen)
}

// keyedHash is HMAC-SHA256 under the label's own key, cut to 16 bytes.
func (s *sealer) keyedHash(label string, data []byte) (string, error) {
	key, err := s.derive("keyed hash "+label, nil)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(mac(key, data)[:16]), nil
}

// keyCheck is stored in the journal's header, so that a wrong key is known
// before it does harm. It tells nothing of the key.
func (s *sealer) keyCheck() ([16]byte, error) {
	key, err := s.derive("key check", nil)
	if err != nil {
		return [16]byte{}, err
	}
	return [16]byte(mac(key, s.id[:])[:16]), nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
