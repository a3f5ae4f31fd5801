package hostsim

import (
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// logSize is how many messages the log keeps.
const logSize = 1000

// MessageView is one message that passed, masked.
type MessageView struct {
	N         int64          `json:"n"`
	At        time.Time      `json:"at"`
	Direction string         `json:"direction"` // in or out
	Address   int            `json:"address"`
	Remote    string         `json:"remote"`
	MTI       iso8583.MTI    `json:"mti,omitempty"`
	Kind      iso8583.Kind   `json:"kind,omitempty"`
	Fields    map[int]string `json:"fields,omitempty"` // by data element
	Signed    bool           `json:"signed,omitempty"` // it has a MAC, right or wrong
	Fault     Action         `json:"fault,omitempty"`
	Note      string         `json:"note,omitempty"`
}

// messageLog is a ring of the last messages.
type messageLog struct {
	mu   sync.Mutex
	n    int64
	ring []MessageView
}

// add numbers v and keeps it in place of the oldest.
func (l *messageLog) add(v MessageView, m *iso8583.Message) {
	if m != nil {
		v.MTI, v.Fields, v.Signed = m.MTI, map[int]string{}, m.Has(64) || m.MAC == iso8583.MACWanted
		for _, de := range m.Fields() {
			v.Fields[de] = m.Masked(de)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	v.N = l.n
	if len(l.ring) < logSize {
		l.ring = append(l.ring, v)
		return
	}
	l.ring[(l.n-1)%logSize] = v
}

// list gives the log, oldest first.
func (l *messageLog) list() []MessageView {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := 0
	if len(l.ring) == logSize {
		start = int(l.n % logSize)
	}
	return append(append(make([]MessageView, 0, len(l.ring)), l.ring[start:]...), l.ring[:start]...)
}
