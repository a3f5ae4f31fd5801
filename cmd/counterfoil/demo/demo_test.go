package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The bound of a whole run, building included. It ends a demo that hangs.
const patience = 4 * time.Minute

// built is the real program: the demo's children are its own processes.
func built(t *testing.T) (context.Context, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	program := filepath.Join(t.TempDir(), "counterfoil")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return ctx, program
}

// TestDemo is the demo as a person starts it: every fault strikes, the plain
// client loses money, the agent does not, and no card number is left anywhere.
func TestDemo(t *testing.T) {
	ctx, program := built(t)
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, program, "demo", "--json", "--keep")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	var r Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	if want := (Totals{SilentDebits: 6, DoubleDebits: 4, SilentCredits: 1}); r.Plain != want {
		t.Errorf("plain client: %+v, want %+v", r.Plain, want)
	}
	if !r.Agent.clean() {
		t.Errorf("agent: %+v, want nothing", r.Agent)
	}
	if !r.Passed || len(r.Problems) > 0 || len(r.Rows) != len(scenarios) {
		t.Errorf("passed is %v, %d rows, problems %v", r.Passed, len(r.Rows), r.Problems)
	}
	noCardNumber(t, "standard output", stdout.Bytes())
	noCardNumber(t, "standard error", stderr.Bytes())
	keptWithoutCardNumbers(t, r.Kept)
}

// keptWithoutCardNumbers reads every file that a demo kept.
func keptWithoutCardNumbers(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		noCardNumber(t, filepath.Base(path), content)
		files++
		return err
	})
	if err != nil || files < 6 {
		t.Errorf("%d files kept, %v", files, err)
	}
}

func noCardNumber(t *testing.T, where string, content []byte) {
	t.Helper()
	if bytes.Contains(content, []byte(testPAN)) || bytes.Contains(content, []byte(otherPAN)) {
		t.Errorf("%s holds the card number", where)
	}
}

var pids = regexp.MustCompile(`acquirers pid (\d+) and (\d+), agent pid (\d+)`)

// TestChildrenEndWithTheDemo kills the demo, which then can clean up nothing.
func TestChildrenEndWithTheDemo(t *testing.T) {
	ctx, program := built(t)
	cmd := exec.CommandContext(ctx, program, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var children []string
	for lines := bufio.NewScanner(stdout); children == nil && lines.Scan(); {
		if m := pids.FindStringSubmatch(lines.Text()); m != nil {
			children = m[1:]
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if len(children) != 3 {
		t.Fatalf("children %v: the demo did not say that it was ready", children)
	}
	for _, pid := range children {
		for alive(pid) {
			if !pause(ctx, look) {
				t.Fatalf("process %s outlives the demo", pid)
			}
		}
	}
}

// alive says whether the process runs; one that ended and that nobody has
// waited for does not.
func alive(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// TestFailsWithoutItsProgram runs a demo that cannot start its children.
func TestFailsWithoutItsProgram(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	err := Run(t.Context(), Options{Self: filepath.Join(t.TempDir(), "missing"), Out: &out, Progress: &out})
	if err == nil {
		t.Fatalf("it passed:\n%s", out.String())
	}
}
