package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The profile's own timers, at their real length, in fake time.

// only makes a mishap for one kind of message.
func only(class byte, x mishap) func(*iso8583.Message, int) mishap {
	return func(m *iso8583.Message, _ int) mishap {
		if m.MTI.Class() == class {
			return x
		}
		return mishap{}
	}
}

// first makes a mishap for the first n of one kind.
func first(n int, class byte, x mishap) func(*iso8583.Message, int) mishap {
	return func(m *iso8583.Message, i int) mishap {
		if m.MTI.Class() == class && i <= n {
			return x
		}
		return mishap{}
	}
}

func TestResponseTimeoutIs40Seconds(t *testing.T) {
	bubble(t, func(l *lab) {
		id, start := client.NewUUID(), time.Now()
		tx := l.begin(id, l.sale("S1", 1234), 2*time.Minute)
		if took := time.Since(start); took != 40*time.Second || tx.State != "reversing" || tx.Cause != "timeout" {
			t.Fatalf("%s %s after %s", tx.State, tx.Cause, took)
		}
		// The 0400 was answered 00 at once; the request may still be on its
		// way, so the hold-down of 300 s comes before the end.
		synctest.Wait()
		if tx := l.get(id); !tx.HoldDown {
			t.Fatalf("no hold-down: %+v", tx)
		}
		time.Sleep(300*time.Second - time.Millisecond)
		l.state(id, "reversing")
		// The answer may overtake the word that the reversal was sent: then it
		// counts as leaving until its send timeout.
		time.Sleep(11 * time.Second)
		l.state(id, "reversed")
		if l.host.total() != 0 {
			t.Errorf("the ledger holds %d", l.host.total())
		}
	}, func(l *lab) { l.host.mishap = only('2', mishap{mute: true}) })
}

// An answer after 25 s reaches a call that waits for it: no other deadline of
// the server cuts the wait.
func TestWaitLastsAsLongAsAsked(t *testing.T) {
	bubble(t, func(l *lab) {
		id, start := client.NewUUID(), time.Now()
		tx := l.begin(id, l.sale("S1", 1234), 30*time.Second)
		if took := time.Since(start); took != 25*time.Second || tx.State != "approved" {
			t.Fatalf("%s after %s", tx.State, took)
		}
		// A wait that ends before the outcome answers what there is, when it
		// ends and not before.
		id, start = client.NewUUID(), time.Now()
		tx = l.begin(id, l.sale("S2", 1234), 20*time.Second)
		if took := time.Since(start); took != 20*time.Second || tx.State != "pending" || tx.Must != client.MustWait {
			t.Fatalf("%s after %s", tx.State, took)
		}
		tx, err := l.client.Get(l.ctx(), id, 20*time.Second)
		if took := time.Since(start); err != nil || took != 25*time.Second || tx.State != "approved" {
			t.Fatalf("%+v %v after %s", tx, err, took)
		}
	}, func(l *lab) { l.host.mishap = only('2', mishap{late: 25 * time.Second}) })
}

// R9: nobody confirms within 60 s. The answer was seen, so no hold-down.
func TestUnconfirmedIsReversedAfter60Seconds(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 1234), time.Minute)
		l.state(id, "approved")
		time.Sleep(60*time.Second - time.Millisecond)
		l.state(id, "approved")
		time.Sleep(time.Second)
		if tx := l.state(id, "reversed"); tx.Cause != "unconfirmed" || l.host.total() != 0 {
			t.Fatalf("%+v, the ledger holds %d", tx, l.host.total())
		}
		_, err := l.client.Confirm(l.ctx(), id)
		if p := client.AsProblem(err); p == nil || p.Code != "not_approved" {
			t.Fatalf("confirm after the reversal: %v", err)
		}
	})
}

// R10: confirmed, and nobody says that it was shown.
func TestNotShownIsEscalatedAfter60Seconds(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 1234), time.Minute)
		if _, err := l.client.Confirm(l.ctx(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		list, err := l.client.Escalations(l.ctx())
		if err != nil || len(list.Transactions) != 1 || list.Transactions[0].Items[0].Cause != "not_shown" {
			t.Fatalf("%+v %v", list, err)
		}
		if l.host.total() != 1234 {
			t.Fatalf("the ledger holds %d", l.host.total())
		}
	})
}

// Row "Attempts": three at once, then slower, escalated at six, sent for ever.
func TestReversalScheduleNeverEnds(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 1234), time.Minute)
		if tx, err := l.client.Cancel(l.ctx(), id, "customer"); err != nil || tx.State != "reversing" {
			t.Fatalf("%+v %v", tx, err)
		}
		start := time.Now()
		for _, step := range []struct {
			at       time.Duration // since the cancel
			attempts int
			items    int
		}{
			{0, 1, 0}, {20 * time.Second, 2, 0}, {40 * time.Second, 3, 0}, // each waits 20 s for its answer
			{70 * time.Second, 4, 0},    // 10 s
			{110 * time.Second, 5, 0},   // 20 s
			{170 * time.Second, 6, 0},   // 40 s
			{190 * time.Second, 6, 1},   // the sixth is not answered either: a person
			{270 * time.Second, 7, 1},   // 80 s
			{450 * time.Second, 8, 1},   // 160 s
			{770 * time.Second, 9, 1},   // 300 s
			{1090 * time.Second, 10, 1}, // and so on
			{24 * time.Hour, 276, 1},
		} {
			time.Sleep(step.at - time.Since(start))
			synctest.Wait()
			tx := l.state(id, "reversing")
			if tx.Attempts != step.attempts || len(tx.Items) != step.items {
				t.Fatalf("after %s: attempt %d with %d items, want %d with %d", step.at, tx.Attempts, len(tx.Items), step.attempts, step.items)
			}
		}
		if tx := l.get(id); tx.Items[0].Cause != "silence" {
			t.Fatalf("%+v", tx.Items)
		}
		sent := l.host.messages()
		if sent[1] != "0400" || sent[2] != "0401" {
			t.Fatalf("%v", sent[:3])
		}
	}, func(l *lab) { l.host.mishap = only('4', mishap{drop: true}) })
}
