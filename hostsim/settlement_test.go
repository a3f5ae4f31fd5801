package hostsim

import (
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// settle is a 0500, or the last word, with these totals of debits and credits.
func (c *client) settle(kind iso8583.Kind, stan iso8583.STAN, debit int64, debits int, credit int64, credits int) *iso8583.Message {
	c.t.Helper()
	f := c.facts(kind, stan, 0)
	f.Type = ""
	f.Settlement = &iso8583.Settlement{Totals: [2]iso8583.Totals{{Debit: debit, DebitCount: debits, Credit: credit, CreditCount: credits}}}
	return c.compose(f)
}

// C.31: this host compares what it holds itself. What is reversed, declined or
// only held is in no totals; a batch is closed once, and its 0500 may be
// repeated, also after a restart.
func TestSettlement(t *testing.T) {
	h := startHost(t, func(cfg *Config) { cfg.Ledger = t.TempDir() + "/ledger.jsonl" })
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	c.ask(c.sale(2, 2000), "00")
	c.ask(c.request(iso8583.Void, 3, 2000, 2), "00")
	c.ask(c.sale(4, 500), "00")
	c.ask(c.reversal(4, 500), "00")
	c.ask(c.request(iso8583.PreAuth, 5, 700, 0), "00")
	if m := c.ask(c.settle(iso8583.KindSettle, 6, 3000, 2, 0, 0), "95"); m.Get(66) != "2" {
		t.Errorf("not balanced: %v", m)
	}
	if m := c.ask(c.settle(iso8583.KindSettle, 7, 3000, 2, 2000, 1), "00"); m.Get(66) != "1" {
		t.Errorf("balanced: %v", m)
	}
	if err := h.Restart(false, 0); err != nil {
		t.Fatal(err)
	}
	c = dial(t, h.Addr(0))
	c.ask(c.settle(iso8583.KindSettle, 7, 3000, 2, 2000, 1), "00")
	c.ask(c.settle(iso8583.KindSettle, 8, 0, 0, 0, 0), "00") // empty
	c.ask(c.sale(9, 100), "00")
	c.ask(c.settle(iso8583.KindUploadEndUnbalanced, 10, 0, 0, 0, 0), "95") // the last word closes
	all := h.Settlements("10000001")
	if len(all) != 3 || all[0].Verdict != "1/1" || len(all[0].Transactions) != 3 || all[2].Verdict != "2/1" || all[2].Totals.Debit != 100 {
		t.Errorf("%+v", all)
	}
	// A reversal after that is taken all the same.
	c.ask(c.reversal(1, 1000), "00")
}

// C.31: the host can be made to disagree.
func TestSettlementDisagrees(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		cfg.Faults = []Fault{{Action: ForceVerdict, Verdict: "3/3", Match: Match{Kind: iso8583.KindSettle}, Count: 1}}
	})
	c := dial(t, h.Addr(0))
	if m := c.ask(c.settle(iso8583.KindSettle, 1, 0, 0, 0, 0), "95"); m.Get(66) != "3" {
		t.Errorf("%v", m)
	}
	for _, v := range []string{"", "1", "1/4", "11", "1/2/3"} {
		f := Fault{Action: ForceVerdict, Verdict: v}
		if f.Validate() == nil {
			t.Errorf("%q is taken", v)
		}
	}
}
