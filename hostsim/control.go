package hostsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Bounds of the control API.
const (
	maxControlBody = 1 << 20
	controlTimeout = 10 * time.Second
)

// route is one row of the control API.
type route struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	About  string `json:"about"`

	serve func(*Host, http.ResponseWriter, *http.Request) error
}

// routes is the whole control API; GET / prints it.
func routes() []route {
	return []route{
		{"GET", "/health", "whether it runs, and where", (*Host).serveHealth},
		{"GET", "/ledger", "every transaction and the sums; ?format=text for people", (*Host).serveLedger},
		{"GET", "/settlements", "every closed batch with its transactions; ?terminal=", (*Host).serveSettlements},
		{"GET", "/log", "the last 1,000 messages, masked", (*Host).serveLog},
		{"GET", "/faults", "the script and how often each fault struck", (*Host).serveFaults},
		{"POST", "/faults", "add one fault or a list, YAML or JSON", (*Host).serveAddFaults},
		{"DELETE", "/faults", "clear the script, or ?id= one fault", (*Host).serveRemoveFaults},
		{"POST", "/assert", "compare the ledger: 200, or 409 with the differences", (*Host).serveAssert},
		{"POST", "/restart", `close all connections, read the ledger anew: {"forget":false,"down":"0s"}`, (*Host).serveRestart},
	}
}

// control is the running API.
type control struct {
	url  string
	srv  *http.Server
	done chan struct{}
}

// requestError is the caller's fault.
type requestError struct {
	status int
	err    error
}

func (e requestError) Error() string { return e.err.Error() }
func (e requestError) Unwrap() error { return e.err }

func badRequest(err error) error { return requestError{http.StatusBadRequest, err} }

// startControl listens on addr, which Validate has found to be loopback.
func startControl(h *Host, addr string) (*control, error) {
	ln, err := (&net.ListenConfig{}).Listen(h.ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	c := &control{
		url:  "http://" + ln.Addr().String(),
		done: make(chan struct{}),
		srv: &http.Server{
			Handler: controlHandler(h), ReadTimeout: controlTimeout, WriteTimeout: controlTimeout,
			IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: zap.NewStdLog(h.log),
		},
	}
	go func() {
		defer close(c.done)
		if err := c.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("control API ended", zap.Error(err))
		}
	}()
	return c, nil
}

// stop lets requests end for a moment, then cuts them.
func (c *control) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.srv.Shutdown(ctx) != nil {
		_ = c.srv.Close()
	}
	<-c.done
}

func controlHandler(h *Host) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, req *http.Request) {
			req.Body = http.MaxBytesReader(w, req.Body, maxControlBody)
			if err := r.serve(h, w, req); err != nil {
				writeError(w, err)
			}
		})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_ = writeJSON(w, http.StatusOK, routes())
	})
	return mux
}

func (h *Host) serveHealth(w http.ResponseWriter, _ *http.Request) error {
	h.mu.Lock()
	connections, delayed := len(h.sessions), h.delayed
	h.mu.Unlock()
	return writeJSON(w, http.StatusOK, map[string]any{
		"status": "ok", "listen": h.Addrs(), "profile": h.profile.Name, "ledgers": len(h.books),
		"personality": h.cfg.Personality, "tombstones": h.books[0].policy.Tombstones, "connections": connections, "delayed": delayed + h.held.count(),
	})
}

func (h *Host) serveLedger(w http.ResponseWriter, r *http.Request) error {
	s := Summarise(h.Ledger())
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		return writeJSON(w, http.StatusOK, s)
	case "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		return s.WriteText(w, time.Local)
	default:
		return badRequest(fmt.Errorf("format: want json or text, got %.20q", format))
	}
}

func (h *Host) serveSettlements(w http.ResponseWriter, r *http.Request) error {
	out := h.Settlements(iso8583.TID(r.URL.Query().Get("terminal")))
	if out == nil {
		out = []SettlementView{}
	}
	return writeJSON(w, http.StatusOK, out)
}

func (h *Host) serveLog(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, h.Messages())
}

func (h *Host) serveFaults(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, h.Faults())
}

func (h *Host) serveAddFaults(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return badRequest(err)
	}
	faults, err := ParseFaults("request body", body)
	if err != nil {
		return badRequest(err)
	}
	if len(faults) == 0 {
		return badRequest(errors.New("request body: no fault in it"))
	}
	ids, err := h.AddFault(faults...)
	if err != nil {
		return badRequest(err)
	}
	return writeJSON(w, http.StatusCreated, map[string]any{"ids": ids})
}

func (h *Host) serveRemoveFaults(w http.ResponseWriter, r *http.Request) error {
	id := 0
	if q := r.URL.Query().Get("id"); q != "" {
		var err error
		if id, err = strconv.Atoi(q); err != nil || id < 1 {
			return badRequest(fmt.Errorf("id: want a number, got %.20q", q))
		}
	}
	n := h.RemoveFault(id)
	if id != 0 && n == 0 {
		return requestError{http.StatusNotFound, fmt.Errorf("id: there is no fault %d", id)}
	}
	return writeJSON(w, http.StatusOK, map[string]int{"removed": n})
}

func (h *Host) serveAssert(w http.ResponseWriter, r *http.Request) error {
	var a Assertion
	if err := readJSON(r, &a); err != nil {
		return badRequest(err)
	}
	diffs := a.Differences(h.Ledger())
	status := http.StatusOK
	if len(diffs) > 0 {
		status = http.StatusConflict
	}
	return writeJSON(w, status, map[string]any{"ok": len(diffs) == 0, "differences": diffs})
}

func (h *Host) serveRestart(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Forget bool             `json:"forget"`
		Down   iso8583.Duration `json:"down"`
	}
	if err := readJSON(r, &body); err != nil {
		return badRequest(err)
	}
	if body.Down < 0 {
		return badRequest(errors.New("down: want 0s or more"))
	}
	if err := h.Restart(body.Forget, time.Duration(body.Down)); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]bool{"restarted": true})
}

// readJSON is strict; an empty body leaves v as it is.
func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("request body: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("request body: want one JSON object")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may have gone
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var re requestError
	if errors.As(err, &re) {
		status = re.status
	}
	_ = writeJSON(w, status, map[string]string{"error": err.Error()})
}
