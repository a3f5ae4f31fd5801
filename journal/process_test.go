package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// The test binary is its own child: with this variable set it is a process
// that uses a journal, and it ends when its standard input does.
const childEnv = "JOURNAL_TEST_CHILD"

func TestMain(m *testing.M) {
	mode, path, ok := strings.Cut(os.Getenv(childEnv), ":")
	if !ok {
		// Each state of a disk is a small heap that is thrown away: collecting them
		// seldom halves the time.
		debug.SetGCPercent(800)
		os.Exit(m.Run())
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := child(mode, path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// child opens the journal, says so, and then holds it or appends for ever.
func child(mode, path string) error {
	b, err := Open(path, Options{Key: testKey})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if mode == "hold" {
		select {}
	}
	for i := 0; ; i++ {
		n := 1 + i%4
		batch := make([]Entry, n)
		for k := range batch {
			batch[k] = entry(fmt.Sprintf("group-%d", i%50), fmt.Sprintf("%d/%d", k+1, n), strings.Repeat("s", 40*i%3000), fmt.Sprintf("key-%d", i))
		}
		first, err := b.Append(batch)
		if err != nil {
			return err
		}
		fmt.Println("ack", int(first)+n-1)
	}
}

type process struct {
	*exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startChild(t *testing.T, mode, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe)}
	p.Env = append(os.Environ(), childEnv+"="+mode+":"+path)
	stdin, err1 := p.StdinPipe()
	stdout, err2 := p.StdoutPipe()
	if err := errors.Join(err1, err2, p.Start()); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = stdin, bufio.NewScanner(stdout)
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	return p
}

// line is the child's next line, "" at its end.
func (p *process) line() string {
	p.lines.Scan()
	return p.lines.Text()
}

// A process killed at a random moment of its appends or of the creation: what
// it was told is durable is there, and beyond it at most one batch, whole.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 15
	}
	const seed = 1
	rng, path := rand.New(rand.NewPCG(seed, 0)), ""
	before := 0         // the last entry when the run began
	var heard, more int // runs that acknowledged something; that left a batch beyond it
	for round := range rounds {
		if round%10 == 0 { // a new journal, so that its creation is hit too
			before, path = 0, filepath.Join(t.TempDir(), "journal")
		}
		acked := killedRun(t, rng, path)
		b, err := Open(path, Options{Key: testKey})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		ends := batchEnds(t, b)
		last := int(b.Last())
		if acked == 0 { // killed before its first acknowledgement
			acked = before
		} else {
			heard++
		}
		if last < acked || last > nextEnd(ends, acked) {
			t.Fatalf("round %d: acknowledged %d, found %d: want it, or one batch more", round, acked, last)
		}
		if last > acked {
			more++
		}
		before = last
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d after an acknowledgement, %d left a whole batch that was not acknowledged", rounds, heard, more)
	if heard == 0 {
		t.Error("no run came far enough to prove anything")
	}
}

// killedRun lets a child append, kills it, and gives the last entry that it
// acknowledged, 0 for none.
func killedRun(t *testing.T, rng *rand.Rand, path string) (acked int) {
	t.Helper()
	p := startChild(t, "append", path)
	heard := func() bool {
		line := p.line()
		if _, err := fmt.Sscanf(line, "ack %d", &acked); err != nil && line != "open" && line != "" {
			t.Fatalf("the child says %q", line)
		}
		return line != ""
	}
	for range rng.IntN(8) {
		heard()
	}
	// Not to wait for something, but to spread the kills over an append.
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
	_ = p.Process.Kill()
	for heard() {
	}
	_ = p.Wait()
	return acked
}

// batchEnds reads the whole journal and gives the last LSN of each batch; a
// torn batch ends the test.
func batchEnds(t *testing.T, b *Log) (ends []int) {
	t.Helper()
	next := 1
	for _, r := range all(t, b, 1) {
		var k, n int
		if _, err := fmt.Sscanf(string(r.Clear), "%d/%d", &k, &n); err != nil || k != next {
			t.Fatalf("entry %d is part %s of its batch, want %d: torn", r.LSN, r.Clear, next)
		}
		if next++; k == n {
			next, ends = 1, append(ends, int(r.LSN))
		}
	}
	if next != 1 {
		t.Fatalf("the last batch is torn after part %d", next-1)
	}
	return ends
}

func nextEnd(ends []int, acked int) int {
	for _, e := range ends {
		if e > acked {
			return e
		}
	}
	return acked
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	l := openTemp(t)
	mustAppend(t, l, entry("g", "1", ""))
	path := l.path
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := startChild(t, "hold", path)
	if got := p.line(); got != "open" {
		t.Fatal(got)
	}
	if _, err := Open(path, Options{Key: testKey}); !errors.Is(err, ErrLocked) {
		t.Errorf("to write: %v", err)
	}
	r, err := Open(path, Options{ReadOnly: true})
	if err != nil || r.Last() != 1 || r.Close() != nil {
		t.Errorf("to read: %v", err)
	}
	_ = p.stdin.Close() // the child ends with its standard input
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if b := reopen(t, path); b.Last() != 1 {
		t.Errorf("last %d", b.Last())
	}
}

// Several processes make the same journal at once: one has it, the others are
// refused, and none replaces what another has opened.
func TestCreationRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	var children []*process
	for range 4 {
		children = append(children, startChild(t, "hold", path))
	}
	open := 0
	for _, p := range children {
		switch line := p.line(); {
		case line == "open":
			open++
		case !strings.Contains(line, ErrLocked.Error()):
			t.Errorf("a child says %q", line)
		}
	}
	if open != 1 {
		t.Errorf("%d processes have the journal", open)
	}
}
