package agent

import (
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Clock reads both clocks at once. Tests give another one.
type Clock func() txn.Time

// SystemClock reads CLOCK_BOOTTIME, which goes on while the terminal sleeps
// (Go's monotonic clock does not), and the wall clock in the terminals' zone.
func SystemClock(zone *time.Location) Clock {
	return func() txn.Time {
		var ts unix.Timespec
		boot := time.Duration(0)
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) == nil {
			boot = time.Duration(ts.Nano())
		}
		wall := time.Now()
		_, offset := wall.In(zone).Zone()
		return txn.Time{Boot: boot, Wall: wall.UnixMilli(), Zone: offset}
	}
}

// slept is how long the machine has slept since it booted: what CLOCK_BOOTTIME
// counts and CLOCK_MONOTONIC does not. It is never more than that, whatever comes
// between the two readings.
func slept() time.Duration {
	var boot, awake unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - awake.Nano())
}

// shortSleep is what the link's deadlines do not need to know of.
const shortSleep = time.Second

// wake has the links let go, before anything is decided by the time that has gone
// by, what they were sending when the machine fell asleep: no deadline of theirs
// ran meanwhile, so that a request could leave long after its time, behind its own
// reversal and its hold-down.
func (a *Agent) wake() {
	s := a.slept()
	if s-a.asleep < shortSleep {
		return
	}
	a.log.Info("the machine has slept", zap.Duration("for", s-a.asleep))
	a.asleep = s
	for _, acq := range a.acquirers { // order: each on its own
		acq.link.Slept()
	}
}

// alive is the clock with a dead battery seen through. A terminal that lost power
// for long starts in 1970: a wall clock before built, which no clock can show, is
// replaced by the latest that is known, built or the journal's last entry, and
// what has gone by since then. A clock that is merely wrong is believed: a moment
// in the future that was journaled once must not stop the terminal for years.
func (c Clock) alive(built time.Time, journaled int64) Clock {
	if built.IsZero() {
		return c
	}
	floor, from := max(built.UnixMilli(), journaled), c().Boot
	return func() txn.Time {
		t := c()
		if t.Wall < built.UnixMilli() {
			t.Wall, t.Dead = floor+(t.Boot-from).Milliseconds(), true
		}
		return t
	}
}

// alarms is when which transaction must be looked at again. It is the loop's
// own.
type alarms struct {
	at   map[string]time.Duration
	heap alarmHeap
}

type alarm struct {
	uuid string
	at   time.Duration
}

// longestSleep bounds the shell's sleep, since Go's timers stand still in
// suspend while CLOCK_BOOTTIME goes on: after a wake-up, what is due fires
// within this time.
const longestSleep = 2 * time.Second

func newAlarms() *alarms { return &alarms{at: map[string]time.Duration{}} }

// set replaces the alarm of uuid.
func (a *alarms) set(uuid string, at time.Duration) {
	a.at[uuid] = at
	a.heap.push(alarm{uuid, at})
}

// due takes every alarm at or before now.
func (a *alarms) due(now time.Duration) []string {
	var uuids []string
	for len(a.heap) > 0 && a.heap[0].at <= now {
		next := a.heap.pop()
		if at, ok := a.at[next.uuid]; ok && at == next.at {
			delete(a.at, next.uuid)
			uuids = append(uuids, next.uuid)
		}
	}
	return uuids
}

// sleep says how long nothing is due.
func (a *alarms) sleep(now time.Duration) time.Duration {
	if len(a.heap) == 0 {
		return time.Hour
	}
	return min(max(a.heap[0].at-now, 0), longestSleep)
}

// alarmHeap is a binary heap by time.
type alarmHeap []alarm

func (h *alarmHeap) push(a alarm) {
	s := append(*h, a)
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if s[parent].at <= s[i].at {
			break
		}
		s[parent], s[i] = s[i], s[parent]
		i = parent
	}
	*h = s
}

func (h *alarmHeap) pop() alarm {
	s := *h
	top := s[0]
	last := len(s) - 1
	s[0] = s[last]
	s = s[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && s[child+1].at < s[child].at {
			child++
		}
		if s[i].at <= s[child].at {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
