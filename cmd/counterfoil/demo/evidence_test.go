package demo

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// index finds a scenario by its id.
func index(t *testing.T, id string) int {
	t.Helper()
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.id == id })
	if i < 0 {
		t.Fatalf("there is no scenario %q", id)
	}
	return i
}

// flawless is the evidence of a column in which every scenario happened and
// every screen agrees with the ledger.
func flawless(s side) evidence {
	e := evidence{side: s, escalated: map[iso8583.TID]bool{}, killed: map[string]bool{}}
	clock := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	tick := func() time.Time { clock = clock.Add(time.Second); return clock }
	for i, sc := range scenarios {
		sale := saleOf(i)
		fields := map[int]string{41: string(sale.terminal)}
		if f, ok := faultOf(i, s, demoTimers()); ok {
			e.faults = append(e.faults, hostsim.FaultView{Fault: f, Seen: 1, Fired: 1})
		}
		e.killed[sc.id] = sc.kill != nobody
		screen, net := NotApproved, int64(0)
		if sc.expect == Approved || sc.back { // the refund of what comes back is undone, and shown so
			screen, net = Approved, sale.minor
		}
		e.traffic = append(e.traffic, hostsim.MessageView{At: tick(), Direction: "in", MTI: "0200", Fields: fields})
		e.notes = append(e.notes, Note{At: tick(), Terminal: sale.terminal, Sale: sale.ref, Screen: screen})
		if sc.back {
			e.notes = append(e.notes, Note{At: tick(), Terminal: sale.terminal, Sale: refundRef(sale.ref), Screen: NotApproved})
		}
		e.traffic = append(e.traffic, hostsim.MessageView{At: tick(), Direction: "in", MTI: "0400", Fields: fields})
		if sc.late == lateRequest {
			e.traffic = append(e.traffic, hostsim.MessageView{At: tick(), Direction: "in", MTI: "0200", Note: "arrives now, delayed", Fields: fields})
		}
		e.traffic = append(e.traffic, hostsim.MessageView{At: tick(), Direction: "out", MTI: "0210", Fields: fields})
		e.ledger = append(e.ledger, hostsim.EntryView{TID: sale.terminal, Amount: sale.minor, Net: net})
	}
	return e
}

// debited is the same column where the sale of scenario id stayed debited
// although its screen says otherwise.
func debited(t *testing.T, s side, id string) evidence {
	e := flawless(s)
	e.ledger[index(t, id)].Net = saleOf(index(t, id)).minor
	return e
}

func TestHappened(t *testing.T) {
	for _, s := range []side{plainSide, agentSide} {
		e := flawless(s)
		for i := range scenarios {
			if err := e.happened(i); err != nil {
				t.Errorf("%s, scenario %s: %v", s, scenarios[i].id, err)
			}
		}
	}
	swap := func(e *evidence, id string) { // the late message comes first
		tid := saleOf(index(t, id)).terminal
		for i := range e.traffic {
			if e.traffic[i].Fields[41] == string(tid) && e.traffic[i].MTI.Class() == '2' {
				e.traffic[i].At = e.traffic[i].At.Add(-time.Minute)
			}
		}
	}
	for _, c := range []struct {
		name, id string
		spoil    func(*evidence)
		want     error
	}{
		{"fault not fired", "1", func(e *evidence) {
			e.faults[slices.IndexFunc(e.faults, func(f hostsim.FaultView) bool { return f.Fault.Name == "1" })].Fired = 0
		}, errNoFault},
		{"no faults", "7", func(e *evidence) { e.faults = nil }, errNoFault},
		{"application not killed", "3", func(e *evidence) { delete(e.killed, "3") }, errNoKill},
		{"agent not killed", "4", func(e *evidence) { delete(e.killed, "4") }, errNoKill},
		{"request not late", "2", func(e *evidence) { swap(e, "2") }, errNoLateness},
		{"answer not late", "6", func(e *evidence) { swap(e, "6") }, errNoLateness},
		{"nothing logged", "6", func(e *evidence) { e.traffic = nil }, errNoLateness},
	} {
		for _, s := range []side{plainSide, agentSide} {
			e := flawless(s)
			c.spoil(&e)
			if err := e.happened(index(t, c.id)); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", c.name, s, err, c.want)
			}
			if r := newReport(debited(t, plainSide, "2"), e); s == agentSide && (r.Passed || len(r.Problems) == 0) {
				t.Errorf("%s: the demo passes: %v", c.name, r.Problems)
			}
		}
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name         string
		plain, agent evidence
		passed       bool
	}{
		{"as it should be", debited(t, plainSide, "2"), flawless(agentSide), true},
		{"nothing to protect from", flawless(plainSide), flawless(agentSide), false},
		{"silent debit through the agent", debited(t, plainSide, "2"), debited(t, agentSide, "2"), false},
		{"escalated instead", debited(t, plainSide, "2"), func() evidence {
			e := debited(t, agentSide, "2")
			e.escalated[saleOf(index(t, "2")).terminal] = true
			return e
		}(), true},
		{"lost approval through the agent", debited(t, plainSide, "2"), func() evidence {
			e := flawless(agentSide)
			e.notes[index(t, "6")].Screen = Approved
			return e
		}(), false},
		{"double debit through the agent", debited(t, plainSide, "2"), func() evidence {
			e := debited(t, agentSide, "1")
			e.ledger = append(e.ledger, e.ledger[index(t, "1")])
			return e
		}(), false},
		{"money of no sale", debited(t, plainSide, "2"), func() evidence {
			e := flawless(agentSide)
			e.ledger = append(e.ledger, hostsim.EntryView{Key: "0200/T0000099", TID: "T0000099", Amount: 5, Net: 5})
			return e
		}(), false},
		{"nothing is ever approved", debited(t, plainSide, "2"), func() evidence {
			e := flawless(agentSide)
			for i := range e.notes {
				e.notes[i].Screen = NotApproved
			}
			for i := range e.ledger {
				e.ledger[i].Net = 0
			}
			return e
		}(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReport(c.plain, c.agent)
			if r.Passed != c.passed {
				t.Errorf("passed is %v, want %v: %+v %+v %v", r.Passed, c.passed, r.Plain, r.Agent, r.Problems)
			}
		})
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestPrintedReport(t *testing.T) {
	r := newReport(debited(t, plainSide, "2"), debited(t, agentSide, "1"))
	var plain, coloured bytes.Buffer
	r.print(&plain, palette(false))
	r.print(&coloured, palette(true))
	if escapes.Match(plain.Bytes()) || !escapes.Match(coloured.Bytes()) {
		t.Error("colour where there should be none, or none where there should be")
	}
	if got := escapes.ReplaceAllString(coloured.String(), ""); got != plain.String() {
		t.Errorf("colour moves the table:\n%s\n%s", got, plain.String())
	}
	for line := range strings.Lines(plain.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"SILENT DEBIT", "FAILED", "request delayed", "silent debits", "double debits"} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("%q is not said:\n%s", want, plain.String())
		}
	}
}

// The table of scenarios is whole: each has a terminal, an amount and a wave,
// and what cuts connections runs alone.
func TestScenarios(t *testing.T) {
	seen, played := map[iso8583.TID]bool{}, map[int]bool{}
	for i, s := range scenarios {
		seen[saleOf(i).terminal] = true
		if n := utf8.RuneCountInString(s.id + s.name + s.about); n+5 > lineWidth {
			t.Errorf("scenario %s: %d characters do not fit a line", s.id, n)
		}
		for _, side := range []side{plainSide, agentSide} {
			if f, ok := faultOf(i, side, demoTimers()); ok && f.Validate() != nil {
				t.Errorf("scenario %s, %s: %v", s.id, side, f.Validate())
			}
		}
	}
	for _, wave := range waves() {
		for _, i := range wave {
			played[i] = true
			f, _ := faultOf(i, agentSide, demoTimers())
			if cuts := f.Action == hostsim.Cut || f.Action == hostsim.Restart || scenarios[i].kill == theMachine; cuts && len(wave) > 1 {
				t.Errorf("scenario %s cuts the connections of others in its wave", scenarios[i].id)
			}
		}
	}
	if len(seen) != len(scenarios) || len(slices.Collect(maps.Keys(played))) != len(scenarios) {
		t.Errorf("%d terminals and %d scenarios played, want %d", len(seen), len(played), len(scenarios))
	}
}
