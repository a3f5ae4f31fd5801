package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// Options says how the demo runs.
type Options struct {
	Self     string    // the program that its children are: this one
	Profile  string    // another dialect: a story instead of the two columns
	Keep     bool      // leave the directory behind
	JSON     bool      // the result as JSON, for programs
	Colour   bool      // of the result and the progress
	Out      io.Writer // the result
	Progress io.Writer // what happens meanwhile
}

// ErrFailed says that the demo did not show what it must show: the report says
// where.
var ErrFailed = errors.New("demo failed: the report says where")

// runWithin bounds the whole demo.
const runWithin = 2 * time.Minute

// Run plays every scenario on both sides and prints the report. It returns
// ErrFailed where the agent's column is not clean, or where the run proves
// nothing. All its processes have ended when it returns.
//
// The directory with ledgers, notes, journal and logs is kept where something
// is to be found in it: after a failure, and where o asks for it.
func Run(ctx context.Context, o Options) error {
	limited, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	dir, err := os.MkdirTemp("", "counterfoil-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	r, err := run(limited, o, dir)
	failed := err != nil || !r.Passed
	switch interrupted := ctx.Err() != nil; {
	case !o.Keep && (!failed || interrupted):
		if removing := os.RemoveAll(dir); removing != nil {
			err = errors.Join(err, fmt.Errorf("demo: %w", removing))
		}
	case r != nil:
		r.Kept = dir
	default:
		err = fmt.Errorf("%w (kept: %s)", err, dir)
	}
	switch {
	case r == nil && ctx.Err() != nil:
		return fmt.Errorf("demo: %w", context.Cause(ctx))
	case r == nil:
		return err
	}
	if printing := r.write(o); printing != nil {
		return errors.Join(err, printing)
	}
	if err == nil && !r.Passed {
		err = ErrFailed
	}
	return err
}

func (r *Report) write(o Options) error {
	if !o.JSON {
		r.print(o.Out, palette(o.Colour))
		return nil
	}
	enc := json.NewEncoder(o.Out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	return nil
}

// stage is the two columns.
type stage struct {
	plain, agent *column
	log          *progress
}

// run opens the stage, plays, judges and closes. Without a report it failed
// before there was anything to judge.
func run(ctx context.Context, o Options, dir string) (*Report, error) {
	log := &progress{w: o.Progress, palette: palette(o.Colour), began: time.Now()}
	timers := demoTimers()
	if err := introduce(log, timers); err != nil {
		return nil, err
	}
	st := &stage{log: log}
	for _, c := range []struct {
		side side
		at   **column
	}{{plainSide, &st.plain}, {agentSide, &st.agent}} {
		*c.at = &column{side: c.side, self: o.Self, dir: dir, timers: timers, log: log, killed: map[string]bool{}}
	}
	troubles, err := st.perform(ctx)
	var report *Report
	if err == nil {
		report, err = st.judge(ctx)
	}
	closing := errors.Join(append(st.plain.close(), st.agent.close()...)...)
	if report == nil {
		return nil, errors.Join(err, closing)
	}
	for _, trouble := range append(troubles, closing) {
		if trouble != nil {
			report.Problems, report.Passed = append(report.Problems, trouble.Error()), false
		}
	}
	report.Seconds = time.Since(log.began).Round(100 * time.Millisecond).Seconds()
	return report, err
}

// introduce says what will happen, and which timers are shortened.
func introduce(log *progress, t Timers) error {
	shop, err := profile.Load(dialect)
	if err != nil {
		return err
	}
	log.line("%s", log.palette.bold(fmt.Sprintf("%d sales, twice: with a plain client that sends and waits, and through the agent.", len(scenarios))))
	log.line("Real processes and sockets; each side has its own simulated acquirer. Timers are shortened:")
	for _, tm := range t.describe(&shop.Rules) {
		log.line("  %s %s instead of %s", pad(tm.name, 30), tm.here, time.Duration(tm.shop))
	}
	return nil
}

// perform plays wave by wave, both sides at once. Troubles are scenarios that
// could not be played; an error ends the demo.
func (st *stage) perform(ctx context.Context) (troubles []error, err error) {
	if err := st.both(func(c *column) error { return c.open(ctx) }); err != nil {
		return nil, err
	}
	st.log.line("%6.2f s  ready: acquirers pid %d and %d, agent pid %d", time.Since(st.log.began).Seconds(),
		st.plain.hostProcess.pid(), st.agent.hostProcess.pid(), st.agent.agent.process.pid())
	for _, wave := range waves() {
		st.log.line("")
		for _, i := range wave {
			st.log.line("%s", st.log.palette.bold(pad(scenarios[i].id, 3)+scenarios[i].name)+": "+scenarios[i].about)
		}
		troubles = append(troubles, st.both(func(c *column) error { return c.playWave(ctx, wave) }))
		if err := st.both(func(c *column) error { return c.settle(ctx) }); err != nil {
			troubles = append(troubles, err)
		}
	}
	return troubles, ctx.Err()
}

// playWave plays the scenarios of a wave at once.
func (c *column) playWave(ctx context.Context, wave []int) error {
	var wg sync.WaitGroup
	errs := make([]error, len(wave))
	for n, i := range wave {
		wg.Go(func() { errs[n] = c.play(ctx, i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// both does something on both sides at once.
func (st *stage) both(do func(*column) error) error {
	var wg sync.WaitGroup
	var plain, agent error
	wg.Go(func() { plain = do(st.plain) })
	wg.Go(func() { agent = do(st.agent) })
	wg.Wait()
	return errors.Join(plain, agent)
}

// judge reads both ledgers, once more after the longest time that a message
// of this demo can be under way: what is still to come would come now.
func (st *stage) judge(ctx context.Context) (*Report, error) {
	if !pause(ctx, st.plain.timers.Lifetime) {
		return nil, ctx.Err()
	}
	plain, err := st.plain.evidence(ctx)
	if err != nil {
		return nil, err
	}
	agent, err := st.agent.evidence(ctx)
	if err != nil {
		return nil, err
	}
	return newReport(plain, agent), nil
}
