package agent

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// lossAdvice is what a person does about a loss of journal entries.
const lossAdvice = "Ask the acquirer for its list of the epoch that ended, and compare it with `counterfoil list`: what it holds and the journal does not was never shown to anybody here. Then close the loss, with your name and what you found."

// losses lists the losses of journal entries that wait for a person, or all.
func (a *Agent) losses(all bool) []client.Loss {
	out := []client.Loss{}
	for _, l := range a.view.losses() {
		if all || !l.Closed {
			out = append(out, client.Loss{
				Epoch: l.Begun, Ended: l.Ended, At: time.UnixMilli(l.When()).UTC(), Last: l.Last, Mark: l.Mark,
				What: lossText(&l), Advice: lossAdvice, Closed: l.Closed,
			})
		}
	}
	return out
}

func lossText(l *txn.KnownLoss) string {
	if l.Mark == 0 {
		return fmt.Sprintf("%s, as %s says; the journal ends with entry %d", l.Why, l.Who, l.Last)
	}
	return fmt.Sprintf("%s: it ends with entry %d, and its mark is at %d", l.Why, l.Last, l.Mark)
}

func (s *api) listLosses(_ *http.Request, w http.ResponseWriter) *client.Problem {
	writeJSON(w, http.StatusOK, client.Losses{Losses: s.agent.losses(true)})
	return nil
}

// closeLoss takes an operator's word that a loss is dealt with.
func (s *api) closeLoss(r *http.Request, w http.ResponseWriter) *client.Problem {
	begun, err := strconv.ParseUint(r.PathValue("epoch"), 10, 64)
	if err != nil {
		return newProblem(txn.NotFound)
	}
	ev, p := readResolve(w, r)
	switch {
	case p != nil:
		return p
	case ev.Verb != txn.VerbClose:
		return badField("verb", "want close: a loss is not decided, it is dealt with")
	}
	if _, p := s.ask(r, func(req uint64) txn.Event {
		return txn.CloseLoss{Req: req, Begun: begun, Who: ev.Who, Why: ev.Why, Ref: ev.Ref}
	}); p != nil {
		return p
	}
	return s.listLosses(r, w)
}
