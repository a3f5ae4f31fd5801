package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Webhook posts each message as JSON. Any 2xx means that it was taken; a
// redirection does not, since it could lead anywhere.
type Webhook struct {
	Label   string
	URL     *url.URL
	Timeout time.Duration
	TLS     *tls.Config                             // nil: the system's authorities
	Bearer  string                                  // for Authorization, or ""
	Dial    func(context.Context) (net.Conn, error) // nil: TCP

	client *http.Client
}

// Name implements Sink.
func (w *Webhook) Name() string { return w.Label }

// Deliver implements Sink. The ID is the Idempotency-Key, too.
func (w *Webhook) Deliver(ctx context.Context, m Message) error {
	return failed(w.Label, w.post(ctx, m))
}

func (w *Webhook) post(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	if w.client == nil {
		w.client = w.make()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL.String(), bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.ID)
	if w.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+w.Bearer)
	}
	res, err := w.client.Do(req)
	if err != nil {
		var wrapped *url.Error // its text repeats the URL, which may hold a secret
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}

func (w *Webhook) make() *http.Client {
	t := &http.Transport{
		TLSClientConfig: w.TLS, TLSHandshakeTimeout: w.Timeout, MaxIdleConns: 1, IdleConnTimeout: 10 * time.Second, DisableKeepAlives: true,
	}
	if w.Dial != nil {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Check implements Sink: it connects, and proves who answers where the URL is
// https; nothing is posted.
func (w *Webhook) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	addr := w.URL.Host
	if w.URL.Port() == "" {
		addr = net.JoinHostPort(w.URL.Hostname(), map[string]string{"http": "80", "https": "443"}[w.URL.Scheme])
	}
	var conn net.Conn
	var err error
	if w.URL.Scheme == "https" {
		d := tls.Dialer{Config: w.TLS}
		conn, err = d.DialContext(ctx, "tcp", addr)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	if err == nil {
		err = conn.Close()
	}
	return failed(w.Label, err)
}
