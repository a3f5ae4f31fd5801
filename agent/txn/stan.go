package txn

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// stanHead is a terminal's STAN numbering: 000001–899999, surviving restarts.
type stanHead struct {
	Next    iso8583.STAN // 0: none was ever given
	Wrapped int64        // wall time of the latest start at 000001
}

func (m *Machine) head(tid iso8583.TID) *stanHead {
	h := m.heads[tid]
	if h == nil {
		h = &stanHead{}
		m.heads[tid] = h
	}
	return h
}

// used moves the head past the STAN of a new intent or inquiry.
func (h *stanHead) used(stan iso8583.STAN, at int64) {
	if h.Next == 0 || stan < h.Next {
		h.Wrapped = at
	}
	h.Next = stan + 1
}

// stanReuse is how long a STAN must not come again: hosts look for the
// original among today's and yesterday's (terminal-rules A, "How the host
// finds the original").
const stanReuse = int64(48 * time.Hour / time.Millisecond)

// nextSTAN finds the STAN of a new intent or inquiry, passing over those of unsettled
// transactions. It fails where numbering would start anew within two days.
func (m *Machine) nextSTAN(tid iso8583.TID, wall int64) (iso8583.STAN, bool) {
	h := m.head(tid)
	next := max(h.Next, iso8583.FirstSTAN)
	for range len(m.open) + 2 {
		if next > iso8583.LastSTAN {
			if age := wall - h.Wrapped; -stanReuse < age && age < stanReuse {
				return 0, false
			}
			next = iso8583.FirstSTAN
		}
		holder := m.hot[m.bySTAN[STANKey(tid, next)]]
		if holder == nil || !holder.State.Open() && !holder.Escalated() && !holder.Script.Owed() {
			return next, true
		}
		next++
	}
	return 0, false
}
