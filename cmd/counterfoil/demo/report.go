package demo

import (
	"fmt"
	"io"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Report is the demo's result.
type Report struct {
	Rows     []Row    `json:"scenarios"`
	Plain    Totals   `json:"plain"`
	Agent    Totals   `json:"agent"`
	Problems []string `json:"problems"` // why the demo proves nothing
	Passed   bool     `json:"passed"`
	Seconds  float64  `json:"seconds"`
	Kept     string   `json:"kept,omitempty"` // the directory with ledgers, notes, journal and logs
}

// Row is one scenario in both columns.
type Row struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	About    string      `json:"about"`
	Terminal iso8583.TID `json:"terminal"`
	Amount   int64       `json:"amount"` // minor units
	Currency string      `json:"currency"`
	Plain    Outcome     `json:"plain"`
	Agent    Outcome     `json:"agent"`
}

// newReport judges both columns.
func newReport(plain, agent evidence) *Report {
	p, a := plain.outcomes(), agent.outcomes()
	r := &Report{Plain: count(p), Agent: count(a), Problems: []string{}}
	r.Problems = append(append(r.Problems, plain.problems(p)...), agent.problems(a)...)
	for i, s := range scenarios {
		r.Rows = append(r.Rows, Row{
			ID: s.id, Name: s.name, About: s.about, Terminal: saleOf(i).terminal, Amount: saleOf(i).minor,
			Currency: currency.Alpha(), Plain: p[i], Agent: a[i],
		})
	}
	if r.Plain.SilentDebits == 0 {
		r.Problems = append(r.Problems, "the plain client shows no silent debit, so there was nothing to protect from")
	}
	r.Passed = r.Agent.clean() && len(r.Problems) == 0
	return r
}

// Widths of the table; a line fits into 100 columns.
const (
	nameWidth   = 28
	screenWidth = 15
	ledgerWidth = 20
)

// print writes the two ledgers side by side.
func (r *Report) print(w io.Writer, p palette) {
	line := func(name, screen1, ledger1, screen2, ledger2 string) {
		text := pad(name, nameWidth) + pad(screen1, screenWidth) + pad(ledger1, ledgerWidth) + "  " + pad(screen2, screenWidth) + ledger2
		_, _ = fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	half := strings.Repeat("─", screenWidth+ledgerWidth-1)
	_, _ = fmt.Fprintln(w)
	line("", p.bold("plain client"), "", p.bold("through the agent"), "")
	line(fmt.Sprintf("(%s)", currency.Alpha()), "screen said", "ledger holds", "screen said", "ledger holds")
	rule := func() { _, _ = fmt.Fprintln(w, strings.Repeat("─", nameWidth-1), half+"  ", half) }
	rule()
	for _, row := range r.Rows {
		line(row.ID+"  "+row.Name, row.Plain.screen(), row.Plain.ledger(p), row.Agent.screen(), row.Agent.ledger(p))
	}
	rule()
	total := func(name string, plain, agent int) {
		line(p.bold(name), p.count(plain), "", p.count(agent), "")
	}
	total("silent debits", r.Plain.SilentDebits, r.Agent.SilentDebits)
	total("lost approvals", r.Plain.LostApprovals, r.Agent.LostApprovals)
	total("double debits", r.Plain.DoubleDebits, r.Agent.DoubleDebits)
	total("silent credits", r.Plain.SilentCredits, r.Agent.SilentCredits)
	line("escalated to a person", "has no queue", "", fmt.Sprint(r.Agent.Escalations), "")
	_, _ = fmt.Fprintln(w)
	r.conclude(w, p)
}

// conclude says it in words.
func (r *Report) conclude(w io.Writer, p palette) {
	for _, problem := range r.Problems {
		_, _ = fmt.Fprintln(w, p.bad("PROBLEM"), problem)
	}
	switch {
	case r.Passed && r.Agent.Escalations > 0:
		_, _ = fmt.Fprintln(w, p.good("PASSED"), "Through the agent every screen agrees with the ledger, or a person was called.")
	case r.Passed:
		_, _ = fmt.Fprintln(w, p.good("PASSED"), "The same faults, the same cashier. Through the agent every screen agrees with the ledger.")
	case r.Agent.clean():
		_, _ = fmt.Fprintln(w, p.bad("FAILED"), "The run proves nothing: see above.")
	default:
		_, _ = fmt.Fprintln(w, p.bad("FAILED"), "Money and screens disagree in the agent's column. This is a bug: please report it.")
	}
	_, _ = fmt.Fprintf(w, "Read from the simulated acquirers' ledgers and the applications' own notes, in %.1f s.\n", r.Seconds)
	if r.Kept != "" {
		_, _ = fmt.Fprintf(w, "Ledgers, notes, journal and logs are kept in %s\n", r.Kept)
	}
}

// screen is the cell for what was shown.
func (o Outcome) screen() string {
	switch {
	case o.Screen == "":
		return "nothing"
	case o.Attempts > 1 && o.Screen == Approved:
		return "approved (2nd)"
	default:
		return string(o.Screen)
	}
}

// ledger is the cell for what the cardholder is out of pocket.
func (o Outcome) ledger(p palette) string {
	out := decimal(o.Net)
	for _, f := range o.Findings {
		out += " " + p.bad(strings.ToUpper(string(f)))
	}
	if o.Escalated {
		out += " a person is called"
	}
	return out
}

// decimal is an amount without its currency, which the head names.
func decimal(minor int64) string {
	text, _, _ := strings.Cut(iso8583.Amount{Minor: minor, Currency: currency}.String(), " ")
	return text
}
