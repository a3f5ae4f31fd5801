package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

const patience = 30 * time.Second

// TestMain is also the child process of these tests.
func TestMain(m *testing.M) {
	if os.Getenv("HOSTSIM_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	main()
}

// child is a host in a process of its own.
type child struct {
	announcement
	cmd   *exec.Cmd
	stdin io.WriteCloser
	err   *strings.Builder
	wait  func() error
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	c := &child{cmd: exec.CommandContext(ctx, os.Args[0], append(args, "--announce", "--exit-with-stdin")...), err: &strings.Builder{}}
	c.cmd.Env = append(os.Environ(), "HOSTSIM_TEST_CHILD=1")
	c.cmd.Stderr = c.err
	c.wait = sync.OnceValue(c.cmd.Wait)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.stdin.Close()
		_ = c.wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = c.wait()
		t.Fatalf("no announcement: %v; %s", err, c.err)
	}
	if err := json.Unmarshal(line, &c.announcement); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return c
}

// sell sends sales until the connection breaks and gives the STANs that were
// answered 00.
func sell(t *testing.T, addr string, enough chan<- struct{}) []string {
	t.Helper()
	p, err := profile.Load("iso87-ascii")
	if err != nil {
		t.Error(err)
		return nil
	}
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = conn.Close() }()
	pan, err := iso8583.ParsePAN("4111111111111111")
	if err != nil {
		t.Error(err)
		return nil
	}
	f := frame.NewConn(conn, p.Frame)
	var approved []string
	for stan := iso8583.FirstSTAN; ; stan++ {
		m, err := p.Compose(iso8583.Facts{
			Kind: iso8583.KindSale, Type: iso8583.Sale, TID: "10000001", MID: "898600000000001", STAN: stan,
			Amount: iso8583.Amount{Minor: 100, Currency: 156}, Transmission: "0928143011",
			LocalTime: "223011", LocalDate: "0928", Card: &iso8583.Card{PAN: pan, EntryMode: "021"},
		})
		if err != nil {
			t.Error(err)
			return nil
		}
		body, err := p.Pack(m)
		if err != nil {
			t.Error(err)
			return nil
		}
		if _, err := f.Write(time.Now().Add(patience), body); err != nil {
			return approved
		}
		answer, err := f.Read(time.Now().Add(patience))
		if err != nil {
			return approved
		}
		if r, err := p.Unpack(answer); err != nil || r.Get(39) != "00" {
			t.Errorf("%v, %v", r, err)
			return nil
		}
		if approved = append(approved, stan.String()); len(approved) == 20 {
			close(enough)
		}
	}
}

// C1: the host is killed in mid-traffic. What it answered is in the fold of
// its file, and at most one debit more.
func TestKilledHostKeepsWhatItAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	c := startChild(t, "--ledger", path)
	enough, sold := make(chan struct{}), make(chan []string)
	go func() { sold <- sell(t, c.Listen[0], enough) }()
	<-enough
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.wait()
	approved := <-sold
	h, err := hostsim.New(hostsim.Config{Ledger: path}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	entries := h.Ledger()
	if n := len(entries); n < len(approved) || n > len(approved)+1 {
		t.Fatalf("%d answered, %d in the ledger", len(approved), n)
	}
	for i, stan := range approved {
		if e := entries[i]; e.STAN != stan || e.Net != 100 {
			t.Fatalf("transaction %d: %s net %d, want %s net 100", i, e.STAN, e.Net, stan)
		}
	}
}

func TestEndsWithItsStdinOrASignal(t *testing.T) {
	for name, end := range map[string]func(*child) error{
		"stdin":   func(c *child) error { return c.stdin.Close() },
		"SIGTERM": func(c *child) error { return c.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":  func(c *child) error { return c.cmd.Process.Signal(os.Interrupt) },
	} {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--json")
			if len(c.Listen) != 2 || c.PID != c.cmd.Process.Pid {
				t.Fatalf("announced %+v", c.announcement)
			}
			resp, err := (&http.Client{Timeout: patience}).Get(c.Control + "/health")
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("health: %v %v", resp, err)
			}
			_ = resp.Body.Close()
			if err := end(c); err != nil {
				t.Fatal(err)
			}
			if err := c.wait(); err != nil {
				t.Fatalf("ended with %v: %s", err, c.err)
			}
		})
	}
}

func TestFlagsOverTheFile(t *testing.T) {
	dir := t.TempDir()
	config, faults := dir+"/host.yaml", dir+"/faults.yaml"
	write(t, config, "tombstones: true\ncontrol: 127.0.0.1:9\nprofile: iso87-ascii-advice\nfaults: [{action: twice}]\n")
	write(t, faults, "- {action: late, after: 1s}\n")
	cfg, err := parse(t, "--config", config, "--faults", faults, "--control", "none", "--ledger", "l", "--listen", "127.0.0.1:1,127.0.0.1:2",
		"--personality", "no-tombstones-00")
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.Tombstones || cfg.Personality != "no-tombstones-00" || cfg.Control != "" || cfg.Profile != "iso87-ascii-advice" || cfg.Ledger != "l" ||
		len(cfg.Listen) != 2 || len(cfg.Faults) != 2 {
		t.Fatalf("%+v", cfg)
	}
	write(t, faults, "- {action: late, aftr: 1s}\n")
	if _, err := parse(t, "--faults", faults); err == nil || !strings.Contains(err.Error(), faults) || !strings.Contains(err.Error(), `"aftr"`) {
		t.Fatalf("%v, want file and key", err)
	}
}

// parse gives the configuration that args lead to.
func parse(t *testing.T, args ...string) (hostsim.Config, error) {
	t.Helper()
	var o options
	cmd := newCommandFor(&o, strings.NewReader(""), io.Discard, io.Discard)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return o.load(cmd)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
