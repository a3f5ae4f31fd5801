package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// openSection is what opening a large journal costs.
type openSection struct {
	Old, Tail                     int
	Own, Bolt                     []opened
	Warm                          []opened
	Rebuild                       []opened
	Read                          []time.Duration // of the whole log, cold, sequentially
	LogBytes, IndexBytes, BoltLen int64
	Bare                          memory // of a process that opened nothing
	Root                          bool
}

const (
	openBound  = 50 * time.Millisecond
	boltFactor = 2
	readFactor = 2
)

// measureOpen fills two folders once, then opens a fresh copy of each, cold, in
// every round.
func (p *plan) measureOpen(ctx context.Context, rep *report, dir string) error {
	o := &openSection{Old: p.old, Tail: p.tail, Root: isRoot()}
	past := filepath.Join(dir, "past")
	for _, engine := range []string{journalName, "bbolt"} {
		progress("filling %s with %d records", engine, p.old)
		at := filepath.Join(past, engine)
		if err := makeDir(at); err != nil {
			return err
		}
		if err := child(ctx, new(any), nil, "fill", "engine", engine, "dir", at, "old", p.old, "tail", p.tail); err != nil {
			return err
		}
	}
	var bare opened
	if err := child(ctx, &bare, nil, "open"); err != nil {
		return err
	}
	o.Bare = bare.Memory
	o.sizes(past)
	for round := range p.rounds {
		hush(ctx, &p.patience)
		if err := o.round(ctx, past, filepath.Join(dir, "work")); err != nil {
			return err
		}
		progress("opening, round %d of %d: journal %v, bbolt %v, rebuilt in %v, read in %v",
			round+1, p.rounds, o.Own[round].Open, o.Bolt[round].Open, o.Rebuild[round].Open, o.Read[round])
	}
	rep.Open = o
	return nil
}

// round opens the journal and bbolt cold, the journal once more warm, then
// reads the log and rebuilds its index, each cold.
func (o *openSection) round(ctx context.Context, past, work string) error {
	cold := func(list *[]opened, engine string, prepare func(dir string) error) error {
		if err := copyDir(work, filepath.Join(past, engine)); err != nil {
			return err
		}
		if prepare != nil {
			if err := prepare(work); err != nil {
				return err
			}
		}
		if err := chill(work); err != nil {
			return err
		}
		return o.open(ctx, list, engine, work)
	}
	if err := cold(&o.Own, journalName, nil); err != nil {
		return err
	}
	if err := o.open(ctx, &o.Warm, journalName, work); err != nil {
		return err
	}
	if err := cold(&o.Bolt, "bbolt", nil); err != nil {
		return err
	}
	if err := cold(&o.Rebuild, journalName, removeIndex); err != nil {
		return err
	}
	if err := chill(work); err != nil {
		return err
	}
	took, _, err := readAll(logFiles(work))
	o.Read = append(o.Read, took)
	return err
}

func (o *openSection) open(ctx context.Context, list *[]opened, engine, dir string) error {
	var got opened
	if err := child(ctx, &got, nil, "open", "engine", engine, "dir", dir); err != nil {
		return err
	}
	if want := int64(o.Old + o.Tail); got.Last != want {
		return fmt.Errorf("%s ends with record %d, want %d", engine, got.Last, want)
	}
	*list = append(*list, got)
	return nil
}

func (o *openSection) sizes(past string) {
	o.LogBytes = sum(logFiles(filepath.Join(past, journalName)))
	o.IndexBytes = sum(indexFiles(filepath.Join(past, journalName)))
	o.BoltLen = sum(glob(past, "bbolt", "bbolt.db"))
}

func openTime(o opened) time.Duration { return o.Open }

func (o *openSection) targets() []target {
	own, bolt := median(o.Own, openTime), median(o.Bolt, openTime)
	read := median(o.Read, func(d time.Duration) time.Duration { return d })
	whole := median(o.Rebuild, openTime)
	what := fmt.Sprintf("open with %d old records and a tail of %d, cold", o.Old, o.Tail)
	return []target{
		{what, "≤ " + millis(openBound), millis(own), own <= openBound},
		{what + ", × bbolt's own", fmt.Sprintf("≤ %d", boltFactor), fmt.Sprintf("%.2f", quotient(own, bolt)), own <= boltFactor*bolt},
		{"full rebuild of the index × a cold sequential read of the log", fmt.Sprintf("≤ %d", readFactor), fmt.Sprintf("%.2f", quotient(whole, read)), whole <= readFactor*read},
	}
}

func (o *openSection) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Opening\n\n%d old records and %d after the index's checkpoint; real disk. Cold: a fresh copy, the caches dropped before", o.Old, o.Tail)
	if !o.Root {
		b.WriteString(" (of these files only: not root)")
	}
	fmt.Fprintf(&b, "; a host under a virtual disk may still have it in memory. The log has %s, its index %s, the bbolt file %s.\n\n", mib(o.LogBytes), mib(o.IndexBytes), mib(o.BoltLen))
	b.WriteString("| | open | first look-up | RSS, own | RSS, files |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		list []opened
	}{{"**journal**, cold", o.Own}, {"journal, warm", o.Warm}, {"bbolt, free list synced, cold", o.Bolt}} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.name, millis(median(row.list, openTime)),
			millis(median(row.list, func(x opened) time.Duration { return x.Lookup })),
			mib(median(row.list, func(x opened) int64 { return x.Memory.Anon })),
			mib(median(row.list, func(x opened) int64 { return x.Memory.File })))
	}
	fmt.Fprintf(&b, "| a process that opened nothing | | | %s | %s |\n\n", mib(o.Bare.Anon), mib(o.Bare.File))
	read := median(o.Read, func(d time.Duration) time.Duration { return d })
	whole := median(o.Rebuild, openTime)
	fmt.Fprintf(&b, "The index deleted, the journal opened after %s, with a new one (own memory then %s); one cold sequential read of the log took %s (%.0f MiB/s).\n\n",
		millis(whole), mib(median(o.Rebuild, func(x opened) int64 { return x.Memory.Anon })),
		millis(read), float64(o.LogBytes)/(1<<20)/max(read.Seconds(), 1e-9))
	return b.String()
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
