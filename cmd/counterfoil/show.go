package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func showCommand(a *app) *cobra.Command {
	var socket string
	var rules bool
	cmd := &cobra.Command{
		Use: "show UUID", Short: "One transaction's life, as a timeline", Args: cobra.ExactArgs(1),
		Long: `show prints a transaction's life out of the journal. --rules adds the profile's
rules that it began with and keeps, whatever the profile says by now.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkUUID(args[0]); err != nil {
				return err
			}
			t, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) {
				return c.Timeline(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			a.show(t)
			if rules {
				a.printf("\n")
				return a.table(func(w io.Writer) { printRules(w, t.RulesHash, t.Rules) })
			}
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().BoolVar(&rules, "rules", false, "print the rules that it began with too")
	return cmd
}

func (a *app) show(t *client.Transaction) {
	a.printf("%s, card %s\n", joined(", ", sum(t.Type, amount(t)), concerns(t)), t.PAN)
	a.printf("transaction %s, terminal %s, STAN %s, epoch %d\n", t.UUID, t.Terminal, t.STAN, t.Epoch)
	a.printf("began %s; now %s\n", a.time(t.Began), stateOf(t))
	if t.Balance != "" {
		a.printf("balance: %s\n", balanceOf(t.Balance))
	}
	a.printf("\n")
	a.lanes(t)
	a.printf("\ncashier:    %s\ncardholder: %s\n", a.text(t.Say.Cashier), a.text(t.Say.Cardholder))
	for _, i := range t.Items {
		if !i.Closed {
			a.printf("\nFor a person, since %s: %s\n%s\n", a.time(i.At), i.Cause, i.Advice)
		}
	}
}

// lane is one line of the timeline: who did what, and what became durable.
type lane struct{ application, agent, journal, host string }

// lanes prints the life in columns. An arrow points to where something went.
func (a *app) lanes(t *client.Transaction) {
	rows := [][]string{{"TIME", "APPLICATION", "AGENT", "JOURNAL", "HOST"}}
	for _, m := range t.Timeline {
		l := laneOf(t, m)
		l.journal = fmt.Sprintf("%d %s", m.LSN, m.Record)
		rows = append(rows, []string{m.At.In(a.zone).Format(clockTime), l.application, l.agent, l.journal, l.host})
	}
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			if i > 0 {
				b.WriteString(" │ ")
			}
			b.WriteString(cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
		}
		a.printf("%s\n", strings.TrimRight(b.String(), " "))
	}
}

// laneOf says what a journal record means for each of the others. A message to
// the host leaves only after the record beside it is durable, and an
// application hears of the host's answer only after that.
func laneOf(t *client.Transaction, m client.Moment) lane {
	get := func(key string) string { return detailOf(m.Detail, key) }
	answer := strings.TrimSpace("← " + get("code") + " " + get("class") + get("verdict"))
	switch m.Record {
	case "intent":
		return lane{application: joined(" ", string(t.Type), amount(t)) + " →", host: "→ request"}
	case "rerouted":
		return lane{agent: "no byte had left", host: "→ request, address " + get("route")}
	case "approved":
		return lane{application: ifSet(t.Type.NeedsConfirmation(), "← approved: confirm"), host: answer}
	case "declined":
		return lane{application: "← declined", host: answer}
	case "not_sent":
		return lane{application: "← not sent", agent: "no byte left"}
	case "confirmed":
		if t.Type.NeedsConfirmation() {
			return lane{application: "confirm →"}
		}
		return lane{application: "← done", agent: "the approval commits"}
	case "followed":
		return lane{agent: get("type") + " " + get("by") + " follows"}
	case "follow_ended":
		return lane{agent: get("by") + " is " + ifSet(!hasDetail(m.Detail, "done"), "not ") + "done"}
	case "failed":
		return lane{application: "← failed", agent: "not known; no money was moved"}
	case "inquiring":
		return lane{agent: "in doubt: " + get("cause") + "; ask before reversing"}
	case "inquiry":
		return lane{agent: "inquiry " + get("n") + ", STAN " + get("stan"), host: "→ what became of it?"}
	case "inquiry_answer":
		return lane{agent: "found: " + get("found") + ifSet(hasDetail(m.Detail, "late"), "; evidence only"), host: "← " + get("code")}
	case "advice_owed":
		return lane{application: "← done", agent: "decided elsewhere: the intent commits"}
	case "advice_attempt":
		return lane{agent: "send " + get("n"), host: "→ advice" + ifSet(hasDetail(m.Detail, "repeat"), ", repeated")}
	case "advice_answer":
		return lane{host: answer}
	case "script_owed":
		return lane{agent: "the script's result, STAN " + get("stan"), host: "→ script result, until it answers"}
	case "script_ended":
		if get("code") == "" {
			return lane{agent: "the script's result is told no more"}
		}
		return lane{agent: "the host has the script's result", host: answer}
	case "advised":
		return lane{agent: "the host has it"}
	case "shown":
		return lane{application: "shown: " + get("delivered") + " →"}
	case "reversing":
		not := map[bool]string{true: "← not paid", false: "← not done"}[t.Type == iso8583.Sale]
		return lane{application: not, agent: "reverse: " + get("cause")}
	case "reversal_attempt":
		return lane{agent: "attempt " + get("n"), host: "→ reversal" + ifSet(hasDetail(m.Detail, "repeat"), ", repeated")}
	case "reversal_sent":
		return lane{agent: "attempt " + get("n") + " has left"}
	case "reversal_answer":
		return lane{host: answer}
	case "hold_down":
		return lane{agent: "hold-down: the request may still arrive"}
	case "reversed":
		return lane{agent: "done: no " + map[bool]string{true: "debit", false: string(t.Type)}[t.Type == iso8583.Sale] + " stands"}
	case "late_answer":
		return lane{agent: "evidence only", host: answer + ", late"}
	case "evidence":
		return lane{agent: "evidence only", host: "← what is not its answer"}
	case "escalated":
		return lane{agent: "! for a person: " + get("cause")}
	case "acknowledged":
		_, who, _ := strings.Cut(m.Detail, "who=") // the last one: it may hold spaces
		return lane{agent: "operator: " + who + " has taken it on"}
	case "resolved":
		return lane{agent: "operator: " + get("verb") + ", reference " + orNone(get("reference"))}
	default:
		return lane{agent: m.Detail}
	}
}

// detailOf finds key=value in a moment's detail.
func detailOf(detail, key string) string {
	m := regexp.MustCompile(`(?:^| )` + key + `=(\S*)`).FindStringSubmatch(detail)
	if m == nil {
		return ""
	}
	return m[1]
}

// hasDetail finds a flag in a moment's detail.
func hasDetail(detail, flag string) bool {
	for _, f := range strings.Fields(detail) {
		if f == flag {
			return true
		}
	}
	return false
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
