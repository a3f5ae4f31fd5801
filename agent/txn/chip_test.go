package txn

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What random events know of chips and parts.

// readCard makes the card of b one with or without a chip, and lets it take a
// part or not.
func (c *chaos) readCard(t *rapid.T, b *Begin) {
	readChip(b, rapid.SampledFrom([]iso8583.Chip{"", "", iso8583.ChipContact, iso8583.ChipContactless}).Draw(t, "chip"))
	b.Partial = b.Type.NeedsConfirmation() && rapid.Bool().Draw(t, "a part will do")
}

// confirmation is a confirm of u that may say anything.
func (c *chaos) confirmation(t *rapid.T, u string) Confirm {
	e := Confirm{Req: 2, UUID: u}
	e.Chip.CID = rapid.SampledFrom([]string{"", "", "40", "40", "00", "80", "zz"}).Draw(t, "cid")
	e.Amount = rapid.SampledFrom([]int64{0, 0, 100, 1234, 500}).Draw(t, "agreed")
	return e
}

// word takes one to its approval, whole or of a part, and confirms it somehow.
func (c *chaos) word(t *rapid.T) {
	for _, o := range c.step(c.request(t)).Messages {
		a := answerTo(o, c.rules.MTI[o.Facts.Kind].Response(), rapid.SampledFrom([]string{"00", "10"}).Draw(t, "code"))
		if a.Code == "10" {
			a.Amount = iso8583.Amount{Minor: 100}.DE4()
		}
		a.BadChip = rapid.IntRange(0, 7).Draw(t, "bad chip") == 0
		c.step(a)
		c.step(c.confirmation(t, o.UUID))
	}
	c.waiting()
}

// fits makes a confirm of u one that cannot be refused for what it says.
func (c *chaos) fits(e Confirm) Confirm {
	if t := c.m.Get(e.UUID); t != nil {
		e.Amount = t.ApprovedMinor
		if t.Chip == iso8583.ChipContact {
			e.Chip.CID = "40"
		}
	}
	return e
}

// committed: a contact chip commits with its TC in the same Ready, and a part
// only where the confirm named it. A verdict that declines never commits.
func (c *chaos) committed(ev Event, r *Ready) {
	for _, rec := range r.Records {
		if _, ok := rec.(*Confirmed); !ok {
			continue
		}
		t := c.m.Get(rec.Group())
		e, asked := ev.(Confirm)
		tc := slices.ContainsFunc(r.Records, func(rec Record) bool {
			v, ok := rec.(*ChipResult)
			return ok && iso8583.IsTC(v.CID)
		})
		switch {
		case t.NeedsVerdict() && !tc:
			c.t.Fatalf("%s committed without its card's word", t)
		case t.CID != "" && !iso8583.IsTC(t.CID):
			c.t.Fatalf("%s committed although its card declined", t)
		case t.ApprovedMinor != 0 && (!asked || e.Amount != t.ApprovedMinor):
			c.t.Fatalf("%s committed for a part that nobody agreed to", t)
		}
	}
}
