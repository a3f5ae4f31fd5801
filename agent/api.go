package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// Peer says who is at the other end of a connection, and whether that is an
// operator. On a unix socket it comes from SO_PEERCRED.
type Peer struct {
	UID      int
	Operator bool
}

// APIOptions says how the local API is served.
type APIOptions struct {
	// PeerOf identifies a connection. An error refuses it. It must be set.
	PeerOf func(net.Conn) (Peer, error)
}

// route is one line of the registry.
type route struct {
	pattern  string
	operator bool
	handle   func(*api, *http.Request, http.ResponseWriter) *client.Problem
}

// routes is the registry of what the API offers.
var routes = []route{
	{"PUT /v1/transactions/{uuid}", false, (*api).begin},
	{"GET /v1/transactions/{uuid}", false, (*api).get},
	{"GET /v1/transactions", false, (*api).list},
	{"POST /v1/transactions/{uuid}/confirm", false, (*api).confirm},
	{"POST /v1/transactions/{uuid}/cancel", false, (*api).cancel},
	{"POST /v1/transactions/{uuid}/shown", false, (*api).shown},
	{"POST /v1/transactions/{uuid}/resolve", true, (*api).resolve},
	{"POST /v1/transactions/{uuid}/acknowledge", true, (*api).acknowledge},
	{"POST /v1/sessions", false, (*api).beginSession},
	{leasePattern, false, (*api).lease},
	{"POST /v1/sessions/{session}/heartbeat", false, (*api).heartbeat},
	{"DELETE /v1/sessions/{session}", false, (*api).endSession},
	{"GET /v1/recovery", false, (*api).recovery},
	{"GET /v1/escalations", false, (*api).escalations},
	{"GET /v1/losses", false, (*api).listLosses},
	{"POST /v1/losses/{epoch}/resolve", true, (*api).closeLoss},
	{"GET /v1/events", false, (*api).events},
	{"GET /v1/journal", false, (*api).journal},
	{"GET /v1/terminals", false, (*api).terminals},
	{"POST /v1/terminals/{tid}/sign-on", false, (*api).signOn},
	{"POST /v1/terminals/{tid}/echo", false, (*api).echo},
	{"POST /v1/terminals/{tid}/sign-off", false, (*api).signOff},
	{"POST /v1/terminals/{tid}/settle", false, (*api).settle},
	{"GET /v1/terminals/{tid}/batches", false, (*api).batches},
	{"GET /v1/terminals/{tid}/batches/{serial}", false, (*api).batch},
	{"POST /v1/terminals/{tid}/batches/{serial}/resolve", true, (*api).resolveBatch},
	{"GET /v1/health", false, (*api).health},
	{"GET /v1/ready", false, (*api).ready},
	{"GET /v1/openapi.yaml", false, (*api).openapi},
	{"GET /metrics", false, (*api).openMetrics},
}

// leasePattern is a call that lasts as long as its application lives. It takes no
// slot: sessions bound it, of which there is one for each terminal at the most.
const leasePattern = "GET /v1/sessions/{session}/lease"

// Bounds of the API.
const (
	maxRequests  = 1024 // under way at once
	maxHeld      = 768  // of these, waiting for an outcome: they must not keep a confirm out
	readWithin   = 10 * time.Second
	maxWait      = 2 * time.Minute
	answerWithin = 30 * time.Second // from the request to the durable answer
	listLimit    = 200
)

type api struct {
	agent *Agent
	opts  APIOptions
	slots chan struct{}
	held  chan struct{}

	closing chan struct{} // closed when the server shuts down
}

type peerKey struct{}

// Server makes the HTTP server of the local API. It is served on any
// listener; who may do what is told by opts.PeerOf.
func (a *Agent) Server(opts APIOptions) *http.Server {
	s := &api{agent: a, opts: opts, slots: make(chan struct{}, maxRequests), held: make(chan struct{}, maxHeld), closing: make(chan struct{})}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(r, w, req) })
	}
	srv := &http.Server{
		Handler:           nativeErrors(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       readWithin,
		WriteTimeout:      maxWait + answerWithin + 10*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(a.log),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			peer, err := opts.PeerOf(c)
			if err != nil {
				_ = c.Close()
			}
			return context.WithValue(ctx, peerKey{}, peer)
		},
	}
	srv.RegisterOnShutdown(sync.OnceFunc(func() { close(s.closing) }))
	return srv
}

// nativeErrors gives the mux's own refusals the form of all others. A path
// that the mux would clean and redirect to is none of ours.
func nativeErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		switch {
		case path.Clean("/"+r.URL.Path) != r.URL.Path:
			writeProblem(w, newProblem(codeNoRoute))
		case pattern != "":
			mux.ServeHTTP(w, r)
		default:
			code := codeNoRoute
			if allowed := allowed(mux, r); len(allowed) > 0 {
				code = codeNotAllowed
				w.Header().Set("Allow", strings.Join(allowed, ", "))
			}
			writeProblem(w, newProblem(code))
		}
	})
}

// allowed lists the methods that r's path takes.
func allowed(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := mux.Handler(other); pattern != "" {
			methods = append(methods, m)
		}
	}
	return methods
}

func (s *api) serve(rt route, w http.ResponseWriter, r *http.Request) {
	if rt.pattern != leasePattern {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			s.agent.metrics.refused.add(string(codeOverloaded))
			writeProblem(w, newProblem(codeOverloaded))
			return
		}
	}
	if peer, _ := r.Context().Value(peerKey{}).(Peer); rt.operator && !peer.Operator {
		writeProblem(w, newProblem(codeForbidden))
		return
	}
	if p := rt.handle(s, r, w); p != nil {
		s.agent.metrics.refused.add(p.Code)
		writeProblem(w, p)
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func pathUUID(r *http.Request) (string, *client.Problem) {
	uuid := strings.ToLower(r.PathValue("uuid"))
	if !uuidForm.MatchString(uuid) {
		return "", newProblem(codeBadUUID)
	}
	return uuid, nil
}

// ask puts an event to the core and turns its answer into a status.
func (s *api) ask(r *http.Request, event func(req uint64) txn.Event) (txn.Answer, *client.Problem) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	ans, err := s.agent.ask(ctx, event)
	switch {
	case errors.Is(err, ErrStopped):
		return ans, newProblem(codeStopping)
	case err != nil:
		return ans, newProblem(codeTimedOut)
	}
	switch ans.Code {
	case txn.Accepted, txn.Existing, txn.OK:
		return ans, nil
	}
	p := newProblem(ans.Code)
	p.Other = ans.Other
	if t, ok, _ := s.agent.find(ans.UUID); ok {
		p.Must = must(&t)
	}
	return ans, p
}

func (s *api) begin(r *http.Request, w http.ResponseWriter) *client.Problem {
	uuid, p := pathUUID(r)
	if p != nil {
		return p
	}
	wait, p := waitOf(r)
	if p != nil {
		return p
	}
	var body client.Begin
	if p := readBody(w, r, &body); p != nil {
		return p
	}
	b, p := parseBegin(uuid, &body)
	if p != nil {
		if p.Field == "amount" && body.Amount == 0 && s.agent.terminals[body.Terminal].TID != "" {
			s.agent.lookout.zero(body.Terminal, s.agent.opts.Clock().Wall)
		}
		return p
	}
	if p := s.complete(&b, &body); p != nil {
		return p
	}
	ans, p := s.ask(r, func(req uint64) txn.Event { b.Req = req; return b })
	if p != nil {
		return p
	}
	s.await(r.Context(), uuid, wait)
	status := http.StatusAccepted
	if ans.Code == txn.Existing {
		status = http.StatusOK
	}
	return s.write(w, uuid, status, &ans)
}

// complete adds what only the agent knows.
func (s *api) complete(b *txn.Begin, body *client.Begin) *client.Problem {
	if b.Original != "" {
		if p := s.fromOriginal(b); p != nil {
			return p
		}
	}
	var err error
	if b.Digest, err = s.agent.journal.KeyedHash("request", fingerprint(body)); err == nil {
		b.CardHash, err = s.agent.cardHash(b.Card)
	}
	if err != nil {
		return newProblem(codeStopping)
	}
	acq, err := s.agent.acquirerOf(b.TID)
	if err != nil {
		return nil // the core refuses an unknown terminal
	}
	b.Route = acq.preferred()
	return acq.fitCard(b.Card)
}

// fromOriginal fills in what a follow-up may leave out: the currency, a void's
// amount, and the card, which is read back from the original's sealed part.
func (s *api) fromOriginal(b *txn.Begin) *client.Problem {
	o, ok, err := s.agent.find(b.Original)
	switch {
	case err != nil:
		return newProblem(codeStopping)
	case !ok:
		return newProblem(txn.OriginalUnknown)
	}
	if b.Amount.Currency == 0 {
		b.Amount.Currency = o.Currency
	}
	if b.Amount.Minor == 0 && wholeOriginal(b.Type) {
		b.Amount.Minor = o.Taken()
	}
	if b.Card == nil {
		b.Card, err = s.agent.unseal(b.Original)
		switch {
		case errors.Is(err, journal.ErrKeyDestroyed) && b.Type == iso8583.Void:
			return newProblem(txn.OriginalSettled) // or its card would be there
		case errors.Is(err, journal.ErrKeyDestroyed):
			return newProblem(codeCardGone)
		case errors.Is(err, errNoTemplate), errors.Is(err, journal.ErrDamaged):
			return badField("card", "the original's card cannot be read back: give it again")
		case err != nil:
			return newProblem(codeStopping)
		}
	}
	return nil
}

func (s *api) confirm(r *http.Request, w http.ResponseWriter) *client.Problem {
	// What it says must not be committed unread.
	var body client.Confirm
	if p := readOptional(w, r, &body); p != nil {
		return p
	}
	ev, p := parseConfirm(&body)
	if p == nil {
		p = s.noNumber(r, &ev)
	}
	return s.verb(r, w, p, func(req uint64, uuid string) txn.Event {
		ev.Req, ev.UUID = req, uuid
		return ev
	})
}

func (s *api) cancel(r *http.Request, w http.ResponseWriter) *client.Problem {
	var body client.Cancel
	if p := readBody(w, r, &body); p != nil {
		return p
	}
	reason, p := parseReason(body.Reason)
	return s.verb(r, w, p, func(req uint64, uuid string) txn.Event {
		return txn.Cancel{Req: req, UUID: uuid, Reason: reason}
	})
}

func (s *api) shown(r *http.Request, w http.ResponseWriter) *client.Problem {
	var body client.Shown
	if p := readBody(w, r, &body); p != nil {
		return p
	}
	delivered, p := parseDelivered(body.Delivered)
	return s.verb(r, w, p, func(req uint64, uuid string) txn.Event {
		return txn.Shown{Req: req, UUID: uuid, Delivered: delivered}
	})
}

func (s *api) resolve(r *http.Request, w http.ResponseWriter) *client.Problem {
	ev, p := readResolve(w, r)
	return s.verb(r, w, p, func(req uint64, uuid string) txn.Event {
		ev.Req, ev.UUID = req, uuid
		return ev
	})
}

// verb is what the verbs of a transaction share.
func (s *api) verb(r *http.Request, w http.ResponseWriter, bad *client.Problem, event func(uint64, string) txn.Event) *client.Problem {
	if bad != nil {
		return bad
	}
	uuid, p := pathUUID(r)
	if p != nil {
		return p
	}
	ans, p := s.ask(r, func(req uint64) txn.Event { return event(req, uuid) })
	if p != nil {
		return p
	}
	return s.write(w, uuid, http.StatusOK, &ans)
}

func waitOf(r *http.Request) (time.Duration, *client.Problem) {
	v := r.URL.Query().Get("wait")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxWait {
		return 0, badField("wait", "want a duration such as 30s, at most %s", maxWait)
	}
	return d, nil
}

// await holds the call until the outcome is durable, or wait is over.
func (s *api) await(ctx context.Context, uuid string, wait time.Duration) {
	if wait <= 0 {
		return
	}
	select {
	case s.held <- struct{}{}:
		defer func() { <-s.held }()
	default:
		return // too many wait already: answer what there is
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s.agent.view.wait(ctx, s.agent.stopped, uuid, func(t *txn.Transaction) bool {
		return t.State != txn.StatePending && t.State != txn.StateInquiring || t.Stuck
	})
}
