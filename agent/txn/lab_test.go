package txn

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// stored is a record as a journal keeps it.
type stored struct {
	typ   RecordType
	group string
	clear []byte
	keys  []string
}

func store(r Record) stored {
	return stored{r.Type(), r.Group(), Encode(nil, r), Keys(r)}
}

func (s stored) load(t fataler) Record {
	t.Helper()
	r, err := Decode(s.typ, s.group, s.clear)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

// lab is one agent's core with a journal, a clock and a host's side that
// transcripts drive. It obeys each Ready through the Fence, as the shell does,
// and writes down what it sees.
type lab struct {
	t     testing.TB
	m     *Machine
	fence Fence
	now   Time
	rules iso8583.Rules // of every terminal

	implicit bool // every terminal's confirmation

	journal    []stored // what is durable
	mark       *Mark    // kept outside of it
	held       bool     // the disk takes its time
	stubborn   bool     // the journal cannot destroy a key now
	destroying []uint32 // data keys that the journal is to destroy
	writing    []Record // being synced, where a transcript says when that begins
	timers     map[string]time.Duration
	order      []string              // UUIDs as they first got a timer
	sent       map[string][]Outbound // what reached the link, by UUID
	last       string                // the transaction named last
	req        uint64
	small      bool // a restart keeps nothing settled in memory
	evicted    bool
	shown      map[string]string // the state lines printed last, by UUID
	out        strings.Builder
}

func newLab(t testing.TB) *lab {
	l := &lab{t: t, now: at(0), rules: testRules(), sent: map[string][]Outbound{}, shown: map[string]string{}}
	l.start()
	l.out.Reset() // the first start writes epoch and rules in every transcript
	return l
}

// start is the daemon's: fold the journal, configure, recover what is open.
func (l *lab) start() {
	l.m, l.fence, l.held, l.stubborn, l.destroying = New(), Fence{}, false, false, nil
	l.timers, l.order, l.shown = map[string]time.Duration{}, nil, map[string]string{}
	for _, s := range l.journal {
		l.m.Apply(s.load(l.t))
		if l.small {
			l.m.Evict(0)
		}
	}
	if err := l.m.Check(); err != nil {
		l.t.Fatal(err)
	}
	l.evicted = l.small
	c := l.config()
	c.Last, c.Mark = uint64(len(l.journal)), l.mark
	for _, s := range l.journal {
		if k, ok := s.load(l.t).(*DataKey); ok {
			c.DataKeys = max(c.DataKeys, k.Number)
		}
	}
	l.step(c)
	mark := l.m.Mark(uint64(len(l.journal)))
	l.mark = &mark
	for _, uuid := range slices.Concat(l.m.Open(), l.m.DataKeys(), l.m.Settling()) {
		if l.m.heldOf(uuid) != nil {
			l.step(Recovered{UUID: uuid})
			continue
		}
		l.printf("  recovered %s", uuid)
		l.step(Recovered{UUID: uuid})
	}
}

func (l *lab) config() Configure {
	c := testConfig(l.rules)
	for i := range c.Terminals {
		c.Terminals[i].Implicit = l.implicit
	}
	return c
}

// step loads what the event needs, steps it and obeys the Ready.
func (l *lab) step(ev Event) {
	for _, key := range l.m.Needs(ev) {
		if found := l.find(key); len(found) > 0 {
			var groups []string
			for _, r := range found {
				if !slices.Contains(groups, r.Group()) {
					groups = append(groups, r.Group())
				}
			}
			l.printf("  loaded   %s", strings.Join(groups, ", "))
			l.m.Load(found)
		}
	}
	r := l.m.Step(l.now, ev)
	for _, rec := range r.Records {
		if _, begins := rec.(*DataKey); !begins { // one for each batch
			l.printf("  record   %s", l.describe(rec))
		}
	}
	l.obey(l.fence.Push(r))
	if !l.held {
		l.sync()
	} else if !r.Empty() {
		l.printf("  held     %d message(s), %d answer(s), until the records are durable", len(r.Messages), len(r.Answers))
	}
	l.check()
	for len(l.destroying) > 0 && !l.stubborn {
		n := l.destroying[0]
		l.destroying = l.destroying[1:]
		l.step(KeyDestroyed{Number: n})
	}
}

// sync makes durable what waits, and obeys what that releases.
func (l *lab) sync() {
	for _, r := range l.fence.Batch() {
		l.journal = append(l.journal, store(r))
	}
	l.obey(l.fence.Durable())
}

func (l *lab) obey(ready []Ready) {
	for _, r := range ready {
		for _, k := range r.Keys {
			l.printf("  keys     %s: %s", k.TID, k.Keys)
		}
		for _, o := range r.Messages {
			l.sent[o.UUID] = append(l.sent[o.UUID], o)
			l.printf("  message  %s", l.message(o))
		}
		for _, n := range r.Destroy {
			l.printf("  destroy  data key %d", n)
			l.destroying = append(l.destroying, n)
		}
		for _, t := range r.Timers {
			if _, ok := l.timers[t.UUID]; !ok {
				l.order = append(l.order, t.UUID)
			}
			l.timers[t.UUID] = t.At
			l.printf("  timer    %s in %s", t.UUID, t.At-l.now.Boot)
		}
		for _, id := range r.Ended {
			l.printf("  ended    session %s", id)
		}
		for _, a := range r.Answers {
			l.printf("  answer   %s", answer(a))
		}
	}
}

// check compares the durable part of the machine with the fold of all that it
// has recorded: nothing else may have changed it.
func (l *lab) check() {
	l.t.Helper()
	if l.evicted {
		return
	}
	fold := New()
	for _, s := range l.journal {
		fold.Apply(s.load(l.t))
	}
	for _, r := range l.fence.held {
		for _, rec := range r.Records {
			fold.Apply(store(rec).load(l.t))
		}
	}
	if !bytes.Equal(fold.AppendDurable(nil), l.m.AppendDurable(nil)) {
		l.t.Fatalf("the durable state is not the fold of the records\n%s", l.out.String())
	}
}

// find is the journal's look-up: whole groups by group or key.
func (l *lab) find(key string) []Record {
	groups := map[string]bool{key: true}
	for _, s := range l.journal {
		for _, k := range s.keys {
			if k == key {
				groups[s.group] = true
			}
		}
	}
	var found []Record
	for _, s := range l.journal {
		if groups[s.group] && l.m.Get(s.group) == nil {
			found = append(found, s.load(l.t))
		}
	}
	return found
}

// due is the next deadline of uuid, or of all where uuid is empty.
func (l *lab) due(uuid string) (string, time.Duration, bool) {
	who, when, ok := "", time.Duration(0), false
	for _, u := range l.order {
		if d, set := l.timers[u]; set && (uuid == "" || u == uuid) && (!ok || d < when) {
			who, when, ok = u, d, true
		}
	}
	return who, when, ok
}

// fire lets the deadline of uuid come due.
func (l *lab) fire(uuid string) {
	l.advance(l.timers[uuid] - l.now.Boot)
	delete(l.timers, uuid)
	l.printf("  at %s time is up for %s", clock(l.now), uuid)
	l.step(Timeout{UUID: uuid})
}

func (l *lab) advance(d time.Duration) {
	l.now.Boot += d
	l.now.Wall += int64(d / time.Millisecond)
}

// pass lets d go by, with every deadline in it.
func (l *lab) pass(d time.Duration) {
	until := l.now.Boot + d
	for {
		uuid, when, ok := l.due("")
		if !ok || when > until {
			l.advance(until - l.now.Boot)
			return
		}
		l.fire(uuid)
	}
}

func (l *lab) printf(format string, args ...any) {
	fmt.Fprintf(&l.out, format+"\n", args...)
}
