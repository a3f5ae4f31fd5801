package agent_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// ended waits until a batch of testTID is settled. No t.Context: it is not of the bubble.
func ended(t *testing.T, c *client.Client, serial int) *client.Batch {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Hour); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		b, err := c.Batch(context.Background(), testTID, serial)
		if err != nil {
			t.Fatal(err)
		}
		if b.Final() {
			return b
		}
	}
	t.Fatal("not settled in time")
	return nil
}

// C.31, C.23: the terminal's totals are the host's; while the host is silent
// nothing new is taken; the number moves once; what is settled is refunded.
func TestSettlement(t *testing.T) {
	bubble(t, func(l *lab) {
		sale := l.paid("S1")
		l.host.mishap = func(m *iso8583.Message, n int) mishap { return mishap{mute: m.MTI == "0500" && n == 1} }
		b, err := l.client.Settle(l.ctx(), testTID, "Li")
		if err != nil || b.State != "settling" || b.Totals.Debit != 700 || b.Totals.DebitCount != 1 || b.Number != "000001" || b.By != "Li" {
			t.Fatalf("%+v, %v", b, err)
		}
		if again, err := l.client.Settle(l.ctx(), testTID, ""); err != nil || again.Serial != b.Serial {
			t.Fatalf("asked again: %+v, %v", again, err)
		}
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 409, "settling", client.RetrySameID, ""})
		l.refused(t, problemCase{"", "GET", "/v1/terminals/" + testTID + "/batches/7", "", 404, "no_such_batch", client.RetryNever, ""})
		l.refused(t, problemCase{"", "POST", "/v1/terminals/T9/settle", "", 422, "unknown_terminal", client.RetryNewID, ""})
		b = ended(t, l.client, b.Serial)
		if b.State != "balanced" || b.Domestic != "balanced" || b.Counted != 1 || len(b.Transactions) != 1 || !b.Transactions[0].Counted {
			t.Fatalf("%+v", b)
		}
		void := client.Begin{Type: iso8583.Void, Terminal: testTID, Epoch: l.epoch, Original: sale}
		if _, err := l.client.Begin(l.ctx(), client.NewUUID(), void, 0); client.AsProblem(err) == nil || client.AsProblem(err).Code != "original_settled" {
			t.Fatalf("a void of what is settled: %v", err)
		}
		all, err := l.client.Batches(l.ctx(), testTID)
		if err != nil || len(all.Batches) != 2 || all.Batches[1].Number != "000002" || all.Batches[1].State != "open" {
			t.Fatalf("%+v, %v", all, err)
		}
	})
}

// C.31: the host does not agree, twice: a person has the batch, and closes it.
func TestSettlementUnbalanced(t *testing.T) {
	bubble(t, func(l *lab) {
		l.paid("S1")
		l.host.mishap = func(m *iso8583.Message, _ int) mishap {
			if m.MTI.Class() == '5' {
				return mishap{unprocessed: "95"}
			}
			return mishap{}
		}
		b, err := l.client.Settle(l.ctx(), testTID, "")
		if err != nil {
			t.Fatal(err)
		}
		b = ended(t, l.client, b.Serial)
		if b.State != "unbalanced" || len(b.Items) != 1 || b.Items[0].Cause != "batch_unbalanced" || b.Items[0].Closed {
			t.Fatalf("%+v", b)
		}
		list, err := l.client.Escalations(l.ctx())
		if err != nil || len(list.Batches) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		path := fmt.Sprintf("/v1/terminals/%s/batches/%d/resolve", testTID, b.Serial)
		l.refused(t, problemCase{"", "POST", path, `{"verb":"park","who":"Li","why":"w"}`, 422, "bad_field", client.RetryNewID, "verb"})
		b, err = l.client.ResolveBatch(l.ctx(), testTID, b.Serial, client.Resolve{Verb: "close", Who: "Li", Why: "compared", Reference: "K-1"})
		if err != nil || !b.Items[0].Closed {
			t.Fatalf("%+v, %v", b, err)
		}
	})
}

// C.4: a restart in mid-settlement says the same again, and what was evicted is
// brought back.
func TestC04SettlementGoesOnAfterARestart(t *testing.T) {
	bubble(t, func(l *lab) {
		l.paid("S1")
		l.paid("S2")
		l.host.mishap = func(m *iso8583.Message, n int) mishap { return mishap{mute: m.MTI == "0500" && n == 1} }
		b, err := l.client.Settle(l.ctx(), testTID, "")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.reopen()
		l.start()
		if b = ended(t, l.client, b.Serial); b.State != "balanced" || b.Totals.Debit != 1400 {
			t.Fatalf("%+v", b)
		}
	})
}

// C.31, full log.
func TestBatchIsFull(t *testing.T) {
	bubble(t, func(l *lab) {
		l.paid("S1")
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 409, "batch_full", client.RetrySameID, ""})
		b, err := l.client.Settle(l.ctx(), testTID, "")
		if err != nil {
			t.Fatal(err)
		}
		ended(t, l.client, b.Serial)
		l.paid("S2")
	}, func(l *lab) { l.profile.Rules.Settlement.Limit = 1 })
}

// P6 at settlement, over real sockets, against the simulated acquirer's own
// books: it balances; and where the host holds what the terminal does not know
// of, it does not.
func TestSettlementAgainstTheHostsBooks(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.paid(iso8583.Sale, "S1", 1234)
	voided := b.paid(iso8583.Sale, "S2", 2000)
	b.begin(client.NewUUID(), b.follow(iso8583.Void, voided, 0))
	if _, err := b.client.Settle(b.ctx(), testTID, ""); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, b.client, 1); got.State != "balanced" || got.Totals.Debit != 3234 || got.Totals.Credit != 2000 {
		t.Fatalf("%+v", got)
	}
	b.fault(hostsim.Fault{Action: hostsim.ActCode, Code: "00", Match: hostsim.Match{Kind: iso8583.KindReversal}, Count: 1})
	id := client.NewUUID()
	b.begin(id, b.sale("S3", 500))
	if _, err := b.client.Cancel(b.ctx(), id, "customer"); err != nil {
		t.Fatal(err)
	}
	b.untilState(id, "reversed")
	if _, err := b.client.Settle(b.ctx(), testTID, ""); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, b.client, 2); got.State != "unbalanced" || got.Counted != 0 {
		t.Fatalf("%+v", got)
	}
	host := b.host.Settlements(testTID)
	if len(host) != 2 || len(host[1].Transactions) != 1 || host[1].Transactions[0].Debit != 500 {
		t.Fatalf("%+v", host)
	}
}

// B1, 0320 with 203: what a chip agreed to is uploaded alone, with its certificate,
// between the others; the host wants that to be there. One of it is lost, and said
// again under its STAN.
func TestUnionPayChipUpload(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay"}, unionpay, func(b *bed) {
		rules := b.rules
		b.rules = func(r *iso8583.Rules) { rules(r); r.Settlement.AnswerTimeout = short(300 * time.Millisecond) }
	})
	b.signedOn()
	b.paid(iso8583.Sale, "S0", 100)
	id, body := client.NewUUID(), b.sale("S1", 200)
	body.Card = inserted()
	b.begin(id, body)
	tx, err := b.client.ConfirmWith(b.ctx(), id, client.Confirm{Chip: &client.ChipResult{CID: "40", AC: "B1B2B3B4B5B6B7B8", TVR: "0000008000"}})
	if err != nil || tx.State != "confirmed" {
		t.Fatalf("%+v %v", tx, err)
	}
	b.paid(iso8583.Sale, "S2", 300)
	b.fault(hostsim.Fault{Action: hostsim.ForceVerdict, Verdict: "2/1", Count: 1, Match: hostsim.Match{Kind: iso8583.KindSettle}})
	b.fault(hostsim.Fault{Action: hostsim.Silent, Count: 1, Match: hostsim.Match{Kind: iso8583.KindUploadChip}})
	if _, err := b.client.Settle(b.ctx(), testTID, ""); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, b.client, 1); got.State != "unbalanced" || got.Uploaded != 3 {
		t.Fatalf("%+v", got)
	}
	var codes []string // of the messages, each once, however often it was sent
	said, chip := map[string]int{}, 0
	for _, m := range b.host.Messages() {
		switch {
		case m.MTI == "0320" && m.Direction == "in":
			code := m.Fields[60][8:11]
			if said[code+m.Fields[11]]++; said[code+m.Fields[11]] == 1 {
				codes = append(codes, code)
			}
			if code == "203" {
				chip = said[code+m.Fields[11]]
				if m.Fields[61][6:12] != tx.STAN || m.Fields[4] != "000000000200" || m.Fields[55] == "" || m.Fields[2] == "" {
					t.Errorf("%v", m.Fields)
				}
			}
		case m.MTI == "0330" && m.Fields[39] != "00":
			t.Errorf("%v", m.Fields)
		}
	}
	if strings.Join(codes, " ") != "201 203 201 202" || chip < 2 {
		t.Errorf("%v, of these 203 %d times", codes, chip)
	}
}

// UnionPay's settlement over real sockets: flags per side, an upload in two
// messages, the last word, and a sign-on that names the next batch.
func TestUnionPaySettlement(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay"}, unionpay)
	b.signedOn()
	for i := range 9 {
		b.paid(iso8583.Sale, fmt.Sprint("S", i), 100)
	}
	b.fault(hostsim.Fault{Action: hostsim.ForceVerdict, Verdict: "2/1", Count: 1, Match: hostsim.Match{Kind: iso8583.KindSettle}})
	if _, err := b.client.Settle(b.ctx(), testTID, ""); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, b.client, 1); got.State != "unbalanced" || got.Uploaded != 9 || got.Domestic != "not balanced" || got.Foreign != "balanced" {
		t.Fatalf("%+v", got)
	}
	if s, err := b.client.SignOn(b.ctx(), testTID); err != nil || !s.Accepted {
		t.Fatalf("%+v, %v", s, err)
	}
	b.paid(iso8583.Sale, "T", 100)
	if _, err := b.client.Settle(b.ctx(), testTID, ""); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, b.client, 2); got.State != "balanced" || got.Number != "000002" || got.Totals.Debit != 100 {
		t.Fatalf("%+v", got)
	}
}
