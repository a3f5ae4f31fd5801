package crash

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// What a failing disk does cannot be had with a process from outside, so these
// rows put an agent into the test process, over a journal that fails when it is
// told to.

// bench is a simulated acquirer, and agents one after the other before it.
type bench struct {
	t    *testing.T
	host *hostsim.Host
}

func newBench(t *testing.T) *bench {
	t.Helper()
	h, err := hostsim.New(hostsim.Config{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, host: h}
}

func (b *bench) fault(f hostsim.Fault) {
	b.t.Helper()
	if _, err := b.host.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

// net is what the ledger holds of an amount.
func (b *bench) net(amount int64) (sum int64) {
	for _, e := range find(b.host.Ledger(), iso8583.Sale, amount) {
		sum += e.Net
	}
	return sum
}

// running is an agent at work.
type running struct {
	*client.Client
	epoch uint64
	ended chan struct{} // closed when Run has returned
	err   error         // what it returned, then
	stop  func()
}

// run starts an agent over j. It ends with the test, or when stop is called.
func (b *bench) run(j journal.Journal) *running {
	b.t.Helper()
	p, err := profile.Load("iso87-ascii")
	if err != nil {
		b.t.Fatal(err)
	}
	r, ms := &p.Rules, func(n int) iso8583.Duration { return iso8583.Duration(time.Duration(n) * time.Millisecond) }
	r.SendTimeout, r.ResponseTimeout, r.ConfirmTimeout, r.ShownTimeout = ms(1000), ms(300), ms(600), ms(400)
	r.Reversal.AnswerTimeout, r.Reversal.MessageLifetime = ms(200), ms(200)
	r.Reversal.Schedule = []iso8583.Duration{0, ms(20), ms(50)}
	a, err := agent.New(agent.Options{
		Journal: j, Clock: agent.SystemClock(time.UTC), Version: "test",
		Acquirers: []agent.AcquirerOptions{{Name: "sim", Profile: p, Hosts: []string{b.host.Addr(0)}}},
		Terminals: []agent.TerminalOptions{{TID: "T0000001", MID: "M00000000000001", Acquirer: "sim"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	socket := filepath.Join(b.t.TempDir(), "s")
	l, err := agent.Listen(socket)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.serve(a, l, client.New(socket))
}

func (b *bench) serve(a *agent.Agent, l net.Listener, c *client.Client) *running {
	b.t.Helper()
	r := &running{Client: c, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	srv := a.Server(agent.APIOptions{PeerOf: agent.PeerCredentials(nil)})
	go func() {
		r.err = a.Run(ctx)
		close(r.ended)
	}()
	served := make(chan struct{})
	go func() {
		_ = srv.Serve(l)
		close(served)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-r.ended
		_ = srv.Close()
		<-served
		c.Close()
	})
	b.t.Cleanup(r.stop)
	h, err := r.Health(b.within())
	if err != nil {
		b.t.Fatal(err)
	}
	r.epoch = h.Epoch
	return r
}

func (b *bench) within() context.Context {
	ctx, cancel := within()
	b.t.Cleanup(cancel)
	return ctx
}

func (r *running) sale(amount int64, ref string) client.Begin {
	n := note{tid: "T0000001", typ: iso8583.Sale, sale: ref, amount: amount}
	return n.body(r.epoch)
}

// until asks until the transaction is as wanted.
func (b *bench) until(r *running, uuid string, want func(*client.Transaction) bool) *client.Transaction {
	b.t.Helper()
	ctx := b.within()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		tx, err := r.Get(ctx, uuid, 0)
		if err != nil {
			b.t.Fatal(err)
		}
		if want(tx) {
			return tx
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s stays %s, items %v", uuid, tx.State, open(tx))
		}
	}
}
