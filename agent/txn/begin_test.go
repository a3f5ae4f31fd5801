package txn

import (
	"fmt"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// started begins a sale that must be accepted, and gives its request.
func started(t testing.TB, m *Machine, now Time, uuid, sale string) Outbound {
	t.Helper()
	r := m.Step(now, beginSale(t, uuid, sale))
	if r.Answers[0].Code != Accepted {
		t.Fatalf("%s: %s", uuid, r.Answers[0].Code)
	}
	return r.Messages[0]
}

// refused begins a sale that must be refused, with nothing journaled or sent.
func refused(t testing.TB, m *Machine, now Time, b Begin, want Code) Answer {
	t.Helper()
	r := m.Step(now, b)
	if len(r.Records)+len(r.Messages)+len(r.Timers) != 0 || len(r.Answers) != 1 || r.Answers[0].Code != want {
		t.Fatalf("want %s and nothing else, got %+v", want, r)
	}
	return r.Answers[0]
}

// confirmedSale takes a sale to its commit point.
func confirmedSale(t testing.TB, m *Machine, now Time, uuid, sale string) {
	t.Helper()
	m.Step(now, answerTo(started(t, m, now, uuid, sale), "0210", "00"))
	m.Step(now, Confirm{UUID: uuid})
	if m.Get(uuid).State != StateConfirmed {
		t.Fatalf("%s is %s", uuid, m.Get(uuid).State)
	}
}

func TestBeginRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Begin)
		want   Code
	}{
		{"older epoch", func(b *Begin) { b.Epoch = 6 }, EpochOld},
		{"newer epoch", func(b *Begin) { b.Epoch = 8 }, EpochOld},
		{"unknown terminal", func(b *Begin) { b.TID = "T9999999" }, UnknownTerminal},
		{"no UUID", func(b *Begin) { b.UUID = "" }, Invalid},
		{"a UUID that could be another group", func(b *Begin) { b.UUID = "rules:x" }, Invalid},
		{"unknown type", func(b *Begin) { b.Type = "gift" }, Invalid},
		{"no sale reference", func(b *Begin) { b.Sale = "" }, Invalid},
		{"no card", func(b *Begin) { b.Card = nil }, Invalid},
		{"amount zero", func(b *Begin) { b.Amount.Minor = 0 }, Invalid},
		{"negative amount", func(b *Begin) { b.Amount.Minor = -1 }, Invalid},
		{"amount beyond DE 4", func(b *Begin) { b.Amount.Minor = iso8583.MaxMinor + 1 }, Invalid},
		{"unknown currency", func(b *Begin) { b.Amount.Currency = 1 }, Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(testRules())
			b := beginSale(t, "u1", "s1")
			c.change(&b)
			refused(t, m, at(0), b, c.want)
		})
	}
}

// What is asked of a request, type by type: a sale's reference or an original,
// never both; an amount, unless no money moves.
func TestBeginRefusesByType(t *testing.T) {
	sale := func(b *Begin) { b.Sale = "s9" }
	noSale := func(b *Begin) { b.Sale = "" }
	part := func(b *Begin) { b.Part = "2" }
	original := func(b *Begin) { b.Original = "u1" }
	noOriginal := func(b *Begin) { b.Original = "" }
	zero := func(b *Begin) { b.Amount.Minor = 0 }
	some := func(b *Begin) { b.Amount.Minor = 1 }
	const alone, follows = Accepted, Accepted
	for _, c := range []struct {
		name   string
		change func(*Begin)
		want   [7]Code // in the order of dialectTypes
	}{ //               sale     void     refund   preauth  its void completion balance
		{"as it should be", func(*Begin) {}, [7]Code{alone, follows, follows, alone, follows, follows, alone}},
		{"a sale", sale, [7]Code{alone, Invalid, Invalid, alone, Invalid, Invalid, Invalid}},
		{"no sale", noSale, [7]Code{Invalid, follows, follows, Invalid, follows, follows, alone}},
		{"a part", part, [7]Code{alone, Invalid, Invalid, alone, Invalid, Invalid, Invalid}},
		{"an original", original, [7]Code{Invalid, follows, follows, Invalid, follows, follows, Invalid}},
		{"no original", noOriginal, [7]Code{alone, Invalid, Invalid, alone, Invalid, Invalid, alone}},
		{"amount zero", zero, [7]Code{Invalid, Invalid, Invalid, Invalid, Invalid, Invalid, alone}},
		{"amount above zero", some, [7]Code{alone, AboveOriginal, follows, alone, AboveOriginal, follows, Invalid}},
	} {
		for i, typ := range dialectTypes() {
			m, of := readyFor(t, testRules(), typ)
			b := beginOf(t, typ, "u9", of, 1234)
			c.change(&b)
			if c.want[i] != Accepted {
				refused(t, m, at(0), b, c.want[i])
			} else if got := m.Step(at(0), b).Answers[0].Code; got != Accepted {
				t.Errorf("%s, %s: %s", typ, c.name, got)
			}
		}
	}
}

// A type is offered where the dialect has a message for it.
func TestBeginNeedsADialect(t *testing.T) {
	for _, typ := range dialectTypes() {
		rules := testRules()
		m, of := readyFor(t, rules, typ)
		delete(rules.MTI, typ.Kind())
		m.Step(at(0), testConfig(rules)) // the acquirer's profile changed meanwhile
		refused(t, m, at(0), beginOf(t, typ, "u9", of, 1234), Unsupported)
	}
}

// What cannot be followed, beside what the transcripts show.
func TestBeginWantsAFitOriginal(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Begin)
		then   func(*Machine)
		want   Code
	}{
		{"itself", func(b *Begin) { b.Original = b.UUID }, nil, OriginalUnknown},
		{"another currency", func(b *Begin) { b.Amount.Currency = 840 }, nil, OriginalUnfit},
		{"another card", func(b *Begin) { b.CardHash = "h2" }, nil, OtherCard},
		{"the same card", func(b *Begin) { b.CardHash = "h-u1" }, nil, Accepted},
		{"another merchant's", func(*Begin) {}, func(m *Machine) {
			c := testConfig(testRules())
			c.Terminals[0].MID = "M00000000000002"
			m.Step(at(0), c)
		}, OriginalUnfit},
		{"another terminal's of the merchant", func(b *Begin) { b.TID = "T0000002" }, nil, Accepted},
		{"an older epoch's request", func(b *Begin) { b.Epoch = 6 }, nil, EpochOld},
	} {
		m, of := readyFor(t, testRules(), iso8583.Void)
		if c.then != nil {
			c.then(m)
		}
		b := beginOf(t, iso8583.Void, "u9", of, 1234)
		c.change(&b)
		if got := m.Step(at(0), b).Answers[0].Code; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestUUIDIsTheIdempotencyKey(t *testing.T) {
	m := newMachine(testRules())
	started(t, m, at(0), "u1", "s1")
	refused(t, m, at(0), beginSale(t, "u1", "s1"), Existing)
	other := beginSale(t, "u1", "s1")
	other.Digest = "another body"
	refused(t, m, at(0), other, UUIDReused)
	// An existing one is found whatever else has changed meanwhile.
	old := beginSale(t, "u1", "s1")
	old.Epoch, old.TID = 6, "T9999999"
	refused(t, m, at(0), old, Existing)
}

// owe begins n sales whose reversals are owed, silently.
func owe(t testing.TB, m *Machine, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		u := fmt.Sprintf("u%d", i)
		started(t, m, at(0), u, "s"+u)
		m.Step(at(0), InDoubt{UUID: u})
	}
}

func TestGateLimit(t *testing.T) {
	m := newMachine(testRules())
	owe(t, m, 1, 5)
	if a := refused(t, m, at(0), beginSale(t, "u6", "s6"), ReversalOwed); a.Other != "u5" {
		t.Errorf("the answer names %q", a.Other)
	}
	// Another terminal owes nothing.
	b := beginSale(t, "u6", "s6")
	b.TID = "T0000002"
	if a := m.Step(at(0), b).Answers[0]; a.Code != Accepted {
		t.Errorf("the other terminal: %s", a.Code)
	}
	m.Step(at(0), Resolve{UUID: "u1", Verb: VerbOverride, Who: "Li", Why: "line is down"})
	started(t, m, at(0), "u7", "s7")
}

func TestGateStrict(t *testing.T) {
	rules := testRules()
	rules.Gate = iso8583.GateStrict
	for _, c := range []struct {
		name string
		then func(*Machine, Outbound)
		want Code
	}{
		{"silence blocks", func(*Machine, Outbound) {}, ReversalOwed},
		{"parked silence blocks", func(m *Machine, _ Outbound) {
			m.Step(at(0), Resolve{UUID: "u1", Verb: VerbPark, Who: "Li", Why: "x"})
		}, ReversalOwed},
		{"an operator's override opens it", func(m *Machine, _ Outbound) {
			m.Step(at(0), Resolve{UUID: "u1", Verb: VerbOverride, Who: "Li", Why: "x"})
		}, Accepted},
		{"a hold-down does not block", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0410", "00")) }, Accepted},
		{"refused by the host does not block", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0410", "12")) }, Accepted},
		{"told to try again blocks", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0410", "91")) }, ReversalOwed},
		{"silence after the hold-down blocks again", func(m *Machine, o Outbound) {
			m.Step(at(0), answerTo(o, "0410", "00"))
			m.Step(at(time.Hour), Timeout{UUID: "u1"})
		}, ReversalOwed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(rules)
			started(t, m, at(0), "u1", "s1")
			c.then(m, m.Step(at(0), InDoubt{UUID: "u1"}).Messages[0])
			if got := m.Step(at(0), beginSale(t, "u2", "s2")).Answers[0].Code; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A paid part of a sale refuses another attempt on the same business day, and
// for six hours across midnight.
func TestSaleIsPaidOnce(t *testing.T) {
	const hour = time.Hour
	evening := at(13*hour + 59*time.Minute) // 23:59 UTC
	for _, c := range []struct {
		name  string
		later time.Duration
		zone  int
		want  Code
	}{
		{"at once", 0, 0, SalePaid},
		{"a minute after midnight", 2 * time.Minute, 0, SalePaid},
		{"six hours after it was paid", 6 * hour, 0, Accepted},
		{"the same day in the terminal's zone", 15 * hour, 8 * 3600, SalePaid}, // 07:59 to 22:59 local
		{"the next day there", 17 * hour, 8 * 3600, Accepted},
		{"the clock was set back by a day", -24 * hour, 0, SalePaid},
		{"the battery died: 1970", -493_000 * hour, 0, SalePaid},
		{"a year later", 365 * 24 * hour, 0, Accepted},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(testRules())
			now := evening
			now.Zone = c.zone
			confirmedSale(t, m, now, "u1", "s1")
			now.Boot += c.later
			now.Wall += int64(c.later / time.Millisecond)
			if a := m.Step(now, beginSale(t, "u2", "s1")).Answers[0]; a.Code != c.want || c.want == SalePaid && a.Other != "u1" {
				t.Errorf("got %+v, want %s", a, c.want)
			}
		})
	}
}

// R11, C.20: a sale that was paid under a dead clock is as old as the process
// that finds it, whatever the clock says once somebody has set it.
func TestPaidUnderADeadClock(t *testing.T) {
	for _, c := range []struct {
		name    string
		dead    bool
		restart bool
		later   time.Duration // by the clock since boot
		want    Code
	}{
		{"this process saw it paid", true, false, time.Hour, SalePaid},
		{"a restart, and the clock is set", true, true, time.Hour, SalePaid},
		{"six hours after the restart", true, true, 7 * time.Hour, Accepted},
		{"the clock was alive, and the terminal off for a month", false, true, time.Hour, Accepted},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := at(time.Hour)
			now.Dead = c.dead
			m := newMachine(testRules())
			confirmedSale(t, m, now, "u1", "s1")
			if c.restart { // what is volatile is gone
				m = m.Clone()
				m.waits, m.undated = map[string]*wait{}, 0
				m.Step(now, testConfig(testRules()))
			}
			now.Boot += c.later
			now.Wall += (30 * 24 * time.Hour).Milliseconds()
			now.Dead = false
			if a := m.Step(now, beginSale(t, "u2", "s1")).Answers[0]; a.Code != c.want {
				t.Errorf("got %+v, want %s", a, c.want)
			}
		})
	}
}

// R11 over the states of the earlier attempt.
func TestSaleHasOneLiveAttempt(t *testing.T) {
	for _, c := range []struct {
		name    string
		then    func(*Machine, Outbound)
		want    Code
		warning Code
	}{
		{"pending", func(*Machine, Outbound) {}, SaleOpen, ""},
		{"approved", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0210", "00")) }, SaleOpen, ""},
		{"declined", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0210", "51")) }, Accepted, ""},
		{"reversing", func(m *Machine, _ Outbound) { m.Step(at(0), Cancel{UUID: "u1"}) }, Accepted, BeingReversed},
		{"not sent", func(m *Machine, _ Outbound) { m.Step(at(0), Unsent{UUID: "u1"}) }, Accepted, ""},
		{"STAN collision", func(m *Machine, o Outbound) { m.Step(at(0), answerTo(o, "0210", "94")) }, SaleOpen, ""},
		{"STAN collision, overridden", func(m *Machine, o Outbound) {
			m.Step(at(0), answerTo(o, "0210", "94"))
			m.Step(at(0), Resolve{UUID: "u1", Verb: VerbOverride, Who: "Li", Why: "x"})
		}, Accepted, BeingReversed},
		{"reversed", func(m *Machine, o Outbound) {
			m.Step(at(0), answerTo(o, "0210", "00"))
			m.Step(at(0), answerTo(m.Step(at(0), Cancel{UUID: "u1"}).Messages[0], "0410", "00"))
		}, Accepted, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(testRules())
			c.then(m, started(t, m, at(0), "u1", "s1"))
			b := beginSale(t, "u2", "s1")
			b.TID = "T0000002" // another till of the merchant
			if a := m.Step(at(0), b).Answers[0]; a.Code != c.want || a.Warning != c.warning {
				t.Errorf("got %+v, want %s, warning %q", a, c.want, c.warning)
			}
			b.UUID, b.Part, b.CardHash = "u3", "2", "another card" // or it would be suspected
			if a := m.Step(at(0), b).Answers[0]; a.Code != Accepted {
				t.Errorf("another part: %s", a.Code)
			}
		})
	}
}
