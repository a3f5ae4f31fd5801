package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// loop owns the machine. It never waits for the disk or the network.
func (a *Agent) loop(ctx context.Context) error {
	for _, tid := range a.wakeSigners() {
		a.step(txn.Keyless{TID: tid})
	}
	for _, uuid := range a.machine.Open() {
		a.step(txn.Recovered{UUID: uuid})
	}
	for _, group := range a.machine.DataKeys() {
		a.step(txn.Recovered{UUID: group})
	}
	for _, group := range a.machine.Settling() {
		if err := a.take(txn.Recovered{UUID: group}); err != nil {
			return err
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		a.handOver()
		timer.Reset(a.alarms.sleep(a.clock().Boot))
		select {
		case <-ctx.Done():
			return nil
		case ev := <-a.events:
			if err := a.take(ev); err != nil {
				return err
			}
		case l := <-a.loaded:
			if err := a.takeLoaded(l); err != nil {
				return err
			}
		case s := <-a.synced:
			if s.err != nil {
				return fmt.Errorf("journal: %w", s.err)
			}
			for _, r := range a.fence.Durable() {
				a.obey(r, s.first)
				s.first += journal.LSN(len(r.Records))
			}
			a.drain()
			a.evict()
			a.marks.moved(uint64(a.journal.Last()), a.machine.Next, a.tids)
		case <-timer.C:
		}
		for _, uuid := range a.alarms.due(a.clock().Boot) {
			a.view.passed(uuid)
			if err := a.take(txn.Timeout{UUID: uuid}); err != nil {
				return err
			}
		}
		a.metrics.fence.Store(int64(a.fence.Waiting()))
		a.metrics.loading.Store(int64(a.loading))
	}
}

// intentBytes is what the journal is asked to have room for before an intent:
// the intent and everything that may follow it.
const intentBytes = 8192

// Refusals of the shell, beside those of the core.
const (
	codeOverloaded  txn.Code = "overloaded"
	codeJournalFull txn.Code = "journal_full"
	codeQuarantine  txn.Code = "journal_quarantine"
	codeRetired     txn.Code = "retired"
	codeMarkBehind  txn.Code = "mark_behind"
)

// take looks after what an event needs before it may be stepped.
func (a *Agent) take(ev txn.Event) error {
	if b, ok := ev.(txn.Begin); ok && a.fence.Waiting() >= fenceLimit && a.machine.Get(b.UUID) == nil {
		a.answer(txn.Answer{Req: b.Req, UUID: b.UUID, Code: codeOverloaded})
		return nil
	}
	keys, dataKey := a.machine.Needs(ev), txn.NoDataKey
	if b, ok := ev.(txn.Begin); ok {
		dataKey = a.machine.NextDataKey(b.TID)
	}
	if len(keys) == 0 && dataKey == txn.NoDataKey {
		a.stepKnown(ev)
		return nil
	}
	a.loading++
	if a.loading > lookups { // more than the disk keeps up with: let it hold up the loop
		return a.takeLoaded(a.prepare(ev, keys, dataKey))
	}
	go func() { a.loaded <- a.prepare(ev, keys, dataKey) }()
	return nil
}

// prepare is load, for what may begin a data key, which is made beforehand.
func (a *Agent) prepare(ev txn.Event, keys []string, dataKey uint32) loaded {
	l := a.load(ev, keys)
	if dataKey == txn.NoDataKey || l.err != nil {
		return l
	}
	err := a.journal.MakeKey(dataKey)
	if l.full = errors.Is(err, journal.ErrNoSpace); l.full {
		a.log.Warn("no room for a data key", zap.Error(err))
	} else {
		l.err = err
	}
	return l
}

// stepKnown steps an event of which the machine has all that it needs, unless the
// shell cannot bear what it would begin. What has begun already is never refused
// so: its application would believe that it had not.
func (a *Agent) stepKnown(ev txn.Event) {
	if b, ok := ev.(txn.Begin); ok && a.machine.Get(b.UUID) == nil {
		if code := a.unable(&b); code != "" {
			a.answer(txn.Answer{Req: b.Req, UUID: b.UUID, Code: code})
			return
		}
	}
	a.step(ev)
}

// unable says why nothing new can begin, or "".
func (a *Agent) unable(b *txn.Begin) txn.Code {
	if err := a.journal.Reserve(journal.ClassIntent, intentBytes); err != nil {
		a.log.Warn("new transaction refused", zap.Error(err))
		if errors.Is(err, journal.ErrQuarantined) {
			return codeQuarantine
		}
		return codeJournalFull
	}
	if !a.marks.covers(a.machine.Epoch(), b.TID, a.machine.Next(b.TID)) {
		a.log.Warn("new transaction refused: the mark is too far behind", zap.Error(a.marks.Err()))
		return codeMarkBehind
	}
	return ""
}

// loaded is an event with what it needed from the journal.
type loaded struct {
	ev      txn.Event
	records []txn.Record
	retired bool // the transaction was here, and is past its time
	full    bool // no data key can be made for it
	err     error
}

// asked gives whom an event is about, where somebody waits for its answer.
func asked(ev txn.Event) (req uint64, uuid string) {
	switch e := ev.(type) {
	case txn.Begin:
		return e.Req, e.UUID
	case txn.Confirm:
		return e.Req, e.UUID
	case txn.Cancel:
		return e.Req, e.UUID
	case txn.Shown:
		return e.Req, e.UUID
	case txn.Resolve:
		return e.Req, e.UUID
	case txn.Acknowledge:
		return e.Req, e.UUID
	case txn.Settle:
		return e.Req, ""
	case txn.BatchResolve:
		return e.Req, ""
	}
	return 0, ""
}

// load reads the groups that keys name, each record once: the same transaction
// is found under its UUID and under its sale.
func (a *Agent) load(ev txn.Event, keys []string) loaded {
	l := loaded{ev: ev}
	seen := map[journal.LSN]bool{}
	for _, key := range keys {
		entries, err := a.journal.Lookup(key)
		if err != nil {
			return loaded{ev: ev, err: err}
		}
		if _, uuid := asked(ev); len(entries) == 0 && key == uuid {
			if _, l.retired, err = a.journal.Retired(uuid); err != nil {
				return loaded{ev: ev, err: err}
			}
		}
		for _, e := range entries {
			if seen[e.LSN] {
				continue
			}
			seen[e.LSN] = true
			r, err := decode(e)
			if err != nil {
				return loaded{ev: ev, err: err}
			}
			l.records = append(l.records, r)
		}
	}
	return l
}

func (a *Agent) takeLoaded(l loaded) error {
	a.loading--
	if l.err != nil {
		return fmt.Errorf("looking up: %w", l.err)
	}
	if l.retired {
		req, uuid := asked(l.ev)
		a.answer(txn.Answer{Req: req, UUID: uuid, Code: codeRetired})
		return nil
	}
	fresh := slices.DeleteFunc(l.records, func(r txn.Record) bool { return a.machine.Get(r.Group()) != nil })
	if len(fresh) > 0 {
		a.machine.Load(fresh)
		a.late = append(a.late, lateLoad{before: a.stepped, records: fresh})
	}
	if req, uuid := asked(l.ev); l.full && a.machine.Get(uuid) == nil {
		a.answer(txn.Answer{Req: req, UUID: uuid, Code: codeJournalFull})
		return nil
	}
	a.stepKnown(l.ev)
	return nil
}

// lateLoad is what was brought back for an event. The view takes it when that
// event's Ready is obeyed, not at once: it folds in the machine's order, so
// that both forget the same transactions, and it never gets a record twice,
// from the look-up and from the Ready that made it.
type lateLoad struct {
	before  uint64 // the number of the Ready
	records []txn.Record
}

// step steps, and whatever that brought about, in order.
func (a *Agent) step(ev txn.Event) {
	a.queued = append(a.queued, ev)
	a.drain()
}

// drain steps what obeying brought about.
func (a *Agent) drain() {
	for len(a.queued) > 0 {
		next := a.queued[0]
		a.queued = a.queued[1:]
		a.wake()
		ready := a.machine.Step(a.clock(), next)
		a.stepped++
		for _, r := range a.fence.Push(ready) {
			a.obey(r, 0) // without records: nothing else comes out here
		}
	}
}

// handOver gives the syncer the next batch, if it is idle.
func (a *Agent) handOver() {
	if batch := a.fence.Batch(); batch != nil {
		a.batch <- batch // empty: the fence hands out one at a time
	}
}

// synced is what became of a batch.
type synced struct {
	first journal.LSN // of its first record
	err   error
}

// syncer makes batches durable, one at a time, until the first failure. While
// it syncs the loop goes on stepping, so that what comes in meanwhile becomes
// the next batch.
func (a *Agent) syncer() {
	for batch := range a.batch {
		start := time.Now()
		first, err := a.journal.Append(entries(batch))
		a.metrics.sync.observe(time.Since(start))
		a.synced <- synced{first, err}
		if err != nil {
			return
		}
	}
}

// entries gives records the journal's form.
func entries(batch []txn.Record) []journal.Entry {
	out := make([]journal.Entry, 0, len(batch))
	for _, r := range batch {
		e := journal.Entry{
			Type: uint16(r.Type()), Group: r.Group(), Keys: txn.Keys(r),
			Class: journal.ClassOutcome, Clear: txn.Encode(nil, r),
		}
		if i, ok := r.(*txn.Intent); ok {
			e.Class, e.KeyID, e.Sealed = journal.ClassIntent, max(i.DataKey, txn.FirstDataKey), i.Card.Template()
		}
		out = append(out, e)
	}
	return out
}

// obey does what a released Ready says, from top to bottom: its records are
// durable, so they may be seen; then the signers, the host, the journal's data keys, timers, leases, answers.
func (a *Agent) obey(r txn.Ready, first journal.LSN) {
	for len(a.late) > 0 && a.late[0].before <= a.obeyed {
		a.view.load(a.late[0].records)
		a.late = a.late[1:]
	}
	a.obeyed++
	a.cry(a.view.apply(r.Records))
	a.publish(r.Records, first) // before the answers: who has one, finds it in lists and events
	for _, rec := range r.Records {
		a.log.Info("journaled", zap.Stringer("record", rec.Type()), zap.String("transaction", rec.Group()))
	}
	for _, k := range r.Keys {
		a.loadKeys(k)
	}
	for _, o := range r.Messages {
		a.send(o, r.Stepped)
	}
	for _, n := range r.Destroy {
		a.shredders.Go(func() { a.destroyKey(n) })
	}
	for _, t := range r.Timers {
		a.alarms.set(t.UUID, t.At)
		a.view.awaits(t)
	}
	for _, id := range r.Ended {
		a.leases.end(id)
	}
	for _, ans := range r.Answers {
		a.answer(ans)
	}
}

// destroyKey destroys a data key, beside the loop. A failure is not told: the core
// asks again.
func (a *Agent) destroyKey(n uint32) {
	if err := a.journal.DestroyKey(n); err != nil {
		a.log.Error("data key not destroyed: it is tried again", zap.Uint32("key", n), zap.Error(err))
		return
	}
	a.log.Info("data key destroyed", zap.Uint32("key", n))
	a.post(txn.KeyDestroyed{Number: n})
}

// send gives a message to its acquirer's link. What cannot even be composed
// has certainly not left. Its time to be sent runs from the step that decided it,
// however long its records took to become durable.
func (a *Agent) send(o txn.Outbound, stepped time.Duration) {
	acq, err := a.acquirerOf(o.Facts.TID)
	if err == nil {
		switch {
		case o.Batch():
			err = a.unsealRecords(&o)
		case !o.Request():
			o.Facts.Card, err = a.unseal(o.CardOf())
		}
		if err == nil {
			err = acq.send(o, a.clock().Boot-stepped)
		}
	}
	if err != nil {
		a.log.Error("message not sent", zap.String("transaction", o.UUID), zap.String("kind", string(o.Facts.Kind)), zap.Error(err))
		if errors.Is(err, mac.ErrNoKey) {
			a.queued = append(a.queued, txn.Keyless{TID: o.Facts.TID})
		}
		a.queued = append(a.queued, txn.Unsent{UUID: o.UUID, Route: o.Route, Attempt: o.Attempt, Inquiry: o.Inquiry})
	}
}

func (a *Agent) acquirerOf(tid iso8583.TID) (*acquirer, error) {
	t, ok := a.terminals[tid]
	if !ok {
		return nil, fmt.Errorf("terminal %s is no longer configured: put it back until nothing of it is open", tid)
	}
	return a.acquirers[t.Acquirer], nil
}

// errNoTemplate says that an intent has no sealed card data.
var errNoTemplate = errors.New("no sealed card data in the journal")

// unseal reads what a reversal, an inquiry or an advice needs of the card back
// from the journal.
func (a *Agent) unseal(uuid string) (*iso8583.Card, error) {
	entries, err := a.journal.Lookup(uuid)
	if err != nil {
		return nil, fmt.Errorf("reading the card of %s: %w", uuid, err)
	}
	for _, e := range entries {
		if txn.RecordType(e.Type) != txn.TypeIntent || e.Group != uuid {
			continue
		}
		plain, err := a.journal.Unseal(e)
		if err != nil {
			return nil, fmt.Errorf("reading the card of %s: %w", uuid, err)
		}
		return iso8583.ParseTemplate(plain)
	}
	return nil, fmt.Errorf("%s: %w", uuid, errNoTemplate)
}

// unsealRecords reads the card numbers of an upload's records back.
func (a *Agent) unsealRecords(o *txn.Outbound) error {
	for i, uuid := range o.Of {
		card, err := a.unseal(uuid)
		if err != nil {
			return err
		}
		o.Facts.Settlement.Records[i].PAN = card.PAN
		if o.Facts.Kind.ChipUpload() {
			o.Facts.Card = card
		}
	}
	return nil
}

// evict lets settled transactions go, at a moment when nothing is held back
// and nothing is being looked up: then machine and view hold the same, and the
// index, which is written in the same breath as the journal, has all of it.
func (a *Agent) evict() {
	if a.loading == 0 && a.fence.Waiting() == 0 {
		a.machine.Evict(a.hot)
		a.view.evict(a.hot)
	}
}
