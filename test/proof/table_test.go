package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lab runs gates of shell commands.
func lab(t *testing.T) *runner {
	return &runner{ctx: t.Context(), dir: t.TempDir(), commit: "test", code: "test", out: t.Output(), done: map[string]result{}}
}

// later is a runner of another day, with the same code.
func (r *runner) later(t *testing.T) *runner {
	t.Helper()
	next := &runner{ctx: t.Context(), nightly: r.nightly, dir: r.dir, commit: r.commit, code: r.code, out: t.Output(), done: map[string]result{}}
	if err := next.open(false); err != nil {
		t.Fatal(err)
	}
	return next
}

func sh(script string, m ...measure) piece {
	return piece{cmd: []string{"sh", "-c", script}, measure: m}
}

// What is missing, skipped, below its demand or failed never counts as passed.
func TestVerdicts(t *testing.T) {
	sales := figure("sales", `(\d+) sales`, 10)
	slow := sh("sleep 60")
	slow.limit = 10 * time.Millisecond
	for name, c := range map[string]struct {
		g    gate
		want verdict
		says string
	}{
		"passed":        {gate{change: []piece{sh("echo 12 sales", sales), sh("echo 30 sales", sales)}}, met, "42 sales"},
		"in part":       {gate{change: []piece{sh("echo 12 sales", sales)}, lacks: "voids"}, inPart, "lacks: voids"},
		"below":         {gate{change: []piece{sh("echo 9 sales", sales)}}, below, "9 of 10"},
		"no figure":     {gate{change: []piece{sh("echo no", sales)}}, failed, "no sales in the output"},
		"failed":        {gate{change: []piece{sh("echo 12 sales; exit 1", sales)}, lacks: "voids"}, failed, "exit status 1"},
		"skipped":       {gate{change: []piece{sh("echo '--- SKIP: Test'; echo 12 sales", sales)}}, skipped, "a test was skipped"},
		"tool missing":  {gate{change: []piece{sh("echo cannot find: spin; exit 2", sales)}}, skipped, "cannot find: spin"},
		"no such test":  {gate{change: []piece{sh("echo 'testing: warning: no tests to run'")}}, failed, "no such test"},
		"over its time": {gate{change: []piece{slow}}, failed, "not done after 10ms"},
		"missing":       {gate{}, missing, "nothing measures it"},
	} {
		t.Run(name, func(t *testing.T) {
			got := lab(t).gate(c.g)
			if got.verdict != c.want || !strings.Contains(got.measured, c.says) {
				t.Errorf("%s: %s", got.verdict, got.measured)
			}
			if good([]row{got}) != (c.want == met || c.want == inPart) {
				t.Error("the exit code says otherwise")
			}
		})
	}
}

// A night that was cut short goes on where it stopped; what failed runs again.
func TestResumes(t *testing.T) {
	r := lab(t)
	count := r.path("count")
	once, again := sh("echo x >>"+count), sh("echo x >>"+count+"; exit 1")
	for range 2 {
		next := r.later(t)
		next.gate(gate{change: []piece{once, again}})
	}
	got := lab(t).gate(gate{change: []piece{sh("wc -l <"+count, figure("runs", `(\d+)`, 3))}})
	if got.measured != "3 runs" {
		t.Errorf("%s, want 3: once and again, then only again", got.measured)
	}
}

// A night of real pieces with small figures, stopped in its second piece: the
// next night runs that one and the rest, and the table is of all.
func TestNightGoesOn(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	night := gate{name: "seeded", nightly: seededNight(3, 2_000)}
	first := lab(t)
	first.nightly = true
	ctx, stop := context.WithCancel(t.Context())
	first.ctx = ctx
	first.out = writer(func(line string) {
		if strings.Contains(line, "-sim.seed=1000000001") {
			stop()
		}
	})
	if rows := first.gates([]gate{night}); good(rows) {
		t.Fatalf("stopped, and %+v", rows)
	}
	second := first.later(t)
	if len(second.done) == 0 {
		t.Fatal("nothing was kept of the first night")
	}
	kept := 0
	for _, res := range second.done {
		if res.OK {
			kept++
		}
	}
	var ran []string
	second.out = writer(func(line string) {
		if strings.Contains(line, " $ ") {
			ran = append(ran, line)
		}
	})
	rows := second.gates([]gate{night})
	if !good(rows) || kept != 1 || len(ran) != 2 || !strings.Contains(rows[0].measured, "transactions") {
		t.Errorf("%d kept, then ran %q: %+v", kept, ran, rows)
	}
	third := second.later(t)
	third.out = writer(func(line string) {
		if strings.Contains(line, " $ ") {
			t.Errorf("runs again: %s", line)
		}
	})
	if again := third.gates([]gate{night}); again[0].measured != rows[0].measured {
		t.Errorf("the table was %q and is %q", rows[0].measured, again[0].measured)
	}
}

// writer is told what is written.
type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// Every piece has a limit of at most two hours, and measures something.
func TestGatesAreWellFormed(t *testing.T) {
	for _, g := range gates() {
		for _, p := range append(g.change, g.nightly...) {
			if p.limit > pieceLimit || len(p.measure) == 0 {
				t.Errorf("%s: limit %s, %d measures", g.name, p.limit, len(p.measure))
			}
		}
	}
}
