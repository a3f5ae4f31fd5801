package journal

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tracedEnv names the directory in which TestTracedChild lives its life.
const tracedEnv = "JOURNAL_TEST_TRACED"

func tracedOptions() Options { return Options{SegmentBytes: 32 << 10, MaxBytes: 1 << 20} }

// tracedLife is the life that is compared: two openings, a torn tail's place
// between them, rolls with a carry, sealed entries.
func tracedLife(t *testing.T, d FS, ack func(n int)) {
	p := stuckPlan()
	next := 0
	for range 2 {
		l, err := openLogOn(d, tracedOptions())
		if err != nil {
			t.Fatal(err)
		}
		s := &session{plan: p, log: l}
		l.SetCarry(s.carry)
		for range 9 {
			if _, err := l.Append(p.entries(next, 1)); err != nil {
				t.Fatal(err)
			}
			next++
			ack(next)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTracedChild is no test by itself: TestSystemCalls runs it under strace.
func TestTracedChild(t *testing.T) {
	dir := os.Getenv(tracedEnv)
	if dir == "" {
		t.Skip("it is run by TestSystemCalls")
	}
	if err := os.Mkdir(filepath.Join(dir, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	acks, err := os.Create(filepath.Join(dir, "acks"))
	if err != nil {
		t.Fatal(err)
	}
	tracedLife(t, OSFS(filepath.Join(dir, "journal")), func(int) {
		if _, err := acks.Write([]byte{'a'}); err != nil {
			t.Fatal(err)
		}
	})
}

// event is a system call, or what the layer recorded of it.
type event struct {
	kind opKind
	name string // of the file; from
	what string // the rest
}

func (e event) String() string {
	return strings.TrimSpace(e.kind.String() + " " + e.name + " " + e.what)
}

// The layer under the crash states is not taken at its word: the system calls
// of a real process are the operations that it recorded, file by file, and what
// the order of a life depends on holds in both.
func TestSystemCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here: the file layer is not compared with system calls")
	}
	real := traced(t, strace)
	disk := newCrashFS()
	tracedLife(t, disk, func(n int) { disk.mark(n) })
	var recorded []event
	for i := range disk.ops {
		recorded = append(recorded, eventOf(&disk.ops[i]))
	}
	checkOrder(t, "system calls", real)
	checkOrder(t, "recorded", recorded)
	a, b := byFile(real), byFile(recorded)
	compared, calls := 0, 0
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if name >= segName(4) && strings.HasSuffix(strings.TrimSuffix(name, tempSuffix), segSuffix) {
			continue // prepared in the background, or not yet when the life ended
		}
		compared, calls = compared+1, calls+len(b[name])
		if !slices.Equal(a[name], b[name]) {
			t.Errorf("%s:\n   system calls %v\n   recorded     %v", name, a[name], b[name])
		}
	}
	if compared < 6 {
		t.Errorf("only %d files were compared", compared)
	}
	t.Logf("%d system calls; %d files with %d operations are what was recorded", len(real), compared, calls)
}

func eventOf(o *op) event {
	e := event{kind: o.kind, name: o.name}
	switch o.kind {
	case opWrite:
		e.what = fmt.Sprintf("%d+%d", o.off, len(o.data))
	case opRename:
		e.what = o.to
	}
	return e
}

// traced runs the life in a process of its own and reads its system calls.
func traced(t *testing.T, strace string) []event {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "trace")
	cmd := exec.Command(strace, "-f", "-y", "-s", "0", "-o", log, "-e", "trace=pwrite64,write,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,openat,ftruncate",
		exe, "-test.run=^TestTracedChild$")
	cmd.Env = append(os.Environ(), tracedEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		if _, trace := os.Stat(log); trace != nil || bytes.Contains(out, []byte("ptrace")) {
			t.Skipf("strace may not trace here: %.200s", out)
		}
		t.Fatalf("%v: %.1000s", err, out)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []event
	begun := map[string]string{} // calls that another thread's interrupted, by thread
	for lines := bufio.NewScanner(f); lines.Scan(); {
		thread, call, _ := strings.Cut(lines.Text(), " ")
		call = strings.TrimSpace(call)
		if head, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			begun[thread] = head
			continue
		}
		if strings.HasPrefix(call, "<... ") {
			_, tail, _ := strings.Cut(call, "resumed>")
			call = begun[thread] + tail
		}
		if e, ok := parseCall(call, filepath.Join(dir, "journal")); ok {
			events = append(events, e)
		}
	}
	return events
}

var (
	callOnFD   = regexp.MustCompile(`^(\w+)\(\d+<([^>]*)>(?:, ""\.*, (\d+), (\d+))?.* = (-?\d+)`)
	callOnName = regexp.MustCompile(`^(\w+)\([^"]*"([^"]*)"(?:[^"]*"([^"]*)")?.* = (-?\d+)`)
)

// parseCall reads one line of a trace; ok is false for what is not the log's.
func parseCall(call, dir string) (e event, ok bool) {
	if m := callOnName.FindStringSubmatch(call); m != nil && !strings.HasPrefix(m[4], "-") && strings.HasPrefix(m[2], dir+"/") {
		e.name = filepath.Base(m[2])
		switch {
		case strings.HasPrefix(m[1], "rename"):
			e.kind, e.what = opRename, filepath.Base(m[3])
		case strings.HasPrefix(m[1], "unlink"):
			e.kind = opRemove
		case m[1] == "openat" && strings.Contains(call, "O_CREAT|O_EXCL"):
			e.kind = opCreate
		default:
			return e, false
		}
		return e, !strings.HasPrefix(e.name, indexName)
	}
	m := callOnFD.FindStringSubmatch(call)
	if m == nil || m[5] == "-1" {
		return e, false
	}
	path := m[2]
	e.name = filepath.Base(path)
	switch {
	case path == filepath.Join(filepath.Dir(dir), "acks"):
		return event{kind: opMark}, m[1] == "write"
	case path == dir && m[1] == "fsync":
		return event{kind: opSyncDir}, true
	case filepath.Dir(path) != dir || strings.HasPrefix(e.name, indexName):
		return e, false
	case m[1] == "pwrite64":
		e.kind, e.what = opWrite, m[4]+"+"+m[3]
	case m[1] == "fdatasync":
		e.kind = opDatasync
	case m[1] == "fsync":
		e.kind = opSync
	default:
		return e, false
	}
	return e, true
}

// byFile sorts events by the file that they are about, a name that it had for a
// while apart.
func byFile(events []event) map[string][]event {
	out := map[string][]event{}
	for _, e := range events {
		if e.kind != opSyncDir && e.kind != opMark {
			out[e.name] = append(out[e.name], e)
		}
	}
	return out
}

// checkOrder checks what durability hangs on: a file is synced before it gets
// its name, the name is synced before the file is written under it, and nothing
// of the log is unsynced when an append is acknowledged.
func checkOrder(t *testing.T, what string, events []event) {
	t.Helper()
	dirty, unnamed := map[string]bool{}, map[string]bool{}
	acks := 0
	for _, e := range events {
		switch e.kind {
		case opWrite:
			if unnamed[e.name] {
				t.Errorf("%s: %s, and its name is not synced", what, e)
			}
			dirty[e.name] = true
		case opDatasync, opSync:
			delete(dirty, e.name)
		case opRename:
			if dirty[e.name] {
				t.Errorf("%s: %s, and its content is not synced", what, e)
			}
			unnamed[e.what] = true
		case opSyncDir:
			clear(unnamed)
		case opMark:
			acks++
			for name := range dirty {
				if strings.HasSuffix(name, segSuffix) {
					t.Errorf("%s: acknowledgement %d, and %s is not synced", what, acks, name)
				}
			}
		}
	}
	if acks != 18 {
		t.Errorf("%s: %d acknowledgements", what, acks)
	}
}
