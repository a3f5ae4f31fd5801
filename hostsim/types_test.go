package hostsim

import (
	"os"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The terminal's day over the wire, in both dialects.
func TestEachTypeOverTheWire(t *testing.T) {
	for _, name := range []string{"iso87-ascii", "iso87-ascii-advice"} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/ledger.jsonl"
			h := startHost(t, func(cfg *Config) { cfg.Profile, cfg.Ledger, cfg.OpeningBalance = name, path, 5000 })
			c := dialProfile(t, h.Addr(0), name)
			sale := c.ask(c.sale(1, 1000), "00")
			c.ask(c.request(iso8583.Refund, 2, 400, 1), "00")
			c.ask(c.undo(iso8583.Refund, 2, 400), "00")
			void := c.request(iso8583.Void, 3, 1000, 1)
			void.Set(37, sale.Get(37))
			void.Set(38, sale.Get(38))
			answer := c.ask(void, "00")
			if answer.MTI != "0210" || answer.Get(3) != "020000" || answer.Get(37) == sale.Get(37) || !answer.Has(38) {
				t.Errorf("void answered %v", answer)
			}
			c.ask(c.undo(iso8583.Void, 3, 1000), "00")
			if m := c.ask(c.request(iso8583.PreAuth, 4, 700, 0), "00"); m.MTI != "0110" {
				t.Errorf("pre-authorisation answered %v", m)
			}
			c.ask(c.request(iso8583.PreAuthVoid, 5, 700, 4), "00")
			c.ask(c.undo(iso8583.PreAuthVoid, 5, 700), "00")
			c.ask(c.request(iso8583.Completion, 6, 600, 4), "00")
			c.ask(c.undo(iso8583.Completion, 6, 600), "00")
			balance := c.ask(c.request(iso8583.Balance, 7, 0, 0), "00")
			if got, want := balance.Get(54), "0001156C000000004000"+"0002156C000000003300"; got != want {
				t.Errorf("balance %s, want %s", got, want)
			}
			c.ask(c.undo(iso8583.PreAuth, 4, 700), "00")
			want := []EntryView{
				entryOf("000001", StateApproved, 1000), entryOf("000002", StateReversed, 0), entryOf("000003", StateReversed, 0),
				entryOf("000004", StateReversed, 0), entryOf("000005", StateReversed, 0), entryOf("000006", StateReversed, 0),
			}
			expect(t, h, want...)
			if err := h.Restart(false, 0); err != nil {
				t.Fatal(err)
			}
			expect(t, h, want...)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			noPAN(t, "the ledger file", string(text))
		})
	}
}

// A void is found by DE 37 where another terminal asks for it.
func TestVoidAtAnotherTerminal(t *testing.T) {
	h := startHost(t, nil)
	c := dial(t, h.Addr(0))
	sale := c.ask(c.sale(1, 1000), "00")
	void := c.request(iso8583.Void, 2, 1000, 1)
	void.Set(41, "10000002")
	c.ask(void, "25")
	void.Set(11, "000003")
	void.Set(37, sale.Get(37))
	c.ask(void, "00")
	if s := Summarise(h.Ledger()); s.NetTotal != 0 {
		t.Fatalf("net %d", s.NetTotal)
	}
}

// Faults match each kind, and a reversal of each kind releases what waits for
// it (C15).
func TestFaultsOnEachType(t *testing.T) {
	for _, typ := range iso8583.Types() {
		t.Run(string(typ), func(t *testing.T) {
			h := startHost(t, func(cfg *Config) {
				cfg.Faults = []Fault{
					{Action: DelayRequest, Until: UntilReversal, Match: Match{Kind: typ.Kind(), STAN: "000002"}, Count: 1},
					{Action: Decline, Code: "57", Match: Match{Kind: typ.Kind(), STAN: "000003"}},
				}
			})
			c, other := dial(t, h.Addr(0)), dial(t, h.Addr(0))
			if !c.p.Rules.Supports(typ) {
				t.Skip("not in this dialect: TestAdvicesOverTheWire")
			}
			var minor int64
			var of iso8583.STAN
			if typ.MovesMoney() {
				minor = 1000
			}
			if originals := typ.Originals(); originals != nil {
				of = 1
				c.ask(c.request(originals[0], of, minor, 0), "00")
			}
			c.ask(c.request(typ, 3, minor, of), "57")
			c.send(c.request(typ, 2, minor, of))
			c.silent()
			if !typ.MovesMoney() {
				if note := h.Messages()[len(h.Messages())-3].Note; !strings.Contains(note, "lost") {
					t.Errorf("a balance inquiry waits for a reversal: %q", note)
				}
				return
			}
			other.ask(other.undo(typ, 2, minor), "25")
			if m := c.read(); m.Get(11) != "000002" || m.Get(39) != "00" {
				t.Fatalf("the delayed request was answered %v", m)
			}
		})
	}
}

func TestPartialRules(t *testing.T) {
	h := startHost(t, func(cfg *Config) { cfg.Partials = []PartialRule{{Amount: 5000, Approve: 3000}} })
	c := dial(t, h.Addr(0))
	for range 2 { // and its repeat
		if m := c.ask(c.sale(1, 5000), "10"); m.Get(4) != "000000003000" || !m.Has(38) {
			t.Errorf("%v", m)
		}
	}
	c.ask(c.request(iso8583.Refund, 2, 3001, 1), "61")
	c.ask(c.reversal(1, 5000), "00")
	expect(t, h, entryOf("000001", StateReversed, 0), entryOf("000002", StateDeclined, 0))
}

// A file from before there were other types than sales.
func TestOldLedgerFile(t *testing.T) {
	path := t.TempDir() + "/ledger.jsonl"
	old := `{"n":1,"at":"2026-09-28T14:30:11Z","type":"debit","key":"0200/10000001/000001/0928143011","amount":1000,"currency":"CNY","pan":"411111******1111","code":"00","rrn":"000000000001","auth_code":"000001"}
{"n":2,"at":"2026-09-28T14:30:12Z","type":"undebit","key":"0200/10000001/000001/0928143011","amount":1000}
{"n":3,"at":"2026-09-28T14:30:13Z","type":"tombstone","key":"0200/10000001/000002/0928143011","amount":500,"currency":"CNY","pan":"411111******1111","rrn":"000000000003"}
{"n":4,"at":"2026-09-28T14:30:14Z","type":"refuse","key":"0200/10000001/000002/0928143011","code":"21"}
{"n":5,"at":"2026-09-28T14:30:15Z","type":"debit","key":"0200/10000001/000003/0928143011","amount":700,"currency":"CNY","pan":"411111******1111","code":"00","rrn":"000000000005","auth_code":"000005"}
{"n":6,"at":"2026-09-28T14:30:16Z","type":"pending","key":"0200/10000001/000004/0928143011","amount":800,"currency":"CNY","pan":"411111******1111"}
{"n":7,"at":"2026-09-28T14:30:17Z","type":"mark","key":"0200/10000001/000004/0928143011"}
`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHost(t, func(cfg *Config) { cfg.Ledger = path })
	expect(t, h, entryOf("000001", StateReversed, 0), entryOf("000002", StateTombstone, 0),
		entryOf("000003", StateApproved, 700), entryOf("000004", StateDeclined, 0))
	for _, e := range h.Ledger() {
		if e.Type != iso8583.Sale {
			t.Errorf("%s is a %s", e.Key, e.Type)
		}
	}
	c := dial(t, h.Addr(0))
	c.ask(c.request(iso8583.Void, 5, 700, 3), "00")
}

// A hold that nobody completes or releases is seen at a glance.
func TestTextShowsOpenHolds(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		withControl(cfg)
		cfg.ProcessingDelay = 0
	})
	c := dial(t, h.Addr(0))
	c.ask(c.request(iso8583.PreAuth, 1, 1000, 0), "00")
	c.ask(c.request(iso8583.PreAuth, 2, 2000, 0), "00")
	c.ask(c.request(iso8583.Completion, 3, 1500, 2), "00")
	text := call(t, h, "GET", "/ledger?format=text", "", 200)
	for _, want := range []string{
		"HELD", "preauth", "completion", "3 transactions, 1 open holds, net 1500 minor units, held 1000",
		"terminal 10000001 STAN 000001  411111******1111  holds 10.00 CNY; nobody completed or released it",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "OPEN HOLD"); n != 1 {
		t.Errorf("%d open holds listed:\n%s", n, text)
	}
	call(t, h, "POST", "/assert", `{"no_open_hold":true}`, 409)
	call(t, h, "POST", "/assert", `{"exact":true,"entries":[{"tid":"10000001","stan":"000003","net":1500}]}`, 409)
	call(t, h, "POST", "/assert", `{"exact":true,"entries":[{"tid":"10000001","stan":"000003","net":1500},
		{"tid":"10000001","stan":"000001","held":1000}]}`, 200)
	c.ask(c.request(iso8583.PreAuthVoid, 4, 1000, 1), "00")
	call(t, h, "POST", "/assert", `{"no_open_hold":true,"net_total":1500}`, 200)

	h = startHost(t, func(cfg *Config) {
		withControl(cfg)
		cfg.ProcessingDelay = never
	})
	c = dial(t, h.Addr(0))
	c.send(c.sale(1, 1000))
	c.send(c.request(iso8583.Balance, 2, 0, 0)) // pending too, and no hold
	c.silent()
	if text := call(t, h, "GET", "/ledger?format=text", "", 200); !strings.Contains(text, "sale of 10.00 CNY is pending") || strings.Count(text, "OPEN HOLD") != 1 {
		t.Errorf("%s", text)
	}
}
