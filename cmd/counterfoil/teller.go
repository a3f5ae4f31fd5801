package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// teller is a payment application for one transaction.
type teller struct {
	app     *app
	kind    *typeCommand
	socket  string
	client  *client.Client
	uuid    string
	begin   client.Begin
	confirm string
	chip    *client.ChipResult // what an inserted chip says
	timeout time.Duration
	started time.Time
}

// Waits of the teller.
const (
	holdFor    = 2 * time.Second        // one call that waits for the outcome
	retryAfter = 500 * time.Millisecond // a call that was not answered
)

// run takes the transaction to its end: done, not done, or undecided.
func (t *teller) run(ctx context.Context) error {
	t.client, t.started = client.New(t.socket), time.Now()
	defer t.client.Close()
	h, err := call(ctx, t.socket, func(ctx context.Context, _ *client.Client) (*client.Health, error) {
		return awaitEpoch(ctx, t.socket)
	})
	if err != nil {
		return err
	}
	t.begin.Epoch = h.Epoch
	end, err := t.session(ctx)
	if err != nil {
		return err
	}
	defer end()
	t.app.note("transaction %s", t.uuid) // an application keeps it durably, here
	state, err := t.ask(ctx, t.start)
	for err == nil && state.Must == client.MustWait {
		elapsed := time.Since(t.started)
		if elapsed > t.timeout {
			return t.lost(errNoOutcome)
		}
		t.app.note("  %s: the acquirer has not answered yet", elapsed.Round(time.Second))
		state, err = t.ask(ctx, t.again)
	}
	if err != nil {
		return t.lost(err)
	}
	if state.Warning != "" {
		t.app.note("warning: %s, see \"counterfoil show %s\"", state.Warning, state.Other)
	}
	if state.Must == client.MustConfirm {
		if state, err = t.decide(ctx, state); err != nil {
			return t.lost(err)
		}
	}
	return t.show(ctx, state)
}

// newSession asks for a session of the command's own.
const newSession = "new"

// session begins a session, where one is wanted, and gives what ends it.
func (t *teller) session(ctx context.Context) (end func(), err error) {
	if t.begin.Session != newSession {
		return func() {}, nil
	}
	s, err := t.client.BeginSession(ctx, client.NewSession{Terminal: t.begin.Terminal, Application: "counterfoil " + string(t.kind.Type)})
	if err != nil {
		return nil, err
	}
	t.begin.Session = s.Session
	t.app.note("session %s", s.Session)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdFor)
		defer cancel()
		_ = s.Close(ctx) // else the end of the process says so
	}, nil
}

func (t *teller) start(ctx context.Context) (*client.Transaction, error) {
	return t.client.Begin(ctx, t.uuid, t.begin, holdFor)
}

func (t *teller) again(ctx context.Context) (*client.Transaction, error) {
	return t.client.Get(ctx, t.uuid, holdFor)
}

// errNoOutcome says that --timeout is over.
var errNoOutcome = errors.New("the acquirer did not answer in time; the agent sees to it")

// ask makes a call until it is answered or --timeout is over. All calls may be
// repeated: the UUID sees to it that nothing happens twice.
func (t *teller) ask(ctx context.Context, fn func(context.Context) (*client.Transaction, error)) (*client.Transaction, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	for told := false; ; told = true {
		state, err := fn(ctx)
		if err == nil || !unanswered(err) {
			return state, err
		}
		if !told {
			t.app.note("  the agent does not answer; asking on under the same UUID")
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// unanswered says that it is not known whether the agent took the call.
func unanswered(err error) bool {
	p := client.AsProblem(err)
	return p == nil || p.Code == "stopping" || p.Code == "no_answer_in_time"
}

// lost ends a transaction of which the outcome cannot be had now.
func (t *teller) lost(err error) error {
	if !unanswered(err) {
		return err
	}
	return &exitError{exitUndecided, fmt.Errorf("transaction %s is undecided: hand over nothing; ask again with \"counterfoil show %s\": %w", t.uuid, t.uuid, err)}
}

// decide is what a cashier does with an approval.
func (t *teller) decide(ctx context.Context, state *client.Transaction) (*client.Transaction, error) {
	choice := t.confirm
	if choice == confirmAsk {
		choice = t.prompt(ctx, state)
	}
	switch choice {
	case confirmYes:
		body := confirmation(state, t.chip)
		state, err := t.ask(ctx, func(ctx context.Context) (*client.Transaction, error) { return t.client.ConfirmWith(ctx, t.uuid, body) })
		if p := client.AsProblem(err); p != nil && (p.Code == string(txn.BeingReversed) || p.Code == string(txn.TakenAsCancel)) {
			return t.ask(ctx, t.again) // too late, or the card declined: show what became of it
		}
		return state, err
	case confirmNo:
		return t.ask(ctx, func(ctx context.Context) (*client.Transaction, error) {
			reason := txn.CancelCustomer
			if state.Approved != 0 {
				reason = txn.CancelPartialRefused
			}
			state, err := t.client.Cancel(ctx, t.uuid, string(reason))
			if err != nil || state.Must != client.MustVoid {
				return state, err
			}
			return t.giveBack(ctx)
		})
	default:
		return state, nil
	}
}

// giveBack voids a part that the customer does not want, where the acquirer wants
// it so. What comes of that shows with the void; until it is done, a person has it.
func (t *teller) giveBack(ctx context.Context) (*client.Transaction, error) {
	void := client.Begin{Type: iso8583.Void, Terminal: t.begin.Terminal, Epoch: t.begin.Epoch, Original: t.uuid}
	if t.begin.Type == iso8583.PreAuth {
		void.Type = iso8583.PreAuthVoid
	}
	uuid := client.NewUUID()
	t.app.note("the part is given back: %s %s", void.Type, uuid)
	if _, err := t.client.Begin(ctx, uuid, void, holdFor); err != nil {
		return nil, err
	}
	return t.again(ctx)
}

// prompt asks the person at the terminal; no answer leaves the approval alone.
func (t *teller) prompt(ctx context.Context, state *client.Transaction) string {
	t.app.note("approved by the acquirer: %s, card %s; not final before it is confirmed", amount(state), state.PAN)
	_, _ = fmt.Fprint(t.app.stderr, "confirm? yes, no: ")
	answer := make(chan string, 1)
	go func() {
		line, err := t.app.stdin.ReadString('\n')
		if line = strings.ToLower(strings.TrimSpace(line)); line == "" && err != nil {
			line = confirmLeave
			t.app.note("")
		}
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return confirmLeave
	case line := <-answer:
		switch line {
		case confirmLeave, confirmYes:
			return line
		case "y":
			return confirmYes
		default:
			return confirmNo
		}
	}
}

// show prints the outcome, then says that it was shown.
func (t *teller) show(ctx context.Context, state *client.Transaction) error {
	var err error
	if t.app.json {
		err = t.app.printJSON(state)
	} else {
		t.print(state)
	}
	if err == nil && (state.Must == client.MustShowApproved || state.Must == client.MustShowNotApproved) {
		_, err = t.ask(ctx, func(ctx context.Context) (*client.Transaction, error) {
			return t.client.Shown(ctx, t.uuid, string(txn.DeliveredYes))
		})
	}
	if err != nil {
		t.app.note("it could not be noted that the outcome was shown (%v): the agent will ask for it", err)
	}
	code := stateCode(state.State)
	switch {
	case state.State == txn.StateApproved.String():
		t.app.note("not confirmed: the agent reverses it by itself, see \"counterfoil show %s\"", t.uuid)
	case code == exitUndecided:
		t.app.note("undecided: ask again with \"counterfoil show %s\"", t.uuid)
	}
	return outcome(code)
}

func (t *teller) print(s *client.Transaction) {
	a := t.app
	a.printf("%s\n", joined("  ", t.kind.title(s.State), amount(s), "card "+s.PAN, concerns(s)))
	a.printf("  transaction %s is %s\n", s.UUID, stateOf(s))
	a.printf("  terminal %s, STAN %s", s.Terminal, s.STAN)
	for _, f := range []struct{ name, value string }{
		{"response code", s.ResponseCode}, {"RRN", string(s.RRN)}, {"authorisation", s.AuthCode}, {"cause", s.Cause},
	} {
		if f.value != "" {
			a.printf(", %s %s", f.name, f.value)
		}
	}
	a.printf("\n")
	if s.Balance != "" {
		a.printf("  balance:    %s\n", balanceOf(s.Balance))
	}
	a.printf("  cashier:    %s\n  cardholder: %s\n", a.text(s.Say.Cashier), a.text(s.Say.Cardholder))
}
