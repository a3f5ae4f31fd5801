package hostsim

import (
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// inquiry asks, under a STAN of its own, about the request of STAN of.
func (c *client) inquiry(stan iso8583.STAN, typ iso8583.Type, of iso8583.STAN, minor int64) *iso8583.Message {
	c.t.Helper()
	f := c.facts(iso8583.KindInquiry, stan, minor)
	f.Type, f.Original.STAN, f.Original.MTI = typ, of, c.p.Rules.MTI[typ.Kind()]
	return c.compose(f)
}

// C.29: each way in which a host answers an inquiry. It changes no money.
func TestInquiries(t *testing.T) {
	for name, want := range map[string]struct{ approved, pending, unknown string }{
		"":                    {"00", "09", "25"},
		"inquiry-not-found":   {"25", "25", "25"},
		"inquiry-in-progress": {"09", "09", "09"},
		"inquiry-another":     {"00", "00", "00"},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, func(cfg *Config) {
				cfg.Personality = name
				cfg.ProcessingDelay = 0
			})
			c := dialProfile(t, h.Addr(0), "iso87-ascii-inquiry")
			sale := c.ask(c.sale(1, 1000), "00")
			c.ask(c.inquiry(11, iso8583.Sale, 2, 1000), want.unknown) // overtakes the sale, which then debits
			c.ask(c.sale(2, 1000), "00")
			m := c.ask(c.inquiry(12, iso8583.Sale, 1, 1000), want.approved)
			if same := m.Get(90)[4:10] == "000001"; same == (name == "inquiry-another") {
				t.Errorf("it speaks of %s", m.Get(90))
			}
			if name == "" && (m.Get(37) != sale.Get(37) || m.Get(38) != sale.Get(38) || m.Get(4) != "000000001000") {
				t.Errorf("the answer %v is not about %v", m, sale)
			}
			expect(t, h, entryOf("000001", StateApproved, 1000), entryOf("000002", StateApproved, 1000))
		})
		t.Run(name+" pending", func(t *testing.T) {
			h := startHost(t, func(cfg *Config) { cfg.Personality, cfg.ProcessingDelay = name, never })
			c := dialProfile(t, h.Addr(0), "iso87-ascii-inquiry")
			c.send(c.sale(1, 1000))
			c.ask(c.inquiry(11, iso8583.Sale, 1, 1000), want.pending)
		})
	}
	t.Run("inquiry-silent", func(t *testing.T) {
		h := startHost(t, func(cfg *Config) { cfg.Personality = "inquiry-silent"; cfg.ProcessingDelay = 0 })
		c := dialProfile(t, h.Addr(0), "iso87-ascii-inquiry")
		c.ask(c.sale(1, 1000), "00")
		c.send(c.inquiry(11, iso8583.Sale, 1, 1000))
		c.silent()
	})
}

// What the ledger says of a request that was declined, reversed, or approved
// for another amount.
func TestInquiryFollowsTheLedger(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		cfg.ProcessingDelay = 0
		cfg.Declines = []DeclineRule{{Amount: 51, Code: "51"}}
		cfg.Partials = []PartialRule{{Amount: 5000, Approve: 3000}}
	})
	c := dialProfile(t, h.Addr(0), "iso87-ascii-inquiry")
	c.ask(c.sale(1, 51), "51")
	c.ask(c.inquiry(11, iso8583.Sale, 1, 51), "51")
	c.ask(c.sale(2, 5000), "10")
	if m := c.ask(c.inquiry(12, iso8583.Sale, 2, 5000), "00"); m.Get(4) != "000000003000" {
		t.Errorf("a partial approval: DE 4 %s", m.Get(4))
	}
	c.ask(c.reversal(2, 5000), "00")
	c.ask(c.inquiry(13, iso8583.Sale, 2, 5000), "25")
	// A refund 0220 is asked, so it can be inquired after.
	c.ask(c.sale(3, 1000), "00")
	c.ask(c.request(iso8583.Refund, 4, 400, 3), "00")
	c.ask(c.inquiry(14, iso8583.Refund, 4, 400), "00")
	bad := c.inquiry(15, iso8583.Sale, 1, 51)
	bad.Set(90, "")
	c.ask(bad, "30")
	if s := Summarise(h.Ledger()); s.NetTotal != 600 {
		t.Errorf("net %d", s.NetTotal)
	}
}

// C.30: an advice is booked once per identity; a repeat, also where the first
// one never came, is the same advice; a rejected one stays rejected.
func TestAdvicesOverTheWire(t *testing.T) {
	for again, policy := range map[string]string{"94": "", "00": "00"} {
		h := startHost(t, func(cfg *Config) {
			cfg.ProcessingDelay, cfg.AdviceRepeat = 0, policy
			cfg.Declines = []DeclineRule{{Amount: 1400, Code: "14"}}
			cfg.Partials = []PartialRule{{Amount: 1000, Approve: 1}} // never of an advice
		})
		c := dialProfile(t, h.Addr(0), "iso87-ascii-inquiry")
		repeat := func(m *iso8583.Message) *iso8583.Message { m = m.Clone(); m.MTI = "0221"; return m }
		first := c.request(iso8583.Offline, 1, 1000, 0)
		c.ask(first, "00")
		c.ask(repeat(first), again)
		c.ask(repeat(c.request(iso8583.Offline, 2, 700, 0)), "00") // the first one was lost
		c.ask(c.request(iso8583.Offline, 2, 700, 0), again)        // and comes late
		c.ask(c.request(iso8583.Offline, 3, 1400, 0), "14")
		c.ask(repeat(c.request(iso8583.Offline, 3, 1400, 0)), "14")
		c.ask(c.request(iso8583.Offline, 1, 999, 0), "94") // another amount: a collision
		c.ask(c.request(iso8583.PreAuth, 4, 500, 0), "00")
		done := c.request(iso8583.Completion, 5, 400, 4)
		c.ask(done, "00")
		c.ask(repeat(done), again)
		void := c.request(iso8583.Void, 6, 1000, 1) // of what was told
		void.Set(90, iso8583.Original{MTI: "0220", STAN: 1, Transmission: first.Get(7)}.DE90())
		c.ask(void, "00")
		expect(t, h, entryOf("000001", StateApproved, 0), entryOf("000002", StateApproved, 700), entryOf("000003", StateDeclined, 0),
			entryOf("000004", StateApproved, 0), entryOf("000005", StateApproved, 400), entryOf("000006", StateApproved, 0))
	}
}
