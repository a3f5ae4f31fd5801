package agent

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// ProblemCodes lists the registry, for tests that must miss none.
func ProblemCodes() []string {
	var codes []string
	for code := range problems {
		codes = append(codes, string(code))
	}
	return codes
}

// Bounds that tests fill.
const (
	FenceLimit  = fenceLimit
	MaxRequests = maxRequests
	MaxHeld     = maxHeld
	MaxBody     = maxBody
)

// Entries is the journal's form of records.
var Entries = entries

// SetHotLimit lets settled transactions leave memory sooner. Before Run only.
func (a *Agent) SetHotLimit(n int) { a.hot = n }

// SetSlept has the agent believe how long the machine has slept. Before Run only.
func (a *Agent) SetSlept(slept func() time.Duration) { a.slept, a.asleep = slept, slept() }

// Folds is the durable state as machine and view have it, after Run ended.
func (a *Agent) Folds() (machine, view []byte) {
	return a.machine.AppendDurable(nil), a.view.machine.AppendDurable(nil)
}

// Settled says whether nothing was held back when Run ended.
func (a *Agent) Settled() bool { return a.fence.Waiting() == 0 && a.loading == 0 }

// Routes is the registry: pattern → whether it is for operators only.
func Routes() map[string]bool {
	out := map[string]bool{}
	for _, r := range routes {
		out[r.pattern] = r.operator
	}
	return out
}

// Problem is what the registry says of a code.
func Problem(code string) *client.Problem { return newProblem(txn.Code(code)) }
