package agent

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Mark is a high-water mark outside of the journal (R15): a file on another
// medium, a secure counter, whatever the same accident does not reach. Only by
// it can a journal be known to be lost, or to be an older copy.
type Mark interface {
	// Read gives what was written last, or false where nothing ever was. An
	// error means that it is not known: the agent does not start then.
	Read() (txn.Mark, bool, error)
	// Write replaces it. When it returns nil the new one is what every later
	// Read gives; when it returns an error, or the process dies inside, it is
	// the old one or the new one.
	Write(txn.Mark) error
}

// ErrMark says that the mark cannot be read, so that it is not known whether
// the journal is whole.
var ErrMark = errors.New("the journal's mark cannot be read")

// The mark is written at the start, when the journal begins a segment, when it
// has moved so far, and at the end. Numbering that runs further ahead than
// markSlack is refused, so that a jump by txn.STANMargin clears it.
const (
	markEntries = 256                  // journal entries
	markSTANs   = 64                   // of one terminal
	markSlack   = txn.STANMargin - 100 // of one terminal, for what is under way
)

// marks keeps the mark up to date, beside the loop: a slow medium holds up no
// sale until numbering runs out of the slack.
type marks struct {
	mark    Mark // nil: there is none
	log     *zap.Logger
	current func() txn.Mark // of what is durable
	due     chan struct{}   // one is enough
	rolled  atomic.Bool     // the journal began a segment

	mu    sync.Mutex
	epoch uint64                       // of the last one written
	entry uint64                       // likewise
	heads map[iso8583.TID]iso8583.STAN // likewise
	err   error                        // of the last write
}

func newMarks(m Mark, log *zap.Logger, current func() txn.Mark) *marks {
	return &marks{mark: m, log: log, current: current, due: make(chan struct{}, 1)}
}

// read is what the core is told at the start; nil: nothing is known.
func (k *marks) read() (*txn.Mark, error) {
	if k.mark == nil {
		return nil, nil
	}
	m, ok, err := k.mark.Read()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMark, err)
	case !ok:
		return nil, nil
	}
	k.remember(&m)
	return &m, nil
}

func (k *marks) remember(m *txn.Mark) {
	k.epoch, k.entry, k.heads = m.Epoch, m.Entry, map[iso8583.TID]iso8583.STAN{}
	for _, h := range m.Heads {
		k.heads[h.TID] = h.Next
	}
}

// write makes what is durable now the mark.
func (k *marks) write() {
	if k.mark == nil {
		return
	}
	m := k.current()
	err := k.mark.Write(m)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.remember(&m)
	} else if k.err == nil {
		k.log.Error("the mark was not written; sales go on for a while", zap.Error(err))
	}
	k.err = err
}

// run writes when it is due, and at the end.
func (k *marks) run(stop <-chan struct{}) {
	for {
		select {
		case <-k.due:
			k.write()
		case <-stop:
			k.write()
			return
		}
	}
}

// moved says that the journal has come to entry, and terminals' numbering to
// heads. It never waits.
func (k *marks) moved(entry uint64, next func(iso8583.TID) iso8583.STAN, tids []iso8583.TID) {
	if k.mark == nil {
		return
	}
	due := k.rolled.Swap(false)
	k.mu.Lock()
	due = due || k.err != nil || entry-k.entry >= markEntries
	for _, tid := range tids {
		due = due || !k.within(tid, next(tid), markSTANs)
	}
	k.mu.Unlock()
	if due {
		k.ask()
	}
}

// ask has the mark written soon.
func (k *marks) ask() {
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// covers says whether the mark knows the epoch, so that a loss begins a later
// one, and whether the terminal's next STAN is so little ahead of it that a jump
// clears it.
func (k *marks) covers(epoch uint64, tid iso8583.TID, next iso8583.STAN) bool {
	if k.mark == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	ok := k.epoch == epoch && k.within(tid, next, markSlack)
	if !ok {
		k.ask()
	}
	return ok
}

func (k *marks) within(tid iso8583.TID, next, slack iso8583.STAN) bool {
	known := k.heads[tid]
	return known <= next && next-known < slack
}

// Err says why the mark was not written last time, or nil.
func (k *marks) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
