package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCountCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "strace.txt")
	text := `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.50    0.241000         120      2001           fdatasync
  0.50    0.001200         600         2         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.242200         120      2003         1 total
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := countCalls(path); got != 2003 || err != nil {
		t.Fatalf("countCalls = %d, %v; want 2003", got, err)
	}
}

// slowEngine keeps the crew waiting until everybody has come.
type slowEngine struct {
	batches [][][]byte
	gate    chan struct{}
	err     error
}

func (e *slowEngine) Write(batch [][]byte) error {
	<-e.gate
	e.batches = append(e.batches, append([][]byte(nil), batch...))
	return e.err
}
func (e *slowEngine) Close() error { return nil }

// Everybody gets the answer of the batch that held his record, and no record is
// written twice or left out.
func TestCrew(t *testing.T) {
	want := errors.New("the disk is gone")
	eng := &slowEngine{gate: make(chan struct{}), err: want}
	c := newCrew(eng)
	const writers = 16
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if err := c.Append([]byte{byte(i)}); !errors.Is(err, want) {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	close(eng.gate)
	wg.Wait()
	c.Stop()
	seen := map[byte]int{}
	for _, b := range eng.batches {
		for _, rec := range b {
			seen[rec[0]]++
		}
	}
	if len(seen) != writers {
		t.Fatalf("%d of %d records were written", len(seen), writers)
	}
	for rec, n := range seen {
		if n != 1 {
			t.Errorf("record %d was written %d times", rec, n)
		}
	}
}

// A round of every engine counts its records and gives times.
func TestRound(t *testing.T) {
	for _, c := range candidates {
		for _, writers := range []int{1, 8} {
			j := job{Engine: c.name, Dir: t.TempDir(), Writers: writers, N: 64, Warm: 4}
			res, err := j.run()
			if err != nil {
				t.Fatalf("%s, %d writers: %v", c.name, writers, err)
			}
			if res.Records != 68 || res.P50 <= 0 || res.P99 < res.P50 || res.Elapsed <= 0 {
				t.Errorf("%s, %d writers: %+v", c.name, writers, res)
			}
		}
	}
}

func TestMedian(t *testing.T) {
	id := func(d time.Duration) time.Duration { return d }
	if got := median([]time.Duration{5, 1, 3}, id); got != 3 {
		t.Errorf("median of 5, 1, 3 = %d", got)
	}
	if got := median(nil, id); got != 0 {
		t.Errorf("median of nothing = %d", got)
	}
}

// A new run writes the report anew and keeps what people wrote; the plot is
// well-formed.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	sec := section{Place: "slow", Writers: 1, N: 10, Series: []series{
		{Engine: rawName, Rounds: []result{{P50: 100, P99: 200, Elapsed: 1000, Records: 10}}},
		{Engine: journalName, Rounds: []result{{P50: 104, P99: 400, Elapsed: 1100, Records: 10}}},
	}}
	r := &report{Sections: []section{sec}, Machine: machine{CPU: "a < b & c"}}
	if err := os.WriteFile(filepath.Join(dir, reportName), []byte("# old\n\n## Notes\n\nmine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, reportName))
	if err != nil || strings.Contains(string(text), "# old") || !strings.HasSuffix(string(text), "\n\n## Notes\n\nmine\n") {
		t.Fatalf("the report is %q, %v", text, err)
	}
	for _, want := range []string{"p50 × raw | ≤ 1.05 | 1.040 | met", "p99 × raw | ≤ 1.50 | 2.000 | **missed**"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	f, err := os.Open(filepath.Join(dir, plotName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := xml.NewDecoder(f)
	for err == nil {
		_, err = dec.Token()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
}
