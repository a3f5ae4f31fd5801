package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// The agent stops while calls wait: each answers what is known, at once.
func TestStopWhileCallsWait(t *testing.T) {
	bubble(t, func(l *lab) {
		id, start := client.NewUUID(), time.Now()
		put := calling(func() (*client.Transaction, error) {
			return l.client.Begin(l.ctx(), id, l.sale("S1", 100), 2*time.Minute)
		})
		get := calling(func() (*client.Transaction, error) { return l.client.Get(l.ctx(), id, 2*time.Minute) })
		if put.answered() || get.answered() {
			t.Fatal("answered without an outcome")
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, c := range []*call{put, get} {
			if !c.answered() || c.err != nil || c.tx.State != "pending" || c.tx.Must != client.MustWait {
				t.Errorf("%+v %v", c.tx, c.err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("after %s", took)
		}
		l.reopen()
		l.start()
		synctest.Wait()
		if tx := l.get(id); tx.State != "reversing" || tx.Cause != "restart" {
			t.Errorf("%+v", tx)
		}
	}, func(l *lab) { l.host.mishap = only('2', mishap{mute: true}) })
}

// The same request many times at once runs once.
func TestSameRequestAtOnce(t *testing.T) {
	bubble(t, func(l *lab) {
		id, body := client.NewUUID(), l.sale("S1", 100)
		var calls []*call
		for range 20 {
			c := &call{done: make(chan struct{})}
			calls = append(calls, c)
			go func() {
				defer close(c.done)
				c.tx, c.err = l.client.Begin(l.ctx(), id, body, time.Minute)
			}()
		}
		synctest.Wait()
		for _, c := range calls {
			if !c.answered() || c.err != nil || c.tx.State != "approved" {
				t.Fatalf("%+v %v", c.tx, c.err)
			}
		}
		if m := l.host.messages(); len(m) != 1 || l.host.total() != 100 {
			t.Errorf("%v, the ledger holds %d", m, l.host.total())
		}
	}, settledAlike)
}

// R11, at once: of many attempts at one part, one is admitted.
func TestManyAttemptsAtOnce(t *testing.T) {
	bubble(t, func(l *lab) {
		var admitted, refused atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := l.client.Begin(l.ctx(), client.NewUUID(), l.sale("S1", 100), time.Minute)
				switch p := client.AsProblem(err); {
				case err == nil:
					admitted.Add(1)
				case p != nil && p.Code == "sale_open":
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if admitted.Load() != 1 || refused.Load() != 19 || l.host.total() != 100 {
			t.Errorf("%d admitted, %d refused, the ledger holds %d", admitted.Load(), refused.Load(), l.host.total())
		}
	}, settledAlike)
}

// Calls that wait for an outcome leave room for the others: a confirm is never
// kept out by them.
func TestWaitersLeaveRoom(t *testing.T) {
	bubble(t, func(l *lab) {
		approved, pending := client.NewUUID(), client.NewUUID()
		l.begin(approved, l.sale("S1", 100), time.Minute)
		l.begin(pending, l.sale("S2", muteAmount), 0)
		var wg sync.WaitGroup
		for range agent.MaxRequests {
			wg.Go(func() { _, _ = l.client.Get(l.ctx(), pending, 30*time.Second) })
		}
		synctest.Wait()
		start := time.Now()
		if _, err := l.client.Confirm(l.ctx(), approved); err != nil {
			t.Error(err)
		}
		if tx, err := l.client.Get(l.ctx(), pending, time.Minute); err != nil || tx.State != "pending" || time.Since(start) != 0 {
			t.Errorf("one more: %+v %v after %s", tx, err, time.Since(start))
		}
		wg.Wait()
	}, moody)
}

// blind is a journal that cannot unseal, so often.
type blind struct {
	*journal.Memory
	left atomic.Int32
}

func (b *blind) Unseal(r journal.Record) ([]byte, error) {
	if b.left.Add(-1) >= 0 {
		return nil, errDisk
	}
	return b.Memory.Unseal(r)
}

// A reversal that cannot be composed has certainly not left: it is tried again
// by the schedule, at once and not after the timeout of an answer, and the
// first that does leave is no repeat.
func TestWhatCannotBeSentIsTriedAgain(t *testing.T) {
	b := &blind{Memory: newGate().Memory}
	bubble(t, func(l *lab) {
		b.left.Store(2)
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 100), time.Minute)
		if _, err := l.client.Cancel(l.ctx(), id, "customer"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		if tx := l.state(id, "reversed"); tx.Attempts != 3 || l.host.total() != 0 {
			t.Errorf("%+v", tx)
		}
		if m := l.host.messages(); !slices.Equal(m, []string{"0200", "0400"}) {
			t.Errorf("%v", m)
		}
	}, func(l *lab) { l.journal = b })
}

// C.25, configuration changed meanwhile: a terminal is gone while it owes a
// reversal. A person hears of it, and when it is back the reversal is sent.
func TestTerminalGoneWhileAReversalIsOwed(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 100), time.Minute)
		tids := l.tids
		restart := func(tids ...iso8583.TID) {
			if err := l.stop(); err != nil {
				t.Fatal(err)
			}
			l.tids = tids
			l.reopen()
			l.start()
		}
		if _, err := l.client.Cancel(l.ctx(), id, "customer"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		restart("T0000002")
		time.Sleep(10 * time.Minute)
		tx := l.state(id, "reversing")
		if len(tx.Items) != 1 || tx.Items[0].Cause != "silence" {
			t.Fatalf("%+v", tx.Items)
		}
		if !strings.Contains(l.log.String(), "no longer configured") {
			t.Error("the log does not say why")
		}
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 422, "unknown_terminal", client.RetryNewID, ""})
		restart(tids...)
		time.Sleep(10 * time.Minute)
		l.state(id, "reversed")
		if l.host.total() != 0 {
			t.Errorf("the ledger holds %d", l.host.total())
		}
	}, func(l *lab) { l.host.mishap = first(1, '4', mishap{drop: true}) })
}

// slow is a journal whose look-ups wait.
type slow struct {
	*journal.Memory
	wait chan struct{}
}

func (s *slow) Lookup(key string) ([]journal.Record, error) {
	<-s.wait
	return s.Memory.Lookup(key)
}

// A host that sends answers to nobody, faster than the disk looks them up,
// slows the loop down and does not stop it.
func TestFloodOfStrangeAnswers(t *testing.T) {
	s := &slow{Memory: newGate().Memory}
	bubble(t, func(l *lab) {
		synctest.Wait()
		go func() {
			for i := range 600 {
				m := iso8583.NewMessage("0210")
				m.Set(4, "000000000100")
				m.Set(11, iso8583.STAN(1000+i).String())
				m.Set(39, "00")
				m.Set(41, testTID)
				l.host.unsolicited(m)
			}
		}()
		synctest.Wait()
		put := calling(func() (*client.Transaction, error) {
			return l.client.Begin(l.ctx(), client.NewUUID(), l.sale("S1", 100), 20*time.Second)
		})
		close(s.wait)
		synctest.Wait()
		if !put.answered() || put.err != nil || put.tx.State != "approved" {
			t.Fatalf("%+v %v", put.tx, put.err)
		}
		if n := len(evidence(t, l.journal)); n > 40 {
			t.Errorf("%d strange answers were kept: they fill the journal", n)
		}
	}, func(l *lab) { s.wait, l.journal, l.quiet = make(chan struct{}), s, true })
}

// Something happens to a transaction long after it left memory. A restart folds
// it all the same: what is owed is not forgotten.
func TestRecoveryOfWhatHadLeftMemory(t *testing.T) {
	bubble(t, func(l *lab) {
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		m := txn.New()
		if err := l.journal.Scan(1, func(e journal.Record) error {
			r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
			m.Apply(r)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		step := func(ev txn.Event) {
			if _, err := l.journal.Append(agent.Entries(m.Step(l.clock(), ev).Records)); err != nil {
				t.Fatal(err)
			}
		}
		pan, err := iso8583.ParsePAN(testPAN)
		if err != nil {
			t.Fatal(err)
		}
		step(txn.Configure{Terminals: []txn.Terminal{{TID: testTID, MID: "M00000000000001", Rules: l.profile.Rules, Routes: 1}}})
		answer := func(i int, code string) {
			step(txn.Response{MTI: "0210", TID: testTID, STAN: iso8583.STAN(i + 1), Code: code, Amount: "000000000100", Currency: "156", Text: "0210"})
		}
		const n = 2100 // more than memory keeps
		ids := make([]string, n)
		for i := range n {
			ids[i] = client.NewUUID()
			step(txn.Begin{
				UUID: ids[i], Epoch: m.Epoch(), TID: testTID, Type: iso8583.Sale, Sale: fmt.Sprint("S", i), Digest: "d",
				Amount: iso8583.Amount{Minor: 100, Currency: 156}, Card: &iso8583.Card{PAN: pan, EntryMode: "012"},
			})
			answer(i, "51")
		}
		answer(0, "00") // the first one, declined long ago, is approved now
		if m.Get(ids[0]).State != txn.StateReversing {
			t.Fatalf("%+v", m.Get(ids[0]))
		}
		l.start()
		time.Sleep(time.Second)
		tx := l.state(ids[0], "reversing")
		if m := l.host.messages(); !slices.Equal(m, []string{"0401"}) || len(tx.Items) == 0 {
			t.Errorf("the host had %v, %+v", m, tx)
		}
	}, settledAlike)
}

// The addresses' state is told by health and ready.
func TestHealthAndReady(t *testing.T) {
	bubble(t, func(l *lab) {
		synctest.Wait()
		h, err := l.client.Health(l.ctx())
		if err != nil || h.Status != "ok" || h.Version != "test" || len(h.Terminals) != 2 || len(h.Hosts) != 1 || !h.Hosts[0].Up {
			t.Fatalf("%+v %v", h, err)
		}
		if res, answer := l.raw("GET", "/v1/ready", ""); res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", res.Status, answer)
		}
		l.host.refuse(true)
		time.Sleep(time.Minute)
		if res, answer := l.raw("GET", "/v1/ready", ""); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(answer), "no address can be reached") {
			t.Fatalf("%s %s", res.Status, answer)
		}
		if h, err := l.client.Health(l.ctx()); err != nil || h.Hosts[0].Up || h.Hosts[0].Error == "" {
			t.Fatalf("%+v %v", h, err)
		}
		l.host.refuse(false)
		time.Sleep(time.Minute)
		if res, _ := l.raw("GET", "/v1/ready", ""); res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	})
}

// Lists and their filters.
func TestLists(t *testing.T) {
	bubble(t, func(l *lab) {
		s := newScene(l)
		for query, want := range map[string]int{
			"": 7, "?state=approved": 1, "?state=reversing": 2, "?sale=PARKED": 1, "?terminal=T0000002": 0,
			"?terminal=" + testTID + "&state=declined": 1, "?state=confirmed&sale=PARKED": 0,
		} {
			_, answer := l.raw("GET", "/v1/transactions"+query, "")
			if n := strings.Count(string(answer), `"uuid"`); n != want {
				t.Errorf("%q: %d transactions, want %d", query, n, want)
			}
		}
		list, err := l.client.Recovery(l.ctx())
		if err != nil || len(list.Transactions) != 7 || list.Transactions[0].UUID != s.approved {
			t.Errorf("%v: %d to act on", err, len(list.Transactions))
		}
		if _, err := l.client.Shown(l.ctx(), s.declined, "yes"); err != nil {
			t.Fatal(err)
		}
		if list, err := l.client.Recovery(l.ctx()); err != nil || len(list.Transactions) != 6 {
			t.Errorf("%v: %d to act on after one was shown", err, len(list.Transactions))
		}
	}, moody)
}

func TestNewRefuses(t *testing.T) {
	l := &lab{t: t}
	bubble(t, func(in *lab) { l.profile = in.profile })
	acquirer := agent.AcquirerOptions{Name: "sim", Profile: l.profile, Hosts: []string{"127.0.0.1:1"}}
	terminal := agent.TerminalOptions{TID: testTID, MID: "M1", Acquirer: "sim"}
	other := terminal
	other.Acquirer = "none"
	for want, opts := range map[string]agent.Options{
		`acquirer "sim": configured twice`:                     {Acquirers: []agent.AcquirerOptions{acquirer, acquirer}},
		"terminal T0000001: configured twice":                  {Acquirers: []agent.AcquirerOptions{acquirer}, Terminals: []agent.TerminalOptions{terminal, terminal}},
		`terminal T0000001: there is no acquirer "none"`:       {Acquirers: []agent.AcquirerOptions{acquirer}, Terminals: []agent.TerminalOptions{other}},
		"journal entry 1: record type 999: journal record was": {Acquirers: []agent.AcquirerOptions{acquirer}, Journal: strange(t)},
	} {
		if opts.Journal == nil {
			opts.Journal = journal.NewMemory(nil)
		}
		opts.Log = zap.NewNop()
		if _, err := agent.New(opts); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// strange is a journal with a record that no version knows.
func strange(t *testing.T) journal.Journal {
	j := journal.NewMemory(nil)
	if _, err := j.Append([]journal.Entry{{Type: 999, Group: "x", Class: journal.ClassOutcome}}); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(dir, "s")
	l, err := agent.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{path: 0o660 | os.ModeSocket, dir: 0o750 | os.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", p, info.Mode(), err, want)
		}
	}
	if _, err := agent.Listen(path); !errors.Is(err, agent.ErrInUse) {
		t.Errorf("a living daemon's socket: %v", err)
	}
	// A daemon that is killed leaves its socket behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if l, err = agent.Listen(path); err != nil {
		t.Fatalf("a dead daemon's socket: %v", err)
	}
	_ = l.Close()
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "notes" {
		t.Errorf("the file was changed: %q %v", b, err)
	}
}

// Who cannot be identified is not served.
func TestUnknownPeerIsCutOff(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	if _, err := agent.PeerCredentials(nil)(pipeEnd(t)); err == nil {
		t.Error("a pipe has credentials")
	}
	refuse := b.agent.Server(agent.APIOptions{PeerOf: func(net.Conn) (agent.Peer, error) { return agent.Peer{Operator: true}, errDisk }})
	l, err := agent.Listen(b.socket + "2")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = refuse.Serve(l); close(done) }()
	c := client.New(b.socket + "2")
	if h, err := c.Health(b.ctx()); err == nil || client.AsProblem(err) != nil {
		t.Errorf("answered: %+v %v", h, err)
	}
	c.Close()
	_ = refuse.Close()
	<-done
}

func pipeEnd(t *testing.T) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near
}

// On a unix socket the kernel says who calls; the daemon's own user is an
// operator.
func TestPeerCredentials(t *testing.T) {
	var got agent.Peer
	b := newBed(t, hostsim.Config{}, func(b *bed) {
		b.api.PeerOf = func(c net.Conn) (agent.Peer, error) {
			p, err := agent.PeerCredentials([]int{12345})(c)
			got = p
			return p, err
		}
	})
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if got.UID != os.Geteuid() || !got.Operator {
		t.Errorf("%+v", got)
	}
}

// A client that goes away does not keep its call open.
func TestClientGoesAway(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 100), 0)
		ctx, cancel := context.WithCancel(l.ctx())
		gone := calling(func() (*client.Transaction, error) { return l.client.Get(ctx, id, 2*time.Minute) })
		cancel()
		synctest.Wait()
		if !gone.answered() || !errors.Is(gone.err, context.Canceled) {
			t.Fatal(gone.err)
		}
		l.state(id, "pending")
	}, func(l *lab) { l.host.mishap = only('2', mishap{mute: true}) })
}
