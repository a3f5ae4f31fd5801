package agent

import (
	"context"
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// signOn sends 0800/001 for a terminal and waits for the answer. What the host
// says is a result, not an error; an error says that the dialect has no such
// message. Nothing of it is durable: a dialect with keys gives sign-ons a life of
// their own, in the core (key.go).
func (q *acquirer) signOn(ctx context.Context, t TerminalOptions) (client.SignOn, error) {
	a, err := q.manage(ctx, iso8583.KindSignOn, t)
	if err != nil {
		return client.SignOn{}, err
	}
	out := client.SignOn{At: a.at, Route: a.route, Address: q.opts.Hosts[a.route], Code: a.code}
	if a.err != nil {
		out.Error = a.err.Error()
	} else {
		out.Accepted = q.profile.Rules.Response.Classify(a.code) == iso8583.Approved
	}
	q.managing.mu.Lock()
	defer q.managing.mu.Unlock()
	q.managing.latest[t.TID] = out
	return out, nil
}

// lastSignOn is a terminal's latest, or nil.
func (q *acquirer) lastSignOn(tid iso8583.TID) *client.SignOn {
	if q.profile.Rules.SignOn.Required {
		return q.agent.view.signOn(tid)
	}
	q.managing.mu.Lock()
	defer q.managing.mu.Unlock()
	if s, ok := q.managing.latest[tid]; ok {
		return &s
	}
	return nil
}

func (s *api) signOn(r *http.Request, w http.ResponseWriter) *client.Problem {
	if p := readOptional(w, r, &struct{}{}); p != nil {
		return p
	}
	t, acq, p := s.managedTerminal(r.PathValue("tid"))
	if p != nil {
		return p
	}
	if acq.profile.Rules.SignOn.Required {
		out, code, err := s.agent.signOnWithKeys(r.Context(), t)
		if err != nil {
			return newProblem(codeStopping)
		}
		if code != txn.OK {
			return newProblem(code)
		}
		writeJSON(w, http.StatusOK, out)
		return nil
	}
	out, err := acq.signOn(r.Context(), t)
	if err != nil {
		return newProblem(txn.Unsupported)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}
