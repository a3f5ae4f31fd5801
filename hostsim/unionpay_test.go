package hostsim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// posTerminal is a client that speaks unionpay, with its own keys.
type posTerminal struct {
	*client
	signer *mac.Software
	codec  *profile.Codec
	batch  string
}

func newTerminal(t *testing.T, h *Host) *posTerminal {
	t.Helper()
	c := dialProfile(t, h.Addr(0), "unionpay")
	method, _ := c.p.MAC()
	master, err := mac.ParseKey(TestTerminalKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mac.NewSoftware(method, master, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return &posTerminal{client: c, signer: s, codec: c.p.With(s), batch: "000001"}
}

// of is one message; what it follows is of the present batch.
func (c *posTerminal) of(kind iso8583.Kind, typ iso8583.Type, stan iso8583.STAN, minor int64, of iso8583.STAN, original iso8583.Type) *iso8583.Message {
	c.t.Helper()
	f := c.facts(kind, stan, minor)
	f.Type, f.Batch, f.Operator, f.Reason = typ, c.batch, "01 ", "98"
	f.Original = iso8583.Original{STAN: of, Batch: c.batch, Type: original}
	return c.compose(f)
}

func (c *posTerminal) request(typ iso8583.Type, stan iso8583.STAN, minor int64, of iso8583.STAN) *iso8583.Message {
	c.t.Helper()
	original := iso8583.Type("")
	if o := typ.Originals(); o != nil {
		original = o[0]
	}
	return c.of(typ.Kind(), typ, stan, minor, of, original)
}

// undo reverses the transaction with this STAN.
func (c *posTerminal) undo(typ iso8583.Type, stan iso8583.STAN, minor int64) *iso8583.Message {
	c.t.Helper()
	return c.of(iso8583.KindReversal, typ, stan, minor, stan, iso8583.Sale)
}

// exchange sends m, signed where it wants to be, and reads the answer.
func (c *posTerminal) exchange(m *iso8583.Message) *iso8583.Message {
	c.t.Helper()
	b, err := c.codec.Pack(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sendBody(b)
	if b, err = c.body(); err != nil {
		c.t.Fatal(err)
	}
	r, err := c.codec.Unpack(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// ask demands this code in a signed answer to m.
func (c *posTerminal) ask(m *iso8583.Message, code string) *iso8583.Message {
	c.t.Helper()
	r := c.exchange(m)
	if r.MTI != m.MTI.Response() || r.Get(39) != code || r.Get(11) != m.Get(11) || r.Get(60) != m.Get(60) || r.Get(3) != m.Get(3) || r.MAC != iso8583.MACValid {
		c.t.Fatalf("asked %v\n got %v, MAC %s, want code %s", m, r, r.MAC, code)
	}
	return r
}

// signOn takes the keys and the batch.
func (c *posTerminal) signOn(stan iso8583.STAN) *iso8583.Message {
	c.t.Helper()
	r := c.exchange(c.of(iso8583.KindSignOn, "", stan, 0, 0, ""))
	if r.MTI != "0810" || r.Get(39) != "00" || len(r.Get(12)) != 6 || len(r.Get(13)) != 4 {
		c.t.Fatalf("sign-on answered %v", r)
	}
	keys, err := c.p.WorkingKeys(r)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.signer.Load(keys); err != nil {
		c.t.Fatal(err)
	}
	c.batch = c.p.Batch(r)
	return r
}

func startUnionPay(t *testing.T, change func(*Config)) *Host {
	t.Helper()
	return startHost(t, func(cfg *Config) {
		cfg.Profile = "unionpay"
		if change != nil {
			change(cfg)
		}
	})
}

// The terminal's day, signed, and the ledger after it.
func TestUnionPayOverTheWire(t *testing.T) {
	path := t.TempDir() + "/ledger.jsonl"
	h := startUnionPay(t, func(cfg *Config) { cfg.OpeningBalance, cfg.Ledger = 5000, path })
	c := newTerminal(t, h)
	c.signOn(1)
	c.ask(c.request(iso8583.Sale, 2, 1000, 0), "00")
	if m := c.ask(c.request(iso8583.Refund, 3, 400, 2), "00"); m.MTI != "0230" {
		t.Errorf("refund answered %v", m)
	}
	c.ask(c.request(iso8583.Sale, 4, 500, 0), "00")
	c.ask(c.request(iso8583.Void, 5, 500, 4), "00")
	// C22: the reversal of a void leaves the debit standing
	c.ask(c.undo(iso8583.Void, 5, 500), "00")
	c.ask(c.request(iso8583.PreAuth, 6, 700, 0), "00")
	c.ask(c.request(iso8583.PreAuthVoid, 7, 700, 6), "00")
	c.ask(c.undo(iso8583.PreAuthVoid, 7, 700), "00")
	c.ask(c.request(iso8583.Completion, 8, 600, 6), "00")
	c.ask(c.of(iso8583.Kind(iso8583.Void), iso8583.Void, 9, 600, 8, iso8583.Completion), "00")
	c.ask(c.of(iso8583.KindReversal, iso8583.Void, 9, 600, 9, iso8583.Completion), "00")
	c.ask(c.undo(iso8583.Completion, 8, 600), "00")
	if m := c.ask(c.request(iso8583.Balance, 10, 0, 0), "00"); m.Has(4) || !strings.Contains(m.Get(54), "0001156C") {
		t.Errorf("balance answered %v", m)
	}
	c.ask(c.request(iso8583.Sale, 11, 100, 0), "00")
	c.ask(c.undo(iso8583.Sale, 11, 100), "00")
	want := []EntryView{
		entryOf("000002", StateApproved, 600), entryOf("000003", StateApproved, 0), entryOf("000004", StateApproved, 500),
		entryOf("000005", StateReversed, 0), entryOf("000006", StateApproved, 0), entryOf("000007", StateReversed, 0),
		entryOf("000008", StateReversed, 0), entryOf("000009", StateReversed, 0), entryOf("000011", StateReversed, 0),
	}
	expect(t, h, want...)
	if err := h.Restart(false, 0); err != nil {
		t.Fatal(err)
	}
	expect(t, h, want...)
	for _, m := range h.Messages() {
		noPAN(t, "the message log", fmt.Sprintf("%+v", m))
	}
}

// An echo has no STAN, and neither has its answer. A settlement's answer has
// flags and no response code.
func TestUnionPayEcho(t *testing.T) {
	c := newTerminal(t, startUnionPay(t, nil))
	if m := c.exchange(c.of(iso8583.KindEcho, "", 0, 0, 0, "")); m.MTI != "0830" || m.Get(39) != "00" || m.Has(11) {
		t.Errorf("echo answered %v", m)
	}
	f := c.facts(iso8583.KindSettle, 5, 0)
	f.Type, f.Amount.Currency, f.Batch, f.Operator, f.Settlement = "", cny, "000001", "01 ", &iso8583.Settlement{}
	if m := c.exchange(c.compose(f)); m.MTI != "0510" || m.Has(39) || c.p.Verdicts(m) != ([2]iso8583.BatchVerdict{iso8583.BatchBalanced, iso8583.BatchBalanced}) {
		t.Errorf("settlement answered %v", m)
	}
}

// A message whose MTI and type do not belong together is no sale.
func TestUnionPayMismatch(t *testing.T) {
	h := startUnionPay(t, func(cfg *Config) { cfg.NoMAC = true })
	c := newTerminal(t, h)
	for _, mti := range []iso8583.MTI{"0220", "0100", "0500", "0320"} {
		m := c.request(iso8583.Sale, 2, 1000, 0)
		m.MAC, m.MTI = iso8583.MACNone, mti
		if r := c.exchange(m); r.Get(39) != CodeFormat && r.Get(39) != CodeUnsupported {
			t.Errorf("%s with the type of a sale: %v", mti, r)
		}
	}
	expect(t, h)
}

// C9, C18: what is not rightly signed is answered A0 and moves nothing; a new
// sign-on mends it. Before the first one it is 77.
func TestC18KeyChange(t *testing.T) {
	h := startUnionPay(t, nil)
	c := newTerminal(t, h)
	w, err := mac.Unpack(make([]byte, 24))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.signer.Load(w); !errors.Is(err, mac.ErrCheckValue) {
		t.Fatal(err)
	}
	other := newTerminal(t, h)
	other.signOn(1)
	sale := c.request(iso8583.Sale, 2, 1000, 0)
	unsigned := func(stan iso8583.STAN) *iso8583.Message {
		m := c.request(iso8583.Sale, stan, 1000, 0)
		m.MAC = iso8583.MACNone
		return m
	}
	if r := c.exchange(unsigned(3)); r.Get(39) != codeBadMAC || r.MAC == iso8583.MACValid {
		t.Errorf("without a MAC, signed on elsewhere: %v", r)
	}
	c.signOn(4)
	old := *c
	oldKeys := c.signer
	c.ask(sale, "00")
	again := newTerminal(t, h) // the same terminal signs on anew, over another line
	again.signOn(5)
	c = &old
	c.signer = oldKeys
	if r := c.exchange(c.undo(iso8583.Sale, 2, 1000)); r.Get(39) != codeBadMAC || r.MAC.Doubtful() == false {
		t.Errorf("a reversal under the old key: %v, MAC %s", r, r.MAC)
	}
	expect(t, h, entryOf("000002", StateApproved, 1000))
	// the owed message gets a new MAC
	again.ask(again.undo(iso8583.Sale, 2, 1000), "00")
	expect(t, h, entryOf("000002", StateReversed, 0))
	// a host that lost its keys
	if err := h.Restart(true, 0); err != nil {
		t.Fatal(err)
	}
	last := newTerminal(t, h)
	last.signer, last.codec = again.signer, again.codec
	if r := last.exchange(last.request(iso8583.Sale, 6, 1000, 0)); r.Get(39) != codeSignOn || r.MAC != iso8583.MACMissing {
		t.Errorf("after the keys were lost: %v, MAC %s", r, r.MAC)
	}
	expect(t, h)
}

// C9: the host's own MAC, wrong and missing, on an approval and on a decline.
func TestC09MACs(t *testing.T) {
	for _, tc := range []struct {
		action Action
		minor  int64
		code   string
		want   iso8583.MAC
	}{
		{BadMAC, 1000, "00", iso8583.MACBad}, {NoMAC, 1000, "00", iso8583.MACMissing},
		{BadMAC, 5100, "51", iso8583.MACBad}, {NoMAC, 5100, "51", iso8583.MACMissing},
	} {
		t.Run(fmt.Sprintf("%s on %s", tc.action, tc.code), func(t *testing.T) {
			h := startUnionPay(t, func(cfg *Config) {
				cfg.Faults = []Fault{{Action: tc.action, Match: Match{Kind: iso8583.KindSale}}}
				cfg.Declines = []DeclineRule{{Amount: 5100, Code: "51"}}
			})
			c := newTerminal(t, h)
			c.signOn(1)
			if r := c.exchange(c.request(iso8583.Sale, 2, tc.minor, 0)); r.Get(39) != tc.code || r.MAC != tc.want {
				t.Errorf("%v, MAC %s; want %s with a %s one", r, r.MAC, tc.code, tc.want)
			}
			if tc.code == "00" {
				c.ask(c.undo(iso8583.Sale, 2, tc.minor), "00")
			}
		})
	}
}

// Without MACs nobody has to sign on, and nothing is signed.
func TestUnionPayWithoutMACs(t *testing.T) {
	h := startUnionPay(t, func(cfg *Config) { cfg.NoMAC = true })
	c := newTerminal(t, h)
	m := c.request(iso8583.Sale, 2, 1000, 0)
	m.MAC = iso8583.MACNone
	if r := c.exchange(m); r.Get(39) != "00" || r.Has(64) {
		t.Errorf("sale answered %v", r)
	}
	if r := c.exchange(c.of(iso8583.KindSignOn, "", 3, 0, 0, "")); r.Get(39) != "00" || r.Has(62) {
		t.Errorf("sign-on answered %v", r)
	}
}

// C19: a sign-on moves the batch, and what is owed is of the old one.
func TestC19BatchMovesAtSignOn(t *testing.T) {
	h := startUnionPay(t, func(cfg *Config) { cfg.SignOnBatch = BatchMoves })
	c := newTerminal(t, h)
	c.signOn(1)
	c.ask(c.request(iso8583.Sale, 2, 1000, 0), "00")
	owed := c.undo(iso8583.Sale, 2, 1000)
	if c.signOn(3); c.batch != "000002" {
		t.Fatalf("batch %s", c.batch)
	}
	// the same STAN in the new batch is another transaction
	c.ask(c.request(iso8583.Sale, 2, 700, 0), "00")
	c.ask(c.undo(iso8583.Sale, 9, 700), "25") // of no known STAN
	c.ask(owed, "00")
	expect(t, h, entryOf("000002", StateReversed, 0), entryOf("000002", StateApproved, 700))
}

// Reversals by the two real hosts of terminal-rules D, and by one that keeps
// tombstones: unknown, known, repeated, of a declined sale, of another amount,
// of another day, and a request that comes after its reversal.
func TestUnionPayPersonalities(t *testing.T) {
	type step struct {
		do   string // sale, reverse
		stan iso8583.STAN
		amt  int64
		day  int
		code string
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		steps  []step
		want   []EntryView
	}{
		"BP": {func(c *Config) { c.Personality, c.OtherDay, c.RewriteSTAN = "no-tombstones-00", "25", RewriteRecords }, []step{
			{"reverse", 1, 1000, 0, "00"}, {"sale", 1, 1000, 0, "00"}, {"reverse", 1, 1000, 0, "00"}, {"reverse", 1, 1000, 0, "25"},
			{"sale", 2, 5100, 0, "51"}, {"reverse", 2, 5100, 0, "01"},
			{"sale", 3, 1000, 0, "00"}, {"reverse", 3, 999, 0, "64"}, {"reverse", 3, 1000, 1, "25"},
		}, []EntryView{entryOf("000001", StateReversed, 0), entryOf("000002", StateDeclined, 0), entryOf("000003", StateApproved, 1000)}},
		"SPP": {func(c *Config) { c.Personality = "one-row-else-25" }, []step{
			{"reverse", 1, 1000, 0, "25"}, {"sale", 1, 1000, 0, "00"}, {"reverse", 1, 1000, 1, "00"}, {"reverse", 1, 1000, 1, "25"},
			{"sale", 3, 1000, 0, "00"}, {"reverse", 3, 1000, 2, "25"},
		}, []EntryView{entryOf("000001", StateReversed, 0), entryOf("000003", StateApproved, 1000)}},
		"strict": {func(c *Config) { c.Personality = "strict-tombstones" }, []step{
			{"reverse", 1, 1000, 0, "00"}, {"sale", 1, 1000, 0, "21"}, {"reverse", 1, 1000, 0, "00"},
			{"sale", 2, 1000, 0, "00"}, {"reverse", 2, 1000, 3, "00"}, {"reverse", 2, 1000, 3, "00"},
		}, []EntryView{entryOf("000001", StateTombstone, 0), entryOf("000002", StateReversed, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			day := 0
			h := startUnionPay(t, func(cfg *Config) {
				tc.change(cfg)
				cfg.Declines = []DeclineRule{{Amount: 5100, Code: "51"}}
				cfg.Now = func() time.Time { return time.Date(2026, 11, 21+day, 12, 0, 0, 0, time.UTC) }
			})
			c := newTerminal(t, h)
			c.signOn(900)
			for _, s := range tc.steps {
				day = s.day
				m := c.request(iso8583.Sale, s.stan, s.amt, 0)
				if s.do == "reverse" {
					m = c.undo(iso8583.Sale, s.stan, s.amt)
				}
				c.ask(m, s.code)
			}
			expect(t, h, tc.want...)
		})
	}
}

// The settings of keys and batches that cannot be.
func TestKeySettings(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{Profile: "unionpay", TerminalKey: "0123456789ABCDEFFEDCBA987654321X"}, "terminal_key: key: want whole bytes"},
		{Config{Profile: "unionpay", TerminalKey: strings.Repeat("01", 32)}, "terminal_key: key: 32 bytes make no des key"},
		{Config{SignOnBatch: "sometimes"}, "sign_on_batch: want keep or next"},
	} {
		_, err := New(tc.cfg, zap.NewNop())
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "0123456789ABCDEF") {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}

// B1, 0620: the host answers the notice of a script's result, and no money moves.
func TestUnionPayScriptResult(t *testing.T) {
	h := startUnionPay(t, nil)
	c := newTerminal(t, h)
	c.signOn(1)
	c.ask(c.request(iso8583.Sale, 2, 1000, 0), "00")
	notice := func(of iso8583.STAN, chip string) *iso8583.Message {
		f := c.facts(iso8583.KindScript, 3, 1000)
		f.Type, f.Batch, f.ChipData = iso8583.Sale, c.batch, chip
		f.Original = iso8583.Original{STAN: of, Batch: c.batch, LocalDate: "0314"}
		return c.compose(f)
	}
	before := fmt.Sprint(h.Ledger())
	for _, x := range []struct {
		of   iso8583.STAN
		chip string
		code string
	}{{2, "DF31052000000001", "00"}, {2, "DF31052000000001", "00"}, {9, "DF31052000000001", "25"}, {2, "95050000008000", "30"}} {
		if r := c.ask(notice(x.of, x.chip), x.code); r.MTI != "0630" || r.Has(55) {
			t.Errorf("%v", r)
		}
	}
	if after := fmt.Sprint(h.Ledger()); after != before {
		t.Errorf("the ledger holds %s, and held %s", after, before)
	}
}

// B1, 0320 with 203 and 204: the host wants the card's certificate, and whose it is.
func TestUnionPayChipUpload(t *testing.T) {
	h := startUnionPay(t, nil)
	c := newTerminal(t, h)
	c.signOn(1)
	for i, x := range []struct {
		kind       iso8583.Kind
		chip, code string
	}{
		{iso8583.KindUploadChip, "9F2608A1A2A3A4A5A6A7A89F270140", "00"},
		{iso8583.KindUploadChipFailed, "9F2608A1A2A3A4A5A6A7A89F270140", "00"},
		{iso8583.KindUploadChip, "9F2608A1A2A3A4A5A6A7A89F270180", "30"}, // a card that only asked
		{iso8583.KindUploadChip, "9F270140", "30"},
	} {
		f := c.facts(x.kind, iso8583.STAN(10+i), 1000)
		f.Type, f.Batch, f.ChipData = iso8583.Sale, c.batch, x.chip
		f.Original = iso8583.Original{STAN: 2, Batch: c.batch, LocalDate: "0314"}
		if r := c.exchange(c.compose(f)); r.MTI != "0330" || r.Get(39) != x.code || r.Has(55) {
			t.Errorf("%s %s: %v", x.kind, x.chip, r)
		}
	}
}
