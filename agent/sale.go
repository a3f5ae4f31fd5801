package agent

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// saleView sums up every attempt at every part of a sale. It looks into the
// journal too: a sum that lacks what memory gave up would be wrong.
func (a *Agent) saleView(sale string) (*client.SaleView, error) {
	attempts, err := a.attempts(sale)
	if err != nil {
		return nil, err
	}
	var failed error
	tally := txn.TallySale(attempts, func(uuid string) int64 {
		t, ok, err := a.find(uuid)
		if err == nil && !ok {
			err = fmt.Errorf("completion %s: %w", uuid, errNoTransaction)
		}
		failed = cmp.Or(failed, err)
		return t.Left()
	})
	out := &client.SaleView{Reference: sale, Sums: []client.Tally{}}
	for _, y := range tally {
		out.Sums = append(out.Sums, client.Tally{Currency: y.Currency.Alpha(), Paid: y.Paid, Held: y.Held, Undecided: y.Undecided})
	}
	return out, failed
}

// errNoTransaction says that the journal does not have what it speaks of.
var errNoTransaction = errors.New("not in the journal any more")

// attempts finds a sale's transactions, of every merchant that this agent
// serves.
func (a *Agent) attempts(sale string) ([]txn.Transaction, error) {
	out, _ := a.view.list(math.MaxInt, func(t *txn.Transaction) bool { return t.Sale == sale })
	var keys []string
	for _, t := range a.opts.Terminals {
		if key := txn.WholeKey(t.MID, sale); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	l := a.load(nil, keys)
	if l.err != nil {
		return nil, l.err
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
	return out, nil
}
