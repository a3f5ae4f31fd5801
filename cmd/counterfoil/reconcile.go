package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// hostList is what the acquirer says of a batch: a JSON array of these, or an
// object that has one under "transactions", as the simulated acquirer's
// /settlements has. Amounts are in minor units.
type hostList struct {
	STAN   string `json:"stan"`
	Debit  int64  `json:"debit"`
	Credit int64  `json:"credit"`
}

// difference is a transaction that only one side has, or that both have with
// other amounts.
type difference struct {
	STAN   string       `json:"stan"`
	What   string       `json:"what"`
	UUID   string       `json:"uuid,omitempty"`
	Type   iso8583.Type `json:"type,omitempty"`
	State  string       `json:"state,omitempty"`
	Debit  int64        `json:"debit"` // the terminal's
	Credit int64        `json:"credit"`

	HostDebit  int64 `json:"host_debit"`
	HostCredit int64 `json:"host_credit"`
}

func reconcileCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "reconcile TERMINAL SERIAL FILE", Short: "Compare a batch with the acquirer's list of it", Args: cobra.ExactArgs(3),
		Long: `reconcile compares a batch with what the acquirer says that it holds of it, and
lists each difference. FILE ("-": standard input) is JSON: a list of objects with
"stan" (six digits), "debit" and "credit" (minor units), or an object that has the
list under "transactions". The exit code is 1 where they differ. Nothing is changed:
close the batch with "counterfoil batches TERMINAL SERIAL --resolve close".`,
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, err := parseSerial(args[1])
			if err != nil {
				return err
			}
			host, err := readHostList(args[2], a.stdin)
			if err != nil {
				return err
			}
			b, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Batch, error) {
				return c.Batch(ctx, iso8583.TID(args[0]), serial)
			})
			if err != nil {
				return err
			}
			diffs := reconcile(b, host)
			code := exitOK
			if len(diffs) > 0 {
				code = exitFailed
			}
			if a.json {
				if err := a.printJSON(map[string]any{"batch": b.Number, "serial": b.Serial, "differences": diffs}); err != nil {
					return err
				}
				return outcome(code)
			}
			a.batchLine(b)
			a.differences(b, diffs)
			return outcome(code)
		},
	}
	a.socketFlag(cmd, &socket)
	return cmd
}

func (a *app) differences(b *client.Batch, diffs []difference) {
	currency := ""
	if b.Totals != nil {
		currency = b.Totals.Currency
	}
	for _, d := range diffs {
		a.printf("  %s\n", joined("  ", "STAN "+d.STAN, d.What, d.UUID, string(d.Type), d.State,
			"here "+money(d.Debit-d.Credit, currency), "acquirer "+money(d.HostDebit-d.HostCredit, currency)))
	}
	if len(diffs) == 0 {
		a.printf("no difference: both hold the same transactions\n")
	}
}

// reconcile compares by STAN, which is unique in a batch.
func reconcile(b *client.Batch, host []hostList) []difference {
	out := []difference{}
	held := map[string]hostList{}
	for _, h := range host {
		held[h.STAN] = h
	}
	seen := map[string]bool{}
	for i := range b.Transactions {
		e := &b.Transactions[i]
		t := &e.Transaction
		h, has := held[t.STAN]
		seen[t.STAN] = true
		d := difference{
			STAN: t.STAN, UUID: t.UUID, Type: t.Type, State: t.State, HostDebit: h.Debit, HostCredit: h.Credit,
		}
		if e.Counted || b.Totals == nil {
			d.Debit, d.Credit = e.Debit, e.Credit
		}
		switch {
		case d.Debit == h.Debit && d.Credit == h.Credit:
			continue
		case !has:
			d.What = "the acquirer does not have it"
		case d.Debit+d.Credit == 0:
			d.What = "the acquirer has it, and it is in no totals here"
		default:
			d.What = "another amount"
		}
		out = append(out, d)
	}
	for _, h := range host {
		if !seen[h.STAN] && h.Debit+h.Credit != 0 {
			out = append(out, difference{STAN: h.STAN, What: "this terminal does not know it", HostDebit: h.Debit, HostCredit: h.Credit})
		}
	}
	return out
}

// maxHostList bounds the acquirer's list.
const maxHostList = 16 << 20

func readHostList(name string, stdin io.Reader) ([]hostList, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("the acquirer's list: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxHostList))
	if err != nil {
		return nil, fmt.Errorf("the acquirer's list: %w", err)
	}
	var list []hostList
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		var object struct {
			Transactions []hostList `json:"transactions"`
		}
		err = json.Unmarshal(data, &object)
		list = object.Transactions
	} else {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: want a JSON list of objects with stan, debit and credit: %w", name, err)}
	}
	for i, h := range list {
		if _, err := iso8583.ParseSTAN(h.STAN); err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%s: entry %d: %w", name, i+1, err)}
		}
	}
	return list, nil
}
