package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// batchPoll is how often a settlement that goes on is looked at.
const batchPoll = 200 * time.Millisecond

func settleCommand(a *app) *cobra.Command {
	var socket, who string
	cmd := &cobra.Command{
		Use: "settle TERMINAL", Short: "Settle a terminal's batch with its acquirer", Args: cobra.ExactArgs(1),
		Long: `settle closes the terminal's oldest unsettled batch: what is undecided ends first,
the set is frozen, and the acquirer is told its totals. While that goes on the
terminal takes nothing new. The command says how it goes until it is over; to stop
the command stops nothing: asking again looks on. The exit code is 1 where the
acquirer holds other totals: the batch is then in "counterfoil escalations".`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tid := iso8583.TID(args[0])
			b, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Batch, error) { return c.Settle(ctx, tid, who) })
			if err != nil {
				return err
			}
			if b, err = a.settled(cmd.Context(), socket, b); err != nil {
				return err
			}
			code := exitOK
			if b.State != txn.BatchBalanced.String() {
				code = exitFailed
			}
			if a.json {
				if err := a.printJSON(b); err != nil {
					return err
				}
				return outcome(code)
			}
			a.batchLine(b)
			if b.State == txn.BatchUnbalanced.String() {
				a.printf("The acquirer holds other totals. \"counterfoil batches %s %d\" lists the transactions;\n\"counterfoil reconcile %s %d FILE\" compares them with the acquirer's list.\n", tid, b.Serial, tid, b.Serial)
			}
			return outcome(code)
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&who, "who", "", "who asks, for the journal")
	return cmd
}

// settled looks on until the settlement of b is over, telling each step.
func (a *app) settled(ctx context.Context, socket string, b *client.Batch) (*client.Batch, error) {
	told := ""
	for !b.Final() {
		if step := batchStep(b); step != told {
			told = step
			a.note("  batch %s: %s", b.Number, step)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(batchPoll):
		}
		var err error
		tid, serial := b.Terminal, b.Serial
		if b, err = call(ctx, socket, func(ctx context.Context, c *client.Client) (*client.Batch, error) { return c.Batch(ctx, tid, serial) }); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func batchStep(b *client.Batch) string {
	switch b.State {
	case txn.BatchClosing.String():
		return "closing: what is undecided ends first"
	case txn.BatchUploading.String():
		return fmt.Sprintf("uploading: the acquirer has %d of %d transactions", b.Uploaded, b.Counted)
	}
	for _, i := range b.Items {
		if !i.Closed {
			return b.State + ": " + i.Meaning
		}
	}
	return b.State
}

func batchesCommand(a *app) *cobra.Command {
	var socket, verb string
	var r client.Resolve
	cmd := &cobra.Command{
		Use: "batches TERMINAL [SERIAL]", Short: "A terminal's batches; one with its transactions", Args: cobra.RangeArgs(1, 2),
		Long: `batches lists a terminal's batches, the open one last; with a serial number, one
batch and its transactions: which are in its totals, and which were undecided at
the settlement and so left out.

--resolve close says that the items of a settled batch are dealt with;
--resolve acquirer-settled that the acquirer says that it is settled, with its
--reference. Both need --who and --why.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tid := iso8583.TID(args[0])
			if len(args) == 1 {
				if verb != "" {
					return &exitError{exitUsage, fmt.Errorf("--resolve: say which batch: batches %s SERIAL", tid)}
				}
				l, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Batches, error) { return c.Batches(ctx, tid) })
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(l)
				}
				for i := range l.Batches {
					a.batchLine(&l.Batches[i])
				}
				return nil
			}
			serial, err := parseSerial(args[1])
			if err != nil {
				return err
			}
			b, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Batch, error) {
				if verb == "" {
					return c.Batch(ctx, tid, serial)
				}
				r.Verb = verb
				return c.ResolveBatch(ctx, tid, serial, r)
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(b)
			}
			a.batchDetail(b)
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	f := cmd.Flags()
	f.StringVar(&verb, "resolve", "", "close or acquirer-settled: an operator's decision")
	f.StringVar(&r.Who, "who", "", "who decides")
	f.StringVar(&r.Why, "why", "", "why")
	f.StringVar(&r.Reference, "reference", "", "the acquirer's reference")
	return cmd
}

func parseSerial(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, &exitError{exitUsage, fmt.Errorf("batch %.20q: want its serial number, as \"counterfoil batches TERMINAL\" says it", s)}
	}
	return n, nil
}

// batchLine is one batch on one line.
func (a *app) batchLine(b *client.Batch) {
	s := []string{fmt.Sprintf("%d", b.Serial), "batch " + b.Number, b.State}
	if b.Totals == nil {
		s = append(s, ifSet(b.State == "open", fmt.Sprintf("%d taken", b.Taken)))
	} else {
		s = append(s, batchTotals(b.Totals))
	}
	s = append(s, ifSet(b.Owed > 0, fmt.Sprintf("%d left out, still owed", b.Owed)))
	if b.Ended != nil {
		s = append(s, a.time(*b.Ended))
	}
	for _, i := range b.Items {
		s = append(s, ifSet(!i.Closed, "A PERSON MUST LOOK: "+i.Cause))
	}
	a.printf("%s\n", joined("  ", s...))
}

func batchTotals(t *client.BatchTotals) string {
	if t.Currency == "" {
		return "empty"
	}
	return fmt.Sprintf("%d debits %s, %d credits %s", t.DebitCount, money(t.Debit, t.Currency), t.CreditCount, money(t.Credit, t.Currency))
}

func (a *app) batchDetail(b *client.Batch) {
	a.batchLine(b)
	for _, e := range b.Transactions {
		t := &e.Transaction
		in := "not in the totals"
		switch {
		case e.NotUploaded:
			in = "counted, NOT UPLOADED: a card handle"
		case e.Counted:
			in = "counted"
		case e.Flagged:
			in = "LEFT OUT, owed"
		}
		a.printf("  %s\n", joined("  ", t.UUID, "STAN "+t.STAN, sum(t.Type, amount(t)), t.State, in))
	}
	for _, i := range b.Items {
		if !i.Closed {
			a.printf("  %s: %s\n     %s\n     %s\n", i.Cause, i.Meaning, i.Advice, i.Procedure)
		}
	}
}

// batchList is what of the escalation queue is about batches.
func (a *app) batchList(list []client.Batch) {
	for i := range list {
		b := &list[i]
		a.printf("terminal %s\n", b.Terminal)
		a.batchDetail(b)
		a.printf("  When it is done: counterfoil batches %s %d --resolve close --who NAME --why REASON\n\n", b.Terminal, b.Serial)
	}
}
