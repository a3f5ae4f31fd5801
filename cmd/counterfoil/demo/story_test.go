package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// TestStory is the demo of the dialect with MACs, as a person starts it: every
// chapter ends as it should, what is signed is signed, and no card number is in
// what it prints or keeps.
func TestStory(t *testing.T) {
	ctx, program := built(t)
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, program, "demo", "--profile", signedDialect, "--json", "--keep")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	var s Story
	if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	if !s.Passed || len(s.Chapters) != len(chapters()) {
		t.Errorf("passed is %v, %d chapters", s.Passed, len(s.Chapters))
	}
	for _, c := range s.Chapters {
		for _, m := range c.Messages {
			financial := m.MTI[1] == '2' || m.MTI[1] == '4'
			if financial && m.Direction == "in" && !m.Signed {
				t.Errorf("%s: a %s without MAC", c.Name, m.MTI)
			}
		}
	}
	noCardNumber(t, "standard output", stdout.Bytes())
	noCardNumber(t, "standard error", stderr.Bytes())
	keptWithoutCardNumbers(t, s.Kept)
}
