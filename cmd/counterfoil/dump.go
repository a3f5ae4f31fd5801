package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// entryView is one journal entry as JSON. It holds no card data: what is
// sealed is counted, not shown.
type entryView struct {
	LSN    journal.LSN `json:"lsn"`
	At     time.Time   `json:"at"`
	Group  string      `json:"group"`
	Record string      `json:"record"`
	Who    string      `json:"who"`
	Class  string      `json:"class"`
	Keys   []string    `json:"keys,omitempty"`
	Sealed int         `json:"sealed_bytes,omitempty"`
	Fields txn.Record  `json:"fields"`
}

func dumpCommand(a *app) *cobra.Command {
	var uuid string
	cmd := &cobra.Command{
		Use: "dump JOURNAL", Short: "Every record of a journal, one line each", Args: cobra.ExactArgs(1),
		Long: `dump prints every record of a journal, which may be a copy or one that a daemon
is using. It needs no key; card numbers are masked and what is sealed stays
sealed. With --json each line is a JSON object; for a stable one see export.`,
		RunE: func(_ *cobra.Command, args []string) error {
			j, err := a.openCopy(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = j.Close() }() // nothing was written
			return a.dump(j, uuid)
		},
	}
	cmd.Flags().StringVar(&uuid, "transaction", "", "only this transaction's records")
	return cmd
}

func (a *app) dump(j journal.Journal, uuid string) error {
	enc := json.NewEncoder(a.stdout)
	p := a.progress("dumping")
	return j.Scan(1, func(e journal.Record) error {
		p.at(int(e.LSN))
		if uuid != "" && e.Group != uuid {
			return nil
		}
		m, err := agent.MomentOf(e)
		if err != nil {
			return err
		}
		if !a.json {
			line := fmt.Sprintf("%6d  %s  %-36s  %-11s  %-16s  %s", e.LSN, m.At.In(a.zone).Format(dateTime+".000"), e.Group, m.Who, m.Record, m.Detail)
			_, err = fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
			return err
		}
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", e.LSN, err)
		}
		return enc.Encode(entryView{
			LSN: e.LSN, At: m.At, Group: e.Group, Record: m.Record, Who: m.Who, Class: e.Class.String(),
			Keys: e.Keys, Sealed: len(e.Sealed), Fields: r,
		})
	})
}
