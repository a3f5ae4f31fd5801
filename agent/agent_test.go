package agent_test

import (
	"net"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

func TestSaleConfirmedAndShown(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	id := client.NewUUID()
	tx := b.begin(id, b.sale("S1", 1234))
	if tx.State != "approved" || tx.Must != client.MustConfirm || tx.AuthCode == "" {
		t.Fatalf("%+v", tx)
	}
	if tx, err := b.client.Confirm(b.ctx(), id); err != nil || tx.State != "confirmed" || tx.Must != client.MustShowApproved {
		t.Fatalf("%+v %v", tx, err)
	}
	if tx, err := b.client.Shown(b.ctx(), id, "yes"); err != nil || tx.Must != client.MustNothing {
		t.Fatalf("%+v %v", tx, err)
	}
	if b.net() != 1234 {
		t.Fatalf("the ledger holds %d", b.net())
	}
}

// C.14: the answer is lost. The debit is undone by itself, with the hold-down.
func TestLostResponseIsReversed(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 1})
	id := client.NewUUID()
	tx := b.begin(id, b.sale("S1", 1234))
	if tx.State != "reversing" || tx.Must != client.MustShowNotApproved {
		t.Fatalf("%+v", tx)
	}
	tx = b.untilState(id, "reversed")
	if b.net() != 0 || tx.Cause != "timeout" {
		t.Fatalf("net %d, %+v", b.net(), tx)
	}
}

// C.15: the reversal overtakes its original. The host keeps no tombstone, so
// only the hold-down finds the debit.
func TestOriginalAfterItsReversal(t *testing.T) {
	for _, unknown := range []string{"25", "00"} {
		t.Run("unknown original "+unknown, func(t *testing.T) {
			b := newBed(t, hostsim.Config{UnknownOriginal: unknown})
			b.fault(hostsim.Fault{Action: hostsim.DelayRequest, Match: hostsim.Match{Kind: "sale"}, Count: 1, Until: hostsim.UntilReversal})
			id := client.NewUUID()
			b.begin(id, b.sale("S1", 1234))
			b.untilState(id, "reversed")
			if b.net() != 0 {
				t.Fatalf("silent debit: the ledger holds %d", b.net())
			}
		})
	}
}

// C.1, C.3: the agent dies after the approval and before the confirmation.
func TestRestartKeepsAnApproval(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 1234))
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	list, err := b.client.Recovery(b.ctx())
	if err != nil || len(list.Transactions) != 1 || list.Transactions[0].Must != client.MustConfirm {
		t.Fatalf("%+v %v", list, err)
	}
	if _, err := b.client.Confirm(b.ctx(), id); err != nil {
		t.Fatal(err)
	}
	if b.net() != 1234 {
		t.Fatalf("net %d", b.net())
	}
}

// C.3: restart with several reversals owed.
func TestRestartWithReversalsOwed(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 3})
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: "reversal"}, Count: 6})
	var ids []string
	for _, ref := range []string{"S1", "S2", "S3"} {
		id := client.NewUUID()
		ids = append(ids, id)
		b.begin(id, b.sale(ref, 1000))
	}
	if b.net() != 3000 {
		t.Fatalf("net %d before the restart", b.net())
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	for _, id := range ids {
		b.untilState(id, "reversed")
	}
	if b.net() != 0 {
		t.Fatalf("net %d", b.net())
	}
}

// C.5: the connect is refused: certainly not sent, and the next address has it.
func TestFailoverBeforeTheFirstByte(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := dead.Addr().String()
	_ = dead.Close()
	b := newBed(t, hostsim.Config{}, func(b *bed) { b.extra = []string{addr} })
	tx := b.begin(client.NewUUID(), b.sale("S1", 500))
	if tx.State != "approved" {
		t.Fatalf("%+v", tx)
	}
}

// C.5: no address at all: not sent, no money moved.
func TestNobodyThere(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	_ = b.host.Close()
	tx := b.begin(client.NewUUID(), b.sale("S1", 500))
	if tx.State != "not_sent" && tx.State != "reversing" {
		t.Fatalf("%+v", tx)
	}
}

// R11: a second attempt at the same part while the first is open.
func TestSecondAttemptIsRefused(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	first := client.NewUUID()
	b.begin(first, b.sale("S1", 1234))
	_, err := b.client.Begin(b.ctx(), client.NewUUID(), b.sale("S1", 1234), 0)
	if p := client.AsProblem(err); p == nil || p.Code != "sale_open" || p.Other != first || p.Status != 409 {
		t.Fatalf("%+v", err)
	}
	if _, err := b.client.Confirm(b.ctx(), first); err != nil {
		t.Fatal(err)
	}
	_, err = b.client.Begin(b.ctx(), client.NewUUID(), b.sale("S1", 1234), 0)
	if p := client.AsProblem(err); p == nil || p.Code != "sale_paid" {
		t.Fatalf("%+v", err)
	}
}

// The journal and the log hold no card data in clear.
func TestNoCardDataInTheLog(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.Trailing, Match: hostsim.Match{Kind: "sale"}, Count: 1})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 1234))
	b.untilState(id, "reversed")
	for _, secret := range []string{testPAN, testTrack} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log holds card data")
		}
	}
	if !strings.Contains(b.log.String(), "411111******1111") {
		t.Error("the log does not show the masked number: the search proves nothing")
	}
}
