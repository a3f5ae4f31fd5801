package txn

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// beginOf is a request of any type: a sale's reference for what needs one, an
// original for what follows one.
func beginOf(t testing.TB, typ iso8583.Type, uuid, original string, minor int64) Begin {
	b := beginSale(t, uuid, "")
	b.Type, b.Original, b.Amount.Minor = typ, original, minor
	if original != "" {
		b.CardHash = "" // the original's, whatever that is
	}
	if typ.HandsOver() {
		b.Sale = "s-" + uuid
	}
	if !typ.MovesMoney() {
		b.Amount.Minor = 0
	}
	return b
}

// run takes a transaction of any type to the host.
func run(t testing.TB, m *Machine, b Begin) Outbound {
	t.Helper()
	r := m.Step(at(0), b)
	if r.Answers[0].Code != Accepted {
		t.Fatalf("%s %s: %s (%s)", b.Type, b.UUID, r.Answers[0].Code, r.Answers[0].Other)
	}
	return r.Messages[0]
}

// approve has the host approve o.
func approve(m *Machine, o Outbound) Ready {
	return m.Step(at(0), answerTo(o, m.RulesFor(m.Get(o.UUID)).MTI[o.Facts.Kind].Response(), "00"))
}

// commit takes a transaction of any type to its commit point.
func commit(t testing.TB, m *Machine, b Begin) Outbound {
	t.Helper()
	o := run(t, m, b)
	approve(m, o)
	if b.Type.NeedsConfirmation() {
		m.Step(at(0), Confirm{UUID: b.UUID})
	}
	if got := m.Get(b.UUID).State; got != StateConfirmed {
		t.Fatalf("%s %s is %s", b.Type, b.UUID, got)
	}
	return o
}

// ready is a machine in which typ may follow "u1" for 12.34.
func readyFor(t testing.TB, rules iso8583.Rules, typ iso8583.Type) (m *Machine, original string) {
	m = newMachine(rules)
	if from := typ.Originals(); len(from) > 0 {
		commit(t, m, beginOf(t, from[0], "u1", "", 1234))
		original = "u1"
	}
	return m, original
}

const statesTypes = `
## Types

The table is the same for all types; they differ in this. Lines are what the code does with the rules of iso87-ascii.

A sale and a pre-authorisation commit with the application's confirmation. The others commit with the durable approval, in the same batch of records, so they are never seen ` + "`approved`" + `: a confirmation that went missing must not undo a void after the customer left. A cancel that comes before the approval undoes them; one that comes after is refused.

`

const statesFollows = `
What follows another **locks** it (P3): with the intent of a void, refund, completion or void of a pre-authorisation, the original durably gets a *followed*; with its end, in the same batch, a *follow_ended* that says whether it took effect. While one is undecided no other may begin, also one whose reversal is owed or that only a person can decide. An approval that comes after a decline locks the original again until its reversal is closed; one that is first heard of after the reversal, until a person has resolved it. What took effect counts: refunds add up, and nothing follows what was voided, let go or completed. A completion that is reversed or voided gives the hold back: it can be completed anew or let go. What follows goes to the address that had its original and to no other, unless the addresses share a ledger; it takes the original's card. A sale of which nothing is left no longer occupies its part of the sale (R11), and nobody is asked any more whether it was shown.

What a follow-up is answered, by its amount:

`

const statesFailed = `
` + "`failed`" + ` is the end of what moves no money, wherever another type would be reversed: a balance inquiry without an answer, cancelled, or in doubt. No person is asked, no reversal is sent, and nothing that comes later is looked at.

Of an operator's words, ` + "`acquirer-debited`" + ` means that the transaction stands at the acquirer, and ` + "`acquirer-reversed`" + ` that it does not: for a void or a refund, that the credit stands or not. Of a request that nobody answered his word is taken when it can reach the host no more: ` + "`message_lifetime`" + ` after the last moment at which it can have left, and after a restart anew.
`

// typesPart is the part of STATES.md about types.
func typesPart(t *testing.T) string {
	var b strings.Builder
	b.WriteString(statesTypes)
	b.WriteString("| Type | MTI | Follows a confirmed | Commit point | No answer | No answer, and not in `reversal.types` |\n|---|---|---|---|---|---|\n")
	for _, typ := range dialectTypes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", typ, testRules().MTI[typ.Kind()], words(typ.Originals()),
			commitPoint(t, typ), unanswered(t, typ, true), unanswered(t, typ, false))
	}
	b.WriteString(statesFollows)
	b.WriteString("| Type | less than the original | all of it | more | all of it, after a part was given back | again, after it took effect | while another is undecided |\n|---|---|---|---|---|---|---|\n")
	for _, typ := range dialectTypes() {
		if len(typ.Originals()) > 0 {
			fmt.Fprintf(&b, "| `%s` | %s |\n", typ, strings.Join(followed(t, typ), " | "))
		}
	}
	b.WriteString(statesFailed)
	b.WriteString(statesInquiry)
	b.WriteString(inquiryTable(t))
	b.WriteString(statesAdvice)
	b.WriteString(adviceTable(t))
	return b.String()
}

// dialectTypes lists the types that iso87-ascii has.
func dialectTypes() []iso8583.Type {
	r := testRules()
	return slices.DeleteFunc(iso8583.Types(), func(t iso8583.Type) bool { return !r.Supports(t) })
}

func words(types []iso8583.Type) string {
	var out []string
	for _, t := range types {
		out = append(out, "`"+string(t)+"`")
	}
	return orDash(strings.Join(out, ", "))
}

func commitPoint(t *testing.T, typ iso8583.Type) string {
	m, original := readyFor(t, testRules(), typ)
	approve(m, run(t, m, beginOf(t, typ, "u2", original, 1234)))
	return pickWord(m.Get("u2").State == StateApproved, "the confirmation", "the approval")
}

func unanswered(t *testing.T, typ iso8583.Type, reversed bool) string {
	rules := testRules()
	if !reversed {
		rules.Reversal.Types = slices.DeleteFunc(rules.Reversal.Types, func(o iso8583.Type) bool { return o == typ })
	}
	m, original := readyFor(t, rules, typ)
	run(t, m, beginOf(t, typ, "u2", original, 1234))
	m.Step(at(0), InDoubt{UUID: "u2"})
	got := m.Get("u2")
	if got.Escalated() {
		return "escalated: " + string(got.Items[0].Cause)
	}
	return "`" + got.State.String() + "`"
}

// followed is what the code answers to follow-ups of a 12.34.
func followed(t *testing.T, typ iso8583.Type) []string {
	asked := func(minor int64, before func(*Machine)) string {
		m, original := readyFor(t, testRules(), typ)
		before(m)
		return strings.ReplaceAll(string(m.Step(at(0), beginOf(t, typ, "u9", original, minor)).Answers[0].Code), "_", " ")
	}
	nothing := func(*Machine) {}
	part := func(m *Machine) {
		if slices.Contains(iso8583.Refund.Originals(), typ.Originals()[0]) {
			commit(t, m, beginOf(t, iso8583.Refund, "u2", "u1", 500))
		}
	}
	before := asked(1234, part)
	if typ.Originals()[0] == iso8583.PreAuth {
		before = "–"
	}
	return []string{
		asked(500, nothing), asked(1234, nothing), asked(1235, nothing), before,
		asked(1234, func(m *Machine) { commit(t, m, beginOf(t, typ, "u2", "u1", 1234)) }),
		asked(1234, func(m *Machine) { run(t, m, beginOf(t, typ, "u2", "u1", 1234)) }),
	}
}
