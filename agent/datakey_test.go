package agent_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// undead is a journal that cannot destroy keys, for a time.
type undead struct {
	journal.Journal
	alive bool
}

func (u *undead) DestroyKey(n uint32) error {
	if u.alive {
		return errors.New("the disk is full")
	}
	return u.Journal.DestroyKey(n)
}

// sealed reads the sealed part of a transaction's intent, and its key.
func (l *lab) sealed(t *testing.T, uuid string) (key uint32, err error) {
	t.Helper()
	found, err := l.journal.Lookup(uuid)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(r journal.Record) bool { return r.Group == uuid && len(r.Sealed) > 0 })
	if i < 0 {
		t.Fatalf("%s has nothing sealed", uuid)
	}
	_, err = l.journal.Unseal(found[i])
	return found[i].KeyID, err
}

// journal.md, Secrets: each batch has a data key of its own, which outlives its
// settlement by as long as something may be answered, and a crash, and then is
// destroyed, though the journal could not do so at once. What is left lists; a
// refund presents the card again, and is reversed and voided as any other.
func TestDataKeyOfASettledBatch(t *testing.T) {
	broken := &undead{alive: true}
	bubble(t, func(l *lab) {
		broken.Journal, l.journal = l.journal, broken
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.start()
		sale := l.paid("S1")
		b, err := l.client.Settle(l.ctx(), testTID, "Li")
		if err != nil {
			t.Fatal(err)
		}
		ended(t, l.client, b.Serial)
		next := l.paid("S2")
		first, err := l.sealed(t, sale)
		second, err2 := l.sealed(t, next)
		if err != nil || err2 != nil || first <= txn.FirstDataKey || second == first {
			t.Fatalf("keys %d and %d, %v, %v", first, second, err, err2)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := l.sealed(t, sale); err != nil {
			t.Fatalf("the journal said that it could not: %v", err)
		}
		if err := l.stop(); err != nil { // decided, and not done
			t.Fatal(err)
		}
		broken.alive = false
		l.start()
		synctest.Wait()
		if _, err := l.sealed(t, sale); !errors.Is(err, journal.ErrKeyDestroyed) {
			t.Fatalf("after the start: %v", err)
		}
		if _, err := l.sealed(t, next); err != nil {
			t.Fatalf("the batch that is open: %v", err)
		}
		if tx, err := l.client.Get(l.ctx(), sale, 0); err != nil || tx.State != "confirmed" || tx.PAN != "411111******1111" {
			t.Fatalf("%+v, %v", tx, err)
		}
		refund := client.Begin{Type: iso8583.Refund, Terminal: testTID, Epoch: l.epoch, Original: sale, Amount: 700, Currency: "CNY"}
		if _, err := l.client.Begin(l.ctx(), client.NewUUID(), refund, 0); client.AsProblem(err) == nil || client.AsProblem(err).Code != "card_gone" {
			t.Fatalf("a refund without the card: %v", err)
		}
		refund.Card = client.Card{PAN: testPAN, Expiry: "3012"}
		if tx, err := l.client.Begin(l.ctx(), client.NewUUID(), refund, time.Minute); err != nil || tx.State != "confirmed" {
			t.Fatalf("a refund with the card: %+v, %v", tx, err)
		}
		void := client.Begin{Type: iso8583.Void, Terminal: testTID, Epoch: l.epoch, Original: sale}
		if _, err := l.client.Begin(l.ctx(), client.NewUUID(), void, 0); client.AsProblem(err) == nil || client.AsProblem(err).Code != "original_settled" {
			t.Fatalf("a void of what is settled: %v", err)
		}
	})
}

// A disk without room for a new batch's data key: nothing is begun, and the
// daemon goes on.
func TestNoRoomForADataKey(t *testing.T) {
	bubble(t, func(l *lab) {
		full := &keyless{Journal: l.journal, full: true}
		l.journal = full
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.start()
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 503, "journal_full", client.RetrySameID, ""})
		full.full = false
		l.paid("S1")
	})
}

// keyless is a journal on a disk that is full at times.
type keyless struct {
	journal.Journal
	full bool
}

func (k *keyless) MakeKey(n uint32) error {
	if k.full {
		return journal.ErrNoSpace
	}
	return k.Journal.MakeKey(n)
}
