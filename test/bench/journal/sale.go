package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// saleJob makes sales as the agent does, one after the other, and counts what
// the device wrote: intent, outcome and confirmation are synced each, and
// "shown" rides on the next sale's intent.
type saleJob struct {
	Dir      string
	Segments int  // to fill
	Alone    bool // the index in memory, so that the log's bytes stand alone
	Recycled bool // measure only when segments have come round
}

func (j *saleJob) flags(f *flag.FlagSet) {
	f.StringVar(&j.Dir, "dir", "", "empty folder")
	f.IntVar(&j.Segments, "segments", 8, "segments to fill")
	f.BoolVar(&j.Alone, "alone", false, "without the index")
	f.BoolVar(&j.Recycled, "recycled", false, "on recycled segments")
}

// sold is what the sales cost.
type sold struct {
	Sales  int
	Device counters
}

func (j *saleJob) run() (s sold, err error) {
	mode := asShipped
	if j.Alone {
		mode = logAlone
	}
	if j.Recycled {
		mode |= retiring
	}
	eng, err := openJournalWith(j.Dir, mode)
	if err != nil {
		return s, err
	}
	dev, err := deviceOf(j.Dir)
	if err != nil {
		return s, err
	}
	till := &till{j: eng.j, recs: newRecords()}
	if j.Recycled {
		if err := till.untilRecycled(); err != nil {
			return s, err
		}
	}
	// From one segment's first sale to another's, so that as many segments are
	// made as are filled.
	if _, err := till.fill(1); err != nil {
		return s, err
	}
	if err := errors.Join(eng.ready(), settle(j.Dir)); err != nil {
		return s, err
	}
	before := dev.read()
	if s.Sales, err = till.fill(j.Segments); err != nil {
		return s, err
	}
	if err := errors.Join(eng.ready(), settle(j.Dir)); err != nil {
		return s, err
	}
	s.Device = dev.read().minus(before)
	return s, eng.Close()
}

// till sells.
type till struct {
	j    *journal.Log
	recs records
	sold int64
}

func (t *till) sell(n int) error {
	for range n {
		i := t.sold
		t.sold++
		intent := []journal.Entry{entry(3*i, t.recs.at(int(3*i)))}
		if i > 0 {
			intent = append([]journal.Entry{{Type: 4, Group: saleID(i - 1), Class: journal.ClassOutcome, Clear: []byte(`{"delivered":"yes"}`)}}, intent...)
		}
		for _, batch := range [][]journal.Entry{intent, {entry(3*i+1, t.recs.at(int(3*i+1)))}, {entry(3*i+2, t.recs.at(int(3*i+2)))}} {
			if _, err := t.j.Append(batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill sells until so many more segments have been begun.
func (t *till) fill(segments int) (sales int, err error) {
	begun := func() int { info := t.j.Info(); return info.Segments + info.Retired }
	for end := begun() + segments; err == nil && begun() < end; sales++ {
		err = t.sell(1)
	}
	return sales, err
}

// saleSection is the table of bytes per confirmed sale.
type saleSection struct {
	First, FirstIndexed, Recycled, RecycledIndexed sold
}

// countSales measures on the given disk: the slow one where there is one, as
// nothing else writes there.
func (p *plan) countSales(ctx context.Context, rep *report, at place) error {
	s := &saleSection{}
	for _, c := range []struct {
		to              *sold
		alone, recycled bool
	}{{&s.First, true, false}, {&s.FirstIndexed, false, false}, {&s.Recycled, true, true}, {&s.RecycledIndexed, false, true}} {
		dir, err := os.MkdirTemp(at.Dir, "sales-")
		if err != nil {
			return err
		}
		err = child(ctx, c.to, nil, "sales", "dir", dir, "segments", p.segments, "alone", c.alone, "recycled", c.recycled)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		progress("%d sales, log alone %v, recycled %v: %s each", c.to.Sales, c.alone, c.recycled, kib(c.to.bytes()))
	}
	rep.Sale = s
	return nil
}

func (s sold) bytes() float64 { return per(s.Device.Bytes, s.Sales) }

func (s *saleSection) targets() []target {
	row := func(life string, bound float64, got sold) target {
		return target{"device bytes of a confirmed sale, " + life + ", log alone", "≤ " + kib(bound), kib(got.bytes()), got.bytes() <= bound}
	}
	return []target{row("recycled segments", 13.2*1024, s.Recycled), row("first life", 26*1024, s.First)}
}

func (s *saleSection) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## What a sale writes\n\n%d confirmed sales of three synced batches each; the filling of new segments is counted.\n\n", s.First.Sales)
	b.WriteString("| | log alone | index beside it | flushes |\n|---|---|---|---|\n")
	for _, r := range []struct {
		name        string
		alone, both sold
	}{{"first life", s.First, s.FirstIndexed}, {"recycled segments", s.Recycled, s.RecycledIndexed}} {
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f |\n", r.name, kib(r.alone.bytes()), kib(max(0, r.both.bytes()-r.alone.bytes())), per(r.both.Device.Flushes, r.both.Sales))
	}
	return b.String() + "\n"
}

func kib(bytes float64) string { return fmt.Sprintf("%.1f KiB", bytes/1024) }
