// Package model runs the checked model of the protocol (counterfoil.pml) with
// Spin, where it is installed.
package model

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is below the time that go test gives a package.
const patience = 8 * time.Minute

var update = flag.Bool("update", false, "write transitions.txt anew")

// The protocol holds against each kind of host, and two of the variants fail
// as they must, so the check can fail; `run long` has all of them. What the
// runs pass through is transitions.txt, which test/sim compares with the code.
func TestModel(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the model's checkers: a minute")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("the model's script needs bash")
	}
	seen := filepath.Join(t.TempDir(), "transitions")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "./run", "short")
	cmd.Env = append(os.Environ(), "MODEL_TRANSITIONS="+seen)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Skipf("not done in %s on this machine: test/model/run short has no such limit\n%s", patience, out.String())
	case errors.As(err, &exit) && exit.ExitCode() == 2 && strings.Contains(errs.String(), "cannot find"):
		t.Skip(strings.TrimSpace(errs.String()))
	case err != nil:
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	t.Log("\n" + out.String())
	compareTable(t, seen)
}

func compareTable(t *testing.T, seen string) {
	const path = "transitions.txt"
	got, err := os.ReadFile(seen)
	if err == nil && *update {
		err = os.WriteFile(path, got, 0o644)
	}
	want, err2 := os.ReadFile(path)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s is not what the model passes through: go test ./test/model -update, and read the difference", path)
	}
}

// Each rule of safety.md has a run without it that fails.
func TestEveryRuleHasItsVariant(t *testing.T) {
	b, err := os.ReadFile("variants.txt")
	if err != nil {
		t.Fatal(err)
	}
	fails := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 5 {
			t.Fatalf("want five columns: %q", line)
		}
		if strings.TrimSpace(f[2]) != "holds" {
			fails[strings.TrimSpace(f[1])] = true
		}
	}
	rules := []string{"R3'"}
	for n := 1; n <= 15; n++ {
		rules = append(rules, fmt.Sprintf("R%d", n))
	}
	for _, r := range rules {
		if !fails[r] {
			t.Errorf("no run shows what happens without %s", r)
		}
	}
}
