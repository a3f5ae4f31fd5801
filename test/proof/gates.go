package main

import (
	"fmt"
	"regexp"
	"time"
)

// gate is one row of the table: a demand of the safety rules, and the pieces
// that measure it.
type gate struct {
	name     string
	demanded string
	change   []piece // on each change
	nightly  []piece // before a release, beside nothing: they include the change's
	wide     bool    // it takes every core there is: never beside another such
	lacks    string  // what of the demand nothing here measures; then a pass is only "in part"
}

// piece is one command, at most two hours long. It has passed when it ends
// with 0, skipped nothing, and what it measured reaches the demand.
type piece struct {
	cmd     []string
	limit   time.Duration // 0: shortLimit
	measure []measure
}

// measure finds a figure in a piece's output.
type measure struct {
	what  string
	find  *regexp.Regexp // its first group is the figure; without a group, its matches are counted
	least float64        // below it, the demand is not met
}

const (
	shortLimit = 15 * time.Minute
	pieceLimit = 2 * time.Hour
)

func goTest(pkg, run string, args ...string) []string {
	return append([]string{"go", "test", "-count=1", "-v", "-timeout", "2h", pkg, "-run", run}, args...)
}

func figure(what, find string, least float64) measure {
	return measure{what, regexp.MustCompile(find), least}
}

var (
	passed = figure("tests passed", `(?m)^--- PASS`, 1)

	model      = figure("runs", `(\d+) runs, 0 not as expected`, 1)
	schedules  = figure("schedules", `in all (\S+) schedules`, 1)
	states     = figure("states", `in all \S+ schedules through (\d+) states`, 1)
	violations = figure("violations", `violations: (0)\b`, 0) // any other figure is none of this demand
	kills      = func(least float64) measure { return figure("kills", `(\d+) kills during`, least) }
)

func seeded(seed uint64, transactions int64) piece {
	return piece{
		cmd: goTest("./test/sim", "^TestSeeded$", fmt.Sprintf("-sim.seed=%d", seed), fmt.Sprintf("-sim.transactions=%d", transactions)), limit: pieceLimit,
		measure: []measure{
			figure("transactions", `(\d+) transactions in`, float64(transactions)),
			figure("faults", `(\d+) faults`, float64(transactions)/2), figure("agent crashes", `(\d+) agent crashes`, float64(transactions)/10), violations,
		},
	}
}

// fuzzTargets are gone through with the same time each.
var fuzzTargets = [][2]string{
	{"./iso8583/frame", "FuzzRead"}, {"./iso8583/profile", "FuzzUnpack"}, {"./iso8583/profile", "FuzzParse"},
	{"./iso8583/mac", "FuzzUnpack"}, {"./iso8583", "FuzzParseTLV"},
	{"./agent", "FuzzBody"}, {"./agent/config", "FuzzParse"}, {"./agent/txn", "FuzzDecode"},
	{"./journal", "FuzzSegment"}, {"./journal", "FuzzRecord"}, {"./journal", "FuzzSmallFiles"}, {"./journal", "FuzzIndexFile"},
}

func fuzz(each string, args ...string) (all []piece) {
	for _, t := range fuzzTargets {
		all = append(all, piece{
			cmd:     append([]string{"go", "test", t[0], "-run", "^$", "-fuzz", "^" + t[1] + "$", "-fuzztime", each, "-fuzzminimizetime", "10x"}, args...),
			limit:   pieceLimit,
			measure: []measure{figure("executions of "+t[1], `execs: (\d+) [^\n]*\n(?:PASS|ok)`, 1)},
		})
	}
	return all
}

// seededNight is so many pieces of so many transactions.
func seededNight(pieces uint64, transactions int64) (all []piece) {
	for n := range pieces {
		all = append(all, seeded(1+n*1_000_000_000, transactions))
	}
	return all
}

// allPoints is every kill and failure of the real daemon, in parts.
func allPoints(parts int) (all []piece) {
	for n := range parts {
		all = append(all, points(-1, 100, "-crash.seed=1", fmt.Sprintf("-crash.part=%d/%d", n+1, parts)))
	}
	return all
}

// points strikes at so many points; so many of them are to be kills.
func points(n int, kills float64, args ...string) piece {
	return piece{
		cmd: goTest("./test/crash", "^TestEveryPoint$", append(args, fmt.Sprintf("-crash.points=%d", n))...), limit: pieceLimit,
		measure: []measure{figure("kills at points", `(\d+) kills at points`, kills), figure("failures at points", `(\d+) failures at points`, kills/2)},
	}
}

// storm is the shell with so many sales, and so many with the race detector.
func storm(sales, raced float64) []piece {
	return append(one(goTest("./agent", "^TestStorm$", fmt.Sprintf("-agent.storm=%.0f", sales)), figure("sales", `(\d+) sales:`, sales)),
		one(goTest("./agent", "^TestStorm$", "-race", "-short", fmt.Sprintf("-agent.storm=%.0f", raced)), figure("sales, -race", `(\d+) sales:`, raced))...)
}

func struckBelow(least float64) measure {
	return figure("lives struck", `the daemon ended in (\d+) of them`, least)
}

func struckFrames(least float64) measure {
	return figure("frames struck", `in (\d+) of them the frame`, least)
}

func one(cmd []string, m ...measure) []piece {
	return []piece{{cmd: cmd, limit: pieceLimit, measure: m}}
}

// gates is the gate table of the safety rules, in its order, and what else the
// proof has. A gate without pieces is missing, and is shown so.
func gates() []gate {
	return []gate{
		{
			name: "Model", demanded: "base protocol holds; before a release each unsafe variant fails",
			change: one([]string{"bash", "test/model/run", "short"}, model), nightly: one([]string{"bash", "test/model/run", "long"}, model),
		},
		{
			name: "Model and code", demanded: "the same transitions, or a listed reason", wide: true,
			change: one(goTest("./test/sim", "^TestTransitionsOfTheModel$"), figure("in both", `transitions: (\d+) in both`, 30)),
		},
		{
			name: "Pure core, exhaustive", demanded: "each type, 2 crashes and 2 faults; nightly 3/3 for sale and void", wide: true,
			change:  one(goTest("./test/sim", "^TestExhaustive$"), schedules, states),
			nightly: one(goTest("./test/sim", "^TestExhaustive$", "-sim.deeper"), schedules, states),
			lacks:   "2/2 for the main hosts and types; 2/1, 1/2 and 1/1 for the others",
		},
		{
			name: "Pure core, seeded", demanded: "2 M transactions, 1 M faults, 200 k crashes, 0 violations; nightly 500 M", wide: true,
			change: []piece{seeded(1, 2_000_000)}, nightly: seededNight(20, 25_000_000),
		},
		{
			name: "Pure core, codec and sealing", demanded: "50 k transactions with codec and sealing, on the product's journal", wide: true,
			change: one(goTest("./test/sim/journaled", "^TestSeededOnTheJournal$", "-sim.transactions=50000"), figure("transactions", `(\d+) transactions in`, 50_000), figure("power cuts", `(\d+) cuts,`, 1_000), violations),
		},
		{
			name: "Determinism", demanded: "1,000 seeds, twice, in separate processes",
			change: one(goTest("./test/sim", "^TestDeterminism$"), passed),
		},
		{
			name: "Mutants", demanded: "25 or more, each rule of the terminal's, killed within 1 M transactions", wide: true,
			change: one(goTest("./test/mutants", "^TestMutants$", "-mutants.all"), figure("caught", `(\d+) mutants caught`, 25)),
		},
		{
			name: "Mutants of the journal", demanded: "all killed",
			change: one(goTest("./test/mutants", "^TestJournalsMutants$"), figure("killed", `caught by`, 16)),
		},
		{
			name: "Coverage", demanded: "every reachable state × event; every \"sometimes\"", wide: true,
			change: []piece{{cmd: seeded(1, 2_000_000).cmd, limit: pieceLimit, measure: []measure{figure("sometimes", `sometimes +[1-9]\d* `, 30), passed}}},
		},
		{
			name: "Shell in a bubble", demanded: "20 k transactions; 2 k with -race; nightly ten times that",
			change:  storm(20_000, 2_000),
			nightly: storm(200_000, 20_000),
		},
		{
			name: "Real processes, kills", demanded: "before, after and inside every call of every scenario; nightly 5,000",
			change:  append(one(goTest("./test/crash", "^TestKillDuringSale$", "-crash.kills=250"), kills(250)), points(120, 40)),
			nightly: append(one(goTest("./test/crash", "^TestKillDuringSale$", "-crash.kills=3000"), kills(3000)), allPoints(4)...),
		},
		{
			name: "Real processes, system calls", demanded: "SIGKILL, EIO, ENOSPC at the n-th system call, by strace",
			change:  one(goTest("./test/crash", "^TestSystemCallsFail$", "-crash.injections=60"), struckBelow(20)),
			nightly: one(goTest("./test/crash", "^TestSystemCallsFail$", "-crash.injections=2000"), struckBelow(800)),
		},
		{
			name: "Real processes, frames", demanded: "each frame dropped, held, doubled, cut, stalled",
			change:  one(goTest("./test/crash", "^TestEveryFrame$", "-crash.frames=20"), struckFrames(100)),
			nightly: one(goTest("./test/crash", "^TestEveryFrame$", "-crash.frames=-1"), struckFrames(600)),
		},
		{
			name: "I/O errors", demanded: "EIO, ENOSPC, short writes at each I/O; a reversal can still be recorded",
			change: append(one(goTest("./journal", "^(TestEveryOperationFails|TestFullDiskTakesOutcomes)$"), figure("faults", `(\d+) faults:`, 1), passed),
				one(goTest("./test/crash", "^(TestDiskFailsAtEachWrite|TestDiskFull|TestFullFileSystem)$"), passed)...),
		},
		{
			name: "Power cuts", demanded: "crash images of the journal: nothing acknowledged is lost",
			change: one(goTest("./journal", "^TestPowerCut"), figure("states", `(\d+) states in all`, 1)),
		},
		{
			name: "Fuzzing", demanded: "90 s in sum; 2 CPU-hours each before 1.0",
			change: fuzz("7500ms", "-parallel=1"), nightly: fuzz("720s"),
			lacks: "a night has 12 minutes each",
		},
		{
			name: "Rollback", demanded: "every journal prefix below the mark: no automatic reversal of a confirmed sale",
			change: append(one(goTest("./agent", "^(TestJournalLost|TestJournalPutBack|TestJournalLostAndNothingShowsTheEpoch|TestUnreadableMark|TestMarkFallsBehind)$"), passed),
				one(goTest("./test/sim", "^TestExhaustive$/^all$/^an_older_journal"), schedules, states)...),
		},
		{
			name: "Bit flips", demanded: "every bit of 20 records and the headers; all detected",
			change: one(goTest("./journal", "^(TestEveryBit|TestAnyBit|TestZeroed)$"), passed),
		},
		{
			name: "Secrets", demanded: "everything written is searched; the search finds what is planted",
			change: append(one(goTest("./test/crash", "^(TestSecretsNowhere|TestSearchFindsWhatIsPlanted)$"), figure("files", `(\d+) files,`, 10), passed),
				one(goTest("./agent", "^(TestTheSearchFindsCardData|TestCardDataStaysWhereItBelongs|TestWhatIsSealed)$"), passed)...),
		},
	}
}
