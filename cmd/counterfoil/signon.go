package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// signOnTimeout is longer than the agent waits for the host.
const signOnTimeout = 3 * callTimeout

func signOnCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "sign-on TERMINAL", Short: "Sign a terminal on at its acquirer", Args: cobra.ExactArgs(1),
		Long: `sign-on sends the acquirer's sign-on message and says what the host answered. The
exit code is 1 where it was not accepted. In a dialect with keys it brings new
ones; the agent also signs on by itself when it needs to. In others it is for
looking.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := client.New(socket)
			defer c.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), signOnTimeout)
			defer cancel()
			s, err := c.SignOn(ctx, iso8583.TID(args[0]))
			if err != nil {
				return explain(socket, err)
			}
			code := exitFailed
			if s.Accepted {
				code = exitOK
			}
			if a.json {
				if err := a.printJSON(s); err != nil {
					return err
				}
				return outcome(code)
			}
			switch {
			case s.Accepted:
				a.printf("%s is signed on at %s\n", args[0], s.Address)
				if s.HostTime != nil {
					a.printf("it is %s there, %+.0f s of this clock\n", a.time(*s.HostTime), s.Drift)
				}
			case s.Error != "":
				a.printf("%s is not signed on at %s: %s\n", args[0], s.Address, s.Error)
			default:
				a.printf("%s is not signed on: %s answered %s\n", args[0], s.Address, orDash(s.Code))
			}
			return outcome(code)
		},
	}
	a.socketFlag(cmd, &socket)
	return cmd
}

func signOffCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "sign-off TERMINAL", Short: "End a terminal's working keys", Args: cobra.ExactArgs(1),
		Long: `sign-off throws the terminal's working keys away, durably, and tells the acquirer
once. Nothing begins at the terminal until sign-on. It is refused while something
of the terminal is open, since that needs the keys.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := client.New(socket)
			defer c.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), callTimeout)
			defer cancel()
			s, err := c.SignOff(ctx, iso8583.TID(args[0]))
			if err != nil {
				return explain(socket, err)
			}
			if a.json {
				return a.printJSON(s)
			}
			a.printf("%s is signed off\n", s.Terminal)
			return nil
		},
	}
	a.socketFlag(cmd, &socket)
	return cmd
}
