package journal

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
)

// fault is one way in which an operation fails, once.
type fault struct {
	name  string
	err   error
	kinds []opKind
	short bool // half of the write is done
	stays bool // every later operation of these kinds fails too
	lost  uint64
}

var faults = []fault{
	{name: "sync fails", err: syscall.EIO, kinds: []opKind{opDatasync, opSync, opSyncDir}},
	{name: "sync fails, half is written", err: syscall.EIO, kinds: []opKind{opDatasync, opSync, opSyncDir}, lost: 1},
	{name: "write fails", err: syscall.EIO, kinds: []opKind{opWrite, opCreate, opRename, opRemove}},
	{name: "disk full", err: syscall.ENOSPC, kinds: []opKind{opWrite, opCreate}, stays: true},
	{name: "short write", err: io.ErrShortWrite, kinds: []opKind{opWrite}, short: true},
	{name: "short write, disk full", err: syscall.ENOSPC, kinds: []opKind{opWrite}, short: true, stays: true},
}

// arm lets the n-th operation of the fault's kinds fail, from 0.
func (f fault) arm(disk *crashFS, n int) (hit *atomic.Bool) {
	hit = new(atomic.Bool)
	disk.lost = f.lost
	disk.inject = func(o *op) error {
		for _, k := range f.kinds {
			if o.kind != k {
				continue
			}
			n--
			if n == -1 || n < -1 && f.stays {
				hit.Store(true)
				return f.err
			}
		}
		return nil
	}
	if f.short {
		disk.short = func(o *op) int { return len(o.data) / 2 }
	}
	return hit
}

// faultTally counts what a fault did.
type faultTally struct {
	faults, stuck, unharmed, refused, states int
}

// Every operation of a life fails once, in every way. What was acknowledged is
// there after a restart, with a power cut or without, and the next outcome can
// be recorded.
func TestEveryOperationFails(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			var tally faultTally
			for n := 0; ; n++ {
				if testing.Short() && n%3 == 2 || raceDetector && n%5 > 0 {
					continue
				}
				if !failAt(t, f, n, &tally) || t.Failed() {
					break
				}
			}
			t.Logf("%d faults: %d ended the journal, %d were none of an append's, %d were at the opening; %d states of the disk afterwards, every one with all that was acknowledged",
				tally.faults, tally.stuck, tally.unharmed, tally.refused, tally.states)
			if tally.stuck == 0 && !raceDetector {
				t.Error("no append ever failed")
			}
		})
	}
}

// failAt lives with the n-th operation failing; false: there is no such one.
func failAt(t *testing.T, f fault, n int, tally *faultTally) bool {
	t.Helper()
	sc := &scenario{
		name: fmt.Sprintf("%s, operation %d", f.name, n),
		opts: Options{SegmentBytes: 16 << 10, MaxBytes: 1 << 20},
		plan: &plan{batch: func(i int) []shape {
			return []shape{{clear: 500 + 900*(i%4), fill: 0xFF}, {clear: 80, sealed: 60, keyID: 1, group: "stuck", fill: 'x'}}
		}, open: func(g string) bool { return g == "stuck" }},
		cuts: sampling{all: 4, edges: 2, random: 1},
	}
	disk := newCrashFS()
	s := &session{t: t, disk: disk, plan: sc.plan, opts: sc.opts, tag: 1}
	hit := f.arm(disk, n)
	for range 2 { // two lives, so that an opening of what is there is hit too
		if err := s.begin(); err != nil {
			if !hit.Load() {
				t.Fatal(err)
			}
			tally.refused++
			break
		}
		var err error
		for k := 0; k < 5 && err == nil; k++ {
			err = s.appendOne()
		}
		if err != nil {
			if !hit.Load() || !errors.Is(err, ErrFailed) || !errors.Is(err, f.err) {
				t.Errorf("%s: append says %v", sc.name, err)
			}
			s.isStuck()
		}
		closing := s.log.Close()
		if err != nil {
			tally.stuck++
			break
		}
		if closing != nil && !hit.Load() {
			t.Error(closing)
		}
	}
	if !hit.Load() {
		return false
	}
	tally.faults++
	if tally.faults > tally.stuck+tally.refused+tally.unharmed {
		tally.unharmed++
	}
	disk.inject, disk.short = nil, nil
	afterFault(t, sc, s, tally)
	return true
}

// isStuck checks that a journal that has failed takes nothing more.
func (s *session) isStuck() {
	s.t.Helper()
	before := len(s.disk.recorded())
	for range 2 {
		if _, err := s.log.Append(s.plan.entries(s.next, 9)); !errors.Is(err, ErrFailed) {
			s.t.Errorf("an append after the failure says %v", err)
		}
		if err := s.log.Reserve(ClassOutcome, 100); !errors.Is(err, ErrFailed) {
			s.t.Errorf("a reservation after the failure says %v", err)
		}
	}
	for _, o := range s.disk.recorded()[before:] {
		if o.kind == opDatasync || o.kind == opWrite && o.name == segName(1) {
			s.t.Errorf("after the failure: %s", &o)
		}
	}
}

// afterFault restarts, first without a power cut: what is in memory only must
// not be believed. Then every cut of both lives is tried.
func afterFault(t *testing.T, sc *scenario, s *session, tally *faultTally) {
	t.Helper()
	c := &campaign{t: t, sc: sc, rng: rand.New(rand.NewPCG(crashSeed, uint64(len(s.disk.ops))))}
	var n need
	n = n.clone()
	for i := range s.disk.ops {
		if s.disk.ops[i].kind == opMark {
			n.note(s.disk.ops[i].note)
		}
	}
	again := &session{t: t, disk: s.disk, plan: s.plan, opts: s.opts, tag: 2}
	s.disk.locked = false
	if err := again.begin(); err != nil {
		t.Errorf("%s: opening after the fault: %v\n%s", sc.name, err, lastOps(s.disk.ops, len(s.disk.ops)))
		return
	}
	has, err := again.plan.check(again.log, n)
	if err != nil {
		t.Errorf("%s: after the fault: %v", sc.name, err)
	}
	if has > 0 {
		s.disk.mark(markAck{has - 1})
	}
	again.next = has
	if err := again.log.Reserve(ClassOutcome, 500); err != nil {
		t.Errorf("%s: no reversal can be recorded: %v", sc.name, err)
	}
	again.append(2)
	again.end()
	c.try(s.disk, (&need{}).clone(), 0, "")
	tally.states += c.tally.states
}

// A disk that fills up: intents are refused first, what was promised to outcomes
// is there, also after a restart on the full disk, and no append that was
// reserved fails.
func TestFullDiskTakesOutcomes(t *testing.T) {
	for name, open := range map[string]func(string) bool{"nothing retires": nil, "with a carry": func(g string) bool { return g == "stuck" }} {
		t.Run(name, func(t *testing.T) {
			p := &plan{batch: func(int) []shape { return []shape{{clear: 1500, fill: 'x'}} }, open: open}
			opts := Options{SegmentBytes: 32 << 10, MaxBytes: 4 << 20}
			opts.Retain.Bytes = -1
			disk := newCrashFS()
			disk.free = 11*opts.SegmentBytes + 5000
			s := &session{t: t, disk: disk, plan: p, opts: opts, tag: 1}
			if err := s.begin(); err != nil {
				t.Fatal(err)
			}
			intents := 0
			for s.log.Reserve(ClassIntent, 2000) == nil {
				if err := s.appendOne(); err != nil {
					t.Fatalf("intent %d was reserved: %v", intents, err)
				}
				intents++
			}
			outcomes := func() (n int) {
				for ; n < 6 && s.log.Reserve(ClassOutcome, 2000) == nil; n++ {
					if err := s.appendOne(); err != nil {
						t.Fatalf("outcome %d was reserved: %v", n, err)
					}
				}
				return n
			}
			before := outcomes()
			s.end()
			if err := s.begin(); err != nil {
				t.Fatal(err)
			}
			if after := outcomes(); before == 0 || after == 0 {
				t.Errorf("%d outcomes before the restart, %d after", before, after)
			}
			var n need
			n = n.clone()
			disk.mu.Lock() // the keeper is at work
			for i := range disk.ops {
				if disk.ops[i].kind == opMark {
					n.note(disk.ops[i].note)
				}
			}
			disk.mu.Unlock()
			if _, err := p.check(s.log, n); err != nil {
				t.Error(err)
			}
			s.end()
			t.Logf("%d intents, then %d outcomes and after a restart more", intents, before)
		})
	}
}
