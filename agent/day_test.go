package agent_test

import (
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// follow is the body of what follows another: everything that may be left out
// is left out.
func (b *bed) follow(t iso8583.Type, original string, amount int64) client.Begin {
	return client.Begin{Type: t, Terminal: testTID, Epoch: b.epoch, Amount: amount, Original: original}
}

// paid is a confirmed transaction of a type that is confirmed.
func (b *bed) paid(t iso8583.Type, ref string, amount int64) string {
	b.t.Helper()
	id, body := client.NewUUID(), b.sale(ref, amount)
	body.Type = t
	if tx := b.begin(id, body); tx.State != "approved" {
		b.t.Fatalf("%s: %+v", t, tx)
	}
	if _, err := b.client.Confirm(b.ctx(), id); err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bed) refused(body client.Begin, code string) {
	b.t.Helper()
	last := b.journal.Last()
	_, err := b.client.Begin(b.ctx(), client.NewUUID(), body, 0)
	if p := client.AsProblem(err); p == nil || p.Code != code {
		b.t.Fatalf("want %s, got %v", code, err)
	}
	if b.journal.Last() != last {
		b.t.Fatalf("%s: something was journaled", code)
	}
}

func TestVoid(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	sale := b.paid(iso8583.Sale, "S1", 1234)
	void := client.NewUUID()
	tx := b.begin(void, b.follow(iso8583.Void, sale, 0))
	if tx.State != "confirmed" || tx.Amount != 1234 || tx.Original != sale || tx.Must != client.MustShowApproved {
		t.Fatalf("%+v", tx)
	}
	if b.net() != 0 {
		t.Fatalf("the ledger holds %d", b.net())
	}
	b.refused(b.follow(iso8583.Void, sale, 0), "original_used")
	// The part of the sale is free again (R11).
	b.paid(iso8583.Sale, "S1", 1234)
}

// C.22: the reversal of a void leaves the debit standing.
func TestC22LostVoidLeavesTheDebit(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	sale := b.paid(iso8583.Sale, "S1", 1234)
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "void"}, Count: 1})
	void := client.NewUUID()
	b.begin(void, b.follow(iso8583.Void, sale, 0))
	b.untilState(void, "reversed")
	if b.net() != 1234 {
		t.Fatalf("the ledger holds %d", b.net())
	}
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, sale, 0)); tx.State != "confirmed" || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

// P3: net credits never exceed the debit.
func TestRefundsNeverExceedTheSale(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	sale := b.paid(iso8583.Sale, "S1", 1000)
	b.begin(client.NewUUID(), b.follow(iso8583.Refund, sale, 400))
	b.refused(b.follow(iso8583.Refund, sale, 601), "above_original")
	b.refused(b.follow(iso8583.Void, sale, 0), "original_used")
	b.begin(client.NewUUID(), b.follow(iso8583.Refund, sale, 600))
	b.refused(b.follow(iso8583.Refund, sale, 1), "original_used")
	if b.net() != 0 {
		t.Fatalf("the ledger holds %d", b.net())
	}
}

func TestPreAuthCompletionAndVoid(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	hold := b.paid(iso8583.PreAuth, "S1", 5000)
	b.refused(b.follow(iso8583.Completion, hold, 5001), "above_original")
	b.refused(b.follow(iso8583.Void, hold, 0), "original_unfit")
	done := client.NewUUID()
	if tx := b.begin(done, b.follow(iso8583.Completion, hold, 4200)); tx.State != "confirmed" {
		t.Fatalf("%+v", tx)
	}
	if b.net() != 4200 {
		t.Fatalf("the ledger holds %d", b.net())
	}
	b.refused(b.follow(iso8583.PreAuthVoid, hold, 0), "original_used")
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, done, 0)); tx.State != "confirmed" || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
	// The void of the completion gave the hold back: it must not stand for ever.
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.PreAuthVoid, hold, 0)); tx.State != "confirmed" {
		t.Fatalf("%+v", tx)
	}
	other := b.paid(iso8583.PreAuth, "S2", 700)
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.PreAuthVoid, other, 0)); tx.State != "confirmed" {
		t.Fatalf("%+v", tx)
	}
}

// A credit or a capture belongs to the card that was debited or held. A card that
// is left out is the original's.
func TestFollowUpKeepsToTheCard(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	sale, hold := b.paid(iso8583.Sale, "S1", 1000), b.paid(iso8583.PreAuth, "S2", 1000)
	for _, body := range []client.Begin{
		b.follow(iso8583.Refund, sale, 400), b.follow(iso8583.Void, sale, 0), b.follow(iso8583.Completion, hold, 400), b.follow(iso8583.PreAuthVoid, hold, 0),
	} {
		body.Card = client.Card{PAN: "5555555555554444", Expiry: "3012", EntryMode: "012"}
		b.refused(body, "other_card")
	}
	if b.net() != 1000 {
		t.Fatalf("the ledger holds %d", b.net())
	}
}

// A void of what is not there, not confirmed, or being voided already.
func TestOriginalsThatDoNotFit(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.refused(b.follow(iso8583.Void, client.NewUUID(), 0), "original_unknown")
	open := client.NewUUID()
	b.begin(open, b.sale("S1", 100))
	b.refused(b.follow(iso8583.Void, open, 0), "original_open")
	paid := b.paid(iso8583.Sale, "S2", 100)
	b.fault(hostsim.Fault{Action: hostsim.Silent, Match: hostsim.Match{Kind: "void"}, Count: 1})
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: "reversal"}, Count: 100})
	b.begin(client.NewUUID(), b.follow(iso8583.Void, paid, 0))
	// Not refused(): the void's reversal is being journaled meanwhile.
	_, err := b.client.Begin(b.ctx(), client.NewUUID(), b.follow(iso8583.Refund, paid, 50), 0)
	if p := client.AsProblem(err); p == nil || p.Code != "original_busy" {
		t.Fatal(err)
	}
}

func TestBalanceMovesNothing(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	ask := b.sale("", 0)
	ask.Type = iso8583.Balance
	if tx := b.begin(client.NewUUID(), ask); tx.State != "confirmed" || tx.Balance == "" {
		t.Fatalf("%+v", tx)
	}
	b.fault(hostsim.Fault{Action: hostsim.Silent, Match: hostsim.Match{Kind: "balance"}, Count: 1})
	if tx := b.begin(client.NewUUID(), ask); tx.State != "failed" {
		t.Fatalf("%+v", tx)
	}
	if b.net() != 0 {
		t.Fatalf("the ledger holds %d", b.net())
	}
}
