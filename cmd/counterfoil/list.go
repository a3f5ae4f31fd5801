package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

func listCommand(a *app) *cobra.Command {
	var socket, state, terminal, sale string
	cmd := &cobra.Command{
		Use: "list", Short: "Transactions, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, v := range map[string]string{"state": state, "terminal": terminal, "sale": sale} {
				if v != "" {
					q.Set(key, v)
				}
			}
			l, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.List, error) { return c.List(ctx, q) })
			if err != nil {
				return err
			}
			return a.printList(l, "no transaction", a.listTable)
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&state, "state", "", fmt.Sprintf("only this state, of %v", txn.States()))
	cmd.Flags().StringVar(&terminal, "terminal", "", "only this terminal")
	cmd.Flags().StringVar(&sale, "sale", "", "only this sale")
	return cmd
}

func recoveryCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "recovery", Short: "What a restarted application must act on", Args: cobra.NoArgs,
		Long: `recovery lists every transaction of which the application has not said that it
showed the outcome: what a restarted application asks for first.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.List, error) { return c.Recovery(ctx) })
			if err != nil {
				return err
			}
			return a.printList(l, "nothing to act on", a.recoveryTable)
		},
	}
	a.socketFlag(cmd, &socket)
	return cmd
}

func (a *app) printList(l *client.List, none string, print func([]client.Transaction) error) error {
	if a.json {
		return a.printJSON(l)
	}
	if len(l.Transactions) == 0 {
		a.printf("%s\n", none)
		return nil
	}
	if err := print(l.Transactions); err != nil {
		return err
	}
	if l.More {
		a.note("The list was cut: ask for less, by state, terminal or sale.")
	}
	return nil
}

func (a *app) listTable(list []client.Transaction) error {
	return a.table(func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "BEGAN\tTRANSACTION\tTYPE\tTERMINAL\tSTAN\tCARD\tAMOUNT\tSALE OR ORIGINAL\tSTATE")
		for i := range list {
			t := &list[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				a.time(t.Began), t.UUID, t.Type, t.Terminal, t.STAN, t.PAN, orDash(amount(t)), orDash(saleOf(t)+t.Original), stateOf(t))
		}
	})
}

func (a *app) recoveryTable(list []client.Transaction) error {
	return a.table(func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "TRANSACTION\tTYPE\tTERMINAL\tAMOUNT\tSALE OR ORIGINAL\tSTATE\tMUST\tTELL THE CASHIER")
		for i := range list {
			t := &list[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				t.UUID, t.Type, t.Terminal, orDash(amount(t)), orDash(saleOf(t)+t.Original), stateOf(t), t.Must, a.text(t.Say.Cashier))
		}
	})
}

func saleOf(t *client.Transaction) string { return saleAndPart(t.Sale, t.Part) }

func saleAndPart(sale, part string) string {
	return joined(" part ", sale, part)
}

// concerns is the sale or the earlier transaction that t is for; "" where
// there is neither.
func concerns(t *client.Transaction) string { return concern(saleOf(t), t.Original) }

func concern(sale, original string) string {
	switch {
	case original != "":
		return "original " + original
	case sale != "":
		return "sale " + sale
	default:
		return ""
	}
}

// leftOf is what is left of a confirmed transaction that others followed.
func leftOf(t *client.Transaction) string {
	if t.State != txn.StateConfirmed.String() {
		return ""
	}
	return left(t.Type, t.Left, t.Amount, t.Currency)
}

// stateOf is the state with what stands beside it.
func stateOf(t *client.Transaction) string {
	s := []string{t.State}
	add := func(when bool, word string) {
		if when && word != "" {
			s = append(s, word)
		}
	}
	add(true, leftOf(t))
	add(t.HoldDown, "hold-down")
	add(t.Parked, "parked")
	add(t.Overridden, "overridden")
	add(t.LateApproval, "late approval seen")
	for _, i := range t.Items {
		add(!i.Closed, "ESCALATED "+i.Cause)
	}
	return strings.Join(s, ", ")
}
