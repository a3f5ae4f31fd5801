package agent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// asking is an agent with the dialect that has inquiries and advices.
func asking(change ...func(*iso8583.Rules)) func(*bed) {
	return func(b *bed) {
		b.profile = "iso87-ascii-inquiry"
		b.rules = func(r *iso8583.Rules) {
			quick(r)
			q, a := &r.Inquiry, &r.Advice
			q.After, q.Every, q.AnswerTimeout, q.Within = short(20*time.Millisecond), short(20*time.Millisecond), short(200*time.Millisecond), 0
			a.Schedule, a.AnswerTimeout = []iso8583.Duration{short(20 * time.Millisecond)}, short(200*time.Millisecond)
			for _, f := range change {
				f(r)
			}
		}
	}
}

// C.29: the answer to the sale is lost, the inquiry finds the approval, and
// nothing is reversed.
func TestC29FoundApproved(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking())
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 1})
	id := client.NewUUID()
	tx := b.begin(id, b.sale("S1", 1234)) // waits through the inquiry
	if tx.State != "approved" || tx.Must != client.MustConfirm || tx.Inquiries != 1 || tx.AuthCode == "" || tx.RRN == "" {
		t.Fatalf("%+v", tx)
	}
	if _, err := b.client.Confirm(b.ctx(), id); err != nil || b.net() != 1234 {
		t.Fatalf("%v, net %d", err, b.net())
	}
}

// C.29, in each personality, and with a request that the inquiry overtakes: the
// debit comes after "not found", and is undone.
func TestC29NeverFinal(t *testing.T) {
	for _, personality := range []string{"", "inquiry-not-found", "inquiry-in-progress", "inquiry-silent", "inquiry-another"} {
		for name, fault := range map[string]hostsim.Fault{
			"answer lost":    {Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 1},
			"request behind": {Action: hostsim.DelayRequest, Until: hostsim.UntilReversal, Match: hostsim.Match{Kind: "sale"}, Count: 1},
		} {
			if personality == "" && name == "answer lost" {
				continue // found
			}
			t.Run(personality+" "+name, func(t *testing.T) {
				b := newBed(t, hostsim.Config{Personality: personality}, asking(func(r *iso8583.Rules) { r.Inquiry.Attempts = 2 }))
				b.fault(fault)
				id := client.NewUUID()
				if tx := b.begin(id, b.sale("S1", 1234)); tx.State == "approved" || tx.State == "confirmed" {
					t.Fatalf("%+v", tx)
				}
				if tx := b.untilState(id, "reversed"); tx.Inquiries != 2 || b.net() != 0 {
					t.Fatalf("%+v, net %d", tx, b.net())
				}
			})
		}
	}
}

// C.29: the answer to the inquiry, an approval, comes after the reversal was
// queued.
func TestC29ApprovedAfterTheReversalWasQueued(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking(func(r *iso8583.Rules) { r.Inquiry.Attempts = 1 }))
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 1})
	b.fault(hostsim.Fault{Action: hostsim.Late, After: short(400 * time.Millisecond), Match: hostsim.Match{Kind: "inquiry"}})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 1234))
	b.untilState(id, "reversed")
	if tx := b.until(id, func(tx *client.Transaction) bool { return tx.LateApproval }); tx.State != "reversed" || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

// A restart in the middle of it: the inquiry goes on with the sealed card, and
// an attempt once counted stays counted.
func TestC29Restart(t *testing.T) {
	b := newBed(t, hostsim.Config{Personality: "inquiry-silent"}, asking(func(r *iso8583.Rules) { r.Inquiry.AnswerTimeout, r.Inquiry.Attempts = short(time.Minute), 2 }))
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "sale"}, Count: 1})
	id := client.NewUUID()
	if _, err := b.client.Begin(b.ctx(), id, b.sale("S1", 1234), 0); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		if tx := b.until(id, func(tx *client.Transaction) bool { return tx.Inquiries == n }); tx.Must != client.MustWait {
			t.Fatalf("%+v", tx)
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		b.start()
	}
	if tx := b.untilState(id, "reversed"); tx.Inquiries != 2 || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

// A refund 0220 is not reversed: inquired after, else a person's, and its
// original is locked until then.
func TestC29RefundUnknown(t *testing.T) {
	b := newBed(t, hostsim.Config{Personality: "inquiry-in-progress"}, asking(func(r *iso8583.Rules) {
		r.Inquiry.Attempts, r.Reversal.MessageLifetime = 2, 1 // the acquirer's word is taken at once
	}))
	sale := b.paid(iso8583.Sale, "S1", 1000)
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "refund"}, Count: 1})
	refund := client.NewUUID()
	tx := b.begin(refund, b.follow(iso8583.Refund, sale, 400))
	if tx.Must != client.MustCall || len(tx.Items) != 1 || tx.Items[0].Cause != "not_reversible" || b.net() != 600 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
	b.refused(b.follow(iso8583.Refund, sale, 100), "original_busy")
	b.refused(b.follow(iso8583.Void, sale, 0), "original_busy")
	if _, err := b.client.Resolve(b.ctx(), refund, client.Resolve{Verb: "acquirer-debited", Who: "Li", Why: "asked", Reference: "K1"}); err != nil {
		t.Fatal(err)
	}
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Refund, sale, 600)); tx.State != "confirmed" || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

func (b *bed) offline(ref string, amount int64) client.Begin {
	body := b.sale(ref, amount)
	body.Type, body.AuthCode = iso8583.Offline, "V00001"
	return body
}

// C.30: an advice is repeated until the host has it, under one identity, and
// booked once: the answers are lost, then 94.
func TestC30RepeatedUntil94(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking())
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: "offline"}, Count: 3})
	id := client.NewUUID()
	tx := b.begin(id, b.offline("S1", 1234))
	if tx.State != "advising" || !tx.AdviceOwed || tx.Must != client.MustShowApproved || tx.AuthCode != "V00001" {
		t.Fatalf("%+v", tx)
	}
	tx = b.untilState(id, "confirmed")
	if tx.AdviceSends != 4 || tx.ResponseCode != "94" || tx.AdviceOwed || b.net() != 1234 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
	var sent []string
	for _, m := range b.host.Messages() {
		if m.Kind == "offline" && m.Direction == "in" {
			sent = append(sent, string(m.MTI))
			if m.Fields[35]+m.Fields[52] != "" || m.Fields[38] != "V00001" || m.Fields[2] == "" {
				t.Errorf("%v", m.Fields)
			}
		}
	}
	if !slices.Equal(sent, []string{"0220", "0221", "0221", "0221"}) {
		t.Errorf("sent %v", sent)
	}
	if _, err := b.client.Cancel(b.ctx(), id, "customer"); client.AsProblem(err) == nil || client.AsProblem(err).Code != "already_confirmed" {
		t.Errorf("a cancel was answered %v", err)
	}
}

// C.30: refused. It reaches a person, holds nobody up, and is sent again only
// when he says so.
func TestC30Rejected(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking(func(r *iso8583.Rules) { r.Advice.Ordered = true }))
	b.fault(hostsim.Fault{Action: hostsim.Decline, Code: "57", Match: hostsim.Match{Kind: "offline"}, Count: 1})
	first, second := client.NewUUID(), client.NewUUID()
	b.begin(first, b.offline("S1", 1000))
	b.begin(second, b.offline("S2", 700))
	b.untilState(second, "confirmed")
	tx := b.until(first, func(tx *client.Transaction) bool { return len(tx.Items) > 0 })
	if tx.State != "advising" || tx.Items[0].Cause != "advice_refused" || tx.Must != client.MustCall || tx.AdviceSends != 1 || b.net() != 700 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
	b.refused(b.sale("S1", 1000), "sale_paid")
	if _, err := b.client.Resolve(b.ctx(), first, client.Resolve{Verb: "resume", Who: "Li", Why: "mended"}); err != nil {
		t.Fatal(err)
	}
	// The host's ledger remembers its no.
	b.until(first, func(tx *client.Transaction) bool { return tx.AdviceSends == 2 && len(tx.Items) == 2 })
}

// An advice survives a restart and is sent from what the journal has sealed.
func TestC30Restart(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking(func(r *iso8583.Rules) { r.Advice.AnswerTimeout = short(time.Minute) }))
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: "offline"}, Count: 1})
	id := client.NewUUID()
	b.begin(id, b.offline("S1", 1234))
	b.until(id, func(*client.Transaction) bool { return b.host.Faults()[0].Spent }) // the first one is lost, and no other
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	if tx := b.untilState(id, "confirmed"); tx.AdviceSends != 2 || b.net() != 1234 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

// C.30: a completion as an advice. Until the host has it, neither it nor its
// pre-authorisation can be followed.
func TestC30CompletionAsAdvice(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking())
	hold := b.paid(iso8583.PreAuth, "room-7", 1000)
	b.fault(hostsim.Fault{Action: hostsim.AnswerCode, Code: "91", Match: hostsim.Match{Kind: "completion"}})
	done := client.NewUUID()
	if tx := b.begin(done, b.follow(iso8583.Completion, hold, 800)); tx.State != "advising" || tx.Must != client.MustShowApproved {
		t.Fatalf("%+v", tx)
	}
	b.owed(b.follow(iso8583.Void, done, 0), "original_owed")
	b.owed(b.follow(iso8583.PreAuthVoid, hold, 0), "original_busy")
	b.host.RemoveFault(0)
	b.untilState(done, "confirmed")
	if b.net() != 800 {
		t.Fatalf("net %d", b.net())
	}
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, done, 0)); tx.State != "confirmed" || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
}

// owed is refused while an advice is being repeated, which journals.
func (b *bed) owed(body client.Begin, code string) {
	b.t.Helper()
	id := client.NewUUID()
	_, err := b.client.Begin(b.ctx(), id, body, 0)
	if p := client.AsProblem(err); p == nil || p.Code != code {
		b.t.Fatalf("want %s, got %v", code, err)
	}
	if _, err := b.client.Get(b.ctx(), id, 0); client.AsProblem(err) == nil || client.AsProblem(err).Code != "not_found" {
		b.t.Fatalf("%s: something was journaled: %v", code, err)
	}
}

// C.30: the queue at its bound refuses before the goods leave.
func TestC30QueueIsFull(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking(func(r *iso8583.Rules) { r.Advice.Limit = 2 }))
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: "offline"}})
	b.begin(client.NewUUID(), b.offline("S1", 100))
	b.begin(client.NewUUID(), b.offline("S2", 100))
	b.owed(b.offline("S3", 100), "advice_queue_full")
	// What is asked goes on.
	b.paid(iso8583.Sale, "S4", 100)
}

// What does not belong to an offline sale, or only to one.
func TestOfflineBadInput(t *testing.T) {
	b := newBed(t, hostsim.Config{}, asking())
	sale := b.sale("S1", 100)
	sale.AuthCode = "V00001"
	b.refused(sale, "bad_field")
	offline := b.offline("S1", 100)
	offline.AuthCode = "V-0001"
	b.refused(offline, "bad_field")
	offline = b.offline("", 100)
	b.refused(offline, "bad_field")
	offline = b.offline("S1", 0)
	b.refused(offline, "bad_field")

	other := newBed(t, hostsim.Config{}) // a dialect without it
	other.refused(other.offline("S1", 100), "unsupported_type")
}
