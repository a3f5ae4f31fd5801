// Package demo is the product's face: the same sales and the same faults with
// a plain client and through the agent, with real processes and sockets, and
// what the acquirer's ledger says of it afterwards.
package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// Command is `demo`. It reads the inherited flag --json.
func Command() *cobra.Command {
	var (
		keep bool
		name string
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The same faults with a plain client and through the agent, side by side",
		Long: `demo plays the same sales twice against a simulated acquirer that misbehaves:
with a plain client that sends and waits, and through the agent. It ends with
the two ledgers side by side and the number of silent debits, lost approvals
and double debits, and of credits that nobody heard of. It takes about 15 seconds and leaves nothing behind.

The numbers are read from the acquirers' ledgers and from what the
applications noted that they showed; the agent is not asked about itself.

It fails where the agent's column is not clean, where the plain client's shows
no silent debit, or where one of the faults did not strike.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("demo: where this program is: %w", err)
			}
			o := Options{Self: self, Keep: keep, Out: cmd.OutOrStdout(), Progress: cmd.OutOrStdout()}
			if f := cmd.Flags().Lookup("json"); f != nil && f.Value.String() == "true" {
				o.JSON, o.Progress = true, cmd.ErrOrStderr()
			}
			o.Colour = !o.JSON && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(o.Out)
			switch name {
			case dialect:
				return Run(cmd.Context(), o)
			case signedDialect:
				o.Profile = name
				return tell(cmd.Context(), o)
			}
			return fmt.Errorf("demo: --profile: there is a demo of %s and of %s, none of %.40q", dialect, signedDialect, name)
		},
	}
	cmd.Flags().StringVar(&name, "profile", dialect, "the dialect: "+dialect+", or "+signedDialect+", which tells a terminal's day with sign-on and MACs")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the directory with ledgers, notes, journal and logs")
	return cmd
}

// terminal says whether a person's terminal is at the other end.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Internal is the hidden `internal`: what the demo's children run as.
func Internal() *cobra.Command {
	cmd := &cobra.Command{Use: "internal", Short: "The demo's own processes", Hidden: true}
	cmd.AddCommand(internalHost(), internalPlain(), internalApp())
	return cmd
}

func internalHost() *cobra.Command {
	var ledger string
	cmd := &cobra.Command{
		Use: "host", Short: "A simulated acquirer", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveHost(cmd.Context(), ledger, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&ledger, "ledger", "", "ledger file")
	return cmd
}

func internalPlain() *cobra.Command {
	var t task
	var host string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "plain", Short: "A client that sends and waits", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sellPlainly(cmd.Context(), t, host, timeout, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	taskFlags(cmd, &t)
	cmd.Flags().StringVar(&host, "host", "", "the acquirer, host:port")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait for the answer")
	return cmd
}

func internalApp() *cobra.Command {
	var t task
	var socket string
	var resume bool
	cmd := &cobra.Command{
		Use: "app", Short: "A payment application", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sellThroughAgent(cmd.Context(), t, socket, resume, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	taskFlags(cmd, &t)
	cmd.Flags().StringVar(&socket, "socket", "", "the agent's socket")
	cmd.Flags().BoolVar(&resume, "resume", false, "started again: show what was never shown")
	return cmd
}

func taskFlags(cmd *cobra.Command, t *task) {
	f := cmd.Flags()
	f.StringVar((*string)(&t.terminal), "terminal", "", "terminal id")
	f.StringVar(&t.ref, "sale", "", "the sale's reference")
	f.Int64Var(&t.minor, "amount", 0, "minor units")
	f.StringVar(&t.notes, "notes", "", "file for what the screen showed")
	f.BoolVar(&t.chip, "chip", false, "the card has a chip, which declines after the approval")
	f.BoolVar(&t.back, "back", false, "once it is paid, the goods come back")
	f.BoolVar(&t.retry, "retry", false, "try once more when not approved")
	f.DurationVar(&t.turn, "turn", 0, "turn to another card after that long without an outcome")
	f.BoolVar(&t.again, "again", false, "started again at once: the customer still stands there")
	f.BoolVar(&t.hold, "hold", false, "stop at the approval, to be killed there")
}
