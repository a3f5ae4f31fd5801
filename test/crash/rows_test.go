package crash

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
	before, err := os.ReadFile(s.path("journal"))
	if err != nil {
		t.Fatal(err)
	}
	var adjust func(*exec.Cmd)
	if os.Geteuid() == 0 { // root writes everywhere: let somebody else try
		adjust = func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		if err := os.Chown(s.path("key"), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{"file": 0o777, "file and directory": 0o555} {
		t.Run(name, func(t *testing.T) {
			if err := errors.Join(os.Chmod(s.path("journal"), 0o444), os.Chmod(s.dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			code, words := refusedStart(t, s, func(text string) string { return text }, func(c *exec.Cmd) {
				_ = os.Chmod(s.dir, mode)
				if adjust != nil {
					adjust(c)
				}
			})
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if code != 1 || !strings.Contains(words, "journal") || !strings.Contains(words, "permission denied") {
				t.Errorf("exit code %d: %s", code, words)
			}
		})
	}
	after, err := os.ReadFile(s.path("journal"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal changed: %v", err)
	}
}
