package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// replay is what the agent knew after some entry of a journal, and what it
// would do next.
type replay struct {
	Entries      journal.LSN    `json:"entries"` // folded
	Last         journal.LSN    `json:"last"`    // in the journal
	Epoch        uint64         `json:"epoch"`
	States       map[string]int `json:"states"`
	Escalated    int            `json:"escalated"`
	Transactions []replayed     `json:"transactions"`
}

// replayed is one transaction, in the order of the intents.
type replayed struct {
	UUID         string       `json:"uuid"`
	Type         iso8583.Type `json:"type"`
	Terminal     string       `json:"terminal"`
	STAN         string       `json:"stan"`
	Transmission string       `json:"transmission"` // DE 7 of the request
	Began        time.Time    `json:"began"`
	Amount       int64        `json:"amount"` // minor units
	Currency     string       `json:"currency"`
	Sale         string       `json:"sale"`
	Part         string       `json:"part,omitempty"`
	Original     string       `json:"original,omitempty"` // what it follows
	Left         int64        `json:"left"`               // of a confirmed one, minor units
	PAN          string       `json:"pan"`                // masked
	State        string       `json:"state"`
	Cause        string       `json:"cause,omitempty"`
	Attempts     int          `json:"reversal_attempts,omitempty"`
	Inquiries    int          `json:"inquiries,omitempty"`
	AdviceSends  int          `json:"advice_sends,omitempty"`
	HoldDown     bool         `json:"hold_down,omitempty"`
	LateApproval bool         `json:"late_approval,omitempty"`
	Parked       bool         `json:"parked,omitempty"`
	Overridden   bool         `json:"overridden,omitempty"`
	ByOperator   bool         `json:"by_operator,omitempty"`
	Shown        string       `json:"shown,omitempty"`
	Follows      []txn.Follow `json:"follows,omitempty"`   // what follows it, in order
	Escalated    []string     `json:"escalated,omitempty"` // causes of the open items
	Next         *next        `json:"next,omitempty"`      // absent where nothing is left to do
}

func replayCommand(a *app) *cobra.Command {
	var until uint64
	cmd := &cobra.Command{
		Use: "replay JOURNAL", Short: "What the agent knew, and what it would do next", Args: cobra.ExactArgs(1),
		Long: `replay runs a journal through the core that the daemon runs, without network and
without the key, and shows for each transaction what the agent knew and what it
would do next if it were started now. The journal is not changed; it may be a
copy, or one that a daemon is using.

With --until LSN it stops after that entry: what was known at that moment.`,
		RunE: func(_ *cobra.Command, args []string) error {
			j, err := a.openCopy(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = j.Close() }() // nothing was written
			r, err := a.replay(j, journal.LSN(until))
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.printReplay(r)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&until, "until", 0, "stop after this entry; 0 is the last one")
	return cmd
}

// fold is a machine that has seen the journal up to some entry.
type fold struct {
	machine *txn.Machine
	order   []string // UUIDs in the order of their intents
	entries journal.LSN
	wall    int64 // of the last entry
}

func (a *app) fold(j *journal.Log, until journal.LSN) (*fold, error) {
	f := &fold{machine: txn.New()}
	p := a.progress("replaying")
	err := j.History(func(e journal.Record) error {
		p.at(int(e.LSN))
		if until > 0 && e.LSN > until {
			return nil
		}
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", e.LSN, err)
		}
		f.machine.Apply(r)
		f.entries, f.wall = e.LSN, r.When()
		if r.Type() == txn.TypeIntent {
			f.order = append(f.order, r.Group())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, f.machine.Check()
}

func (a *app) replay(j *journal.Log, until journal.LSN) (*replay, error) {
	f, err := a.fold(j, until)
	if err != nil {
		return nil, err
	}
	out := &replay{Entries: f.entries, Last: j.Last(), Epoch: f.machine.Epoch(), States: map[string]int{}, Transactions: []replayed{}}
	open := map[string]bool{}
	for _, uuid := range f.machine.Open() {
		open[uuid] = true
	}
	for _, uuid := range f.order {
		r := view(f.machine.Get(uuid))
		out.States[r.State]++
		if len(r.Escalated) > 0 {
			out.Escalated++
		}
		if open[uuid] {
			r.Next = f.next(uuid)
		}
		out.Transactions = append(out.Transactions, r)
	}
	return out, nil
}

func view(t *txn.Transaction) replayed {
	r := replayed{
		UUID: t.UUID, Type: t.Kind, Terminal: string(t.TID), STAN: t.STAN.String(), Transmission: t.Transmission,
		Began: time.UnixMilli(t.At).UTC(), Amount: t.Minor, Currency: t.Currency.Alpha(), Sale: t.Sale, Part: t.Part, PAN: t.PAN, Original: t.Original, Follows: t.Follows,
		State: t.State.String(), Cause: string(t.Cause), Inquiries: len(t.Asked),
		HoldDown:     t.State == txn.StateReversing && t.Hold == txn.HoldWaiting,
		LateApproval: t.LateApproval, Parked: t.Parked, Overridden: t.Overridden, ByOperator: t.ByOperator, Shown: string(t.Shown),
	}
	if t.Advice {
		r.AdviceSends = t.Attempts
	} else {
		r.Attempts = t.Attempts
	}
	if t.State == txn.StateConfirmed {
		r.Left = t.Left()
	}
	for _, i := range t.Items {
		if !i.Closed {
			r.Escalated = append(r.Escalated, string(i.Cause))
		}
	}
	return r
}
