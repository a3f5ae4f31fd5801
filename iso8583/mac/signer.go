package mac

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
)

// Signer holds one terminal's keys and works with them. A secure element, a
// PIN pad or a host security module can implement it; keys need never leave
// it. It is safe for use by several goroutines.
type Signer interface {
	// Sign gives the MAC over data, the bytes that go into the message.
	// ErrNoKey: there is no working key yet, so sign on first. Any other error
	// means that the device cannot work now; nothing may be sent.
	Sign(data []byte) ([]byte, error)

	// Verify says whether mac is that of data under the present key: nil, or
	// ErrMismatch, ErrNoKey, or the device's own error. It compares in
	// constant time.
	Verify(data, mac []byte) error

	// Prove says whether Load would take these working keys, and changes
	// nothing. The error never quotes a key.
	Prove(w Wrapped) error

	// Load takes the working keys that a sign-on delivered, or the same ones
	// from storage after a restart. All of them are proved by their check
	// values before any is used; on error the present keys stay.
	Load(w Wrapped) error

	// Forget throws the working keys away: ErrNoKey from then on.
	Forget()

	// Warning is what must be said loudly where this signer is used outside
	// development; empty: nothing.
	Warning() string
}

// Errors of a Signer.
var (
	ErrNoKey    = errors.New("no working key: sign on first")
	ErrMismatch = errors.New("MAC does not match")
)

// SoftwareWarning is what Software has to say.
const SoftwareWarning = "SOFTWARE KEYS: the terminal's MAC key is in this process's memory and its master key in a file. " +
	"This is for development and tests. In production keys belong in a secure element or PIN pad (mac.Signer)."

// Size is how much of a MAC goes into DE 64.
const Size = 8

// Software is a Signer with its keys in memory.
type Software struct {
	method Method
	cipher Cipher
	master Key

	mu  sync.RWMutex
	mac Key
}

// NewSoftware makes a signer that unwraps working keys with master, the
// terminal's master key, which someone put into the terminal by hand. It calls
// say with SoftwareWarning, so that nobody uses it unknowingly; say must not
// be nil.
func NewSoftware(m Method, master Key, say func(string)) (*Software, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if say == nil {
		return nil, errors.New("software signer: want a function that says loudly what it is")
	}
	s := &Software{method: m, cipher: m.Algorithm.Cipher(), master: master}
	if _, err := master.block(s.cipher); err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	say(s.Warning())
	return s, nil
}

// Warning is SoftwareWarning.
func (s *Software) Warning() string { return SoftwareWarning }

// Prove unwraps every key and compares its check value.
func (s *Software) Prove(w Wrapped) error {
	_, err := s.unwrap(w)
	return err
}

// Load proves all keys, then takes the MAC key. The others are of no use here:
// PIN and track are encrypted where they are read.
func (s *Software) Load(w Wrapped) error {
	k, err := s.unwrap(w)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mac = k
	return nil
}

// unwrap proves all keys, and gives the MAC key.
func (s *Software) unwrap(w Wrapped) (Key, error) {
	k, err := w.MAC.Unwrap(s.cipher, s.master)
	if err != nil {
		return Key{}, fmt.Errorf("MAC key: %w", err)
	}
	for _, other := range []struct {
		name string
		slot Slot
	}{{"PIN", w.PIN}, {"track", w.Track}} {
		if len(other.slot.Key) == 0 {
			continue
		}
		if _, err := other.slot.Unwrap(s.cipher, s.master); err != nil {
			return Key{}, fmt.Errorf("%s key: %w", other.name, err)
		}
	}
	if _, err := s.method.Sum(k, nil); err != nil {
		return Key{}, fmt.Errorf("MAC key: %w", err)
	}
	return k, nil
}

// Forget throws the MAC key away.
func (s *Software) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mac = Key{}
}

// Sign gives the first Size bytes of the MAC over data.
func (s *Software) Sign(data []byte) ([]byte, error) {
	s.mu.RLock()
	k := s.mac
	s.mu.RUnlock()
	if k.IsZero() {
		return nil, ErrNoKey
	}
	sum, err := s.method.Sum(k, data)
	if err != nil {
		return nil, err
	}
	return sum[:Size], nil
}

// Verify compares in constant time.
func (s *Software) Verify(data, mac []byte) error {
	want, err := s.Sign(data)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, mac) != 1 {
		return ErrMismatch
	}
	return nil
}

// String hides the keys.
func (s *Software) String() string {
	return fmt.Sprintf("software signer, %s", s.method.Algorithm)
}

// GoString hides the keys.
func (s *Software) GoString() string { return s.String() }
