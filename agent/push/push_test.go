package push_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/counterfoil-pos/counterfoil/agent/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var message = push.Message{ID: "u1/1/raised", Event: "raised", Cause: "refused", Body: []byte(`{"id":"u1/1/raised"}`)}

func deliver(t *testing.T, s push.Sink) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return s.Deliver(ctx, message)
}

func TestPauseGrowsAndStays(t *testing.T) {
	last := time.Duration(0)
	for n := 1; n < 100; n++ {
		p := push.Pause(n)
		if p < last || p < time.Second || p > 5*time.Minute {
			t.Fatalf("after %d failures %s, before %s", n, p, last)
		}
		last = p
	}
	if last != 5*time.Minute {
		t.Fatal(last)
	}
}

func TestFileAppendsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "items.ndjson")
	f := &push.File{Label: "file", Path: path}
	if err := f.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("check left a file behind")
	}
	for range 2 {
		if err := deliver(t, f); err != nil {
			t.Fatal(err)
		}
	}
	// A crash has torn a line: the next one stands on its own.
	if err := os.WriteFile(path, []byte(`{"id":"u`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, f); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "{\"id\":\"u\n"+string(message.Body)+"\n" {
		t.Fatalf("%q %v", b, err)
	}
	if err := deliver(t, &push.File{Label: "file", Path: filepath.Join(path, "below-a-file")}); err == nil || !strings.Contains(err.Error(), "receiver file") {
		t.Fatal(err)
	}
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receiver")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandHearsAllOfIt(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "x")
	out := filepath.Join(t.TempDir(), "out")
	c := &push.Command{Label: "command", Args: []string{script(t, `{ cat; env; echo "$1"; } > "$2"`), "first", out}, Timeout: time.Minute}
	if err := deliver(t, c); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{string(message.Body) + "\n", "COUNTERFOIL_ID=u1/1/raised\n", "COUNTERFOIL_EVENT=raised\n", "COUNTERFOIL_CAUSE=refused\n", "first\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("it did not get %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "SECRET_OF_THE_DAEMON") {
		t.Error("it got the daemon's environment")
	}
}

func TestCommandThatFails(t *testing.T) {
	c := &push.Command{Label: "command", Args: []string{script(t, "echo no line >&2; exit 3\n")}, Timeout: time.Minute}
	if err := deliver(t, c); err == nil || !strings.Contains(err.Error(), "exit status 3: no line") {
		t.Fatal(err)
	}
	if err := (&push.Command{Label: "command", Args: []string{"/nonexistent"}}).Check(t.Context()); err == nil {
		t.Fatal("a program that is not there passes the check")
	}
}

// What does not end is killed, with what it has started.
func TestCommandThatHangs(t *testing.T) {
	c := &push.Command{Label: "command", Args: []string{script(t, "sleep 600 &\nsleep 600\n")}, Timeout: 100 * time.Millisecond}
	if err := deliver(t, c); err == nil || !strings.Contains(err.Error(), "did not end within 100ms") {
		t.Fatal(err)
	}
}

func webhook(t *testing.T, h http.HandlerFunc) *push.Webhook {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + "/hook")
	if err != nil {
		t.Fatal(err)
	}
	return &push.Webhook{Label: "hook", URL: u, Timeout: time.Minute, Bearer: "token"}
}

func TestWebhookPosts(t *testing.T) {
	w := webhook(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/hook" || string(b) != string(message.Body) || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Idempotency-Key") != message.ID || r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, b)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := deliver(t, w); err != nil {
			t.Fatal(err)
		}
	}
}

// Only 2xx takes a message: not a redirection, which could lead anywhere.
func TestWebhookThatDoesNotTakeIt(t *testing.T) {
	for _, status := range []int{302, 307, 404, 500} {
		w := webhook(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/hook" {
				t.Error("the redirection was followed")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		if err := deliver(t, w); err == nil || !strings.Contains(err.Error(), "receiver hook: answered ") {
			t.Fatal(err)
		}
	}
}

// A receiver that says nothing costs its timeout, and its URL is no secret told.
func TestWebhookThatHangs(t *testing.T) {
	done := make(chan struct{})
	w := webhook(t, func(http.ResponseWriter, *http.Request) { <-done })
	w.URL.Path, w.Timeout = "/secret-path", 100*time.Millisecond
	err := deliver(t, w)
	close(done)
	if err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Fatal(err)
	}
}

// https proves who answers.
func TestWebhookOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &push.Webhook{Label: "hook", URL: u, Timeout: time.Minute, TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}
	srv.Config.ErrorLog = nil
	if deliver(t, w) == nil || w.Check(t.Context()) == nil {
		t.Fatal("an unknown authority was believed")
	}
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	w = &push.Webhook{Label: "hook", URL: u, Timeout: time.Minute, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, w); err != nil {
		t.Fatal(err)
	}
}
