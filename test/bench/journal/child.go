package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// childLimit ends a process that hangs.
const childLimit = 20 * time.Minute

// child runs this program in another role and decodes its one line of JSON
// into out. wrap is a command to run it under, such as strace.
func child(ctx context.Context, out any, wrap []string, role string, args ...any) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := append(wrap[:len(wrap):len(wrap)], self, role)
	for i := 0; i+1 < len(args); i += 2 {
		argv = append(argv, fmt.Sprintf("-%v=%v", args[i], args[i+1]))
	}
	ctx, cancel := context.WithTimeout(ctx, childLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not hold the slow disk
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", role, err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return fmt.Errorf("%s: answered %q: %w", role, stdout.String(), err)
	}
	return nil
}

// slowDisk is the process that serves one.
type slowDisk struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startSlowDisk(base string, size int64) (*slowDisk, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "slowdisk", "-base="+base, fmt.Sprintf("-size=%d", size))
	// Its threads sleep in system calls most of the time.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=16")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &slowDisk{cmd: cmd, stdin: stdin}
	if err := json.NewDecoder(stdout).Decode(&d.dir); err != nil {
		_ = stdin.Close()
		_ = cmd.Wait()
		return nil, fmt.Errorf("%s", strings.TrimSpace(stderr.String()))
	}
	return d, nil
}

// close ends the disk and waits until it is unmounted.
func (d *slowDisk) close() error {
	_ = d.stdin.Close()
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("slow disk: %w", err)
	}
	return nil
}
