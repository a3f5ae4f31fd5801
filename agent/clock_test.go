package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Alarms against the plainest thing that does the same: a map.
func TestAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, want, now := newAlarms(), map[string]time.Duration{}, time.Duration(0)
	for range 20_000 {
		if rng.IntN(3) > 0 {
			uuid, at := fmt.Sprint(rng.IntN(50)), now+time.Duration(rng.IntN(1000))
			a.set(uuid, at)
			want[uuid] = at
			continue
		}
		now += time.Duration(rng.IntN(100))
		got := a.due(now)
		var due []string
		next := time.Hour
		for uuid, at := range want {
			if at <= now {
				due = append(due, uuid)
				delete(want, uuid)
			} else {
				next = min(next, at-now)
			}
		}
		slices.Sort(got)
		slices.Sort(due)
		if !slices.Equal(got, due) {
			t.Fatalf("due: %v, want %v", got, due)
		}
		if s := a.sleep(now); s > next && s > longestSleep {
			t.Fatalf("sleeps %s, something is due in %s", s, next)
		}
		if len(a.at) != len(want) {
			t.Fatalf("%d alarms, want %d", len(a.at), len(want))
		}
	}
}

// SystemClock runs on when it is asked again, and knows the zone.
func TestSystemClock(t *testing.T) {
	clock := SystemClock(time.FixedZone("X", 8*3600))
	a, b := clock(), clock()
	if a.Boot <= 0 || b.Boot < a.Boot || b.Wall < a.Wall || a.Zone != 8*3600 {
		t.Errorf("%+v then %+v", a, b)
	}
}

// C.20: a wall clock before the program was built is replaced by the latest that
// is known, and what has gone by since; any other is believed.
func TestClockWithADeadBattery(t *testing.T) {
	built := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := txn.Time{Boot: time.Minute, Wall: 5000, Zone: 3600}
	clock := Clock(func() txn.Time { return now })
	for _, c := range []struct {
		what      string
		built     time.Time
		journaled int64
		wall      int64 // as the clock says, a minute later
		want      int64
	}{
		{"1970, and the journal knows better", built, built.UnixMilli() + 7000, 65_000, built.UnixMilli() + 67_000},
		{"1970, and the journal knows nothing", built, 0, 65_000, built.UnixMilli() + 60_000},
		{"set right meanwhile", built, built.UnixMilli() + 7000, built.UnixMilli() + 1, built.UnixMilli() + 1},
		{"set back, but not before the program was built", built, built.UnixMilli() + 1<<40, built.UnixMilli() + 1, built.UnixMilli() + 1},
		{"nobody knows when it was built", time.Time{}, built.UnixMilli(), 65_000, 65_000},
	} {
		now.Boot, now.Wall = time.Minute, 5000
		alive := clock.alive(c.built, c.journaled)
		now.Boot, now.Wall = 2*time.Minute, c.wall
		if got := alive(); got.Wall != c.want || got.Dead != (c.want != c.wall) || got.Boot != now.Boot || got.Zone != now.Zone {
			t.Errorf("%s: %+v, want wall %d", c.what, got, c.want)
		}
	}
}

// What looks like a card number in text that would be journaled, and what
// merely has as many digits.
func TestHoldsPAN(t *testing.T) {
	const own = "4111111111111111"
	for text, want := range map[string]bool{
		own: true, "S-" + own: true, "0" + own + "1": true, "4111-1111-1111-1111": true, "4111 1111 1111 1111": true,
		"5555555555554444": true, "no 5555 5555 5555 4444.": true, "6228480000000000000": true, "2223000048400011": true, "378282246310005": true,
		"5555555555554445": false, "": false, "S1": false, "2026112200012345": false, "20261122000123": false, "0000000000000000": false,
		"411111111111": false, "f47d1ad4-9706-4578-add0-c5e1899c480f": false, "RRN 000000000001": false,
	} {
		if got := holdsPAN(text, own); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !holdsPAN("S501800000009", "501800000009") {
		t.Error("a card number of twelve digits, its own")
	}
}

func TestKeyTwice(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: false, `{"a":1,"b":2}`: false, `{"a":"a","b":"a"}`: false, `{"a":{"a":{"a":1}}}`: false,
		`{"a":[{"b":1},{"b":2}],"b":3}`: false, `[["a","a"],"a","a"]`: false, `{"a":null,"b":[],"c":{}}`: false,
		`{"a":1,"a":2}`: true, `{"a":1,"A":2}`: true, `{"x":{"a":1,"b":[1,{"q":1}],"a":2}}`: true, `[{"a":{},"a":[]}]`: true,
	} {
		if got := keyTwice([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
