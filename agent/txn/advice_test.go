package txn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

const statesInquiry = `
### Status inquiry

Where the profile's ` + "`inquiry.types`" + ` has the type, a request whose outcome is unknown is inquired after before it is undone: no answer in time, a link in doubt, an answer that says neither yes nor no, a restart. The first inquiry leaves ` + "`inquiry.after`" + ` later, the next ones ` + "`inquiry.every`" + ` after the end of the one before, at most ` + "`inquiry.attempts`" + ` of them and none later than ` + "`inquiry.within`" + `. Each is durable before it leaves, with a STAN, DE 7, 12 and 13 of its own, and counts across restarts; a restart asks at once. Its answer is matched by that identity, whole (R14), and by DE 90 where the host echoes it. An inquiry can overtake the request it asks about, so that "not found" never closes anything (R2).

What an answer is taken for, as the code does it with the codes of iso87-ascii-inquiry:

| The answer to the inquiry | Before the last one | To the last one | To the last one, of a refund that is not reversed |
|---|---|---|---|
`

const statesAdvice = `
### Advices (store and forward)

What ` + "`advice.types`" + ` lists is told to the host, not asked: an offline sale, and a completion where the acquirer wants it so. Goods are handed over by a decision that is not the host's, so it commits with its intent and is never reversed. It is owed until the host takes it: each send is durable before it leaves, under the identity of the intent, and under the repeat MTI as soon as an earlier one may have left. The waits of ` + "`advice.schedule`" + ` apply, the last one for ever; from ` + "`advice.escalate_after`" + ` sends on a person knows. Each has its own schedule, and none holds up another; with ` + "`advice.ordered`" + ` a terminal's go one at a time, in the order of their intents, and what the host refuses or an operator parks leaves the line. Past ` + "`advice.limit`" + ` owed, the next is refused before the goods leave (` + "`advice_queue_full`" + `). The gate for owed reversals does not count advices, and unless it is strict does not stop them.

What an answer is taken for, as the code does it with the codes of iso87-ascii-inquiry:

| Answer | To the first send | To a repeat | After it was refused |
|---|---|---|---|
`

// inquiryTable asks the code itself what it makes of each answer.
func inquiryTable(t *testing.T) string {
	var b strings.Builder
	for _, a := range []struct{ name, code, amount string }{
		{"00, amount as asked", "00", "000000001234"}, {"00, another amount or none", "00", ""},
		{"05, not listed as final", "05", "000000001234"}, {"05, in `inquiry.declined`", "05!", "000000001234"},
		{"25, not found", "25", ""}, {"09, in progress", "09", ""}, {"none in time", "", ""},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.name,
			inquired(t, iso8583.Sale, a.code, a.amount, 2), inquired(t, iso8583.Sale, a.code, a.amount, 1), inquired(t, iso8583.Refund, a.code, a.amount, 1))
	}
	return b.String()
}

// inquired is what becomes of a transaction whose first of n inquiries is
// answered so.
func inquired(t *testing.T, typ iso8583.Type, code, amount string, n int) string {
	rules := askingRules()
	rules.Inquiry.Attempts = n
	code, final := strings.CutSuffix(code, "!")
	if final {
		rules.Inquiry.Declined = []string{code}
	}
	m, original := readyFor(t, rules, typ)
	run(t, m, beginOf(t, typ, "u2", original, 1234))
	m.Step(at(0), InDoubt{UUID: "u2"})
	o := m.Step(at(time.Minute/2), Timeout{UUID: "u2"}).Messages[0]
	if code == "" {
		m.Step(at(time.Hour), Timeout{UUID: "u2"})
	} else {
		a := answerTo(o, "0210", code)
		a.Amount = amount
		m.Step(at(time.Minute), a)
	}
	got := m.Get("u2")
	switch {
	case got.Escalated():
		return "escalates: " + string(got.Items[0].Cause)
	case got.State == StateInquiring:
		return "the next one"
	}
	return "`" + got.State.String() + "`"
}

func adviceTable(t *testing.T) string {
	var b strings.Builder
	for _, a := range []struct{ name, code, amount string }{
		{"00", "00", "000000001234"}, {"94", "94", "000000001234"}, {"91, 96, 98, none", "91", ""},
		{"00 of another amount", "00", "000000000001"}, {"any other", "12", "000000001234"},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.name, told(t, a.code, a.amount, ""), told(t, a.code, a.amount, "repeat"), told(t, a.code, a.amount, "refused"))
	}
	return b.String()
}

// told is what becomes of an offline sale that is answered so.
func told(t *testing.T, code, amount, before string) string {
	m := newMachine(askingRules())
	o := run(t, m, beginOf(t, iso8583.Offline, "u1", "", 1234))
	now := at(0)
	switch before {
	case "repeat":
		m.Step(now, InDoubt{UUID: "u1", Attempt: 1})
		now = at(time.Minute)
		o = m.Step(now, Timeout{UUID: "u1"}).Messages[0]
	case "refused":
		m.Step(now, answerTo(o, "0230", "12"))
	}
	items := len(m.Get("u1").Items)
	a := answerTo(o, "0230", code)
	a.Amount = amount
	m.Step(now, a)
	switch got := m.Get("u1"); {
	case len(got.Items) > items:
		return "escalates: " + string(got.Items[items].Cause)
	case got.State == StateConfirmed:
		return "**closes**"
	case before == "refused":
		return "evidence"
	}
	return "again"
}
