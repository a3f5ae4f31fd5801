package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// lastFrame bounds k: a reversal that a person has is sent for ever.
const lastFrame = 6

// life is what the application does, and whether the sale's answer is lost
// besides.
type life struct {
	name    string
	conduct conduct
	lost    bool
}

var lives = []life{
	{"confirms", confirms, false},
	{"cancels", cancels, false},
	{"its answer is lost", confirms, true},
}

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

// TestEveryFrame puts a frame-aware proxy between the daemon and the acquirer
// and does each deed to the k-th request and to the k-th response of a sale,
// for each host (terminal-rules.md C.5, C.11, C.12, C.14). The verdict is the
// ledger's and the application's notes', as in the kill test.
func TestEveryFrame(t *testing.T) {
	cases := frameCases()
	began := time.Now()
	var mu sync.Mutex
	struck, run := map[string]int{}, 0
	var wg sync.WaitGroup
	for i, p := range personalities {
		c := &campaign{s: newStation(t, filepath.Join(room, fmt.Sprintf("frames-%d", i)), p), final: map[string]int{}}
		px := through(t, c.s)
		wg.Go(func() {
			for j, fc := range cases {
				if testing.Short() && (j+j/len(deeds))%len(personalities) != i {
					continue
				}
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
			if n == 0 {
				t.Errorf("no %s ever %s", w, d)
			}
		}
	}
	verdict := "0 violations"
	if t.Failed() {
		verdict = "FAILED, see above"
	}
	t.Logf("%d sales, in %d of them the frame was there to be struck; %s\n%s%s", run, total, time.Since(began).Round(time.Millisecond), b.String(), verdict)
}

// frame lets one sale live with its strike until it is at rest.
func (c *campaign) frame(px *proxy, fc frameCase) (struck bool, err error) {
	j := len(c.notes)
	if j == 0 {
		if err := c.s.serve(); err != nil {
			return false, err
		}
	}
	n := newNote("T0000001", fmt.Sprintf("F%04d", j), int64(5000+j), plan{conduct: fc.conduct, scenario: &scenario{name: fc.String()}})
	fc.amount = n.amount
	px.arm(fc.strike1)
	c.notes = append(c.notes, n)
	if err := n.pay(c.s); err != nil {
		return false, err
	}
	one := &campaign{s: c.s, notes: []*note{n}}
	if err := one.settle(); err != nil {
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
	text = bytes.Replace(text, m[1], []byte(px.listener.Addr().String()), 1)
	if err := os.WriteFile(s.path("config.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return px
}
