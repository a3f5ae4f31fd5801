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
exit code is 1 where it was not accepted. Where the profile says so the agent signs
on by itself, on each connection; this is for looking.`,
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
