package agent

import (
	"net/http"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What the API reads. All of it comes from the view and the journal: from what
// is durable.

// find looks a transaction up in the view, then in the journal.
func (a *Agent) find(uuid string) (txn.Transaction, bool, error) {
	if t, ok := a.view.get(uuid); ok {
		return t, true, nil
	}
	l := a.load(nil, []string{uuid})
	if l.err != nil {
		return txn.Transaction{}, false, l.err
	}
	m := txn.New()
	m.Load(l.records)
	if t := m.Get(uuid); t != nil {
		return *t, true, nil
	}
	return txn.Transaction{}, false, nil
}

// notFound tells what was never journaled from what has retired.
func (s *api) notFound(uuid string) *client.Problem {
	_, retired, err := s.agent.journal.Retired(uuid)
	switch {
	case err != nil:
		return newProblem(codeStopping)
	case retired:
		return newProblem(codeRetired)
	}
	return newProblem(txn.NotFound)
}

func (s *api) get(r *http.Request, w http.ResponseWriter) *client.Problem {
	uuid, p := pathUUID(r)
	if p != nil {
		return p
	}
	wait, p := waitOf(r)
	if p != nil {
		return p
	}
	s.await(r.Context(), uuid, wait)
	if r.URL.Query().Get("timeline") == "" {
		return s.write(w, uuid, http.StatusOK, &txn.Answer{})
	}
	t, ok, err := s.agent.find(uuid)
	if err != nil {
		return newProblem(codeStopping)
	}
	if !ok {
		return s.notFound(uuid)
	}
	out := s.agent.present(&t)
	if out.Timeline, err = s.agent.timeline(uuid); err != nil {
		return newProblem(codeStopping)
	}
	out.RulesHash, out.Rules = t.Rules, s.agent.view.rules(&t)
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *api) write(w http.ResponseWriter, uuid string, status int, ans *txn.Answer) *client.Problem {
	t, ok, err := s.agent.find(uuid)
	if err != nil {
		return newProblem(codeStopping)
	}
	if !ok {
		return s.notFound(uuid)
	}
	out := s.agent.present(&t)
	out.Warning, out.Other = string(ans.Warning), ans.Other
	writeJSON(w, status, out)
	return nil
}

// recovery lists what a restarted application must act on: everything that it
// has not said it showed.
func (s *api) recovery(r *http.Request, w http.ResponseWriter) *client.Problem {
	var tids []iso8583.TID
	if tid := iso8583.TID(r.URL.Query().Get("terminal")); tid != "" {
		tids = append(tids, tid)
	}
	writeJSON(w, http.StatusOK, s.recoveryOf(tids))
	return nil
}

func (s *api) health(_ *http.Request, w http.ResponseWriter) *client.Problem {
	epoch, open, escalated := s.agent.view.counts()
	h := client.Health{
		Status: "ok", Version: s.agent.opts.Version, Epoch: epoch, Open: open, Escalations: escalated, Losses: len(s.agent.losses(false)),
		Terminals: []client.Terminal{}, Hosts: s.agent.hosts(),
	}
	for _, t := range s.agent.opts.Terminals {
		h.Terminals = append(h.Terminals, client.Terminal{TID: t.TID, MID: t.MID, Acquirer: t.Acquirer, Implicit: t.Implicit})
	}
	if s.agent.Err() != nil {
		h.Status = "failing"
	}
	writeJSON(w, http.StatusOK, h)
	return nil
}

// ready says whether a sale would be admitted now, as far as can be known.
func (s *api) ready(_ *http.Request, w http.ResponseWriter) *client.Problem {
	out := client.Ready{Reasons: s.agent.notReady()}
	out.Ready = len(out.Reasons) == 0
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, out)
	return nil
}

// rules is what a transaction began with, and keeps; nil where nobody knows it
// any more.
func (v *View) rules(t *txn.Transaction) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.machine.RulesFor(t); r != nil {
		return []byte(r.JSON())
	}
	return nil
}

// present gives a transaction the API's form, with what it waits for.
func (a *Agent) present(t *txn.Transaction) *client.Transaction {
	out := present(t)
	if w, ok := a.view.timer(t.UUID); ok && t.State.Open() && !t.Parked && !t.Stuck {
		now := a.clock()
		out.Waits = &client.Wait{For: w.For, Until: time.UnixMilli(now.Wall).Add(w.At - now.Boot).UTC()}
	}
	return out
}

// present is what is durable of it.
func present(t *txn.Transaction) *client.Transaction {
	out := &client.Transaction{
		UUID: t.UUID, Type: t.Kind, State: t.State.String(), Must: must(t),
		Terminal: t.TID, STAN: t.STAN.String(), Epoch: t.Epoch,
		Amount: t.Minor, Currency: t.Currency.Alpha(), Sale: t.Sale, Part: t.Part, PAN: t.PAN,
		Approved: t.ApprovedMinor, Chip: presentChip(t),
		ResponseCode: t.Code, RRN: t.RRN, AuthCode: t.AuthCode, Balance: t.Balance, Original: t.Original,
		Cause: string(t.Cause), Inquiries: len(t.Asked), AdviceOwed: t.State == txn.StateAdvising, HoldDown: t.State == txn.StateReversing && t.Hold == txn.HoldWaiting,
		LateApproval: t.LateApproval, Parked: t.Parked, Overridden: t.Overridden, Shown: string(t.Shown),
		Session: t.Session, Implicit: t.Implicit, Replaces: t.Replaces, NotDupOf: t.NotDuplicateOf,
		Began: time.UnixMilli(t.At).UTC(), Say: say(t),
	}
	if t.Advice {
		out.AdviceSends = t.Attempts
	} else {
		out.Attempts = t.Attempts
	}
	if t.State == txn.StateConfirmed && t.Kind.Followed() {
		out.Left = t.Left()
	}
	for _, f := range t.Follows {
		out.Follows = append(out.Follows, client.Follow{UUID: f.By, Type: f.Kind, Amount: f.Minor, Open: f.Open, Done: f.Done})
	}
	out.Items = presentItems(t)
	return out
}
