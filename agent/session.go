package agent

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Bounds of the heartbeat: the longest time between two.
const (
	minHeartbeat     = time.Second
	maxHeartbeat     = time.Minute
	defaultHeartbeat = 10 * time.Second
)

// codeLeaseHeld says that a session's stream is open already.
const codeLeaseHeld txn.Code = "lease_held"

// leaseWrite bounds the writing of one line to a lease's stream.
const leaseWrite = 5 * time.Second

var (
	sessionForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	application = regexp.MustCompile(`^[0-9A-Za-z._:#+ -]{0,64}$`)
)

// beginSession makes an application known: from now on it is missed when it is
// gone. It takes its terminals over from whoever had them.
func (s *api) beginSession(r *http.Request, w http.ResponseWriter) *client.Problem {
	var body client.NewSession
	if p := readBody(w, r, &body); p != nil {
		return p
	}
	e, every, p := parseSession(&body)
	if p != nil {
		return p
	}
	a := s.agent
	a.leases.add(e.ID, every, func() {
		a.log.Warn("heartbeat missed", zap.String("session", e.ID[:8]))
		a.post(txn.SessionEnded{ID: e.ID})
	})
	if _, p := s.ask(r, func(req uint64) txn.Event { e.Req = req; return e }); p != nil {
		a.post(txn.SessionEnded{ID: e.ID}) // it may have begun all the same
		a.leases.end(e.ID)
		return p
	}
	a.leases.beat(e.ID) // from now on, however long that took
	a.log.Info("session begins", zap.String("session", e.ID[:8]), zap.Any("terminals", e.TIDs),
		zap.String("application", body.Application), zap.String("version", body.Version))
	now := a.opts.Clock()
	epoch, _, _ := a.view.counts()
	writeJSON(w, http.StatusCreated, client.SessionInfo{
		Session: e.ID, Epoch: epoch, Heartbeat: every.String(), Terminals: e.TIDs,
		Date:     time.UnixMilli(now.Wall).UTC().Add(time.Duration(now.Zone) * time.Second).Format(time.DateOnly),
		Recovery: s.recoveryOf(e.TIDs),
	})
	return nil
}

// parseSession turns a body into the core's event, or says which field is
// wrong. Which terminals there are is the core's to say.
func parseSession(b *client.NewSession) (txn.SessionBegan, time.Duration, *client.Problem) {
	tids, every := b.Terminals, defaultHeartbeat
	var err error
	if b.Heartbeat != "" {
		every, err = time.ParseDuration(b.Heartbeat)
	}
	switch {
	case err != nil || every < minHeartbeat || every > maxHeartbeat:
		return txn.SessionBegan{}, 0, badField("heartbeat", "want a duration from %s to %s, such as 10s", minHeartbeat, maxHeartbeat)
	case (b.Terminal == "") == (len(tids) == 0):
		return txn.SessionBegan{}, 0, badField("terminal", "want terminal, or terminals with at least one")
	case !application.MatchString(b.Application) || holdsPAN(b.Application, ""):
		return txn.SessionBegan{}, 0, badField("application", "want at most 64 of letters, digits, spaces and . _ : # + -")
	case !application.MatchString(b.Version) || holdsPAN(b.Version, ""):
		return txn.SessionBegan{}, 0, badField("version", "want at most 64 of letters, digits, spaces and . _ : # + -")
	}
	if b.Terminal != "" {
		tids = []iso8583.TID{b.Terminal}
	}
	seen := map[iso8583.TID]bool{}
	for _, tid := range tids {
		if _, err := iso8583.ParseTID(string(tid)); err != nil || seen[tid] {
			return txn.SessionBegan{}, 0, badField("terminals", "want each terminal id, DE 41, once")
		}
		seen[tid] = true
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return txn.SessionBegan{ID: hex.EncodeToString(id[:]), TIDs: tids}, every, nil
}

// lease is held open for as long as the application lives: the end of the
// stream is its death. The agent ends it when the session is over.
func (s *api) lease(r *http.Request, w http.ResponseWriter) *client.Problem {
	id := r.PathValue("session")
	over, known, first := s.agent.leases.hold(id)
	switch {
	case !known:
		return newProblem(txn.UnknownSession)
	case !first:
		return newProblem(codeLeaseHeld)
	}
	out := http.NewResponseController(w)
	line := func(v any) error {
		_ = out.SetWriteDeadline(time.Now().Add(leaseWrite)) // not one for the whole stream
		if err := json.NewEncoder(w).Encode(v); err != nil {
			return err
		}
		return out.Flush()
	}
	_ = out.SetReadDeadline(time.Time{}) // nothing more is read: only the end is waited for
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	gone := line(client.LeaseLine{Session: id}) != nil
	if !gone {
		select {
		case <-over:
			_ = line(client.LeaseLine{Session: id, Ended: true}) // it may have died at the same time
			return nil
		case <-s.closing:
			return nil // with it goes the agent, and every session
		case <-r.Context().Done():
		}
	}
	s.agent.log.Info("lease ended by the application", zap.String("session", id[:8]))
	s.agent.post(txn.SessionEnded{ID: id})
	return nil
}

// heartbeat says that the application is alive and does not hang.
func (s *api) heartbeat(r *http.Request, w http.ResponseWriter) *client.Problem {
	if p := readOptional(w, r, &struct{}{}); p != nil {
		return p
	}
	id := r.PathValue("session")
	every, ok := s.agent.leases.beat(id)
	if !ok {
		return newProblem(txn.UnknownSession)
	}
	writeJSON(w, http.StatusOK, client.SessionInfo{Session: id, Heartbeat: every.String()})
	return nil
}

// endSession is an application that says goodbye.
func (s *api) endSession(r *http.Request, w http.ResponseWriter) *client.Problem {
	id := r.PathValue("session")
	if _, p := s.ask(r, func(req uint64) txn.Event { return txn.SessionEnded{Req: req, ID: id} }); p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, client.SessionInfo{Session: id})
	return nil
}

// recoveryOf is what the applications of some terminals must act on; nil: of
// all.
func (s *api) recoveryOf(tids []iso8583.TID) *client.Recovery {
	list, more := s.agent.view.list(listLimit, func(t *txn.Transaction) bool {
		return must(t) != client.MustNothing && (tids == nil || slices.Contains(tids, t.TID))
	})
	return recoverySteps(list, more)
}
