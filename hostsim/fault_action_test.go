package hostsim

import (
	"errors"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

const (
	soon  = iso8583.Duration(time.Millisecond)
	never = iso8583.Duration(time.Hour)
)

// Each action strikes the sale with STAN 1 once; then the case looks at the
// wire and at the ledger.
func TestFaultActions(t *testing.T) {
	approved := entryOf("000001", StateApproved, 1000)
	covered := map[Action]bool{}
	for _, c := range []struct {
		name  string
		fault Fault
		wire  func(*testing.T, *client)
		want  []EntryView
	}{
		{"C14 lost request", Fault{Action: DropRequest}, silent, nil},
		{"C13 lost response", Fault{Action: DropResponse}, silent, []EntryView{approved}},
		{"never answered", Fault{Action: Silent}, silent, []EntryView{approved}},
		{"C15 delayed request", Fault{Action: DelayRequest, After: soon}, isApproved, []EntryView{approved}},
		{"C15 request still on its way", Fault{Action: DelayRequest, After: never}, silent, nil},
		{"C15 request waits for its reversal", Fault{Action: DelayRequest, Until: UntilReversal}, silent, nil},
		{"C17 91 without processing", Fault{Action: ActCode, Code: "91"}, hasCode("91"), nil},
		{"declined", Fault{Action: Decline, Code: "51"}, hasCode("51"), []EntryView{entryOf("000001", StateDeclined, 0)}},
		{"C9 unknown code on a debit", Fault{Action: AnswerCode, Code: "ZZ"}, hasCode("ZZ"), []EntryView{approved}},
		{"C28 approved for less", Fault{Action: Partial, Amount: "400"}, partial("000000000400"), []EntryView{entryOf("000001", StateApproved, 400)}},
		{"C28 approved for one less", Fault{Action: Partial, Amount: "smaller"}, partial("000000000999"), []EntryView{entryOf("000001", StateApproved, 999)}},
		{"C8 partial approval of more", Fault{Action: Partial, Amount: "larger"}, partial("000000001001"), []EntryView{approved}},
		{"stall", Fault{Action: Stall, After: soon}, isApproved, []EntryView{approved}},
		{"C12 late approval", Fault{Action: Late, After: soon}, isApproved, []EntryView{approved}},
		{"C12 approval that is not there yet", Fault{Action: Late, After: never}, silent, []EntryView{approved}},
		{"C11 duplicate reply", Fault{Action: Twice}, func(t *testing.T, c *client) {
			isApproved(t, c)
			isApproved(t, c)
		}, []EntryView{approved}},
		{"C5 partial frame", Fault{Action: Cut}, ends(errCut), []EntryView{approved}},
		{"C10 unparseable reply", Fault{Action: Garbage}, malformed, []EntryView{approved}},
		{"C10 trailing bytes", Fault{Action: Trailing}, malformed, []EntryView{approved}},
		{"C5 length too long", Fault{Action: BadLength, Length: "long"}, malformed, []EntryView{approved}},
		{"C5 length too short", Fault{Action: BadLength, Length: "short"}, malformed, []EntryView{approved}},
		{"C5 zero length", Fault{Action: BadLength, Length: "zero"}, ends(frame.ErrLength), []EntryView{approved}},
		{"C5 oversize", Fault{Action: BadLength, Length: "oversize"}, ends(frame.ErrLength), []EntryView{approved}},
		{"C7 another's STAN", Fault{Action: OtherSTAN}, has(11, "000002"), []EntryView{approved}},
		{"C7 wrong MTI", Fault{Action: WrongMTI}, hasMTI("0410"), []EntryView{approved}},
		{"C7 this wrong MTI", Fault{Action: WrongMTI, MTI: "0110"}, hasMTI("0110"), []EntryView{approved}},
		{"C7 wrong TID", Fault{Action: OtherTerminal}, has(41, "10000000"), []EntryView{approved}},
		{"C7 shifted MID", Fault{Action: OtherMID}, has(42, "898600000000000"), []EntryView{approved}},
		{"C8 smaller amount", Fault{Action: OtherAmount, Amount: "smaller"}, has(4, "000000000999"), []EntryView{approved}},
		{"C8 larger amount", Fault{Action: OtherAmount, Amount: "larger"}, has(4, "000000001001"), []EntryView{approved}},
		{"C8 zero amount", Fault{Action: OtherAmount, Amount: "zero"}, has(4, "000000000000"), []EntryView{approved}},
		{"C8 missing amount", Fault{Action: OtherAmount, Amount: "missing"}, has(4, ""), []EntryView{approved}},
		{"C8 different amount", Fault{Action: OtherAmount, Amount: "77"}, has(4, "000000000077"), []EntryView{approved}},
		{"C27 chip data that are none, of a card without a chip", Fault{Action: BadChip}, has(55, ""), []EntryView{approved}},
		{"C9 DE 39 missing", Fault{Action: Missing39}, has(39, ""), []EntryView{approved}},
		{"close before", Fault{Action: Close, When: Before}, ends(errEOF), nil},
		{"close after", Fault{Action: Close}, ends(errEOF), []EntryView{approved}},
		{"C5 RST before", Fault{Action: Reset, When: Before}, ends(errReset), nil},
		{"C5 RST after", Fault{Action: Reset}, ends(errReset), []EntryView{approved}},
		{"restart before", Fault{Action: Restart, When: Before}, ends(errEOF), nil},
		{"restart after", Fault{Action: Restart}, ends(errEOF), []EntryView{approved}},
		{"C26 a host that forgets", Fault{Action: Restart, Forget: true}, ends(errEOF), nil},
	} {
		covered[c.fault.Action] = true
		t.Run(c.name, func(t *testing.T) {
			c.fault.Match, c.fault.Count = Match{Kind: iso8583.KindSale, STAN: "000001"}, 1
			h := startHost(t, func(cfg *Config) {
				cfg.Ledger = t.TempDir() + "/ledger.jsonl"
				cfg.Faults = []Fault{c.fault}
			})
			cl := dial(t, h.Addr(0))
			cl.send(cl.sale(1, 1000))
			c.wire(t, cl)
			expect(t, h, c.want...)
			if v := h.Faults(); v[0].Fired != 1 || !v[0].Spent {
				t.Fatalf("the fault struck %d times: %+v", v[0].Fired, v)
			}
			again := dial(t, h.Addr(0)) // the host goes on
			again.ask(again.sale(2, 500), "00")
		})
	}
	covered[ForceVerdict] = true                 // TestSettlement
	covered[RefuseReversal] = true               // TestRefusedReversal
	covered[BadMAC], covered[NoMAC] = true, true // TestC09MACs: this dialect has none
	for _, a := range Actions() {
		if !covered[a] {
			t.Errorf("action %q has no case", a)
		}
	}
}

func silent(_ *testing.T, c *client) { c.silent() }

func isApproved(t *testing.T, c *client) { hasCode("00")(t, c) }

func hasCode(code string) func(*testing.T, *client) { return has(39, code) }

func partial(de4 string) func(*testing.T, *client) {
	return func(t *testing.T, c *client) {
		t.Helper()
		if m := c.read(); m.Get(39) != "10" || m.Get(4) != de4 {
			t.Fatalf("%v, want 10 with DE 4 %s", m, de4)
		}
	}
}

func has(de int, want string) func(*testing.T, *client) {
	return func(t *testing.T, c *client) {
		t.Helper()
		if m := c.read(); m.Get(de) != want {
			t.Fatalf("DE %d: %v, want %q", de, m, want)
		}
	}
}

func hasMTI(want iso8583.MTI) func(*testing.T, *client) {
	return func(t *testing.T, c *client) {
		t.Helper()
		if m := c.read(); m.MTI != want {
			t.Fatalf("%v, want MTI %s", m, want)
		}
	}
}

func ends(want error) func(*testing.T, *client) {
	return func(t *testing.T, c *client) {
		t.Helper()
		c.ended(want)
	}
}

// malformed demands that what comes is no message. Where its length is too
// long it comes only with the next answer.
func malformed(t *testing.T, c *client) {
	t.Helper()
	c.send(c.echo(998))
	b, err := c.body()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.p.Unpack(b); !errors.Is(err, profile.ErrMalformed) {
		t.Fatalf("%v, %v; want ErrMalformed", m, err)
	}
}

// C17: reversals refused, then done.
func TestRefusedReversal(t *testing.T) {
	for _, code := range []string{"12", "40", "21", "64", "01", "91", "96", "98", "A0"} {
		t.Run(code, func(t *testing.T) {
			h := startHost(t, func(cfg *Config) {
				cfg.Faults = []Fault{{Action: RefuseReversal, Code: code, Count: 2}}
			})
			c := dial(t, h.Addr(0))
			c.ask(c.sale(1, 1000), "00")
			c.ask(c.reversal(1, 1000), code)
			c.ask(c.reversal(1, 1000), code)
			expect(t, h, entryOf("000001", StateApproved, 1000))
			c.ask(c.reversal(1, 1000), "00")
			expect(t, h, entryOf("000001", StateReversed, 0))
		})
	}
}

// C15: the reversal arrives before its original, on another connection, and
// the original after it.
func TestRequestDelayedPastItsReversal(t *testing.T) {
	for _, c := range []struct {
		name        string
		tombstones  bool
		unknown     string
		reversal    string
		want        EntryView
		lateAnswer  string
		secondState EntryView
	}{
		{"00 with a tombstone", true, "25", "00", entryOf("000001", StateTombstone, 0), "21", entryOf("000001", StateTombstone, 0)},
		{"25, then the debit", false, "25", "25", entryOf("000001", StateApproved, 1000), "00", entryOf("000001", StateReversed, 0)},
		{"00, then the debit", false, "00", "00", entryOf("000001", StateApproved, 1000), "00", entryOf("000001", StateReversed, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := startHost(t, func(cfg *Config) {
				cfg.Tombstones, cfg.UnknownOriginal = c.tombstones, c.unknown
				cfg.Faults = []Fault{{Action: DelayRequest, Until: UntilReversal, Match: Match{MTI: "0200"}, Count: 1}}
			})
			first, second := dial(t, h.Addr(0)), dial(t, h.Addr(0))
			first.send(first.sale(1, 1000))
			first.silent()
			second.ask(second.reversal(1, 1000), c.reversal)
			if m := first.read(); m.MTI != "0210" || m.Get(39) != c.lateAnswer {
				t.Fatalf("late answer %v, want %s", m, c.lateAnswer)
			}
			expect(t, h, c.want)
			second.ask(second.reversal(1, 1000), "00")
			expect(t, h, c.secondState)
		})
	}
}

// The response to a delayed request whose connection is gone is lost; the
// debit stands.
func TestDelayedRequestAfterItsConnectionClosed(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		cfg.Faults = []Fault{{Action: DelayRequest, Until: UntilReversal, Match: Match{MTI: "0200"}, Count: 1}}
	})
	first := dial(t, h.Addr(0))
	first.send(first.sale(1, 1000))
	first.silent()
	_ = first.c.Close()
	second := dial(t, h.Addr(0))
	second.ask(second.reversal(1, 1000), "25")
	second.silent() // the delayed request was processed before this was read
	expect(t, h, entryOf("000001", StateApproved, 1000))
}

// Requests that wait on the way survive a restart of the host.
func TestDelayedRequestSurvivesRestart(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		cfg.Ledger = t.TempDir() + "/ledger.jsonl"
		cfg.Faults = []Fault{{Action: DelayRequest, Until: UntilReversal, Match: Match{MTI: "0200"}, Count: 1}}
	})
	c := dial(t, h.Addr(0))
	c.send(c.sale(1, 1000))
	c.silent()
	if err := h.Restart(false, 0); err != nil {
		t.Fatal(err)
	}
	c.ended(errEOF)
	c = dial(t, h.Addr(0))
	c.ask(c.reversal(1, 1000), "25")
	c.silent()
	expect(t, h, entryOf("000001", StateApproved, 1000))
}
