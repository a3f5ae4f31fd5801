package hostsim

import (
	"fmt"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Assertion is what a test expects of the ledger. What is not set is not
// asked.
type Assertion struct {
	// NoOpenHold: no authorisation is pending, and no pre-authorisation holds.
	NoOpenHold bool            `json:"no_open_hold"`
	Entries    []ExpectedEntry `json:"entries"`
	NetTotal   *int64          `json:"net_total"` // minor units, all currencies
	// Exact: no entry but those listed has a net amount or a hold. Voids,
	// refunds, and what was declined, reversed or tombstoned need not be listed.
	Exact bool `json:"exact"`
}

// ExpectedEntry is one transaction, found by terminal, STAN and, where given,
// amount.
type ExpectedEntry struct {
	TID    iso8583.TID `json:"tid"`
	STAN   string      `json:"stan"` // six digits
	Amount *int64      `json:"amount"`
	Net    int64       `json:"net"`
	Held   *int64      `json:"held"`  // optional
	State  State       `json:"state"` // optional
}

// Differences compares; none means that the ledger is as expected. An expected
// entry uses up one entry of the ledger, so two expectations are two
// transactions.
func (a Assertion) Differences(entries []EntryView) []string {
	diffs := []string{}
	used := make([]bool, len(entries))
	for i, want := range a.Entries {
		at, near := want.find(entries, used)
		switch {
		case at >= 0:
			used[at] = true
		case near >= 0:
			used[near] = true
			diffs = append(diffs, fmt.Sprintf("entries[%d]: want %s; the ledger has %s", i, want, describe(entries[near])))
		default:
			diffs = append(diffs, fmt.Sprintf("entries[%d]: want %s; the ledger has no such transaction", i, want))
		}
	}
	var total int64
	for i, e := range entries {
		total += e.Net
		if a.NoOpenHold && e.open() {
			diffs = append(diffs, "open hold: "+describe(e))
		}
		if a.Exact && (e.Net != 0 || e.Held != 0) && !used[i] {
			diffs = append(diffs, "not expected: "+describe(e))
		}
	}
	if a.NetTotal != nil && *a.NetTotal != total {
		diffs = append(diffs, fmt.Sprintf("net_total: want %d, the ledger has %d", *a.NetTotal, total))
	}
	return diffs
}

// find gives the unused entry that is as expected, and else one that has the
// same terminal and STAN.
func (x ExpectedEntry) find(entries []EntryView, used []bool) (at, near int) {
	near = -1
	for i, e := range entries {
		if used[i] || e.TID != x.TID || e.STAN != x.STAN {
			continue
		}
		if near < 0 {
			near = i
		}
		if (x.Amount == nil || *x.Amount == e.Amount) && x.Net == e.Net && (x.Held == nil || *x.Held == e.Held) && (x.State == "" || x.State == e.State) {
			return i, near
		}
	}
	return -1, near
}

// String is for the list of differences.
func (x ExpectedEntry) String() string {
	s := fmt.Sprintf("terminal %s STAN %s net %d", x.TID, x.STAN, x.Net)
	if x.Amount != nil {
		s += fmt.Sprintf(" amount %d", *x.Amount)
	}
	if x.Held != nil {
		s += fmt.Sprintf(" held %d", *x.Held)
	}
	if x.State != "" {
		s += " " + string(x.State)
	}
	return s
}

func describe(e EntryView) string {
	s := fmt.Sprintf("terminal %s STAN %s net %d amount %d %s", e.TID, e.STAN, e.Net, e.Amount, e.State)
	if e.Held != 0 {
		s += fmt.Sprintf(" held %d", e.Held)
	}
	return s
}
