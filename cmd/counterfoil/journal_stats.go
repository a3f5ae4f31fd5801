package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// journalStats is what a journal holds, in numbers.
type journalStats struct {
	journal.Info
	Records map[string]int64 `json:"records"` // by type, of what is kept
	Clear   int64            `json:"clear_bytes"`
	Sealed  int64            `json:"sealed_bytes"`
}

func statsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stats JOURNAL", Short: "What a journal holds, in numbers", Args: cobra.ExactArgs(1),
		Long: `stats reads a journal, which may be a copy or one that a daemon is using, and
counts. It needs no key.`,
		RunE: func(_ *cobra.Command, args []string) error {
			j, err := a.openCopy(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = j.Close() }() // nothing was written
			s := journalStats{Info: j.Info(), Records: map[string]int64{}}
			p := a.progress("counting")
			err = j.Scan(1, func(e journal.Record) error {
				p.at(int(e.LSN))
				s.Records[txn.RecordType(e.Type).String()]++
				s.Clear += int64(len(e.Clear))
				s.Sealed += int64(len(e.Sealed))
				return nil
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s)
			}
			a.printStats(&s)
			return nil
		},
	}
}

func (a *app) printStats(s *journalStats) {
	a.printf("journal   %s, format %d, made %s\n", s.ID, s.Format, s.Created.In(a.zone).Format(dateTime))
	a.printf("entries   %d to %d\n", s.First, s.Last)
	a.printf("segments  %d begun, %d MiB with those that are ready; %d retired, of which the names are left\n", s.Segments, s.Bytes>>20, s.Retired)
	a.printf("bytes     %d in clear, %d sealed\n", s.Clear, s.Sealed)
	if s.Losses > 0 {
		a.printf("losses    %d files of evidence\n", s.Losses)
	}
	if s.Quarantine {
		a.printf("QUARANTINE: entries were damaged and kept aside; see \"counterfoil journal accept-loss --help\"\n")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Records)) {
		a.printf("  %-18s %d\n", name, s.Records[name])
	}
}
