package agent

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/link"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// signOns is the sign-ons of an acquirer's terminals that somebody asked for.
// They move no money, so that nothing of them is durable. A dialect with keys
// gives them a life of their own, in the core: key.go.
type signOns struct {
	mu      sync.Mutex
	waiting map[iso8583.STAN]chan signOnAnswer
	latest  map[iso8583.TID]client.SignOn
}

// signOnAnswer is what came of the message.
type signOnAnswer struct {
	code string
	err  error
}

// signOnToken travels with a sign-on through the link.
type signOnToken struct{ stan iso8583.STAN }

// signOnWithin bounds a sign-on: whoever asked waits for it.
const signOnWithin = answerWithin - 5*time.Second

var (
	errSignOnUnsent  = errors.New("it could not be sent")
	errSignOnDoubt   = errors.New("the connection failed while it was being sent")
	errSignOnSilence = errors.New("the host did not answer in time")
)

// signOn sends 0800/001 for a terminal and waits for the answer. What the host
// says is a result, not an error; an error says that the dialect has no such
// message.
func (q *acquirer) signOn(ctx context.Context, t TerminalOptions) (client.SignOn, error) {
	clock := q.agent.opts.Clock()
	stan := q.nextTrace()
	m, err := q.profile.Compose(iso8583.Facts{
		Kind: iso8583.KindSignOn, TID: t.TID, MID: t.MID, STAN: stan, Transmission: time.UnixMilli(clock.Wall).UTC().Format("0102150405"),
	})
	if err != nil {
		return client.SignOn{}, err
	}
	body, err := q.profile.Pack(m)
	if err != nil {
		return client.SignOn{}, err
	}
	ch := make(chan signOnAnswer, 1)
	q.signOns.mu.Lock()
	q.signOns.waiting[stan] = ch
	q.signOns.mu.Unlock()
	defer func() {
		q.signOns.mu.Lock()
		delete(q.signOns.waiting, stan)
		q.signOns.mu.Unlock()
	}()
	route := q.preferred()
	out := client.SignOn{At: time.UnixMilli(clock.Wall).UTC(), Route: route, Address: q.opts.Hosts[route]}
	q.link.Send(route, signOnToken{stan}, body, time.Now().Add(time.Duration(q.profile.Rules.SendTimeout)))
	wait := time.NewTimer(min(signOnWithin, time.Duration(q.profile.Rules.SendTimeout+q.profile.Rules.ResponseTimeout)))
	defer wait.Stop()
	a := signOnAnswer{err: errSignOnSilence}
	select {
	case a = <-ch:
	case <-wait.C:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-q.agent.stopped:
		a.err = ErrStopped
	}
	out.Code = a.code
	if a.err != nil {
		out.Error = a.err.Error()
	} else {
		out.Accepted = q.profile.Rules.Response.Classify(a.code) == iso8583.Approved
	}
	q.signOns.mu.Lock()
	defer q.signOns.mu.Unlock()
	q.signOns.latest[t.TID] = out
	return out, nil
}

// signOnEnded gives whoever waits for a sign-on what came of it.
func (q *acquirer) signOnEnded(stan iso8583.STAN, a signOnAnswer) {
	q.signOns.mu.Lock()
	defer q.signOns.mu.Unlock()
	if ch := q.signOns.waiting[stan]; ch != nil {
		ch <- a
		delete(q.signOns.waiting, stan)
	}
}

// signOnResult is the link's word about a sign-on.
func (q *acquirer) signOnResult(t signOnToken, r link.Result) {
	switch {
	case r.Sent:
	case r.Unsent:
		q.signOnEnded(t.stan, signOnAnswer{err: errSignOnUnsent})
	default:
		q.signOnEnded(t.stan, signOnAnswer{err: errSignOnDoubt})
	}
}

// lastSignOn is a terminal's latest, or nil.
func (q *acquirer) lastSignOn(tid iso8583.TID) *client.SignOn {
	if q.profile.Rules.SignOn.Required {
		return q.agent.view.signOn(tid)
	}
	q.signOns.mu.Lock()
	defer q.signOns.mu.Unlock()
	if s, ok := q.signOns.latest[tid]; ok {
		return &s
	}
	return nil
}

func (s *api) signOn(r *http.Request, w http.ResponseWriter) *client.Problem {
	if p := readOptional(w, r, &struct{}{}); p != nil {
		return p
	}
	t, ok := s.agent.terminals[iso8583.TID(r.PathValue("tid"))]
	if !ok {
		return newProblem(txn.UnknownTerminal)
	}
	acq := s.agent.acquirers[t.Acquirer]
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
