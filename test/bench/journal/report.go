package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is all that a run found.
type report struct {
	Machine  machine
	Plan     plan
	Skipped  string // why there is no slow disk
	Noisy    bool   // others worked at the same time
	Sections []section
	Sale     *saleSection
	Open     *openSection
	Started  time.Time
	Took     time.Duration
}

const (
	reportName = "bench-journal.md"
	plotName   = "bench-journal.svg"
	// notesMark begins what people write into the report; a new run keeps it.
	notesMark = "## Notes\n"
)

// publish prints the report and writes it and its plot to dir, if there is one.
func (r *report) publish(dir string) error {
	text := r.text()
	fmt.Print(text)
	if dir == "" {
		return nil
	}
	path := filepath.Join(dir, reportName)
	if old, err := os.ReadFile(path); err == nil {
		if i := strings.Index(string(old), notesMark); i >= 0 {
			text += "\n" + string(old[i:])
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, plotName), []byte(r.plot()), 0o644)
}

func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# How fast the journal is\n\nMade by `make bench-journal` in %s; a new run writes this page anew, up to the notes.\n\n", r.Took.Round(time.Second))
	fmt.Fprintf(&b, "![the plot](%s)\n\n", plotName)
	fmt.Fprintf(&b, "**Machine**: %s. %s\n\n", r.Machine, r.quietWords())
	b.WriteString(r.method())
	for _, c := range candidates {
		fmt.Fprintf(&b, "- %s: %s\n", c.name, c.about)
	}
	b.WriteString("\n")
	b.WriteString(r.targetTable())
	for i := range r.Sections {
		b.WriteString(r.Sections[i].text())
	}
	if r.Sale != nil {
		b.WriteString(r.Sale.text())
	}
	if r.Open != nil {
		b.WriteString(r.Open.text())
	}
	return b.String()
}

func (r *report) method() string {
	slow := "**slow** is ext4 on a loop device over a FUSE file in memory that charges 150 µs per command, 100 µs per 4 KiB and 1.5 ms per flush: a stand-in for eMMC, not a measured one."
	if r.Skipped != "" {
		slow = "The slow disk is missing: " + r.Skipped + "."
	}
	return fmt.Sprintf("**Method**: records of %d–%d bytes. %d rounds of %d records with one writer and of %d with %d (%d times as many on the real disk); each round of each engine is a process of its own, in an empty folder, the order turned round every time. Latencies are the medians of the rounds' quantiles. "+
		"**raw** is the physical limit: a file filled with zeros before, one 4 KiB-aligned pwrite and one fdatasync per batch, no checksum, no order, no index. With %d writers raw and the engines that write one batch at a time stand behind the same group commit; the journal has its own. "+
		"Bytes and flushes are the block device's counters, closing and late write-back included; on the real disk they hold what else ran. Syncs are the difference of two `strace -c` runs. "+
		"**real** is the disk of the temporary folder. %s Ratios hold, absolute times do not.\n\n",
		minRecord, maxRecord, r.Plan.rounds, r.Plan.n, r.Plan.crewN, r.Plan.writers, realFactor, r.Plan.writers, slow)
}

func (r *report) targetTable() string {
	all := r.targets()
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("## Targets\n\n| | demand | measured | |\n|---|---|---|---|\n")
	for _, t := range all {
		word := "met"
		if !t.Met {
			word = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.What, t.Demand, t.Got, word)
	}
	return b.String() + "\n"
}

func (s *section) text() string {
	var b strings.Builder
	raw := s.of(rawName)
	if s.Writers == 1 {
		fmt.Fprintf(&b, "## One writer, %s disk\n\n%s.\n\n", s.Place, s.Disk)
		b.WriteString("| | p50 µs | × raw | p99 µs | × raw | syncs / record | flushes / record | device bytes / record |\n|---|---|---|---|---|---|---|---|\n")
		for i := range s.Series {
			x := &s.Series[i]
			syncs := "—"
			if x.Syncs != nil {
				syncs = fmt.Sprintf("%.2f", *x.Syncs)
			}
			fmt.Fprintf(&b, "| %s | %s | %.2f | %s | %.2f | %s | %.2f | %.0f |\n", x.label(), micros(x.p50()), quotient(x.p50(), raw.p50()),
				micros(x.p99()), quotient(x.p99(), raw.p99()), syncs, x.flushes(), x.bytes())
		}
		return b.String() + "\n"
	}
	fmt.Fprintf(&b, "## %d writers, %s disk\n\n", s.Writers, s.Place)
	b.WriteString("| | records / s | × raw | p50 µs | p99 µs | flushes / record | device bytes / record |\n|---|---|---|---|---|---|---|\n")
	for i := range s.Series {
		x := &s.Series[i]
		fmt.Fprintf(&b, "| %s | %.0f | %.2f | %s | %s | %.3f | %.0f |\n", x.label(), x.rate(s.N), x.rate(s.N)/raw.rate(s.N),
			micros(x.p50()), micros(x.p99()), x.flushes(), x.bytes())
	}
	return b.String() + "\n"
}

// label is the name, ours in bold.
func (s *series) label() string {
	switch s.Engine {
	case journalName:
		return "**journal**"
	case recycledName:
		return "journal, recycled"
	}
	return s.Engine
}

func micros(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/1e3) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
