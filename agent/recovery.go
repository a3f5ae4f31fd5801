package agent

import (
	"cmp"
	"slices"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// steps is what a restarted application does about each outcome, the most
// urgent first: what is still running against a clock, then what a customer may
// wait for, then what only needs to be said.
var steps = []struct {
	must client.Must
	do   client.Do
}{
	{client.MustConfirm, client.DoCancel},
	{client.MustShowApproved, client.DoAsk},
	{client.MustVoid, client.DoVoid},
	{client.MustCall, client.DoCall},
	{client.MustWait, client.DoWait},
	{client.MustShowNotApproved, client.DoShow},
}

// recoverySteps puts what is open in the order in which to act on it, for each
// terminal (R10).
func recoverySteps(list []txn.Transaction, more bool) *client.Recovery {
	rank := func(t *txn.Transaction) int {
		m := must(t)
		for i := range steps {
			if steps[i].must == m {
				return i
			}
		}
		return len(steps)
	}
	slices.SortStableFunc(list, func(a, b txn.Transaction) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(a.At, b.At), cmp.Compare(a.STAN, b.STAN))
	})
	out := &client.Recovery{Transactions: []client.Transaction{}, Terminals: []client.TerminalRecovery{}, More: more}
	for i := range list {
		t := &list[i]
		out.Transactions = append(out.Transactions, *present(t))
		n := slices.IndexFunc(out.Terminals, func(r client.TerminalRecovery) bool { return r.Terminal == t.TID })
		if n < 0 {
			n, out.Terminals = len(out.Terminals), append(out.Terminals, client.TerminalRecovery{Terminal: t.TID})
		}
		step := client.Step{Do: steps[min(rank(t), len(steps)-1)].do, UUID: t.UUID}
		out.Terminals[n].Steps = append(out.Terminals[n].Steps, step)
	}
	slices.SortFunc(out.Terminals, func(a, b client.TerminalRecovery) int { return cmp.Compare(a.Terminal, b.Terminal) })
	return out
}
