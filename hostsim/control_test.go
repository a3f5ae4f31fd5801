package hostsim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// call asks the control API and demands a status.
func call(t *testing.T, h *Host, method, path, body string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, b)
	}
	noPAN(t, path, string(b))
	return string(b)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func withControl(cfg *Config) { cfg.Control = "127.0.0.1:0" }

func TestControlLedger(t *testing.T) {
	h := startHost(t, withControl)
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	c.ask(c.sale(2, 500), "00")
	c.ask(c.reversal(2, 500), "00")
	s := decode[Summary](t, call(t, h, "GET", "/ledger", "", 200))
	if len(s.Entries) != 2 || s.NetTotal != 1000 || s.OpenHolds != 0 {
		t.Fatalf("%+v", s)
	}
	if e := s.Entries[1]; e.Key != "0200/10000001/000002/0928143011" || len(e.History) != 2 || e.PAN != "411111******1111" {
		t.Fatalf("%+v", e)
	}
	if a := s.Accounts; len(a) != 1 || a[0].Debits != 1500 || a[0].Undebit != 500 || a[0].Net != 1000 {
		t.Fatalf("accounts %+v", a)
	}
	text := call(t, h, "GET", "/ledger?format=text", "", 200)
	for _, want := range []string{"10.00 CNY", "000002", "reversed", "2 transactions, 0 open holds, net 1000"} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q:\n%s", want, text)
		}
	}
	call(t, h, "GET", "/ledger?format=xml", "", 400)
	if log := decode[[]MessageView](t, call(t, h, "GET", "/log", "", 200)); len(log) != 6 ||
		log[0].Direction != "in" || log[0].MTI != "0200" || log[1].Direction != "out" || log[1].Fields[39] != "00" {
		t.Fatalf("%+v", log)
	}
}

func TestControlFaults(t *testing.T) {
	h := startHost(t, withControl)
	call(t, h, "POST", "/faults", `{"action":"decline","code":"51","match":{"kind":"sale"},"count":1}`, 201)
	call(t, h, "POST", "/faults", "- action: silent\n- action: twice\n", 201)
	call(t, h, "POST", "/faults", `{"action":"decline"}`, 400)
	call(t, h, "POST", "/faults", `{"action":"silent","cuont":1}`, 400)
	call(t, h, "POST", "/faults", ``, 400)
	call(t, h, "DELETE", "/faults?id=2", "", 200)
	call(t, h, "DELETE", "/faults?id=2", "", 404)
	call(t, h, "DELETE", "/faults?id=x", "", 400)
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "51")
	if v := decode[[]FaultView](t, call(t, h, "GET", "/faults", "", 200)); len(v) != 2 || !v[0].Spent || v[1].ID != 3 {
		t.Fatalf("%+v", v)
	}
	call(t, h, "DELETE", "/faults", "", 200)
	c.ask(c.sale(2, 1000), "00")
	c.silent()
}

func TestControlAssert(t *testing.T) {
	h := startHost(t, withControl)
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	call(t, h, "POST", "/assert", `{"no_open_hold":true,"net_total":1000,"exact":true,
		"entries":[{"tid":"10000001","stan":"000001","amount":1000,"net":1000}]}`, 200)
	text := call(t, h, "POST", "/assert", `{"net_total":0,"exact":true}`, 409)
	if d := decode[struct{ Differences []string }](t, text); len(d.Differences) != 2 {
		t.Fatalf("%s", text)
	}
	call(t, h, "POST", "/assert", `{"netTotal":0}`, 400)
	call(t, h, "POST", "/assert", `{} {}`, 400)
}

func TestControlRestartAndHealth(t *testing.T) {
	h := startHost(t, withControl)
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	call(t, h, "POST", "/restart", "", 200)
	c.ended(errEOF)
	expect(t, h, entryOf("000001", StateApproved, 1000))
	call(t, h, "POST", "/restart", `{"forget":true}`, 200)
	expect(t, h)
	call(t, h, "POST", "/restart", `{"down":"-1s"}`, 400)
	health := decode[map[string]any](t, call(t, h, "GET", "/health", "", 200))
	if health["status"] != "ok" || health["profile"] != "iso87-ascii" {
		t.Fatalf("%+v", health)
	}
	if r := decode[[]route](t, call(t, h, "GET", "/", "", 200)); len(r) != len(routes()) {
		t.Fatalf("%+v", r)
	}
	call(t, h, "GET", "/nothing", "", 404)
	call(t, h, "PUT", "/ledger", "", 405)
	call(t, h, "POST", "/faults", strings.Repeat("#", maxControlBody+1), 400)
}

func TestMessageLogIsARing(t *testing.T) {
	var l messageLog
	for range logSize + 7 {
		l.add(MessageView{}, nil)
	}
	got := l.list()
	if len(got) != logSize || got[0].N != 8 || got[logSize-1].N != logSize+7 {
		t.Fatalf("%d messages, %d to %d", len(got), got[0].N, got[len(got)-1].N)
	}
}

func TestConfigIsStrict(t *testing.T) {
	path := t.TempDir() + "/host.yaml"
	for text, key := range map[string]string{
		"tombstone: true":                                    `unknown key "tombstone"`,
		"control: 0.0.0.0:8580":                              "control",
		"listen: [nowhere]":                                  "listen[0]",
		"unknown_original: '94'":                             "unknown_original",
		"already_reversed: '64'":                             "already_reversed",
		"declined_original: '12'":                            "declined_original",
		"amount_differs: '00'":                               "amount_differs",
		"other_day: yes":                                     "other_day",
		"find: two_rows":                                     "find",
		"rewrite_stan: always":                               "rewrite_stan",
		"no_original: '00'":                                  "no_original",
		"personality: kind":                                  "personality",
		"find: one_row\ntombstones: true":                    "find",
		"opening_balance: 1000000000000":                     "opening_balance",
		"partials: [{amount: 5}]":                            "partials[0]",
		"partials: [{approve: 5}]":                           "partials[0]",
		"refused_code: '00'":                                 "refused_code",
		"processing_delay: -1s":                              "processing_delay",
		"declines: [{code: '51'}]":                           "declines[0]",
		"declines: [{amount: 1, code: '00'}]":                "declines[0]",
		"declines: [{pan_suffix: '11111', code: '51'}]":      "pan_suffix",
		"faults: [{action: late}]":                           "faults[0]",
		"limits: {connections: -1}":                          "limits",
		"limits: {conections: 1}":                            `unknown key "conections"`,
		"processing_delay: soon":                             "duration",
		"tls: {certificate: a, key: b, ca: c}":               `unknown key "ca"`,
		"declines: [{amount: 1, pan_prefix: '4', kode: 51}]": `unknown key "kode"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadConfig(path); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "host.yaml") {
			t.Errorf("%q: %v, want file and %s", text, err, key)
		}
	}
	good := "tombstones: true\nlisten: ['127.0.0.1:0', '127.0.0.1:0']\nprocessing_delay: 10ms\ndeclines: [{amount: 5100, code: '51'}]\n"
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(path)
	if err != nil || !c.Tombstones || len(c.Listen) != 2 || !c.SharedLedger || c.Profile != "iso87-ascii" {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestLifeOfAHost(t *testing.T) {
	if _, err := New(Config{Profile: "none"}, zap.NewNop()); err == nil {
		t.Error("an unknown profile was loaded")
	}
	h, err := New(Config{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Restart(false, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("restart before start: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := h.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("second start: %v", err)
	}
	if h.Addr(0) == "" || h.Addr(1) != "" || h.ControlURL() != "" {
		t.Errorf("addresses %v, control %q", h.Addrs(), h.ControlURL())
	}
	c := dial(t, h.Addr(0))
	c.silent()
	cancel()
	c.ended(errEOF)
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Error(err)
	}
	if err := h.Restart(false, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("restart after close: %v", err)
	}
}
