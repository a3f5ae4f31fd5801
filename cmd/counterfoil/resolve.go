package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// verbs are an operator's decisions and what each does.
var verbs = []struct {
	name  txn.Verb
	about string
}{
	{txn.VerbPark, "stop sending the reversal; it stays owed"},
	{txn.VerbResume, "send it again"},
	{txn.VerbOverride, "let the terminal sell although this is owed"},
	{txn.VerbReversed, "the acquirer says that no debit stands; needs --reference, and parked"},
	{txn.VerbDebited, "the acquirer says that the debit stands; needs --reference, and parked"},
	{txn.VerbClose, "a final transaction's open item is dealt with"},
}

func resolveCommand(a *app) *cobra.Command {
	var socket string
	var r client.Resolve
	long := "resolve takes an operator's decision into the journal, with a name and a reason.\n" +
		"A loss of journal entries, as \"escalations\" shows it, is closed with " + lossPrefix + "EPOCH in the UUID's place.\n\n"
	for _, v := range verbs {
		long += fmt.Sprintf("  %-18s %s\n", v.name, v.about)
	}
	cmd := &cobra.Command{
		Use: "resolve UUID VERB --who NAME --why REASON", Short: "An operator's decision about a transaction",
		Long: long + "\nNo card number belongs into name, reason or reference.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if epoch, ok := strings.CutPrefix(args[0], lossPrefix); ok {
				r.Verb = args[1]
				return a.closeLoss(cmd.Context(), socket, epoch, r)
			}
			if err := checkUUID(args[0]); err != nil {
				return err
			}
			if err := checkVerb(args[1], r.Reference); err != nil {
				return err
			}
			r.Verb = args[1]
			t, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) {
				return c.Resolve(ctx, args[0], r)
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			a.printf("%s of %s is journaled: the transaction is %s\n", r.Verb, t.UUID, stateOf(t))
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&r.Who, "who", "", "who decides")
	cmd.Flags().StringVar(&r.Why, "why", "", "why")
	cmd.Flags().StringVar(&r.Reference, "reference", "", "the acquirer's reference for what it said")
	must(cmd.MarkFlagRequired("who"))
	must(cmd.MarkFlagRequired("why"))
	return cmd
}

// lossPrefix stands before the epoch that names a loss of journal entries.
const lossPrefix = "loss-"

func (a *app) closeLoss(ctx context.Context, socket, name string, r client.Resolve) error {
	epoch, err := strconv.ParseUint(name, 10, 64)
	if err != nil || r.Verb != string(txn.VerbClose) {
		return usage("resolve: want %sEPOCH close: a loss is not decided, it is dealt with", lossPrefix)
	}
	l, err := call(ctx, socket, func(ctx context.Context, c *client.Client) (*client.Losses, error) { return c.CloseLoss(ctx, epoch, r) })
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(l)
	}
	a.printf("the loss with which epoch %d began is closed\n", epoch)
	return nil
}

func checkVerb(verb, reference string) error {
	var names []string
	for _, v := range verbs {
		names = append(names, string(v.name))
	}
	switch {
	case !slices.Contains(names, verb):
		return usage("resolve: %.30q is no verb: want one of %s", verb, strings.Join(names, ", "))
	case reference == "" && strings.HasPrefix(verb, "acquirer-"):
		return usage("resolve %s: --reference is missing: ask the acquirer for one", verb)
	}
	return nil
}
