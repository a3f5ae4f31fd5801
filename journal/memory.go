package journal

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
)

// Memory is a Journal without a disk, for tests and simulations: it survives
// nothing. It stores the same records as Log, sealed parts included. It keeps
// all history, so nothing in it retires.
type Memory struct {
	// RollEvery is after how many entries a carry is taken, as at the beginning
	// of a segment; 0: never. Set it before the first Append.
	RollEvery int

	keys *keyring
	salt saltBytes

	mu     sync.RWMutex
	enc    encoder
	values []raw // LSN 1 is values[0]
	names  map[string][]LSN
	carry  func() Carry
	begun  LSN      // of the first entry behind the newest carry
	taken  []Record // the newest carry
	failed error
	closed bool
}

var _ Journal = (*Memory)(nil)

// NewMemory gives an empty journal that seals under key, 32 bytes. With a nil
// key it takes no entry with a sealed part. It panics where the key has
// another length.
func NewMemory(key []byte) *Memory {
	var w KeyWrapper
	if key != nil {
		var err error
		if w, err = NewKeyWrapper(key); err != nil {
			panic(err)
		}
	}
	m := &Memory{salt: newSalt(), names: map[string][]LSN{}, begun: 1}
	var id journalID
	_, _ = rand.Read(id[:]) // never fails
	m.keys = newKeyring(id, w, nil)
	m.enc = encoder{keys: m.keys, salt: m.salt}
	return m
}

// Reopen gives what a process that starts after this one's end would find: an
// open journal with every acknowledged entry. The old one is closed.
func (m *Memory) Reopen() *Memory {
	_ = m.Close()
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := &Memory{
		RollEvery: m.RollEvery, keys: m.keys, salt: m.salt, names: map[string][]LSN{},
		values: m.values[:len(m.values):len(m.values)], begun: m.begun, taken: m.taken,
		enc: encoder{keys: m.keys, salt: m.salt, chain: m.enc.chain},
	}
	for name, lsns := range m.names {
		n.names[name] = lsns[:len(lsns):len(lsns)]
	}
	return n
}

// SetCarry implements Journal.
func (m *Memory) SetCarry(fn func() Carry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.carry = fn
}

// Append implements Journal.
func (m *Memory) Append(batch []Entry) (LSN, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.failed != nil:
		return 0, fmt.Errorf("%w, because of: %w", ErrFailed, m.failed)
	case m.closed:
		return 0, ErrClosed
	case len(batch) == 0:
		return 0, nil
	}
	first := LSN(len(m.values)) + 1
	err := checkBatch(batch)
	if err == nil && m.carry != nil && m.RollEvery > 0 && int(first-m.begun) >= m.RollEvery {
		err = m.roll(first)
	}
	if err == nil {
		m.enc.buf = m.enc.buf[:0]
		err = m.enc.batch([]*request{{batch: batch}}, first, len(batch), 0)
	}
	if err != nil {
		m.failed = err
		return 0, fmt.Errorf("append: %w: %w", ErrFailed, err)
	}
	m.keep(m.enc.buf, batch)
	return first, nil
}

// keep takes over an encoded batch.
func (m *Memory) keep(b []byte, batch []Entry) {
	for i := range batch {
		h, _ := parseHead(b)
		m.values = append(m.values, raw{recordHead: h, bytes: bytes.Clone(b[:h.size()])})
		b = b[h.size():]
		r := Record{Group: batch[i].Group, Keys: batch[i].Keys}
		for _, name := range r.names() {
			m.names[name] = append(m.names[name], h.lsn)
		}
	}
}

// roll takes the carry that a new segment would begin with.
func (m *Memory) roll(first LSN) error {
	c := m.carry()
	if err := checkBatch(c.Extra); err != nil {
		return fmt.Errorf("carry: %w", err)
	}
	m.begun, m.taken = first, nil
	want := map[string]bool{}
	for _, g := range c.Groups {
		want[g] = true
	}
	for i := range m.values {
		r, err := m.values[i].decode(m.salt)
		if err != nil {
			return err
		}
		if want[r.Group] {
			m.taken = append(m.taken, r)
		}
	}
	for _, e := range c.Extra {
		m.taken = append(m.taken, Record{LSN: first - 1, Type: e.Type, Group: e.Group, Keys: e.Keys, Class: e.Class, Clear: bytes.Clone(e.Clear)})
	}
	return nil
}

// Reserve implements Journal: there is always room.
func (m *Memory) Reserve(Class, int) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	return nil
}

// Scan implements Journal.
func (m *Memory) Scan(from LSN, fn func(Record) error) error {
	m.mu.RLock()
	values, closed := m.values, m.closed
	m.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	for lsn := max(from, 1); lsn <= LSN(len(values)); lsn++ {
		r, err := values[lsn-1].decode(m.salt)
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// Recover implements Journal.
func (m *Memory) Recover(fn func(Record) error) error {
	m.mu.RLock()
	taken, begun := m.taken, m.begun
	m.mu.RUnlock()
	for _, r := range taken {
		if err := fn(r); err != nil {
			return err
		}
	}
	return m.Scan(begun, fn)
}

// Lookup implements Journal.
func (m *Memory) Lookup(key string) ([]Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	return lookup(key, func(name string) ([]Record, error) {
		var recs []Record
		for _, lsn := range m.names[name] {
			r, err := m.values[lsn-1].decode(m.salt)
			if err != nil {
				return nil, err
			}
			recs = append(recs, r)
		}
		return recs, nil
	})
}

// Retired implements Journal: nothing is.
func (m *Memory) Retired(string) (RetiredGroup, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return RetiredGroup{}, false, ErrClosed
	}
	return RetiredGroup{}, false, nil
}

// Unseal implements Journal.
func (m *Memory) Unseal(r Record) ([]byte, error) { return m.keys.unseal(r) }

// DestroyKey implements Journal.
func (m *Memory) DestroyKey(keyID uint32) error { return m.keys.destroy(keyID) }

// MakeKey implements Journal.
func (m *Memory) MakeKey(keyID uint32) error {
	_, err := m.keys.forSealing(keyID)
	return err
}

// LastKey implements Journal.
func (m *Memory) LastKey() (uint32, error) { return m.keys.lastID() }

// KeyedHash implements Journal.
func (m *Memory) KeyedHash(label string, data []byte) (string, error) {
	return m.keys.keyedHash(label, data)
}

// Last implements Journal.
func (m *Memory) Last() LSN {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return LSN(len(m.values))
}

// Close implements Journal.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
