package agent

import (
	"fmt"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Pattern is an abnormal pattern: so many within so long. A count of zero
// switches it off.
type Pattern struct {
	Count  int
	Within time.Duration
}

// Patterns are what is watched for, per terminal. A notice is all that comes of
// them: they decide nothing about money, and readiness does not hang on them.
type Patterns struct {
	Zero      Pattern // amounts of zero that were refused
	Repeats   Pattern // the same card and amount
	Velocity  Pattern // transactions of whatever kind
	Reversals Pattern // reversals that were decided on
	Declines  Pattern // declines
}

// DefaultPatterns is for a till in a shop.
var DefaultPatterns = Patterns{
	Zero:      Pattern{3, 10 * time.Minute},
	Repeats:   Pattern{3, 10 * time.Minute},
	Velocity:  Pattern{60, time.Minute},
	Reversals: Pattern{5, 10 * time.Minute},
	Declines:  Pattern{10, 10 * time.Minute},
}

// lookout counts what happens and tells of a pattern once per its time.
type lookout struct {
	patterns Patterns
	now      func() time.Duration
	tell     func(id string, n client.Notice)

	mu   sync.Mutex
	seen map[sighting]*sightings
}

// sighting is what is counted together.
type sighting struct {
	pattern string
	tid     iso8583.TID
	what    string // the card's keyed hash and the amount
}

type sightings struct {
	at    []time.Duration // since boot, oldest first
	uuids []string        // of these, the latest
	quiet time.Duration   // no notice before
}

// Bounds of a lookout.
const (
	lookoutKeys  = 4096
	lookoutUUIDs = 10
)

// record looks at a durable record.
func (l *lookout) record(r txn.Record, tid iso8583.TID, wall int64) {
	uuid := r.Group()
	switch r := r.(type) {
	case *txn.Intent:
		l.note("velocity", tid, "", uuid, l.patterns.Velocity, wall, "%d transactions")
		if r.CardHash != "" {
			l.note("repeats", tid, fmt.Sprint(r.CardHash, " ", r.Kind, " ", r.Minor), uuid, l.patterns.Repeats, wall, "the same card and amount %d times")
		}
	case *txn.Reversing:
		l.note("reversals", tid, "", uuid, l.patterns.Reversals, wall, "%d reversals")
	case *txn.Declined:
		l.note("declines", tid, "", uuid, l.patterns.Declines, wall, "%d declines")
	}
}

// zero looks at a request for nothing.
func (l *lookout) zero(tid iso8583.TID, wall int64) {
	l.note("zero", tid, "", "", l.patterns.Zero, wall, "%d requests for an amount of zero, refused")
}

func (l *lookout) note(pattern string, tid iso8583.TID, what, uuid string, p Pattern, wall int64, text string) {
	if p.Count <= 0 {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sighting{pattern, tid, what}
	s := l.seen[key]
	if s == nil {
		if len(l.seen) >= lookoutKeys {
			l.forget(now)
		}
		s = &sightings{}
		l.seen[key] = s
	}
	s.at = append(s.at, now)
	for len(s.at) > p.Count || now-s.at[0] > p.Within {
		s.at = s.at[1:]
	}
	if uuid != "" {
		s.uuids = append(s.uuids, uuid)
		s.uuids = s.uuids[max(len(s.uuids)-min(p.Count, lookoutUUIDs), 0):]
	}
	if len(s.at) < p.Count || now < s.quiet {
		return
	}
	s.quiet = now + p.Within
	l.tell(fmt.Sprintf("notice/%s/%s/%d", pattern, tid, wall), client.Notice{
		Pattern: pattern, Terminal: string(tid), Count: p.Count, Seconds: int(p.Within.Seconds()), At: time.UnixMilli(wall).UTC(),
		Text:  fmt.Sprintf(text, p.Count) + fmt.Sprintf(" within %s on terminal %s", p.Within, tid),
		UUIDs: append([]string(nil), s.uuids...),
	})
}

// forget lets go of what is long past, or of everything.
func (l *lookout) forget(now time.Duration) {
	longest := max(l.patterns.Zero.Within, l.patterns.Repeats.Within, l.patterns.Velocity.Within, l.patterns.Reversals.Within, l.patterns.Declines.Within)
	for key, s := range l.seen {
		if now-s.at[len(s.at)-1] > longest {
			delete(l.seen, key)
		}
	}
	if len(l.seen) >= lookoutKeys {
		clear(l.seen)
	}
}
