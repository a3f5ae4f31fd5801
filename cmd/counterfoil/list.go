package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

func listCommand(a *app) *cobra.Command {
	var socket, state, terminal, sale, since string
	limit := 200
	cmd := &cobra.Command{
		Use: "list", Short: "Transactions, newest first", Args: cobra.NoArgs,
		Long: `list reads transactions out of the journal, the newest first. To find one sale
among many it may read all of it; it says how far it is.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			from, err := sinceTime(since, time.Now())
			if err != nil {
				return err
			}
			for key, v := range map[string]string{"state": state, "terminal": terminal, "sale": sale, "since": from} {
				if v != "" {
					q.Set(key, v)
				}
			}
			if limit < 1 {
				return usage("--limit: want at least 1")
			}
			l, err := a.pages(cmd.Context(), socket, q, limit)
			if err != nil {
				return err
			}
			if err := a.printList(l, "no transaction", a.listTable); err != nil || a.json || l.Sale == nil {
				return err
			}
			a.printSums(l.Sale)
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&state, "state", "", fmt.Sprintf("only this state, of %v; or open, for all that is not decided", txn.States()))
	cmd.Flags().StringVar(&terminal, "terminal", "", "only this terminal")
	cmd.Flags().StringVar(&sale, "sale", "", "only this sale")
	cmd.Flags().StringVar(&since, "since", "", "begun since then: a time such as 2026-11-25T08:00:00Z, or how long ago, such as 24h")
	cmd.Flags().IntVar(&limit, "limit", limit, "at most so many")
	return cmd
}

// maxPage is how many transactions one call gives at most.
const maxPage = 200

// pages follows a list until it has limit transactions or there are no more.
func (a *app) pages(ctx context.Context, socket string, q url.Values, limit int) (*client.List, error) {
	out := &client.List{Transactions: []client.Transaction{}}
	for n := 1; ; n++ {
		q.Set("limit", strconv.Itoa(min(limit-len(out.Transactions), maxPage)))
		l, err := call(ctx, socket, func(ctx context.Context, c *client.Client) (*client.List, error) { return c.List(ctx, q) })
		if err != nil {
			return nil, err
		}
		out.Transactions = append(out.Transactions, l.Transactions...)
		out.More, out.Next, out.Sale = l.More, l.Next, l.Sale
		if !l.More || len(out.Transactions) >= limit {
			return out, nil
		}
		q.Set("from", l.Next)
		if n%8 == 0 {
			a.note("  %d found so far, down to entry %s of the journal", len(out.Transactions), l.Next)
		}
	}
}

// sinceTime reads a time, or how long ago it was.
func sinceTime(s string, now time.Time) (string, error) {
	if s == "" {
		return "", nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return "", usage("--since: want a time such as 2026-11-25T08:00:00Z, or how long ago, such as 24h")
	}
	return s, nil
}

func recoveryCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "recovery", Short: "What a restarted application must act on", Args: cobra.NoArgs,
		Long: `recovery lists, for each terminal, what a restarted application must act on, the
most urgent first:
  cancel  approved, and nobody knows: cancel it, or confirm it if the customer
          is still there
  ask     paid: show it, ask whether the goods were handed over, say so
  void    paid, and the goods were not handed over: void it
  call    undecided: a person asks the acquirer
  wait    the acquirer has not answered
  show    not paid: show it, say so`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Recovery, error) { return c.Recovery(ctx) })
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			l := client.List{Transactions: r.Transactions, More: r.More}
			return a.printList(&l, "nothing to act on", func([]client.Transaction) error { return a.recoveryTable(r) })
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
		a.note("The list was cut: ask for less, by state, terminal, sale or time, or for more with --limit.")
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

func (a *app) recoveryTable(r *client.Recovery) error {
	of := map[string]*client.Transaction{}
	for i := range r.Transactions {
		of[r.Transactions[i].UUID] = &r.Transactions[i]
	}
	return a.table(func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "TERMINAL\tDO\tTRANSACTION\tTYPE\tAMOUNT\tSALE OR ORIGINAL\tSTATE\tTELL THE CASHIER")
		for _, terminal := range r.Terminals {
			for _, step := range terminal.Steps {
				t := of[step.UUID]
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
					t.Terminal, step.Do, t.UUID, t.Type, orDash(amount(t)), orDash(saleOf(t)+t.Original), stateOf(t), a.text(t.Say.Cashier))
			}
		}
	})
}

// printSums says what the parts of a sale come to.
func (a *app) printSums(s *client.SaleView) {
	for _, y := range s.Sums {
		a.printf("sale %s: %s\n", s.Reference, joined(", ", money(y.Paid, y.Currency)+" paid",
			ifSet(y.Held > 0, money(y.Held, y.Currency)+" held"), ifSet(y.Undecided > 0, money(y.Undecided, y.Currency)+" undecided")))
	}
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
