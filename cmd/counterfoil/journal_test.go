package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func TestDump(t *testing.T) {
	path := everyState(t).close()
	r := command(t, "journal", "dump", path)
	noPAN(t, r.out)
	golden(t, "journal-dump", hashes(r.String()))
	r = command(t, "journal", "dump", path, "--transaction", "00000000-0000-4000-8000-000000000006")
	golden(t, "journal-dump-one", r.String())
}

// hashes masks the rules' hash, which changes with the profile.
func hashes(s string) string {
	for _, word := range strings.Fields(s) {
		if hash, ok := strings.CutPrefix(word, "rules:"); ok && len(hash) == 16 {
			s = strings.ReplaceAll(s, hash, "0123456789abcdef")
		}
	}
	return s
}

func TestDumpJSON(t *testing.T) {
	path := everyState(t).close()
	r := command(t, "journal", "dump", path, "--json")
	noPAN(t, r.out)
	lines, sealed := 0, 0
	for s := bufio.NewScanner(strings.NewReader(r.out)); s.Scan(); lines++ {
		var e struct {
			LSN    int            `json:"lsn"`
			Record string         `json:"record"`
			Group  string         `json:"group"`
			Sealed int            `json:"sealed_bytes"`
			Fields map[string]any `json:"fields"`
		}
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.LSN != lines+1 || e.Record == "" || e.Group == "" || e.Fields == nil {
			t.Fatalf("%v: %s", err, s.Bytes())
		}
		if (e.Sealed > 0) != (e.Record == "intent") {
			t.Errorf("%s has %d sealed bytes", e.Record, e.Sealed)
		}
		sealed += e.Sealed
	}
	if lines < 40 || sealed == 0 {
		t.Errorf("%d lines", lines)
	}
}

func TestReplay(t *testing.T) {
	path := everyState(t).close()
	before := files(t, path)
	golden(t, "journal-replay", command(t, "journal", "replay", path).String())
	golden(t, "journal-replay-until", command(t, "journal", "replay", path, "--until", "5").String())
	if after := files(t, path); !maps.Equal(before, after) {
		t.Error("the journal was changed")
	}
	golden(t, "journal-replay-types", command(t, "journal", "replay", everyType(t).close()).String())
	golden(t, "journal-replay-asked", command(t, "journal", "replay", asked(t).close()).String())
}

// Whatever the moment, replay of a prefix is what a restart at that moment
// would do, and it never fails.
func TestReplayEveryPrefix(t *testing.T) {
	path := everyState(t).close()
	a := &app{stderr: os.Stderr}
	j, err := a.openCopy(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	for until := j.Last(); until > 0; until-- {
		r, err := a.replay(j, until)
		if err != nil || r.Entries != until {
			t.Fatalf("until %d: %v, %v", until, r, err)
		}
		for _, x := range r.Transactions {
			state, err := txn.ParseState(x.State)
			if err != nil {
				t.Fatal(err)
			}
			if state.Open() && x.Next == nil {
				t.Errorf("until %d: %s is %s, and nothing would be done", until, x.UUID, x.State)
			}
			if state == txn.StatePending && len(x.Escalated) == 0 && x.Next.Send != iso8583.KindReversal {
				t.Errorf("until %d: a pending one would %v", until, x.Next)
			}
		}
	}
}

// replayJSON replays a copy and gives the state of each transaction.
func replayJSON(t *testing.T, path string) replay {
	t.Helper()
	var out replay
	r := command(t, "journal", "replay", path, "--json")
	if err := json.Unmarshal([]byte(r.out), &out); err != nil || r.code != exitOK {
		t.Fatalf("%v: %v", err, r)
	}
	noPAN(t, r.out)
	return out
}

// files reads a journal's directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a segment may be in the making
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for name, data := range files(t, from) {
		write(t, filepath.Join(to, name), data)
	}
	return to
}

// A daemon's journal can be read beside it, and a copy elsewhere; what replay
// says of them is what the acquirer's ledger holds.
func TestReplayOfCopy(t *testing.T) {
	b := newBed(t, declining)
	b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	b.sale("", "51.00", "declined", "--test-card", "2", "--confirm", "yes")
	b.sale("", "7.00", "cancelled", "--test-card", "3", "--confirm", "no")
	b.eventually("cancelled", func(t *client.Transaction) bool { return t.State == "reversed" })
	path := filepath.Join(b.dir, "journal")
	if r := command(t, "journal", "replay", path); r.code != exitOK {
		t.Errorf("beside the daemon: %v", r)
	}
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	got := replayJSON(t, copyDir(t, path))
	ledger := map[string]hostsim.EntryView{}
	for _, e := range b.host.Ledger() {
		ledger[fmt.Sprint(e.TID, e.STAN, e.Transmission)] = e
	}
	want := map[string]int64{"confirmed": 1234, "declined": 0, "reversed": 0}
	if len(got.Transactions) != len(want) || len(ledger) != len(want) {
		t.Fatalf("%d replayed, %d in the ledger", len(got.Transactions), len(ledger))
	}
	for _, x := range got.Transactions {
		e, ok := ledger[x.Terminal+x.STAN+x.Transmission]
		if net, known := want[x.State]; !ok || !known || e.Net != net || x.Next != nil {
			t.Errorf("%s is %s, the ledger has %d", x.Sale, x.State, e.Net)
		}
	}
}

func TestJournalErrors(t *testing.T) {
	if r := command(t, "journal", "replay", filepath.Join(t.TempDir(), "none")); r.code != exitFailed || !strings.Contains(r.errOut, "name the journal's directory") {
		t.Errorf("%v", r)
	}
	path := everyState(t).close()
	for name, data := range files(t, path) {
		write(t, filepath.Join(path, name), strings.ReplaceAll(data, "0928143002", "0928143003"))
	}
	if r := command(t, "journal", "dump", path); r.code != exitFailed || !strings.Contains(r.errOut, "damaged") || !strings.Contains(r.errOut, "segment 1, offset") {
		t.Errorf("%v", r)
	}
}

// The timeline of a sale whose reversal the acquirer refuses, with an
// operator's word and an answer that comes late.
func TestLanes(t *testing.T) {
	f := newFixture(t)
	uuid := f.begin("1", 1234)
	f.step(txn.Timeout{UUID: uuid}) // too early: nothing
	f.step(txn.InDoubt{UUID: uuid})
	first := f.answer(uuid, "00")
	first.MTI, first.Transmission = "0210", f.machine.Get(uuid).Transmission
	f.step(f.sent(uuid), first)
	f.step(f.answer(uuid, "21"))
	f.step(txn.Shown{UUID: uuid, Delivered: txn.DeliveredYes})
	f.now.Boot += f.rules.Reversal.Slowest()
	f.step(txn.Timeout{UUID: uuid})
	f.now.Boot += 10 * f.rules.Reversal.Slowest()
	f.step(txn.Resolve{UUID: uuid, Verb: txn.VerbPark, Who: "Li Na", Why: "asking the acquirer"},
		txn.Resolve{UUID: uuid, Verb: txn.VerbReversed, Who: "Li Na", Why: "phoned", Ref: "R-7"})
	entries, err := f.journal.Lookup(uuid)
	if err != nil {
		t.Fatal(err)
	}
	s := &client.Transaction{Type: iso8583.Sale, Amount: 1234, Currency: "CNY"}
	for _, e := range entries {
		m, err := agent.MomentOf(e)
		if err != nil {
			t.Fatal(err)
		}
		s.Timeline = append(s.Timeline, m)
	}
	var out strings.Builder
	a := &app{stdout: &out, zone: time.FixedZone("", 8*3600)}
	a.lanes(s)
	golden(t, "lanes", out.String())
}

// Every kind of record has a lane of its own.
func TestLaneOfEveryRecord(t *testing.T) {
	for n := txn.TypeIntent; n <= txn.TypeResolved; n++ {
		name := n.String()
		if strings.HasPrefix(name, "type ") {
			continue
		}
		if l := laneOf(&client.Transaction{}, client.Moment{Record: name, Detail: "raw"}); l.agent == "raw" {
			t.Errorf("%s has none", name)
		}
	}
}
