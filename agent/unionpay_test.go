package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// masterKey is the terminals' master key of hostsim's default (terminal-rules D).
const masterKey = "CA5D92598DCA48CE8A4C76361A9269E9"

// newSigner is a terminal's software signer under that key.
func newSigner(t testing.TB, key string) mac.Signer {
	t.Helper()
	p, err := profile.Load("unionpay")
	if err != nil {
		t.Fatal(err)
	}
	method, _ := p.MAC()
	k, err := mac.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mac.NewSoftware(method, k, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unionpay makes a bed speak the dialect with keys. Each start has new signers,
// as each process has.
func unionpay(b *bed) {
	b.profile = "unionpay"
	b.rules = func(r *iso8583.Rules) {
		quick(r)
		r.SignOn.AnswerTimeout = short(5 * time.Second) // a slow machine must not sign on twice
		r.SignOn.Schedule = []iso8583.Duration{short(50 * time.Millisecond)}
		r.Script.AnswerTimeout, r.Script.Schedule = short(300*time.Millisecond), []iso8583.Duration{short(20 * time.Millisecond)}
	}
	b.opts = func(o *agent.Options) {
		for i := range o.Terminals {
			o.Terminals[i].Signer = newSigner(b.t, masterKey)
		}
	}
}

// signedOn polls until the terminal is.
func (b *bed) signedOn() {
	b.t.Helper()
	ctx := b.ctx()
	for {
		list, err := b.client.Terminals(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		if s := list.Terminals[0].SignOn; s != nil && s.Accepted {
			return
		}
	}
}

// Sale, void, reversal and balance, each signed, against each personality; the
// working keys survive a restart, without another sign-on.
func TestUnionPayDay(t *testing.T) {
	for _, personality := range append(hostsim.Personalities(), "") {
		t.Run("host "+personality, func(t *testing.T) {
			b := newBed(t, hostsim.Config{Profile: "unionpay", Personality: personality}, unionpay)
			b.signedOn()
			b.paid(iso8583.Sale, "a", 1234)
			if err := b.stop(); err != nil {
				t.Fatal(err)
			}
			b.start()
			sale := b.paid(iso8583.Sale, "b", 500)
			if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, sale, 0)); tx.State != "confirmed" || b.net() != 1234 {
				t.Fatalf("void: %s, net %d", tx.State, b.net())
			}
			hold := b.paid(iso8583.PreAuth, "c", 900)
			if tx := b.begin(client.NewUUID(), b.follow(iso8583.Completion, hold, 800)); tx.State != "confirmed" || b.net() != 2034 {
				t.Fatalf("completion: %s, net %d", tx.State, b.net())
			}
			id := client.NewUUID()
			b.begin(id, b.sale("d", 700))
			if _, err := b.client.Cancel(b.ctx(), id, "customer"); err != nil {
				t.Fatal(err)
			}
			if b.untilState(id, "reversed"); b.net() != 2034 {
				t.Fatalf("net %d after a reversal", b.net())
			}
			if n := b.signed(t); n != 2 { // one for each terminal
				t.Errorf("%d sign-ons", n)
			}
		})
	}
}

// signed holds every message that came to the host to its MAC, and counts the sign-ons.
func (b *bed) signed(t *testing.T) (signOns int) {
	t.Helper()
	for _, m := range b.host.Messages() {
		_, mac := m.Fields[64]
		switch {
		case m.Direction != "in":
		case m.MTI == "0800":
			signOns++
		case !mac:
			t.Errorf("%s has no MAC: %v", m.MTI, m.Fields)
		}
	}
	return signOns
}

// C.18: the host has lost the terminal's keys. What it does not take is undone
// with a new MAC, after a sign-on that nobody asked for, and the next sale goes.
func TestC18HostLosesTheKeys(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	b.paid(iso8583.Sale, "a", 1234)
	if err := b.host.Restart(true, 0); err != nil {
		t.Fatal(err)
	}
	before := b.net()
	id := client.NewUUID()
	if tx := b.begin(id, b.sale("b", 500)); tx.State == "approved" {
		t.Fatalf("%+v", tx)
	}
	if tx := b.untilState(id, "reversed"); tx.Cause != "bad_mac" || b.net() != before {
		t.Fatalf("%+v, net %d, want %d", tx, b.net(), before)
	}
	b.paid(iso8583.Sale, "b", 500)
	b.signed(t)
}

// signOnWhileOwed leaves a sale's reversal owed, and signs on.
func (b *bed) signOnWhileOwed() (id string) {
	b.t.Helper()
	b.fault(hostsim.Fault{Action: hostsim.Silent, Count: 1, Match: hostsim.Match{Kind: iso8583.KindSale}})
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Count: 2, Match: hostsim.Match{Kind: iso8583.KindReversal}})
	id = client.NewUUID()
	b.begin(id, b.sale("a", 700))
	b.untilState(id, "reversing")
	if s, err := b.client.SignOn(b.ctx(), testTID); err != nil || !s.Accepted {
		b.t.Fatalf("%+v %v", s, err)
	}
	return id
}

// C.18: a sign-on changes the keys while a reversal is owed: it is not sent as it
// was, but signed anew.
func TestC18NewKeysWhileAReversalIsOwed(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	id := b.signOnWhileOwed()
	if b.untilState(id, "reversed"); b.net() != 0 {
		t.Fatalf("net %d", b.net())
	}
	b.signed(t)
}

// C.19: the sign-on also changes the batch: the owed reversal goes out under the
// old one, with the new keys, and the next sale is in the new one.
func TestC19SignOnChangesBatchAndKeys(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true, SignOnBatch: hostsim.BatchMoves}, unionpay)
	b.signedOn()
	id := b.signOnWhileOwed()
	b.untilState(id, "reversed")
	b.paid(iso8583.Sale, "b", 500)
	batches := map[string]string{} // by MTI, the latest
	for _, m := range b.host.Messages() {
		if de60 := m.Fields[60]; m.Direction == "in" && len(de60) > 8 {
			batches[string(m.MTI)] = de60[2:8]
		}
	}
	if batches["0400"] != "000001" || batches["0200"] != "000002" || b.net() != 500 {
		t.Errorf("batches %v, net %d", batches, b.net())
	}
	b.signed(t)
}

// C.9: a bad MAC on an approval reverses it, and a missing one on a decline is
// not approved and holds nothing up.
func TestC09MACs(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true, Declines: []hostsim.DeclineRule{{Amount: 51, Code: "51"}}}, unionpay)
	b.signedOn()
	for _, action := range []hostsim.Action{hostsim.BadMAC, hostsim.NoMAC} {
		b.fault(hostsim.Fault{Action: action, Count: 1, Match: hostsim.Match{Kind: iso8583.KindSale}})
		id := client.NewUUID()
		b.begin(id, b.sale("a", 700))
		if tx := b.untilState(id, "reversed"); tx.Cause != "bad_mac" || b.net() != 0 {
			t.Fatalf("%s: %+v, net %d", action, tx, b.net())
		}
	}
	b.fault(hostsim.Fault{Action: hostsim.NoMAC, Count: 1, Match: hostsim.Match{Kind: iso8583.KindSale}})
	b.fault(hostsim.Fault{Action: hostsim.DropRequest, Count: 1, Match: hostsim.Match{Kind: iso8583.KindReversal}})
	id := client.NewUUID()
	if tx := b.begin(id, b.sale("b", 51)); tx.State != "reversing" || tx.Cause != "decline_unproved" || tx.Must == client.MustConfirm {
		t.Fatalf("%+v", tx)
	}
	b.paid(iso8583.Sale, "c", 1234) // the gate is strict, and this does not wait
	b.untilState(id, "reversed")
	if b.net() != 1234 {
		t.Fatalf("net %d", b.net())
	}
}

// A sign-off ends the keys here and at the host, stays over a restart, and is
// refused while something needs them.
func TestSignOff(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	id := client.NewUUID()
	b.begin(id, b.sale("a", 700))
	if _, err := b.client.SignOff(b.ctx(), testTID); client.AsProblem(err) == nil || client.AsProblem(err).Code != "terminal_busy" {
		t.Fatalf("with an approval open: %v", err)
	}
	if _, err := b.client.Confirm(b.ctx(), id); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing
		if s, err := b.client.SignOff(b.ctx(), testTID); err != nil || s.Terminal != testTID || s.At.IsZero() {
			t.Fatalf("%+v %v", s, err)
		}
		b.refused(b.sale("b", 500), "sign_on_required")
		for ctx := b.ctx(); b.signOffs() == 0; { // the host is told once, and a stop would take it back
			if _, err := b.client.Health(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.refused(b.sale("b", 500), "sign_on_required")
	}
	if s, err := b.client.SignOn(b.ctx(), testTID); err != nil || !s.Accepted {
		t.Fatalf("%+v %v", s, err)
	}
	b.paid(iso8583.Sale, "b", 500)
	if offs := b.signOffs(); offs != 1 || b.net() != 1200 {
		t.Errorf("%d sign-offs, net %d", offs, b.net())
	}
}

// signOffs counts what the host has heard.
func (b *bed) signOffs() (n int) {
	for _, m := range b.host.Messages() {
		if m.MTI == "0820" && m.Direction == "in" {
			n++
		}
	}
	return n
}

// C.28, A "Partial approval refused": a part that is not wanted is recorded, a
// person has it, and the application's void, for what the host holds, ends it.
func TestC28UnionPayPartVoided(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay)
	b.signedOn()
	b.fault(hostsim.Fault{Action: hostsim.Partial, Amount: "70", Count: 1, Match: hostsim.Match{Kind: iso8583.KindSale}})
	id, body := client.NewUUID(), b.sale("a", 100)
	body.Partial = "accept"
	b.begin(id, body)
	for range 2 { // asked again, it is answered the same
		tx, err := b.client.Cancel(b.ctx(), id, "partial_refused")
		if err != nil || tx.State != "confirmed" || tx.Must != client.MustVoid || tx.Shown != "no" || len(tx.Items) != 1 || b.net() != 70 {
			t.Fatalf("%+v %v, net %d", tx, err, b.net())
		}
	}
	if _, err := b.client.ConfirmWith(b.ctx(), id, client.Confirm{Amount: 70}); client.AsProblem(err) == nil || client.AsProblem(err).Code != "amount_not_agreed" {
		t.Errorf("a confirm after the refusal: %v", err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, id, 0)); tx.State != "confirmed" || tx.Amount != 70 || b.net() != 0 {
		t.Fatalf("%+v, net %d", tx, b.net())
	}
	tx, err := b.client.Get(b.ctx(), id, 0)
	if err != nil || tx.Must != client.MustNothing || !tx.Items[0].Closed {
		t.Errorf("%+v %v", tx, err)
	}
	for _, m := range b.host.Messages() {
		if m.MTI == "0400" {
			t.Errorf("it was reversed: %v", m.Fields)
		}
	}
}

// C.32: keys that do not prove right under this master key change nothing, and
// nothing begins without keys.
func TestC32WrongMasterKey(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay"}, unionpay, func(b *bed) {
		b.opts = func(o *agent.Options) {
			for i := range o.Terminals {
				o.Terminals[i].Signer = newSigner(b.t, "0123456789ABCDEF0123456789ABCDE0")
			}
		}
	})
	s, err := b.client.SignOn(b.ctx(), testTID)
	if err != nil || s.Accepted || s.Code != "00" || !strings.Contains(s.Error, "check value") {
		t.Fatalf("%+v %v", s, err)
	}
	_, err = b.client.Begin(b.ctx(), client.NewUUID(), b.sale("a", 700), 0)
	if p := client.AsProblem(err); p == nil || p.Code != "sign_on_required" && p.Code != "signing_on" {
		t.Fatal(err)
	}
	if b.net() != 0 {
		t.Fatalf("net %d", b.net())
	}
}

// A dialect with MACs wants a signer, and no other does.
func TestSignerWhereItBelongs(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	for _, c := range []struct {
		profile, want string
		signer        mac.Signer
	}{{"unionpay", "give the terminal its master key", nil}, {"iso87-ascii", "of no use", newSigner(t, masterKey)}} {
		b.profile, b.opts = c.profile, func(o *agent.Options) { o.Terminals[0].Signer = c.signer }
		if _, err := b.make(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.profile, err)
		}
	}
}
