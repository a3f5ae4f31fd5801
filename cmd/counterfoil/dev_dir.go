package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// devProfile is the dialect of dev, unless --profile names another.
const devProfile = "iso87-ascii"

// devConfig is the configuration that dev writes: a whole one, with timers
// short enough to watch.
const devConfig = `# Made by "counterfoil dev"; made anew at its next start.
socket: agent.sock
journal: journal
key_file: journal.key
acquirers:
  - name: simulated
    profile: %[1]s
    hosts: ["%[2]s"]
    rules:
      tombstones: true
      send_timeout: 2s
      response_timeout: 5s
      confirm_timeout: 60s
      shown_timeout: 60s
      reversal_answer_timeout: 2s
      reversal_schedule: [0s, 1s, 2s, 5s]
      message_lifetime: 10s
      escalate_after: 6
terminals:
  - {tid: DEV00001, mid: DEVMERCHANT0001, acquirer: simulated%[3]s}
  - {tid: DEV00002, mid: DEVMERCHANT0001, acquirer: simulated%[3]s}
`

// devMark is the file that says that a directory is dev's own. It is locked
// while dev works there.
const devMark = "made-by-counterfoil-dev"

// devFiles are all that dev makes, besides the mark.
var devFiles = []string{"agent.sock", "journal", "journal.mark", "journal.mark.lock", "journal.key", "terminal.key", "counterfoil.yaml", "ledger.jsonl"}

// devDir is a directory in which dev works.
type devDir struct {
	path string
	made bool // by this run
	mark *os.File
}

func (d *devDir) config() string { return filepath.Join(d.path, "counterfoil.yaml") }
func (d *devDir) ledger() string { return filepath.Join(d.path, "ledger.jsonl") }

// openDevDir takes path, or a new directory where it is empty.
func openDevDir(path string) (*devDir, error) {
	d := &devDir{path: path}
	var err error
	if path == "" {
		d.path, err = os.MkdirTemp("", "counterfoil-")
		d.made = true
	} else if d.path, err = filepath.Abs(path); err == nil {
		err = os.Mkdir(d.path, 0o700)
		d.made = err == nil
		if errors.Is(err, fs.ErrExist) {
			err = refuseForeign(d.path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("dev: %w", err)
	}
	if n := len(filepath.Join(d.path, devFiles[0])); n > maxSocketPath {
		_ = d.remove()
		return nil, fmt.Errorf("dev: the socket's path in %s would have %d bytes, at most %d are possible: choose a shorter --listen-dir", d.path, n, maxSocketPath)
	}
	return d, d.lock()
}

// refuseForeign refuses a directory that is neither empty nor dev's own.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == devMark {
			return nil
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("directory %s holds %s and was not made by dev: there may be a production journal in it; choose an empty or a new one", dir, entries[0].Name())
	}
	return nil
}

func (d *devDir) lock() (err error) {
	if d.mark, err = os.OpenFile(filepath.Join(d.path, devMark), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	if err := unix.Flock(int(d.mark.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.mark.Close()
		return fmt.Errorf("dev: another one works in %s (%w): end it, or choose another --listen-dir", d.path, err)
	}
	return nil
}

// write makes the configuration, and the keys where there are none yet: the
// journal's, and in a dialect with MACs the terminals' master key, which is the
// simulated acquirer's published one.
func (d *devDir) write(host, dialect string) error {
	p, err := profile.Load(dialect)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	terminal, keys := "", map[string][]byte{"journal.key": key[:]}
	if _, signs := p.MAC(); signs {
		keys["terminal.key"] = []byte(hostsim.TestTerminalKey)
		terminal = ", master_key_file: terminal.key"
	}
	if err := os.WriteFile(d.config(), fmt.Appendf(nil, devConfig, dialect, host, terminal), 0o600); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	for name, b := range keys {
		path := filepath.Join(d.path, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.WriteFile(path, b, 0o400); err != nil {
			return fmt.Errorf("dev: %w", err)
		}
	}
	return nil
}

// remove takes away what dev made, and the directory if it made that.
func (d *devDir) remove() error {
	var errs []error
	gone := func(name string) {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("dev: %w", err))
		}
	}
	if err := os.RemoveAll(filepath.Join(d.path, devFiles[1])); err != nil { // a directory of dev's own
		errs = append(errs, fmt.Errorf("dev: %w", err))
	}
	for _, name := range append(devFiles, devMark) {
		gone(name)
	}
	if d.mark != nil {
		_ = d.mark.Close()
	}
	if d.made {
		_ = os.Remove(d.path) // stays if somebody put something in it
	}
	return errors.Join(errs...)
}
