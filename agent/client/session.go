package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// NewSession is the body of POST /v1/sessions.
type NewSession struct {
	Terminal    iso8583.TID   `json:"terminal,omitempty"`  // the one terminal of the application, or
	Terminals   []iso8583.TID `json:"terminals,omitempty"` // all that it drives
	Application string        `json:"application,omitempty"`
	Version     string        `json:"version,omitempty"`
	Heartbeat   string        `json:"heartbeat,omitempty"` // longest time between two: 1s to 1m, default 10s
}

// SessionInfo is the answer about a session.
type SessionInfo struct {
	Session   string        `json:"session"`
	Epoch     uint64        `json:"epoch,omitempty"`     // to mint UUIDs in
	Date      string        `json:"date,omitempty"`      // the terminals' business date, YYYY-MM-DD
	Heartbeat string        `json:"heartbeat,omitempty"` // one must come at the latest after this
	Terminals []iso8583.TID `json:"terminals,omitempty"`
	Recovery  *Recovery     `json:"recovery,omitempty"` // what to act on before anything else
}

// LeaseLine is one line of a lease's stream: the first one, and the last one
// where the agent ends it.
type LeaseLine struct {
	Session string `json:"session"`
	Ended   bool   `json:"ended,omitempty"`
}

// Recovery is the answer of GET /v1/recovery: what a restarted application must
// act on, the most urgent first.
type Recovery struct {
	Transactions []Transaction      `json:"transactions"`
	Terminals    []TerminalRecovery `json:"terminals"`
	More         bool               `json:"more"` // the list was cut
}

// TerminalRecovery is what is to be done at one terminal, in order.
type TerminalRecovery struct {
	Terminal iso8583.TID `json:"terminal"`
	Steps    []Step      `json:"steps"`
}

// Step is one thing to do.
type Step struct {
	Do   Do     `json:"do"`
	UUID string `json:"uuid"`
}

// Do is what a restarted application does about an outcome.
type Do string

// What there is to do.
const (
	DoCancel Do = "cancel" // approved, and nobody knows: cancel it, or confirm it if the customer is still there
	DoAsk    Do = "ask"    // paid: show it, ask whether the goods were handed over, say so with shown
	DoVoid   Do = "void"   // paid, and the goods were not handed over: void it under a UUID of its own
	DoCall   Do = "call"   // a person decides: hand over nothing
	DoWait   Do = "wait"   // the host has not answered: ask again
	DoShow   Do = "show"   // not paid: show it, say so with shown
)

// Session is an application that the agent would miss. It keeps the lease open
// and sends the heartbeats, both from goroutines of its own, until Close or the
// end of the session.
type Session struct {
	SessionInfo

	client *Client
	cancel context.CancelFunc
	over   chan struct{}
	wg     sync.WaitGroup
	end    sync.Once
}

// ErrLease says that the lease's stream could not be opened.
var ErrLease = errors.New("agent: the lease was not granted")

// BeginSession makes the application known, and returns when the lease is held.
// Act on the Recovery in it before anything else. When the process dies, the
// agent undoes what is not confirmed; it need not be told.
func (c *Client) BeginSession(ctx context.Context, n NewSession) (*Session, error) {
	info, err := get[SessionInfo](ctx, c, http.MethodPost, "/v1/sessions", n)
	if err != nil {
		return nil, err
	}
	every, err := time.ParseDuration(info.Heartbeat)
	if err != nil || every <= 0 {
		return nil, fmt.Errorf("%w: heartbeat %.20q", ErrLease, info.Heartbeat)
	}
	held, cancel := context.WithCancel(context.Background())
	s := &Session{SessionInfo: *info, client: c, cancel: cancel, over: make(chan struct{})}
	stream, err := s.open(ctx, held)
	if err != nil {
		cancel()
		_, _ = get[SessionInfo](ctx, c, http.MethodDelete, "/v1/sessions/"+info.Session, nil) // else its heartbeat is missed
		return nil, err
	}
	s.wg.Go(func() { s.listen(stream) })
	s.wg.Go(func() { s.beat(held, every/3) })
	return s, nil
}

// open opens the stream, within ctx; it lives until held ends.
func (s *Session) open(ctx, held context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(held, http.MethodGet, s.client.base+"/v1/sessions/"+s.Session+"/lease", nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLease, err)
	}
	stop := context.AfterFunc(ctx, s.cancel)
	res, err := s.client.http.Do(req)
	if !stop() && err == nil {
		_ = res.Body.Close()
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrLease, err)
	case res.StatusCode != http.StatusOK:
		_ = res.Body.Close()
		return nil, fmt.Errorf("%w: %s", ErrLease, res.Status)
	}
	return res, nil
}

// listen waits for the end of the stream.
func (s *Session) listen(res *http.Response) {
	defer close(s.over)
	defer s.cancel()
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var l LeaseLine
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Ended {
			return
		}
	}
}

// beat sends the heartbeats. One that fails is not the end: the stream says
// that.
func (s *Session) beat(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			within, cancel := context.WithTimeout(ctx, every)
			_, _ = get[SessionInfo](within, s.client, http.MethodPost, "/v1/sessions/"+s.Session+"/heartbeat", nil)
			cancel()
		}
	}
}

// Over is closed when the session has ended, whoever ended it: begin another
// one.
func (s *Session) Over() <-chan struct{} { return s.over }

// Close ends the session: what is not confirmed is reversed in the profile's
// orphan_timeout, unless another session takes the terminal.
func (s *Session) Close(ctx context.Context) error {
	var err error
	s.end.Do(func() {
		_, err = get[SessionInfo](ctx, s.client, http.MethodDelete, "/v1/sessions/"+s.Session, nil)
		s.cancel()
		s.wg.Wait()
	})
	if p := AsProblem(err); p != nil && p.Code == "unknown_session" {
		return nil // it was over
	}
	return err
}
