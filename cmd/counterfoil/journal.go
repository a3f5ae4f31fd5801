package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/journal"
)

func journalCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "journal", Short: "Read a journal, without its key and without disturbing its daemon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(dumpCommand(a), replayCommand(a), verifyCommand(a), exportCommand(a), statsCommand(a), acceptLossCommand(a), markCommand(a))
	return cmd
}

// openCopy opens a journal for reading, which needs no key: what is sealed
// stays sealed.
func (a *app) openCopy(path string) (*journal.Log, error) {
	defer a.slow("reading and verifying " + path)()
	j, err := journal.Open(path, journal.Options{ReadOnly: true})
	switch {
	case err == nil:
		return j, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: name the journal's directory, as the configuration has it under \"journal\"", err)
	case errors.Is(err, journal.ErrDamaged):
		return nil, fmt.Errorf("%w: \"counterfoil journal verify\" shows all of it; if this copy was made while the daemon worked, copy again", err)
	default:
		return nil, err
	}
}
