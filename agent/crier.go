package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/push"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// PushOptions says who hears of the escalation queue.
type PushOptions struct {
	Sinks    []push.Sink
	Reminder time.Duration // until somebody takes an item on; zero: 15 minutes
}

const defaultReminder = 15 * time.Minute

// Bounds of what a crier keeps. Items beyond them wait in the view, where every
// open one is.
const (
	crierMarks   = 4096 // transactions that changed since it last looked
	crierItems   = 8192 // items it knows of
	crierNotices = 256  // notices not delivered yet: the oldest goes
)

// crier tells one sink of every item of the queue, at least once: raised, then
// reminders until somebody takes it on, acknowledged, closed. It keeps no
// durable state. After a start it tells each open item again as it stands, and
// what was closed within a day; receivers tell duplicates by the ID.
//
// The loop only leaves a mark (changed) and never waits for it.
type crier struct {
	agent    *Agent
	sink     push.Sink
	reminder time.Duration
	log      *zap.Logger
	wake     chan struct{} // capacity 1

	mu      sync.Mutex
	marks   map[string]bool // transactions to look at
	rescan  bool            // look at every open item
	notices []push.Message
	stats   CrierStats

	items  map[string]*telling // run's own, by item
	misses int                 // run's own: failures of notices in a row
	pause  time.Time           // run's own: no notice before
}

// CrierStats is how a sink does.
type CrierStats struct {
	Name      string
	Waiting   int // tellings not taken yet
	Delivered uint64
	Failed    uint64 // tries
	Dropped   uint64 // notices
}

// telling is what a sink knows of one item.
type telling struct {
	uuid   string
	number int
	item   txn.Item
	loss   *client.Loss // instead of a transaction's item
	batch  *client.Batch

	raised bool      // it was told that, or more
	ackAt  int64     // the acknowledgement that it was told of
	closed bool      // it was told that
	last   time.Time // when raised or reminded last
	due    time.Time // of the reminder that is being told: part of its ID

	failures int
	next     time.Time
}

func newCrier(a *Agent, sink push.Sink, reminder time.Duration) *crier {
	if reminder <= 0 {
		reminder = defaultReminder
	}
	return &crier{
		agent: a, sink: sink, reminder: reminder, log: a.log.With(zap.String("receiver", sink.Name())),
		wake: make(chan struct{}, 1), marks: map[string]bool{}, items: map[string]*telling{},
		stats: CrierStats{Name: sink.Name()},
	}
}

// changed leaves a mark that something happened to uuid's items.
func (c *crier) changed(uuid string) {
	c.mu.Lock()
	if len(c.marks) < crierMarks {
		c.marks[uuid] = true
	} else {
		c.rescan = true
	}
	c.mu.Unlock()
	c.rouse()
}

func (c *crier) notice(m push.Message) {
	c.mu.Lock()
	if len(c.notices) == crierNotices {
		c.notices = c.notices[1:]
		c.stats.Dropped++
	}
	c.notices = append(c.notices, m)
	c.mu.Unlock()
	c.rouse()
}

func (c *crier) rouse() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Stats says how it does.
func (c *crier) Stats() CrierStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// run works until ctx ends.
func (c *crier) run(ctx context.Context) {
	for _, uuid := range c.agent.latelyClosed(ctx) {
		c.changed(uuid)
	}
	c.mu.Lock()
	c.rescan = true
	c.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		c.look()
		sleep := c.tellDue(ctx, time.Now())
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// look takes in what has changed.
func (c *crier) look() {
	c.mu.Lock()
	marks, rescan := c.marks, c.rescan
	c.marks, c.rescan = map[string]bool{}, false
	c.mu.Unlock()
	c.takeLosses()
	c.takeBatches()
	if rescan {
		list, _ := c.agent.view.list(crierItems, (*txn.Transaction).Escalated)
		for i := range list {
			c.take(&list[i])
		}
	}
	for uuid := range marks {
		t, ok, err := c.agent.find(uuid)
		switch {
		case err != nil: // the next time
			c.mu.Lock()
			c.marks[uuid] = true
			c.mu.Unlock()
		case ok:
			c.take(&t)
		}
	}
}

// lately is how long what is closed is told of again after a start.
const lately = 24 * time.Hour

func (c *crier) take(t *txn.Transaction) {
	now := time.Now()
	for n, item := range t.Items {
		id := itemID(t.UUID, n+1)
		known := c.items[id]
		switch {
		case known != nil:
			known.item = item
		case item.Closed && now.Sub(time.UnixMilli(item.ClosedAt)) > lately: // long past
		case len(c.items) >= crierItems && !c.forget():
			c.mu.Lock()
			c.rescan = true // when there is room again
			c.mu.Unlock()
		default:
			c.items[id] = &telling{uuid: t.UUID, number: n + 1, item: item}
		}
	}
}

// takeLosses takes in the losses of journal entries: they are few.
func (c *crier) takeLosses() {
	for _, l := range c.agent.losses(true) {
		id := fmt.Sprintf("loss-%d", l.Epoch)
		if known := c.items[id]; known != nil {
			known.item.Closed, known.loss = l.Closed, &l
		} else if !l.Closed {
			c.items[id] = &telling{uuid: id, loss: &l, item: txn.Item{Cause: txn.CauseLost, At: l.At.UnixMilli()}}
		}
	}
}

// takeBatches takes in the items of batches: they are few.
func (c *crier) takeBatches() {
	for _, tid := range c.agent.tids {
		for _, b := range c.agent.batchesOf(tid) {
			for i, it := range b.Items {
				item := txn.Item{Cause: txn.Cause(it.Cause), At: it.At.UnixMilli(), Closed: it.Closed, ClosedBy: it.ClosedBy}
				if it.ClosedAt != nil {
					item.ClosedAt = it.ClosedAt.UnixMilli()
				}
				of := b
				if known := c.items[it.ID]; known != nil {
					known.item, known.batch = item, &of
				} else if !it.Closed {
					c.items[it.ID] = &telling{uuid: strings.TrimSuffix(it.ID, fmt.Sprintf("/%d", it.Number)), number: i + 1, item: item, batch: &of}
				}
			}
		}
	}
}

// forget lets go of what is closed and told, and says whether there was any.
func (c *crier) forget() bool {
	before := len(c.items)
	for id, k := range c.items {
		if k.closed {
			delete(c.items, id)
		}
	}
	return len(c.items) < before
}

// owed is what the sink must be told of the item now, or "", and when to look
// again.
func (k *telling) owed(now time.Time, reminder time.Duration) (event client.PushEvent, at time.Time) {
	switch i := &k.item; {
	case i.Closed:
		if !k.closed {
			return client.PushClosed, k.next
		}
		return "", time.Time{}
	case i.AckBy != "":
		if k.ackAt != i.AckAt {
			return client.PushAcknowledged, k.next
		}
		return "", time.Time{}
	case !k.raised:
		return client.PushRaised, k.next
	}
	due := k.last.Add(reminder)
	if k.due.IsZero() && !now.Before(due) {
		k.due = now
	}
	if k.due.IsZero() {
		return client.PushReminder, due
	}
	return client.PushReminder, k.next
}

// tellDue tells what is due, those that failed least first, so that one that
// cannot be told holds up no other, and says how long to sleep.
func (c *crier) tellDue(ctx context.Context, now time.Time) time.Duration {
	var due []*telling
	sleep, waiting := time.Minute, 0
	for _, k := range c.items {
		event, at := k.owed(now, c.reminder)
		switch {
		case event == "":
			continue
		case now.Before(at):
			sleep = min(sleep, at.Sub(now))
			if event == client.PushReminder && k.due.IsZero() {
				continue
			}
		default:
			due = append(due, k)
		}
		waiting++
	}
	slices.SortFunc(due, func(a, b *telling) int {
		if a.failures != b.failures {
			return a.failures - b.failures
		}
		return cmp.Compare(a.item.At, b.item.At)
	})
	c.mu.Lock()
	c.stats.Waiting = waiting + len(c.notices)
	c.mu.Unlock()
	if len(due) > 0 {
		c.tell(ctx, due[0], now)
		return 0 // look again: the others may have changed meanwhile
	}
	if c.tellNotice(ctx, now) {
		return 0
	}
	if !c.pause.IsZero() {
		sleep = min(sleep, max(c.pause.Sub(now), 0))
	}
	return sleep
}

// tell tells one item and takes note of what the sink knows then.
func (c *crier) tell(ctx context.Context, k *telling, now time.Time) {
	event, _ := k.owed(now, c.reminder)
	m, err := c.message(k, event)
	if err == nil {
		err = c.sink.Deliver(ctx, m)
	}
	c.count(err)
	if err != nil {
		k.failures++
		k.next = now.Add(push.Pause(k.failures))
		if ctx.Err() == nil && k.failures&(k.failures-1) == 0 { // the 1st, 2nd, 4th …
			c.log.Warn("escalation not delivered; it is tried again", zap.String("id", m.ID), zap.Int("failures", k.failures), zap.Error(err))
		}
		return
	}
	k.failures, k.next, k.due = 0, time.Time{}, time.Time{}
	k.raised = true
	switch event {
	case client.PushRaised, client.PushReminder:
		k.last = now
	case client.PushAcknowledged:
		k.ackAt = k.item.AckAt
	case client.PushClosed:
		k.closed = true
	}
}

func (c *crier) message(k *telling, event client.PushEvent) (push.Message, error) {
	id := itemID(k.uuid, k.number)
	if k.loss != nil {
		id = k.uuid
	}
	p := client.Push{Event: event, ID: id + "/" + string(event)}
	switch event {
	case client.PushRaised:
		p.At = time.UnixMilli(k.item.At)
	case client.PushReminder:
		p.At = k.due
		p.ID += fmt.Sprintf("/%d", k.due.UnixMilli())
	case client.PushAcknowledged:
		p.At = time.UnixMilli(k.item.AckAt)
		p.ID += fmt.Sprintf("/%d", k.item.AckAt)
	case client.PushClosed:
		p.At = time.UnixMilli(k.item.ClosedAt)
	}
	p.At = p.At.UTC()
	if k.loss != nil {
		if p.Loss = k.loss; event == client.PushClosed {
			p.At = time.UnixMilli(c.agent.opts.Clock().Wall).UTC()
		}
		return message(&p, string(txn.CauseLost))
	}
	if k.batch != nil {
		b := *k.batch
		p.Item, b.Items = &b.Items[k.number-1], nil
		p.Batch = &b
		return message(&p, string(k.item.Cause))
	}
	if _, gist := c.sink.(logSink); gist {
		return push.Message{ID: p.ID, Event: string(event), Cause: string(k.item.Cause)}, nil // no body: nothing is read for it
	}
	t, ok, err := c.agent.find(k.uuid)
	switch {
	case err != nil:
		return push.Message{ID: p.ID}, err
	case !ok:
		return push.Message{ID: p.ID}, fmt.Errorf("transaction %s is not found", k.uuid)
	}
	said, err := c.agent.evidence(k.uuid)
	if err != nil {
		return push.Message{ID: p.ID}, err
	}
	p.Transaction = c.agent.present(&t)
	p.Item, p.Transaction.Items = &p.Transaction.Items[k.number-1], nil
	p.Item.Evidence = said
	return message(&p, string(k.item.Cause))
}

func message(p *client.Push, cause string) (push.Message, error) {
	body, err := json.Marshal(p)
	return push.Message{ID: p.ID, Event: string(p.Event), Cause: cause, Body: body}, err
}

// tellNotice tells the oldest notice, and says whether it was taken.
func (c *crier) tellNotice(ctx context.Context, now time.Time) bool {
	c.mu.Lock()
	none := len(c.notices) == 0
	var m push.Message
	if !none {
		m = c.notices[0]
	}
	c.mu.Unlock()
	if none || now.Before(c.pause) || ctx.Err() != nil {
		return false
	}
	err := c.sink.Deliver(ctx, m)
	c.count(err)
	if err != nil {
		c.misses++
		c.pause = now.Add(push.Pause(c.misses))
		return false
	}
	c.misses, c.pause = 0, time.Time{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notices) > 0 && c.notices[0].ID == m.ID { // it may have been dropped meanwhile
		c.notices = c.notices[1:]
	}
	return true
}

func (c *crier) count(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.stats.Failed++
	} else {
		c.stats.Delivered++
	}
}
