package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// announcement is the one line that a host says when it listens.
type announcement struct {
	Listen  string `json:"listen"`
	Control string `json:"control"`
}

// serveHost is the child `internal host`: a simulated acquirer with its ledger
// in a file. It keeps no tombstones, as no acquirer is trusted to without a
// certificate: the hold-down must do.
func serveHost(ctx context.Context, ledger string, in io.Reader, out, log io.Writer) error {
	ctx, cancel := whileStdin(ctx, in)
	defer cancel()
	cfg := hostsim.DefaultConfig()
	cfg.Ledger = ledger
	h, err := hostsim.New(cfg, logger(log))
	if err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(announcement{Listen: h.Addr(0), Control: h.ControlURL()}); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	<-ctx.Done()
	return h.Close()
}

func logger(w io.Writer) *zap.Logger {
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), zapcore.InfoLevel))
}

// acquirer is a simulated acquirer as seen from outside: its control API.
type acquirer struct {
	announcement
	http *http.Client
}

// dialect is what both columns and both hosts speak.
const dialect = "iso87-ascii"

// signedDialect is that of the story.
const signedDialect = "unionpay"

// askWithin bounds one call of the control API, and maxAnswer its answer.
const (
	askWithin = 5 * time.Second
	maxAnswer = 8 << 20
)

func newAcquirer(line string) (*acquirer, error) {
	a := &acquirer{http: &http.Client{Timeout: askWithin}}
	if err := json.Unmarshal([]byte(line), &a.announcement); err != nil {
		return nil, fmt.Errorf("simulated acquirer: what it announced: %w", err)
	}
	return a, nil
}

func (a *acquirer) ledger(ctx context.Context) ([]hostsim.EntryView, error) {
	var s hostsim.Summary
	err := a.call(ctx, http.MethodGet, "/ledger", nil, &s)
	return s.Entries, err
}

func (a *acquirer) log(ctx context.Context) (out []hostsim.MessageView, err error) {
	err = a.call(ctx, http.MethodGet, "/log", nil, &out)
	return out, err
}

func (a *acquirer) faults(ctx context.Context) (out []hostsim.FaultView, err error) {
	err = a.call(ctx, http.MethodGet, "/faults", nil, &out)
	return out, err
}

func (a *acquirer) addFaults(ctx context.Context, f []hostsim.Fault) error {
	return a.call(ctx, http.MethodPost, "/faults", f, nil)
}

// underWay is how many messages have not arrived yet.
func (a *acquirer) underWay(ctx context.Context) (int, error) {
	var h struct {
		Delayed int `json:"delayed"`
	}
	err := a.call(ctx, http.MethodGet, "/health", nil, &h)
	return h.Delayed, err
}

func (a *acquirer) call(ctx context.Context, method, path string, body, into any) error {
	fail := func(err error) error { return fmt.Errorf("simulated acquirer: %s %s: %w", method, path, err) }
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fail(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Control+path, r)
	if err != nil {
		return fail(err)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return fail(err)
	case res.StatusCode/100 != 2:
		return fail(fmt.Errorf("%s: %s", res.Status, answer))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fail(err)
	}
	return nil
}
