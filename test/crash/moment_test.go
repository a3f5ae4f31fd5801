package crash

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// moment is where in a sale's life a kill fell, by what the journal held, what
// the host had decided and what the application had begun: rows of
// terminal-rules.md C.1, and what lies between them.
type moment string

const (
	beforePut        moment = "before the PUT"
	putToIntent      moment = "PUT begun, before the intent"
	intentToHost     moment = "intent durable, before the host decided"
	hostToJournal    moment = "host decided, before its answer was durable"
	approvedToApp    moment = "approval durable, not confirmed"
	confirmToRecord  moment = "confirmation begun, not durable"
	confirmedToShown moment = "confirmed, before the screen was told of"
	ended            moment = "after the sale"
	reversalOwed     moment = "reversal owed, before the host undid it"
	reversalAnswered moment = "reversal: the host undid it, before its answer was durable"
	holdDown         moment = "in the hold-down"
	secondSeries     moment = "after the hold-down, before the second answer"
	escalatedOpen    moment = "refused by the host, in front of a person"
)

var moments = []moment{
	beforePut, putToIntent, intentToHost, hostToJournal, approvedToApp, confirmToRecord, confirmedToShown,
	reversalOwed, reversalAnswered, holdDown, secondSeries, escalatedOpen, ended,
}

// fold reads what a dead daemon left behind, without its key.
func fold(path string) (*txn.Machine, error) {
	m := txn.New()
	j, err := journal.Open(path, journal.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = j.Close() }()
	err = j.Scan(1, func(e journal.Record) error {
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.LSN, err)
		}
		m.Apply(r)
		return nil
	})
	return m, err
}

// momentOf classifies a kill that has just happened. It is for the statistics;
// nothing is judged by it.
func (s *station) momentOf(n *note) (moment, error) {
	n.mu.Lock()
	sent, confirming, refused := n.sent, n.confirming, n.refused != ""
	n.mu.Unlock()
	m, err := fold(s.path("journal"))
	if err != nil {
		return "", fmt.Errorf("the journal after a kill: %w", err)
	}
	t := m.Get(n.uuid)
	switch {
	case t == nil && refused:
		return ended, nil
	case t == nil && !sent:
		return beforePut, nil
	case t == nil:
		return putToIntent, nil
	}
	sum, err := s.ledger()
	if err != nil {
		return "", err
	}
	entries := find(sum.Entries, n.typ, n.amount)
	undone := len(entries) > 0 && entries[0].Net == 0
	switch {
	case t.State == txn.StatePending && len(entries) == 0:
		return intentToHost, nil
	case t.State == txn.StatePending:
		return hostToJournal, nil
	case t.State == txn.StateApproved && confirming:
		return confirmToRecord, nil
	case t.State == txn.StateApproved:
		return approvedToApp, nil
	case t.State == txn.StateConfirmed && t.Shown == "":
		return confirmedToShown, nil
	case t.State == txn.StateReversing && t.HostRefused:
		return escalatedOpen, nil
	case t.State == txn.StateReversing && t.Hold == txn.HoldWaiting:
		return holdDown, nil
	case t.State == txn.StateReversing && t.Hold == txn.HoldOver:
		return secondSeries, nil
	case t.State == txn.StateReversing && undone:
		return reversalAnswered, nil
	case t.State == txn.StateReversing:
		return reversalOwed, nil
	default:
		return ended, nil
	}
}
