package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// reading is a reader of events under way.
type reading struct {
	mu   sync.Mutex
	got  []client.Event
	stop context.CancelFunc
	done chan error
}

// reads starts a reader inside the bubble.
func (l *lab) reads(lastID, terminal string) *reading {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reading{stop: cancel, done: make(chan error, 1)}
	go func() {
		r.done <- l.client.Events(ctx, lastID, "", func(e client.Event) error {
			if terminal != "" && string(e.Terminal) != terminal {
				return errors.New("of another terminal")
			}
			b, err := json.Marshal(e)
			if err == nil {
				err = contract.check(map[string]any{"$ref": "#/components/schemas/Event"}, b)
			}
			if err != nil {
				l.t.Errorf("event: %v", err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.got = append(r.got, e)
			return nil
		})
	}()
	synctest.Wait()
	return r
}

func (r *reading) events() []client.Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *reading) end() {
	r.stop()
	<-r.done
}

func names(events []client.Event) string {
	var s []string
	for _, e := range events {
		s = append(s, e.Event)
	}
	return strings.Join(s, " ")
}

// paid is a sale from intent to shown.
func (l *lab) paid(ref string) string {
	l.t.Helper()
	id := client.NewUUID()
	l.begin(id, l.sale(ref, 700), time.Minute)
	if _, err := l.client.Confirm(l.ctx(), id); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.client.Shown(l.ctx(), id, "yes"); err != nil {
		l.t.Fatal(err)
	}
	return id
}

const life = "intent approved confirmed shown"

func TestEventsOfASale(t *testing.T) {
	bubble(t, func(l *lab) {
		r := l.reads("", "")
		id := l.paid("S1")
		got := r.events()
		if names(got) != life {
			t.Fatal(names(got))
		}
		for i, state := range []string{"pending", "approved", "confirmed", ""} {
			e := got[i]
			if e.State != state || e.UUID != id || e.Terminal != testTID || e.ID != fmt.Sprintf("%d-%d", l.epoch, e.LSN) || strings.Contains(e.Detail, testPAN) {
				t.Errorf("%+v", e)
			}
		}
		r.end()

		// Resumed in the middle: what came after, once, and then what comes.
		r = l.reads(got[1].ID, "")
		if n := names(r.events()); n != "confirmed shown" {
			t.Fatal(n)
		}
		l.paid("S2")
		if n := names(r.events()); n != "confirmed shown "+life {
			t.Fatal(n)
		}
		r.end()
	})
}

// Whoever has an answer finds what it is about in lists and events.
func TestAnAnswerIsInTheList(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	for i := range 50 {
		tx := b.begin(client.NewUUID(), b.sale(fmt.Sprint("S", i), 100))
		l, err := b.client.List(b.ctx(), nil)
		if err != nil || l.Transactions[0].UUID != tx.UUID || l.Transactions[0].State != "approved" {
			t.Fatalf("%d: %+v %v", i, l.Transactions[0], err)
		}
	}
}

// The whole journal, after a restart and from beyond what memory holds: nothing
// is missing and nothing comes twice.
func TestEventsOutOfTheJournal(t *testing.T) {
	bubble(t, func(l *lab) {
		want := ""
		const n = 300 // 1,200 records: more than the feed keeps
		for i := range n {
			l.paid(fmt.Sprintf("S%d", i))
			want += " " + life
		}
		first := fmt.Sprintf("%d-0", l.epoch)
		r := l.reads(first, "")
		if got := names(r.events()); got != want[1:] {
			t.Fatalf("%d events", len(r.events()))
		}
		r.end()
		_ = l.stop()
		l.reopen()
		l.start()
		r = l.reads(first, "")
		l.paid("last")
		got := r.events()
		if names(got) != want[1:]+" "+life {
			t.Fatalf("after a restart: %d events", len(got))
		}
		for i := 1; i < len(got); i++ {
			if got[i].LSN <= got[i-1].LSN || got[i].Terminal != testTID {
				t.Fatalf("%+v after %+v", got[i], got[i-1])
			}
		}
		r.end()
	})
}

// truncated is a journal of which the oldest entries are no longer kept.
type truncated struct {
	journal.Journal
	first journal.LSN
}

func (j truncated) Scan(from journal.LSN, fn func(journal.Record) error) error {
	return j.Journal.Scan(max(from, j.first), fn)
}

// Below retention, of another epoch or beyond the journal: reset, then what
// comes.
func TestEventsReset(t *testing.T) {
	bubble(t, func(l *lab) {
		l.paid("S1")
		_ = l.stop()
		l.journal = truncated{l.journal.(*journal.Memory).Reopen(), 4}
		l.start()
		for _, id := range []string{fmt.Sprintf("%d-1", l.epoch), fmt.Sprintf("%d-4", l.epoch-1), fmt.Sprintf("%d-99", l.epoch)} {
			r := l.reads(id, "")
			l.paid(client.NewUUID())
			got := r.events()
			if names(got) != "reset "+life || got[0].Reason == "" {
				t.Errorf("after %s: %s", id, names(got))
			}
			r.end()
			r = l.reads(got[0].ID, "")
			if names(r.events()) != life {
				t.Errorf("after the reset's own ID: %s", names(r.events()))
			}
			r.end()
		}
		l.refused(t, problemCase{"a bad terminal and no ID", "GET", "/v1/nothing", "", 404, "no_such_path", client.RetryNever, ""})
		err := l.client.Events(l.ctx(), "nonsense", "", func(client.Event) error { return nil })
		if p := client.AsProblem(err); p == nil || p.Code != "bad_field" || p.Field != "Last-Event-ID" {
			t.Error(err)
		}
	})
}

func TestEventsOfOneTerminal(t *testing.T) {
	bubble(t, func(l *lab) {
		ctx, cancel := context.WithCancel(l.ctx())
		var got []client.Event
		done := make(chan error, 1)
		go func() {
			done <- l.client.Events(ctx, "", "T0000002", func(e client.Event) error { got = append(got, e); return nil })
		}()
		synctest.Wait()
		l.paid("S1")
		other := l.sale("S2", 100)
		other.Terminal = "T0000002"
		l.begin(client.NewUUID(), other, time.Minute)
		synctest.Wait()
		cancel()
		<-done
		if names(got) != "intent approved" || got[0].Terminal != "T0000002" {
			t.Errorf("%+v", got)
		}
	})
}

// A reader that takes nothing is cut and holds up nobody; an idle one gets
// heartbeats.
func TestSlowReaderIsCut(t *testing.T) {
	bubble(t, func(l *lab) {
		conn, err := l.http.dial(l.ctx())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the pipe takes nothing that is not read
		for i := range 5 {
			l.paid(fmt.Sprintf("S%d", i))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if !strings.Contains(l.log.String(), "reader of events cut") || !strings.Contains(l.metrics(), "counterfoil_event_readers_cut_total 1\n") {
			t.Error("it was not cut")
		}
	})
	bubble(t, func(l *lab) {
		conn, err := l.http.dial(l.ctx())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		heard := read(conn, 40*time.Second)
		if n := strings.Count(heard, ":\n\n"); n != 2 || !strings.Contains(heard, "text/event-stream") || !strings.Contains(heard, fmt.Sprintf("id: %d-", l.epoch)) {
			t.Errorf("%d heartbeats in 40 s:\n%s", n, heard)
		}
	})
}

// read gives what comes within d.
func read(conn net.Conn, d time.Duration) string {
	_ = conn.SetReadDeadline(time.Now().Add(d))
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return string(all)
		}
	}
}

func (l *lab) metrics() string {
	l.t.Helper()
	res, body := l.raw(http.MethodGet, "/metrics", "")
	if res.StatusCode != http.StatusOK {
		l.t.Fatalf("%d %s", res.StatusCode, body)
	}
	return string(body)
}

// Too many readers are refused; those that end make room.
func TestReadersAreBounded(t *testing.T) {
	bubble(t, func(l *lab) {
		var all []*reading
		for range 32 {
			all = append(all, l.reads("", ""))
		}
		err := l.client.Events(l.ctx(), "", "", func(client.Event) error { return nil })
		if p := client.AsProblem(err); p == nil || p.Code != "overloaded" {
			t.Error(err)
		}
		for _, r := range all {
			r.end()
		}
		synctest.Wait()
		l.reads("", "").end()
	})
}

// A reader does not hold up the daemon's end.
func TestReadersEndWithTheServer(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	done, ready := make(chan error, 1), make(chan struct{})
	go func() {
		once := sync.OnceFunc(func() { close(ready) })
		done <- b.client.Events(context.Background(), fmt.Sprintf("%d-0", b.epoch), "", func(client.Event) error { once(); return nil })
	}()
	b.paid("sale", "S1", 100)
	<-ready
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, client.ErrCut) {
		t.Fatal(err)
	}
}

// A real journal whose oldest segments are gone: events reset, and the list
// still has what is open, however old.
func TestBelowRetention(t *testing.T) {
	b := newBed(t, hostsim.Config{}, func(b *bed) {
		j, err := journal.Open(filepath.Join(t.TempDir(), "j"), journal.Options{
			Key: make([]byte, 32), Final: agent.FinalState, SegmentBytes: 32 << 10, Retain: journal.Retain{Age: time.Nanosecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.Close() })
		b.journal = j
	})
	log := b.journal.(*journal.Log)
	item := b.escalated("old")
	for i := 0; log.Info().First < 20; i++ {
		if i == 2000 {
			t.Fatalf("nothing retires: %+v", log.Info())
		}
		id := b.paid(iso8583.Sale, fmt.Sprint("S", i), 100)
		if _, err := b.client.Shown(b.ctx(), id, "yes"); err != nil {
			t.Fatal(err)
		}
	}
	stop := errors.New("seen")
	var got client.Event
	err := b.client.Events(b.ctx(), fmt.Sprintf("%d-1", b.epoch), "", func(e client.Event) error { got = e; return stop })
	if !errors.Is(err, stop) || got.Event != client.EventReset || got.Reason == "" {
		t.Errorf("%+v %v", got, err)
	}
	// From what is kept, it goes on as ever; more may retire meanwhile.
	for moved := true; moved; {
		first := log.Info().First
		err = b.client.Events(b.ctx(), fmt.Sprintf("%d-%d", b.epoch, first), "", func(e client.Event) error { got = e; return stop })
		moved = got.Event == client.EventReset && log.Info().First > first
		if !moved && (!errors.Is(err, stop) || got.Event == client.EventReset || got.LSN <= uint64(first)) {
			t.Errorf("%+v %v", got, err)
		}
	}
	found := false
	for q := (url.Values{"limit": {"100"}}); !found; {
		l, err := b.client.List(b.ctx(), q)
		if err != nil {
			t.Fatal(err)
		}
		found = slices.ContainsFunc(l.Transactions, func(tx client.Transaction) bool { return tx.UUID == item.UUID })
		if !l.More {
			break
		}
		q.Set("from", l.Next)
	}
	if !found {
		t.Error("the open one is not listed")
	}
	// Its evidence is carried along.
	l, err := b.client.Escalations(b.ctx())
	if err != nil || len(l.Transactions) != 1 || len(l.Transactions[0].Items[0].Evidence) == 0 {
		t.Errorf("%+v %v", l, err)
	}
}
