package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// unreachable are the squares of the state table that no run passes through,
// with the reason. A square that is neither reached nor here fails.
var unreachable = map[txn.State]map[txn.Input]string{}

// coverage prints how often each square was passed through: "." where the table
// has none, "!" where it has one that was never reached.
func coverage(s *Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s", "")
	for _, state := range txn.States() {
		fmt.Fprintf(&b, " %9s", state)
	}
	for _, in := range txn.Inputs() {
		fmt.Fprintf(&b, "\n%-28s", in)
		for _, state := range txn.States() {
			square := fmt.Sprint(s.Reached(state, in))
			switch {
			case !state.Heeds(in):
				square = "."
			case square == "0":
				square = "!"
			}
			fmt.Fprintf(&b, " %9s", square)
		}
	}
	return b.String()
}

// covered demands that every square was reached, but for those that cannot be.
func covered(t *testing.T, s *Stats) {
	for _, state := range txn.States() {
		for _, in := range txn.Inputs() {
			why, listed := unreachable[state][in]
			switch reached := s.Reached(state, in) > 0; {
			case !state.Heeds(in) && listed:
				t.Errorf("%s × %s is listed as unreachable, and the table has no such square", state, in)
			case !state.Heeds(in):
			case !reached && !listed:
				t.Errorf("no run passed through %s × %s, and no reason is listed", state, in)
			case reached && listed:
				t.Errorf("%s × %s was passed through, and is listed as unreachable: %s", state, in, why)
			}
		}
	}
}
