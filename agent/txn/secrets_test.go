package txn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TestNoSecrets takes a card with track data and a PIN block through a life
// and looks for them in everything that is printed or encoded.
func TestNoSecrets(t *testing.T) {
	const track, pin = "4111111111111111=30121010000000000000", "1B9C1845EB993A7A"
	card := testCard(t)
	card.Track2, card.PINBlock = iso8583.NewSecret(track), iso8583.NewSecret(pin)
	clean := func(what, s string) {
		t.Helper()
		for _, secret := range []string{testPAN, track, pin, testPAN[6:12] + testPAN[12:]} {
			if strings.Contains(s, secret) {
				t.Errorf("%s holds card data", what)
			}
		}
	}
	printed := func(what string, v any) {
		t.Helper()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			clean(what+" as "+verb, fmt.Sprintf(verb, v))
		}
	}
	m := newMachine(testRules())
	last := Outbound{}
	step := func(now Time, ev Event) {
		t.Helper()
		printed("an event", ev)
		r := m.Step(now, ev)
		printed("a Ready", r)
		for _, rec := range r.Records {
			printed("a record", rec)
			clean("an encoded record", string(Encode(nil, rec)))
		}
		for _, o := range r.Messages {
			printed("a message", o)
			last = o
		}
		printed("a transaction", m.Get("u1"))
		if tr := m.Get("u1"); tr != nil {
			printed("a transaction", *tr)
		}
		clean("the durable state", string(m.AppendDurable(nil)))
	}
	b := beginSale(t, "u1", "s1")
	b.Card = card
	step(at(0), b)
	if last.Facts.Card.PAN.Reveal() != testPAN || last.Facts.Card.Track2.Reveal() != track {
		t.Fatal("the request must carry the card")
	}
	step(at(0), Unsent{UUID: "u1", Card: last.Facts.Card})
	step(at(0), answerTo(last, "0210", "00"))
	step(at(0), Cancel{UUID: "u1"})
	if last.Facts.Card != nil {
		t.Fatal("the core gives the reversal a card that it must not have")
	}
	step(at(0), answerTo(last, "0410", "00"))
}
