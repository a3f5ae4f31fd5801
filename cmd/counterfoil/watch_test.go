package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// scenes are pictures at one instant.
func scenes() map[string]*picture {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	uuid := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	tx := func(n int, state string, change func(*client.Transaction)) client.Transaction {
		t := client.Transaction{UUID: uuid(n), Type: iso8583.Sale, State: state, Terminal: "T0000001", Amount: int64(n) * 1234, Currency: "CNY", Sale: fmt.Sprint("S", n)}
		if change != nil {
			change(&t)
		}
		return t
	}
	wait := func(what string, in time.Duration) func(*client.Transaction) {
		return func(t *client.Transaction) {
			t.Cause, t.Attempts, t.Waits = "timeout", 2, &client.Wait{For: what, Until: now.Add(in)}
		}
	}
	health := func() *client.Health {
		return &client.Health{Status: "ok", Version: "v1", Epoch: 1794000000, Hosts: []client.Host{
			{Acquirer: "main", Address: "a.example:8583", Up: true}, {Acquirer: "main", Route: 1, Address: "b.example:8583", Error: "connection refused"},
		}}
	}
	busy := &picture{now: now, health: health(), open: &client.List{More: true, Transactions: []client.Transaction{
		tx(1, "pending", wait("the host's answer", 39*time.Second)),
		tx(2, "approved", wait("the confirmation", 5*time.Second)),
		tx(3, "reversing", wait("the next attempt", 290*time.Second)),
		tx(4, "reversing", wait("the reversal's answer", 4*time.Second)),
		tx(5, "reversing", func(t *client.Transaction) { t.Cause, t.Attempts, t.Parked = "restart", 1, true }),
		tx(6, "reversing", func(t *client.Transaction) { wait("the end of the hold-down", time.Minute)(t); t.HoldDown = true }),
	}}, escalated: &client.List{
		Losses: []client.Loss{{What: "the journal is older than its mark"}},
		Transactions: []client.Transaction{
			tx(5, "reversing", func(t *client.Transaction) {
				t.Items = []client.Item{
					{Number: 1, Cause: "silence", At: now.Add(-90 * time.Minute), Closed: true},
					{Number: 2, Cause: "parked", At: now.Add(-5 * time.Minute), AcknowledgedBy: "Li Na"},
				}
			}),
			tx(7, "confirmed", func(t *client.Transaction) {
				t.Items = []client.Item{{Number: 1, Cause: "not_shown", At: now.Add(-30 * time.Second)}}
			}),
		}}}
	busy.health.Escalations = 2
	failing := &picture{now: now, health: health(), open: &client.List{}, escalated: &client.List{}}
	failing.health.Status = "failing"
	return map[string]*picture{
		"watch-busy": busy, "watch-failing": failing,
		"watch-quiet":  {now: now, health: health(), open: &client.List{}, escalated: &client.List{}},
		"watch-nobody": {now: now, err: errors.New("nobody answers on socket s")},
	}
}

// Frames are a function of the picture: with and without colours, cut to the
// window, and still, where nobody redraws.
func TestWatchFrames(t *testing.T) {
	a := &app{zone: time.UTC}
	for name, p := range scenes() {
		golden(t, name, p.frame(a, 110, 0, false))
	}
	busy := scenes()["watch-busy"]
	golden(t, "watch-busy-colour", strings.ReplaceAll(busy.frame(a, 110, 0, true), "\x1b", "ESC"))
	golden(t, "watch-busy-small", busy.frame(a, 40, 8, false))
	golden(t, "watch-busy-overdrawn", strings.ReplaceAll(overdraw(busy.frame(a, 40, 4, false)), "\x1b", "ESC")+"\n")
	busy.still = true
	still := busy.frame(a, 110, 0, false)
	golden(t, "watch-busy-still", still)
	busy.now = busy.now.Add(10 * time.Second)
	if busy.frame(a, 110, 0, false) != still {
		t.Error("a still frame changes with the time")
	}
}

// until ends a command once its output has what is wanted.
type untilSeen struct {
	mu   sync.Mutex
	b    bytes.Buffer
	want string
	end  context.CancelFunc
}

func (u *untilSeen) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.b.Write(p)
	if strings.Contains(u.b.String(), u.want) {
		u.end()
	}
	return n, err
}

func (u *untilSeen) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.b.String()
}

// watch runs watch until its output has want.
func (b *bed) watch(want string, args ...string) (func() string, *sync.WaitGroup) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	out := &untilSeen{want: want, end: cancel}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		if code := execute(ctx, append([]string{"--zone", "UTC", "watch", "--socket", b.socket}, args...), strings.NewReader(""), out, &bytes.Buffer{}); code != exitOK {
			b.t.Errorf("exit code %d", code)
		}
	})
	return out.String, &wg
}

func TestWatchIsNoTerminal(t *testing.T) {
	b := newBed(t, declining)
	out, wg := b.watch("approved  sale: waits for the confirmation")
	b.sale("", "12.34", "left", "--test-card", "1", "--confirm", "leave")
	wg.Wait()
	if s := out(); strings.Contains(s, "\x1b") || !strings.Contains(s, "OPEN\n  nothing") || !strings.Contains(s, "approved  sale: waits for the confirmation") {
		t.Errorf("%s", s)
	}
}

// Events as lines, over a restart of the daemon.
func TestWatchJSON(t *testing.T) {
	b := newBed(t, declining)
	out, wg := b.watch(`"event":"shown"`, "--json", "--after", fmt.Sprintf("%d-0", b.epoch()))
	b.sale("", "1.00", "left", "--test-card", "1", "--confirm", "leave")
	within(t, func() bool { return strings.Contains(out(), `"approved"`) })
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	b.start()
	c := client.New(b.socket)
	defer c.Close()
	uuid := b.uuid("left")
	if _, err := c.Confirm(t.Context(), uuid); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Shown(t.Context(), uuid, "yes"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	var events []string
	for line := range strings.Lines(out()) {
		var e client.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.UUID == uuid {
			events = append(events, e.Event)
		}
	}
	if got := strings.Join(events, " "); got != "intent approved confirmed shown" {
		t.Errorf("%s", got)
	}
	if r := b.run("watch", "--after", "1-1"); r.code != exitUsage {
		t.Errorf("%v", r)
	}
	if r := b.run("watch", "--json", "--after", "x"); r.code != exitRefused || !strings.Contains(r.errOut, "Last-Event-ID") {
		t.Errorf("%v", r)
	}
}

func (b *bed) epoch() uint64 {
	b.t.Helper()
	h, err := call(b.t.Context(), b.socket, func(ctx context.Context, c *client.Client) (*client.Health, error) { return c.Health(ctx) })
	if err != nil {
		b.t.Fatal(err)
	}
	return h.Epoch
}
