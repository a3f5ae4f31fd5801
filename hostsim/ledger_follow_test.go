package hostsim

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// act is one message to the ledger and what must come of it.
type act struct {
	do    string // a type, "reverse", "complete" or "restart"
	n     iso8583.STAN
	of    iso8583.STAN   // what it follows; 0: nothing is named
	minor int64          // default 1000; a reversal's default is what n asked for
	rest  int64          // DE 95
	by    func(*Request) // other changes to a request
	on    time.Duration  // after testTime

	code      string // "" for pending
	net, held int64  // of the whole ledger, afterwards
}

// bench plays acts on one ledger.
type bench struct {
	l    *Ledger
	reqs map[iso8583.STAN]Request
}

func newBench() *bench { return &bench{l: NewLedger(), reqs: map[iso8583.STAN]Request{}} }

func (b *bench) key(typ iso8583.Type, n iso8583.STAN) Key {
	k := Key{MTI: "0200", TID: "10000001", STAN: n, Transmission: "0928143011"}
	if typ == iso8583.PreAuth || typ == iso8583.PreAuthVoid {
		k.MTI = "0100"
	}
	return k
}

// play gives the verdict; its events are applied.
func (b *bench) play(t *testing.T, a act, p Policy) Verdict {
	t.Helper()
	now := testTime.Add(a.on)
	var v Verdict
	switch r := b.reqs[a.n]; a.do {
	case "reverse":
		if a.minor != 0 {
			r.Amount.Minor = a.minor
		}
		v = b.l.Reverse(now, Reversal{Key: r.Key, Type: r.Type, Amount: r.Amount, Remains: a.rest, PAN: r.PAN}, p)
	case "complete":
		v = b.l.Complete(now, r, p)
	case "restart":
		v = Verdict{Events: b.l.Unfinished(now)}
	default:
		v = b.l.Authorise(now, b.request(a), p)
	}
	for _, ev := range v.Events {
		if err := b.l.Apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// request remembers what was asked, for a later reversal.
func (b *bench) request(a act) Request {
	typ := iso8583.Type(a.do)
	r := Request{Type: typ, Key: b.key(typ, a.n), Amount: iso8583.Amount{Minor: a.minor, Currency: cny}, PAN: "411111******1111"}
	if a.minor == 0 && typ.MovesMoney() {
		r.Amount.Minor = 1000
	}
	if a.of != 0 {
		r.Original = b.reqs[a.of].Key
		if r.Original == (Key{}) {
			r.Original = b.key(typ.Originals()[0], a.of)
		}
	}
	if a.by != nil {
		a.by(&r)
	}
	b.reqs[a.n] = r
	return r
}

func (b *bench) run(t *testing.T, p Policy, acts []act) {
	t.Helper()
	var log []Event
	for i, a := range acts {
		v := b.play(t, a, p)
		log = append(log, v.Events...)
		if v.Code != a.code || v.Pending != (a.code == "" && a.do != "restart") {
			t.Fatalf("act %d, %s %d: answered %q (pending %t, %q), want %q", i, a.do, a.n, v.Code, v.Pending, v.Note, a.code)
		}
		if s := Summarise(b.l.views(0)); s.NetTotal != a.net || s.HeldTotal != a.held {
			t.Fatalf("act %d, %s %d: net %d held %d, want net %d held %d: %+v", i, a.do, a.n, s.NetTotal, s.HeldTotal, a.net, a.held, s.Entries)
		}
	}
	b.checkFold(t, log)
	b.checkSums(t)
}

// checkFold demands that the events, written and read, give the same ledger.
func (b *bench) checkFold(t *testing.T, log []Event) {
	t.Helper()
	again := NewLedger()
	for _, ev := range log {
		line, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeEvent(line)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Apply(back); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	if got, want := again.views(0), b.l.views(0); !reflect.DeepEqual(got, want) {
		t.Fatalf("fold of the events:\n%+v\nwant\n%+v", got, want)
	}
}

// checkSums demands P3: no original gave back more than it took, and accounts
// and entries agree.
func (b *bench) checkSums(t *testing.T) {
	t.Helper()
	s := Summarise(b.l.views(0))
	for _, e := range s.Entries {
		if e.Net < 0 || e.Held < 0 || e.Credits < 0 {
			t.Fatalf("%+v", e)
		}
	}
	var net int64
	for _, a := range s.Accounts {
		net += a.Net
	}
	if net != s.NetTotal {
		t.Fatalf("accounts %+v, entries net %d", s.Accounts, s.NetTotal)
	}
}

func TestFollowUps(t *testing.T) {
	anotherCard := func(r *Request) { r.PAN = "555555******4444" }
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		acts   []act
	}{
		{name: "a void gives the sale back, whole and once", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, minor: 999, code: "64", net: 1000},
			{do: "void", n: 3, of: 1, code: "00"},
			{do: "void", n: 3, of: 1, code: "00"}, // R13
			{do: "void", n: 4, of: 1, code: "12"},
			{do: "refund", n: 5, of: 1, minor: 1, code: "12"},
		}},
		{name: "C22: the reversal of a void restores the debit, which can be voided again", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, code: "00"},
			{do: "reverse", n: 1, code: "12"}, // its credit would be one too many
			{do: "reverse", n: 2, code: "00", net: 1000},
			{do: "reverse", n: 2, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, code: "21", net: 1000}, // reversed: not again under that key
			{do: "void", n: 3, of: 1, code: "00"},
		}},
		{name: "P3: refunds until nothing is left", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "refund", n: 2, of: 1, minor: 400, code: "00", net: 600},
			{do: "refund", n: 3, of: 1, minor: 601, code: "61", net: 600},
			{do: "void", n: 4, of: 1, code: "12", net: 600},
			{do: "refund", n: 5, of: 1, minor: 600, code: "00"},
			{do: "refund", n: 6, of: 1, minor: 1, code: "12"},
			{do: "reverse", n: 1, code: "12"},
		}},
		{name: "the reversal of a refund takes the credit back", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "refund", n: 2, of: 1, minor: 400, code: "00", net: 600},
			{do: "reverse", n: 2, code: "00", net: 1000},
			{do: "refund", n: 3, of: 1, code: "00"},
		}},
		{name: "DE 95: the reversal of a refund leaves some of the credit", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "refund", n: 2, of: 1, minor: 400, code: "00", net: 600},
			{do: "reverse", n: 2, rest: 100, code: "00", net: 900},
			{do: "refund", n: 3, of: 1, minor: 901, code: "61", net: 900},
		}},
		{name: "DE 95: what a reversal leaves of a sale can be voided", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "reverse", n: 1, rest: 400, code: "00", net: 400},
			{do: "void", n: 2, of: 1, code: "64", net: 400},
			{do: "void", n: 3, of: 1, minor: 400, code: "00"},
		}},
		{name: "DE 95 leaves nothing of a void", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, code: "00"},
			{do: "reverse", n: 2, rest: 1, code: "64"},
		}},
		{name: "a pre-authorisation holds, its void lets go", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "preauth_void", n: 2, of: 1, minor: 999, code: "64", held: 1000},
			{do: "preauth_void", n: 3, of: 1, code: "00"},
			{do: "preauth_void", n: 4, of: 1, code: "12"},
			{do: "completion", n: 5, of: 1, code: "12"},
			{do: "reverse", n: 1, code: "12"},
		}},
		{name: "C22: the reversal of a pre-authorisation void restores the hold", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "preauth_void", n: 2, of: 1, code: "00"},
			{do: "reverse", n: 2, code: "00", held: 1000},
			{do: "completion", n: 3, of: 1, code: "00", net: 1000},
		}},
		{name: "the reversal of a pre-authorisation releases the hold", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "reverse", n: 1, code: "00"},
			{do: "completion", n: 2, of: 1, code: "12"},
			{do: "preauth_void", n: 3, of: 1, code: "12"},
		}},
		{name: "a completion debits once, of what is held at the most, and ends the hold", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "completion", n: 2, of: 1, minor: 1001, code: "61", held: 1000},
			{do: "completion", n: 3, of: 1, minor: 800, code: "00", net: 800},
			{do: "completion", n: 4, of: 1, minor: 100, code: "12", net: 800},
			{do: "preauth_void", n: 5, of: 1, code: "12", net: 800},
			{do: "reverse", n: 1, code: "12", net: 800},
		}},
		{name: "C22: the reversal of a completion restores the hold", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "completion", n: 2, of: 1, minor: 800, code: "00", net: 800},
			{do: "reverse", n: 2, code: "00", held: 1000},
			{do: "completion", n: 3, of: 1, minor: 900, code: "00", net: 900},
		}},
		{name: "DE 95: what a reversal leaves of a completion is a completion", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "completion", n: 2, of: 1, minor: 800, code: "00", net: 800},
			{do: "reverse", n: 2, rest: 300, code: "00", net: 300},
			{do: "refund", n: 3, of: 2, minor: 300, code: "00"},
		}},
		{name: "a completion is voided and refunded as a sale is; the void gives its hold back", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "completion", n: 2, of: 1, minor: 800, code: "00", net: 800},
			{do: "refund", n: 3, of: 2, minor: 300, code: "00", net: 500},
			{do: "reverse", n: 3, code: "00", net: 800},
			{do: "void", n: 4, of: 2, minor: 800, code: "00", held: 1000},
			{do: "reverse", n: 2, code: "12", held: 1000},
			{do: "reverse", n: 4, code: "00", net: 800},
		}},
		{name: "a hold that a void gave back is taken once more, and the void stands then", acts: []act{
			{do: "preauth", n: 1, code: "00", held: 1000},
			{do: "completion", n: 2, of: 1, minor: 800, code: "00", net: 800},
			{do: "void", n: 3, of: 2, minor: 800, code: "00", held: 1000},
			{do: "completion", n: 4, of: 1, minor: 700, code: "00", net: 700},
			{do: "reverse", n: 3, code: "12", net: 700},
			{do: "preauth_void", n: 5, of: 1, code: "12", net: 700},
		}},
		{name: "each type follows its own", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "preauth", n: 2, code: "00", net: 1000, held: 1000},
			{do: "completion", n: 3, of: 1, code: "12", net: 1000, held: 1000},
			{do: "preauth_void", n: 4, of: 1, code: "12", net: 1000, held: 1000},
			{do: "void", n: 5, of: 2, code: "12", net: 1000, held: 1000},
			{do: "refund", n: 6, of: 2, code: "12", net: 1000, held: 1000},
			{do: "refund", n: 7, of: 1, minor: 500, code: "00", net: 500, held: 1000},
			{do: "void", n: 8, of: 7, minor: 500, code: "12", net: 500, held: 1000},
		}},
		{name: "of another card or currency, or of what is declined or unknown", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "refund", n: 2, of: 1, code: "14", net: 1000, by: anotherCard},
			{do: "refund", n: 3, of: 1, code: "64", net: 1000, by: func(r *Request) { r.Amount.Currency = 840 }},
			{do: "sale", n: 4, code: "14", net: 1000, by: func(r *Request) { r.Decline = "14" }},
			{do: "void", n: 5, of: 4, code: "12", net: 1000},
			{do: "void", n: 6, of: 99, code: "25", net: 1000},
			{do: "refund", n: 7, code: "25", net: 1000}, // names nothing
		}},
		{name: "the code for an unknown original is a setting", policy: func(p *Policy) { p.NoOriginal = "58" }, acts: []act{
			{do: "void", n: 1, of: 99, code: "58"},
		}},
		{name: "R13: collision of a void with a sale", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "void", n: 1, of: 1, code: "94", net: 1000},
		}},
		{name: "C28: a sale approved in part can be voided, and reversed by what it asked for", policy: approveSix, acts: []act{
			{do: "sale", n: 1, code: "10", net: 600},
			{do: "sale", n: 1, code: "10", net: 600},
			{do: "void", n: 2, of: 1, code: "64", net: 600},
			{do: "void", n: 3, of: 1, minor: 600, code: "00"},
			{do: "reverse", n: 3, code: "00", net: 600},
			{do: "reverse", n: 1, minor: 600, code: "64", net: 600},
			{do: "reverse", n: 1, rest: 601, code: "64", net: 600},
			{do: "reverse", n: 1, code: "00"},
		}},
		{name: "C28: a hold in part", policy: approveSix, acts: []act{
			{do: "preauth", n: 1, code: "10", held: 600},
			{do: "completion", n: 2, of: 1, code: "61", held: 600},
			{do: "completion", n: 3, of: 1, minor: 600, code: "00", net: 600},
		}},
		{name: "R13: each type pending, then completed", policy: pending, acts: []act{
			{do: "sale", n: 1},
			{do: "void", n: 2, of: 1},
			{do: "complete", n: 2, code: "12"}, // the sale was pending still
			{do: "complete", n: 1, code: "00", net: 1000},
			{do: "refund", n: 3, of: 1, minor: 700, net: 1000},
			{do: "refund", n: 4, of: 1, minor: 700, net: 1000},
			{do: "complete", n: 4, code: "00", net: 300},
			{do: "complete", n: 3, code: "61", net: 300},
			{do: "preauth", n: 5, net: 300},
			{do: "complete", n: 5, code: "00", net: 300, held: 1000},
			{do: "completion", n: 6, of: 5, net: 300, held: 1000},
			{do: "complete", n: 6, code: "00", net: 1300},
		}},
		{name: "R13: each type reversed while pending", policy: pending, acts: []act{
			{do: "sale", n: 1}, {do: "complete", n: 1, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, net: 1000},
			{do: "reverse", n: 2, code: "00", net: 1000},
			{do: "complete", n: 2, code: "00", net: 1000},
			{do: "refund", n: 3, of: 1, minor: 400, net: 1000},
			{do: "reverse", n: 3, rest: 100, code: "00", net: 1000},
			{do: "complete", n: 3, code: "00", net: 900},
			{do: "preauth", n: 4, net: 900},
			{do: "reverse", n: 4, code: "00", net: 900},
			{do: "complete", n: 4, code: "00", net: 900},
			{do: "preauth", n: 5, net: 900}, {do: "complete", n: 5, code: "00", net: 900, held: 1000},
			{do: "preauth_void", n: 6, of: 5, net: 900, held: 1000},
			{do: "reverse", n: 6, code: "00", net: 900, held: 1000},
			{do: "complete", n: 6, code: "00", net: 900, held: 1000},
			{do: "completion", n: 7, of: 5, net: 900, held: 1000},
			{do: "reverse", n: 7, code: "00", net: 900, held: 1000},
			{do: "complete", n: 7, code: "00", net: 900, held: 1000},
		}},
		{name: "C1: a restart abandons what is pending", policy: pending, acts: []act{
			{do: "sale", n: 1}, {do: "complete", n: 1, code: "00", net: 1000},
			{do: "void", n: 2, of: 1, net: 1000},
			{do: "preauth", n: 3, net: 1000},
			{do: "restart", net: 1000},
			{do: "reverse", n: 2, code: "00", net: 1000},
		}},
		{name: "a balance inquiry leaves no trace", acts: []act{
			{do: "sale", n: 1, code: "00", net: 1000},
			{do: "balance", n: 2, code: "00", net: 1000},
			{do: "sale", n: 2, code: "00", net: 2000},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := standard()
			if c.policy != nil {
				c.policy(&p)
			}
			newBench().run(t, p, c.acts)
		})
	}
}

func approveSix(p *Policy) { p.Partials = []PartialRule{{Amount: 1000, Approve: 600}} }

func pending(p *Policy) { p.Hold = true }

// R3: the reversal of each type comes before its request, against a host that
// keeps tombstones and against one that does not.
func TestReversalBeforeItsRequest(t *testing.T) {
	for _, typ := range iso8583.Types() {
		if !typ.MovesMoney() {
			continue
		}
		for _, tombstones := range []bool{true, false} {
			p := standard()
			p.Tombstones = tombstones
			b := newBench()
			var of iso8583.STAN
			if originals := typ.Originals(); originals != nil {
				of = 1
				b.run(t, p, []act{original(originals[0])})
			}
			before := Summarise(b.l.views(0))
			b.request(act{do: string(typ), n: 2, of: of})
			code, late := "25", "00"
			if tombstones {
				code, late = "00", "21"
			}
			if v := b.play(t, act{do: "reverse", n: 2}, p); v.Code != code {
				t.Fatalf("%s: reversal answered %s, want %s", typ, v.Code, code)
			}
			if v := b.play(t, act{do: string(typ), n: 2, of: of}, p); v.Code != late {
				t.Fatalf("%s: late request answered %s (%s), want %s", typ, v.Code, v.Note, late)
			}
			after := Summarise(b.l.views(0))
			if same := before.NetTotal == after.NetTotal && before.HeldTotal == after.HeldTotal; same != tombstones {
				t.Fatalf("%s, tombstones %t: before %+v, after %+v", typ, tombstones, before, after)
			}
			if e := after.Entries[len(after.Entries)-1]; e.Type != typ {
				t.Errorf("the entry of a %s is a %s", typ, e.Type)
			}
		}
	}
}

func original(typ iso8583.Type) act {
	a := act{do: string(typ), n: 1, code: "00", net: 1000}
	if typ == iso8583.PreAuth {
		a.net, a.held = 0, 1000
	}
	return a
}

// What a follow-up names must be one and the same transaction.
func TestOriginalIsFoundByRRNToo(t *testing.T) {
	p := standard()
	b := newBench()
	sale := b.play(t, act{do: "sale", n: 1}, p)
	other := b.play(t, act{do: "sale", n: 2}, p)
	named := func(change func(*Request)) string {
		b.reqs[9] = Request{}
		r := b.request(act{do: "void", n: 9, of: 1})
		change(&r)
		return b.l.Authorise(testTime, r, p).Code
	}
	for name, c := range map[string]struct {
		change func(*Request)
		code   string
	}{
		"DE 90 alone":                      {func(*Request) {}, "00"},
		"all of it":                        {func(r *Request) { r.RRN, r.AuthCode = sale.RRN, sale.AuthCode }, "00"},
		"DE 37 alone":                      {func(r *Request) { r.Original, r.RRN = Key{}, sale.RRN }, "00"},
		"DE 37 at another terminal":        {func(r *Request) { r.Original.TID, r.RRN = "10000002", sale.RRN }, "00"},
		"DE 90 at another terminal":        {func(r *Request) { r.Original.TID = "10000002" }, "25"},
		"DE 37 of another":                 {func(r *Request) { r.RRN = other.RRN }, "25"},
		"DE 38 of another":                 {func(r *Request) { r.AuthCode = other.AuthCode }, "25"},
		"DE 37 that contradicts DE 90":     {func(r *Request) { r.Original.STAN, r.RRN = 7, sale.RRN }, "25"},
		"DE 37 that nobody has":            {func(r *Request) { r.Original, r.RRN = Key{}, "999999999999" }, "25"},
		"nothing":                          {func(r *Request) { r.Original = Key{} }, "25"},
		"DE 90 of another day's same STAN": {func(r *Request) { r.Original.Transmission = "0927143011" }, "25"},
	} {
		if got := named(c.change); got != c.code {
			t.Errorf("%s: %s, want %s", name, got, c.code)
		}
	}
}

func TestViewOfFollowUps(t *testing.T) {
	b, p := newBench(), standard()
	for _, a := range []act{
		{do: "sale", n: 1}, {do: "refund", n: 2, of: 1, minor: 300}, {do: "preauth", n: 3}, {do: "preauth_void", n: 4, of: 3},
		{do: "preauth", n: 5}, {do: "completion", n: 6, of: 5, minor: 800}, {do: "void", n: 7, of: 6, minor: 800}, {do: "preauth", n: 8},
	} {
		if v := b.play(t, a, p); v.Code != "00" {
			t.Fatalf("%+v: %+v", a, v)
		}
	}
	type row struct {
		typ                        iso8583.Type
		original                   string
		effect, credits, net, held int64
	}
	want := []row{
		{typ: "sale", effect: 1000, credits: 300, net: 700},
		{typ: "refund", original: "0200/10000001/000001/0928143011", effect: -300},
		{typ: "preauth", effect: 1000},
		{typ: "preauth_void", original: "0100/10000001/000003/0928143011", effect: -1000},
		{typ: "preauth", effect: 1000, held: 1000},
		{typ: "completion", original: "0100/10000001/000005/0928143011", effect: 800, credits: 800},
		{typ: "void", original: "0200/10000001/000006/0928143011", effect: -800},
		{typ: "preauth", effect: 1000, held: 1000},
	}
	for i, e := range b.l.views(0) {
		if got := (row{e.Type, e.Original, e.Effect, e.Credits, e.Net, e.Held}); got != want[i] {
			t.Errorf("entry %d: %+v, want %+v", i, got, want[i])
		}
	}
	s := Summarise(b.l.views(0))
	if s.NetTotal != 700 || s.HeldTotal != 2000 || s.OpenHolds != 2 {
		t.Errorf("net %d, held %d, %d open holds", s.NetTotal, s.HeldTotal, s.OpenHolds)
	}
	if a := s.Accounts[0]; a.Debits != 1800 || a.Undebit != 1100 || a.Net != 700 || a.Holds != 2000 {
		t.Errorf("%+v", a)
	}
}

func TestBalance(t *testing.T) {
	b, p := newBench(), standard()
	p.OpeningBalance = 1500
	ask := func() string { return b.play(t, act{do: "balance", n: 9}, p).Balance }
	b.play(t, act{do: "sale", n: 1}, p)
	if got, want := ask(), "0001156C000000000500"+"0002156C000000000500"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.play(t, act{do: "preauth", n: 2}, p)
	if got, want := ask(), "0001156C000000000500"+"0002156D000000000500"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.play(t, act{do: "void", n: 3, of: 1}, p)
	if got, want := ask(), "0001156C000000001500"+"0002156C000000000500"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.Declines = []DeclineRule{{PANSuffix: "1111", Code: "57"}}
	if v := b.play(t, act{do: "balance", n: 9}, p); v.Code != "57" || v.Balance != "" {
		t.Errorf("%+v", v)
	}
}
