package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// find gives the ledger's entries of one type and amount.
func find(entries []hostsim.EntryView, typ iso8583.Type, amount int64) (out []hostsim.EntryView) {
	for _, e := range entries {
		if e.Amount == amount && e.Type == typ {
			out = append(out, e)
		}
	}
	return out
}

// get asks the agent; nil means that it never heard of the transaction.
func (n *note) get(c *client.Client) (*client.Transaction, error) {
	tx, err := try(func(ctx context.Context) (*client.Transaction, error) { return c.Get(ctx, n.uuid, 0) })
	if p := client.AsProblem(err); p != nil && p.Code == "not_found" {
		return nil, nil
	}
	return tx, err
}

// open lists the causes of the open items.
func open(tx *client.Transaction) (causes []string) {
	for _, i := range tx.Items {
		if !i.Closed {
			causes = append(causes, i.Cause)
		}
	}
	return causes
}

// atRest says that nothing more will happen to the transaction by itself.
func (n *note) atRest(tx *client.Transaction) bool {
	switch {
	case tx == nil:
		return true
	case tx.State == "confirmed":
		return tx.Shown != "" || len(open(tx)) > 0 || !n.typ.HandsOver()
	case tx.State == "reversing":
		// The host has spoken, and goes on saying so.
		return slices.ContainsFunc(open(tx), func(cause string) bool {
			return cause == "unknown_original" || cause == "duplicate" || cause == "refused" && n.plan.scenario.forever
		})
	default:
		return tx.State == "declined" || tx.State == "reversed" || tx.State == "not_sent"
	}
}

// settle waits until every attempt is at rest and the host holds nothing back.
func (c *campaign) settle() error {
	ctx, cancel := within()
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	agent, err := c.s.agent()
	if err != nil {
		return err
	}
	for _, n := range c.notes {
		for {
			tx, err := n.get(agent)
			if errors.Is(err, errLost) { // where that is no one's plan, it says so
				agent, err = c.s.agent()
			} else if err == nil && n.atRest(tx) {
				break
			}
			if err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s never came to rest: %+v, scenario %q", n.uuid, tx, n.plan.scenario.name)
			}
		}
	}
	for {
		var health struct{ Delayed int }
		if err := c.s.ask(http.MethodGet, "/health", nil, &health); err != nil || health.Delayed == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the host still holds messages back")
		}
	}
}

// judge reads the ledger, the application's notes, the agent's own word and
// the replay of its journal, and lists what does not agree.
func (c *campaign) judge(t *testing.T) (violations []string) {
	t.Helper()
	sum, err := c.s.ledger()
	agent, err2 := c.s.agent()
	if err := errors.Join(err, err2); err != nil {
		return []string{err.Error()}
	}
	word := map[string]*client.Transaction{}
	parts := map[string]int{}
	for _, n := range c.notes {
		tx, err := n.get(agent)
		if err != nil {
			return append(violations, err.Error())
		}
		word[n.uuid] = tx
		v := verdict{n: n, tx: tx, entries: find(sum.Entries, n.typ, n.amount)}
		c.final[v.final()]++
		for _, what := range v.violations() {
			violations = append(violations, fmt.Sprintf("%s (%s; host: %s; application: %s; agent: %s; screen %q): %s",
				n.uuid, n.sale, n.plan.scenario.name, n.plan.conduct, v.final(), n.screen, what))
		}
		if n.typ == iso8583.Sale && v.effect() != 0 && !v.escalated() {
			if parts[n.sale]++; parts[n.sale] > 1 {
				violations = append(violations, "two debits for sale "+n.sale)
			}
		}
	}
	for _, e := range sum.Entries {
		if e.State == hostsim.StatePending {
			violations = append(violations, fmt.Sprintf("the host never decided %s", e.Key))
		}
		if !slices.ContainsFunc(c.notes, func(n *note) bool { return n.amount == e.Amount }) {
			violations = append(violations, fmt.Sprintf("the ledger has %s of %d, which nobody asked for", e.Key, e.Amount))
		}
	}
	return append(violations, c.s.replayAgrees(t, word)...)
}

// verdict is one attempt with all that is known of it.
type verdict struct {
	n       *note
	tx      *client.Transaction // nil: never journaled
	entries []hostsim.EntryView
}

// effect is what this attempt moved at the host and did not move back: debited,
// held, given back or let go, always as a positive amount. Of a sale that was
// not voided it is what the cardholder is out of pocket.
func (v *verdict) effect() (sum int64) {
	for _, e := range v.entries {
		sum += max(e.Effect, -e.Effect)
	}
	return sum
}

func (v *verdict) escalated() bool { return v.tx != nil && len(open(v.tx)) > 0 }

// final is how the attempt ended, in the words of the statistics.
func (v *verdict) final() string {
	switch {
	case v.tx == nil && v.n.refused != "":
		return "not begun: " + v.n.refused
	case v.tx == nil:
		return "not begun: the agent never heard of it"
	case v.tx.State == "reversing" && v.escalated():
		return "escalated"
	case v.escalated():
		return v.tx.State + ", escalated"
	default:
		return v.tx.State
	}
}

// violations is the judgement, by safety.md's properties.
func (v *verdict) violations() (out []string) {
	say := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	n, effect, done, undone := v.n, v.effect(), 0, 0
	for _, e := range v.entries {
		for _, ev := range e.History {
			switch ev.Event {
			case hostsim.EventDebit, hostsim.EventCredit, hostsim.EventHold, hostsim.EventRelease:
				done++
			case hostsim.EventUndebit, hostsim.EventUncredit, hostsim.EventUnhold, hostsim.EventUnrelease:
				undone++
			}
		}
	}
	approved := n.screen == screenApproved
	say(done > 1, "P3: moved money %d times", done)
	say(effect != 0 && effect != n.amount, "the ledger holds %d of %d", effect, n.amount)
	say(approved && effect != n.amount, "P2: the screen said approved, and the ledger holds %d of %d", effect, n.amount)
	// What commits with its approval stands also where nobody came back to see it.
	committed := v.tx != nil && v.tx.State == "confirmed" && !n.typ.NeedsConfirmation()
	say(effect != 0 && !approved && !v.escalated() && !committed, "P1: a silent %s of %d", n.typ, effect)
	if v.tx == nil {
		say(len(v.entries) > 0, "P1: never journaled, and the host knows it")
		say(n.accepted, "R1: it was accepted, and is not in the journal")
		return out
	}
	state := v.tx.State
	say(v.tx.Type != n.typ || v.tx.Amount != n.amount || n.first == nil && v.tx.Sale != n.sale || v.tx.Terminal != n.tid, "the agent has other facts of it")
	say(!n.atRest(v.tx), "P5: it has not ended")
	say(state != "confirmed" && state != "reversing" && effect != 0, "P1s: %s, and the ledger holds %d", state, effect)
	say(state == "confirmed" && effect != n.amount, "P6: confirmed, and the ledger holds %d", effect)
	say(state == "confirmed" && undone > 0, "P4: confirmed, and reversed at the host")
	say(approved && state != "confirmed", "R4: the screen said approved")
	say(n.screen == screenNotApproved && state == "confirmed", "the screen said not approved")
	return out
}

// replayAgrees kills the daemon, replays a copy of its journal, and compares.
// What is at rest is the same before and after the kill.
func (s *station) replayAgrees(t *testing.T, word map[string]*client.Transaction) (violations []string) {
	t.Helper()
	s.down().kill()
	if err := errors.Join(os.RemoveAll(s.path("copy")), os.CopyFS(s.path("copy"), os.DirFS(s.path("journal")))); err != nil {
		return []string{err.Error()}
	}
	out, stderr, err := command(s.exe, "journal", "replay", s.path("copy"), "--json")
	var replay struct {
		Transactions []struct {
			UUID, State, Shown string
			Escalated          []string
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &replay)
	}
	if err := errors.Join(err, os.WriteFile(s.path("replay.json"), slices.Concat(out, stderr), 0o600)); err != nil {
		return []string{fmt.Sprintf("journal replay: %v: %s", err, stderr)}
	}
	seen := map[string]bool{}
	for _, r := range replay.Transactions {
		tx := word[r.UUID]
		switch {
		case tx == nil:
			violations = append(violations, r.UUID+": replay has it, and the agent never heard of it")
		case tx.State != r.State || tx.Shown != r.Shown || !slices.Equal(open(tx), r.Escalated):
			violations = append(violations, fmt.Sprintf("%s: the agent said %s, shown %q, items %v; replay says %s, %q, %v",
				r.UUID, tx.State, tx.Shown, open(tx), r.State, r.Shown, r.Escalated))
		}
		seen[r.UUID] = true
	}
	for uuid, tx := range word {
		if tx != nil && !seen[uuid] {
			violations = append(violations, uuid+": replay lacks it")
		}
	}
	return violations
}
