package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// unreachable are the squares of the state table that no run passes through,
// with the reason. A square that is neither reached nor here, nor rare, fails.
// Events of every kind in every state are the business of agent/txn's
// TestRandomEvents, which needs no world for them.
var unreachable = map[txn.State]map[txn.Input]string{
	txn.StateNotSent: {
		txn.AnswerApproved:      neverLeft,
		txn.AnswerPartial:       neverLeft,
		txn.AnswerDeclined:      neverLeft,
		txn.AnswerIndeterminate: neverLeft,
		txn.AnswerDuplicate:     neverLeft,
		txn.AnswerUnbelievable:  neverLeft,
		txn.AnswerUnproved:      neverLeft,
		txn.AnswerUnprovedNo:    neverLeft,
		txn.InquiryApproved:     neverLeft,
		txn.InquiryDeclined:     neverLeft,
	},
}

const neverLeft = "no byte of the request left, so no host knows of it"

// rare are squares that a run of this length may miss.
var rare = map[txn.State]map[txn.Input]string{
	txn.StateApproved:  {txn.InquiryDeclined: "the host has to say yes to the request after it said no to an inquiry that is late"},
	txn.StateConfirmed: {txn.InquiryDeclined: "the same, and the application has to be faster still"},
}

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
			case rare[state][in] != "":
			case !reached && !listed:
				t.Errorf("no run passed through %s × %s, and no reason is listed", state, in)
			case reached && listed:
				t.Errorf("%s × %s was passed through, and is listed as unreachable: %s", state, in, why)
			}
		}
	}
}
