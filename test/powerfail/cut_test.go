package powerfail

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// The test binary is its own child: with this variable set it is a process that
// opens the journal there, verifies it and appends until the power goes.
const childEnv = "POWERFAIL_TEST_CHILD"

// patience bounds what a child may take before the power goes.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	go func() { // the child ends with its standard input
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("end:", child(path))
}

// child tells what it finds and what is acknowledged.
func child(path string) error {
	j, err := journal.Open(path, options())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	next := j.Info().First
	err = j.Scan(next, func(r journal.Record) error {
		if r.LSN != next {
			return fmt.Errorf("wrong: entry %d where %d belongs", r.LSN, next)
		}
		next++
		if err := check(j, r); err != nil {
			return fmt.Errorf("wrong: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println("found", next-1)
	for {
		batch := plannedBatch(next)
		first, err := j.Append(batch)
		if err != nil {
			return fmt.Errorf("append: %w", err)
		}
		if first != next {
			return fmt.Errorf("wrong: entry %d was named %d", next, first)
		}
		next += journal.LSN(len(batch))
		fmt.Println("ack", next-1)
	}
}

// told is what a child said until its end.
type told struct {
	found   bool
	has     journal.LSN // that it found
	acked   journal.LSN // the last that it heard acknowledged; has where none
	goodbye string
}

// run lets a child use the journal at path until the power goes, and listens.
func run(t *testing.T, d *Disk, path string) (got told) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, d.PowerOff)
	defer late.Stop()
	stuck := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "found %d", &got.has); n == 1 {
			got.found, got.acked = true, got.has
			continue
		}
		if n, _ := fmt.Sscanf(line, "ack %d", &got.acked); n == 0 {
			got.goodbye = line
		}
	}
	_ = stdin.Close()
	_ = cmd.Wait()
	return got
}
