package crash

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/counterfoil-pos/counterfoil/test/crash/points"
)

// wrapping is what the test-only daemon has in cmd/counterfoil/daemon.go that
// the product has not.
var wrapping = [][2]string{
	{"\t\"github.com/counterfoil-pos/counterfoil/journal\"\n)", "\t\"github.com/counterfoil-pos/counterfoil/journal\"\n\t\"github.com/counterfoil-pos/counterfoil/test/crash/points\"\n)"},
	{"\tcfg.Disk.Fill(&disk)\n", "\tcfg.Disk.Fill(&disk)\n\tif disk.FS, err = points.Disk(cfg.Journal); err != nil {\n\t\treturn nil, err\n\t}\n"},
	{"opts.Journal, opts.Mark = d.journal, d.mark\n", "opts.Journal, opts.Mark = points.Journal(d.journal), points.Outside(d.mark)\n\tpoints.Network(opts.Acquirers)\n"},
}

// buildPointed builds the daemon with its calls wrapped, once.
var buildPointed = sync.OnceValues(func() (string, error) {
	source, err := filepath.Abs(filepath.Join("..", "..", "cmd", "counterfoil", "daemon.go"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	out := string(text)
	for _, w := range wrapping {
		if n := strings.Count(out, w[0]); n != 1 {
			return "", fmt.Errorf("%q occurs %d times in daemon.go, want once: has the product changed?", w[0], n)
		}
		out = strings.Replace(out, w[0], w[1], 1)
	}
	dir := filepath.Join(room, "bin", "pointed")
	copied, overlay, exe := filepath.Join(dir, "daemon.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "counterfoil")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: copied}})
	err = errors.Join(err, os.MkdirAll(dir, 0o755), os.WriteFile(copied, []byte(out), 0o600), os.WriteFile(overlay, list, 0o600))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", exe, "github.com/counterfoil-pos/counterfoil/cmd/counterfoil")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return exe, nil
})

// pointed is a station whose daemon can be struck at a point.
type pointed struct {
	*station
	first    *points.Point // for the next daemon, from its first instruction on
	commands *os.File
	reports  *bufio.Reader
	pipes    [4]*os.File // both ends of both
}

func newPointed(t *testing.T, dir string, p personality) *pointed {
	t.Helper()
	exe, err := buildPointed()
	if err != nil {
		t.Fatal(err)
	}
	s := &pointed{station: newStation(t, dir, p)}
	s.exe, s.mortal = exe, true
	s.adjust, s.started = s.connect, s.connected
	s.edit(t, "journal: journal\n", "journal: journal\ndisk: {segment_kib: 64}\n") // segments begin and end soon
	t.Cleanup(func() {
		for _, f := range s.pipes {
			_ = f.Close()
		}
	})
	return s
}

// connect gives a daemon that is about to start its pipes.
func (s *pointed) connect(cmd *exec.Cmd) {
	for _, f := range s.pipes {
		_ = f.Close()
	}
	var err1, err2 error
	s.pipes[0], s.pipes[1], err1 = os.Pipe()
	s.pipes[2], s.pipes[3], err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		cmd.Err = err
		return
	}
	s.commands, s.reports = s.pipes[1], bufio.NewReader(s.pipes[2])
	cmd.ExtraFiles = []*os.File{s.pipes[0], s.pipes[3]}
	cmd.Env = append(os.Environ(), points.Environment+"="+points.Here)
	if s.first != nil {
		b, _ := json.Marshal(s.first)
		cmd.Env = append(cmd.Env, points.StartWith+"="+string(b))
	}
}

// connected lets go of the daemon's ends, so that its death is seen.
func (s *pointed) connected() { _, _ = s.pipes[0].Close(), s.pipes[3].Close() }

// tell says something to the daemon and gives its answer; what it had been
// struck with before that is in it too.
func (s *pointed) tell(c points.Command) (points.Report, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return points.Report{}, err
	}
	if _, err := s.commands.Write(append(b, '\n')); err != nil {
		return points.Report{}, err
	}
	return s.report(func(r points.Report) bool { return r.Struck == nil || r.Seen != nil })
}

// lastWord is what a dead daemon was struck with.
func (s *pointed) lastWord() (points.Report, error) {
	r, err := s.report(func(points.Report) bool { return false })
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r, err
}

// report reads until a report will do, or the pipe ends; it gives the last.
func (s *pointed) report(will func(points.Report) bool) (last points.Report, err error) {
	for {
		line, err := s.reports.ReadBytes('\n')
		if err != nil {
			return last, err
		}
		var r points.Report
		if err := json.Unmarshal(line, &r); err != nil {
			return r, fmt.Errorf("%w: %q", err, line)
		}
		if last = r; will(r) {
			return r, nil
		}
	}
}
