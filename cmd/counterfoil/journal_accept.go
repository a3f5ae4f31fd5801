package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// accepted is what accept-loss did.
type accepted struct {
	*journal.Loss
	Epoch   uint64   `json:"epoch"`
	InDoubt []string `json:"in_doubt"` // transactions in front of a person
}

func acceptLossCommand(a *app) *cobra.Command {
	var file, who, why string
	cmd := &cobra.Command{
		Use: "accept-loss --config FILE --who NAME --why REASON", Short: "Go on with a journal that lost entries", Args: cobra.NoArgs,
		Long: `accept-loss makes a damaged journal, or one in quarantine, one that the daemon
starts on. It is a decision about money: entries that are gone may have said that
a sale was confirmed or reversed. So, with the daemon stopped:

  1. copy the journal's directory somewhere safe;
  2. "counterfoil journal verify" shows what is damaged, and "replay" of the copy
     what was open;
  3. accept-loss. What does not verify is kept in the directory, under names that
     begin with "lost-"; nothing is deleted. A new epoch begins, so that no
     UUID of before is run again, and whatever was open is put in front of a
     person: nothing of it is sent;
  4. ask the acquirer about each of them ("counterfoil escalations"), and resolve.

No card number belongs into name or reason.`,
		RunE: func(*cobra.Command, []string) error {
			if who == "" || why == "" {
				return errors.New("accept-loss: --who and --why are journaled with it; give both")
			}
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			key, err := cfg.Key()
			if err != nil {
				return err
			}
			mark, err := agent.OpenMark(cfg.Mark)
			if err != nil {
				return err
			}
			defer func() { _ = mark.Close() }()
			out, err := acceptLoss(cfg, mark, key, who, why)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(out)
			}
			a.printAccepted(out)
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the daemon's configuration")
	cmd.Flags().StringVar(&who, "who", "", "who decides")
	cmd.Flags().StringVar(&why, "why", "", "why")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func acceptLoss(cfg *config.Config, mark agent.Mark, key []byte, who, why string) (*accepted, error) {
	out := &accepted{InDoubt: []string{}}
	var known *txn.Mark
	if m, ok, err := mark.Read(); err != nil {
		return nil, fmt.Errorf("accept-loss: %w: %w", agent.ErrMark, err)
	} else if ok {
		known = &m
	}
	var tids []iso8583.TID
	for _, t := range cfg.Terminals {
		tids = append(tids, iso8583.TID(t.TID))
	}
	var err error
	out.Loss, err = journal.AcceptLoss(cfg.Journal, journal.Options{Key: key, Final: agent.FinalState}, func(j *journal.Log) error {
		epoch, inDoubt, err := agent.AcceptLoss(j, tids, known, time.Now(), who, why)
		out.Epoch, out.InDoubt = epoch, append(out.InDoubt, inDoubt...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("accept-loss: %w", err)
	}
	return out, nil
}

func (a *app) printAccepted(out *accepted) {
	if w := out.Wiped; w != nil {
		a.printf("cut at segment %d, offset %d: %s\n", w.Segment, w.Offset, w.Reason)
	}
	for _, name := range out.Evidence {
		a.printf("kept as evidence: %s\n", name)
	}
	if out.Retired > 0 {
		a.printf("%d segments of history are evidence now; of their entries the names are left\n", out.Retired)
	}
	a.printf("epoch %d begins; the last entry is %d\n", out.Epoch, out.Last)
	for _, uuid := range out.InDoubt {
		a.printf("in front of a person: %s\n", uuid)
	}
}
