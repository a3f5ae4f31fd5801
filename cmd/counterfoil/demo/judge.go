package demo

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Finding is a way in which money and screen disagree about a sale.
type Finding string

// The findings there are (P1, P2, P3).
const (
	// SilentDebit: the ledger holds money, no screen ever said approved, and
	// nobody was called.
	SilentDebit Finding = "silent debit"
	// LostApproval: a screen said approved, and the ledger does not hold the
	// amount.
	LostApproval Finding = "lost approval"
	// DoubleDebit: the ledger holds more than one debit for one sale.
	DoubleDebit Finding = "double debit"
	// SilentCredit: the ledger gave money back, no screen ever said so, and
	// nobody was called.
	SilentCredit Finding = "silent credit"
)

// sale is what a scenario asked for. It has a terminal to itself, so that
// every entry of the ledger with that terminal belongs to it.
type sale struct {
	terminal iso8583.TID
	ref      string
	minor    int64
	back     bool // it is given back once it is paid
}

// Outcome is one sale as the two witnesses tell it: the acquirer's ledger and
// the notes of whoever showed something.
type Outcome struct {
	Screen    Screen    `json:"screen"`    // "" where nothing was shown
	Attempts  int       `json:"attempts"`  // screens that were shown
	Requests  int       `json:"requests"`  // transactions that the ledger knows
	Debits    int       `json:"debits"`    // of these, with money in them now
	Net       int64     `json:"net"`       // what the cardholder is out of pocket, minor units
	Escalated bool      `json:"escalated"` // a person was called, and the item is open
	Findings  []Finding `json:"findings"`
}

// judge compares the ledger with the screens. It is told nothing of what the
// agent thinks of the sale, except that it called a person.
func judge(s sale, entries []hostsim.EntryView, notes []Note, escalated bool) Outcome {
	o := Outcome{Escalated: escalated, Findings: []Finding{}}
	for _, e := range entries {
		if e.TID != s.terminal {
			continue
		}
		o.Requests++
		o.Net += e.Net
		if e.Net != 0 {
			o.Debits++
		}
	}
	for _, n := range notes {
		if n.Terminal != s.terminal || n.Sale != s.ref {
			continue
		}
		o.Attempts++
		if o.Screen != Approved { // once approved, the goods are gone
			o.Screen = n.Screen
		}
	}
	switch {
	case o.Debits > 1:
		o.Findings = append(o.Findings, DoubleDebit)
	case o.Screen == Approved && o.Net != s.minor:
		o.Findings = append(o.Findings, LostApproval)
	}
	if o.Screen != Approved && o.Net != 0 && !escalated {
		o.Findings = append(o.Findings, SilentDebit)
	}
	return o
}

// Totals counts a column.
type Totals struct {
	SilentDebits  int `json:"silent_debits"`
	LostApprovals int `json:"lost_approvals"`
	DoubleDebits  int `json:"double_debits"`
	SilentCredits int `json:"silent_credits"`
	Escalations   int `json:"escalations"`
}

// clean says that money and screens agree throughout.
func (t Totals) clean() bool {
	return t.SilentDebits+t.LostApprovals+t.DoubleDebits+t.SilentCredits == 0
}

func count(outcomes []Outcome) (t Totals) {
	for _, o := range outcomes {
		for _, f := range o.Findings {
			switch f {
			case SilentDebit:
				t.SilentDebits++
			case LostApproval:
				t.LostApprovals++
			case DoubleDebit:
				t.DoubleDebits++
			case SilentCredit:
				t.SilentCredits++
			}
		}
		if o.Escalated {
			t.Escalations++
		}
	}
	return t
}

// strangers lists what the ledger holds for none of the sales: money that no
// scenario accounts for.
func strangers(sales []sale, entries []hostsim.EntryView) (out []string) {
	for _, e := range entries {
		if !slices.ContainsFunc(sales, func(s sale) bool { return s.terminal == e.TID && s.minor == e.Amount }) {
			out = append(out, e.Key)
		}
	}
	return out
}
