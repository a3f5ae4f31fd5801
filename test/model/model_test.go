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
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write transitions.txt anew")

// run runs the script, and skips with its words where something is missing.
func run(t *testing.T, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the model's checkers: a minute")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("the model's script needs bash")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"./run"}, args...)...)
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 2 && strings.Contains(errs.String(), "cannot find"):
		t.Skip(strings.TrimSpace(errs.String()))
	case err != nil:
		t.Errorf("%v\n%s%s", err, out.String(), errs.String())
	}
	return out.String()
}

// The protocol holds against each kind of host, and two of the variants fail
// as they must: so the check can fail. `run long` has all of them.
func TestModel(t *testing.T) {
	t.Log("\n" + run(t, "short"))
}

// transitions.txt is what the model's runs pass through; test/sim compares it
// with the code.
func TestTransitions(t *testing.T) {
	const path = "transitions.txt"
	got := run(t, "transitions")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got && !t.Failed() {
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
