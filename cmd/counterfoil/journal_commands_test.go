package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/journal"
)

func TestVerifyAndStats(t *testing.T) {
	path := everyState(t).close()
	r := command(t, "journal", "verify", path)
	if r.code != exitOK || !strings.Contains(r.out, "sound") || !strings.Contains(r.out, "(1 to ") {
		t.Errorf("%v", r)
	}
	var report journal.VerifyReport
	r = command(t, "journal", "verify", path, "--json")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.Entries == 0 || report.Segments != 1 || len(report.Damage) > 0 {
		t.Errorf("%v: %v", err, r)
	}
	r = command(t, "journal", "stats", path)
	if r.code != exitOK || !strings.Contains(r.out, "intent ") || !strings.Contains(r.out, "sealed") {
		t.Errorf("%v", r)
	}
	var stats journalStats
	r = command(t, "journal", "stats", path, "--json")
	if err := json.Unmarshal([]byte(r.out), &stats); err != nil || stats.Records["intent"] == 0 || stats.Last != journal.LSN(report.Entries) {
		t.Errorf("%v: %v", err, r)
	}
	if r := command(t, "journal", "verify", path+"x"); r.code != exitFailed {
		t.Errorf("%v", r)
	}
}

// An export goes on where the one before ended, and its lines are golden: a
// field that changes its name breaks somebody's program.
func TestExport(t *testing.T) {
	path := everyState(t).close()
	whole := command(t, "journal", "export", path)
	noPAN(t, whole.out)
	golden(t, "journal-export", hashes(whole.String()))
	var last struct {
		Schema int
		LSN    uint64
		Sealed int `json:"sealed_bytes"`
	}
	lines := strings.Split(strings.TrimSpace(whole.out), "\n")
	if err := json.Unmarshal([]byte(lines[9]), &last); err != nil || last.Schema != 1 || last.LSN != 10 {
		t.Fatalf("%v: %s", err, lines[9])
	}
	rest := command(t, "journal", "export", path, "--since", "10")
	if rest.out != strings.Join(lines[10:], "\n")+"\n" {
		t.Errorf("%v", rest)
	}
	end := command(t, "journal", "export", path, "--since", "100000")
	if end.code != exitOK || end.out != "" {
		t.Errorf("%v", end)
	}
}

// A journal whose end is damaged: the daemon refuses it, accept-loss keeps the
// evidence and puts what was open in front of a person, and then it starts.
func TestAcceptLoss(t *testing.T) {
	b := newBed(t, declining)
	b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "counterfoil.yaml")
	if r := command(t, "journal", "accept-loss", "--config", file, "--who", "Li Na", "--why", "test"); r.code != exitFailed || !strings.Contains(r.errOut, "no loss") {
		t.Errorf("a sound journal: %v", r)
	}
	segment := filepath.Join(b.dir, "journal", "000000000001.seg")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	ends := strings.LastIndex(string(data), "CFJR") &^ 4095
	data[ends-4096+100] ^= 1 // the batch before the last one, which is of the showing
	write(t, segment, string(data))
	if r := command(t, "run", "--config", file); r.code != exitFailed || !strings.Contains(r.errOut, "damaged") {
		t.Fatalf("%v", r)
	}
	if r := command(t, "journal", "verify", filepath.Dir(segment)); r.code != exitFailed || !strings.Contains(r.out, "DAMAGED  segment 1, offset") {
		t.Fatalf("%v", r)
	}
	if r := command(t, "journal", "accept-loss", "--config", file); r.code == exitOK {
		t.Errorf("nobody decided: %v", r)
	}
	r := command(t, "journal", "accept-loss", "--config", file, "--who", "Li Na", "--why", "the disk", "--json")
	var out accepted
	if err := json.NewDecoder(bufio.NewReader(strings.NewReader(r.out))).Decode(&out); err != nil || r.code != exitOK || out.Epoch == 0 || len(out.Evidence) != 1 || out.Wiped == nil || len(out.InDoubt) != 1 {
		t.Fatalf("%v: %v", err, r)
	}
	// The confirmation is in what is gone: undoing this sale would be free goods.
	b.start()
	b.eventually("paid", func(tx *client.Transaction) bool {
		return tx.State == "approved" && tx.Must == client.MustCall && len(tx.Items) == 1 && tx.Items[0].Cause == "journal_lost"
	})
}
