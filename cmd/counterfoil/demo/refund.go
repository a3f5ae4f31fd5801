package demo

import (
	"context"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Where a scenario has a refund, its acquirer does not take a refund back: no
// reversal of it is accepted, and none can be asked after. What the host made of
// a refund that it did not answer is then not for a machine to find out.

// refundRef is what the notes call the refund of a sale.
func refundRef(sale string) string { return sale + ", refund" }

// giveBack refunds the sale that was just paid, through the agent, to the screen.
func (a *application) giveBack(ctx context.Context, sale string) error {
	a.book.sale = refundRef(a.ref)
	uuid := client.NewUUID()
	t, err := patiently(ctx, a, func() (*client.Transaction, error) {
		s, err := a.session(ctx)
		if err != nil {
			return nil, err
		}
		b := client.Begin{
			Type: iso8583.Refund, Terminal: a.terminal, Epoch: s.Epoch, Session: s.Session, Original: sale,
			Amount: a.minor, Currency: currency.Alpha(), Card: client.Card{PAN: testPAN},
		}
		a.readCard(&b.Card)
		t, err := a.agent.Begin(ctx, uuid, b, holdCall)
		if err == nil && t.Must == client.MustWait {
			return nil, errStillOpen
		}
		return t, err
	})
	if err == nil && t.Must == client.MustConfirm {
		t, err = a.confirm(ctx, uuid)
	}
	if err != nil {
		return err
	}
	_, err = a.finish(ctx, t)
	return err
}

// giveBack refunds the sale that was just paid, plainly, to the screen.
func (c *plainClient) giveBack(ctx context.Context) error {
	c.book.sale, c.original = refundRef(c.ref), c.sent
	_, err := c.attempt(ctx)
	return err
}

// judgeRefund compares the ledger with the screens of a sale that was shown as
// approved, and then given back.
func judgeRefund(s sale, entries []hostsim.EntryView, notes []Note, escalated bool) Outcome {
	o := judge(s, entries, notes, escalated)
	sold := o.Screen == Approved
	s.ref = refundRef(s.ref)
	back := judge(s, entries, notes, escalated)
	o.Screen, o.Attempts, o.Findings = back.Screen, back.Attempts, []Finding{}
	switch {
	case !sold, o.Screen == Approved && o.Net == s.minor:
		o.Findings = append(o.Findings, LostApproval)
	case o.Screen != Approved && o.Net != s.minor && !escalated:
		o.Findings = append(o.Findings, SilentCredit)
	}
	return o
}
