package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// defaultSocket is where a packaged daemon listens.
const defaultSocket = "/run/counterfoil/agent.sock"

// callTimeout bounds a call that waits for nothing but the agent.
const callTimeout = 15 * time.Second

// socketFlag adds --socket.
func (a *app) socketFlag(cmd *cobra.Command, socket *string) {
	def := defaultSocket
	if v := a.getenv("COUNTERFOIL_SOCKET"); v != "" {
		def = v
	}
	cmd.Flags().StringVar(socket, "socket", def, "the agent's unix socket; or set COUNTERFOIL_SOCKET")
}

// call makes one call to the agent at socket.
func call[T any](ctx context.Context, socket string, fn func(context.Context, *client.Client) (T, error)) (T, error) {
	c := client.New(socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	v, err := fn(ctx, c)
	return v, explain(socket, err)
}

// unreachable says that a call certainly did not reach the agent.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// explain says what to do where nobody answers.
func explain(socket string, err error) error {
	if unreachable(err) {
		return fmt.Errorf("nobody answers on socket %s: start the daemon with \"counterfoil run --config FILE\", or name its socket with --socket: %w", socket, err)
	}
	return err
}
