// Package crash holds the tests that need real processes: the daemon and the
// simulated acquirer are built, run, killed and started again, and what became
// of the money is read from the acquirer's ledger.
package crash

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// room is where these tests build and write. Not T.TempDir, because the search
// for secrets reads after the kill test what that has written.
var room string

var keepFlag = flag.Bool("crash.keep", false, "leave what was written where it is")

func TestMain(m *testing.M) {
	var err error
	if room, err = os.MkdirTemp("", "crash"); err != nil {
		panic(err)
	}
	_ = os.Chmod(room, 0o755) // one test runs the daemon as somebody else
	code := m.Run()
	for _, found := range searchRoom() { // after every run, whatever tests it was made of
		fmt.Println("SECRET", found)
		code = 1
	}
	if *keepFlag {
		fmt.Println("kept:", room)
	} else {
		_ = os.RemoveAll(room)
	}
	os.Exit(code)
}

// build builds both binaries, once.
var build = sync.OnceValue(func() error {
	// The binaries' sources are read so that "go test" knows them for inputs and
	// does not answer from its cache when only they have changed.
	sources, _ := filepath.Glob(filepath.Join("..", "..", "cmd", "*", "*.go"))
	for _, path := range sources {
		_, _ = os.ReadFile(path)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(room, "bin")+string(filepath.Separator),
		"github.com/counterfoil-pos/counterfoil/cmd/counterfoil", "github.com/counterfoil-pos/counterfoil/cmd/hostsim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
})

func binary(t *testing.T, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(room, "bin", name)
}

// process is a child. It ends with its standard input, so at the latest when
// the test process dies.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	first chan []byte   // its first line on standard output
	done  chan struct{} // closed when it has ended
	err   error         // how, once done is closed
}

// start starts a child. Everything that it writes, its first line apart, goes
// into the file log too.
func start(log *os.File, adjust func(*exec.Cmd), name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), first: make(chan []byte, 1), done: make(chan struct{})}
	if adjust != nil {
		adjust(p.cmd)
	}
	p.cmd.Stderr = log
	var out io.Reader
	var err1, err2 error
	p.stdin, err1 = p.cmd.StdinPipe()
	out, err2 = p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, p.cmd.Start()); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(name), err)
	}
	go func() {
		r := bufio.NewReader(io.TeeReader(out, log))
		if line, err := r.ReadBytes('\n'); err == nil {
			p.first <- line
		}
		_, _ = io.Copy(io.Discard, r)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// announced waits for the first line; nil means that the child ended before.
func (p *process) announced() ([]byte, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case line := <-p.first:
		return line, nil
	case <-p.done:
		return nil, p.err
	case <-deadline.C:
		return nil, errors.New("no announcement in time")
	}
}

// kill is SIGKILL, to this child alone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop closes the child's standard input and gives its exit code.
func (p *process) stop() int {
	_ = p.stdin.Close()
	return p.wait()
}

func (p *process) wait() int {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-p.done:
	case <-deadline.C:
		p.kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// command runs a child to its end and gives what it printed.
func command(name string, args ...string) (stdout, stderr []byte, err error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.Bytes(), errs.Bytes(), err
}
