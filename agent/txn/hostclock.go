package txn

import (
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A sign-on's answer says what time it is at the host (terminal-rules B1, 0810:
// DE 12 and 13 set the clock). A daemon sets no clock. Where the rules say so,
// what messages say of date and time, DE 12, 13 and the date in DE 61, is the
// host's from then on, counted by the clock since boot, as long as the process
// lives. Nothing else is: what is a day for a sale, what is journaled and every
// wait go by the clocks they always go by.

// hostClock is what time it was at the host, and when that was.
type hostClock struct {
	Wall int64
	Boot time.Duration
}

// hostTime reads DE 13 and 12 as the moment nearest to now, Unix milliseconds;
// they have no year. 0: they say none.
func hostTime(date, clock string, now Time) (best int64) {
	year := time.UnixMilli(now.Wall).UTC().Year()
	for y := year - 1; y <= year+1; y++ {
		t, err := time.Parse("20060102150405", fmt.Sprintf("%04d%s%s", y, date, clock))
		if err != nil {
			continue
		}
		at := t.UnixMilli() - int64(now.Zone)*1000
		if best == 0 || abs(at-now.Wall) < abs(best-now.Wall) {
			best = at
		}
	}
	return best
}

func abs(n int64) int64 { return max(n, -n) }

// hearTime takes the host's time out of a sign-on's answer, where the rules say so.
func (s *step) hearTime(term *Terminal, e *SignOnAnswer) int64 {
	if term.Rules.SignOn.Clock != iso8583.ClockHost {
		return 0
	}
	at := hostTime(e.LocalDate, e.LocalTime, s.now)
	if at != 0 {
		s.m.clocks[term.TID] = &hostClock{Wall: at, Boot: s.now.Boot}
	}
	return at
}

// wireTime is DE 12 and 13 of what begins now.
func (s *step) wireTime(tid iso8583.TID) (clock, date string) {
	now := s.now
	if c := s.m.clocks[tid]; c != nil {
		now.Wall = c.Wall + (now.Boot - c.Boot).Milliseconds()
	}
	clock, date, _ = localTime(now)
	return clock, date
}

// wire is DE 12 and 13 of t's messages.
func (t *Transaction) wire() (clock, date string) {
	if t.HostTime != "" {
		return t.HostTime, t.HostDate
	}
	return t.LocalTime, t.LocalDate
}
