package hostsim

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

func TestAnswerEchoesAndAdds(t *testing.T) {
	h := startHost(t, nil)
	c := dial(t, h.Addr(0))
	req := c.sale(1, 1000)
	resp := c.ask(req, "00")
	for _, de := range []int{3, 4, 7, 11, 12, 13, 41, 42, 49} {
		if resp.Get(de) != req.Get(de) {
			t.Errorf("DE %d: %q, want %q", de, resp.Get(de), req.Get(de))
		}
	}
	for _, de := range []int{37, 38, 39} {
		if !resp.Has(de) {
			t.Errorf("DE %d is missing: %v", de, resp)
		}
	}
	for _, de := range []int{2, 14, 35, 52} {
		if resp.Has(de) {
			t.Errorf("DE %d is in the answer", de)
		}
	}
	rev := c.ask(c.reversal(1, 1000), "00")
	if rev.MTI != "0410" || rev.Get(37) != resp.Get(37) || rev.Has(38) {
		t.Errorf("reversal answered %v", rev)
	}
}

func TestEachRequestKind(t *testing.T) {
	for _, name := range []string{"iso87-ascii", "iso87-ascii-advice"} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, func(cfg *Config) { cfg.Profile = name })
			c := dialProfile(t, h.Addr(0), name)
			for i, kind := range []iso8583.Kind{
				iso8583.KindSignOn, iso8583.KindSale, iso8583.KindReversal, iso8583.KindReversalRepeat, iso8583.KindEcho,
			} {
				m := c.compose(c.facts(kind, 1, 1000))
				if r := c.ask(m, "00"); r.Get(70) != m.Get(70) {
					t.Fatalf("%d %s: %v", i, kind, r)
				}
			}
			expect(t, h, entryOf("000001", StateReversed, 0))
		})
	}
}

func TestBadRequests(t *testing.T) {
	h := startHost(t, nil)
	c := dial(t, h.Addr(0))
	change := func(m *iso8583.Message, mti iso8583.MTI, fields map[int]string) *iso8583.Message {
		if mti != "" {
			m.MTI = mti
		}
		for de, v := range fields {
			m.Set(de, v)
		}
		return m
	}
	c.ask(change(c.sale(1, 1000), "", map[int]string{7: ""}), "30")
	c.ask(change(c.sale(1, 1000), "", map[int]string{4: ""}), "30")
	c.ask(change(c.sale(1, 1000), "", map[int]string{49: "000"}), "30")
	c.ask(change(c.sale(1, 1000), "", map[int]string{3: "010000"}), "40") // cash: not here
	c.ask(change(c.sale(1, 1000), "0100", map[int]string{3: "200000"}), "40")
	c.ask(change(c.request(iso8583.Void, 1, 1000, 2), "", map[int]string{7: ""}), "30")
	c.ask(change(c.echo(1), "", map[int]string{70: "161"}), "40")
	c.ask(change(c.reversal(1, 1000), "", map[int]string{90: ""}), "30")
	c.ask(change(c.reversal(1, 1000), "", map[int]string{90: strings.Repeat("0", 42)}), "25")
	expect(t, h)
	c.ask(change(c.sale(1, 1000), "", map[int]string{2: "4111111111111112"}), "14")
	c.ask(change(c.sale(2, 1000), "", map[int]string{4: "000000000000"}), "13")
	c.ask(change(c.request(iso8583.Balance, 4, 0, 0), "", map[int]string{4: "000000000001"}), "13")
	c.ask(change(c.request(iso8583.Balance, 4, 0, 0), "", map[int]string{2: "4111111111111112"}), "14")
	expect(t, h, entryOf("000001", StateDeclined, 0), entryOf("000002", StateDeclined, 0))
	c.send(change(c.sale(3, 1000), "0210", nil)) // a response is not answered
	c.sendBody([]byte("0200 this is no message"))
	c.silent()
}

// C5: two frames in one write, a frame in pieces.
func TestFraming(t *testing.T) {
	h := startHost(t, nil)
	c := dial(t, h.Addr(0))
	var wire []byte
	for _, m := range []*iso8583.Message{c.sale(1, 100), c.sale(2, 200)} {
		b, err := c.p.Pack(m)
		if err != nil {
			t.Fatal(err)
		}
		if wire, err = c.p.Frame.Append(wire, b); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range [][]byte{wire[:1], wire[1:20], wire[20:]} {
		if _, err := c.c.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	for _, stan := range []string{"000001", "000002"} {
		if m := c.read(); m.Get(11) != stan || m.Get(39) != "00" {
			t.Fatalf("%v, want STAN %s", m, stan)
		}
	}
	if _, err := c.c.Write([]byte{0, 0}); err != nil { // zero length
		t.Fatal(err)
	}
	c.ended(errEOF)
}

func TestPendingOverTheWire(t *testing.T) {
	h := startHost(t, func(cfg *Config) { cfg.ProcessingDelay = soon })
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	expect(t, h, entryOf("000001", StateApproved, 1000))

	h = startHost(t, func(cfg *Config) {
		cfg.ProcessingDelay, cfg.Ledger = never, t.TempDir()+"/ledger.jsonl"
	})
	c = dial(t, h.Addr(0))
	c.send(c.sale(1, 1000))
	c.silent()
	expect(t, h, entryOf("000001", StatePending, 0))
	c.ask(c.reversal(1, 1000), "00")
	expect(t, h, entryOf("000001", StatePending, 0))
	if err := h.Restart(false, 0); err != nil {
		t.Fatal(err)
	}
	expect(t, h, entryOf("000001", StateDeclined, 0))
}

// C6: the reversal through the other address.
func TestSeveralAddresses(t *testing.T) {
	two := []string{"127.0.0.1:0", "127.0.0.1:0"}
	shared := startHost(t, func(cfg *Config) { cfg.Listen, cfg.SharedLedger = two, true })
	a, b := dial(t, shared.Addr(0)), dial(t, shared.Addr(1))
	a.ask(a.sale(1, 1000), "00")
	b.ask(b.reversal(1, 1000), "00")
	expect(t, shared, entryOf("000001", StateReversed, 0))

	dir, address := t.TempDir(), 1
	apart := startHost(t, func(cfg *Config) {
		cfg.Listen, cfg.Ledger = two, dir+"/ledger.jsonl"
		cfg.Faults = []Fault{{Action: ActCode, Code: "91", Match: Match{Address: &address, Kind: iso8583.KindSale}}}
	})
	a, b = dial(t, apart.Addr(0)), dial(t, apart.Addr(1))
	a.ask(a.sale(1, 1000), "00")
	b.ask(b.reversal(1, 1000), "25")
	b.ask(b.sale(2, 1000), "91")
	expect(t, apart, entryOf("000001", StateApproved, 1000))
	for _, f := range []string{"/ledger.jsonl", "/ledger.jsonl.1"} {
		if _, err := os.Stat(dir + f); err != nil {
			t.Error(err)
		}
	}
}

// C5: connection refused while the host is down; the port stays.
func TestRestartWithDownTime(t *testing.T) {
	h := startHost(t, nil)
	addr := h.Addr(0)
	c := dial(t, addr)
	c.ask(c.sale(1, 1000), "00")
	if err := h.Restart(false, time.Hour); err != nil {
		t.Fatal(err)
	}
	c.ended(errEOF)
	if conn, err := net.DialTimeout("tcp", addr, patience); err == nil {
		_ = conn.Close()
		t.Fatal("a connection was accepted while the host was down")
	}

	h = startHost(t, nil)
	addr = h.Addr(0)
	if err := h.Restart(false, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it never listened again")
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	h := startHost(t, func(cfg *Config) { cfg.Limits.Connections = 1 })
	first := dial(t, h.Addr(0))
	first.silent()
	second := dial(t, h.Addr(0))
	if _, err := second.body(); err == nil {
		t.Fatal("a second connection was served")
	}
	first.silent()
}

func TestDelayedIsBounded(t *testing.T) {
	h := startHost(t, func(cfg *Config) {
		cfg.Limits.Delayed = 1
		cfg.Faults = []Fault{{Action: Late, After: never, Match: Match{Kind: iso8583.KindSale}}}
	})
	c := dial(t, h.Addr(0))
	c.send(c.sale(1, 1000))
	c.send(c.sale(2, 1000))
	c.silent()
	expect(t, h, entryOf("000001", StateApproved, 1000), entryOf("000002", StateApproved, 1000))
	log := h.Messages()
	if note := log[len(log)-3].Note; !strings.Contains(note, "too many") {
		t.Fatalf("the second answer: %q", note)
	}
}

// A peer that reads nothing cannot hold the host: the write deadline closes it.
func TestWriteDeadline(t *testing.T) {
	server, peer := net.Pipe()
	defer func() { _ = peer.Close() }()
	h := startHost(t, func(cfg *Config) { cfg.Limits.WriteTimeout = soon })
	s := newSession(h, h.addresses[0], server)
	if err := s.write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("write gave %v", err)
	}
	if err := s.write([]byte("x")); err == nil {
		t.Fatal("the connection is still open")
	}
}

// Many terminals at once: every sale debits once, every second is reversed.
func TestManyTerminals(t *testing.T) {
	path := t.TempDir() + "/ledger.jsonl"
	h := startHost(t, func(cfg *Config) { cfg.Ledger = path })
	var wg sync.WaitGroup
	for i := range 8 {
		c := dial(t, h.Addr(0))
		tid := iso8583.TID("2000000" + string(rune('0'+i)))
		wg.Go(func() {
			for n := range 20 {
				f := c.facts(iso8583.KindSale, iso8583.STAN(n+1), 100)
				f.TID = tid
				c.send(c.compose(f))
				if m := c.read(); m.Get(39) != "00" || m.Get(41) != string(tid) {
					t.Errorf("%s: %v", tid, m)
				}
				if n%2 == 0 {
					continue
				}
				f.Kind = iso8583.KindReversal
				c.send(c.compose(f))
				if m := c.read(); m.Get(39) != "00" {
					t.Errorf("%s: %v", tid, m)
				}
			}
		})
	}
	wg.Wait()
	before := h.Ledger()
	if s := Summarise(before); len(s.Entries) != 160 || s.NetTotal != 8*10*100 {
		t.Fatalf("%d transactions, net %d", len(s.Entries), s.NetTotal)
	}
	if err := h.Restart(false, 0); err != nil {
		t.Fatal(err)
	}
	if after := h.Ledger(); !reflect.DeepEqual(before, after) {
		t.Fatal("the fold of the file differs from memory")
	}
}

// A card number is nowhere but on the wire.
func TestNoCardNumberOnDiskOrInLogs(t *testing.T) {
	path := t.TempDir() + "/ledger.jsonl"
	var logged bytes.Buffer
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logged), zap.DebugLevel))
	h, err := New(Config{Ledger: path, Faults: []Fault{{Action: Twice}}}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	c.read()
	c.sendBody([]byte("0200" + testPAN))
	c.silent()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noPAN(t, "the ledger file", string(ledger))
	noPAN(t, "the log", logged.String())
	for _, m := range h.Messages() {
		for de, v := range m.Fields {
			noPAN(t, "the message log", v)
			if de == 35 && strings.Contains(v, "=") {
				t.Fatal("track data in the message log")
			}
		}
		noPAN(t, "a note", m.Note)
	}
}

func TestTLS(t *testing.T) {
	cert, key, pool := selfSigned(t)
	h := startHost(t, func(cfg *Config) {
		cfg.TLS = &TLS{Certificate: cert, Key: key}
		cfg.Faults = []Fault{{Action: Close, Match: Match{STAN: "000002"}}}
	})
	plain := dial(t, h.Addr(0))
	plain.send(plain.sale(1, 1000))
	if b, err := plain.body(); err == nil {
		t.Fatalf("a plain connection was answered: %x", b)
	}
	secure := dial(t, h.Addr(0))
	tc := tls.Client(secure.c, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	secure.c, secure.f = tc, frame.NewConn(tc, secure.p.Frame)
	secure.ask(secure.sale(1, 1000), "00")
	secure.send(secure.sale(2, 1000))
	secure.ended(errEOF)

	if _, err := New(Config{TLS: &TLS{Certificate: key, Key: cert}}, zap.NewNop()); err == nil {
		t.Fatal("a key was taken for a certificate")
	}
}

// selfSigned makes a certificate for localhost in files.
func selfSigned(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = dir+"/cert.pem", dir+"/key.pem"
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, key, pool
}
