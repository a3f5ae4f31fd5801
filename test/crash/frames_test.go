package crash

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var framesFlag = flag.Int("crash.frames", 0, "cases of TestEveryFrame for each host, of all a random choice; 0: 8, with -short 3; -1: all")

// lastFrame bounds k: a reversal that a person has is sent for ever.
const lastFrame = 6

type frameCase struct {
	life
	strike1
}

func (c frameCase) String() string {
	return fmt.Sprintf("%s; %s %d %s", c.name, c.way, c.k, c.deed)
}

// frameCases lists each direction and deed for each life; k goes up from 1
// until there is no such frame.
func frameCases() (all []frameCase) {
	for _, l := range lives {
		for _, w := range []way{toHost, fromHost} {
			for _, d := range deeds {
				all = append(all, frameCase{l, strike1{way: w, deed: d, lost: l.lost}})
			}
		}
	}
	return all
}

// framesOf chooses so many cases for a host; below zero it gives them all.
func framesOf(rng *rand.Rand, n int) []frameCase {
	all := frameCases()
	if n < 0 {
		return all
	}
	all = mixed(choose(rng, all, len(all)), func(c frameCase) frameCase { return frameCase{strike1: strike1{way: c.way, deed: c.deed}} })
	return all[:min(n, len(all))]
}

// TestEveryFrame puts a frame-aware proxy between the daemon and the acquirer
// and does each deed to the k-th request and to the k-th response of each life,
// for each host (terminal-rules.md C.5, C.11, C.12, C.14). The verdict is the
// ledger's and the application's notes', as in the kill test.
func TestEveryFrame(t *testing.T) {
	each := *framesFlag
	switch {
	case each != 0:
	case testing.Short():
		each = 3
	default:
		each = 8
	}
	seed := drawn(t)
	began := time.Now()
	var mu sync.Mutex
	struck, run := map[string]int{}, 0
	var wg sync.WaitGroup
	for i, p := range personalities {
		c := &campaign{s: newStation(t, filepath.Join(room, fmt.Sprintf("frames-%d", i)), p), final: map[string]int{}}
		px := through(t, c.s)
		wg.Go(func() {
			if err := c.s.serve(); err != nil {
				t.Errorf("host %q: %v", p.name, err)
				return
			}
			for _, fc := range framesOf(rand.New(rand.NewPCG(seed, uint64(i))), each) {
				for hit := true; hit && fc.k < lastFrame; {
					fc.k++
					var err error
					if hit, err = c.frame(px, fc); err != nil {
						t.Errorf("host %q: %s: %v", p.name, fc, err)
						return
					}
					mu.Lock()
					run++
					if hit {
						struck[fmt.Sprintf("%s %s", fc.way, fc.deed)]++
					}
					mu.Unlock()
				}
			}
			for _, v := range c.judge(t) {
				t.Errorf("host %q: VIOLATION %s", p.name, v)
			}
		})
	}
	wg.Wait()
	total := 0
	var b strings.Builder
	for _, w := range []way{toHost, fromHost} {
		for _, d := range deeds {
			n := struck[fmt.Sprintf("%s %s", w, d)]
			fmt.Fprintf(&b, "  %5d  %s %s\n", n, w, d)
			total += n
			if n == 0 && (each < 0 || each >= 2*len(deeds)) {
				t.Errorf("no %s ever %s", w, d)
			}
		}
	}
	verdict := "0 violations"
	if t.Failed() {
		verdict = "FAILED, see above"
	}
	t.Logf("%d transactions, in %d of them the frame was there to be struck; %s\n%s%s", run, total, time.Since(began).Round(time.Millisecond), b.String(), verdict)
}

// frame lets one transaction live with its strike until it is at rest.
func (c *campaign) frame(px *proxy, fc frameCase) (struck bool, err error) {
	n, err := c.attempt(fc.life, fc.String())
	if err != nil {
		return false, err
	}
	fc.amount = n.amount
	px.arm(fc.strike1)
	if err := errors.Join(n.pay(c.s), c.rest(n), c.settleByHand(n)); err != nil {
		return false, err
	}
	_, struck = px.result()
	return struck, nil
}

var hostLine = regexp.MustCompile(`hosts: \["([^"]+)"\]`)

// through puts a proxy before the station's host.
func through(t *testing.T, s *station) *proxy {
	t.Helper()
	text, err := os.ReadFile(s.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := hostLine.FindSubmatch(text)
	if m == nil {
		t.Fatal("the configuration names no host")
	}
	px := newProxy(t, string(m[1]))
	s.edit(t, string(m[1]), px.listener.Addr().String())
	return px
}
