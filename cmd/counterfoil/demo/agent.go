package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// agentProcess is the daemon, as it is run in a shop: `run --config`.
type agentProcess struct {
	self, dir, log string
	process        *child
}

// maxSocket is a little below what a unix socket's path can hold.
const maxSocket = 100

var errSocketPath = errors.New("too long for a unix socket: set TMPDIR to a shorter directory")

func (a *agentProcess) socket() string { return filepath.Join(a.dir, "agent.sock") }
func (a *agentProcess) config() string { return filepath.Join(a.dir, "agent.yaml") }

// configure writes the key and the configuration file. The demo's rules differ
// from the profile's in their timers alone.
func (a *agentProcess) configure(host string, t Timers) error {
	if len(a.socket()) > maxSocket {
		return fmt.Errorf("%s: %w", a.socket(), errSocketPath)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := os.WriteFile(filepath.Join(a.dir, "agent.key"), key, 0o400); err != nil {
		return fmt.Errorf("agent: key: %w", err)
	}
	var b strings.Builder
	b.WriteString("socket: agent.sock\njournal: agent.journal\nkey_file: agent.key\nacquirers:\n")
	// Of the second nobody takes a refund back.
	for name, reversed := range map[string]string{"demo": "[sale, refund]", "firm": "[sale]"} {
		_, _ = fmt.Fprintf(&b, `  - name: %s
    profile: %s
    hosts: ["%s"]
    rules:
      response_timeout: %s
      confirm_timeout: %s
      orphan_timeout: %s
      reversal_answer_timeout: %s
      reversal_schedule: [0s, 200ms, 500ms, 1s]
      reversal_types: %s
      message_lifetime: %s
`, name, dialect, host, t.Response, t.Confirm, t.Orphan, t.Answer, reversed, t.Lifetime)
	}
	b.WriteString("terminals:\n")
	for _, s := range sales() {
		acquirer := "demo"
		if s.back {
			acquirer = "firm"
		}
		_, _ = fmt.Fprintf(&b, "  - {tid: %s, mid: \"%s\", acquirer: %s}\n", s.terminal, merchant, acquirer)
	}
	if err := os.WriteFile(a.config(), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("agent: configuration: %w", err)
	}
	return nil
}

// start starts it, for the first time or after a kill, and waits until it has
// recovered and its host can be reached.
func (a *agentProcess) start(ctx context.Context) error {
	if err := a.launch(ctx); err != nil {
		return err
	}
	return a.ask(func(c *client.Client) error {
		for {
			h, err := c.Health(ctx)
			if err != nil {
				return err
			}
			if len(h.Hosts) > 0 && h.Hosts[0].Up {
				return nil
			}
			if !pause(ctx, look) {
				return fmt.Errorf("agent: it does not reach its host: %w", ctx.Err())
			}
		}
	})
}

// launch starts it, and waits until its socket is there.
func (a *agentProcess) launch(ctx context.Context) (err error) {
	// The process lives longer than ctx, which only bounds its start.
	a.process, err = start(context.WithoutCancel(ctx), a.self, "agent", a.log, nil,
		"run", "--config", a.config(), "--announce", "--exit-with-stdin")
	if err == nil {
		_, err = a.process.announced(ctx)
	}
	return err
}

// open is how many transactions it has not ended, less those in front of a
// person.
func (a *agentProcess) open(ctx context.Context) (n int, err error) {
	err = a.ask(func(c *client.Client) error {
		h, err := c.Health(ctx)
		if err != nil {
			return err
		}
		list, err := c.Escalations(ctx)
		if err != nil {
			return err
		}
		n = max(h.Open-len(list.Transactions), 0)
		return nil
	})
	return n, err
}

// escalated says for which terminals a person was called: the queue that is in
// front of that person.
func (a *agentProcess) escalated(ctx context.Context) (map[iso8583.TID]bool, error) {
	out := map[iso8583.TID]bool{}
	err := a.ask(func(c *client.Client) error {
		list, err := c.Escalations(ctx)
		if err != nil {
			return err
		}
		for _, t := range list.Transactions {
			out[t.Terminal] = true
		}
		return nil
	})
	return out, err
}

func (a *agentProcess) ask(call func(*client.Client) error) error {
	c := client.New(a.socket())
	defer c.Close()
	return call(c)
}

// describe names each timer with what the profile has for a shop.
func (t Timers) describe(shop *iso8583.Rules) []timer {
	return []timer{
		{"response", t.Response, shop.ResponseTimeout},
		{"confirmation", t.Confirm, shop.ConfirmTimeout},
		{"the same, application gone", t.Orphan, shop.OrphanTimeout},
		{"reversal's answer", t.Answer, shop.Reversal.AnswerTimeout},
		{"hold-down (message lifetime)", t.Lifetime, shop.Reversal.MessageLifetime},
	}
}

// timer is one shortened timer.
type timer struct {
	name string
	here time.Duration
	shop iso8583.Duration
}
