package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func echoCommand(a *app) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use: "echo TERMINAL", Short: "Ask a terminal's acquirer whether it is there", Args: cobra.ExactArgs(1),
		Long: `echo sends the acquirer's echo message over the running agent's link and says
whether it was answered. The exit code is 1 where it was not. It moves no money
and changes nothing. check tries each address without an agent.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := client.New(socket)
			defer c.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), signOnTimeout)
			defer cancel()
			e, err := c.Echo(ctx, iso8583.TID(args[0]))
			if err != nil {
				return explain(socket, err)
			}
			code := exitFailed
			if e.Answered {
				code = exitOK
			}
			if a.json {
				if err := a.printJSON(e); err != nil {
					return err
				}
				return outcome(code)
			}
			if e.Answered {
				a.printf("%s answered %s in %s\n", e.Address, orNone(e.Code), time.Duration(e.Milliseconds)*time.Millisecond)
			} else {
				a.printf("%s did not answer: %s\n", e.Address, e.Error)
			}
			return outcome(code)
		},
	}
	a.socketFlag(cmd, &socket)
	return cmd
}
