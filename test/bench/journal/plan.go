package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// plan is what a run does.
type plan struct {
	n, rounds, crewN, writers int
	old, tail                 int
	segments                  int
	base, out                 string
	engines, disks            string
	quick                     bool
	quiet, patience           time.Duration
	Repeated                  int // rounds in which others worked
}

func (p *plan) flags(f *flag.FlagSet) {
	f.IntVar(&p.n, "n", 2000, "records of a round with one writer")
	f.IntVar(&p.rounds, "rounds", 5, "rounds of each engine")
	f.IntVar(&p.writers, "writers", 64, "concurrent writers of the second half")
	f.IntVar(&p.crewN, "crew-n", 16000, "records of a round with concurrent writers")
	f.IntVar(&p.old, "old", 1_000_000, "records in a journal that is opened; 0 leaves opening out")
	f.IntVar(&p.tail, "tail", 1024, "records after its index's checkpoint")
	f.IntVar(&p.segments, "segments", 8, "segments to fill with sales whose bytes are counted; 0 leaves that out")
	f.StringVar(&p.base, "dir", os.TempDir(), "where to measure: a folder on the disk in question")
	f.StringVar(&p.out, "out", "", "folder for bench-journal.md and .svg; none are written without")
	f.StringVar(&p.engines, "engines", "", "comma-separated candidates; all without, the raw limit always")
	f.StringVar(&p.disks, "disks", "real,slow", "which of the two")
	f.DurationVar(&p.quiet, "quiet", 2*time.Minute, "how long, in all, to wait for others to leave the machine alone and to repeat rounds that they disturbed")
	f.BoolVar(&p.quick, "quick", false, "small numbers, to see that it works")
}

// shrink is the quick mode.
func (p *plan) shrink() {
	p.n, p.rounds, p.crewN = min(p.n, 300), min(p.rounds, 2), min(p.crewN, 2000)
	p.old, p.tail, p.segments = min(p.old, 20_000), min(p.tail, 256), min(p.segments, 2)
}

// place is a disk to measure on.
type place struct {
	Name string // "real" or "slow"
	Dir  string

	served int // the process that serves it; 0: none does
}

// realFactor is how many more records concurrent writers append on the real
// disk than on the slow one.
const realFactor = 4

// run does everything, prints the report and writes it.
func (p *plan) run(ctx context.Context) error {
	if p.quick {
		p.shrink()
	}
	p.patience = p.quiet
	chosen, err := p.chosen()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(p.base, "bench-journal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	places, done, skipped, err := p.places(dir)
	if err != nil {
		return err
	}
	rep := &report{Machine: describe(), Plan: *p, Skipped: skipped, Started: time.Now()}
	err = p.measure(ctx, rep, places, chosen, dir)
	if err = errors.Join(err, done()); err != nil {
		return err
	}
	rep.Noisy, rep.Plan.Repeated = p.patience <= 0, p.Repeated
	rep.Took = time.Since(rep.Started)
	return rep.publish(p.out)
}

func (p *plan) measure(ctx context.Context, rep *report, places []place, chosen []candidate, dir string) error {
	for _, at := range places {
		for _, writers := range []int{1, p.writers} {
			sec, err := p.section(ctx, at, chosen, writers)
			if err != nil {
				return err
			}
			rep.Sections = append(rep.Sections, sec)
		}
	}
	if p.segments > 0 {
		if err := p.countSales(ctx, rep, places[len(places)-1]); err != nil {
			return err
		}
	}
	if p.old > 0 {
		if err := p.measureOpen(ctx, rep, dir); err != nil {
			return err
		}
	}
	return nil
}

// chosen gives the candidates of the run, the raw limit first.
func (p *plan) chosen() ([]candidate, error) {
	if p.engines == "" {
		return candidates, nil
	}
	out := candidates[:1:1]
	for name := range strings.SplitSeq(p.engines, ",") {
		c, err := find(name)
		if err != nil {
			return nil, err
		}
		if c.name != rawName {
			out = append(out, c)
		}
	}
	return out, nil
}

// places prepares the disks; skipped says why there is no slow one.
func (p *plan) places(dir string) (places []place, done func() error, skipped string, err error) {
	done = func() error { return nil }
	for name := range strings.SplitSeq(p.disks, ",") {
		switch name {
		case "real":
			places = append(places, place{Name: name, Dir: dir})
		case "slow":
			d, err := startSlowDisk(dir, 1<<30)
			if err != nil {
				skipped = err.Error()
				progress("no slow disk: %v", err)
				continue
			}
			places, done = append(places, place{Name: name, Dir: d.dir, served: d.cmd.Process.Pid}), d.close
		default:
			return nil, done, "", fmt.Errorf("no disk is called %q", name)
		}
	}
	if len(places) == 0 {
		return nil, done, "", errors.New("no disk to measure on")
	}
	return places, done, skipped, nil
}

// section measures the candidates on one disk with so many writers.
func (p *plan) section(ctx context.Context, at place, chosen []candidate, writers int) (section, error) {
	sec := section{Place: at.Name, Disk: describeDisk(at.Dir), Writers: writers, N: p.n}
	if writers > 1 {
		sec.N = p.crewN
		if at.Name == "real" {
			sec.N *= realFactor // a round must last long enough for commits of the index
		}
	}
	for _, c := range chosen {
		sec.Series = append(sec.Series, series{Engine: c.name})
	}
	for round := range p.rounds {
		order := make([]*series, len(sec.Series))
		for i := range sec.Series {
			order[i] = &sec.Series[i]
		}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			res, err := p.quietRound(ctx, at, job{Engine: s.Engine, Writers: writers, N: sec.N})
			if err != nil {
				return sec, err
			}
			s.Rounds = append(s.Rounds, res)
			progress("%s disk, %d writers, round %d of %d: %-8s p50 %s, p99 %s, %.0f/s",
				at.Name, writers, round+1, p.rounds, s.Engine, micros(res.P50), micros(res.P99), perSecond(sec.N, res.Elapsed))
		}
	}
	if writers == 1 && at.Name == "real" {
		for i := range sec.Series {
			s := &sec.Series[i]
			n, err := p.syncs(ctx, at, s.Engine)
			if err != nil {
				progress("syncs of %s not counted: %v", s.Engine, err)
				continue
			}
			s.Syncs = &n
		}
	}
	return sec, nil
}

// quietRound runs one job when nobody else works on this machine, and again
// when somebody began meanwhile, whatever it measured, while patience lasts.
func (p *plan) quietRound(ctx context.Context, at place, j job) (res result, err error) {
	for {
		hush(ctx, &p.patience)
		start, noise := time.Now(), listen(at.served)
		res, err = p.round(ctx, at, j)
		if others := noise.others(); err != nil || others <= mostNoise || p.patience <= 0 {
			return res, err
		}
		p.patience -= time.Since(start)
		p.Repeated++
	}
}

// round runs one job in an empty folder and process of its own.
func (p *plan) round(ctx context.Context, at place, j job, wrap ...string) (res result, err error) {
	dir, err := os.MkdirTemp(at.Dir, "round-")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	err = child(ctx, &res, wrap, "round", "engine", j.Engine, "dir", dir, "writers", j.Writers, "n", j.N)
	return res, errors.Join(err, settle(at.Dir))
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
