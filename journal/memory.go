package journal

import (
	"crypto/rand"
	"fmt"
	"sync"
)

// Memory is a Journal without a disk, for tests and simulations: it survives
// nothing. It stores the same bytes as Bolt, sealed parts included.
type Memory struct {
	seal *sealer

	mu     sync.RWMutex
	values [][]byte // LSN 1 is values[0]
	names  map[string][]LSN
	failed error
	closed bool
}

var _ Journal = (*Memory)(nil)

// NewMemory gives an empty journal that seals under key, 32 bytes. With a nil
// key it takes no entry with a sealed part. It panics where the key has
// another length.
func NewMemory(key []byte) *Memory {
	var id journalID
	_, _ = rand.Read(id[:]) // never fails
	s, err := newSealer(id, key)
	if err != nil {
		panic(err)
	}
	return &Memory{seal: s, names: map[string][]LSN{}}
}

// Reopen gives what a process that starts after this one's end would find: an
// open journal with every acknowledged entry. The old one is closed.
func (m *Memory) Reopen() *Memory {
	_ = m.Close()
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := &Memory{seal: m.seal, values: m.values[:len(m.values):len(m.values)], names: map[string][]LSN{}}
	for name, lsns := range m.names {
		n.names[name] = lsns[:len(lsns):len(lsns)]
	}
	return n
}

// Append implements Journal.
func (m *Memory) Append(batch []Entry) (LSN, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return 0, ErrClosed
	case m.failed != nil:
		return 0, fmt.Errorf("%w: %w", ErrFailed, m.failed)
	case len(batch) == 0:
		return 0, nil
	}
	first := LSN(len(m.values)) + 1
	recs, values, err := encodeBatch(batch, first, m.seal)
	if err != nil {
		m.failed = err
		return 0, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	m.values = append(m.values, values...)
	for i := range recs {
		for _, name := range recs[i].names() {
			m.names[name] = append(m.names[name], recs[i].LSN)
		}
	}
	return first, nil
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
		r, err := decode(m.seal.id, lsn, values[lsn-1])
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
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
			r, err := decode(m.seal.id, lsn, m.values[lsn-1])
			if err != nil {
				return nil, err
			}
			recs = append(recs, r)
		}
		return recs, nil
	})
}

// Unseal implements Journal.
func (m *Memory) Unseal(r Record) ([]byte, error) { return m.seal.unseal(r) }

// KeyedHash implements Journal.
func (m *Memory) KeyedHash(label string, data []byte) (string, error) {
	return m.seal.keyedHash(label, data)
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
