package agent_test

import (
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// B1, 0620, and C.27 "script fails": what came of the issuer's scripts is told to
// the host under a STAN of its own, signed, over a lost notice, lost keys and a
// restart, until it answers. Sales go on meanwhile, and no money moves.
func TestB1ScriptResult(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: iso8583.KindScript}})
	id, body := client.NewUUID(), b.sale("a", 1234)
	body.Card = inserted()
	b.begin(id, body)
	if tx, err := b.client.ConfirmWith(b.ctx(), id, agreed); err != nil || tx.State != "confirmed" || !tx.Chip.ScriptsOwed {
		t.Fatalf("%+v %v", tx, err)
	}
	b.paid(iso8583.Sale, "b", 500)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.host.Restart(true, 0); err != nil { // its keys are lost, and its ledger
		t.Fatal(err)
	}
	b.host.RemoveFault(0)
	b.start()
	for ctx := b.ctx(); ; {
		tx, err := b.client.Get(ctx, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !tx.Chip.ScriptsOwed {
			break
		}
	}
	tx, err := b.client.Timeline(b.ctx(), id)
	if err != nil || len(tx.Items) != 0 {
		t.Fatalf("%+v %v", tx, err)
	}
	var told []string
	for _, m := range tx.Timeline {
		if strings.HasPrefix(m.Record, "script") {
			told = append(told, m.Record+" "+m.Detail)
		}
	}
	if len(told) != 2 || told[1] != "script_ended code=25" { // it knows no such sale any more: that is an answer
		t.Errorf("%q", told)
	}
	stans := map[string]bool{}
	for _, m := range b.host.Messages() {
		if m.MTI == "0620" && m.Direction == "in" {
			stans[m.Fields[11]] = true
			if m.Fields[60] != "00000001951" || m.Fields[61][:12] != "000001"+tx.STAN || m.Fields[4] != "000000001234" || m.Fields[55] == "" || m.Fields[64] == "" {
				t.Errorf("%v", m.Fields)
			}
		}
	}
	if len(stans) != 1 || stans[tx.STAN] {
		t.Errorf("STANs %v", stans)
	}
}
