package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The cards are the usual test numbers.
const (
	testPAN      = "4111111111111111"
	otherPAN     = "6228480000000000000"
	testTrack    = "4111111111111111=30121010000012300"
	readFromChip = "9F2608A1A2A3A4A5A6A7A8" + "9F3602000F" + "82023C00"
	testPIN      = "1B9C1845EB993A7A" // a PIN block
)

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// What the screen said last.
const (
	screenBlank       = ""
	screenApproved    = "approved"
	screenNotApproved = "not approved"
	screenCall        = "undecided, call"
)

// note is what the application wrote down of one attempt to be paid: with the
// ledger, all that the attempt is judged by.
type note struct {
	uuid   string
	tid    iso8583.TID
	typ    iso8583.Type
	first  *note  // what a void, refund, completion or release follows
	sale   string // the part of the sale that is to be paid
	amount int64  // with the type, no other attempt has it: the ledger's entries are found by it
	plan   plan
	extra  extra
	batch  int       // that it settles; 0: not asked yet
	until  time.Time // when whoever waits for the application loses patience

	mu         sync.Mutex
	sent       bool   // the PUT was begun
	accepted   bool   // and acknowledged
	confirming bool   // the confirmation was begun
	refused    string // the code with which the agent would not begin it
	screen     string
	gone       bool // the application died, or gave up, and never comes back to this
	anchors    map[anchor]chan struct{}
}

func newNote(tid iso8583.TID, sale string, amount int64, p plan) *note {
	n := &note{uuid: client.NewUUID(), tid: tid, typ: iso8583.Sale, sale: sale, amount: amount, plan: p, anchors: map[anchor]chan struct{}{}}
	for _, a := range []anchor{atMint, atPut, atConfirm, atScreen, atReversing} {
		n.anchors[a] = make(chan struct{})
	}
	return n
}

// set changes the note. What is written before a call is there whatever
// becomes of the call.
func (n *note) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// pass marks the moment from which a kill may be counted.
func (n *note) pass(a anchor) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.anchors[a]:
	default:
		close(n.anchors[a])
	}
}

func (n *note) body(epoch uint64) client.Begin {
	card := client.Card{PAN: testPAN, Expiry: "3012", Track2: testTrack, PINBlock: testPIN}
	if n.amount%3 == 0 {
		card = client.Card{PAN: otherPAN, Expiry: "2911"}
	}
	b := client.Begin{Type: n.typ, Terminal: n.tid, Epoch: epoch, Amount: n.amount, Currency: "CNY", Sale: n.sale, Card: card}
	if n.extra == chip {
		b.Card = client.Card{PAN: testPAN, Expiry: "3012", EntryMode: "051", EMV: readFromChip}
	}
	if n.first != nil { // the card is the original's, out of the journal
		b.Original, b.Sale, b.Card = n.first.uuid, "", client.Card{}
	}
	return b
}

var (
	errLost = errors.New("the agent does not answer") // it was killed, or is stopping
	errGone = errors.New("the application is gone")
)

// pay is the application's part of one attempt: it goes on, through every loss
// of the agent, until it has nothing more to do about it.
func (n *note) pay(s *station) error {
	n.until = time.Now().Add(patience)
	for {
		c, err := s.agent()
		if err != nil {
			return err
		}
		err = n.attend(c, s.epoch)
		if err == nil && n.extra == settles {
			err = n.closeBatch(c)
		}
		switch {
		case err == nil || errors.Is(err, errGone):
			return nil
		case !errors.Is(err, errLost):
			return fmt.Errorf("%s: %w", n.uuid, err)
		}
	}
}

// attend finds out where the transaction stands and does what it must, until
// nothing is left or the agent is lost.
func (n *note) attend(c *client.Client, epoch uint64) error {
	tx, err := n.find(c, epoch)
	for err == nil {
		if time.Now().After(n.until) {
			return fmt.Errorf("the application is still told to %s, state %s", tx.Must, tx.State)
		}
		switch tx.Must {
		case client.MustWait:
			if n.plan.conduct == diesWaiting {
				return n.leave()
			}
			tx, err = try(func(ctx context.Context) (*client.Transaction, error) { return c.Get(ctx, n.uuid, 5*time.Second) })
		case client.MustConfirm:
			tx, err = n.decide(c)
		case client.MustShowApproved:
			tx, err = n.showApproved(c)
		case client.MustShowNotApproved:
			n.set(func() { n.screen = screenNotApproved })
			n.pass(atReversing)
			tx, err = try(func(ctx context.Context) (*client.Transaction, error) { return c.Shown(ctx, n.uuid, "yes") })
		case client.MustCall:
			n.set(func() { n.screen = screenCall })
			return nil
		case client.MustNothing:
			return nil
		default:
			return fmt.Errorf("must %q", tx.Must)
		}
	}
	return err
}

func (n *note) leave() error {
	n.set(func() { n.gone = true })
	return errGone
}

// find begins the transaction, or finds it again: first in what a restarted
// application must act on, then by its UUID.
func (n *note) find(c *client.Client, epoch uint64) (*client.Transaction, error) {
	if n.sent {
		list, err := try(c.Recovery)
		if err != nil {
			return nil, err
		}
		for i := range list.Transactions {
			if list.Transactions[i].UUID == n.uuid {
				return &list.Transactions[i], nil
			}
		}
		tx, err := try(func(ctx context.Context) (*client.Transaction, error) { return c.Get(ctx, n.uuid, 0) })
		if p := client.AsProblem(err); p == nil || p.Code != "not_found" {
			return tx, err
		}
		if n.accepted {
			return nil, errors.New("it was accepted, and now the agent never heard of it")
		}
		if n.plan.conduct == givesUpIfUnheard {
			return nil, n.leave()
		}
	}
	return n.begin(c, epoch)
}

// begin asks for the transaction. While the terminal owes too many reversals
// it asks again.
func (n *note) begin(c *client.Client, epoch uint64) (*client.Transaction, error) {
	n.set(func() { n.sent = true })
	n.pass(atPut)
	wait := 5 * time.Second
	if n.plan.conduct == diesWaiting {
		wait = 0
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tx, err := try(func(ctx context.Context) (*client.Transaction, error) {
			return c.Begin(ctx, n.uuid, n.body(epoch), wait)
		})
		p := client.AsProblem(err)
		switch {
		case err == nil:
			n.set(func() { n.accepted = true })
			return tx, nil
		case p == nil, errors.Is(err, errLost):
			return nil, err
		case (p.Code == "reversal_owed" || p.Code == "settling" || p.Code == "journal_full" && n.plan.full == asksAgain) && time.Now().Before(n.until):
			<-tick.C // the pace of a cashier who tries again
		case p.Code == "sale_open" || p.Code == "sale_paid", p.Code == "journal_full" && n.plan.full == goesAway, p.Code == "bad_field" && n.first != nil: // the original could not be read
			n.set(func() { n.refused = p.Code })
			return nil, errGone
		default:
			return nil, p
		}
	}
}

// decide confirms or cancels, or dies.
func (n *note) decide(c *client.Client) (*client.Transaction, error) {
	switch n.plan.conduct {
	case diesWaiting, diesApproved:
		n.pass(atConfirm)
		return nil, n.leave()
	case cancels:
		tx, err := try(func(ctx context.Context) (*client.Transaction, error) { return c.Cancel(ctx, n.uuid, "customer") })
		return n.unlessTooLate(c, tx, err)
	}
	n.set(func() { n.confirming = true })
	n.pass(atConfirm)
	if n.plan.conduct == diesConfirming {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_, _ = c.Confirm(ctx, n.uuid) // it dies, whatever the answer
		cancel()
		return nil, n.leave()
	}
	var word client.Confirm
	if n.extra == chip {
		word.Chip = &client.ChipResult{CID: "40", AC: "B1B2B3B4B5B6B7B8", TVR: "0000000000"}
	}
	tx, err := try(func(ctx context.Context) (*client.Transaction, error) { return c.ConfirmWith(ctx, n.uuid, word) })
	return n.unlessTooLate(c, tx, err)
}

// unlessTooLate looks again where a confirmation or a cancel came too late.
func (n *note) unlessTooLate(c *client.Client, tx *client.Transaction, err error) (*client.Transaction, error) {
	if p := client.AsProblem(err); p != nil && (p.Code == "being_reversed" || p.Code == "not_approved" || p.Code == "already_confirmed") {
		return try(func(ctx context.Context) (*client.Transaction, error) { return c.Get(ctx, n.uuid, 0) })
	}
	return tx, err
}

// showApproved is the moment at which goods leave.
func (n *note) showApproved(c *client.Client) (*client.Transaction, error) {
	delivered := "yes"
	switch n.plan.conduct {
	case diesWaiting, diesApproved, diesConfirming, diesConfirmed:
		n.pass(atScreen)
		return nil, n.leave()
	case forgetsItsScreen: // it died around the screen and cannot know
		delivered = "unknown"
	default:
		n.set(func() { n.screen = screenApproved })
	}
	n.pass(atScreen)
	return try(func(ctx context.Context) (*client.Transaction, error) { return c.Shown(ctx, n.uuid, delivered) })
}

// try makes one call. What is no answer, or says that the agent is stopping,
// is errLost.
func try[T any](call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := within()
	defer cancel()
	v, err := call(ctx)
	switch p := client.AsProblem(err); {
	case err == nil, p != nil && p.Code != "stopping" && p.Code != "no_answer_in_time":
		return v, err
	case ctx.Err() != nil:
		return v, fmt.Errorf("no answer in time: %w", err)
	default:
		return v, fmt.Errorf("%w: %w", errLost, err)
	}
}
