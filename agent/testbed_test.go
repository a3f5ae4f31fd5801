package agent_test

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
	"github.com/counterfoil-pos/counterfoil/journal"
)

const (
	testPAN   = "4111111111111111"
	testTrack = "4111111111111111=30121010000012300"
	testTID   = "T0000001"
)

// bed is an agent, a simulated acquirer and a client, joined by real sockets.
type bed struct {
	t       *testing.T
	host    *hostsim.Host
	journal journal.Journal
	agent   *agent.Agent
	client  *client.Client
	epoch   uint64
	log     *safeBuffer
	socket  string
	profile string // iso87-ascii, unless it is set
	edited  string // the JSON of another, like it
	rules   func(*iso8583.Rules)
	extra   []string // more host addresses, before the simulated acquirer's
	only    []string // these addresses instead
	both    bool     // two addresses of the simulated acquirer
	opts    func(*agent.Options)
	api     agent.APIOptions
	stop    func() error
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func short(d time.Duration) iso8583.Duration { return iso8583.Duration(d) }

// quick shortens every timer, so that what takes minutes takes a blink.
func quick(r *iso8583.Rules) {
	r.SendTimeout, r.ResponseTimeout = short(2*time.Second), short(300*time.Millisecond)
	r.ConfirmTimeout, r.ShownTimeout = short(5*time.Second), short(time.Minute)
	r.DuplicateWindow = 0 // one card buys the same again and again here
	r.Reversal.AnswerTimeout, r.Reversal.MessageLifetime = short(300*time.Millisecond), short(200*time.Millisecond)
	r.Reversal.Schedule = []iso8583.Duration{0, short(50 * time.Millisecond)}
}

func newBed(t *testing.T, host hostsim.Config, options ...func(*bed)) *bed {
	t.Helper()
	change := everyBed
	if change == nil {
		change = func(*bed, *hostsim.Config) {}
	}
	change(&bed{t: t}, &host)
	h, err := hostsim.New(host, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	disk := journal.NewMemory(bytes.Repeat([]byte{7}, 32))
	disk.RollEvery = 4 // a restart recovers from a carry
	b := &bed{t: t, host: h, journal: disk, log: &safeBuffer{}, rules: quick, api: agent.APIOptions{PeerOf: agent.PeerCredentials(nil)}}
	b.socket = filepath.Join(t.TempDir(), "s")
	change(b, &host)
	for _, o := range options {
		o(b)
	}
	b.start()
	t.Cleanup(func() { _ = b.stop() })
	if everyBed != nil {
		b.signedOn()
	}
	return b
}

// start begins an agent on the bed's journal; after stop it recovers.
func (b *bed) start() {
	b.t.Helper()
	var err error
	if b.agent, err = b.make(); err != nil {
		b.t.Fatal(err)
	}
	l, err := agent.Listen(b.socket)
	if err != nil {
		b.t.Fatal(err)
	}
	b.serve(l)
}

// make is an agent on the bed's journal that does not run yet.
func (b *bed) make() (*agent.Agent, error) {
	b.t.Helper()
	name := "iso87-ascii"
	if b.profile != "" {
		name = b.profile
	}
	p, err := profile.Load(name)
	if b.edited != "" {
		p, err = profile.Parse("edited.json", []byte(b.edited))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.rules(&p.Rules)
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(b.log), zapcore.DebugLevel))
	hosts := append(b.extra, b.host.Addr(0))
	if b.both {
		hosts = b.host.Addrs()
	}
	if b.only != nil {
		hosts = b.only
	}
	opts := agent.Options{
		Journal: b.journal, Clock: agent.SystemClock(time.UTC), Log: log, Version: "test",
		Acquirers: []agent.AcquirerOptions{{Name: "sim", Profile: p, Hosts: hosts}},
		Terminals: []agent.TerminalOptions{
			{TID: testTID, MID: "M00000000000001", Acquirer: "sim"}, {TID: "T0000002", MID: "M00000000000001", Acquirer: "sim"},
		},
	}
	if b.opts != nil {
		b.opts(&opts)
	}
	return agent.New(opts)
}

func (b *bed) serve(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	srv := b.agent.Server(b.api)
	srv.Handler = held(b.t, srv.Handler)
	done, served := make(chan error, 1), make(chan struct{})
	go func() { done <- b.agent.Run(ctx) }()
	go func() { _ = srv.Serve(l); close(served) }()
	b.client = client.New(b.socket)
	b.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		_ = srv.Close()
		<-served
		b.client.Close()
		return err
	})
	h, err := b.client.Health(b.ctx())
	if err != nil {
		b.t.Fatal(err)
	}
	b.epoch = h.Epoch
}

func (b *bed) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bed) sale(ref string, amount int64) client.Begin {
	return client.Begin{
		Type: iso8583.Sale, Terminal: testTID, Epoch: b.epoch, Amount: amount, Currency: "CNY", Sale: ref,
		Card: client.Card{PAN: testPAN, Expiry: "3012", Track2: testTrack},
	}
}

func (b *bed) begin(uuid string, body client.Begin) *client.Transaction {
	b.t.Helper()
	tx, err := b.client.Begin(b.ctx(), uuid, body, 10*time.Second)
	if err != nil {
		b.t.Fatalf("begin: %v", err)
	}
	return tx
}

// until polls until the transaction is as wanted; every poll waits on the
// server, and the bed's deadline bounds all of them.
func (b *bed) until(uuid string, want func(*client.Transaction) bool) *client.Transaction {
	b.t.Helper()
	ctx := b.ctx()
	for {
		tx, err := b.client.Get(ctx, uuid, 0)
		if err != nil {
			b.t.Fatalf("until: %v\n%s", err, b.log)
		}
		if want(tx) {
			return tx
		}
	}
}

// untilUp polls until every address is up.
func (b *bed) untilUp() {
	b.t.Helper()
	ctx := b.ctx()
	for {
		h, err := b.client.Health(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		if !slices.ContainsFunc(h.Hosts, func(h client.Host) bool { return !h.Up }) {
			return
		}
	}
}

func (b *bed) untilState(uuid, state string) *client.Transaction {
	b.t.Helper()
	return b.until(uuid, func(tx *client.Transaction) bool { return tx.State == state })
}

func (b *bed) fault(f hostsim.Fault) {
	b.t.Helper()
	if _, err := b.host.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

// net is what the ledger holds in all.
func (b *bed) net() int64 { return hostsim.Summarise(b.host.Ledger()).NetTotal }
