package hostsim

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Bounds on what a script and the network can make the host keep.
const (
	maxFaults    = 1000
	maxDrawnTIDs = 10_000 // terminals with a sequence of draws of their own
)

// ErrTooManyFaults says that the script is full: delete some.
var ErrTooManyFaults = errors.New("too many faults")

// FaultView is a fault and how often it struck.
type FaultView struct {
	ID    int   `json:"id"`
	Fault Fault `json:"fault"`
	Seen  int   `json:"seen"`  // matching messages
	Fired int   `json:"fired"` // of these, how many it struck
	Spent bool  `json:"spent"` // Count is used up
}

// faultSet holds the script in order.
type faultSet struct {
	mu   sync.Mutex
	next int
	list []*armed
}

type armed struct {
	FaultView
	draws map[iso8583.TID]uint64
}

// subject is what faults can match.
type subject struct {
	mti     iso8583.MTI
	kind    iso8583.Kind
	tid     iso8583.TID
	stan    string
	amount  int64
	address int
}

// add appends valid faults, all or none, and gives their ids.
func (s *faultSet) add(faults []Fault) ([]int, error) {
	for i := range faults {
		if err := faults[i].Validate(); err != nil {
			return nil, fmt.Errorf("faults[%d]: %w", i, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list)+len(faults) > maxFaults {
		return nil, fmt.Errorf("%w: %d is the most", ErrTooManyFaults, maxFaults)
	}
	ids := make([]int, 0, len(faults))
	for _, f := range faults {
		s.next++
		s.list = append(s.list, &armed{FaultView: FaultView{ID: s.next, Fault: f}, draws: map[iso8583.TID]uint64{}})
		ids = append(ids, s.next)
	}
	return ids, nil
}

// pick gives the fault that strikes this message, or nil.
func (s *faultSet) pick(sub subject) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.list {
		if !a.Spent && a.Fault.selects(sub) && a.due(sub.tid) {
			f := a.Fault
			return &f
		}
	}
	return nil
}

// due counts the message and says whether the fault strikes it.
func (a *armed) due(tid iso8583.TID) bool {
	a.Seen++
	if a.Seen <= a.Fault.Skip || a.Fault.Probability != nil && a.draw(tid) >= *a.Fault.Probability {
		return false
	}
	a.Fired++
	a.Spent = a.Fault.Count > 0 && a.Fired >= a.Fault.Count
	return true
}

// draw gives the terminal's next number in [0, 1). It is hashed from seed,
// terminal and position, so the order in which terminals arrive does not
// matter.
func (a *armed) draw(tid iso8583.TID) float64 {
	if _, ok := a.draws[tid]; !ok && len(a.draws) >= maxDrawnTIDs {
		tid = ""
	}
	n := a.draws[tid]
	a.draws[tid]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%d", a.Fault.Seed, tid, n))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// selects says whether f is about such a message.
func (f *Fault) selects(s subject) bool {
	m := f.Match
	if f.Action == RefuseReversal && s.mti.Class() != '4' {
		return false
	}
	if f.Action == Partial && !approvesInPart(s.kind) {
		return false
	}
	kind := m.Kind == "" || m.Kind == s.kind ||
		m.Kind == iso8583.KindReversal && strings.HasPrefix(string(s.kind), string(m.Kind))
	return kind &&
		(m.MTI == "" || m.MTI == s.mti) &&
		(m.Terminal == "" || m.Terminal == s.tid) &&
		(m.STAN == "" || m.STAN == s.stan) &&
		(m.Amount == nil || *m.Amount == s.amount) &&
		(m.Address == nil || *m.Address == s.address)
}

// views lists the script in order.
func (s *faultSet) views() []FaultView {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]FaultView, 0, len(s.list))
	for _, a := range s.list {
		out = append(out, a.FaultView)
	}
	return out
}

// remove deletes the fault with this id, or all for 0, and says how many.
func (s *faultSet) remove(id int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.list[:0]
	for _, a := range s.list {
		if id != 0 && a.ID != id {
			kept = append(kept, a)
		}
	}
	n := len(s.list) - len(kept)
	clear(s.list[len(kept):])
	s.list = kept
	return n
}
