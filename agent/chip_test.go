package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// What a chip says in these tests. Tag 9F7C and 57 are among those that no
// dialect here sends and nobody keeps.
const (
	chipKept = "9F2608A1A2A3A4A5A6A7A8" + "9F270180" + "9F100706010A03A0B000" + "9F370411223344" + "9F36020042" + "95050000008000"
	chipSent = chipKept + "9A03261125" + "9C0100" + "9F0206000000000100" + "5F2A020156" + "82027C00" + "9F1A020156" + "9F3303E0F8C8" +
		"9F34034103029F1E084946443030303031" + "8407A0000003330101" + "5F340101"
	chipRead = chipSent + "57114111111111111111D3012101000001230F" + "9F7C021234"

	chipArrived = "8A023030" + "910A1122334455667788" + "3030" + "72079F180400000001"
)

// inserted and tapped are the test card, read by its chip.
func inserted() client.Card {
	return client.Card{PAN: testPAN, Expiry: "3012", EntryMode: "051", EMV: chipRead}
}

func tapped() client.Card {
	c := inserted()
	c.EntryMode = "071"
	return c
}

func (l *lab) chipSale(ref string, c client.Card) client.Begin {
	b := l.sale(ref, 100)
	b.Card = c
	return b
}

// sent is the n-th message of an MTI that the host has seen.
func (h *memHost) sent(mti iso8583.MTI, n int) *iso8583.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.seen {
		if m.MTI == mti {
			if n--; n == 0 {
				return m
			}
		}
	}
	return iso8583.NewMessage(mti)
}

// answersChip is a host that has something to say to the card.
func answersChip(data string) func(*lab) {
	return func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, _ int) mishap {
			return mishap{change: func(a *iso8583.Message) {
				if m.MTI == "0200" {
					a.Set(55, data)
				}
			}}
		}
	}
}

var agreed = client.Confirm{Chip: &client.ChipResult{CID: "40", AC: "B1B2B3B4B5B6B7B8", TVR: "0000008000", TSI: "E800", Scripts: "2000000001"}}

var refusedByCard = client.Confirm{Chip: &client.ChipResult{CID: "00", TVR: "8000008000"}}

// A chip sale: what the dialect takes goes out in DE 55, what the card needs
// comes back, durably, and nothing is committed without the card's word.
func TestChipSale(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		tx := l.begin(id, l.chipSale("S1", inserted()), time.Minute)
		if got := l.host.sent("0200", 1).Get(55); !strings.HasPrefix(got, "9F2608A1A2") || strings.Contains(got, "5711") || strings.Contains(got, "9F7C") || len(got) != len(chipSent) {
			t.Errorf("DE 55 of the request: %d of %d digits, or a tag that the dialect does not list", len(got), len(chipSent))
		}
		if got := l.host.sent("0200", 1).Get(22); got != "051" {
			t.Errorf("DE 22 %s", got)
		}
		if c := tx.Chip; c == nil || c.Read != "contact" || c.ARC != "3030" || len(c.Script2) != 1 || c.Evidence["84"] != "A0000003330101" {
			t.Fatalf("chip: %+v", tx.Chip)
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.start()
		again, err := l.client.Get(l.ctx(), id, 0)
		if err != nil || again.Chip == nil || again.Chip.Issuer != tx.Chip.Issuer || again.State != "approved" {
			t.Fatalf("after a restart: %v %+v", err, again)
		}
		l.refusedConfirm(id, client.Confirm{}, "chip_verdict_missing")
		done, err := l.client.ConfirmWith(l.ctx(), id, agreed)
		if err != nil || done.State != "confirmed" {
			t.Fatalf("%v %+v", err, done)
		}
		if e := done.Chip.Evidence; e["9F26"] != "B1B2B3B4B5B6B7B8" || e["9F34"] != "410302" || e["9F27"] != "40" || done.Chip.Scripts != "2000000001" {
			t.Errorf("evidence: %+v", done.Chip)
		}
		l.refusedConfirm(id, refusedByCard, "already_confirmed")
	}, answersChip(chipArrived))
}

func (l *lab) refusedConfirm(id string, c client.Confirm, code string) *client.Problem {
	l.t.Helper()
	last := l.journal.Last()
	_, err := l.client.ConfirmWith(l.ctx(), id, c)
	p := client.AsProblem(err)
	if p == nil || p.Code != code {
		l.t.Fatalf("want %s, got %v", code, err)
	}
	synctest.Wait()
	if code != string(txn.TakenAsCancel) && l.journal.Last() != last {
		l.t.Fatalf("%s: something was journaled", code)
	}
	return p
}

// C.27: the second GENERATE AC declines. The confirm is a cancel, and every
// attempt of the reversal carries the same, also after a restart.
func TestC27CardDeclines(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.chipSale("S1", inserted()), time.Minute)
		p := l.refusedConfirm(id, refusedByCard, "taken_as_cancel")
		if p.Must != client.MustShowNotApproved {
			t.Errorf("must %s", p.Must)
		}
		l.refusedConfirm(id, refusedByCard, "taken_as_cancel")
		l.refusedConfirm(id, agreed, "being_reversed")
		synctest.Wait()
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		want := "95058000008000" + "9F1E084946443030303031" + "9F100706010A03A0B000" + "9F36020042"
		for _, m := range []*iso8583.Message{l.host.sent("0400", 1), l.host.sent("0401", 1)} {
			if m.Get(39) != "22" || m.Get(55) != want {
				t.Errorf("%s: DE 39 %s, DE 55 %s, want 22 and %s", m.MTI, m.Get(39), m.Get(55), want)
			}
		}
		tx, err := l.client.Get(l.ctx(), id, 0)
		if err != nil || tx.State != "reversed" || l.host.total() != 0 {
			t.Fatalf("%v %+v, the host holds %d", err, tx, l.host.total())
		}
	}, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, n int) mishap { return mishap{drop: m.MTI == "0400" && n == 1} }
	})
}

// C.27: a card that was tapped has left; it needs no verdict.
func TestC27Contactless(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		if tx := l.begin(id, l.chipSale("S1", tapped()), time.Minute); tx.Chip.Read != "contactless" {
			t.Fatalf("%+v", tx.Chip)
		}
		if tx, err := l.client.Confirm(l.ctx(), id); err != nil || tx.State != "confirmed" {
			t.Fatalf("%v %+v", err, tx)
		}
	})
}

// C.27: an approval whose DE 55 cannot be read. The simulated acquirer, with
// real sockets.
func TestC27ChipDataUnreadable(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.BadChip, Match: hostsim.Match{Kind: iso8583.KindSale}})
	for _, c := range []client.Card{inserted(), tapped()} {
		id, body := client.NewUUID(), b.sale("S"+c.EntryMode, 100)
		body.Card = c
		tx := b.begin(id, body)
		if c.EntryMode == "071" {
			if tx.State != "approved" || tx.Chip.ARC != "" {
				t.Errorf("tapped: %+v", tx)
			}
			continue
		}
		if tx = b.untilState(id, "reversed"); tx.Cause != "chip_unreadable" || b.net() != 0 {
			t.Errorf("inserted: %+v, the ledger holds %d", tx, b.net())
		}
	}
}

// The whole way with the simulated acquirer: it demands DE 55 of a chip, and
// answers the card.
func TestChipAgainstTheSimulatedAcquirer(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	id, body := client.NewUUID(), b.sale("S1", 100)
	body.Card = inserted()
	tx := b.begin(id, body)
	if tx.State != "approved" || tx.Chip.ARC != "3030" || len(tx.Chip.Issuer) != 20 || len(tx.Chip.Script2) != 1 {
		t.Fatalf("%+v", tx)
	}
	if _, err := b.client.ConfirmWith(b.ctx(), id, refusedByCard); client.AsProblem(err) == nil {
		t.Fatal("a declining verdict was confirmed")
	}
	b.untilState(id, "reversed")
	if b.net() != 0 {
		t.Errorf("the ledger holds %d", b.net())
	}
	second := client.NewUUID()
	b.begin(second, body)
	if _, err := b.client.ConfirmWith(b.ctx(), second, agreed); err != nil {
		t.Fatal(err)
	}
	if v := b.begin(client.NewUUID(), b.follow(iso8583.Void, second, 0)); v.State != "confirmed" || b.net() != 0 {
		t.Errorf("void: %+v, the ledger holds %d", v, b.net())
	}
}

// A track alone gives card number and expiry.
func TestTrackAlone(t *testing.T) {
	bubble(t, func(l *lab) {
		body := l.sale("S1", 100)
		body.Card = client.Card{Track2: testTrack, EntryMode: "021"}
		if tx := l.begin(client.NewUUID(), body, time.Minute); tx.PAN != testMasked {
			t.Errorf("PAN %s", tx.PAN)
		}
		m := l.host.sent("0200", 1)
		if m.Get(2) != testPAN || m.Get(14) != "3012" || m.Get(35) != testTrack {
			t.Error("DE 2, 14 and 35 are not the track's")
		}
	})
}

// journaled is every record of a journal.
func journaled(t testing.TB, j journal.Journal) (out []txn.Record) {
	t.Helper()
	err := j.Scan(1, func(e journal.Record) error {
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		out = append(out, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unsealed is the plain text of every sealed part of a journal.
func unsealed(t testing.TB, j journal.Journal) (out []string) {
	t.Helper()
	err := j.Scan(1, func(e journal.Record) error {
		if len(e.Sealed) == 0 {
			return nil
		}
		plain, err := j.Unseal(e)
		out = append(out, string(plain))
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%d sealed parts, %v", len(out), err)
	}
	return out
}

// aHandle is a card of a device that releases no number.
func aHandle(token string) *client.Handle {
	return &client.Handle{Data: "Q2lwaGVyVGV4dA==", KSN: "FFFF9876543210E00001", Masked: testMasked, Token: token}
}

// A card handle: sold, refunded, voided and reversed without a card number.
func TestCardHandle(t *testing.T) {
	bubble(t, func(l *lab) {
		body := l.sale("S1", 100)
		body.Card = client.Card{Handle: aHandle("token-0001"), EntryMode: "051", EMV: chipSent}
		id := client.NewUUID()
		if tx := l.begin(id, body, time.Minute); tx.PAN != testMasked || tx.Chip == nil {
			t.Fatalf("%+v", tx)
		}
		if _, err := l.client.Cancel(l.ctx(), id, "card_removed"); err != nil {
			t.Fatal(err)
		}
		if err := l.stop(); err != nil { // the handle is in the journal, sealed
			t.Fatal(err)
		}
		l.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if l.host.total() != 0 {
			t.Errorf("the host holds %d", l.host.total())
		}
		for _, mti := range []iso8583.MTI{"0200", "0400"} {
			m := l.host.sent(mti, 1)
			if mti == "0400" && !m.Has(11) { // the stop came before it left
				m = l.host.sent("0401", 1)
			}
			if m.Has(2) || m.Has(14) || m.Has(35) || m.Get(62) != "Q2lwaGVyVGV4dA==" || m.Get(63) != "FFFF9876543210E00001" {
				t.Errorf("%s: %s", mti, m)
			}
		}
		intents := 0
		for _, c := range []client.Card{{Handle: aHandle("token-0001")}, {Handle: aHandle("token-0002")}, {PAN: testPAN}} {
			body := l.sale("H"+string(rune('0'+intents)), 100)
			body.Card = c
			l.begin(client.NewUUID(), body, time.Minute)
			intents++
		}
		hashes := map[string]int{}
		for _, r := range journaled(t, l.journal) {
			if i, ok := r.(*txn.Intent); ok {
				hashes[i.CardHash]++
			}
		}
		if len(hashes) != 3 {
			t.Errorf("%d different cards, want 3: by token, and a number is another one", len(hashes))
		}
	}, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, n int) mishap { return mishap{mute: m.MTI == "0400" && n == 1} }
	})
}

// A dialect without an element for it refuses a handle before the intent.
func TestCardHandleUnsupported(t *testing.T) {
	bubble(t, func(l *lab) {
		last := l.journal.Last()
		body := l.sale("S1", 100)
		body.Card = client.Card{Handle: aHandle("token-0001")}
		_, err := l.client.Begin(l.ctx(), client.NewUUID(), body, 0)
		if p := client.AsProblem(err); p == nil || p.Code != "handle_unsupported" || l.journal.Last() != last {
			t.Fatal(err)
		}
	}, func(l *lab) {
		data, err := os.ReadFile(filepath.Join("..", "iso8583", "profile", "profiles", "iso87-ascii.json"))
		if err != nil {
			t.Fatal(err)
		}
		bare := strings.Replace(string(data), `"handle": {"data": 62, "ksn": 63},`, "", 1)
		if l.profile, err = profile.Parse("bare.json", []byte(bare)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCardHandleFollowed(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	id, body := client.NewUUID(), b.sale("S1", 100)
	body.Card = client.Card{Handle: aHandle("token-0001")}
	b.begin(id, body)
	if _, err := b.client.Confirm(b.ctx(), id); err != nil {
		t.Fatal(err)
	}
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Refund, id, 40)); tx.State != "confirmed" || b.net() != 60 {
		t.Fatalf("refund: %+v, the ledger holds %d", tx, b.net())
	}
	other := b.paid(iso8583.Sale, "S2", 100)
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, other, 0)); tx.State != "confirmed" {
		t.Fatalf("void: %+v", tx)
	}
}

// C.28, against the simulated acquirer: accepted, refused, and voided for what
// was taken.
func TestC28PartialApproval(t *testing.T) {
	b := newBed(t, hostsim.Config{}, func(b *bed) { // in any dialect
		rules := b.rules
		b.rules = func(r *iso8583.Rules) { rules(r); r.PartialRefused = iso8583.PartialReverse }
	})
	b.fault(hostsim.Fault{Action: hostsim.Partial, Amount: "70", Match: hostsim.Match{Kind: iso8583.KindSale}})
	sell := func(ref string) string {
		id, body := client.NewUUID(), b.sale(ref, 100)
		body.Partial = "accept"
		tx := b.begin(id, body)
		if tx.State != "approved" || tx.Approved != 70 || !strings.Contains(tx.Say.Cashier.EN, "0.70 CNY") || !strings.Contains(tx.Say.Cashier.EN, "0.30 CNY") {
			t.Fatalf("%+v", tx)
		}
		return id
	}
	confirm := func(id string, amount int64) *client.Problem {
		_, err := b.client.ConfirmWith(b.ctx(), id, client.Confirm{Amount: amount})
		return client.AsProblem(err)
	}
	id := sell("S1")
	for _, amount := range []int64{0, 100, 69} {
		if p := confirm(id, amount); p == nil || p.Code != "amount_not_agreed" {
			t.Errorf("confirm of %d: %v", amount, p)
		}
	}
	if p := confirm(id, 70); p != nil {
		t.Fatal(p)
	}
	tx := b.untilState(id, "confirmed")
	if b.net() != 70 || tx.Left != 70 || !strings.Contains(tx.Say.Cashier.EN, "Still to pay: 0.30 CNY") {
		t.Errorf("%+v, the ledger holds %d", tx, b.net())
	}
	if v := b.begin(client.NewUUID(), b.follow(iso8583.Void, id, 0)); v.State != "confirmed" || v.Amount != 70 || b.net() != 0 {
		t.Errorf("void: %+v, the ledger holds %d", v, b.net())
	}
	id = sell("S2")
	if _, err := b.client.Cancel(b.ctx(), id, "partial_refused"); err != nil {
		t.Fatal(err)
	}
	if tx := b.untilState(id, "reversed"); tx.Cause != "partial_refused" || b.net() != 0 {
		t.Errorf("%+v, the ledger holds %d", tx, b.net())
	}
}
