package hostsim

import (
	"errors"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var (
	testTime = time.Date(2026, 9, 28, 14, 30, 11, 0, time.UTC)
	cny      = iso8583.Currency(156)
)

// standard is what most hosts do; each case changes what it is about.
func standard() Policy {
	return Policy{}
}

// a step is one message to the ledger and what must come of it.
type step struct {
	do    string // sale, complete, reverse, restart
	minor int64  // default 1000
	rest  int64  // DE 95 of a reversal
	pan   string
	code  string // expected; "" for pending
	state State
	net   int64
}

func TestLedgerRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		steps  []step
	}{
		{name: "a sale debits", steps: []step{{do: "sale", code: "00", state: StateApproved, net: 1000}}},
		{name: "R13: a repeated request gets the same answer and no second debit", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "sale", code: "00", state: StateApproved, net: 1000},
		}},
		{name: "a repeated declined request is declined again", policy: func(p *Policy) {
			p.Declines = []DeclineRule{{Amount: 1000, Code: "51"}}
		}, steps: []step{
			{do: "sale", code: "51", state: StateDeclined},
			{do: "sale", code: "51", state: StateDeclined},
		}},
		{name: "C21: the same identity with another amount is a collision", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "sale", minor: 2000, code: "94", state: StateApproved, net: 1000},
		}},
		{name: "C21: the same identity with another card is a collision", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "sale", pan: "555555******4444", code: "94", state: StateApproved, net: 1000},
		}},
		{name: "C14: a reversal undebits once, its repeat changes nothing", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
			{do: "reverse", code: "00", state: StateReversed},
		}},
		{name: "C14: the repeat answered 25", policy: func(p *Policy) { p.AlreadyReversed = "25" }, steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
			{do: "reverse", code: "25", state: StateReversed},
		}},
		{name: "C14: the repeat answered 94", policy: func(p *Policy) { p.AlreadyReversed = "94" }, steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
			{do: "reverse", code: "94", state: StateReversed},
		}},
		{name: "a request that was reversed is refused, not approved again", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
			{do: "sale", code: "21", state: StateReversed},
		}},
		{name: "C15: without tombstones the reversal is answered 25, then the sale debits", steps: []step{
			{do: "reverse", code: "25"},
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
		}},
		{name: "C15: without tombstones the reversal is answered 00, then the sale debits", policy: func(p *Policy) { p.UnknownOriginal = "00" }, steps: []step{
			{do: "reverse", code: "00"},
			{do: "sale", code: "00", state: StateApproved, net: 1000},
		}},
		{name: "R3: a tombstone refuses the sale that comes after its reversal", policy: func(p *Policy) { p.Tombstones = true }, steps: []step{
			{do: "reverse", code: "00", state: StateTombstone},
			{do: "sale", code: "21", state: StateTombstone},
			{do: "sale", code: "21", state: StateTombstone},
			{do: "reverse", code: "00", state: StateTombstone},
		}},
		{name: "a reversal of a declined sale is answered 00", policy: func(p *Policy) {
			p.Declines = []DeclineRule{{PANSuffix: "1111", Code: "05"}}
		}, steps: []step{
			{do: "sale", code: "05", state: StateDeclined},
			{do: "reverse", code: "00", state: StateDeclined},
		}},
		{name: "C17: a reversal of another amount is refused with 64", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", minor: 999, code: "64", state: StateApproved, net: 1000},
			{do: "reverse", code: "00", state: StateReversed},
		}},
		{name: "B2: DE 95 is what stays debited", steps: []step{
			{do: "sale", code: "00", state: StateApproved, net: 1000},
			{do: "reverse", rest: 1001, code: "64", state: StateApproved, net: 1000},
			{do: "reverse", rest: 400, code: "00", state: StateReversed, net: 400},
			{do: "reverse", rest: 400, code: "00", state: StateReversed, net: 400},
		}},
		{name: "a pending authorisation completes", policy: func(p *Policy) { p.Hold = true }, steps: []step{
			{do: "sale", state: StatePending},
			{do: "sale", state: StatePending},
			{do: "complete", code: "00", state: StateApproved, net: 1000},
			{do: "complete", code: "00", state: StateApproved, net: 1000},
		}},
		{name: "R13: a reversal during a pending authorisation marks it; the late approval is worth nothing", policy: func(p *Policy) { p.Hold = true }, steps: []step{
			{do: "sale", state: StatePending},
			{do: "reverse", minor: 5, code: "64", state: StatePending},
			{do: "reverse", code: "00", state: StatePending},
			{do: "reverse", code: "00", state: StatePending},
			{do: "complete", code: "00", state: StateReversed},
			{do: "reverse", code: "00", state: StateReversed},
		}},
		{name: "a pending authorisation that is then declined", policy: func(p *Policy) {
			p.Hold, p.Declines = true, []DeclineRule{{Amount: 1000, Code: "51"}}
		}, steps: []step{
			{do: "sale", state: StatePending},
			{do: "complete", code: "51", state: StateDeclined},
		}},
		{name: "C1: a restart abandons a pending authorisation", policy: func(p *Policy) { p.Hold = true }, steps: []step{
			{do: "sale", state: StatePending},
			{do: "restart", state: StateDeclined},
			{do: "complete", code: "96", state: StateDeclined},
			{do: "reverse", code: "00", state: StateDeclined},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := standard()
			if c.policy != nil {
				c.policy(&p)
			}
			l := NewLedger()
			for i, s := range c.steps {
				v := s.run(l, p)
				if v.Code != s.code || v.Pending != (s.code == "" && s.do != "restart") {
					t.Fatalf("step %d %s: answered %q (pending %t), want %q", i, s.do, v.Code, v.Pending, s.code)
				}
				for _, ev := range v.Events {
					if err := l.Apply(ev); err != nil {
						t.Fatalf("step %d %s: %v", i, s.do, err)
					}
				}
				checkOnly(t, i, l, s)
			}
		})
	}
}

func testKey() Key {
	return Key{MTI: "0200", TID: "10000001", STAN: 123, Transmission: "0928143011"}
}

func (s step) run(l *Ledger, p Policy) Verdict {
	amount := iso8583.Amount{Minor: s.minor, Currency: cny}
	if amount.Minor == 0 {
		amount.Minor = 1000
	}
	pan := s.pan
	if pan == "" {
		pan = "411111******1111"
	}
	req := Request{Key: testKey(), Amount: amount, PAN: pan}
	switch s.do {
	case "sale":
		return l.Authorise(testTime, req, p)
	case "complete":
		return l.Complete(testTime, req, p)
	case "reverse":
		return l.Reverse(testTime, Reversal{Key: testKey(), Amount: amount, Remains: s.rest, PAN: pan}, p)
	default:
		return Verdict{Events: l.Unfinished(testTime)}
	}
}

// checkOnly demands that the ledger holds the one transaction as s says.
func checkOnly(t *testing.T, i int, l *Ledger, s step) {
	t.Helper()
	views := l.views(0)
	if s.state == "" {
		if len(views) != 0 {
			t.Fatalf("step %d %s: the ledger has %v, want nothing", i, s.do, views)
		}
		return
	}
	if len(views) != 1 || views[0].State != s.state || views[0].Net != s.net {
		t.Fatalf("step %d %s: the ledger has %+v, want %s net %d", i, s.do, views, s.state, s.net)
	}
}

func TestIdentityIsWhole(t *testing.T) {
	l, p := NewLedger(), standard()
	keys := []Key{testKey()}
	for _, change := range []func(*Key){
		func(k *Key) { k.MTI = "0100" }, func(k *Key) { k.TID = "10000002" },
		func(k *Key) { k.STAN = 124 }, func(k *Key) { k.Transmission = "0929143011" },
	} {
		k := testKey()
		change(&k)
		keys = append(keys, k)
	}
	for _, k := range keys {
		v := l.Authorise(testTime, Request{Key: k, Amount: iso8583.Amount{Minor: 1, Currency: cny}}, p)
		if v.Code != CodeApproved || len(v.Events) != 1 {
			t.Fatalf("%s: %+v, want a debit of its own", k, v)
		}
		if err := l.Apply(v.Events[0]); err != nil {
			t.Fatal(err)
		}
		if back, err := ParseKey(k.String()); err != nil || back != k {
			t.Fatalf("ParseKey(%s) = %v, %v", k, back, err)
		}
	}
}

func TestApplyRefusesWhatCannotFollow(t *testing.T) {
	k, other := testKey(), testKey()
	other.STAN++
	base := []Event{{N: 1, Type: EventDebit, Key: k, Amount: 1000, Code: "00"}}
	for name, ev := range map[string]Event{
		"a gap":                       {N: 3, Type: EventUndebit, Key: k, Amount: 1000},
		"the same number":             {N: 1, Type: EventUndebit, Key: k, Amount: 1000},
		"a second debit":              {N: 2, Type: EventDebit, Key: k, Amount: 1000},
		"more undebited than debited": {N: 2, Type: EventUndebit, Key: k, Amount: 1001},
		"a tombstone for a debit":     {N: 2, Type: EventTombstone, Key: k},
		"a mark on a finished one":    {N: 2, Type: EventMark, Key: k},
		"a credit to itself":          {N: 2, Type: EventCredit, Key: k},
		"an unknown event":            {N: 2, Type: "gift", Key: k},
		"a debit by a void":           {N: 2, Type: EventDebit, Of: iso8583.Void, Key: other, Original: k, Amount: 1000},
		"more credited than debited":  {N: 2, Type: EventCredit, Of: iso8583.Refund, Key: other, Original: k, Amount: 1001},
		"a credit of nothing":         {N: 2, Type: EventCredit, Of: iso8583.Refund, Key: other, Original: k},
		"a credit without original":   {N: 2, Type: EventCredit, Of: iso8583.Refund, Key: other, Amount: 1},
		"a completion of a sale":      {N: 2, Type: EventDebit, Of: iso8583.Completion, Key: other, Original: k, Amount: 1000},
		"more approved than asked":    {N: 2, Type: EventDebit, Key: other, Amount: -1},
		"an unhold of a debit":        {N: 2, Type: EventUnhold, Key: k, Amount: 1000},
		"an undebit of nothing":       {N: 2, Type: EventUndebit, Key: Key{MTI: "0200", TID: "X", STAN: 1, Transmission: "0101000000"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			for _, e := range base {
				if err := l.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Apply(ev); !errors.Is(err, ErrLedger) {
				t.Fatalf("Apply gave %v, want ErrLedger", err)
			}
			if v := l.views(0); len(v) != 1 || v[0].Net != 1000 {
				t.Fatalf("the ledger changed: %+v", v)
			}
		})
	}
}

func TestAssertion(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	entries := []EntryView{
		{TID: "T1", STAN: "000001", Amount: 100, Net: 100, State: StateApproved},
		{TID: "T1", STAN: "000002", Amount: 200, Net: 0, State: StateReversed},
		{TID: "T2", STAN: "000001", Amount: 300, Net: 0, State: StatePending},
		{TID: "T2", STAN: "000002", Amount: 400, Held: 350, State: StateApproved},
	}
	for _, c := range []struct {
		name string
		a    Assertion
		want int
	}{
		{"nothing asked", Assertion{}, 0},
		{"open holds", Assertion{NoOpenHold: true}, 2},
		{"held", Assertion{Entries: []ExpectedEntry{{TID: "T2", STAN: "000002", Held: n(350)}}}, 0},
		{"wrong hold", Assertion{Entries: []ExpectedEntry{{TID: "T2", STAN: "000002", Held: n(400)}}}, 1},
		{"total", Assertion{NetTotal: n(100)}, 0},
		{"wrong total", Assertion{NetTotal: n(300)}, 1},
		{"exact", Assertion{Exact: true, Entries: []ExpectedEntry{
			{TID: "T1", STAN: "000001", Amount: n(100), Net: 100}, {TID: "T2", STAN: "000002"},
		}}, 0},
		{"exact, two not listed", Assertion{Exact: true}, 2},
		{"wrong net", Assertion{Entries: []ExpectedEntry{{TID: "T1", STAN: "000002", Net: 200}}}, 1},
		{"wrong state", Assertion{Entries: []ExpectedEntry{{TID: "T1", STAN: "000002", State: StateTombstone}}}, 1},
		{"missing", Assertion{Entries: []ExpectedEntry{{TID: "T3", STAN: "000002"}}}, 1},
		{"one entry does not stand for two", Assertion{Entries: []ExpectedEntry{
			{TID: "T1", STAN: "000001", Net: 100}, {TID: "T1", STAN: "000001", Net: 100},
		}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diffs := c.a.Differences(entries); len(diffs) != c.want {
				t.Fatalf("%d differences, want %d: %q", len(diffs), c.want, diffs)
			}
		})
	}
}
