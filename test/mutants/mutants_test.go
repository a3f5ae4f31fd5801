package mutants

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	transactions = flag.Int64("mutants.transactions", 1_000_000, "transactions after which a mutant has survived")
	all          = flag.Bool("mutants.all", false, "run every mutant, not one for each rule")
	only         = flag.String("mutants.only", "", "run the mutants whose name contains this")
)

// result is what became of a mutant.
type result struct {
	mutant
	property string
	after    string
	took     time.Duration
	err      error
}

// TestMutants builds the simulation over a mutant and runs it until the first
// violation: over one of each rule, or over all.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the simulation once for each mutant: minutes")
	}
	chosen := choose()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	results := make([]result, len(chosen))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		dir := t.TempDir()
		wg.Go(func() {
			for i := range next {
				results[i] = kill(t, root, dir, chosen[i])
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Log("\n" + printTable(results))
	for _, r := range results {
		switch {
		case r.err != nil:
			t.Errorf("%s: %v", r.name, r.err)
		case r.property == "":
			t.Errorf("%s (%s) survived %d transactions: a world is missing from test/sim", r.name, r.rule, *transactions)
		}
	}
}

func choose() []mutant {
	var chosen []mutant
	seen := map[string]bool{}
	for _, m := range mutants {
		rule := strings.Fields(m.rule)[0]
		if strings.Contains(m.name, *only) && (*all || *only != "" || !seen[rule]) {
			chosen = append(chosen, m)
			seen[rule] = true
		}
	}
	return chosen
}

var violation = regexp.MustCompile(`VIOLATION (\S+) after (\d+) transactions`)

// kill runs the simulation over one mutant.
func kill(t *testing.T, root, dir string, m mutant) result {
	r := result{mutant: m}
	overlay, err := m.overlay(root, dir)
	if err != nil {
		r.err = err
		return r
	}
	start := time.Now()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay="+overlay, "-vet=off", "-count=1", "-timeout=10m",
		"-run=^TestSeeded$", "./test/sim", "-v", fmt.Sprintf("-sim.transactions=%d", *transactions), "-sim.shrink=false")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	r.took = time.Since(start)
	switch found := violation.FindSubmatch(out); {
	case found != nil:
		r.property, r.after = string(found[1]), string(found[2])
	case strings.Contains(string(out), "panic:"):
		r.property, r.after = "panic", "?"
	case err != nil && !strings.Contains(string(out), "violations: 0"):
		r.err = fmt.Errorf("%w\n%s", err, out)
	}
	return r
}

// overlay writes the mutated copy and the file that tells the go command to
// read it instead.
func (m *mutant) overlay(root, dir string) (string, error) {
	source := filepath.Join(root, filepath.FromSlash(m.file))
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("the text to replace occurs %d times in %s, want once: has the product changed?", n, m.file)
	}
	copied := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(copied, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {source: copied}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o600)
}

func printTable(results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-50s %-24.24s %-10s %12s %8s\n", "mutant", "rule", "violated", "transactions", "seconds")
	for _, r := range results {
		property, after := r.property, r.after
		switch {
		case r.err != nil:
			property = "(error)"
		case property == "":
			property = "SURVIVED"
		}
		fmt.Fprintf(&b, "%-50s %-24.24s %-10s %12s %8.1f\n", r.name, r.rule, property, after, r.took.Seconds())
	}
	return b.String()
}

// TestMutantsApply holds every mutant to the product as it is, without running
// any: it takes a moment.
func TestMutantsApply(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, err := m.overlay(root, t.TempDir()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}
