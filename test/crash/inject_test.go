package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var injectFlag = flag.Int("crash.injections", 0, "lives in which TestSystemCallsFail strikes a system call; 0: 16, with -short 4")

// injections are what strace does to the n-th call of one thread. Unlike a point
// they reach what no layer of ours sees: the index's own writes, the log, the
// runtime. write is killed and never failed: the runtime wakes itself by it.
var injections = []struct {
	what string
	most int // the n-th is drawn up to here
}{
	{"write:signal=KILL", 12}, {"pwrite64:signal=KILL", 4}, {"fdatasync:signal=KILL", 4}, {"fsync:signal=KILL", 2}, {"read:signal=KILL", 12},
	{"renameat:signal=KILL", 2}, {"unlinkat:signal=KILL", 2}, {"connect:signal=KILL", 1}, {"openat:signal=KILL", 12},
	{"pwrite64:error=EIO", 4}, {"pwrite64:error=ENOSPC", 4}, {"fdatasync:error=EIO", 4}, {"fsync:error=EIO", 2}, {"renameat:error=EIO", 2},
	{"ftruncate:error=ENOSPC", 1}, {"pread64:error=EIO", 12}, {"connect:error=ECONNREFUSED", 1},
}

// TestSystemCallsFail has strace kill the unchanged daemon at a system call, or
// fail the call, from its start on and through a life. The verdict is the
// ledger's and the application's notes', as in the kill test.
func TestSystemCallsFail(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here: system calls are not struck")
	}
	if out, err := exec.Command(strace, "-f", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: system calls are not struck: %.200s", out)
	}
	runs := *injectFlag
	switch {
	case runs > 0:
	case testing.Short():
		runs = 4
	default:
		runs = 16
	}
	seed := drawn(t)
	began := time.Now()
	var mu sync.Mutex
	done, hit := 0, map[string]int{}
	var wg sync.WaitGroup
	for i, p := range personalities {
		c := &campaign{s: newStation(t, filepath.Join(room, fmt.Sprintf("inject-%d", i)), p), final: map[string]int{}}
		c.s.mortal = true
		c.s.edit(t, "journal: journal\n", "journal: journal\ndisk: {segment_kib: 64}\n") // segments begin and end soon
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for range (runs + len(personalities) - 1 - i) / len(personalities) {
				l, one := lives[rng.IntN(len(lives))], injections[rng.IntN(len(injections))]
				what := fmt.Sprintf("%s:when=%d", one.what, 1+rng.IntN(one.most))
				if err := c.s.upAgain(); err != nil {
					t.Errorf("host %q: %v", p.name, err)
					return
				}
				struck, err := c.inject(strace, l, what)
				if err != nil {
					t.Errorf("host %q: %s; %s: %v", p.name, l.name, what, err)
					return
				}
				mu.Lock()
				done++
				if struck {
					hit[one.what]++
				}
				mu.Unlock()
			}
			if err := c.s.upAgain(); err != nil {
				t.Errorf("host %q: %v", p.name, err)
				return
			}
			for _, v := range c.judge(t) {
				t.Errorf("host %q: VIOLATION %s", p.name, v)
			}
		})
	}
	wg.Wait()
	verdict := "0 violations"
	if t.Failed() {
		verdict = "FAILED, see above"
	}
	var b strings.Builder
	ended := 0
	for _, one := range injections {
		fmt.Fprintf(&b, "  %5d  %s\n", hit[one.what], one.what)
		ended += hit[one.what]
	}
	t.Logf("%d lives under strace, the daemon ended in %d of them; %s\n%s%s", done, ended, time.Since(began).Round(time.Millisecond), b.String(), verdict)
}

// upAgain starts the daemon as it is, unless it serves.
func (s *station) upAgain() error {
	if p := s.process(); p != nil {
		select {
		case <-p.done:
		default:
			return nil
		}
	}
	s.under = nil
	s.down()
	return s.serve()
}

// inject lets one life pass over a daemon under strace, and says whether that
// ended the daemon.
func (c *campaign) inject(strace string, l life, what string) (struck bool, err error) {
	n, err := c.attempt(l, what)
	if err == nil && l.lost {
		err = c.loseAnswer(n)
	}
	if err != nil {
		return false, err
	}
	if code := c.s.down().stop(); code != 0 {
		return false, fmt.Errorf("exit code %d: %s", code, c.s.tail())
	}
	call, _, _ := strings.Cut(what, ":")
	c.s.under = []string{strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + what}
	p, err := c.s.launch()
	c.s.under = nil
	if err != nil {
		return false, err
	}
	if line, err := p.announced(); err != nil || line == nil || c.s.reach() != nil {
		p.wait()
		if err := c.s.upAgain(); err != nil {
			return true, err
		}
		return true, c.live(n)
	}
	over, end := make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-p.done:
			struck = true
			end <- c.s.upAgain()
		case <-over:
			struck = c.s.down().stop() != 0
			end <- nil
		}
	}()
	lived := c.live(n)
	close(over)
	if err := <-end; err != nil {
		return struck, err
	}
	return struck, lived
}

// live lets n be paid and come to rest.
func (c *campaign) live(n *note) error {
	if err := n.pay(c.s); err != nil {
		return err
	}
	return c.rest(n)
}
