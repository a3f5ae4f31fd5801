package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

func escalationsCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "escalations", Short: "What a person must decide, with evidence and advice", Args: cobra.NoArgs,
		Long: `escalations lists what the machine could not decide: how long ago each item was
raised, why, what the host said, what to do, and who has taken it on. An item
stays until it is resolved; its alarm until somebody acknowledges it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.List, error) { return c.Escalations(ctx) })
			if err != nil {
				return err
			}
			if len(l.Batches) > 0 && !a.json {
				a.batchList(l.Batches)
				if len(l.Transactions)+len(l.Losses) == 0 {
					return nil
				}
			}
			if len(l.Losses) > 0 && !a.json {
				a.lossList(l.Losses)
				if len(l.Transactions) == 0 {
					return nil
				}
			}
			return a.printList(l, "nothing waits for a person", func(list []client.Transaction) error { return a.escalationList(list, time.Now()) })
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.AddCommand(ackCommand(a))
	return cmd
}

func ackCommand(a *app) *cobra.Command {
	var socket, who string
	cmd := &cobra.Command{
		Use: "ack UUID --who NAME", Short: "Take on a transaction's items: silences their alarm, closes nothing",
		Long: `ack says that a named person has seen the open items of a transaction and takes
them on. Their alarm is silent from then on; they stay open until "counterfoil
resolve". What is raised later is alarmed anew.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkUUID(args[0]); err != nil {
				return err
			}
			t, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) {
				seen, err := c.Get(ctx, args[0], 0)
				if err != nil {
					return nil, err
				}
				// What is raised between the two calls was not seen.
				return c.Acknowledge(ctx, args[0], client.Acknowledge{Item: max(len(seen.Items), 1), Who: who})
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			for _, i := range t.Items {
				if !i.Closed && i.AcknowledgedBy != "" {
					a.printf("%s is taken on by %s: %s\n", i.ID, i.AcknowledgedBy, i.Cause)
				}
			}
			a.printf("Still open. Decide with \"counterfoil resolve %s VERB --who NAME --why REASON\".\n", t.UUID)
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&who, "who", "", "who takes it on")
	must(cmd.MarkFlagRequired("who"))
	return cmd
}

func (a *app) escalationList(list []client.Transaction, now time.Time) error {
	for i := range list {
		t := &list[i]
		a.printf("%s\n", joined("  ", t.UUID, "terminal "+string(t.Terminal), "STAN "+t.STAN, sum(t.Type, amount(t)), "card "+t.PAN, concerns(t), t.State))
		for _, item := range t.Items {
			if !item.Closed {
				a.escalation(&item, now)
			}
		}
		a.printf("\n")
	}
	a.printf("Take on with \"counterfoil escalations ack UUID --who NAME\"; decide with \"counterfoil resolve\nUUID VERB --who NAME --why REASON\"; \"counterfoil show UUID\" has the whole story.\n")
	return nil
}

func (a *app) escalation(i *client.Item, now time.Time) {
	alarm := "NOBODY has taken it on"
	if i.AcknowledgedBy != "" {
		alarm = "taken on by " + i.AcknowledgedBy
		if i.AcknowledgedAt != nil {
			alarm += ", " + a.time(*i.AcknowledgedAt)
		}
	}
	a.printf("  %d. %s, %s: %s; %s\n", i.Number, i.Cause, age(now.Sub(i.At)), i.Meaning, alarm)
	for _, m := range i.Evidence {
		a.printf("     the host, %s: %s %s\n", a.time(m.At), m.Record, strings.Map(printable, m.Detail))
	}
	a.printf("     %s\n     %s\n", i.Advice, i.Procedure)
}

// age is how long ago something was, in its two largest units at most.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute old"
	case d < time.Hour:
		return fmt.Sprintf("%d min old", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min old", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days old", int(d.Hours()/24))
	}
}

func (a *app) lossList(list []client.Loss) {
	for _, l := range list {
		a.printf("JOURNAL ENTRIES LOST, since %s: epoch %d and what was before it is in doubt\n  %s\n  %s\n  When it is done: counterfoil resolve %s%d close --who NAME --why REASON\n\n",
			a.time(l.At), l.Ended, l.What, l.Advice, lossPrefix, l.Epoch)
	}
}
