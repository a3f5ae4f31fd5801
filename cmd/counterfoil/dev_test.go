package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// dev is a dev command under way.
type dev struct {
	out  *bufio.Reader
	stop context.CancelFunc
	done chan int
}

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	d := &dev{out: bufio.NewReader(r), stop: cancel, done: make(chan int, 1)}
	go func() {
		code := execute(ctx, append([]string{"dev"}, args...), strings.NewReader(""), w, os.Stderr)
		_ = w.Close()
		d.done <- code
	}()
	t.Cleanup(d.stop)
	return d
}

// end ends it and gives its exit code.
func (d *dev) end() int {
	d.stop()
	_, _ = io.Copy(io.Discard, d.out)
	return <-d.done
}

// curl runs a printed curl line: a socket or none, a method, a URL, a body.
func curl(t *testing.T, line string) string {
	t.Helper()
	find := func(pattern string) string {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[1]
		}
		return ""
	}
	socket, method := find(`--unix-socket (\S+)`), find(`-X (\S+)`)
	body, url := find(`-d '([^']*)'`), find(`'?(http://[^' ]+)`)
	if method == "" {
		method = map[bool]string{true: http.MethodGet, false: http.MethodPost}[body == ""]
	}
	c := &http.Client{Timeout: patience}
	if socket != "" {
		c.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}}
	}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSpace(url), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %s %v", line, res.Status, answer, err)
	}
	return string(answer)
}

// What dev prints works as it is printed, in a dialect with MACs too.
func TestDevAsPrinted(t *testing.T) {
	for _, dialect := range []string{devProfile, "unionpay"} {
		t.Run(dialect, func(t *testing.T) { devAsPrinted(t, dialect) })
	}
}

func devAsPrinted(t *testing.T, dialect string) {
	t.Setenv("TMPDIR", shortDir(t))
	d := startDev(t, "--profile", dialect)
	var text strings.Builder
	for !strings.Contains(text.String(), "Ctrl-C") {
		line, err := d.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %s", err, &text)
		}
		text.WriteString(line)
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, "counterfoil ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 8 {
		t.Fatalf("%d lines to try in:\n%s", len(lines), &text)
	}
	if dialect != devProfile { // it does so by itself: this waits for it
		if r := command(t, "sign-on", "--socket", strings.Fields(lines[0])[2], "DEV00001"); r.code != exitOK {
			t.Fatalf("%v", r)
		}
	}
	var s client.Transaction
	if err := json.Unmarshal([]byte(curl(t, lines[0])), &s); err != nil || s.State != "approved" {
		t.Fatalf("%v, %+v", err, s)
	}
	if err := json.Unmarshal([]byte(curl(t, lines[1])), &s); err != nil || s.State != "confirmed" {
		t.Fatalf("%v, %+v", err, s)
	}
	if r := command(t, strings.Fields(lines[2])[1:]...); r.code != exitOK || !strings.Contains(r.out, "now confirmed") {
		t.Errorf("%v", r)
	}
	if ledger := curl(t, lines[3]); !strings.Contains(ledger, "12.34 CNY") {
		t.Errorf("the ledger:\n%s", ledger)
	}
	if r := command(t, strings.Fields(lines[4])[1:]...); r.code != exitOK || !strings.HasPrefix(r.out, "VOIDED  12.34 CNY") {
		t.Errorf("%v", r)
	}
	curl(t, lines[5])
	sale := append(strings.Fields(lines[6])[1:], "--timeout", "1ms") // not to wait for the timer here
	if r := command(t, sale...); r.code != exitUndecided {
		t.Errorf("%v", r)
	}
	dir := filepath.Dir(strings.Fields(lines[0])[2])
	if code := d.end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
}

func (d *dev) announced(t *testing.T) devAnnouncement {
	t.Helper()
	var got devAnnouncement
	line, err := d.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return got
}

func TestDevDirectory(t *testing.T) {
	dir := shortDir(t)
	d := startDev(t, "--json", "--listen-dir", dir)
	got := d.announced(t)
	if got.Epoch == 0 || got.PID != os.Getpid() || got.Socket != filepath.Join(dir, "agent.sock") || len(got.Terminals) != 2 ||
		!strings.HasPrefix(got.Host, "127.0.0.1:") || !strings.HasPrefix(got.Control, "http://127.0.0.1:") {
		t.Errorf("announced %+v", got)
	}
	if r := command(t, "check", "--config", got.Config); r.code != exitOK {
		t.Errorf("%v", r)
	}
	if r := command(t, "dev", "--listen-dir", dir); r.code != exitFailed || !strings.Contains(r.errOut, "another one works") {
		t.Errorf("a second one: %v", r)
	}
	if _, err := os.Stat(got.Socket); err != nil {
		t.Errorf("the second one broke the first: %v", err)
	}
	if code := d.end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Where anything else is, there may be a production journal.
func TestDevRefusesForeignDirectory(t *testing.T) {
	f := newFixture(t)
	dir := filepath.Dir(f.close())
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, "dev", "--listen-dir", dir)
	if r.code != exitFailed || !strings.Contains(r.errOut, "production journal") {
		t.Errorf("%v", r)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("something was changed: %v, %v", after, err)
	}
	long := filepath.Join(shortDir(t), strings.Repeat("x", 110))
	if r := command(t, "dev", "--listen-dir", long); r.code != exitFailed || !strings.Contains(r.errOut, "shorter --listen-dir") {
		t.Errorf("%v", r)
	}
	if _, err := os.Stat(long); err == nil {
		t.Error("the directory that was refused was made")
	}
}

// Killed in mid-sale, dev leaves everything behind; started again it recovers,
// and the acquirer's ledger has survived too.
func TestDevKilled(t *testing.T) {
	dir := filepath.Join(shortDir(t), "d")
	c := startChild(t, "dev", "--json", "--listen-dir", dir, "--exit-with-stdin")
	r := command(t, "sale", "--socket", c.Socket, "--terminal", "DEV00001", "--amount", "5.00", "--currency", "CNY",
		"--sale", "s", "--test-card", "1", "--confirm", "yes")
	if r.code != exitOK {
		t.Fatalf("%v", r)
	}
	r = command(t, "sale", "--socket", c.Socket, "--terminal", "DEV00001", "--amount", "6.00", "--currency", "CNY",
		"--sale", "left", "--test-card", "1", "--confirm", "leave")
	if r.code != exitUndecided {
		t.Fatalf("%v", r)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.wait()
	d := startDev(t, "--json", "--listen-dir", dir)
	got := d.announced(t)
	if got.Epoch != c.Epoch {
		t.Errorf("epoch %d, was %d", got.Epoch, c.Epoch)
	}
	r = command(t, "list", "--socket", got.Socket, "--state", "approved")
	if r.code != exitOK || !strings.Contains(r.out, "left") {
		t.Errorf("%v", r)
	}
	if ledger := curl(t, "curl '"+got.Control+"/ledger?format=text'"); !strings.Contains(ledger, "2 transactions") {
		t.Errorf("the ledger:\n%s", ledger)
	}
	if code := d.end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
