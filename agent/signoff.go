package agent

import (
	"net/http"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// signOff ends a terminal's keys: durably, when it answers.
func (s *api) signOff(r *http.Request, w http.ResponseWriter) *client.Problem {
	if p := readOptional(w, r, &struct{}{}); p != nil {
		return p
	}
	tid := iso8583.TID(r.PathValue("tid"))
	if _, p := s.ask(r, func(req uint64) txn.Event { return txn.SignOff{Req: req, TID: tid} }); p != nil {
		return p
	}
	out := client.SignOff{Terminal: tid}
	if off := s.agent.view.signedOff(tid); off != nil {
		out.At = time.UnixMilli(off.At).UTC()
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// signedOff is the terminal's sign-off, or nil.
func (v *View) signedOff(tid iso8583.TID) *txn.SignedOff {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.SignedOff(tid)
}
