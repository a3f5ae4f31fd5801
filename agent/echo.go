package agent

import (
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// echo asks the acquirer whether it is there, as the terminal would be heard:
// for looking, since the link of some dialects is only up for a transaction
// (terminal-rules A, "Connection"). That it answers is all there is to it.
func (s *api) echo(r *http.Request, w http.ResponseWriter) *client.Problem {
	if p := readOptional(w, r, &struct{}{}); p != nil {
		return p
	}
	t, acq, p := s.managedTerminal(r.PathValue("tid"))
	if p != nil {
		return p
	}
	a, err := acq.manage(r.Context(), iso8583.KindEcho, t)
	if err != nil {
		return newProblem(txn.Unsupported)
	}
	out := client.Echo{At: a.at, Route: a.route, Address: acq.opts.Hosts[a.route], Answered: a.err == nil, Code: a.code, Milliseconds: a.took.Milliseconds()}
	if a.err != nil {
		out.Error = a.err.Error()
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}
