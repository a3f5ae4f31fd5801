package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/push"
)

// ear is a receiver in memory.
type ear struct {
	t testing.TB

	mu    sync.Mutex
	heard []client.Push
	deaf  func(m push.Message) error // says why a message is not taken
	tries int
}

func (e *ear) Name() string                { return "ear" }
func (e *ear) Check(context.Context) error { return nil }

func (e *ear) Deliver(_ context.Context, m push.Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tries++
	if e.deaf != nil {
		if err := e.deaf(m); err != nil {
			return err
		}
	}
	var p client.Push
	if err := json.Unmarshal(m.Body, &p); err != nil {
		e.t.Error(err)
	}
	if err := contract.check(map[string]any{"$ref": "#/components/schemas/Push"}, m.Body); err != nil {
		e.t.Errorf("what is pushed is not what agent/openapi.yaml says: %v\n%s", err, m.Body)
	}
	if strings.Contains(string(m.Body), testPAN) || strings.Contains(string(m.Body), "\n") {
		e.t.Errorf("a card number or a line feed: %s", m.Body)
	}
	e.heard = append(e.heard, p)
	return nil
}

func (e *ear) hears(deaf func(push.Message) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf = deaf
}

// take gives what was heard since the last time.
func (e *ear) take() []client.Push {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	heard := e.heard
	e.heard = nil
	return heard
}

func (e *ear) want(events ...client.PushEvent) []client.Push {
	e.t.Helper()
	heard := e.take()
	var got []client.PushEvent
	for _, p := range heard {
		got = append(got, p.Event)
	}
	if !slices.Equal(got, events) {
		e.t.Fatalf("heard %v, want %v", got, events)
	}
	return heard
}

func withEar(t *testing.T) (*ear, func(*lab)) {
	e := &ear{t: t}
	return e, func(l *lab) {
		l.opts = func(o *agent.Options) { o.Push = agent.PushOptions{Sinks: []push.Sink{e}, Reminder: 10 * time.Minute} }
	}
}

// undelivered is a paid sale whose goods were not handed over: an open item.
func (l *lab) undelivered(ref string) string {
	l.t.Helper()
	id := client.NewUUID()
	l.begin(id, l.sale(ref, 700), time.Minute)
	if _, err := l.client.Confirm(l.ctx(), id); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.client.Shown(l.ctx(), id, "no"); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lab) acknowledge(id, who string) {
	l.t.Helper()
	if _, err := l.client.Acknowledge(l.ctx(), id, client.Acknowledge{Item: 1, Who: who}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) closed(id string) {
	l.t.Helper()
	if _, err := l.client.Resolve(l.ctx(), id, client.Resolve{Verb: "close", Who: "anna", Why: "handed over"}); err != nil {
		l.t.Fatal(err)
	}
}

// Raised, reminded of until somebody takes it on, closed: each told once while
// the receiver takes it.
func TestItemReachesSomebody(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		id := l.undelivered("S1")
		p := e.want(client.PushRaised)[0]
		if p.ID != id+"/1/raised" || p.Item.Cause != "not_delivered" || p.Item.Procedure != "docs/operations.md#not_delivered" ||
			p.Transaction.UUID != id || p.Transaction.State != "confirmed" || len(p.Item.Evidence) != 1 || p.Item.Evidence[0].Record != "approved" {
			t.Fatalf("%+v", p)
		}
		time.Sleep(25 * time.Minute)
		r := e.want(client.PushReminder, client.PushReminder)
		if r[0].ID == r[1].ID {
			t.Fatalf("two reminders have one ID, %s", r[0].ID)
		}
		l.acknowledge(id, "anna")
		if p := e.want(client.PushAcknowledged)[0]; p.Item.AcknowledgedBy != "anna" || p.Item.Closed {
			t.Fatalf("%+v", p.Item)
		}
		time.Sleep(time.Hour)
		e.want()
		l.acknowledge(id, "berta") // takes it over
		e.want(client.PushAcknowledged)
		l.closed(id)
		if p := e.want(client.PushClosed)[0]; p.Item.ClosedBy != "anna" || !p.Item.Closed {
			t.Fatalf("%+v", p.Item)
		}
		time.Sleep(time.Hour)
		e.want()
	}, option)
}

// At least once: what was not acknowledged is told again after a restart, under
// the same ID; what was closed lately, too.
func TestItemIsToldAgainAfterARestart(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		open, done := l.undelivered("S1"), l.undelivered("S2")
		e.want(client.PushRaised, client.PushRaised)
		e.hears(func(push.Message) error { return errors.New("deaf") })
		l.closed(done)
		e.want()
		_ = l.stop()
		l.reopen()
		e.hears(nil)
		l.start()
		var ids []string
		for _, p := range e.take() {
			ids = append(ids, p.ID)
		}
		slices.Sort(ids)
		want := []string{open + "/1/raised", done + "/1/closed"}
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			t.Fatalf("heard %v, want %v", ids, want)
		}
		_ = l.stop()
		time.Sleep(25 * time.Hour)
		l.reopen()
		l.start()
		if got := e.want(client.PushRaised); got[0].ID != open+"/1/raised" {
			t.Fatalf("heard %v", got)
		}
	}, option)
}

// A receiver that does not take one message gets the others, and that one again
// after a pause that grows; the agent waits for none of it.
func TestOneThatCannotBeToldHoldsUpNoOther(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		bad := ""
		e.hears(func(m push.Message) error {
			if bad == "" || strings.HasPrefix(m.ID, bad) {
				bad, _, _ = strings.Cut(m.ID, "/")
				return errors.New("poison")
			}
			return nil
		})
		first := l.undelivered("S1")
		e.want()
		second := l.undelivered("S2")
		if p := e.want(client.PushRaised); bad != first || p[0].Transaction.UUID != second {
			t.Fatalf("%+v", p)
		}
		l.acknowledge(second, "anna") // or its reminders would be heard
		e.want(client.PushAcknowledged)
		e.mu.Lock()
		before := e.tries
		e.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		e.mu.Lock()
		tries := e.tries - before
		e.mu.Unlock()
		if tries < 12 || tries > 25 { // 1, 2, 4 … 256 s, then every five minutes
			t.Fatalf("%d tries in an hour", tries)
		}
		e.hears(nil)
		time.Sleep(5 * time.Minute)
		e.want(client.PushRaised)
	}, option)
}

// More items at once than the crier is marked: none is forgotten.
func TestEveryItemIsTold(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		const n = 40
		e.hears(func(push.Message) error { return errors.New("deaf") })
		ids := map[string]bool{}
		for i := range n {
			ids[l.undelivered("S"+string(rune('A'+i%26))+string(rune('a'+i/26)))+"/1/raised"] = true
		}
		e.hears(nil)
		time.Sleep(9 * time.Minute)
		for _, p := range e.take() {
			delete(ids, p.ID)
		}
		if len(ids) != 0 {
			t.Fatalf("%d of %d were never told", len(ids), n)
		}
	}, option)
}

// A loss of journal entries is told of and reminded of like an item, until a
// person closes it; after a restart too.
func TestLossReachesSomebody(t *testing.T) {
	e, option := withEar(t)
	mark := &memoryMark{m: someMark, ok: true}
	bubble(t, func(l *lab) {
		p := e.want(client.PushRaised)[0]
		if p.Loss == nil || p.Loss.Ended != someMark.Epoch || p.ID != fmt.Sprintf("loss-%d/raised", p.Loss.Epoch) {
			t.Fatalf("%+v", p)
		}
		time.Sleep(25 * time.Minute)
		if r := e.want(client.PushReminder, client.PushReminder); r[0].ID == r[1].ID {
			t.Fatalf("two reminders have one ID, %s", r[0].ID)
		}
		if _, err := l.client.CloseLoss(l.ctx(), p.Loss.Epoch, client.Resolve{Verb: "close", Who: "anna", Why: "compared"}); err != nil {
			t.Fatal(err)
		}
		if p := e.want(client.PushClosed)[0]; !p.Loss.Closed {
			t.Fatalf("%+v", p)
		}
		time.Sleep(time.Hour)
		e.want()
	}, option, func(l *lab) {
		inner := l.opts
		l.opts = func(o *agent.Options) { inner(o); o.Mark = mark }
	})
}
