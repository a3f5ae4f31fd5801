package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// When the journal fails, the daemon ends at once and says so by its exit code.
func TestJournalFailure(t *testing.T) {
	b := newBed(t, declining)
	b.sale("", "1.00", "left", "--test-card", "1", "--confirm", "leave")
	uuid := b.uuid("left")
	if err := b.daemon.journal.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := call(t.Context(), b.socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) { return c.Confirm(ctx, uuid) })
	if err == nil {
		t.Fatal("a confirmation was acknowledged that is not in the journal")
	}
	if err := b.end(); codeOf(err) != exitJournal || !strings.Contains(err.Error(), "start it again") {
		t.Errorf("exit code %d: %v", codeOf(err), err)
	}
}

// A call that waits for an outcome does not hold up the end.
func TestEndCutsWaits(t *testing.T) {
	b := newBed(t, declining)
	if _, err := b.host.AddFault(hostsim.Fault{Action: hostsim.Silent}); err != nil {
		t.Fatal(err)
	}
	began, answered := make(chan struct{}), make(chan error, 1)
	go func() {
		c := client.New(b.socket)
		defer c.Close()
		h, err := c.Health(t.Context())
		if err != nil {
			close(began)
			answered <- err
			return
		}
		uuid := client.NewUUID()
		_, err = c.Begin(t.Context(), uuid, client.Begin{
			Type: "sale", Terminal: "DEV00001", Epoch: h.Epoch, Amount: 100, Currency: "CNY", Sale: "s",
			Card: client.Card{PAN: testCards[0].pan},
		}, 0)
		close(began)
		if err == nil {
			_, err = c.Get(t.Context(), uuid, 2*patience)
		}
		answered <- err
	}()
	<-began
	if err := b.end(); err != nil {
		t.Error(err)
	}
	<-answered // with what was known, or cut: both are honest
	if _, err := os.Stat(b.socket); err == nil {
		t.Error("the socket is still there")
	}
}

// child is the daemon in a process of its own.
type child struct {
	announcement
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr strings.Builder
	wait   func() error
}

// startChild runs the program itself with args and reads its announcement.
func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	c := &child{cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), "COUNTERFOIL_TEST_CHILD=1")
	c.cmd.Stderr = &c.stderr
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
		t.Fatalf("no announcement: %v; %s", err, &c.stderr)
	}
	if err := json.Unmarshal(line, &c.announcement); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return c
}

// offline is a configuration whose acquirer does not listen.
func offline(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d := &devDir{path: shortDir(t)}
	if err := d.write(addr, devProfile); err != nil {
		t.Fatal(err)
	}
	return d.config()
}

func TestRun(t *testing.T) {
	for name, end := range map[string]func(*child) error{
		"stdin":   func(c *child) error { return c.stdin.Close() },
		"SIGTERM": func(c *child) error { return c.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":  func(c *child) error { return c.cmd.Process.Signal(os.Interrupt) },
	} {
		t.Run(name, func(t *testing.T) {
			file := offline(t)
			c := startChild(t, "run", "--config", file, "--announce", "--exit-with-stdin")
			if c.PID != c.cmd.Process.Pid || c.Epoch == 0 || filepath.Dir(c.Socket) != filepath.Dir(file) {
				t.Errorf("announced %+v", c.announcement)
			}
			if r := command(t, "list", "--socket", c.Socket); r.code != exitOK {
				t.Errorf("%v", r)
			}
			if name == "stdin" { // once: it takes the time that the journal waits for its lock
				if r := command(t, "run", "--config", file); r.code != exitFailed || !strings.Contains(r.errOut, journal.ErrLocked.Error()) {
					t.Errorf("a second daemon: %v", r)
				}
			}
			if err := end(c); err != nil {
				t.Fatal(err)
			}
			if err := c.wait(); err != nil {
				t.Fatalf("ended with %v: %s", err, &c.stderr)
			}
			if log := c.stderr.String(); !strings.Contains(log, `"serving"`) || !strings.Contains(log, `"stopping"`) {
				t.Errorf("the log: %s", log)
			}
			if _, err := os.Stat(c.Socket); err == nil {
				t.Error("the socket is still there")
			}
			if r := command(t, "journal", "replay", filepath.Join(filepath.Dir(file), "journal")); r.code != exitOK {
				t.Errorf("%v", r)
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	file := offline(t)
	dir := filepath.Dir(file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func()
		want   string
	}{
		"no file":     {func() { must(os.Remove(file)) }, "no such file"},
		"unknown key": {func() { write(t, file, string(text)+"colour: blue\n") }, "colour"},
		"log level":   {func() { write(t, file, string(text)+"log: {level: loud}\n") }, "log.level"},
		"log format":  {func() { write(t, file, string(text)+"log: {format: xml}\n") }, "log.format"},
		"key mode":    {func() { must(os.Chmod(filepath.Join(dir, "journal.key"), 0o644)) }, "chmod 0400"},
		"socket": {func() {
			write(t, file, string(text))
			write(t, filepath.Join(dir, "agent.sock"), "a file")
		}, "no socket"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, file, string(text))
			must(os.Chmod(filepath.Join(dir, "journal.key"), 0o400))
			tc.change()
			if r := command(t, "run", "--config", file, "--announce"); r.code != exitFailed || !strings.Contains(r.errOut, tc.want) || r.out != "" {
				t.Errorf("want %q: %v", tc.want, r)
			}
		})
	}
}
