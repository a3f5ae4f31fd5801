package journal

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// maxCiphers bounds the data keys in memory: one per settlement batch is in use
// at a time.
const maxCiphers = 64

// keyring is the data keys of one journal. Each stands wrapped in a file of its
// own, so that destroying it is destroying a file.
type keyring struct {
	id      journalID
	wrapper KeyWrapper // nil: there is no key
	fs      FS         // nil: keys live in memory, see Memory
	mem     map[uint32][]byte

	mu      sync.Mutex
	ciphers map[uint32]cipher.AEAD
}

func newKeyring(id journalID, w KeyWrapper, dir FS) *keyring {
	return &keyring{id: id, wrapper: w, fs: dir, mem: map[uint32][]byte{}, ciphers: map[uint32]cipher.AEAD{}}
}

// forSealing gives the AEAD of a data key, which is made, durably, where there
// is none.
func (k *keyring) forSealing(keyID uint32) (cipher.AEAD, error) { return k.cipher(keyID, true) }

func (k *keyring) cipher(keyID uint32, create bool) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.ciphers[keyID]; ok {
		return c, nil
	}
	if k.wrapper == nil {
		return nil, ErrNoKey
	}
	key, err := k.load(keyID)
	if errors.Is(err, errNoDataKey) && create {
		key, err = k.create(keyID)
	}
	if err != nil {
		return nil, err
	}
	c, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(k.ciphers) >= maxCiphers {
		clear(k.ciphers)
	}
	k.ciphers[keyID] = c
	return c, nil
}

// errNoDataKey says that no data key with an id was ever made.
var errNoDataKey = errors.New("its data key was never made here")

func (k *keyring) context(keyID uint32) []byte {
	return binary.LittleEndian.AppendUint32(append([]byte("data key "), k.id[:]...), keyID)
}

// load reads and unwraps a data key.
func (k *keyring) load(keyID uint32) ([]byte, error) {
	f, err := k.read(keyID)
	switch {
	case err != nil:
		return nil, err
	case f.destroyed:
		return nil, fmt.Errorf("data key %d: %w", keyID, ErrKeyDestroyed)
	}
	key, err := k.wrapper.Unwrap(f.wrapped, k.context(keyID))
	if err != nil {
		return nil, fmt.Errorf("data key %d: %w: it does not unwrap: %w", keyID, ErrDamaged, err)
	}
	return key, nil
}

// create makes a data key. It is durable when create returns: before anything
// is sealed with it.
func (k *keyring) create(keyID uint32) ([]byte, error) {
	key := make([]byte, KeyLen)
	_, _ = rand.Read(key) // never fails
	wrapped, err := k.wrapper.Wrap(key, k.context(keyID))
	if err != nil {
		return nil, fmt.Errorf("data key %d: %w", keyID, err)
	}
	if err := k.write(keyID, keyFile{wrapped: wrapped}); err != nil {
		return nil, fmt.Errorf("data key %d: %w", keyID, err)
	}
	return key, nil
}

// lastID is the highest id of a key that has a file, destroyed ones too.
func (k *keyring) lastID() (last uint32, err error) {
	if k.fs == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		for id := range k.mem { // order: the highest, however they come
			last = max(last, id)
		}
		return last, nil
	}
	names, err := k.fs.List()
	for _, name := range names {
		if id, ok := keyOfName(name); ok {
			last = max(last, id)
		}
	}
	return last, err
}

// destroy ends a data key. When it returns nil, no later start finds it.
func (k *keyring) destroy(keyID uint32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.ciphers, keyID)
	if err := k.shred(keyID); err != nil {
		return fmt.Errorf("data key %d: %w", keyID, err)
	}
	if err := k.write(keyID, keyFile{destroyed: true}); err != nil {
		return fmt.Errorf("data key %d: %w", keyID, err)
	}
	return nil
}

// shred writes zeros over the wrapped key in place, before its file gives way
// to a tombstone. On flash that is best effort: the device may keep the old
// page for a while.
func (k *keyring) shred(keyID uint32) error {
	if k.fs == nil {
		return nil
	}
	f, err := k.fs.Open(keyName(keyID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil {
		_, err = f.WriteAt(make([]byte, size), 0)
	}
	if err == nil {
		err = f.Datasync()
	}
	return errors.Join(err, f.Close())
}

// unseal is the inverse of encoder.entry's sealing. Its errors hold nothing of
// the plain text.
func (k *keyring) unseal(r Record) ([]byte, error) {
	if len(r.Sealed) == 0 {
		return nil, fmt.Errorf("entry %d: %w", r.LSN, ErrNotSealed)
	}
	aead, err := k.cipher(r.KeyID, false)
	if errors.Is(err, errNoDataKey) {
		return nil, fmt.Errorf("entry %d: %w: %w", r.LSN, ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", r.LSN, err)
	}
	if len(r.Sealed) < nonceLen+tagLen {
		return nil, fmt.Errorf("entry %d: %w: its sealed part is too short", r.LSN, ErrDamaged)
	}
	plain, err := aead.Open(nil, r.Sealed[:nonceLen], r.Sealed[nonceLen:], r.bound(nil))
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w: its sealed part does not authenticate", r.LSN, ErrDamaged)
	}
	return plain, nil
}

// keyedHash is HMAC-SHA256 under the label's own key, cut to 16 bytes.
func (k *keyring) keyedHash(label string, data []byte) (string, error) {
	if k.wrapper == nil {
		return "", ErrNoKey
	}
	key, err := k.wrapper.Derive("keyed hash " + label)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(mac(key, data)[:16]), nil
}

// keyCheck is stored in each segment's header, so that a wrong key is known
// before it does harm. It tells nothing of the key.
func (k *keyring) keyCheck() ([16]byte, error) {
	if k.wrapper == nil {
		return [16]byte{}, ErrNoKey
	}
	key, err := k.wrapper.Derive("key check")
	if err != nil {
		return [16]byte{}, err
	}
	return [16]byte(mac(key, k.id[:])), nil
}
