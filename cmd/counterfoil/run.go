package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/config"
)

// announcement is the line of JSON that --announce prints.
type announcement struct {
	Socket string `json:"socket"`
	Epoch  uint64 `json:"epoch"`
	PID    int    `json:"pid"`
}

func runCommand(a *app) *cobra.Command {
	var file string
	var announce, withStdin bool
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "The daemon",
		Long: `run recovers from the journal and serves the local API until SIGTERM or SIGINT.
It logs to standard error. Where the journal fails it stops at once, with exit
code 6: start it again, and it recovers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := harden(); err != nil {
				return err
			}
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if withStdin {
				var cancel context.CancelFunc
				ctx, cancel = a.whileStdin(ctx)
				defer cancel()
			}
			return a.run(ctx, cfg, announce)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file, YAML")
	cmd.Flags().BoolVar(&announce, "announce", false, "print one line of JSON when the agent answers: socket, epoch, pid")
	cmd.Flags().BoolVar(&withStdin, "exit-with-stdin", false, "end when standard input closes")
	must(cmd.MarkFlagRequired("config"))
	return cmd
}

func (a *app) run(ctx context.Context, cfg *config.Config, announce bool) error {
	log, err := newLogger(cfg.Log, cfg.Location(), a.stderr)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // standard error may not take it
	d, err := openDaemon(cfg, log)
	if err != nil {
		return err
	}
	return d.serve(ctx, func(h *client.Health) {
		if announce {
			_ = json.NewEncoder(a.stdout).Encode(announcement{Socket: cfg.Socket, Epoch: h.Epoch, PID: os.Getpid()})
		}
	})
}

// whileStdin ends the context when standard input does: a child must not
// outlive its parent.
func (a *app) whileStdin(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, a.stdin)
		cancel()
	}()
	return ctx, cancel
}

// must is for what only a mistake in this program can make fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
