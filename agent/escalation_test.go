package agent_test

import (
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// escalated is a transaction whose reversal the host refused: an open item.
func (b *bed) escalated(ref string) *client.Transaction {
	b.t.Helper()
	b.fault(hostsim.Fault{Action: hostsim.RefuseReversal, Code: "21", Match: hostsim.Match{Kind: iso8583.KindReversal}})
	id := client.NewUUID()
	b.begin(id, b.sale(ref, 700))
	if _, err := b.client.Cancel(b.ctx(), id, "customer"); err != nil {
		b.t.Fatal(err)
	}
	return b.until(id, func(tx *client.Transaction) bool { return len(tx.Items) > 0 })
}

// An item says what happened, what the host said, where the procedure is, and
// who has taken it on; that survives a restart and closes nothing (P5).
func TestItemIsTakenOn(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	tx := b.escalated("S1")
	if i := tx.Items[0]; i.ID != tx.UUID+"/1" || i.Number != 1 || i.Procedure != "docs/operations.md#refused" || i.Meaning == "" || i.AcknowledgedBy != "" {
		t.Fatalf("%+v", i)
	}
	tx, err := b.client.Acknowledge(b.ctx(), tx.UUID, client.Acknowledge{Item: 1, Who: "Li Na"})
	if err != nil || tx.Items[0].AcknowledgedBy != "Li Na" || tx.Items[0].AcknowledgedAt == nil || tx.Items[0].Closed {
		t.Fatalf("%+v %v", tx, err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	list, err := b.client.Escalations(b.ctx())
	if err != nil || len(list.Transactions) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	i := list.Transactions[0].Items[0]
	if i.AcknowledgedBy != "Li Na" || i.Closed {
		t.Fatalf("%+v", i)
	}
	var said []string
	for _, m := range i.Evidence {
		said = append(said, m.Record+" "+m.Detail)
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, "reversal_answer code=21") || !strings.Contains(all, "approved auth_code") || strings.Contains(all, testPAN) {
		t.Fatalf("evidence:\n%s", all)
	}
}
