package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command runs a program once per message, with the JSON on its standard
// input and the gist in its environment. No shell is in between. Exit status 0
// means that the message was taken.
type Command struct {
	Label   string
	Args    []string // the program and its arguments
	Timeout time.Duration
}

// Name implements Sink.
func (c *Command) Name() string { return c.Label }

// killGrace is how long what a killed program holds open is waited for.
const killGrace = time.Second

// Deliver implements Sink. At its timeout the program and what it has started
// are killed.
func (c *Command) Deliver(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Stdin = bytes.NewReader(append(m.Body[:len(m.Body):len(m.Body)], '\n'))
	// Of the daemon's own environment it gets the search path only: the rest
	// may hold credentials.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "COUNTERFOIL_ID=" + m.ID, "COUNTERFOIL_EVENT=" + m.Event, "COUNTERFOIL_CAUSE=" + m.Cause,
	}
	said := &limited{room: 200}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killGrace
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s did not end within %s", c.Args[0], c.Timeout)
	default:
		err = fmt.Errorf("%s: %w: %s", c.Args[0], err, strings.Join(strings.Fields(said.String()), " "))
	}
	return failed(c.Label, err)
}

// Check implements Sink: the program can be found and may be run.
func (c *Command) Check(context.Context) error {
	_, err := exec.LookPath(c.Args[0])
	return failed(c.Label, err)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.room)
	l.room -= keep
	l.Buffer.Write(p[:keep])
	return len(p), nil
}
