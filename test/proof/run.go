package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runner runs pieces, and remembers what passed with this code.
type runner struct {
	nightly bool
	dir     string
	commit  string          // for the table
	code    string          // names what is remembered
	ctx     context.Context // ends when somebody stops the proof
	out     io.Writer       // progress

	mu   sync.Mutex
	done map[string]result // by command
}

// say prints a line of progress.
func (r *runner) say(gate, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.out, "%s  %-28s %s\n", time.Now().UTC().Format(time.TimeOnly), gate, fmt.Sprintf(format, args...))
}

// result is what became of a piece's command.
type result struct {
	Output  string // the file in dir
	OK      bool
	Skipped bool
	Why     string // it did not end well
	Seconds float64
	CPU     float64 // seconds, with all that it started

	text []byte
	here bool // run by this process
}

// open reads what an earlier run of the same code left.
func (r *runner) open(fresh bool) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if fresh || r.code == unknown {
		return nil
	}
	b, err := os.ReadFile(r.path(r.code + ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r.done)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; -fresh begins anew", r.path(r.code+".json"), err)
	}
	return nil
}

// run runs a piece, unless its command has passed before.
func (r *runner) run(gate string, p piece) (result, error) {
	key := strings.Join(p.cmd, " ")
	r.mu.Lock()
	res, ok := r.done[key]
	r.mu.Unlock()
	if ok && (res.OK || res.here) {
		var err error
		if !res.here {
			res.text, err = os.ReadFile(r.path(res.Output))
		}
		if err == nil {
			r.say(gate, "done before: %s", key)
			return res, nil
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	name := fmt.Sprintf("%s-%08x.txt", r.code, h.Sum32())
	r.say(gate, "$ %s > %s", key, r.path(name))
	res, err := r.execute(gate, p, r.path(name))
	if err != nil {
		return res, err
	}
	res.here, res.Output = true, name
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[key] = res
	return res, r.save()
}

// save writes what is done, whole or not at all: somebody may end the proof at
// any time.
func (r *runner) save() error {
	b, err := json.MarshalIndent(r.done, "", "  ")
	if err != nil {
		return err
	}
	name := r.path(r.code + ".json")
	if err := os.WriteFile(name+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// execute runs the command to its end or its limit, with all that it starts.
// The output goes to a file, to be read meanwhile.
func (r *runner) execute(gate string, p piece, file string) (res result, err error) {
	limit := p.limit
	if limit == 0 {
		limit = shortLimit
	}
	ctx, cancel := context.WithTimeout(r.ctx, limit)
	defer cancel()
	f, err := os.Create(file)
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(ctx, p.cmd[0], p.cmd[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	ran := r.watch(gate, file, cmd.Run)
	res.Seconds = time.Since(began).Seconds()
	if st := cmd.ProcessState; st != nil {
		res.CPU = (st.UserTime() + st.SystemTime()).Seconds()
	}
	if err := f.Close(); err != nil {
		return res, err
	}
	if res.text, err = os.ReadFile(file); err != nil {
		return res, err
	}
	r.judge(&res, ctx, ran, limit)
	return res, nil
}

// watch says each minute how far a long command has come.
func (r *runner) watch(gate, file string, run func() error) error {
	began, done := time.Now(), make(chan error, 1)
	go func() { done <- run() }()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			text, _ := os.ReadFile(file)
			r.say(gate, "still running after %s: %.100s", time.Since(began).Round(time.Minute), lastLine(text))
		}
	}
}

// judge says whether the command has passed.
func (r *runner) judge(res *result, ctx context.Context, err error, limit time.Duration) {
	out := res.text
	var exit *exec.ExitError
	switch {
	case r.ctx.Err() != nil:
		res.Why = "stopped"
	case ctx.Err() != nil:
		res.Why = fmt.Sprintf("not done after %s", limit)
	case errors.As(err, &exit) && exit.ExitCode() == 2 && bytes.Contains(out, []byte("cannot find")):
		res.Skipped, res.Why = true, lastLine(out)
	case err != nil:
		res.Why = err.Error()
	case bytes.Contains(out, []byte("--- SKIP")):
		res.Skipped, res.Why = true, "a test was skipped"
	case bytes.Contains(out, []byte("no tests to run")), bytes.Contains(out, []byte("no fuzz tests to fuzz")):
		res.Why = "no such test"
	default:
		res.OK = true
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
