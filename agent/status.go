package agent

import (
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// How the agent stands: its terminals and its journal.

// tally is what is open, counted once.
type tally struct {
	open    map[txn.State]int
	by      map[iso8583.TID]*client.TerminalStatus
	owed    map[iso8583.TID]int
	items   map[txn.Cause]int
	holds   int
	scripts int
	alarmed int
}

// tally counts what is not settled.
func (v *View) tally() tally {
	out := tally{open: map[txn.State]int{}, by: map[iso8583.TID]*client.TerminalStatus{}, owed: map[iso8583.TID]int{}, items: map[txn.Cause]int{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, uuid := range v.machine.Open() {
		t := v.machine.Get(uuid)
		by := out.by[t.TID]
		if by == nil {
			by = &client.TerminalStatus{}
			out.by[t.TID] = by
		}
		if t.State.Open() {
			out.open[t.State]++
			by.Open++
		}
		if t.State == txn.StateReversing {
			out.owed[t.TID]++
			by.Owed++
			if t.Hold == txn.HoldWaiting {
				out.holds++
				by.HoldDowns++
			}
		}
		if t.Script.Owed() {
			out.scripts++
		}
		if t.Escalated() {
			by.Escalations++
		}
		for i := range t.Items {
			if it := &t.Items[i]; !it.Closed {
				out.items[it.Cause]++
				if it.Alarmed() {
					out.alarmed++
				}
			}
		}
	}
	return out
}

func (s *api) terminals(_ *http.Request, w http.ResponseWriter) *client.Problem {
	counted := s.agent.view.tally()
	out := client.Terminals{Terminals: []client.TerminalStatus{}}
	for _, t := range s.agent.opts.Terminals {
		var st client.TerminalStatus
		if by := counted.by[t.TID]; by != nil {
			st = *by
		}
		acq := s.agent.acquirers[t.Acquirer]
		p := acq.profile
		st.SignOn = acq.lastSignOn(t.TID)
		st.TID, st.MID, st.Acquirer = t.TID, t.MID, t.Acquirer
		st.Profile, st.Rules, st.Gate, st.OwedLimit = p.Name, p.Rules.Hash(), string(p.Rules.Gate), p.Rules.OwedLimit
		out.Terminals = append(out.Terminals, st)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *api) journal(_ *http.Request, w http.ResponseWriter) *client.Problem {
	a := s.agent
	_, sum, n := a.metrics.sync.get()
	out := client.Journal{
		Position: uint64(a.journal.Last()), Told: uint64(a.feed.end()), Epoch: a.view.epoch(),
		Intents: a.room(journal.ClassIntent), Outcomes: a.room(journal.ClassOutcome), Syncs: n,
	}
	if n > 0 {
		out.SyncMean = sum / float64(n)
	}
	if i, ok := a.journalInfo(); ok {
		out.First, out.Bytes, out.MaxBytes, out.Segments = uint64(i.First), i.Bytes, i.MaxBytes, i.Segments
		out.Prepared, out.Retired, out.Index, out.Quarantine = i.Prepared, i.Retired, i.Index, i.Quarantine
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// room is "taken", or why the journal refuses a class.
func (a *Agent) room(c journal.Class) string {
	if err := a.journal.Reserve(c, intentBytes); err != nil {
		return err.Error()
	}
	return "taken"
}
