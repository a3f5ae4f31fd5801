package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// inChild tells the copy of this test that is run as a process of its own to
// print hashes and nothing else.
const inChild = "SIM_PRINT_HASHES"

// TestDeterminism runs seeds in two processes and demands the same hash of
// everything that happened: choices, records, messages, timers, answers.
func TestDeterminism(t *testing.T) {
	seeds := 1000
	if testing.Short() {
		seeds = 200
	}
	here := hashes(seeds)
	if os.Getenv(inChild) != "" {
		for _, h := range here {
			fmt.Printf("hash %016x\n", h)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestDeterminism$", fmt.Sprintf("-test.short=%v", testing.Short()))
	cmd.Env = append(os.Environ(), inChild+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the second process: %v\n%s", err, out)
	}
	var there []uint64
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var h uint64
		if n, _ := fmt.Sscanf(lines.Text(), "hash %x", &h); n == 1 {
			there = append(there, h)
		}
	}
	if len(there) != len(here) {
		t.Fatalf("the second process ran %d seeds, want %d\n%s", len(there), len(here), out)
	}
	different := map[uint64]bool{}
	for i := range here {
		different[here[i]] = true
		if here[i] != there[i] {
			t.Errorf("seed %d: %016x here, %016x in the second process", i+1, here[i], there[i])
		}
	}
	if len(different) != len(here) {
		t.Errorf("%d different hashes of %d seeds: the hash does not see enough", len(different), len(here))
	}
}

func hashes(seeds int) (all []uint64) {
	var stats Stats
	for seed := 1; seed <= seeds; seed++ {
		w := Run(draw(uint64(seed)), Seeded(uint64(seed)), &stats, false, true, false)
		all = append(all, w.hash)
	}
	return all
}

// TestWorkersChangeNothing: the same campaign on one worker and on four.
func TestWorkersChangeNothing(t *testing.T) {
	one, failedOne := Campaign(1, 20_000, 1)
	four, failedFour := Campaign(1, 20_000, 4)
	if one != four || (failedOne == nil) != (failedFour == nil) {
		t.Errorf("one worker: %+v\nfour workers: %+v", one, four)
	}
}
