package txn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TestStatesUpToDate holds STATES.md to the code.
func TestStatesUpToDate(t *testing.T) { golden(t, "STATES.md", statesPage(t)) }

func statesPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString(statesIntro)
	b.WriteString("| State | | Meaning | Waits for |\n|---|---|---|---|\n")
	for _, s := range States() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s, pickWord(s.Open(), "open", "final"), s.Meaning(), waitsOf(s))
	}
	b.WriteString(statesFlags)
	b.WriteString(typesPart(t))
	b.WriteString("\n## Picture\n\nBetween states; what leaves a transaction where it is stands in the tables below.\n\n")
	b.WriteString(diagram())
	b.WriteString(statesWaits)
	b.WriteString("| Wait | In | Length (keys of the profile's `rules`) | At its end |\n|---|---|---|---|\n")
	for _, w := range waits[1:] {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", w.what, w.in, w.length, w.end)
	}
	b.WriteString("\n## State × input\n\nAn input that a state does not list changes nothing there.\n")
	for _, s := range States() {
		fmt.Fprintf(&b, "\n### %s\n\n| Input | May lead to | |\n|---|---|---|\n", s)
		for _, in := range Inputs() {
			if c, ok := table[s][in]; ok {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", in, targets(c.to), c.why)
			}
		}
	}
	b.WriteString(statesReversal)
	b.WriteString(verdictTable(t))
	b.WriteString(statesCauses)
	for _, c := range causes {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.cause, c.meaning, orDash(c.advice), c.source)
	}
	return b.String()
}

const statesIntro = `# The life of a transaction

Generated from table.go, state.go, wait.go, cause.go and iso8583/type.go by ` + "`go test ./agent/txn -run TestStatesUpToDate -update`" + `: change those, not this page.

A transaction begins with an *intent*: a durable record, before the first byte leaves (R1). Whatever happens to it is an input; the table says what each state makes of it. Every change of state is a durable record, and what follows from it — a message, an answer to the application — happens only after that record is on disk. Recovery after a crash is the same records folded again, then the input *restart* for each open transaction.

**The commit point is ` + "`confirmed`" + `.** The application shows an approval only after its confirmation was acknowledged. ` + "`reversing`" + ` is as final on the other side: nothing leads from it to ` + "`confirmed`" + ` but an operator who has the acquirer's word (R4, R6).

R-numbers are rules of safety.md; "A: …" is a row of terminal-rules.md, table A.

## States

`

const statesFlags = `
Beside its state a transaction has flags, all durable:

| Flag | Meaning |
|---|---|
| escalated | an item is open in the queue of what a person must decide; sending goes on. It is alarmed until a named person acknowledges it, which closes nothing |
| stuck | undecided, and only a person can decide: nothing is sent |
| parked | an operator stopped the sending, so that he can decide |
| overridden | an operator lets the terminal sell although this is owed |
| host refused | the host has spoken against the reversal: the gate does not count it |
| by an operator | the final state is the acquirer's word as an operator gave it; a later answer of the host reopens it |
| hold | none, waiting, over: see the hold-down below |
| shown | what the application said of its screen: yes, no, unknown (R10) |
| implicit | its terminal's applications cannot confirm: it commits with the approval, while the session that asked for it lives |

Sessions are not durable: a session is a payment application that lives, and all of them end with the process.
`

const statesWaits = `
## Waits

Each is on the clock since boot, suspend included, and none survives a restart: after one it begins anew, whole; only the word that it was shown has, by the wall clock, what is left of its time, since to show an old outcome again is no delivery. No safety hangs on any of them.

`

const statesReversal = `
## A reversal

*Reversing* is durable before the first attempt leaves, and each attempt is durable before it leaves. The first attempt of a series is sent under the reversal's MTI with a DE 7 of its own; the others repeat that DE 7, under the repeat MTI as soon as an earlier one of the series may have left. Between attempts the waits of ` + "`reversal.schedule`" + ` apply, the last one for ever; nothing is ever given up. From ` + "`reversal.escalate_after`" + ` attempts on a person knows.

**Hold-down (R3′).** A request whose answer was never seen may still reach the host after its reversal. Against a host that is not certified to remember such reversals, an answer that would close it starts a wait of ` + "`reversal.message_lifetime`" + `; so does "unknown original". Then the second series asks once more, and its answer is judged.

What an answer is taken for, as the code does it with the codes of iso87-ascii (– cannot be: a 00 closes there at once):

`

const statesCauses = `
## Causes

Why something is reversed, and why it is in front of a person. Where the third column is empty nobody is asked.

| Cause | What happened | What to do | From |
|---|---|---|---|
`

func pickWord(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func waitsOf(s State) string {
	var names []string
	for _, w := range waits[1:] {
		if w.in == s {
			names = append(names, w.what)
		}
	}
	return orDash(strings.Join(names, ", or "))
}

func targets(to []State) string {
	var names []string
	for _, s := range to {
		names = append(names, "`"+s.String()+"`")
	}
	return orDash(strings.Join(names, ", "))
}

// diagram draws the edges of the table, one arrow for each pair of states.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> pending : begin\n")
	for _, from := range States() {
		for _, to := range States() {
			var why []string
			for _, in := range Inputs() {
				if slices.Contains(table[from][in].to, to) {
					why = append(why, strings.NewReplacer(":", "", "answer: ", "").Replace(in.String()))
				}
			}
			if len(why) > 0 {
				fmt.Fprintf(&b, "    %s --> %s : %s\n", from, to, strings.Join(why, ", "))
			}
		}
	}
	for _, s := range States() {
		if !s.Open() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// verdictTable asks the code itself what it makes of each answer.
func verdictTable(t *testing.T) string {
	situations := []struct {
		name  string
		reach func(*reversalLab)
	}{
		{"the first attempt", func(*reversalLab) {}},
		{"a repeat; the first attempt is known to have left", func(l *reversalLab) { l.sent(); l.retry() }},
		{"a repeat; it is not known to have left", func(l *reversalLab) { l.retry() }},
		{"a repeat; the host has refused before", func(l *reversalLab) { l.sent(); l.answer("12", 0); l.time() }},
		{"in the hold-down", func(l *reversalLab) { l.sent(); l.answer("25", 0) }},
		{"after the hold-down that a 00 began", func(l *reversalLab) { l.sent(); l.answer("00", 0); l.time() }},
		{"after the hold-down that a 25 began", func(l *reversalLab) { l.sent(); l.answer("25", 0); l.time() }},
	}
	answers := []struct {
		name, code string
		route      int
	}{{"00", "00", 0}, {"94", "94", 0}, {"25", "25", 0}, {"91, 96, 98", "91", 0}, {"any other", "12", 0}, {"00 of another address", "00", 1}}
	var b strings.Builder
	b.WriteString("| The request's answer was | The reversal is at |")
	for _, a := range answers {
		b.WriteString(" " + a.name + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(answers)) + "\n")
	for _, seen := range []bool{false, true} {
		for _, s := range situations {
			fmt.Fprintf(&b, "| %s | %s |", pickWord(seen, "seen", "never seen"), s.name)
			reachable := true
			for _, a := range answers {
				l := newReversalLab(t, seen)
				s.reach(l)
				if tr := l.m.Get("u1"); tr.State != StateReversing {
					reachable = false
				}
				if !reachable {
					b.WriteString(" – |")
					continue
				}
				l.answer(a.code, a.route)
				b.WriteString(" " + l.outcome() + " |")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// reversalLab is one reversal that is led into a situation.
type reversalLab struct {
	t    *testing.T
	m    *Machine
	now  Time
	last Outbound
	had  Transaction
}

func newReversalLab(t *testing.T, answered bool) *reversalLab {
	l := &reversalLab{t: t, m: newMachine(testRules()), now: at(0)}
	request := l.step(beginSale(t, "u1", "s1")).Messages[0]
	if answered {
		l.step(answerTo(request, "0210", "00"))
	}
	l.step(Cancel{UUID: "u1"})
	return l
}

func (l *reversalLab) step(ev Event) Ready {
	r := l.m.Step(l.now, ev)
	if len(r.Messages) > 0 {
		l.last = r.Messages[0]
	}
	return r
}

func (l *reversalLab) sent() { l.step(Sent{UUID: "u1", Attempt: l.last.Attempt}) }

// time lets whatever is waited for run out.
func (l *reversalLab) time() {
	l.now.Boot += time.Hour
	l.now.Wall += int64(time.Hour / time.Millisecond)
	l.step(Timeout{UUID: "u1"})
}

// retry lets an attempt go unanswered and sends the next one.
func (l *reversalLab) retry() { l.time(); l.time() }

func (l *reversalLab) answer(code string, route int) {
	l.had = *l.m.Get("u1")
	a := answerTo(l.last, l.m.RulesFor(l.m.Get("u1")).MTI[iso8583.KindReversal].Response(), code)
	a.Route = route
	l.step(a)
}

// outcome says what the answer did.
func (l *reversalLab) outcome() string {
	tr := l.m.Get("u1")
	switch w := l.m.waits["u1"]; {
	case tr.State == StateReversed:
		return "**closes**"
	case tr.Hold == HoldWaiting && l.had.Hold != HoldWaiting:
		return "hold-down"
	case len(tr.Items) > len(l.had.Items):
		return "escalates: " + string(tr.Items[len(tr.Items)-1].Cause)
	case tr.Evidence > l.had.Evidence:
		return "evidence"
	case w.For == waitRetry:
		return "again"
	}
	l.t.Fatalf("an answer without an outcome: %+v", *tr)
	return ""
}
