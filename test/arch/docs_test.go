package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Every stuck state has a named procedure in the operations guide (field
// problem 10): a heading per cause that a person is asked about.
func TestEveryEscalationHasAProcedure(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range txn.Causes() {
		if c.Advice() != "" && !strings.Contains(string(guide), "\n### "+string(c)+"\n") {
			t.Errorf("docs/operations.md has no heading \"### %s\": say there what a person does about it", c)
		}
	}
}
