package mutants

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
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

// TestMutants builds the simulation over all mutants at once, wakes one after
// the other, and runs it until the first violation: one of each rule, or all.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the simulation once for each mutant: minutes")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	binary := build(t, root, "./test/sim", mutants)
	if r := kill(t, binary, 0, 20_000); r.err != nil || r.property != "" {
		t.Fatalf("with no mutant awake: %s after %s, %v", r.property, r.after, r.err)
	}
	chosen := choose()
	results := make([]result, len(chosen))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] = kill(t, binary, chosen[i]+1, *transactions)
				results[i].mutant = mutants[chosen[i]]
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Log("\n" + printTable(results))
	caught := 0
	for _, r := range results {
		switch {
		case r.err != nil:
			t.Errorf("%s: %v", r.name, r.err)
		case r.property == "":
			t.Errorf("%s (%s) survived %d transactions: a world is missing from test/sim", r.name, r.rule, *transactions)
		default:
			caught++
		}
	}
	t.Logf("%d mutants caught, of %d", caught, len(results))
}

// TestJournalsMutants builds the journal's tests over its mutants, and demands of
// each that the test which is named for it notices.
func TestJournalsMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the journal's tests, and runs some for each mutant")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	binary := build(t, root, "./journal", journals)
	for i, m := range journals {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), binary, "-test.short", "-test.timeout=2m", "-test.run=^"+strings.ReplaceAll(m.rule, "/", "$/^")+"$")
			cmd.Dir, cmd.Env = filepath.Join(root, "journal"), append(os.Environ(), fmt.Sprintf("%s=%d", chosenBy, i+1), "GOMAXPROCS=1")
			switch out, err := cmd.CombinedOutput(); {
			case err == nil:
				t.Errorf("%s did not notice", m.rule)
			case !strings.Contains(string(out), "--- FAIL: "+m.rule):
				t.Errorf("%s did not fail by itself:\n%.2000s", m.rule, out)
			default:
				t.Logf("%-46s caught by %s", m.name, m.rule)
			}
		})
	}
}

// build builds a package's tests with the mutants in what they test, and gives
// the program's name.
func build(t *testing.T, root, pkg string, all []mutant) string {
	dir := t.TempDir()
	laid, err := overlay(root, dir, all)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "mutants.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay="+laid, "-vet=off", "-ldflags=-s -w", "-o", binary, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// choose gives the places of the mutants to run.
func choose() (chosen []int) {
	seen := map[string]bool{}
	for i, m := range mutants {
		rule := strings.Fields(m.rule)[0]
		if strings.Contains(m.name, *only) && (*all || *only != "" || !seen[rule]) {
			chosen = append(chosen, i)
			seen[rule] = true
		}
	}
	return chosen
}

var violation = regexp.MustCompile(`VIOLATION (\S+) after (\d+) transactions`)

// kill runs the simulation over one mutant, in a process of its own: it may
// panic. It takes one core, for as many go on at a time as there are.
func kill(t *testing.T, binary string, number int, transactions int64) (r result) {
	start := time.Now()
	cmd := exec.CommandContext(t.Context(), binary, "-test.timeout=10m", "-test.run=^TestSeeded$", "-test.v",
		fmt.Sprintf("-sim.transactions=%d", transactions), "-sim.shrink=false")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosenBy, number), "GOMAXPROCS=1")
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
	for _, m := range slices.Concat(mutants, journals) {
		if _, err := overlay(filepath.Join("..", ".."), t.TempDir(), []mutant{m}); err != nil {
			t.Error(err)
		}
	}
}
