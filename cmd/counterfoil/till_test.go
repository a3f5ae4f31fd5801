package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// A stranger's application: the script of docs/integration.md, as it stands
// there, sells, confirms, dies and recovers against dev.
func TestStrangersScript(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not here: the script in docs/integration.md was not run")
	}
	script := scriptOf(t, "till.py")
	if n := strings.Count(script, "\n"); n >= 60 {
		t.Errorf("the script has %d lines: it is to be below 60", n)
	}
	dir := shortDir(t)
	write(t, filepath.Join(dir, "till.py"), script)
	d := startDev(t, "--json", "--listen-dir", filepath.Join(dir, "dev"))
	var w devAnnouncement
	line, err := d.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &w)
	}
	if err != nil {
		t.Fatalf("dev announced %q: %v", line, err)
	}
	defer func() {
		if code := d.end(); code != exitOK {
			t.Errorf("dev ended with %d", code)
		}
	}()
	till := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.Command(python, append([]string{"till.py", w.Socket}, args...)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader("yes\n")
		var errOut strings.Builder
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%v: exit code %d, want %d, %v\n%s%s", args, code, want, err, out, &errOut)
		}
		return string(out) + errOut.String()
	}
	if out := till(0, "sell", "order-1", "1234"); !strings.Contains(out, "confirmed Paid.") {
		t.Errorf("a sale: %s", out)
	}
	if out := till(9, "sell", "order-2", "500", "die"); out != "" {
		t.Errorf("it showed something before it died: %s", out)
	}
	if out := till(0); !strings.Contains(out, "confirmed Paid.") || !strings.Contains(out, "handed over?") || strings.Count(out, "\n") != 1 {
		t.Errorf("after it died: %s", out)
	}
	if out := till(1, "sell", "order-1", "1234"); !strings.Contains(out, "sale_paid") {
		t.Errorf("the same order again: %s", out)
	}
	if out := till(0); !strings.Contains(out, "never began") {
		t.Errorf("after a refusal: %s", out)
	}
	r := command(t, "list", "--socket", w.Socket, "--json")
	var l client.List
	if err := json.Unmarshal([]byte(r.out), &l); err != nil || len(l.Transactions) != 2 {
		t.Fatalf("%v: %v", err, r)
	}
	for _, tx := range l.Transactions {
		if tx.State != "confirmed" || tx.Shown != "yes" {
			t.Errorf("%+v", tx)
		}
	}
}

// scriptOf takes a marked block out of the integration guide.
func scriptOf(t *testing.T, name string) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/integration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(guide), "<!-- "+name+" -->\n```python\n")
	script, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("docs/integration.md has no block marked %s", name)
	}
	return script
}
