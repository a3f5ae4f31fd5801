package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// fixture writes a journal as the daemon would, from a script of events: the
// same bytes of meaning each time, without a host and without waiting.
type fixture struct {
	t       *testing.T
	path    string
	journal *journal.Log
	machine *txn.Machine
	rules   iso8583.Rules
	now     txn.Time
}

const fixtureTID = iso8583.TID("T0000001")

func newFixture(t *testing.T) *fixture { return newFixtureOf(t, devProfile) }

func newFixtureOf(t *testing.T, dialect string) *fixture {
	t.Helper()
	p, err := profile.Load(dialect)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "journal"), machine: txn.New(), rules: p.Rules}
	f.now = txn.Time{Boot: time.Hour, Wall: time.Date(2026, 9, 28, 14, 30, 0, 0, time.UTC).UnixMilli(), Zone: 8 * 3600}
	if f.journal, err = journal.Open(f.path, journal.Options{Key: bytes.Repeat([]byte{7}, 32)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.journal.Close() })
	f.step(txn.Configure{Epoch: 17, Terminals: []txn.Terminal{{TID: fixtureTID, MID: "M00000000000001", Rules: f.rules, Routes: 1}}})
	return f
}

// step steps, one second later, and journals what that gives.
func (f *fixture) step(events ...txn.Event) {
	f.t.Helper()
	for _, ev := range events {
		f.now.Boot += time.Second
		f.now.Wall += 1000
		var batch []journal.Entry
		for _, r := range f.machine.Step(f.now, ev).Records {
			e := journal.Entry{Type: uint16(r.Type()), Group: r.Group(), Keys: txn.Keys(r), Class: journal.ClassOutcome, Clear: txn.Encode(nil, r)}
			if i, ok := r.(*txn.Intent); ok {
				e.Class, e.KeyID, e.Sealed = journal.ClassIntent, 1, i.Card.Template()
			}
			batch = append(batch, e)
		}
		if _, err := f.journal.Append(batch); err != nil {
			f.t.Fatal(err)
		}
	}
}

// close gives the journal's path, for a command.
func (f *fixture) close() string {
	if err := f.journal.Close(); err != nil {
		f.t.Fatal(err)
	}
	return f.path
}

// begin is a sale whose UUID ends in its name.
func (f *fixture) begin(name string, minor int64) string {
	f.t.Helper()
	return f.beginType(iso8583.Sale, name, "", minor)
}

// beginType is a transaction of any type; what follows another names it.
func (f *fixture) beginType(typ iso8583.Type, name, original string, minor int64) string {
	f.t.Helper()
	uuid := "00000000-0000-4000-8000-00000000000" + name
	pan, err := iso8583.ParsePAN(testCards[0].pan)
	if err != nil {
		f.t.Fatal(err)
	}
	b := txn.Begin{
		UUID: uuid, Epoch: 17, TID: fixtureTID, Type: typ, Original: original, Amount: iso8583.Amount{Minor: minor, Currency: 156},
		Digest: "digest", CardHash: "hash", Card: &iso8583.Card{PAN: pan, EntryMode: "012"},
	}
	if typ.HandsOver() {
		b.Sale = "order-" + name
	}
	f.step(b, txn.Sent{UUID: uuid})
	return uuid
}

// answer is the host's answer to the request, or to its latest reversal.
func (f *fixture) answer(uuid, code string) txn.Response {
	t := f.machine.Get(uuid)
	r := txn.Response{
		MTI: f.rules.MTI[t.Kind.Kind()].Response(), TID: t.TID, STAN: t.STAN, Code: code, Amount: t.Amount().DE4(), Currency: "156",
		Transmission: t.Transmission, LocalTime: t.LocalTime, LocalDate: t.LocalDate, MID: string(t.MID),
		RRN: "000000000042", AuthCode: "000042", Text: "0210 of the host",
	}
	if t.Attempts > 0 && !t.Advice {
		r.MTI, r.Transmission = "0410", t.SeriesDE7
	}
	return r
}

// sent says that the latest attempt has left.
func (f *fixture) sent(uuid string) txn.Sent {
	return txn.Sent{UUID: uuid, Attempt: f.machine.Get(uuid).Attempts}
}

// everyState is a journal with a transaction in every state that replay tells
// apart. Confirmed ones come first, since owed reversals close the gate.
func everyState(t *testing.T) *fixture {
	f := newFixture(t)
	shown := f.begin("1", 1234)
	f.step(f.answer(shown, "00"), txn.Confirm{UUID: shown}, txn.Shown{UUID: shown, Delivered: txn.DeliveredYes})
	confirmed := f.begin("2", 200)
	f.step(f.answer(confirmed, "00"), txn.Confirm{UUID: confirmed})
	declined := f.begin("3", 300)
	f.step(f.answer(declined, "51"))
	f.begin("4", 400) // pending
	approved := f.begin("5", 500)
	f.step(f.answer(approved, "00"))
	reversed := f.begin("6", 600)
	f.step(f.answer(reversed, "00"), txn.Cancel{UUID: reversed, Reason: txn.CancelCustomer})
	f.step(f.sent(reversed), f.answer(reversed, "00"))
	refused := f.begin("7", 700)
	f.step(f.answer(refused, "00"), txn.Cancel{UUID: refused, Reason: txn.CancelCustomer})
	f.step(f.sent(refused), f.answer(refused, "21"))
	parked := f.begin("8", 800)
	f.step(txn.InDoubt{UUID: parked}, txn.Resolve{UUID: parked, Verb: txn.VerbPark, Who: "Li Na", Why: "asking the acquirer"})
	hold := f.begin("9", 900)
	f.step(txn.InDoubt{UUID: hold})
	f.step(f.sent(hold), f.answer(hold, "25"))
	collision := f.begin("a", 1000)
	f.step(f.answer(collision, "94"))
	late := f.begin("b", 1100)
	f.step(txn.InDoubt{UUID: late})
	answer := f.answer(late, "00")
	answer.MTI, answer.Transmission = "0210", f.machine.Get(late).Transmission
	f.step(answer, txn.Garbage{Text: "3 bytes: malformed"})
	return f
}

// asked is a journal with what a dialect with inquiries and advices leaves.
func asked(t *testing.T) *fixture {
	f := newFixtureOf(t, "iso87-ascii-inquiry")
	doubt := f.begin("1", 100)
	f.step(txn.InDoubt{UUID: doubt})
	again := f.begin("2", 200)
	f.step(txn.InDoubt{UUID: again})
	f.now.Boot += 10 * time.Second
	f.step(txn.Timeout{UUID: again})
	f.beginType(iso8583.Offline, "3", "", 300)
	taken := f.beginType(iso8583.Offline, "4", "", 400)
	f.step(f.answer(taken, "00"))
	refused := f.beginType(iso8583.Offline, "5", "", 500)
	f.step(f.answer(refused, "57"))
	return f
}

// everyType is a journal with a transaction of every type, and what follows in
// every way that replay tells apart.
func everyType(t *testing.T) *fixture {
	f := newFixture(t)
	paid := func(typ iso8583.Type, name string, minor int64) string {
		uuid := f.beginType(typ, name, "", minor)
		f.step(f.answer(uuid, "00"), txn.Confirm{UUID: uuid}, txn.Shown{UUID: uuid, Delivered: txn.DeliveredYes})
		return uuid
	}
	follow := func(typ iso8583.Type, name, original string, minor int64, code string) string {
		uuid := f.beginType(typ, name, original, minor)
		f.step(f.answer(uuid, code))
		return uuid
	}
	sale := paid(iso8583.Sale, "1", 1000)
	follow(iso8583.Refund, "2", sale, 400, "00")
	follow(iso8583.Refund, "3", sale, 600, "51")
	f.beginType(iso8583.Refund, "4", sale, 100)
	hold := paid(iso8583.PreAuth, "5", 5000)
	follow(iso8583.Void, "7", follow(iso8583.Completion, "6", hold, 4200, "00"), 4200, "00")
	follow(iso8583.PreAuthVoid, "9", paid(iso8583.PreAuth, "8", 700), 700, "00")
	ask := f.beginType(iso8583.Balance, "a", "", 0)
	f.step(txn.InDoubt{UUID: ask})
	f.beginType(iso8583.Balance, "b", "", 0)
	return f
}
