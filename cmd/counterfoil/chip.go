package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// A chip in these commands: its data come from a file, like the rest of the
// card, since they can hold a track; its word on the approval is tc, aac or a
// file with the API's JSON.

// What --chip can be, beside a file: the word of a card that is only played.
const (
	chipAgrees   = "tc"
	chipDeclines = "aac"
)

// chipHelp is the help of every type that is confirmed.
const chipHelp = `

A chip: --emv FILE has its data as hexadecimal BER-TLV and --entry-mode says how
it was read (DE 22: 051 inserted, 071 tapped). For an inserted one --chip is what
the second GENERATE AC gave: a file with the API's JSON, {"9F27": "40", …}, or
for a card that is only played tc or aac. aac is a cancel.`

var errEMV = errors.New("chip data: want hexadecimal BER-TLV")

// readEMV reads the chip's data. They are never taken from the command line.
func (a *app) readEMV(file string) (string, error) {
	data, err := a.readSmall(file)
	if err != nil {
		return "", err
	}
	if data = bytes.TrimSpace(data); len(data) == 0 {
		return "", errEMV
	}
	return string(data), nil
}

// readChip reads the card's word.
func (a *app) readChip(word string) (*client.ChipResult, error) {
	switch word {
	case "":
		return nil, nil
	case chipAgrees:
		return &client.ChipResult{CID: "40", AC: "0000000000000000", TVR: "0000008000"}, nil
	case chipDeclines:
		return &client.ChipResult{CID: "00", TVR: "0000008000"}, nil
	}
	data, err := a.readSmall(word)
	if err != nil {
		return nil, err
	}
	var c client.ChipResult
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(&c) != nil || dec.More() {
		return nil, usage(`--chip: want tc, aac, or a file with {"9F27": "40", "9F26": …, "95": …}`)
	}
	return &c, nil
}

// readSmall reads a file of a few kilobytes; - is standard input.
func (a *app) readSmall(file string) ([]byte, error) {
	if file == "-" {
		line, err := a.stdin.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, errEMV // longer than the buffer, or unreadable
		}
		return bytes.Clone(line), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("chip: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxCard))
	if err != nil {
		return nil, fmt.Errorf("chip: %w", err)
	}
	return data, nil
}

// confirmation is what the confirm of a transaction says: the amount where a
// part was approved, and the card's word where a chip is in the reader.
func confirmation(t *client.Transaction, word *client.ChipResult) client.Confirm {
	b := client.Confirm{Amount: t.Approved}
	if t.Chip != nil && t.Chip.Read == "contact" {
		b.Chip = word
	}
	return b
}

// confirmCommand commits what another command, or a crash, left approved.
func confirmCommand(a *app) *cobra.Command {
	var socket, amountText, word string
	cmd := &cobra.Command{
		Use: "confirm UUID", Short: "Confirm an approved sale or hold: the commit point",
		Long: `confirm commits what is approved and not confirmed yet. Show an approval only
after it. After a partial approval --amount must say what the customer agreed to;
of an inserted chip --chip must say what the card did.` + chipHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkUUID(args[0]); err != nil {
				return err
			}
			b, err := a.confirmBody(cmd.Context(), socket, args[0], amountText, word)
			if err != nil {
				return err
			}
			t, err := call(cmd.Context(), socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) {
				return c.ConfirmWith(ctx, args[0], b)
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			a.printf("%s is %s: %s\n", t.UUID, stateOf(t), amount(t))
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&amountText, "amount", "", "what the customer agreed to, in major units; needed after a partial approval")
	cmd.Flags().StringVar(&word, "chip", "", `what an inserted chip said: tc, aac or a file`)
	return cmd
}

func (a *app) confirmBody(ctx context.Context, socket, uuid, amountText, word string) (b client.Confirm, err error) {
	if b.Chip, err = a.readChip(word); err != nil || amountText == "" {
		return b, err
	}
	t, err := call(ctx, socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) { return c.Get(ctx, uuid, 0) })
	if err != nil {
		return b, err
	}
	b.Amount, err = amountIn(amountText, t.Currency)
	return b, err
}
