package crash

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// life is a transaction from beginning to end: what the application does, and
// whether its answer is lost besides, which brings about a reversal where the
// type has one.
type life struct {
	name    string
	typ     iso8583.Type
	conduct conduct
	lost    bool
	extra   extra
}

// extra is what a life has beside its messages.
type extra uint8

const (
	plain   extra = iota
	chip          // the card is in the reader, and its word is confirmed with
	settles       // the terminal's batch is settled at its end
)

var lives = []life{
	{"a sale is confirmed", iso8583.Sale, confirms, false, plain},
	{"a sale is cancelled", iso8583.Sale, cancels, false, plain},
	{"a sale's answer is lost", iso8583.Sale, confirms, true, plain},
	{"a void", iso8583.Void, confirms, false, plain},
	{"a void's answer is lost", iso8583.Void, confirms, true, plain},
	{"a refund", iso8583.Refund, confirms, false, plain},
	{"a refund's answer is lost", iso8583.Refund, confirms, true, plain},
	{"a pre-authorisation is confirmed", iso8583.PreAuth, confirms, false, plain},
	{"a pre-authorisation's answer is lost", iso8583.PreAuth, confirms, true, plain},
	{"a completion", iso8583.Completion, confirms, false, plain},
	{"a completion's answer is lost", iso8583.Completion, confirms, true, plain},
	{"a release", iso8583.PreAuthVoid, confirms, false, plain},
	{"a release's answer is lost", iso8583.PreAuthVoid, confirms, true, plain},
	{"a chip sale is confirmed", iso8583.Sale, confirms, false, chip},
	{"a chip sale's answer is lost", iso8583.Sale, confirms, true, chip},
	{"a sale is confirmed and its batch settled", iso8583.Sale, confirms, false, settles},
}

// askingLives are those of a dialect that asks what became of a request before it
// undoes it, and tells what was approved without the acquirer.
var askingLives = []life{
	{"a sale's answer is lost, and it is asked for", iso8583.Sale, confirms, true, plain},
	{"a void's answer is lost, and it is asked for", iso8583.Void, confirms, true, plain},
	{"an offline sale is told", iso8583.Offline, confirms, false, plain},
	{"an offline sale's answer is lost, and it is told again", iso8583.Offline, confirms, true, plain},
	{"a completion is told", iso8583.Completion, confirms, false, plain},
}

// next numbers the attempts of this process: an amount is never used twice
// where it could be mistaken.
var next atomic.Int64

// attempt begins the notes of a life, after what it follows, if anything, has
// been paid undisturbed.
func (c *campaign) attempt(l life, what string) (*note, error) {
	i := next.Add(1)
	n := newNote("T0000001", fmt.Sprintf("L%06d", i), 5000+i, plan{conduct: l.conduct, full: goesAway, scenario: &scenario{name: what}})
	n.typ, n.extra = l.typ, l.extra
	if first := l.typ.Originals(); len(first) > 0 {
		var err error
		if n.first, err = c.original(first[0], n, what); err != nil {
			return nil, err
		}
	}
	c.notes = append(c.notes, n)
	return n, nil
}

// original is a paid one for n to follow. Right after a restart the host may not
// be reached yet: it is tried again.
func (c *campaign) original(typ iso8583.Type, n *note, what string) (*note, error) {
	for i := range 10 {
		o := newNote(n.tid, fmt.Sprintf("%s-%d", n.sale, i), n.amount, plan{conduct: confirms, full: asksAgain, scenario: &scenario{name: "before " + what}})
		o.typ = typ
		c.notes = append(c.notes, o)
		if err := errors.Join(o.pay(c.s), c.rest(o), c.settleByHand(o)); err != nil {
			return nil, err
		}
		if o.screen == screenApproved {
			return o, nil
		}
		n.amount = 5000 + next.Add(1)
	}
	return nil, fmt.Errorf("ten times no %s was approved", typ)
}

// loseAnswer has the host's first answer to n lost on the way.
func (c *campaign) loseAnswer(n *note) error {
	f := hostsim.Fault{Action: hostsim.DropResponse, Count: 1, Match: hostsim.Match{Kind: n.typ.Kind(), Amount: &n.amount}}
	return c.s.script([]hostsim.Fault{f})
}

// rest waits until one attempt is at rest.
func (c *campaign) rest(n *note) error {
	return (&campaign{s: c.s, notes: []*note{n}}).settle()
}

// settleByHand has a person park what the host goes on refusing, since it never
// knew it: it would be sent for ever, and hold up what comes after.
func (c *campaign) settleByHand(n *note) error {
	agent, err := c.s.agent()
	if err != nil {
		return err
	}
	tx, err := n.get(agent)
	if err != nil || tx == nil || tx.State != "reversing" {
		return err
	}
	_, err = try(func(ctx context.Context) (*client.Transaction, error) {
		return agent.Resolve(ctx, n.uuid, client.Resolve{Verb: "park", Who: "anna", Why: "rang the acquirer, who never knew it"})
	})
	return err
}
