package journal

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a fault put into the code: one line, found by its exact text, and
// the test that must notice.
type mutant struct {
	name, file, line, instead, caughtBy string
}

var mutants = []mutant{
	{"a batch is not synced", "append.go", "	if err := w.file.Datasync(); err != nil {", "	if err := error(nil); err != nil {", "TestPowerCut/appends_of_many_sizes"},
	{"a key's name is not synced", "keyfile.go", "	return d.SyncDir()", "	return nil", "TestPowerCut/appends_of_many_sizes"},
	{"a prepared segment's name is not synced", "keeper.go", "	return l.fs.SyncDir()", "	return nil", "TestPowerCut/rolls_with_a_carry"},
	{"a prepared segment is not synced", "keeper.go", "	return f.Sync()", "	return nil", "TestPowerCut/rolls_with_a_carry"},
	{"checksums are not compared", "walk.go", "	if checksum(w.head.salt, r.bytes) != r.crc {", "	if false {", "TestLookUpVerifies"},
	{"the chain is not compared", "walk.go", "		if chain = nextChain(w.sum, chain, r.bytes); chain != r.chain {", "		if chain = r.chain; false {", "TestLostWrite"},
	{"the index is ahead of the log", "append.go", "	if err := w.flush(w.off); err != nil {", "	l.publish(first, n, w.off, w.enc.buf, w.head)\n	_ = l.index.commit()\n	if err := w.flush(w.off); err != nil {", "TestPowerCutWithIndex"},
	{"a nonce is used again", "wrapper.go", "	_, _ = rand.Read(nonce[:]) // never fails", "	_, _ = rand.Read(nonce[:0])", "TestNonceIsUsedOnce"},
	{"the last batch is not written again", "recover.go", "	if _, err := f.WriteAt(b, e.window); err != nil {", "	if _, err := f.WriteAt(b[:0], e.window); err != nil {", "TestEveryOperationFails/sync_fails"},
	{"a torn tail is not wiped", "recover.go", "		e.wipe = found.end", "		e.wipe = 0", "TestPowerCut/batches_of_many_blocks"},
	{"a carry lacks its groups", "roll.go", "	for _, g := range want.Groups {", "	for _, g := range want.Groups[:0] {", "TestPowerCut/rolls_with_a_carry"},
	{"a segment with nothing but a carry is skipped", "scan.go", "		if h, err := segs[i].header(); err == nil && h.first > last && i != from {", "		if h, err := segs[i].header(); err == nil && h.first > last {", "TestPowerCut/rolls_with_a_carry"},
	{"the rest of a torn roll stays", "recover.go", "	if err == nil && e.discard == 0 {", "	if false {", "TestZeroed"},
	{"a loss is accepted by a power cut", "accept.go", "	return writeFile(s.fs, name, []byte(damage.Error()+\"\\n\"))", "	_ = name\n	return nil", "TestPowerCutDuringAcceptLoss"},
	{"names expire without a word", "retire.go", "		err = l.retired.add(old.seq, since, names)", "		err = l.retired.add(old.seq, 0, names)", "TestOldestNamesMissing"},
	{"a failed sync is forgotten", "append.go", "		return fmt.Errorf(\"sync: %w\", err)", "		return nil", "TestEveryOperationFails/sync_fails"},
}

// Each mutant is caught by the test that is named for it.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("each mutant is a build: not with -short")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not here to build them")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) { m.run(t, tool, dir) })
	}
}

func (m *mutant) run(t *testing.T, tool, dir string) {
	source, err := os.ReadFile(filepath.Join(dir, m.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.line+"\n"); n != 1 {
		t.Fatalf("%s has this line %d times, want once: %s", m.file, n, strings.TrimSpace(m.line))
	}
	changed, overlay := filepath.Join(t.TempDir(), m.file), filepath.Join(t.TempDir(), "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(dir, m.file): changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{changed: []byte(strings.Replace(string(source), m.line+"\n", m.instead+"\n", 1)), overlay: list} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var pattern []string
	for _, part := range strings.Split(m.caughtBy, "/") {
		pattern = append(pattern, "^"+part+"$")
	}
	out, err := exec.Command(tool, "test", "-overlay="+overlay, "-vet=off", "-count=1", "-short", "-timeout=2m", "-run="+strings.Join(pattern, "/"), ".").CombinedOutput()
	switch text := string(out); {
	case err == nil:
		t.Errorf("%s did not notice", m.caughtBy)
	case !strings.Contains(text, "--- FAIL: "+m.caughtBy):
		t.Errorf("%s did not fail by itself:\n%.2000s", m.caughtBy, text)
	default:
		t.Logf("%-46s caught by %s", m.name, m.caughtBy)
	}
}
