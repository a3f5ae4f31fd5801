// Package rows holds test/ROWS.md to the tree: the table that says which test
// covers which row of the test matrix must name tests that exist.
package rows

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rows is how many rows table C has.
const rows = 32

// issues are the titles that "not yet" may name.
var issues = []string{
	"The terminal's whole day, in the generic dialect",
	"A journal at the physical limit, that never lies",
	"Proof: no schedule of faults makes a silent debit",
	"A real acquirer's terminal: the UnionPay-style profile, keys, settlement",
}

const transcripts = "../../agent/txn/testdata/transcripts"

var (
	link     = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`)
	function = regexp.MustCompile("`([a-z0-9/]+): ((?:Test|Fuzz)[A-Za-z0-9]+)`")
	notYet   = regexp.MustCompile(`not yet: ([^|)]+)`)
)

func TestRows(t *testing.T) {
	page, err := os.ReadFile("../ROWS.md")
	if err != nil {
		t.Fatal(err)
	}
	seen, covered := map[string]bool{}, map[string]bool{}
	for n, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| C.") {
			continue
		}
		if len(cells) != 3 {
			t.Errorf("line %d: want row, case and tests", n+1)
			continue
		}
		seen[cells[0]] = true
		if err := check(cells[2], covered); err != nil {
			t.Errorf("line %d, %s, %s: %v", n+1, cells[0], cells[1], err)
		}
	}
	for n := 1; n <= rows; n++ {
		if !seen[fmt.Sprintf("C.%d", n)] {
			t.Errorf("row C.%d is missing", n)
		}
	}
	files, err := filepath.Glob(filepath.Join(transcripts, "c[0-9][0-9]-*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		if !covered[filepath.Base(f)] {
			t.Errorf("%s shows a row and is not in the table", filepath.Base(f))
		}
	}
}

// check looks for everything that a cell names.
func check(cell string, covered map[string]bool) error {
	named := 0
	for _, m := range link.FindAllStringSubmatch(cell, -1) {
		named++
		covered[filepath.Base(m[2])] = true
		if filepath.Base(m[2]) != m[1]+".txt" {
			return fmt.Errorf("%s leads to %s", m[1], m[2])
		}
		if _, err := os.Stat(filepath.Join("..", m[2])); err != nil {
			return err
		}
	}
	for _, m := range function.FindAllStringSubmatch(cell, -1) {
		named++
		if !declares(filepath.Join("../..", m[1]), m[2]) {
			return fmt.Errorf("%s has no %s", m[1], m[2])
		}
	}
	for _, m := range notYet.FindAllStringSubmatch(cell, -1) {
		named++
		if title := strings.TrimSpace(m[1]); !slices.Contains(issues, title) {
			return fmt.Errorf("no issue is called %q", title)
		}
	}
	if named == 0 {
		return fmt.Errorf("names no test")
	}
	return nil
}

// declares says whether a test file in dir declares the function.
func declares(dir, name string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(files, func(f string) bool {
		b, err := os.ReadFile(f)
		return err == nil && strings.Contains(string(b), "func "+name+"(")
	})
}

// TestCheckBites: the check finds what is not there.
func TestCheckBites(t *testing.T) {
	for _, cell := range []string{
		"", "a word", "`agent/txn: TestThatIsNotThere`", "`nowhere: TestRows`",
		"[c99-none](../agent/txn/testdata/transcripts/c99-none.txt)",
		"[another](../agent/txn/testdata/transcripts/sale.txt)", "not yet: some day",
	} {
		if check(cell, map[string]bool{}) == nil {
			t.Errorf("%q passed", cell)
		}
	}
}
