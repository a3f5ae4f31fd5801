package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// evidence is what one column left behind: the acquirer's ledger, its fault
// counters and its message log, the applications' notes, and the queue in
// front of a person. The verdict is made of it and of nothing else.
type evidence struct {
	side      side
	ledger    []hostsim.EntryView
	faults    []hostsim.FaultView
	traffic   []hostsim.MessageView
	notes     []Note
	escalated map[iso8583.TID]bool
	killed    map[string]bool
}

func (c *column) evidence(ctx context.Context) (e evidence, err error) {
	e = evidence{side: c.side, killed: c.killed}
	if c.agent != nil {
		if e.escalated, err = c.agent.escalated(ctx); err != nil {
			return e, err
		}
	}
	if e.ledger, err = c.host.ledger(ctx); err != nil {
		return e, err
	}
	if e.faults, err = c.host.faults(ctx); err != nil {
		return e, err
	}
	if e.traffic, err = c.host.log(ctx); err != nil {
		return e, err
	}
	e.notes, err = readNotes(c.path("notes.jsonl"))
	return e, err
}

// outcomes judges every sale.
func (e evidence) outcomes() (out []Outcome) {
	for _, s := range sales() {
		decide := judge
		if s.back {
			decide = judgeRefund
		}
		out = append(out, decide(s, e.ledger, e.notes, e.escalated[s.terminal]))
	}
	return out
}

// Reasons why a scenario proves nothing.
var (
	errNoFault    = errors.New("the fault never struck")
	errNoKill     = errors.New("nothing was killed")
	errNoLateness = errors.New("what had to come after the terminal gave up did not")
)

// happened says whether what scenario i is about did happen here.
func (e evidence) happened(i int) error {
	s := scenarios[i]
	if s.fault != nil && !slices.ContainsFunc(e.faults, func(f hostsim.FaultView) bool { return f.Fault.Name == s.id && f.Fired == 1 }) {
		return errNoFault
	}
	if s.kill != nobody && !e.killed[s.id] {
		return errNoKill
	}
	if s.late == nothing {
		return nil
	}
	gaveUp, late := e.gaveUp(saleOf(i)), e.arrival(i)
	if gaveUp.IsZero() || late.IsZero() || !late.After(gaveUp) {
		return errNoLateness
	}
	return nil
}

// gaveUp is when the terminal no longer waited: for the agent when its first
// reversal reached the host, for the plain client when it said so on screen.
func (e evidence) gaveUp(s sale) time.Time {
	if e.side == plainSide {
		for _, n := range e.notes {
			if n.Terminal == s.terminal && n.Screen != Approved {
				return n.At
			}
		}
		return time.Time{}
	}
	for _, m := range messagesOf(e.traffic, s.terminal) {
		if m.Direction == "in" && m.MTI.Class() == '4' {
			return m.At
		}
	}
	return time.Time{}
}

// arrival is when the late message of scenario i reached the other side.
func (e evidence) arrival(i int) time.Time {
	for _, m := range messagesOf(e.traffic, saleOf(i).terminal) {
		switch {
		case m.MTI.Class() != '2':
		case scenarios[i].late == lateRequest && m.Direction == "in" && strings.HasPrefix(m.Note, "arrives now"),
			scenarios[i].late == lateAnswer && m.Direction == "out":
			return m.At
		}
	}
	return time.Time{}
}

// messagesOf picks a terminal's messages out of the host's log.
func messagesOf(traffic []hostsim.MessageView, tid iso8583.TID) (out []hostsim.MessageView) {
	for _, m := range traffic {
		if m.Fields[41] == string(tid) {
			out = append(out, m)
		}
	}
	return out
}

// problems lists what keeps the demo from proving anything in this column.
func (e evidence) problems(outcomes []Outcome) (out []string) {
	for i, s := range scenarios {
		if err := e.happened(i); err != nil {
			out = append(out, fmt.Sprintf("%s column, scenario %s (%s) did not happen: %v", e.side, s.id, s.name, err))
		}
		if s.expect != "" && outcomes[i].Screen != s.expect {
			out = append(out, fmt.Sprintf("%s column, scenario %s (%s): the screen says %q, want %q", e.side, s.id, s.name, outcomes[i].Screen, s.expect))
		}
	}
	for _, key := range strangers(sales(), e.ledger) {
		out = append(out, fmt.Sprintf("%s column: the ledger holds %s, which no scenario asked for", e.side, key))
	}
	return out
}
