package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/journal"
)

func verifyCommand(a *app) *cobra.Command {
	var opts journal.VerifyOptions
	cmd := &cobra.Command{
		Use: "verify JOURNAL", Short: "Read and check every byte of a journal", Args: cobra.ExactArgs(1),
		Long: `verify reads every segment, on all processors, and checks checksums, chain,
padding, numbering, the names of what retired and the files of the data keys. It
needs no key and changes nothing; a daemon may be using the journal. It names
every damage with segment and offset, and then ends with exit code 1. A run that
is interrupted says how to go on.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p := a.rate()
			opts.Progress = p.at
			r, err := journal.Verify(cmd.Context(), args[0], opts)
			p.end()
			if errors.Is(err, context.Canceled) && r.Next != 0 {
				return fmt.Errorf("interrupted: go on with --from %d", r.Next)
			}
			if err != nil {
				return err
			}
			if a.json {
				if err := a.printJSON(r); err != nil {
					return err
				}
			} else {
				a.printVerify(r)
			}
			if len(r.Damage) > 0 {
				return fmt.Errorf("journal %s: %d places are damaged; see \"counterfoil journal accept-loss --help\"", args[0], len(r.Damage))
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&opts.From, "from", 0, "begin with this segment")
	cmd.Flags().IntVar(&opts.Workers, "workers", 0, "segments read at a time; 0: one for each processor")
	return cmd
}

func (a *app) printVerify(r *journal.VerifyReport) {
	a.printf("%d segments, %d entries (%d to %d), %d MiB\n", r.Segments, r.Entries, r.First, r.Last, r.Bytes>>20)
	for _, d := range r.Damage {
		a.printf("DAMAGED  segment %d, offset %d: %s\n", d.Segment, d.Offset, d.Reason)
	}
	if t := r.Tail; t != nil {
		a.printf("at the end, segment %d, offset %d: %s, %d bytes: %s\n", t.Segment, t.Offset, t.Kind, t.Bytes, t.Reason)
	}
	for _, name := range r.Kept {
		a.printf("in quarantine: %s was kept aside and waits for accept-loss\n", name)
	}
	if len(r.Damage) == 0 {
		a.printf("sound\n")
	}
}

// rate tells once a second how far a verification is, and how fast.
type rate struct {
	app  *app
	stop chan struct{}
	gone sync.WaitGroup

	mu  sync.Mutex
	now journal.VerifyProgress
}

func (a *app) rate() *rate {
	r := &rate{app: a, stop: make(chan struct{})}
	began, tick := time.Now(), time.NewTicker(soon)
	r.gone.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.note(time.Since(began))
			case <-r.stop:
				if took := time.Since(began); took > soon {
					r.note(took)
				}
				return
			}
		}
	})
	return r
}

// end waits for the last note.
func (r *rate) end() {
	close(r.stop)
	r.gone.Wait()
}

func (r *rate) at(p journal.VerifyProgress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = p
}

func (r *rate) note(took time.Duration) {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	s := took.Seconds()
	r.app.note("  segment %d of %d, %d entries, %.0f entries/s, %.0f MiB/s", p.Segments, p.Of, p.Entries, float64(p.Entries)/s, float64(p.Bytes)/s/(1<<20))
}
