package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// exported is one line of an export. The schema is a promise: a field keeps its
// name and meaning, and programs pass over fields that they do not know. It
// holds no card data: PANs are masked in the record, what is sealed is counted.
type exported struct {
	Schema int         `json:"schema"` // 1
	LSN    journal.LSN `json:"lsn"`
	At     time.Time   `json:"at"` // UTC, by the terminal's clock
	Group  string      `json:"group"`
	Type   uint16      `json:"type"`
	Record string      `json:"record"`
	Class  string      `json:"class"`
	Keys   []string    `json:"keys"`
	Sealed int         `json:"sealed_bytes"`
	Fields txn.Record  `json:"fields"`
}

func exportCommand(a *app) *cobra.Command {
	var since uint64
	cmd := &cobra.Command{
		Use: "export JOURNAL", Short: "Entries as JSON lines, with a stable schema", Args: cobra.ExactArgs(1),
		Long: `export prints each entry as one JSON object on a line of its own (NDJSON),
oldest first. Card numbers are masked and what is sealed stays sealed; no key is
needed, and a daemon may be using the journal. With --since LSN only what comes
after that entry: give the highest "lsn" of the export before. It is an error
where history no longer reaches back so far.`,
		RunE: func(_ *cobra.Command, args []string) error {
			j, err := a.openCopy(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = j.Close() }() // nothing was written
			return a.export(j, journal.LSN(since))
		},
	}
	cmd.Flags().Uint64Var(&since, "since", 0, "only entries after this one; 0: all that are kept")
	return cmd
}

func (a *app) export(j *journal.Log, since journal.LSN) error {
	if first := j.Info().First; since > 0 && since+1 < first {
		return fmt.Errorf("entries %d to %d have retired: export without --since, or from %d on", since+1, first-1, first-1)
	}
	enc := json.NewEncoder(a.stdout)
	p := a.progress("exporting")
	return j.Scan(since+1, func(e journal.Record) error {
		p.at(int(e.LSN))
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", e.LSN, err)
		}
		return enc.Encode(exported{
			Schema: 1, LSN: e.LSN, At: time.UnixMilli(r.When()).UTC(), Group: e.Group, Type: e.Type, Record: r.Type().String(),
			Class: e.Class.String(), Keys: append([]string{}, e.Keys...), Sealed: len(e.Sealed), Fields: r,
		})
	})
}
