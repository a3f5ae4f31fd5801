package sim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestScripts writes runs down as transcripts of the core and has the core's own
// tests play them: they come to what they came to here, through another fence,
// another journal and other timers. So a transcript of a failing run shows what
// happened.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the core's tests")
	}
	dir := t.TempDir()
	for seed := uint64(1); seed <= 40; seed++ {
		text, w := Script(draw(seed), Seeded(seed), fmt.Sprintf("Simulation, seed %d.", seed))
		if w.broken != nil {
			t.Fatalf("seed %d: VIOLATION %s: %s", seed, w.broken.Property, w.broken.Text)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txt", seed)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	playScripts(t, dir)
}

// playScripts runs the core's tests over transcripts.
func playScripts(t *testing.T, dir string, more ...string) {
	args := append([]string{"test", "../../agent/txn", "-count=1", "-run=^TestFurtherTranscripts$", "-transcripts=" + dir}, more...)
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.4000s", err, out)
	}
}
