package demo

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// chapter is one thing that happens at the terminal, and what the acquirer's
// ledger must hold after it.
type chapter struct {
	name, about string
	net         int64
	play        func(context.Context, *shop) error
}

func chapters() []chapter {
	return []chapter{
		{"sign-on", "the terminal has no working keys; it fetches them, and proves their check values", 0, playSignOn},
		{"a sale", "request and answer have a MAC; it is confirmed before it is shown", 1234, func(ctx context.Context, s *shop) error {
			return s.sell(ctx, "order-1", 1234)
		}},
		{"a lost answer", "the acquirer debits, and its 0210 is lost: reversed, reason 98", 1234, func(ctx context.Context, s *shop) error {
			return s.sellAmiss(ctx, "order-2", 500, hostsim.DropResponse, "timeout")
		}},
		{"a forged answer", "the MAC of the approval is wrong, so it may be anybody's: reversed, reason A0", 1234, func(ctx context.Context, s *shop) error {
			return s.sellAmiss(ctx, "order-3", 700, hostsim.BadMAC, "bad_mac")
		}},
		{"other keys", "somebody else signs the terminal on, and the acquirer takes its MACs for wrong (A0): it signs on, and what it owes gets a new MAC", 1234, func(ctx context.Context, s *shop) error {
			if err := s.stealKeys(ctx); err != nil {
				return err
			}
			return s.sellAmiss(ctx, "order-4", 900, "", "bad_mac")
		}},
		{"a void", "the goods of the first sale come back", 0, func(ctx context.Context, s *shop) error {
			return s.void(ctx, "order-1")
		}},
		{"a settlement that balances", "debits and credits, and the acquirer holds the same: the next batch begins", 0, func(ctx context.Context, s *shop) error {
			return s.settle(ctx, "balanced", 0)
		}},
		{"a settlement that does not", "the acquirer says that a sale is reversed, and keeps its debit: flag 2, so it is told the transactions, and the difference is a person's", 1800, playUnbalanced},
	}
}

// playSignOn waits for the sign-on that a terminal without keys does by itself.
func playSignOn(ctx context.Context, s *shop) error {
	for {
		list, err := s.client.Terminals(ctx)
		if err != nil {
			return err
		}
		switch on := list.Terminals[0].SignOn; {
		case on != nil && on.Accepted:
			return nil
		case on != nil:
			return fmt.Errorf("the sign-on failed: %s", on.Error)
		case !pause(ctx, look):
			return ctx.Err()
		}
	}
}

// begin asks for a sale, and waits for what comes of it.
func (s *shop) begin(ctx context.Context, ref string, minor int64) (*client.Transaction, error) {
	return s.client.Begin(ctx, client.NewUUID(), client.Begin{
		Type: iso8583.Sale, Terminal: storyTerminal, Epoch: s.epoch, Amount: minor, Currency: currency.Alpha(), Sale: ref,
		Card: client.Card{PAN: testPAN, Expiry: "3012"},
	}, holdCall)
}

// sell is a sale to the screen.
func (s *shop) sell(ctx context.Context, ref string, minor int64) error {
	t, err := s.begin(ctx, ref, minor)
	if err == nil && t.Must == client.MustConfirm {
		t, err = s.client.Confirm(ctx, t.UUID)
	}
	if err == nil {
		t, err = s.client.Shown(ctx, t.UUID, "yes")
	}
	switch {
	case err != nil:
		return err
	case t.State != "confirmed":
		return fmt.Errorf("the sale is %s", t.State)
	}
	s.paid[ref] = t.UUID
	return nil
}

// sellAmiss is a sale that a fault strikes, or none where it has struck already:
// undone, for this cause.
func (s *shop) sellAmiss(ctx context.Context, ref string, minor int64, fault hostsim.Action, cause string) error {
	if fault != "" {
		if _, err := s.host.AddFault(hostsim.Fault{Action: fault, Count: 1, Match: hostsim.Match{Kind: iso8583.KindSale}}); err != nil {
			return err
		}
	}
	t, err := s.begin(ctx, ref, minor)
	for err == nil && t.State != "reversed" {
		if !pause(ctx, look) {
			return fmt.Errorf("it is still %s: %w", t.State, ctx.Err())
		}
		t, err = s.client.Get(ctx, t.UUID, 0)
	}
	if err == nil && t.Cause != cause {
		err = fmt.Errorf("reversed for %s, and not for %s", t.Cause, cause)
	}
	return err
}

// void takes back what was paid.
func (s *shop) void(ctx context.Context, ref string) error {
	t, err := s.client.Begin(ctx, client.NewUUID(), client.Begin{
		Type: iso8583.Void, Terminal: storyTerminal, Epoch: s.epoch, Original: s.paid[ref],
	}, holdCall)
	if err == nil && t.State != "confirmed" {
		err = fmt.Errorf("the void is %s", t.State)
	}
	return err
}

// settle settles the terminal, and compares the transactions with the
// acquirer's: so many that only one side has.
func (s *shop) settle(ctx context.Context, outcome string, differences int) error {
	b, err := s.client.Settle(ctx, storyTerminal, "demo")
	for err == nil && !b.Final() {
		if !pause(ctx, look) {
			return fmt.Errorf("the batch is still %s: %w", b.State, ctx.Err())
		}
		b, err = s.client.Batch(ctx, storyTerminal, b.Serial)
	}
	if err == nil && b.State != outcome {
		err = fmt.Errorf("the batch is %s", b.State)
	}
	if err == nil {
		b, err = s.client.Batch(ctx, storyTerminal, b.Serial)
	}
	if err != nil {
		return err
	}
	counted := map[string]bool{}
	for i := range b.Transactions {
		if e := &b.Transactions[i]; e.Counted {
			counted[e.Transaction.STAN] = true
		}
	}
	closed := s.host.Settlements(storyTerminal)
	found := 0
	for _, t := range closed[len(closed)-1].Transactions {
		if !counted[t.STAN] {
			found++
			s.line("   only the acquirer has STAN %s: %s %s", t.STAN, t.Type, amountText(t.Debit-t.Credit))
		}
	}
	if found != differences {
		return fmt.Errorf("%d differences", found)
	}
	return nil
}

// playUnbalanced is a host that lies about a reversal, and a batch that says so.
func playUnbalanced(ctx context.Context, s *shop) error {
	if err := s.sell(ctx, "order-5", 1000); err != nil {
		return err
	}
	_, err := s.host.AddFault(hostsim.Fault{Action: hostsim.ActCode, Code: hostsim.CodeApproved, Count: 2, Match: hostsim.Match{Kind: iso8583.KindReversal}})
	if err != nil {
		return err
	}
	if err := s.sellAmiss(ctx, "order-6", 800, hostsim.DropResponse, "timeout"); err != nil {
		return err
	}
	s.host.RemoveFault(0)
	return s.settle(ctx, "unbalanced", 1)
}

// stealKeys signs the terminal on from elsewhere, so that the acquirer holds
// other keys than the terminal.
func (s *shop) stealKeys(ctx context.Context) error {
	m, err := s.profile.Compose(iso8583.Facts{
		Kind: iso8583.KindSignOn, TID: storyTerminal, MID: merchant, STAN: 999_999, Batch: iso8583.FirstBatch, Operator: "001",
	})
	if err != nil {
		return err
	}
	body, err := s.profile.Pack(m)
	if err != nil {
		return err
	}
	until := time.Now().Add(askWithin)
	d := net.Dialer{Deadline: until}
	raw, err := d.DialContext(ctx, "tcp", s.host.Addr(0))
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	conn := frame.NewConn(raw, s.profile.Frame)
	if _, err := conn.Write(until, body); err != nil {
		return err
	}
	_, err = conn.Read(until)
	return err
}
