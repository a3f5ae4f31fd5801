package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// runner runs pieces, and remembers what passed at this commit.
type runner struct {
	nightly bool
	dir     string
	commit  string
	done    map[string]result // by command
}

// result is what became of a piece's command.
type result struct {
	Output  string // the file in dir
	OK      bool
	Skipped bool
	Why     string // it did not end well
	Seconds float64

	text []byte
	here bool // run by this process
}

// open reads what an earlier run of the same commit left.
func (r *runner) open(fresh bool) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if fresh || strings.HasSuffix(r.commit, "-dirty") || r.commit == "unknown" {
		return nil
	}
	b, err := os.ReadFile(r.path(r.commit + ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r.done)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; -fresh begins anew", r.path(r.commit+".json"), err)
	}
	return nil
}

// run runs a piece, unless its command has passed before.
func (r *runner) run(p piece) (result, error) {
	key := strings.Join(p.cmd, " ")
	if res, ok := r.done[key]; ok && (res.OK || res.here) {
		var err error
		if !res.here {
			res.text, err = os.ReadFile(r.path(res.Output))
		}
		if err == nil {
			fmt.Printf("      done before: %s\n", key)
			return res, nil
		}
	}
	fmt.Printf("      $ %s\n", key)
	res := r.execute(p)
	res.here = true
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	res.Output = fmt.Sprintf("%s-%08x.txt", r.commit, h.Sum32())
	r.done[key] = res
	b, err := json.MarshalIndent(r.done, "", "  ")
	if err == nil {
		err = errors.Join(os.WriteFile(r.path(res.Output), res.text, 0o644), os.WriteFile(r.path(r.commit+".json"), b, 0o644))
	}
	return res, err
}

// execute runs the command to its end or its limit, with all that it starts.
func (r *runner) execute(p piece) (res result) {
	limit := p.limit
	if limit == 0 {
		limit = shortLimit
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.cmd[0], p.cmd[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	out, err := cmd.CombinedOutput()
	res.text, res.Seconds = out, time.Since(began).Seconds()
	var exit *exec.ExitError
	switch {
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
	return res
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
