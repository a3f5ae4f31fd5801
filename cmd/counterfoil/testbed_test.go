package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

var update = flag.Bool("update", false, "write the golden files anew; read them before they are accepted")

// patience bounds every wait of a test: it is for the slowest machine there is.
const patience = 30 * time.Second

// TestMain runs the program itself where a test has started it as a child.
func TestMain(m *testing.M) {
	if os.Getenv("COUNTERFOIL_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	main()
}

// bed is a daemon and a simulated acquirer, joined by real sockets.
type bed struct {
	t      *testing.T
	dir    string
	socket string
	host   *hostsim.Host
	daemon *daemon
	end    func() error
}

// shortDir is a directory whose sockets have short paths.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cf-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newBed starts both. Replacements are made in the configuration, old and new
// by turns.
func newBed(t *testing.T, host hostsim.Config, replace ...string) *bed {
	t.Helper()
	h, err := hostsim.New(host, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	b := &bed{t: t, dir: shortDir(t), host: h}
	d := &devDir{path: b.dir}
	if err := d.write(h.Addr(0), devProfile); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(fmt.Sprintf(devConfig, devProfile, h.Addr(0), ""))
	write(t, d.config(), text)
	b.socket = filepath.Join(b.dir, "agent.sock")
	b.start()
	t.Cleanup(func() { _ = b.end() })
	return b
}

// start begins a daemon on the bed's journal.
func (b *bed) start() {
	b.t.Helper()
	cfg, err := config.Read(filepath.Join(b.dir, "counterfoil.yaml"))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.daemon, err = openDaemon(cfg, zap.NewNop()); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.daemon.serve(ctx, func(*client.Health) { close(ready) }) }()
	b.end = sync.OnceValue(func() error { cancel(); return <-done })
	select {
	case <-ready:
	case err := <-done:
		done <- err
		b.t.Fatalf("the daemon ended: %v", err)
	}
}

// result is what a command gave.
type result struct {
	code        int
	out, errOut string
}

// command runs one command line with an empty standard input.
func command(t *testing.T, args ...string) result {
	t.Helper()
	return commandWith(t, "", args...)
}

func commandWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	t.Setenv("LC_ALL", "C")
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := execute(ctx, append([]string{"--zone", "UTC"}, args...), strings.NewReader(stdin), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// sale runs the sale command against the bed.
func (b *bed) sale(stdin, amount, sale string, args ...string) result {
	b.t.Helper()
	return commandWith(b.t, stdin, append([]string{"sale", "--socket", b.socket, "--terminal", "DEV00001", "--currency", "CNY",
		"--amount", amount, "--sale", sale}, args...)...)
}

// uuid gives the transaction of a sale by its reference.
func (b *bed) uuid(sale string) string {
	b.t.Helper()
	t := b.find(sale)
	if t == nil {
		b.t.Fatalf("no transaction of sale %s", sale)
	}
	return t.UUID
}

func (b *bed) find(sale string) *client.Transaction {
	b.t.Helper()
	l, err := call(b.t.Context(), b.socket, func(ctx context.Context, c *client.Client) (*client.List, error) { return c.List(ctx, nil) })
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range l.Transactions {
		if l.Transactions[i].Sale == sale {
			return &l.Transactions[i]
		}
	}
	return nil
}

// eventually waits for a transaction to be as wanted.
func (b *bed) eventually(sale string, want func(*client.Transaction) bool) {
	b.t.Helper()
	within(b.t, func() bool { t := b.find(sale); return t != nil && want(t) })
}

// within waits for something to become true.
func within(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !is() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("it did not come true")
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// masks hide what differs from run to run; most keep the width, since tables
// are laid out by it.
var masks = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "2026-00-00 00:00:00"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-00-00T00:00:00Z"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "00:00:00.000"},
	{regexp.MustCompile(`(epoch"?:? )\d{10}`), "${1}EPOCH"},
	{regexp.MustCompile(`RRN \d{12}`), "RRN NUMBER"},
	{regexp.MustCompile(`authorisation \d{6}`), "authorisation CODE"},
	{regexp.MustCompile(`rules [0-9a-f]{16}`), "rules HASH"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`answered (..) in [0-9.]+m?s`), "answered $1 in TIME"},
	{regexp.MustCompile(`\d+ MiB free`), "N MiB free"},
}

var uuidAnywhere = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// mask hides what differs; UUIDs are numbered as they appear.
func (b *bed) mask(s string) string {
	s = strings.ReplaceAll(s, b.dir, "DIR")
	for _, m := range masks {
		s = m.re.ReplaceAllString(s, m.to)
	}
	seen := map[string]int{}
	return uuidAnywhere.ReplaceAllStringFunc(s, func(u string) string {
		if seen[u] == 0 {
			seen[u] = len(seen) + 1
		}
		return fmt.Sprintf("00000000-0000-0000-0000-%012d", seen[u])
	})
}

// golden compares with testdata/name.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

// String is a result as golden files keep it: without notes of progress, which
// begin with spaces and depend on the machine.
func (r result) String() string {
	s, errOut := r.out, ""
	for line := range strings.Lines(r.errOut) {
		if !strings.HasPrefix(line, "  ") {
			errOut += line
		}
	}
	if errOut != "" {
		s += "--- standard error\n" + errOut
	}
	return s + fmt.Sprintf("--- exit code %d\n", r.code)
}

// noPAN says that no test card's number is anywhere in the text.
func noPAN(t *testing.T, text string) {
	t.Helper()
	for _, c := range testCards {
		if strings.Contains(text, c.pan) {
			t.Errorf("a card number is in the output: %s", strings.ReplaceAll(text, c.pan, "[card number]"))
		}
	}
}
