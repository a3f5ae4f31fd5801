package agent_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
	"github.com/counterfoil-pos/counterfoil/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an agent, a host and a client in memory: no socket, no disk, no real
// time. Everything in it ends with stop.
type lab struct {
	t        testing.TB
	profile  *profile.Profile
	host     *memHost
	journal  journal.Journal
	agent    *agent.Agent
	client   *client.Client
	epoch    uint64
	log      *safeBuffer
	dial     func(context.Context, int, string) (net.Conn, error)
	hosts    []string
	tids     []iso8583.TID
	implicit bool // the terminals' confirmation
	opts     func(*agent.Options)
	setup    func(*agent.Agent) // before Run
	check    func()             // after Run
	quiet    bool               // no log
	fails    bool               // Run is to end with an error
	peer     agent.Peer

	clock agent.Clock
	boot  time.Time
	http  *pipeListener
	stop  func() error
}

func newLab(t testing.TB, options ...func(*lab)) *lab {
	t.Helper()
	p, err := profile.Load("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	p.Rules.DuplicateWindow = 0 // one card buys the same again and again here
	l := &lab{
		t: t, profile: p, host: newMemHost(p), journal: journal.NewMemory(bytes.Repeat([]byte{7}, 32)), log: &safeBuffer{},
		hosts: []string{"host:1"}, tids: []iso8583.TID{testTID, "T0000002"}, boot: time.Now(), peer: agent.Peer{UID: 1000, Operator: true},
	}
	l.dial = l.host.dial
	l.clock = func() txn.Time {
		return txn.Time{Boot: time.Hour + time.Since(l.boot), Wall: time.Now().UnixMilli()}
	}
	for _, o := range options {
		o(l)
	}
	l.start()
	return l
}

// bubble runs fn in fake time and ends everything after it.
func bubble(t *testing.T, fn func(l *lab), options ...func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, options...)
		synctest.Wait()      // every address is up
		defer l.host.close() // also after Fatal: nothing may be left in the bubble
		defer func() {
			if err := l.stop(); err != nil && !l.fails {
				t.Errorf("Run: %v", err)
			}
			searchLab(t, l) // after every test: whatever it wrote
		}()
		fn(l)
	})
}

// start begins an agent on the lab's journal; after stop it recovers.
func (l *lab) start() {
	l.t.Helper()
	opts := agent.Options{
		Journal: l.journal, Clock: l.clock, Log: zap.NewNop(), Version: "test",
		Acquirers: []agent.AcquirerOptions{{Name: "sim", Profile: l.profile, Hosts: l.hosts, Dial: l.dial}},
	}
	if !l.quiet {
		opts.Log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(l.log), zapcore.DebugLevel))
	}
	for _, tid := range l.tids {
		opts.Terminals = append(opts.Terminals, agent.TerminalOptions{TID: tid, MID: "M00000000000001", Acquirer: "sim", Implicit: l.implicit})
	}
	if l.opts != nil {
		l.opts(&opts)
	}
	var err error
	if l.agent, err = agent.New(opts); err != nil {
		l.t.Fatal(err)
	}
	if l.setup != nil {
		l.setup(l.agent)
	}
	l.serve()
}

func (l *lab) serve() {
	l.http = &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	srv := l.agent.Server(agent.APIOptions{PeerOf: func(net.Conn) (agent.Peer, error) { return l.peer, nil }})
	srv.Handler = held(l.t, srv.Handler)
	var wg sync.WaitGroup
	var ran error
	wg.Go(func() { ran = l.agent.Run(ctx) })
	wg.Go(func() { _ = srv.Serve(l.http) })
	l.client = client.NewDialer(l.http.dial)
	l.stop = sync.OnceValue(func() error {
		cancel()
		_ = srv.Shutdown(context.Background()) // Run has ended: nobody waits any more
		wg.Wait()
		l.client.Close()
		if l.check != nil {
			l.check()
		}
		return ran
	})
	h, err := l.client.Health(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	l.epoch = h.Epoch
}

// reopen gives the journal to the next agent as a crash would leave it.
func (l *lab) reopen() { l.journal = l.journal.(*journal.Memory).Reopen() }

func (l *lab) ctx() context.Context { return context.Background() } // fake time has its own end

func (l *lab) sale(ref string, amount int64) client.Begin {
	return client.Begin{
		Type: iso8583.Sale, Terminal: testTID, Epoch: l.epoch, Amount: amount, Currency: "CNY", Sale: ref,
		Card: client.Card{PAN: testPAN, Expiry: "3012", Track2: testTrack},
	}
}

func (l *lab) begin(uuid string, body client.Begin, wait time.Duration) *client.Transaction {
	l.t.Helper()
	tx, err := l.client.Begin(l.ctx(), uuid, body, wait)
	if err != nil {
		l.t.Fatalf("begin: %v", err)
	}
	return tx
}

func (l *lab) get(uuid string) *client.Transaction {
	l.t.Helper()
	tx, err := l.client.Timeline(l.ctx(), uuid)
	if err != nil {
		l.t.Fatalf("get: %v", err)
	}
	return tx
}

// state asserts where a transaction stands.
func (l *lab) state(uuid, want string) *client.Transaction {
	l.t.Helper()
	tx := l.get(uuid)
	if tx.State != want {
		l.t.Fatalf("state %s, want %s\n%+v", tx.State, want, tx.Timeline)
	}
	return tx
}

// pipeListener is a net.Listener over net.Pipe.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
	case <-ctx.Done():
	}
	_ = near.Close()
	_ = far.Close()
	return nil, net.ErrClosed
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, http.ErrServerClosed
	}
}

func (p *pipeListener) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
