package agent

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// writeSale answers with every attempt at every part of a sale, newest first,
// and with what all of them sum to. It looks into the journal too: a sum that
// lacks what memory gave up would be wrong.
func (s *api) writeSale(w http.ResponseWriter, sale string, keep func(*txn.Transaction) bool) *client.Problem {
	attempts, more, err := s.attempts(sale)
	if err != nil {
		return newProblem(codeStopping)
	}
	out := client.List{Transactions: []client.Transaction{}, More: more, Sale: &client.SaleView{Reference: sale, Sums: []client.Tally{}}}
	for i := range attempts {
		if keep(&attempts[i]) {
			out.Transactions = append(out.Transactions, *present(&attempts[i]))
		}
	}
	failed := false
	tally := txn.TallySale(attempts, func(uuid string) int64 {
		t, ok, err := s.agent.find(uuid)
		failed = failed || err != nil || !ok
		return t.Left()
	})
	if failed {
		return newProblem(codeStopping)
	}
	for _, y := range tally {
		out.Sale.Sums = append(out.Sale.Sums, client.Tally{Currency: y.Currency.Alpha(), Paid: y.Paid, Held: y.Held, Undecided: y.Undecided})
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// attempts finds a sale's transactions, of every merchant that this agent
// serves, newest first, and at most listLimit of them.
func (s *api) attempts(sale string) (out []txn.Transaction, more bool, err error) {
	out, more = s.agent.view.list(listLimit, func(t *txn.Transaction) bool { return t.Sale == sale })
	var keys []string
	for _, t := range s.agent.opts.Terminals {
		if key := txn.WholeKey(t.MID, sale); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	l := s.agent.load(nil, keys)
	if l.err != nil {
		return nil, false, l.err
	}
	seen := map[string]bool{}
	for i := range out {
		seen[out[i].UUID] = true
	}
	m := txn.New()
	m.Load(slices.DeleteFunc(l.records, func(r txn.Record) bool { return seen[r.Group()] || strings.Contains(r.Group(), ":") }))
	for _, uuid := range m.All() {
		out = append(out, *m.Get(uuid))
	}
	slices.SortStableFunc(out, func(a, b txn.Transaction) int { return cmp.Compare(b.At, a.At) })
	if len(out) > listLimit {
		out, more = out[:listLimit], true
	}
	return out, more, nil
}
