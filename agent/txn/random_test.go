package txn

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// chaos throws events of every kind, sensible or not, at a machine, and holds
// each Step to what must hold whatever comes.
type chaos struct {
	t       *rapid.T
	m       *Machine
	now     Time
	rules   iso8583.Rules
	records []stored
	sent    []Outbound
}

// TestRandomEvents: wherever random events lead, every Step keeps to the state
// table, the durable state is the fold of the records, what leaves is
// justified by a record, and nothing open is left waiting for nothing.
func TestRandomEvents(t *testing.T) {
	visited := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		c := &chaos{t: t, m: New(), now: at(0), rules: testRules()}
		if rapid.Bool().Draw(t, "tombstones") {
			c.rules.Reversal.Tombstones = true
		}
		if rapid.Bool().Draw(t, "shared ledger") {
			c.rules.Reversal.SharedLedger = true
		}
		c.watch(visited)
		c.step(testConfig(c.rules))
		t.Repeat(map[string]func(*rapid.T){
			"begin":    c.begin,
			"delivery": c.delivery,
			"answer":   c.answer,
			"answer 2": c.answer, // more often than the rest
			"ask":      c.ask,
			"resolve":  c.resolve,
			"time":     c.time,
			"crash":    c.crash,
			"garbage":  func(t *rapid.T) { c.step(Garbage{}) },
		})
	})
	for s, row := range table {
		for in := range row {
			if !visited[fmt.Sprint(s, in)] {
				t.Logf("not reached this time: %s, %s", s, in)
			}
		}
	}
}

// watch holds every move to the table.
func (c *chaos) watch(visited map[string]bool) {
	c.m.Observe = func(from State, in Input, to State) {
		visited[fmt.Sprint(from, in)] = true
		if from != to && !slices.Contains(table[from][in].to, to) {
			c.t.Fatalf("%s, %s led to %s, which the table does not have", from, in, to)
		}
	}
}

func (c *chaos) step(ev Event) {
	confirmed := map[string]bool{}
	for _, u := range c.m.All() {
		confirmed[u] = c.m.Get(u).State == StateConfirmed
	}
	r := c.m.Step(c.now, ev)
	for _, rec := range r.Records {
		roundTrip(c.t, rec)
		c.records = append(c.records, store(rec))
	}
	c.justified(&r, confirmed)
	c.sent = append(c.sent, r.Messages...)
	if got, want := c.m.AppendDurable(nil), c.fold().AppendDurable(nil); !bytes.Equal(got, want) {
		c.t.Fatalf("%T: the durable state is not the fold of the records\n got %s\nwant %s", ev, got, want)
	}
	for _, u := range c.m.All() {
		if t := c.m.Get(u); t.Card != nil {
			c.t.Fatal("the machine kept a card")
		}
	}
}

// justified holds the messages of a Ready to its records: a request leaves
// with its intent only, a reversal with its attempt only and never for what is
// confirmed (P4).
func (c *chaos) justified(r *Ready, confirmed map[string]bool) {
	for _, o := range r.Messages {
		ok := slices.ContainsFunc(r.Records, func(rec Record) bool {
			switch rec := rec.(type) {
			case *Intent:
				return !o.Reversal() && rec.UUID == o.UUID && rec.STAN == o.Facts.STAN
			case *Rerouted:
				return !o.Reversal() && rec.UUID == o.UUID && rec.Route == o.Route
			case *Attempt:
				return o.Reversal() && rec.UUID == o.UUID && rec.N == o.Attempt && rec.Transmission == o.Facts.Transmission
			}
			return false
		})
		if !ok {
			c.t.Fatalf("%s %s left without its record", o.Facts.Kind, o.UUID)
		}
		if o.Reversal() == (o.Facts.Card != nil) {
			c.t.Fatalf("%s: a card where none belongs, or none where one does", o.Facts.Kind)
		}
		if o.Reversal() && confirmed[o.UUID] {
			c.t.Fatalf("a reversal of %s, which is confirmed", o.UUID)
		}
	}
}

func (c *chaos) fold() *Machine {
	m := New()
	for _, s := range c.records {
		r, err := Decode(s.typ, s.group, s.clear)
		if err != nil {
			c.t.Fatal(err)
		}
		m.Apply(r)
	}
	return m
}

// waiting: what is open waits for a deadline, or for a person.
func (c *chaos) waiting() {
	for _, u := range c.m.Open() {
		t, w := c.m.Get(u), c.m.waits[u]
		waits := w != nil && w.For != waitNothing
		switch {
		case t.State.Open() && !t.Parked && !t.Stuck && !waits:
			c.t.Fatalf("%s is %s and waits for nothing", u, t.State)
		case (t.Stuck && t.State.Open() || t.Parked && t.State == StateReversing) && !t.Escalated():
			c.t.Fatalf("%s needs a person, and nobody is asked", u)
		case waits && waitState(w.For) != t.State:
			c.t.Fatalf("%s is %s and waits for %s", u, t.State, w.For)
		}
	}
}

// waitState is the state that a wait belongs to.
func waitState(w waitFor) State { return waits[w].in }

func (c *chaos) uuid(t *rapid.T) string {
	return rapid.SampledFrom([]string{"u0", "u1", "u2", "u3"}).Draw(t, "uuid")
}

func (c *chaos) begin(t *rapid.T) {
	u := c.uuid(t)
	b := Begin{
		Req: 1, UUID: u, Epoch: 7, TID: rapid.SampledFrom([]iso8583.TID{testTID, "T0000002"}).Draw(t, "tid"), Type: iso8583.Sale,
		Amount: iso8583.Amount{Minor: int64(rapid.SampledFrom([]int{1234, 500}).Draw(t, "amount")), Currency: 156},
		Sale:   rapid.SampledFrom([]string{"s0", "s1", "s2"}).Draw(t, "sale"), Digest: "d",
		Route: rapid.IntRange(0, 1).Draw(t, "route"), Card: &iso8583.Card{},
	}
	c.step(b)
	c.waiting()
}

func (c *chaos) anySent(t *rapid.T) (Outbound, bool) {
	if len(c.sent) == 0 {
		return Outbound{}, false
	}
	last := len(c.sent) - 1
	return c.sent[last-min(last, rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 5, 8}).Draw(t, "back"))], true
}

func (c *chaos) delivery(t *rapid.T) {
	o, ok := c.anySent(t)
	if !ok {
		return
	}
	switch rapid.IntRange(0, 2).Draw(t, "fate") {
	case 0:
		c.step(Sent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	case 1:
		c.step(Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Card: o.Facts.Card})
	case 2:
		c.step(InDoubt{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt})
	}
	c.waiting()
}

func (c *chaos) answer(t *rapid.T) {
	o, ok := c.anySent(t)
	if !ok {
		return
	}
	code := rapid.SampledFrom([]string{"00", "00", "00", "05", "10", "12", "25", "25", "68", "91", "94", ""}).Draw(t, "code")
	a := answerTo(o, c.rules.MTI[o.Facts.Kind].Response(), code)
	switch rapid.IntRange(0, 11).Draw(t, "twist") {
	case 0:
		a.Amount = iso8583.Amount{Minor: 100}.DE4()
	case 1:
		a.Amount = ""
	case 2:
		a.MTI = "0410"
	case 3:
		a.Transmission = "0101000000"
	case 4:
		a.Transmission = ""
	case 5:
		a.Route = 1 - a.Route
	case 6:
		a.RRN = "000000999999"
	case 7:
		a.STAN += 7
	}
	c.step(a)
	c.waiting()
}

func (c *chaos) ask(t *rapid.T) {
	u := c.uuid(t)
	switch rapid.IntRange(0, 3).Draw(t, "verb") {
	case 0, 1:
		c.step(Confirm{Req: 2, UUID: u})
	case 2:
		c.step(Cancel{Req: 2, UUID: u, Reason: CancelPrinter})
	case 3:
		c.step(Shown{Req: 2, UUID: u, Delivered: rapid.SampledFrom([]Delivered{DeliveredYes, DeliveredNo, DeliveredUnknown, "x"}).Draw(t, "delivered")})
	}
	c.waiting()
}

func (c *chaos) resolve(t *rapid.T) {
	verb := rapid.SampledFrom([]Verb{VerbPark, VerbResume, VerbOverride, VerbReversed, VerbDebited, VerbClose, "x"}).Draw(t, "verb")
	c.step(Resolve{Req: 3, UUID: c.uuid(t), Verb: verb, Who: "Li", Why: "test", Ref: rapid.SampledFrom([]string{"", "K"}).Draw(t, "ref")})
	c.waiting()
}

// time passes, and timers come due, or are said to.
func (c *chaos) time(t *rapid.T) {
	d := time.Duration(rapid.SampledFrom([]int{0, 1, 10, 30, 60, 400, 90_000}).Draw(t, "seconds")) * time.Second
	c.now.Boot += d
	c.now.Wall += int64(d / time.Millisecond)
	if rapid.IntRange(0, 9).Draw(t, "clock") == 0 {
		c.now.Wall += int64(rapid.SampledFrom([]int{-48, -1, 1, 48}).Draw(t, "hours")) * 3_600_000
	}
	for _, u := range []string{"u0", "u1", "u2", "u3"} {
		c.step(Timeout{UUID: u})
	}
	c.waiting()
}

// crash loses what is not durable; here that is every wait.
func (c *chaos) crash(t *rapid.T) {
	observe := c.m.Observe
	c.m = c.fold()
	c.m.Observe = observe
	c.now.Boot = 0
	c.step(testConfig(c.rules))
	for _, u := range c.m.Open() {
		c.step(Recovered{UUID: u})
	}
	c.waiting()
}
