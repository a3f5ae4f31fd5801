package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// C.3, two processes on one journal: the second is refused with words and exit
// code 1, and harms nothing.
func TestTwoDaemonsOnOneJournal(t *testing.T) {
	s := newStation(t, filepath.Join(room, "two"), personalities[0])
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]func(string) string{
		"another socket":  func(text string) string { return strings.Replace(text, "socket: s\n", "socket: other\n", 1) },
		"the same socket": func(text string) string { return text },
	} {
		t.Run(name, func(t *testing.T) {
			code, words := refusedStart(t, s, config, nil)
			if code != 1 || !strings.Contains(words, "journal is in use by another process") {
				t.Errorf("exit code %d: %s", code, words)
			}
		})
	}
	t.Run("another journal, the same socket", func(t *testing.T) {
		code, words := refusedStart(t, s, func(text string) string { return strings.Replace(text, "journal: journal\n", "journal: second\n", 1) }, nil)
		if code != 1 || !strings.Contains(words, "another daemon answers on this socket") {
			t.Errorf("exit code %d: %s", code, words)
		}
	})
	c, err := s.agent()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := within()
	defer cancel()
	if _, err := c.Health(ctx); err != nil {
		t.Errorf("the first daemon: %v", err)
	}
}

// refusedStart starts a daemon that must not start, with a configuration made
// of the station's, and gives its exit code and its words.
func refusedStart(t *testing.T, s *station, config func(string) string, adjust func(*exec.Cmd)) (int, string) {
	t.Helper()
	text, err := os.ReadFile(s.path("config.yaml"))
	if err == nil {
		err = os.WriteFile(s.path("refused.yaml"), []byte(config(string(text))), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(s.path("refused"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p, err := start(log, adjust, s.exe, "run", "--config", s.path("refused.yaml"), "--announce", "--exit-with-stdin")
	if err != nil {
		t.Fatal(err)
	}
	line, _ := p.announced()
	if line != nil {
		t.Errorf("it serves: %s", line)
		p.stop()
	}
	code := p.wait()
	words, err := os.ReadFile(s.path("refused"))
	if err != nil {
		t.Fatal(err)
	}
	return code, string(words)
}

// nobody is a user without rights.
const nobody = 65534

// C.2, read-only disk: a journal that cannot be written stops the start, with
// words, and is left as it is.
func TestReadOnlyJournal(t *testing.T) {
	s := newStation(t, filepath.Join(room, "readonly"), personalities[0])
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	if code := s.down().stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.tail())
	}
	before := contents(t, s.path("journal"))
	var adjust func(*exec.Cmd)
	if os.Geteuid() == 0 { // root writes everywhere: let somebody else try
		adjust = func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		if err := os.Chown(s.path("key"), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name                 string
		dir, lock, log, rest fs.FileMode
	}{
		{"nothing can be written", 0o555, 0o444, 0o444, 0o444},
		{"files cannot", 0o777, 0o444, 0o444, 0o444},
		{"the log cannot", 0o777, 0o666, 0o444, 0o666},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name := range before {
				mode := c.rest
				switch {
				case name == "lock":
					mode = c.lock
				case strings.HasSuffix(name, ".seg"):
					mode = c.log
				}
				if err := os.Chmod(filepath.Join(s.path("journal"), name), mode); err != nil {
					t.Fatal(err)
				}
			}
			code, words := refusedStart(t, s, func(text string) string { return text }, func(cmd *exec.Cmd) {
				_ = errors.Join(os.Chmod(s.path("journal"), c.dir), os.Chmod(s.dir, 0o777))
				if adjust != nil {
					adjust(cmd)
				}
			})
			if err := errors.Join(os.Chmod(s.path("journal"), 0o700), os.Chmod(s.dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			if code != 1 || !strings.Contains(words, "journal") || !strings.Contains(words, "permission denied") {
				t.Errorf("exit code %d: %s", code, words)
			}
			if after := contents(t, s.path("journal")); !reflect.DeepEqual(before, after) {
				t.Error("the journal changed")
			}
		})
	}
}

// contents reads every file of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[n.Name()] = string(data)
	}
	return out
}

// C.2, disk full, on a real file system: near its end new sales are refused and
// what is owed is still recorded; at its very end the daemon stops with exit
// code 6; with room again it recovers and undoes the rest.
func TestFullFileSystem(t *testing.T) {
	s := newStation(t, filepath.Join(room, "full"), personalities[0])
	useTmpfs(t, s)
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	var owed []*note
	for i := range 4 {
		n := newNote("T0000001", fmt.Sprintf("owed-%d", i), int64(990+i), plan{conduct: confirms, scenario: &scenario{faults: []hostsim.Fault{
			onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(0, hostsim.Fault{Action: hostsim.DropRequest})}}})
		owed = append(owed, n)
		if err := errors.Join(s.script(n.plan.scenario.script(n.amount)), n.pay(s)); err != nil || n.screen != screenNotApproved {
			t.Fatalf("screen %q, %v", n.screen, err)
		}
	}

	fill(t, s, 64<<10) // less than a segment
	sold := untilFull(t, s)
	heal(t, s, owed[0].amount)
	untilReversed(t, s, owed[:1])

	// The others are sent again and again, and each time recorded.
	fill(t, s, 0)
	p := s.down()
	if code := p.wait(); code != 6 || !strings.Contains(s.tail(), "no space left on device") {
		t.Errorf("exit code %d: %s", code, s.tail())
	}
	if err := os.Remove(s.path("disk/filler")); err != nil {
		t.Fatal(err)
	}
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	heal(t, s, 0)
	untilReversed(t, s, owed)
	if sum, err := s.ledger(); err != nil || sum.NetTotal != int64(sold)*lateAmount || len(sum.Entries) != sold+len(owed) {
		t.Errorf("the ledger holds %d in %d entries, %v", sum.NetTotal, len(sum.Entries), err)
	}
}

const lateAmount = 2000

// untilFull sells until a new sale is refused for want of room, and says how
// many were paid before.
func untilFull(t *testing.T, s *station) (sold int) {
	t.Helper()
	const most = 200
	for ; sold < most; sold++ {
		n := newNote("T0000002", fmt.Sprintf("late-%d", sold), lateAmount, plan{conduct: confirms, scenario: &scenarios[0]})
		err := n.pay(s)
		if p := client.AsProblem(err); p != nil && p.Code == "journal_full" {
			return sold
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%d sales on a disk that is almost full, and none was refused", most)
	return 0
}

// useTmpfs gives the station's journal a small file system of its own.
func useTmpfs(t *testing.T, s *station) {
	t.Helper()
	disk := s.path("disk")
	text, err := os.ReadFile(s.path("config.yaml"))
	if err == nil {
		text = bytes.Replace(text, []byte("journal: journal\n"), []byte("journal: disk/journal\ndisk: {segment_kib: 128}\n"), 1)
		err = errors.Join(os.WriteFile(s.path("config.yaml"), text, 0o600), os.Mkdir(disk, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("a small file system cannot be mounted here (%v): TestDiskFull has the rest of this row", err)
	}
	t.Cleanup(func() {
		s.down().kill()
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fill leaves that many bytes free.
func fill(t *testing.T, s *station, leave int64) {
	t.Helper()
	var st syscall.Statfs_t
	f, err := os.OpenFile(s.path("disk/filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		defer func() { _ = f.Close() }()
		err = syscall.Statfs(s.path("disk"), &st)
	}
	if err == nil {
		_, err = f.Write(make([]byte, max(0, int64(st.Bavail)*int64(st.Bsize)-leave)))
	}
	if err != nil && (leave > 0 || !errors.Is(err, syscall.ENOSPC)) {
		t.Fatal(err)
	}
}

// heal lets the reversals of an amount through, of all of them for 0.
func heal(t *testing.T, s *station, amount int64) {
	t.Helper()
	var views []hostsim.FaultView
	if err := s.ask(http.MethodGet, "/faults", nil, &views); err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if amount == 0 || *v.Fault.Match.Amount == amount {
			if err := s.ask(http.MethodDelete, fmt.Sprintf("/faults?id=%d", v.ID), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func untilReversed(t *testing.T, s *station, notes []*note) {
	t.Helper()
	c := &campaign{s: s, notes: notes}
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	agent, err := s.agent()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		if tx, err := n.get(agent); err != nil || tx == nil || tx.State != "reversed" {
			t.Errorf("%+v, %v", tx, err)
		}
	}
}
