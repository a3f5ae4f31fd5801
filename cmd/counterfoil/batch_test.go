package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A batch that balances, then one that does not: the host kept a debit that it
// says it reversed. reconcile names it, from the host's side.
func TestSettleBatchesReconcile(t *testing.T) {
	b := newBed(t, declining)
	b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	b.expect("settle-balanced", exitOK, "settle", "DEV00001", "--who", "Li")
	b.fault(hostsim.Fault{Action: hostsim.ActCode, Code: "00", Count: 1, Match: hostsim.Match{Kind: iso8583.KindReversal}})
	b.sale("", "5.00", "kept", "--test-card", "2", "--confirm", "no")
	b.eventually("kept", func(t *client.Transaction) bool { return t.State == "reversed" })
	b.sale("", "7.00", "good", "--test-card", "3", "--confirm", "yes")
	b.expect("settle-unbalanced", exitFailed, "settle", "DEV00001")
	b.list("batches", "batches", "DEV00001")
	b.list("batch", "batches", "DEV00001", "2")
	b.list("batch-escalated", "escalations")
	all := b.host.Settlements("DEV00001")
	data, err := json.Marshal(all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "host.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b.list("reconcile", "reconcile", "DEV00001", "2", file)
	b.list("batch-closed", "batches", "DEV00001", "2", "--resolve", "close", "--who", "Li", "--why", "compared", "--reference", "K-1")
	b.list("batch-unknown", "batches", "DEV00001", "9")
	b.list("batch-usage", "batches", "DEV00001", "x")
	if err := os.WriteFile(file, []byte(`[{"stan":"1"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.list("reconcile-usage", "reconcile", "DEV00001", "2", file)
}

// reconcile compares by STAN and looks at both sides.
func TestReconcile(t *testing.T) {
	entry := func(stan string, debit int64, counted bool) client.BatchEntry {
		return client.BatchEntry{Transaction: client.Transaction{STAN: stan}, Counted: counted, Debit: debit}
	}
	b := &client.Batch{Totals: &client.BatchTotals{}, Transactions: []client.BatchEntry{
		entry("000001", 100, true), entry("000002", 200, true), entry("000003", 0, false), entry("000004", 400, true),
	}}
	got := reconcile(b, []hostList{{"000001", 100, 0}, {"000003", 300, 0}, {"000004", 401, 0}, {"000009", 900, 0}, {"000010", 0, 0}})
	want := []string{"the acquirer does not have it", "the acquirer has it, and it is in no totals here", "another amount", "this terminal does not know it"}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i].What != want[i] {
			t.Errorf("%d: %+v, want %s", i, got[i], want[i])
		}
	}
}
