package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

var someMark = txn.Mark{Epoch: 1773482400, Entry: 4711, Heads: []txn.TerminalHead{
	{TID: "T0000001", Next: 899000, Wrapped: 1773482400000}, {TID: "T0000002", Next: 1},
}}

func TestFileMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "else", "mark")
	f, err := agent.OpenMark(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := f.Read(); ok || err != nil {
		t.Fatalf("nothing was written: %v, %v", ok, err)
	}
	if err := f.Write(someMark); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := f.Read(); err != nil || !ok || !sameMark(got, someMark) {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	if _, err := agent.OpenMark(path); !errors.Is(err, agent.ErrMarkInUse) {
		t.Errorf("a second daemon: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = agent.OpenMark(path); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func sameMark(a, b txn.Mark) bool {
	if a.Epoch != b.Epoch || a.Entry != b.Entry || len(a.Heads) != len(b.Heads) {
		return false
	}
	for i := range a.Heads {
		if x, y := a.Heads[i], b.Heads[i]; x.TID != y.TID || x.Next != y.Next || x.Wrapped != y.Wrapped {
			return false
		}
	}
	return true
}

// Every flipped bit, every truncation and whatever follows is damage; never
// another mark, and never none.
func TestFileMarkDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	f, err := agent.OpenMark(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Write(someMark); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(data []byte, what string) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, _, err := f.Read(); !errors.Is(err, agent.ErrMarkDamaged) && (err != nil || !sameMark(m, someMark)) {
			t.Errorf("%s: %+v, %v", what, m, err)
		}
	}
	for i := range whole {
		for bit := range 8 {
			data := []byte(string(whole))
			data[i] ^= 1 << bit
			refused(data, "a flipped bit")
		}
		refused(whole[:i], "cut")
	}
	refused(append([]byte(string(whole)), 'x'), "longer")
}

func TestSameMedium(t *testing.T) {
	dir := t.TempDir()
	if same, err := agent.SameMedium(dir, filepath.Join(dir, "not", "yet")); err != nil || !same {
		t.Errorf("%v, %v", same, err)
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no /proc here to stand for another medium")
	}
	if same, err := agent.SameMedium(dir, "/proc/self"); err != nil || same {
		t.Errorf("%v, %v", same, err)
	}
}

// memoryMark is a Mark that can fail.
type memoryMark struct {
	mu   sync.Mutex
	m    txn.Mark
	ok   bool
	bad  error
	read error
}

func (k *memoryMark) Read() (txn.Mark, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.m, k.ok, k.read
}

func (k *memoryMark) Write(m txn.Mark) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bad == nil {
		k.m, k.ok = m, true
	}
	return k.bad
}

func (k *memoryMark) get() txn.Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.m
}

func withMark(k agent.Mark) func(*bed) {
	return func(b *bed) { b.opts = func(o *agent.Options) { o.Mark = k } }
}

// R15, C.21: the journal is gone, and the mark is not. The old UUID is 410, what
// is new has a STAN that was never used, and a person is told and closes it.
func TestJournalLost(t *testing.T) {
	mark := &memoryMark{}
	b := newBed(t, hostsim.Config{}, withMark(mark))
	uuid, body := client.NewUUID(), b.sale("s1", 1234)
	old := b.epoch
	ctx := b.ctx()
	first := b.begin(uuid, body)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if m := mark.get(); m.Epoch != old || m.Entry == 0 || len(m.Heads) != 1 {
		t.Fatalf("the mark at the end: %+v", m)
	}
	b.journal = journal.NewMemory(make([]byte, 32))
	b.start()
	_, err := b.client.Begin(ctx, uuid, body, 0)
	if p := client.AsProblem(err); p == nil || p.Code != string(txn.EpochOld) || p.Retry != client.RetryNever {
		t.Errorf("the old UUID: %v", err)
	}
	h, err := b.client.Health(ctx)
	if err != nil || h.Epoch <= old || h.Losses != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	next := b.begin(client.NewUUID(), b.sale("s2", 1234))
	if next.STAN <= first.STAN || next.STAN < "001000" {
		t.Errorf("STAN %s after %s", next.STAN, first.STAN)
	}
	l, err := b.client.Escalations(ctx)
	if err != nil || len(l.Losses) != 1 || !strings.Contains(l.Losses[0].What, "its mark is at") {
		t.Fatalf("%+v, %v", l, err)
	}
	closing := client.Resolve{Verb: "close", Who: "Li Na", Why: "compared with the acquirer's list"}
	if _, err := b.client.CloseLoss(ctx, l.Losses[0].Epoch+1, closing); client.AsProblem(err) == nil || client.AsProblem(err).Code != "not_found" {
		t.Errorf("another epoch's: %v", err)
	}
	if got, err := b.client.CloseLoss(ctx, l.Losses[0].Epoch, closing); err != nil || len(got.Losses) != 1 || !got.Losses[0].Closed {
		t.Fatalf("%+v, %v", got, err)
	}
	if h, err := b.client.Health(ctx); err != nil || h.Losses != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	// The loss is known after the next start too, and is not a new one.
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	if l, err := b.client.Losses(ctx); err != nil || len(l.Losses) != 1 || !l.Losses[0].Closed {
		t.Errorf("%+v, %v", l, err)
	}
}

// R15: an older copy of the journal is put back, from before a void. The sale
// looks as if it stood; a second void would be a second credit.
func TestJournalPutBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	open := func() journal.Journal {
		j, err := journal.Open(dir, journal.Options{Key: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	b := newBed(t, hostsim.Config{}, withMark(&memoryMark{}), func(b *bed) { b.journal = open() })
	sale := b.paid(iso8583.Sale, "s1", 1234)
	stop := func() {
		if err := errors.Join(b.stop(), b.journal.Close()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := os.CopyFS(dir+".copy", os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	b.journal = open()
	b.start()
	b.begin(client.NewUUID(), b.follow(iso8583.Void, sale, 0))
	if b.net() != 0 {
		t.Fatal("the void did not take effect")
	}
	stop()
	if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".copy", dir)); err != nil {
		t.Fatal(err)
	}
	b.journal = open()
	b.start()
	defer stop()
	b.refused(b.follow(iso8583.Void, sale, 0), string(txn.OriginalInDoubt))
	b.refused(b.follow(iso8583.Refund, sale, 100), string(txn.OriginalInDoubt))
	if b.net() != 0 {
		t.Errorf("the ledger holds %d", b.net())
	}
	// The acquirer may say otherwise, to a person.
	if _, err := b.client.Resolve(b.ctx(), sale, client.Resolve{Verb: "override", Who: "Li Na", Why: "the acquirer knows no void"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.Begin(b.ctx(), client.NewUUID(), b.follow(iso8583.Void, sale, 0), 0); err != nil {
		t.Errorf("after the override: %v", err)
	}
}

// A profile in which nothing shows that an epoch began waits for a person.
func TestJournalLostAndNothingShowsTheEpoch(t *testing.T) {
	silent := func(b *bed) {
		b.rules = func(r *iso8583.Rules) { quick(r); r.EpochMark = iso8583.EpochMarkNone }
	}
	b := newBed(t, hostsim.Config{}, withMark(&memoryMark{m: someMark, ok: true}), silent)
	b.refused(b.sale("s1", 1234), string(txn.Quarantined))
	if _, err := b.client.CloseLoss(b.ctx(), b.epoch, client.Resolve{Verb: "close", Who: "Li Na", Why: "compared"}); err != nil {
		t.Fatal(err)
	}
	if tx := b.begin(client.NewUUID(), b.sale("s1", 1234)); tx.State != "approved" || tx.STAN != "900000" && tx.STAN != "000001" {
		t.Errorf("%+v", tx)
	}
}

// A mark that cannot be read: it is not known whether the journal is whole.
func TestUnreadableMark(t *testing.T) {
	b := newBed(t, hostsim.Config{}, withMark(&memoryMark{}))
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	withMark(&memoryMark{read: agent.ErrMarkDamaged})(b)
	if _, err := b.make(); !errors.Is(err, agent.ErrMark) || !errors.Is(err, agent.ErrMarkDamaged) {
		t.Errorf("%v", err)
	}
	b.opts = nil
	b.start()
}

// A mark that cannot be written holds up no sale until numbering has run out of
// what a jump would clear; then nothing is begun, and selling goes on by itself
// once it can be written.
func TestMarkFallsBehind(t *testing.T) {
	mark := &memoryMark{m: txn.Mark{Heads: []txn.TerminalHead{{TID: iso8583.TID(testTID), Next: 1}}}, ok: true}
	b := newBed(t, hostsim.Config{}, withMark(mark))
	mark.mu.Lock()
	mark.bad = errors.New("no medium")
	mark.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if r, err := b.client.Begin(ctx, client.NewUUID(), b.sale(client.NewUUID(), 1), 0); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	refused := false
	for i := 0; i < 2*int(txn.STANMargin) && !refused; i++ {
		body := b.sale("", 0)
		body.Type = iso8583.Balance
		_, err := b.client.Begin(ctx, client.NewUUID(), body, 0)
		if p := client.AsProblem(err); p != nil && p.Code == "mark_behind" {
			refused = true
			if i < 800 || i > int(txn.STANMargin) {
				t.Errorf("refused after %d", i)
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !refused {
		t.Fatal("never refused")
	}
	mark.mu.Lock()
	mark.bad = nil
	mark.mu.Unlock()
	for {
		_, err := b.client.Begin(ctx, client.NewUUID(), b.sale(client.NewUUID(), 1), 0)
		if p := client.AsProblem(err); p != nil && p.Code == "mark_behind" {
			continue // it is being written
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}
