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
	evicted bool // memory does not hold everything

	sessions int  // begun so far
	implicit bool // the second terminal's confirmation
}

// TestRandomEvents: wherever random events lead, every Step keeps to the state
// table, the durable state is the fold of the records, what leaves is
// justified by a record, nothing open is left waiting for nothing, whoever asks
// is answered, and what follows another keeps to what the other allows.
func TestRandomEvents(t *testing.T) {
	visited := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		c := &chaos{t: t, m: New(), now: at(0), rules: testRules()}
		if rapid.Bool().Draw(t, "inquiry and advices") {
			c.rules = askingRules()
			c.rules.Advice.Ordered = rapid.Bool().Draw(t, "ordered")
			c.rules.Advice.Limit = rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "limit")
			c.rules.Inquiry.Attempts = rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "inquiries")
			if rapid.Bool().Draw(t, "final") {
				c.rules.Inquiry.Declined = []string{"05"}
			}
		}
		if rapid.Bool().Draw(t, "tombstones") {
			c.rules.Reversal.Tombstones = true
		}
		if rapid.Bool().Draw(t, "shared ledger") {
			c.rules.Reversal.SharedLedger = true
		}
		if rapid.Bool().Draw(t, "refunds are not reversed") {
			c.rules.Reversal.Types = slices.DeleteFunc(c.rules.Reversal.Types, func(t iso8583.Type) bool { return t == iso8583.Refund })
		}
		c.implicit = rapid.Bool().Draw(t, "implicit")
		c.watch(visited)
		c.step(c.config())
		t.Repeat(map[string]func(*rapid.T){
			"begin":    c.begin,
			"commit":   c.commit,
			"word":     c.word,
			"delivery": c.delivery,
			"answer":   c.answer,
			"answer 2": c.answer, // more often than the rest
			"ask":      c.ask,
			"resolve":  c.resolve,
			"time":     c.time,
			"crash":    c.crash,
			"session":  c.session,
			"evict":    func(t *rapid.T) { c.m.Evict(rapid.IntRange(0, 2).Draw(t, "keep")); c.evicted = true },
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

func (c *chaos) config() Configure {
	e := testConfig(c.rules)
	e.Terminals[1].Implicit = c.implicit
	return e
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

func (c *chaos) step(ev Event) Ready {
	for _, key := range c.m.Needs(ev) { // once, as the shell does
		c.m.Load(c.look(key))
	}
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
	fold := c.fold()
	if got, want := c.m.AppendDurable(nil), fold.AppendDurable(nil); !c.evicted && !bytes.Equal(got, want) {
		c.t.Fatalf("%T: the durable state is not the fold of the records\n got %s\nwant %s", ev, got, want)
	}
	for _, u := range fold.All() {
		t := c.m.Get(u)
		switch {
		case t == nil && !fold.Get(u).Settled():
			c.t.Fatalf("%T: %s is not in memory, and not settled", ev, u)
		case t == nil:
		case t.Card != nil:
			c.t.Fatal("the machine kept a card")
		case !bytes.Equal(t.append(nil), fold.Get(u).append(nil)):
			c.t.Fatalf("%T: %s is not the fold of its records\n got %s\nwant %s", ev, u, t.append(nil), fold.Get(u).append(nil))
		}
	}
	c.committed(ev, &r)
	c.answered(ev, &r)
	c.oneLive()
	c.follows(fold)
	return r
}

// look is the journal's look-up of one key.
func (c *chaos) look(key string) (found []Record) {
	groups := map[string]bool{key: true}
	for _, s := range c.records {
		groups[s.group] = groups[s.group] || slices.Contains(s.keys, key)
	}
	for _, s := range c.records {
		if groups[s.group] {
			found = append(found, s.load(c.t))
		}
	}
	return found
}

// justified holds the messages of a Ready to its records: a request leaves
// with its intent only, a reversal with its attempt only and never for what is
// confirmed (P4).
func (c *chaos) justified(r *Ready, confirmed map[string]bool) {
	for _, o := range r.Messages {
		ok := slices.ContainsFunc(r.Records, func(rec Record) bool {
			switch rec := rec.(type) {
			case *Intent:
				if rec.Original != "" && !confirmed[rec.Original] {
					c.t.Fatalf("%s %s follows %s, which is not confirmed", rec.Kind, rec.UUID, rec.Original)
				}
				return o.Request() && rec.UUID == o.UUID && rec.STAN == o.Facts.STAN
			case *Rerouted:
				return o.Request() && rec.UUID == o.UUID && rec.Route == o.Route
			case *Inquiry:
				return o.Inquiry > 0 && rec.UUID == o.UUID && rec.N == o.Inquiry && rec.STAN == o.Facts.STAN
			case *AdviceAttempt:
				t := c.m.Get(o.UUID)
				return !o.Reversal() && rec.UUID == o.UUID && rec.N == o.Attempt && rec.Repeat == o.Facts.Repeat &&
					o.Facts.STAN == t.STAN && o.Facts.Transmission == t.Transmission
			case *Attempt:
				return o.Reversal() && rec.UUID == o.UUID && rec.N == o.Attempt && rec.Transmission == o.Facts.Transmission
			}
			return false
		})
		if !ok {
			c.t.Fatalf("%s %s left without its record", o.Facts.Kind, o.UUID)
		}
		if o.Request() != (o.Facts.Card != nil) {
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
		m.Apply(s.load(c.t))
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
		case (t.Stuck || t.Parked && t.State == StateReversing) && !t.Escalated():
			c.t.Fatalf("%s needs a person, and nobody is asked", u)
		case waits && waitState(w.For) != t.State:
			c.t.Fatalf("%s is %s and waits for %s", u, t.State, w.For)
		}
	}
	c.line()
}

// line: advices in order are under way one at a time, and never none of several.
func (c *chaos) line() {
	if !c.rules.Advice.Ordered {
		return
	}
	for _, tid := range []iso8583.TID{testTID, "T0000002"} {
		turn, way := 0, 0
		for _, u := range c.m.Open() {
			if t := c.m.Get(u); t.TID == tid && t.State == StateAdvising {
				switch c.m.waits[u].For {
				case waitTurn:
					turn++
				case waitTaken, waitResend:
					way++
				}
			}
		}
		if way > 1 || turn > 0 && way == 0 {
			c.t.Fatalf("%s: %d advices under way, %d in line", tid, way, turn)
		}
	}
}

// waitState is the state that a wait belongs to.
func waitState(w waitFor) State { return waits[w].in }

func (c *chaos) uuid(t *rapid.T) string {
	return rapid.SampledFrom(chaosUUIDs).Draw(t, "uuid")
}

var chaosUUIDs = []string{"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"}

func (c *chaos) begin(t *rapid.T) {
	c.step(c.request(t))
	c.waiting()
}

// commit takes one to its commit point, so that others may follow it.
func (c *chaos) commit(t *rapid.T) {
	for _, o := range c.step(c.request(t)).Messages {
		c.step(answerTo(o, c.rules.MTI[o.Facts.Kind].Response(), "00"))
		c.step(c.fits(Confirm{Req: 2, UUID: o.UUID}))
		c.step(Shown{Req: 2, UUID: o.UUID, Delivered: DeliveredYes})
	}
	c.waiting()
}

// request is of any type, and follows something that its type may follow where
// there is such a thing.
func (c *chaos) request(t *rapid.T) Begin {
	u := c.uuid(t)
	b := Begin{
		Req: 1, UUID: u, Epoch: 7, TID: rapid.SampledFrom([]iso8583.TID{testTID, "T0000002"}).Draw(t, "tid"),
		Type:   rapid.SampledFrom(iso8583.Types()).Draw(t, "type"),
		Amount: iso8583.Amount{Minor: int64(rapid.SampledFrom([]int{1234, 500}).Draw(t, "amount")), Currency: 156},
		Digest: "d", Route: rapid.IntRange(0, 1).Draw(t, "route"), Card: &iso8583.Card{},
	}
	if from := b.Type.Originals(); len(from) > 0 {
		b.Original = c.uuid(t)
		fit := slices.DeleteFunc(slices.Clone(chaosUUIDs), func(u string) bool {
			o := c.m.Get(u)
			return o == nil || !slices.Contains(from, o.Kind) || o.State != StateConfirmed
		})
		if len(fit) > 0 && rapid.IntRange(0, 4).Draw(t, "fit") > 0 {
			b.Original = rapid.SampledFrom(fit).Draw(t, "original")
			if o := c.m.Get(b.Original); rapid.Bool().Draw(t, "whole") {
				b.Amount.Minor = o.Minor
			}
		}
	}
	if b.Type.HandsOver() {
		b.Sale = rapid.SampledFrom([]string{"s0", "s1", "s2"}).Draw(t, "sale")
		b.CardHash = rapid.SampledFrom([]string{"", "h1", "h2"}).Draw(t, "card")
		switch rapid.IntRange(0, 5).Draw(t, "switch") {
		case 0:
			b.Replaces = c.uuid(t)
		case 1:
			b.NotDuplicateOf = c.uuid(t)
		}
	}
	if !b.Type.MovesMoney() {
		b.Amount.Minor = 0
	}
	c.readCard(t, &b)
	if rapid.Bool().Draw(t, "under a session") {
		b.Session = c.anySession(t)
	}
	return b
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
		c.step(Sent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry})
	case 1:
		c.step(Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry, Card: o.Facts.Card})
	case 2:
		c.step(InDoubt{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry})
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
	if o.Inquiry > 0 {
		a.Original = o.Facts.Original.DE90()
	}
	if a.BadChip = rapid.IntRange(0, 7).Draw(t, "bad chip") == 0; !a.BadChip {
		a.ChipData = "8A023030"
	}
	switch rapid.IntRange(0, 12).Draw(t, "twist") {
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
	case 9:
		a.Original = iso8583.Original{MTI: "0200", STAN: 77, Transmission: "0314100000"}.DE90()
	case 8:
		a.MTI = rapid.SampledFrom([]iso8583.MTI{"0110", "0210"}).Draw(t, "mti")
	}
	c.step(a)
	c.waiting()
}

func (c *chaos) ask(t *rapid.T) {
	u := c.uuid(t)
	switch rapid.IntRange(0, 3).Draw(t, "verb") {
	case 0, 1:
		e := c.confirmation(t, u)
		if rapid.Bool().Draw(t, "fitting") {
			e = c.fits(e)
		}
		c.step(e)
	case 2:
		c.step(Cancel{Req: 2, UUID: u, Reason: rapid.SampledFrom([]CancelReason{CancelPrinter, CancelCardRemoved, CancelPartialRefused}).Draw(t, "reason")})
	case 3:
		c.step(Shown{Req: 2, UUID: u, Delivered: rapid.SampledFrom([]Delivered{DeliveredYes, DeliveredNo, DeliveredUnknown, "x"}).Draw(t, "delivered")})
	}
	c.waiting()
}

func (c *chaos) resolve(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "acknowledge") == 0 {
		c.step(Acknowledge{Req: 4, UUID: c.uuid(t), Item: rapid.IntRange(0, 3).Draw(t, "item"), Who: rapid.SampledFrom([]string{"", "Li", "Wang"}).Draw(t, "who")})
		return
	}
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
	for _, u := range chaosUUIDs {
		c.step(Timeout{UUID: u})
	}
	c.waiting()
}

// crash loses what is not durable; here that is every wait.
func (c *chaos) crash(t *rapid.T) {
	observe := c.m.Observe
	c.m, c.evicted = c.fold(), false
	c.m.Observe = observe
	c.now.Boot = 0
	c.step(c.config())
	for _, u := range c.m.Open() {
		c.step(Recovered{UUID: u})
	}
	c.waiting()
}
