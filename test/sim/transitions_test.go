package sim

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The checked model's transitions, and what may differ. test/model holds the
// first to what the model passes through.
var (
	modelTable  = filepath.Join("..", "model", "transitions.txt")
	differences = filepath.Join("..", "model", "differences.txt")
)

// difference is one line of differences.txt: a pattern, with * for anything,
// and why it may be so.
type difference struct {
	side, line string
	pattern    [4]string
	used       bool
}

func (d *difference) allows(side string, t [4]string) bool {
	if d.side != side {
		return false
	}
	for i, p := range d.pattern {
		if p != "*" && p != t[i] {
			return false
		}
	}
	return true
}

// TestTransitionsOfTheModel compares the squares of the state table that the
// exhaustive exploration of the code goes through with those of the checked
// model (test/model): each is in both, or listed with its reason.
func TestTransitionsOfTheModel(t *testing.T) {
	code := map[[4]string]bool{}
	for _, p := range tableWorlds() {
		x := Explore(p, 1, 1)
		if x.Broken != nil {
			t.Errorf("%s: VIOLATION %s", p.Name, x.Broken.broken.Property)
		}
		for tr := range x.Crossed {
			code[[4]string{tr.From.String(), tr.Input, tr.To.String(), tr.Sends}] = true
		}
	}
	model := readTable(t)
	allowed := readDifferences(t)
	said := 0
	compare := func(side string, here, there map[[4]string]bool) {
		for _, tr := range sorted(here) {
			if there[tr] {
				continue
			}
			ok := false
			for _, d := range allowed {
				if d.allows(side, tr) {
					d.used, ok = true, true
				}
			}
			if !ok {
				t.Errorf("only the %s has: %s", side, strings.Join(tr[:], " | "))
			}
			said++
		}
	}
	compare("code", code, model)
	compare("model", model, code)
	for _, d := range allowed {
		if !d.used {
			t.Errorf("differences.txt allows what does not differ: %s", d.line)
		}
	}
	both := 0
	for tr := range code {
		if model[tr] {
			both++
		}
	}
	t.Logf("transitions: %d in both, %d of the code's %d and of the model's %d differ, each with its reason", both, said, len(code), len(model))
}

// tableWorlds are the worlds of the exhaustive run, with one attempt, and two
// more: one address with a bad link, and a host that answers badly.
func tableWorlds() (all []Personality) {
	for _, p := range thorough() {
		if p.beside == nil {
			p.MaxAttempts = 1
			all = append(all, p.Personality)
		}
	}
	bad, unclear := all[0], all[0]
	bad.Name, bad.Unsent, bad.InDoubt, bad.Cancels = "one address, a bad link", 1, 1, 1
	unclear.Name, unclear.Wrong, unclear.Unclear = "answers badly", 1, 1
	return append(all, bad, unclear)
}

func sorted(set map[[4]string]bool) [][4]string {
	return slices.SortedFunc(maps.Keys(set), func(a, b [4]string) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func readTable(t *testing.T) map[[4]string]bool {
	t.Helper()
	table := map[[4]string]bool{}
	for _, line := range readLines(t, modelTable) {
		table[fields(t, modelTable, line)] = true
	}
	return table
}

func readDifferences(t *testing.T) (all []*difference) {
	t.Helper()
	for _, line := range readLines(t, differences) {
		side, rest, _ := strings.Cut(line, ":")
		pattern, reason, ok := strings.Cut(rest, "#")
		if !ok || strings.TrimSpace(reason) == "" || side != "code" && side != "model" {
			t.Fatalf("%s: want `code: state | input | state | sends # reason`, have %q", differences, line)
		}
		all = append(all, &difference{side: side, line: line, pattern: fields(t, differences, pattern)})
	}
	return all
}

func readLines(t *testing.T, path string) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func fields(t *testing.T, path, line string) (f [4]string) {
	t.Helper()
	parts := strings.Split(line, "|")
	if len(parts) != 4 {
		t.Fatalf("%s: want four columns, have %q", path, line)
	}
	for i, p := range parts {
		f[i] = strings.TrimSpace(p)
	}
	return f
}
