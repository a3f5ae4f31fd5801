package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// checkMark looks whether the journal can be known to be whole.
func (a *app) checkMark(cfg *config.Config) finding {
	const name = "mark"
	m, ok, err := agent.ReadMark(cfg.Mark)
	if err != nil {
		return verdict(name, "", err, "see what \"counterfoil journal mark --help\" says of a mark that is damaged")
	}
	same, err := agent.SameMedium(cfg.Journal, cfg.Mark)
	switch {
	case err != nil:
		return verdict(name, "", err, "name a file for mark in a directory that the daemon's user may write")
	case same:
		return finding{name, true, cfg.Mark + " is on the journal's own medium: it does not count", "set mark to a file on another medium, so that what destroys or restores the journal does not take it along"}
	case !ok:
		return finding{name, true, "none yet: the daemon will make one", ""}
	}
	return finding{name, true, fmt.Sprintf("epoch %d, entry %d", m.Epoch, m.Entry), ""}
}

// marked is what the command shows.
type marked struct {
	Path  string `json:"path"`
	Known bool   `json:"known"`
	Epoch uint64 `json:"epoch,omitempty"`
	Entry uint64 `json:"entry,omitempty"`
	Last  uint64 `json:"last"` // the journal's newest entry
	Same  bool   `json:"same_medium"`
}

func markCommand(a *app) *cobra.Command {
	var file string
	var adopt bool
	cmd := &cobra.Command{
		Use: "mark --config FILE", Short: "The journal's mark outside of it", Args: cobra.NoArgs,
		Long: `mark shows how far the journal is known to have come, by the file that the
configuration names under "mark". A journal that ends before it was lost, or is an
older copy: the daemon then begins a new epoch, stops whatever is open and asks a
person.

A mark that is damaged keeps the daemon from starting, since it is not known
whether the journal is whole. Where you know that it is (the medium of the mark
failed, and nobody touched the journal), --adopt writes the mark anew from the
journal. Where you do not know it, use "journal accept-loss".`,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			if adopt {
				if err := adoptMark(cfg); err != nil {
					return err
				}
			}
			return a.showMark(cfg)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the daemon's configuration")
	cmd.Flags().BoolVar(&adopt, "adopt", false, "write it anew from the journal, with the daemon stopped")
	must(cmd.MarkFlagRequired("config"))
	return cmd
}

func (a *app) showMark(cfg *config.Config) error {
	m, ok, err := agent.ReadMark(cfg.Mark)
	if err != nil {
		return fmt.Errorf("mark: %w: --help says what to do", err)
	}
	out := marked{Path: cfg.Mark, Known: ok, Epoch: m.Epoch, Entry: m.Entry}
	j, err := a.openCopy(cfg.Journal)
	switch {
	case errors.Is(err, fs.ErrNotExist): // lost, or not begun
	case err != nil:
		return err
	default:
		out.Last = uint64(j.Last())
		_ = j.Close() // nothing was written
	}
	if out.Same, err = agent.SameMedium(cfg.Journal, cfg.Mark); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(out)
	}
	if !ok {
		a.printf("%s: none yet; the journal ends with entry %d\n", cfg.Mark, out.Last)
	} else {
		a.printf("%s: epoch %d, entry %d; the journal ends with entry %d\n", cfg.Mark, m.Epoch, m.Entry, out.Last)
	}
	if out.Same {
		a.printf("It is on the journal's own medium, so it does not count.\n")
	}
	return nil
}

func adoptMark(cfg *config.Config) error {
	mark, err := agent.OpenMark(cfg.Mark)
	if err != nil {
		return err
	}
	defer func() { _ = mark.Close() }()
	j, err := journal.Open(cfg.Journal, journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }() // nothing was written
	m, err := markOf(j)
	if err != nil {
		return err
	}
	return mark.Write(m)
}

// markOf folds a journal to its mark.
func markOf(j journal.Journal) (txn.Mark, error) {
	m := txn.New()
	err := j.Recover(func(e journal.Record) error {
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err == nil {
			m.Apply(r)
		}
		return err
	})
	return m.Mark(uint64(j.Last())), err
}
