package txn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A terminal's working keys, as a sign-on delivered them: wrapped under the
// terminal's master key, which is never here. The journal keeps them, so that a
// restart needs no sign-on; the shell's Signer unwraps and uses them.

// WrappedKeys is DE 62 of a sign-on's answer, hexadecimal. It prints as its
// length, whatever prints it.
type WrappedKeys string

// String hides the keys.
func (k WrappedKeys) String() string { return fmt.Sprintf("[%d bytes]", len(k)/2) }

// GoString hides the keys.
func (k WrappedKeys) GoString() string { return k.String() }

// MarshalText hides the keys.
func (k WrappedKeys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Record types of sign-on.
const (
	TypeSignOn       RecordType = 90
	TypeSignedOn     RecordType = 91
	TypeSignOnFailed RecordType = 92
)

// SignOnSent says that a sign-on with this STAN may leave.
type SignOnSent struct {
	Head
	TID     iso8583.TID  `json:"tid"`
	STAN    iso8583.STAN `json:"stan"`
	Route   int          `json:"route"`
	Address string       `json:"address,omitempty"`
}

// SignedOn is the host's yes, with the keys that every message carries the MAC
// of from now on. Those before are gone.
type SignedOn struct {
	Head
	TID     iso8583.TID  `json:"tid"`
	STAN    iso8583.STAN `json:"stan"`
	Code    string       `json:"code"`
	Keys    WrappedKeys  `json:"keys"`
	Batch   string       `json:"batch,omitempty"` // that the host holds the terminal to be in
	Route   int          `json:"route"`
	Address string       `json:"address,omitempty"`
	Host    int64        `json:"host_time,omitempty"` // Unix milliseconds: what time it was there; 0: not said, or of no interest
}

// SignOnFailed says that a sign-on brought nothing: the keys are what they were.
type SignOnFailed struct {
	Head
	TID     iso8583.TID  `json:"tid"`
	STAN    iso8583.STAN `json:"stan"`
	Code    string       `json:"code,omitempty"` // DE 39, where there was an answer
	Why     string       `json:"why"`
	Route   int          `json:"route"`
	Address string       `json:"address,omitempty"`
}

// Type makes each record a Record.
func (*SignOnSent) Type() RecordType   { return TypeSignOn }
func (*SignedOn) Type() RecordType     { return TypeSignedOn }
func (*SignOnFailed) Type() RecordType { return TypeSignOnFailed }

func (r *SignOnSent) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.STAN)
	num(c, 4, &r.Route)
	str(c, 5, &r.Address)
}

func (r *SignedOn) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.STAN)
	str(c, 4, &r.Code)
	str(c, 5, &r.Keys)
	str(c, 6, &r.Batch)
	num(c, 7, &r.Route)
	str(c, 8, &r.Address)
	c.int64(9, &r.Host)
}

func (r *SignOnFailed) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.STAN)
	str(c, 4, &r.Code)
	str(c, 5, &r.Why)
	num(c, 6, &r.Route)
	str(c, 7, &r.Address)
}

// keyHead is where a terminal stands with its keys. Its parts are never changed.
type keyHead struct {
	on     *SignedOn     // the latest; nil: none, or signed off since
	off    *SignedOff    // the terminal was signed off, and not signed on since
	failed *SignOnFailed // the latest sign-on, where it brought nothing
}

// applyKey folds what is about keys.
func (m *Machine) applyKey(r Record) {
	switch r := r.(type) {
	case *SignOnSent:
		m.head(r.TID).used(r.STAN, r.At)
	case *SignedOn:
		m.keys[r.TID] = &keyHead{on: r}
	case *SignOnFailed:
		m.keys[r.TID] = &keyHead{on: m.SignedOn(r.TID), off: m.SignedOff(r.TID), failed: r}
	case *SignedOff:
		m.head(r.TID).used(r.STAN, r.At)
		m.keys[r.TID] = &keyHead{off: r}
	}
}

// SignedOn is the sign-on that the terminal's keys are from, or nil.
func (m *Machine) SignedOn(tid iso8583.TID) *SignedOn {
	if k := m.keys[tid]; k != nil {
		return k.on
	}
	return nil
}

// HostTime is the latest moment, Unix milliseconds, that a host's clock was known
// to show; 0: none is known.
func (m *Machine) HostTime() (latest int64) {
	for _, k := range m.keys { // order: the latest of all
		if k.on != nil {
			latest = max(latest, k.on.Host)
		}
	}
	return latest
}

// Drift is how far the host's clock is ahead of this one's, as of the sign-on.
func (r *SignedOn) Drift() time.Duration {
	if r.Host == 0 {
		return 0
	}
	return time.Duration(r.Host-r.At) * time.Millisecond
}

// SignOnFailed is the terminal's latest sign-on, where it brought nothing, else
// nil.
func (m *Machine) SignOnFailed(tid iso8583.TID) *SignOnFailed {
	if k := m.keys[tid]; k != nil {
		return k.failed
	}
	return nil
}

// keyRecords says where each terminal stands with its keys, by TID.
func (m *Machine) keyRecords() (heads []Record) {
	for _, tid := range slices.Sorted(maps.Keys(m.keys)) {
		k := m.keys[tid]
		if k.on != nil {
			heads = append(heads, k.on)
		}
		if k.off != nil {
			heads = append(heads, k.off)
		}
		if k.failed != nil {
			heads = append(heads, k.failed)
		}
	}
	return heads
}

// appendKeys appends what is durable of the terminals' keys.
func (m *Machine) appendKeys(dst []byte) []byte {
	for _, r := range m.keyRecords() {
		dst = Encode(fmt.Appendf(dst, "|%s ", r.Type()), r)
	}
	return dst
}

// keySTAN names the terminal's present keys: the STAN of their sign-on.
func (m *Machine) keySTAN(tid iso8583.TID) iso8583.STAN {
	return cmp.Or(m.SignedOn(tid), &SignedOn{}).STAN
}

// keyless says that the terminal cannot sign a message.
func (m *Machine) keyless(tid iso8583.TID) bool {
	g := m.signing[tid]
	return m.SignedOn(tid) == nil || g != nil && g.Unusable
}

// KeyLoad has a terminal's Signer take new keys, which it has proved before.
type KeyLoad struct {
	TID  iso8583.TID
	Keys WrappedKeys // "": forget the present ones
}
