package hostsim

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come. Nothing depends on its
// length.
const patience = 30 * time.Second

const testPAN = "4111111111111111"

// startHost runs a host for the test.
func startHost(t *testing.T, change func(*Config)) *Host {
	t.Helper()
	cfg := Config{}
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return h
}

// client is a terminal that knows nothing but the wire.
type client struct {
	t *testing.T
	p *profile.Profile
	c net.Conn
	f *frame.Conn
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	return dialProfile(t, addr, "iso87-ascii")
}

func dialProfile(t *testing.T, addr, name string) *client {
	t.Helper()
	p, err := profile.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{t: t, p: p, c: c, f: frame.NewConn(c, p.Frame)}
}

func (c *client) facts(kind iso8583.Kind, stan iso8583.STAN, minor int64) iso8583.Facts {
	pan, err := iso8583.ParsePAN(testPAN)
	if err != nil {
		c.t.Fatal(err)
	}
	return iso8583.Facts{
		Kind: kind, Type: iso8583.Sale, TID: "10000001", MID: "898600000000001", STAN: stan,
		Amount: iso8583.Amount{Minor: minor, Currency: cny}, Transmission: "0928143011",
		LocalTime: "223011", LocalDate: "0928", Reason: "68",
		Original: iso8583.Original{MTI: "0200", STAN: stan, Transmission: "0928143011"},
		Card:     &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "021", Track2: iso8583.NewSecret(testPAN + "=3012")},
	}
}

func (c *client) compose(f iso8583.Facts) *iso8583.Message {
	c.t.Helper()
	m, err := c.p.Compose(f)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *client) sale(stan iso8583.STAN, minor int64) *iso8583.Message {
	c.t.Helper()
	return c.compose(c.facts(iso8583.KindSale, stan, minor))
}

func (c *client) reversal(stan iso8583.STAN, minor int64) *iso8583.Message {
	c.t.Helper()
	return c.compose(c.facts(iso8583.KindReversal, stan, minor))
}

// request is that of a transaction of any type, which follows the one with the
// STAN of, where there is one.
func (c *client) request(typ iso8583.Type, stan iso8583.STAN, minor int64, of iso8583.STAN) *iso8583.Message {
	c.t.Helper()
	f := c.facts(typ.Kind(), stan, minor)
	f.Type = typ
	if originals := typ.Originals(); originals != nil {
		f.Original.STAN, f.Original.MTI = of, c.p.Rules.MTI[originals[0].Kind()]
	}
	return c.compose(f)
}

// undo is the reversal of a transaction of any type.
func (c *client) undo(typ iso8583.Type, stan iso8583.STAN, minor int64) *iso8583.Message {
	c.t.Helper()
	f := c.facts(iso8583.KindReversal, stan, minor)
	f.Type, f.Original.MTI = typ, c.p.Rules.MTI[typ.Kind()]
	return c.compose(f)
}

func (c *client) echo(stan iso8583.STAN) *iso8583.Message {
	c.t.Helper()
	return c.compose(c.facts(iso8583.KindEcho, stan, 0))
}

func (c *client) send(m *iso8583.Message) {
	c.t.Helper()
	b, err := c.p.Pack(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sendBody(b)
}

func (c *client) sendBody(b []byte) {
	c.t.Helper()
	if _, err := c.f.Write(time.Now().Add(patience), b); err != nil {
		c.t.Fatal(err)
	}
}

// body reads the next frame.
func (c *client) body() ([]byte, error) { return c.f.Read(time.Now().Add(patience)) }

// read gives the next message.
func (c *client) read() *iso8583.Message {
	c.t.Helper()
	b, err := c.body()
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := c.p.Unpack(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// ask sends m and demands this response code.
func (c *client) ask(m *iso8583.Message, code string) *iso8583.Message {
	c.t.Helper()
	c.send(m)
	r := c.read()
	if r.MTI != m.MTI.Response() || r.Get(39) != code || r.Get(11) != m.Get(11) {
		c.t.Fatalf("asked %v\n got %v, want code %s", m, r, code)
	}
	return r
}

// silent demands that nothing was answered: an echo sent now is answered
// first, since the host answers in order.
func (c *client) silent() {
	c.t.Helper()
	c.ask(c.echo(999), "00")
}

// ended demands that the host ended the connection in this manner.
func (c *client) ended(want error) {
	c.t.Helper()
	b, err := c.body()
	if !errors.Is(err, want) {
		c.t.Fatalf("read %d bytes, %v; want %v", len(b), err, want)
	}
}

// expect demands that the ledger holds these transactions and no other.
func expect(t *testing.T, h *Host, want ...EntryView) {
	t.Helper()
	got := h.Ledger()
	if len(got) != len(want) {
		t.Fatalf("the ledger has %d transactions, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if g := got[i]; g.STAN != w.STAN || g.State != w.State || g.Net != w.Net || g.Ledger != w.Ledger {
			t.Fatalf("transaction %d: %s, want %s", i, describe(g), describe(w))
		}
	}
}

func entryOf(stan string, state State, net int64) EntryView {
	return EntryView{STAN: stan, State: state, Net: net}
}

// noPAN demands that no card number is in text.
func noPAN(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(text, testPAN) {
		t.Fatalf("%s holds a card number", where)
	}
}

var (
	errEOF   = io.EOF
	errCut   = io.ErrUnexpectedEOF
	errReset = syscall.ECONNRESET
)
