package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// application is a payment application as an integrator would write one: it
// asks for the sale under a UUID, again under the same one where no answer
// comes, confirms an approval before it shows it, and after a restart acts on
// what the agent lists for it.
type application struct {
	task
	agent *client.Client
	held  *client.Session // nil: none yet
	book  notebook
	out   io.Writer
}

// Waits of the application.
const (
	askAgain  = 50 * time.Millisecond // between two calls where the first brought nothing
	holdCall  = 10 * time.Second      // how long the agent may hold a call until there is an outcome
	undecided = 15 * time.Second      // then the cashier is told that it is undecided
)

// sellThroughAgent is the child `internal app`. With resume it does not sell:
// it is the application started anew after it was killed.
func sellThroughAgent(ctx context.Context, t task, socket string, resume bool, in io.Reader, out io.Writer) error {
	ctx, cancel := whileStdin(ctx, in)
	defer cancel()
	a := &application{
		task: t, agent: client.New(socket), out: out,
		book: notebook{path: t.notes, terminal: t.terminal, sale: t.ref},
	}
	defer a.agent.Close()
	defer a.goodbye()
	limit, stop := context.WithTimeout(ctx, undecided)
	defer stop()
	err := a.run(limit, resume)
	if err != nil && ctx.Err() == nil { // not decided, and the customer stands there
		return errors.Join(err, a.show(Unknown, "Undecided: hand over nothing, call for help"))
	}
	return err
}

func (a *application) run(ctx context.Context, resume bool) error {
	switch {
	case resume:
		return a.resume(ctx)
	case a.again:
		if s, err := a.takeUp(ctx); err != nil || s == Approved {
			return err
		}
	case a.turn > 0:
		return a.turnAway(ctx)
	}
	for range a.attempts() {
		if s, err := a.attempt(ctx); err != nil || s == Approved {
			return err
		}
	}
	return nil
}

// attempt is one transaction, to the screen.
func (a *application) attempt(ctx context.Context) (Screen, error) {
	return a.sell(ctx, client.NewUUID(), client.Begin{Card: client.Card{PAN: testPAN}})
}

// sell asks under uuid until there is an outcome, and takes it to the screen.
func (a *application) sell(ctx context.Context, uuid string, b client.Begin) (Screen, error) {
	t, err := patiently(ctx, a, func() (*client.Transaction, error) {
		t, err := a.begin(ctx, uuid, b, holdCall)
		if err == nil && t.Must == client.MustWait {
			return nil, errStillOpen
		}
		return t, err
	})
	if err != nil {
		return "", err
	}
	if t.Must == client.MustConfirm {
		if t, err = a.confirm(ctx, uuid); err != nil {
			return "", err
		}
	}
	return a.finish(ctx, t)
}

// begin asks for the sale: the same request under the same UUID, however often
// and under whatever session, runs once.
func (a *application) begin(ctx context.Context, uuid string, b client.Begin, hold time.Duration) (*client.Transaction, error) {
	s, err := a.session(ctx)
	if err != nil {
		return nil, err
	}
	b.Type, b.Terminal, b.Epoch, b.Session = "sale", a.terminal, s.Epoch, s.Session
	b.Amount, b.Currency, b.Sale = a.minor, currency.Alpha(), a.ref
	a.readCard(&b.Card)
	return a.agent.Begin(ctx, uuid, b, hold)
}

// session is the application's: another one where the agent ended the one
// before, or died.
func (a *application) session(ctx context.Context) (*client.Session, error) {
	if a.held != nil {
		select {
		case <-a.held.Over():
		default:
			return a.held, nil
		}
	}
	s, err := a.agent.BeginSession(ctx, client.NewSession{Terminal: a.terminal, Application: "demo"})
	if err == nil {
		a.held = s
	}
	return s, err
}

// goodbye ends the session, where the process ends by itself.
func (a *application) goodbye() {
	if a.held != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = a.held.Close(ctx) // else its end says so
	}
}

// takeUp is an application that starts again while the customer stands there: it
// does what the agent says about its terminal before anything else. What was
// approved and never shown it confirms and shows, since the customer waits for
// just that.
func (a *application) takeUp(ctx context.Context) (Screen, error) {
	s, err := patiently(ctx, a, func() (*client.Session, error) { return a.session(ctx) })
	if err != nil {
		return "", err
	}
	screen := Screen("")
	for _, terminal := range s.Recovery.Terminals {
		for _, step := range terminal.Steps {
			t, err := patiently(ctx, a, func() (*client.Transaction, error) {
				t, err := a.agent.Get(ctx, step.UUID, holdCall)
				if err == nil && t.Must == client.MustWait {
					return nil, errStillOpen
				}
				return t, err
			})
			if err == nil && t.Must == client.MustConfirm {
				t, err = a.confirm(ctx, step.UUID)
			}
			if err != nil {
				return "", err
			}
			if screen, err = a.finish(ctx, t); err != nil || screen == Approved {
				return screen, err
			}
		}
	}
	return screen, nil
}

// turnAway: the customer does not wait for the first card's answer. The second
// request says what it replaces, and the agent closes that one first.
func (a *application) turnAway(ctx context.Context) error {
	first := client.NewUUID()
	_, err := patiently(ctx, a, func() (*client.Transaction, error) {
		t, err := a.begin(ctx, first, client.Begin{Card: client.Card{PAN: testPAN}}, a.turn)
		if err == nil && t.Must != client.MustWait {
			return nil, errTooFast
		}
		return t, err
	})
	if err != nil {
		return err
	}
	if err := say(a.out, word{Trouble: "the customer turns to another card"}); err != nil {
		return err
	}
	_, err = a.sell(ctx, client.NewUUID(), client.Begin{Replaces: first, Card: client.Card{PAN: otherPAN}})
	return err
}

// confirm is the commit point. Too late is an outcome as well: then the sale
// is being reversed, and that is what is shown.
func (a *application) confirm(ctx context.Context, uuid string) (*client.Transaction, error) {
	if a.hold {
		if err := say(a.out, word{Approved: true}); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return patiently(ctx, a, func() (*client.Transaction, error) {
		t, err := a.commit(ctx, uuid)
		if client.AsProblem(err) != nil {
			return a.agent.Get(ctx, uuid, 0)
		}
		return t, err
	})
}

// finish shows the outcome, and tells the agent that it was seen.
func (a *application) finish(ctx context.Context, t *client.Transaction) (Screen, error) {
	screen := NotApproved
	switch t.Must {
	case client.MustShowApproved:
		screen = Approved
	case client.MustShowNotApproved:
	default:
		return Unknown, a.show(Unknown, t.Say.Cashier.EN)
	}
	if err := a.show(screen, t.Say.Cashier.EN); err != nil {
		return "", err
	}
	_, err := patiently(ctx, a, func() (*client.Transaction, error) { return a.agent.Shown(ctx, t.UUID, "yes") })
	if err == nil && a.back && screen == Approved && t.Type == iso8583.Sale {
		err = a.giveBack(ctx, t.UUID)
	}
	return screen, err
}

// resume shows what was never shown. It does not know whether the customer
// is still there, so it confirms nothing: what waits for a confirmation is
// left to the agent, which reverses it when its time is up.
func (a *application) resume(ctx context.Context) error {
	list, err := patiently(ctx, a, func() (*client.Recovery, error) {
		l, err := a.agent.Recovery(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range l.Transactions {
			if t.Terminal == a.terminal && (t.Must == client.MustWait || t.Must == client.MustConfirm) {
				return nil, errStillOpen
			}
		}
		return l, nil
	})
	if err != nil {
		return err
	}
	for i := range list.Transactions {
		if t := &list.Transactions[i]; t.Terminal == a.terminal {
			if _, err := a.finish(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// show puts a text on the screen.
func (a *application) show(s Screen, text string) error {
	n, err := a.book.write(s, text)
	if err != nil {
		return err
	}
	return say(a.out, word{Note: &n})
}

// errStillOpen says that there is no outcome yet.
var errStillOpen = errors.New("no outcome yet")

// patiently calls until there is an answer. That the agent cannot be reached
// is no answer: it may be starting again, and what it did is in its journal.
func patiently[T any](ctx context.Context, a *application, call func() (*T, error)) (*T, error) {
	for told := false; ; {
		out, err := call()
		if err == nil {
			return out, nil
		}
		p := client.AsProblem(err)
		switch {
		case errors.Is(err, errTooFast):
			return nil, err
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case p != nil && p.Retry != client.RetrySameID && p.Retry != client.RetryPoll:
			return nil, err
		case p == nil && !told && !errors.Is(err, errStillOpen):
			told = true
			if err := say(a.out, word{Trouble: "the agent does not answer: please wait"}); err != nil {
				return nil, err
			}
		}
		if !pause(ctx, askAgain) {
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
