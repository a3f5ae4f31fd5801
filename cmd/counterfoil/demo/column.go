package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// column plays every scenario on one side: with a host, a ledger and notes of
// its own.
type column struct {
	side   side
	self   string // this program
	dir    string
	timers Timers
	log    *progress

	hostProcess *child
	host        *acquirer
	agent       *agentProcess // nil for the plain client

	mu     sync.Mutex
	killed map[string]bool // by scenario: SIGKILL struck when it had to
}

// Bounds far above what it takes, so that a demo of an agent that hangs ends,
// and with a report.
const (
	readyWithin  = 20 * time.Second      // to start a side
	playWithin   = 20 * time.Second      // one scenario
	settleWithin = 10 * time.Second      // after it, until nothing is under way
	look         = 10 * time.Millisecond // between two looks at the ledger
)

func (c *column) path(name string) string { return filepath.Join(c.dir, string(c.side)+"."+name) }

// open starts the host, arms its faults, and starts the agent where there is
// one.
func (c *column) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := c.openHost(ctx); err != nil {
		return err
	}
	var faults []hostsim.Fault
	for i := range scenarios {
		if f, ok := faultOf(i, c.side, c.timers); ok {
			faults = append(faults, f)
		}
	}
	if err := c.host.addFaults(ctx, faults); err != nil {
		return err
	}
	if c.side == plainSide {
		return nil
	}
	c.agent = &agentProcess{self: c.self, dir: c.dir, log: c.path("log")}
	if err := c.agent.configure(c.host.Listen, c.timers); err != nil {
		return err
	}
	return c.agent.start(ctx)
}

func (c *column) openHost(ctx context.Context) (err error) {
	// The process lives longer than ctx, which only bounds its start.
	c.hostProcess, err = start(context.WithoutCancel(ctx), c.self, "simulated acquirer", c.path("host.log"), nil,
		"internal", "host", "--ledger", c.path("ledger.jsonl"))
	if err != nil {
		return err
	}
	line, err := c.hostProcess.announced(ctx)
	if err != nil {
		return err
	}
	c.host, err = newAcquirer(line)
	return err
}

// close ends the processes that still run.
func (c *column) close() (errs []error) {
	if c.agent != nil && c.agent.process != nil {
		errs = append(errs, c.agent.process.stop())
	}
	if c.hostProcess != nil {
		errs = append(errs, c.hostProcess.stop())
	}
	return errs
}

// play plays scenario i to the end of its last process.
func (c *column) play(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, playWithin)
	defer cancel()
	err := c.act(ctx, i)
	if err != nil {
		return fmt.Errorf("scenario %s (%s), %s column: %w", scenarios[i].id, scenarios[i].name, c.side, err)
	}
	return nil
}

func (c *column) act(ctx context.Context, i int) error {
	approved := make(chan struct{}, 1)
	seller, err := c.seller(ctx, i, asNew, approved)
	if err != nil {
		return err
	}
	switch scenarios[i].kill {
	case theApp, theAppAgain:
		return c.killSeller(ctx, i, seller, approved)
	case theMachine:
		return c.killMachine(ctx, i, seller)
	default:
		return seller.wait(ctx)
	}
}

// begins says how a seller starts.
type begins uint8

const (
	asNew  begins = iota
	later         // after it was killed and the sale was undone
	atOnce        // after it was killed; the customer still stands there
)

// seller starts the process that sells: the payment application or the plain
// client. On approved it is told when a seller that is to be killed there
// holds an approval.
func (c *column) seller(ctx context.Context, i int, how begins, approved chan<- struct{}) (*child, error) {
	s := saleOf(i)
	args := []string{
		"internal", "plain", "--terminal", string(s.terminal), "--sale", s.ref,
		"--amount", fmt.Sprint(s.minor), "--notes", c.path("notes.jsonl"),
		fmt.Sprintf("--retry=%t", scenarios[i].retry), fmt.Sprintf("--chip=%t", scenarios[i].chip),
		fmt.Sprintf("--back=%t", s.back),
		fmt.Sprintf("--hold=%t", how == asNew && (scenarios[i].kill == theApp || scenarios[i].kill == theAppAgain)),
		fmt.Sprintf("--again=%t", how == atOnce),
	}
	if scenarios[i].turn {
		args = append(args, "--turn", c.timers.Patience.String())
	}
	name := "plain client"
	if c.side == agentSide {
		name = "payment application"
		args[1] = "app"
		args = append(args, "--socket", c.agent.socket(), fmt.Sprintf("--resume=%t", how == later))
	} else {
		args = append(args, "--host", c.host.Listen, "--timeout", c.timers.Response.String())
	}
	return start(ctx, c.self, name, c.path("log"), func(line string) { c.hear(i, line, approved) }, args...)
}

// hear takes what a seller says, for the progress and for the moment to kill.
func (c *column) hear(i int, line string, approved chan<- struct{}) {
	var w word
	if json.Unmarshal([]byte(line), &w) != nil {
		return
	}
	switch {
	case w.Note != nil:
		c.log.screen(c.side, scenarios[i].id, w.Note)
	case w.Trouble != "":
		c.log.event(c.side, scenarios[i].id, w.Trouble)
	case w.Approved:
		select {
		case approved <- struct{}{}:
		default:
		}
	}
}

// killSeller kills the seller while it holds an approval that it has not
// shown. The application is started anew when the agent, left alone, has
// undone the sale; the plain client would have nothing to look at.
func (c *column) killSeller(ctx context.Context, i int, seller *child, approved <-chan struct{}) error {
	select {
	case <-approved:
	case <-seller.done:
		return fmt.Errorf("it ended before it was approved: %w", seller.failure())
	case <-ctx.Done():
		return fmt.Errorf("no approval to kill it at: %w", ctx.Err())
	}
	c.log.event(c.side, scenarios[i].id, fmt.Sprintf("approved and not shown: SIGKILL to the %s (pid %d)", seller.name, seller.pid()))
	if err := seller.kill(); err != nil {
		return err
	}
	c.struck(i)
	if scenarios[i].kill == theAppAgain {
		c.log.event(c.side, scenarios[i].id, "it starts again; the customer still stands there")
		again, err := c.seller(ctx, i, atOnce, nil)
		if err != nil {
			return err
		}
		return again.wait(ctx)
	}
	if c.side == plainSide {
		return nil
	}
	if err := c.untilLedger(ctx, i, 0); err != nil {
		return err
	}
	c.log.event(c.side, scenarios[i].id, "nobody confirmed: the debit is undone; the application starts again")
	again, err := c.seller(ctx, i, later, nil)
	if err != nil {
		return err
	}
	return again.wait(ctx)
}

// killMachine kills whoever keeps the terminal's half, while the ledger holds
// the debit and the answer has not left the host.
func (c *column) killMachine(ctx context.Context, i int, seller *child) error {
	if err := c.untilLedger(ctx, i, saleOf(i).minor); err != nil {
		return err
	}
	target := seller
	if c.side == agentSide {
		target = c.agent.process
	}
	c.log.event(c.side, scenarios[i].id, fmt.Sprintf("debited and not answered: SIGKILL to the %s (pid %d)", target.name, target.pid()))
	if err := target.kill(); err != nil {
		return err
	}
	traffic, err := c.host.log(ctx)
	if err != nil {
		return err
	}
	if n := len(messagesOf(traffic, saleOf(i).terminal)); n != 1 {
		return fmt.Errorf("killed too late: %d messages had passed, want the request alone", n)
	}
	c.struck(i)
	if c.side == plainSide {
		return nil
	}
	if err := c.agent.start(ctx); err != nil {
		return err
	}
	c.log.event(c.side, scenarios[i].id, fmt.Sprintf("agent started again (pid %d)", c.agent.process.pid()))
	return seller.wait(ctx)
}

// untilLedger waits until the sale's net debit is net.
func (c *column) untilLedger(ctx context.Context, i int, net int64) error {
	for {
		entries, err := c.host.ledger(ctx)
		if err != nil {
			return err
		}
		if o := judge(saleOf(i), entries, nil, false); o.Requests > 0 && o.Net == net {
			return nil
		}
		if !pause(ctx, look) {
			return fmt.Errorf("the ledger never held %d minor units: %w", net, ctx.Err())
		}
	}
}

func (c *column) struck(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed[scenarios[i].id] = true
}

// settle waits until nothing is under way any more. That the agent says so
// ends the waiting and nothing else: the verdict is read from the ledger.
func (c *column) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		n, err := c.host.underWay(ctx)
		if err == nil && n == 0 && c.agent != nil {
			n, err = c.agent.open(ctx)
		}
		switch {
		case err != nil:
			return err
		case n == 0:
			return nil
		case !pause(ctx, 5*look):
			return fmt.Errorf("%s column: %d messages or transactions are still open: %w", c.side, n, ctx.Err())
		}
	}
}
