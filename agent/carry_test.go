package agent_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// gone is a journal in which one transaction has retired.
type gone struct {
	journal.Journal
	uuid string
}

func (g gone) Retired(group string) (journal.RetiredGroup, bool, error) {
	return journal.RetiredGroup{Group: group, Final: []byte("confirmed")}, group == g.uuid, nil
}

// A transaction that is past its time is 410 for ever, to whoever asks: it is
// never taken for one that was never journaled.
func TestRetiredTransactionIsGone(t *testing.T) {
	uuid := client.NewUUID()
	bubble(t, func(l *lab) {
		path := "/v1/transactions/" + uuid
		for _, c := range []problemCase{
			{"", "GET", path, "", 410, "retired", client.RetryNever, ""},
			{"", "PUT", path, l.with("", ""), 410, "retired", client.RetryNever, ""},
			{"", "POST", path + "/confirm", "{}", 410, "retired", client.RetryNever, ""},
		} {
			l.refused(t, c)
		}
	}, func(l *lab) { l.journal = gone{l.journal, uuid} })
}

// lossy is a journal in quarantine.
type lossy struct{ journal.Journal }

func (q lossy) Reserve(c journal.Class, n int) error {
	if c == journal.ClassIntent {
		return journal.ErrQuarantined
	}
	return q.Journal.Reserve(c, n)
}

func TestQuarantine(t *testing.T) {
	bubble(t, func(l *lab) {
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 503, "journal_quarantine", client.RetryPoll, ""})
	}, func(l *lab) { l.journal = lossy{l.journal} })
}

// After entries were lost an open transaction may be one that was confirmed:
// nothing of it is sent, and a person has it.
func TestNothingIsSentInQuarantine(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	uuid := client.NewUUID()
	if tx := b.begin(uuid, b.sale("S1", 1234)); tx.State != "approved" {
		t.Fatalf("%+v", tx)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.journal = lossy{b.journal.(*journal.Memory).Reopen()}
	b.start()
	tx, err := b.client.Get(b.ctx(), uuid, 0)
	if err != nil || tx.Must != client.MustCall || len(tx.Items) != 1 || tx.Items[0].Cause != "journal_lost" {
		t.Fatalf("%+v, %v", tx, err)
	}
}

// Over a journal on disk that rolls every few sales: each restart recovers from
// a carry, numbering goes on, and what retired is known by its final state.
func TestRestartsOnASegmentedJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	open := func() *journal.Log {
		t.Helper()
		j, err := journal.Open(dir, journal.Options{
			Key: slices.Repeat([]byte{7}, 32), SegmentBytes: 64 << 10, Final: agent.FinalState,
			MaxBytes: 1 << 20, Retain: journal.Retain{Bytes: 256 << 10},
		})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := open()
	t.Cleanup(func() { _ = j.Close() })
	b := newBed(t, hostsim.Config{}, func(b *bed) { b.journal = j })
	first, held := client.NewUUID(), client.NewUUID()
	stan := ""
	sell := func(uuid, ref string, amount int64) *client.Transaction {
		t.Helper()
		tx := b.begin(uuid, b.sale(ref, amount))
		if tx.State != "approved" || tx.STAN <= stan {
			t.Fatalf("%+v after %s", tx, stan)
		}
		stan = tx.STAN
		return tx
	}
	finish := func(uuid string) {
		t.Helper()
		_, err1 := b.client.Confirm(b.ctx(), uuid)
		_, err2 := b.client.Shown(b.ctx(), uuid, "yes")
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
	}
	sell(first, "first", 1)
	finish(first)
	sell(held, "held", 2)
	for round := range 3 {
		for i := range 20 {
			uuid := client.NewUUID()
			sell(uuid, "S"+string(rune('a'+round))+string(rune('a'+i)), 100)
			finish(uuid)
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open()
		b.journal = j
		b.start()
		if tx, err := b.client.Get(b.ctx(), held, 0); err != nil || tx.State != "approved" {
			t.Fatalf("held: %+v, %v", tx, err)
		}
	}
	finish(held)
	if j.Info().Retired == 0 {
		t.Fatalf("nothing retired: %+v", j.Info())
	}
	r, ok, err := j.Retired(first)
	if err != nil || !ok || string(r.Final) != "confirmed" {
		t.Errorf("%+v, %v, %v", r, ok, err)
	}
	_, err = b.client.Get(b.ctx(), first, 0)
	if p := client.AsProblem(err); p == nil || p.Code != "retired" || p.Status != 410 {
		t.Errorf("%v", err)
	}
}
