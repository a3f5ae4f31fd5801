package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Client talks to an agent over its unix socket. It is safe for use by several
// goroutines and keeps no state: after a crash of the application a new Client
// continues with the UUIDs that the application kept.
type Client struct {
	http *http.Client
	base string
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// New makes a client for the agent at the unix socket path.
func New(socket string) *Client {
	return NewDialer(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	})
}

// NewDialer makes a client over connections of the caller's making.
func NewDialer(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{
		base: "http://counterfoil",
		http: &http.Client{Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     30 * time.Second,
		}},
	}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NewUUID mints a UUID (RFC 9562, version 4). Keep it durably before using
// it: with it the outcome can be asked for after a crash.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Begin asks for a transaction. With wait above zero it returns at the latest
// then, with whatever state there is. A *Problem says why not.
func (c *Client) Begin(ctx context.Context, uuid string, b Begin, wait time.Duration) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPut, "/v1/transactions/"+uuid+waitQuery(wait), b)
}

// Get asks for a transaction, waiting for its outcome for at most wait.
func (c *Client) Get(ctx context.Context, uuid string, wait time.Duration) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodGet, "/v1/transactions/"+uuid+waitQuery(wait), nil)
}

// Timeline asks for a transaction with its life out of the journal.
func (c *Client) Timeline(ctx context.Context, uuid string) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodGet, "/v1/transactions/"+uuid+"?timeline=1", nil)
}

// Confirm is the commit point: show an approval only after it returned nil.
func (c *Client) Confirm(ctx context.Context, uuid string) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/confirm", nil)
}

// ConfirmWith is Confirm with the amount that the customer agreed to, or with
// the card's word. A *Problem with the code taken_as_cancel says that the card
// declined, and that the transaction is being reversed.
func (c *Client) ConfirmWith(ctx context.Context, uuid string, b Confirm) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/confirm", b)
}

// Cancel undoes what is not confirmed.
func (c *Client) Cancel(ctx context.Context, uuid, reason string) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/cancel", Cancel{Reason: reason})
}

// Shown says what became of the screen: "yes", "no" or "unknown".
func (c *Client) Shown(ctx context.Context, uuid, delivered string) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/shown", Shown{Delivered: delivered})
}

// Resolve is an operator's decision.
func (c *Client) Resolve(ctx context.Context, uuid string, r Resolve) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/resolve", r)
}

// Acknowledge takes on what a person saw of a transaction's items.
func (c *Client) Acknowledge(ctx context.Context, uuid string, a Acknowledge) (*Transaction, error) {
	return get[Transaction](ctx, c, http.MethodPost, "/v1/transactions/"+uuid+"/acknowledge", a)
}

// List lists transactions; query takes state, terminal and sale.
func (c *Client) List(ctx context.Context, query url.Values) (*List, error) {
	return get[List](ctx, c, http.MethodGet, "/v1/transactions?"+query.Encode(), nil)
}

// Recovery lists what a restarted application must act on.
func (c *Client) Recovery(ctx context.Context) (*Recovery, error) {
	return get[Recovery](ctx, c, http.MethodGet, "/v1/recovery", nil)
}

// Escalations lists what a person must decide.
func (c *Client) Escalations(ctx context.Context) (*List, error) {
	return get[List](ctx, c, http.MethodGet, "/v1/escalations", nil)
}

// Losses lists the losses of journal entries.
func (c *Client) Losses(ctx context.Context) (*Losses, error) {
	return get[Losses](ctx, c, http.MethodGet, "/v1/losses", nil)
}

// CloseLoss is an operator's word that the loss with which epoch began is dealt
// with.
func (c *Client) CloseLoss(ctx context.Context, epoch uint64, r Resolve) (*Losses, error) {
	return get[Losses](ctx, c, http.MethodPost, fmt.Sprintf("/v1/losses/%d/resolve", epoch), r)
}

// Terminals asks how each terminal stands.
func (c *Client) Terminals(ctx context.Context) (*Terminals, error) {
	return get[Terminals](ctx, c, http.MethodGet, "/v1/terminals", nil)
}

// SignOn signs a terminal on at its acquirer. What the host says of it is in
// the result.
func (c *Client) SignOn(ctx context.Context, terminal iso8583.TID) (*SignOn, error) {
	return get[SignOn](ctx, c, http.MethodPost, "/v1/terminals/"+url.PathEscape(string(terminal))+"/sign-on", nil)
}

// Echo asks a terminal's acquirer whether it is there.
func (c *Client) Echo(ctx context.Context, terminal iso8583.TID) (*Echo, error) {
	return get[Echo](ctx, c, http.MethodPost, "/v1/terminals/"+url.PathEscape(string(terminal))+"/echo", nil)
}

// SignOff ends a terminal's working keys.
func (c *Client) SignOff(ctx context.Context, terminal iso8583.TID) (*SignOff, error) {
	return get[SignOff](ctx, c, http.MethodPost, "/v1/terminals/"+url.PathEscape(string(terminal))+"/sign-off", nil)
}

// Journal asks how the journal stands.
func (c *Client) Journal(ctx context.Context) (*Journal, error) {
	return get[Journal](ctx, c, http.MethodGet, "/v1/journal", nil)
}

// Text asks for what is no JSON object by itself, such as /metrics.
func (c *Client) Text(ctx context.Context, path string) (string, error) {
	res, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return "", err
	}
	return string(res), nil
}

// Health asks how the agent is.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return get[Health](ctx, c, http.MethodGet, "/v1/health", nil)
}

func waitQuery(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return "?wait=" + d.String()
}

// get makes one call. What is no success is a *Problem; what is no answer at
// all leaves the outcome unknown: ask again with the same UUID.
func get[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	answer, err := c.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("agent: reading the answer: %w", err)
	}
	return out, nil
}

func (c *Client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s: encoding the body: %w", method, err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("agent: reading the answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		p := &Problem{}
		if json.Unmarshal(answer, p) != nil || p.Code == "" {
			return nil, fmt.Errorf("agent: %s", res.Status)
		}
		return nil, p
	}
	return answer, nil
}

// AsProblem gives the Problem in err, or nil.
func AsProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}
