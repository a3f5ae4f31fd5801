package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a process that the demo started: this same program under another
// name. It ends when its standard input does, so none outlives the demo,
// whatever ends that; and it is killed by its pid, never by its name.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	first chan string   // the first line that it said
	done  chan struct{} // closed when it has ended
	err   error         // how it ended; to be read after done
}

// endWithin is how long a child may take to end after its standard input has.
const endWithin = 5 * time.Second

// maxLine bounds a line that a child says.
const maxLine = 64 << 10

// start runs self with args; what it logs goes to the file log. hear, which
// may be nil, is called with each line that it says.
func start(ctx context.Context, self, name, log string, hear func(string), args ...string) (*child, error) {
	c := &child{name: name, cmd: exec.CommandContext(ctx, self, args...), first: make(chan string, 1), done: make(chan struct{})}
	stderr, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = stderr.Close() }() // the child has its own
	c.cmd.Stderr = stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go c.listen(stdout, hear)
	return c, nil
}

// listen hears the child out, then waits for its end.
func (c *child) listen(stdout io.Reader, hear func(string)) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, maxLine)
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			c.first <- lines.Text()
		}
		if hear != nil {
			hear(lines.Text())
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // after a line too long: do not let it block
	c.err = c.cmd.Wait()
	close(c.done)
}

// pid is the process id.
func (c *child) pid() int { return c.cmd.Process.Pid }

// announced waits for the first line.
func (c *child) announced(ctx context.Context) (string, error) {
	select {
	case line := <-c.first:
		return line, nil
	case <-c.done:
		if len(c.first) > 0 {
			return <-c.first, nil
		}
		return "", fmt.Errorf("%s (pid %d) ended before it was ready: %w", c.name, c.pid(), c.failure())
	case <-ctx.Done():
		return "", fmt.Errorf("%s (pid %d) is not ready: %w", c.name, c.pid(), ctx.Err())
	}
}

// wait waits for the end, and kills where that does not come in time.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.failure()
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s (pid %d) did not end: %w", c.name, c.pid(), ctx.Err())
	}
}

// kill sends SIGKILL, waits for the end, and makes sure that it was this that
// ended the process.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing %s (pid %d): %w", c.name, c.pid(), err)
	}
	<-c.done
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("killing %s (pid %d): it had ended by itself: %s", c.name, c.pid(), c.cmd.ProcessState)
	}
	return nil
}

// stop lets it end by itself.
func (c *child) stop() error {
	_ = c.stdin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	return c.wait(ctx)
}

// failure is how it ended, nil for well.
func (c *child) failure() error {
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("%s (pid %d): %w", c.name, c.pid(), c.err)
}

// errOrphan says that the parent is gone.
var errOrphan = errors.New("standard input ended")

// whileStdin gives a context that ends with in: the other half of the promise
// that no child outlives its parent.
func whileStdin(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel(errOrphan)
	}()
	return ctx, func() { cancel(nil) }
}

// pause sleeps for d, or until ctx ends, which it says.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
