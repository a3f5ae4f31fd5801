package hostsim

import (
	"fmt"
	"sync"
	"time"
)

// book is a ledger with its file. Every decision is durable before book
// returns it, so an answer never tells of money that a crash could undo.
type book struct {
	mu     sync.Mutex
	ledger *Ledger
	file   *ledgerFile // nil: in memory only
	path   string
	policy Policy
}

// openBook folds the file at path, or starts in memory where path is empty.
func openBook(path string, p Policy, now time.Time) (*book, string, error) {
	b := &book{path: path, policy: p, ledger: NewLedger()}
	if path == "" {
		return b, "", nil
	}
	note, err := b.load(now)
	return b, note, err
}

// load folds the file anew and ends what a restart leaves unfinished.
func (b *book) load(now time.Time) (note string, err error) {
	l := NewLedger()
	f, note, err := openLedgerFile(b.path, l.Apply)
	if err != nil {
		return "", err
	}
	b.ledger, b.file = l, f
	if err := b.write(l.Unfinished(now)); err != nil {
		_ = f.close()
		return "", err
	}
	return note, nil
}

// do makes one decision and its events durable.
func (b *book) do(decide func(*Ledger, Policy) Verdict) (Verdict, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := decide(b.ledger, b.policy)
	if err := b.write(v.Events); err != nil {
		return Verdict{Code: CodeMalfunction}, err
	}
	return v, nil
}

// write appends, syncs, then applies.
func (b *book) write(evs []Event) error {
	if len(evs) == 0 {
		return nil
	}
	if b.file != nil {
		if err := b.file.append(evs); err != nil {
			return err
		}
	}
	for _, ev := range evs {
		if err := b.ledger.Apply(ev); err != nil {
			return fmt.Errorf("apply what was just decided: %w", err)
		}
	}
	return nil
}

// restart throws memory away and folds the file again, as a new process would;
// forget empties the file first. A ledger in memory only keeps what it has,
// unless it is to forget.
func (b *book) restart(now time.Time, forget bool) (note string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		if forget {
			b.ledger = NewLedger()
		}
		return "", b.write(b.ledger.Unfinished(now))
	}
	if forget {
		if err := b.file.truncate(0); err != nil {
			return "", fmt.Errorf("%w %s: forget: %w", ErrLedgerFile, b.path, err)
		}
	}
	if err := b.file.close(); err != nil {
		return "", fmt.Errorf("%w %s: close: %w", ErrLedgerFile, b.path, err)
	}
	return b.load(now)
}

// views is a snapshot; index numbers the ledger among the host's.
func (b *book) views(index int) []EntryView {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.views(index)
}

func (b *book) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	return b.file.close()
}
