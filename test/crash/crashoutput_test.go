package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/counterfoil-pos/counterfoil/test/crash/points"
)

// What a dying daemon says may be sent to anybody: with every goroutine and
// every frame of the runtime printed, in the middle of a sale, it holds no card
// data and no key, and no core is left. Then the sale ends as after any crash.
func TestCrashOutput(t *testing.T) {
	t.Setenv("GOTRACEBACK", "system")
	s := newPointed(t, filepath.Join(room, "output"), personalities[0])
	c := &campaign{s: s.station, final: map[string]int{}}
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []points.Point{
		{Op: points.Append, N: 1}, {Op: points.Send, N: 1}, {Op: points.Receive, N: 1},
	} {
		for _, how := range []string{"panic", "SIGQUIT"} {
			said := len(logOf(t, s.station))
			if err := c.dies(s, p, how); err != nil {
				t.Fatalf("%s at %s %d: %v", how, p.Op, p.N, err)
			}
			out := logOf(t, s.station)[said:]
			if n := bytes.Count(out, []byte("\ngoroutine ")); n < 3 {
				t.Errorf("%s at %s %d: %d goroutines were printed: the search proves nothing", how, p.Op, p.N, n)
			}
			for _, found := range search(out) {
				t.Errorf("%s at %s %d: %s", how, p.Op, p.N, found)
			}
		}
	}
	cores, err := filepath.Glob(s.path("*core*"))
	if err != nil || len(cores) > 0 {
		t.Errorf("%v, %v", cores, err)
	}
	for _, v := range c.judge(t) {
		t.Error("VIOLATION", v)
	}
}

// dies lets a sale begin, and the daemon die of a panic at the point, or be asked
// for its goroutines there.
func (c *campaign) dies(s *pointed, p points.Point, how string) error {
	n, err := c.attempt(lives[0], fmt.Sprintf("%s at %s %d", how, p.Op, p.N))
	if err != nil {
		return err
	}
	p.Deed = points.Panics
	if how == "SIGQUIT" {
		p.Deed = points.Waits
	}
	if _, err := s.tell(points.Command{Arm: &p}); err != nil {
		return err
	}
	quit := make(chan error, 1)
	if how == "SIGQUIT" {
		go func() { // it says when it has come there, and waits
			_, err := s.report(func(points.Report) bool { return true })
			quit <- err
			_ = s.process().cmd.Process.Signal(syscall.SIGQUIT)
		}()
	} else {
		quit <- nil
	}
	old := s.process()
	end := make(chan error, 1)
	go func() {
		err := <-quit
		<-old.done
		s.down()
		if err == nil {
			err = s.serve()
		}
		end <- err
	}()
	lived := c.live(n)
	if err := <-end; err != nil {
		return err
	}
	return lived
}

func logOf(t *testing.T, s *station) []byte {
	t.Helper()
	b, err := os.ReadFile(s.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The key that seals the journal is in its file and nowhere else.
func searchKeys(files map[string][]byte) (found []string) {
	for path, key := range files {
		if filepath.Base(path) != "key" {
			continue
		}
		for other, data := range files {
			if other == path || !strings.HasPrefix(other, filepath.Dir(path)+"/") {
				continue
			}
			for _, n := range dressed("the sealing key", string(key)) {
				if bytes.Contains(data, n.bytes) {
					found = append(found, other+": "+n.what)
				}
			}
		}
	}
	return found
}
