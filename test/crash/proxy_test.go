package crash

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between the daemon and the acquirer and sees frames, not bytes:
// it can do something to exactly one of them. Only the frames of one sale count;
// sign-on, echo, and reversals that an earlier sale still owes are passed.
type proxy struct {
	listener net.Listener
	host     string
	wg       sync.WaitGroup

	mu     sync.Mutex
	strike strike1
	seen   [2]int // frames since arm, by direction
	struck bool
	open   map[net.Conn]bool
	shut   bool
}

// way is a direction.
type way int

const (
	toHost way = iota
	fromHost
)

func (w way) String() string { return [...]string{"request", "response"}[w] }

// deed is what happens to a frame.
type deed string

const (
	passes    deed = "passes"
	dropped   deed = "is dropped"
	held      deed = "is held"
	doubled   deed = "comes twice"
	cutInHalf deed = "is cut in half"
	stalls    deed = "stalls its connection"
)

var deeds = []deed{dropped, held, doubled, cutInHalf, stalls}

// A held frame is overtaken by what comes after it; a stalled connection keeps
// its order. Both are longer than the host's time, so that the reversal is
// under way, and shorter than what a hold-down waits for.
const (
	holdFor  = 340 * time.Millisecond
	stallFor = 450 * time.Millisecond
)

// strike1 names one frame and what happens to it. If lost is set, the first
// response is dropped besides: that brings about a reversal.
type strike1 struct {
	way  way
	k    int // from 1
	deed deed
	lost bool

	amount int64 // of the sale whose frames count
}

func newProxy(t *testing.T, host string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, host: host, open: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.shut = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// arm begins to count anew, for the next strike.
func (p *proxy) arm(s strike1) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strike, p.seen, p.struck = s, [2]int{}, false
}

// result says how many frames passed since arm, and whether the strike came
// to pass.
func (p *proxy) result() (frames [2]int, struck bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen, p.struck
}

func (p *proxy) accept() {
	for {
		a, err := p.listener.Accept()
		if err != nil {
			return
		}
		h, err := net.DialTimeout("tcp", p.host, patience)
		if err != nil {
			_ = a.Close()
			continue
		}
		p.mu.Lock()
		if p.shut {
			_, _ = a.Close(), h.Close()
		}
		p.open[a], p.open[h] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pump(toHost, a, h) })
		p.wg.Go(func() { p.pump(fromHost, h, a) })
	}
}

// pump carries one direction of one connection. Either end closes both, when
// everything read was written.
func (p *proxy) pump(w way, from, to net.Conn) {
	var out sync.WaitGroup // held frames
	var mu sync.Mutex      // orders writers
	write := func(frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		_ = to.SetWriteDeadline(time.Now().Add(patience))
		_, _ = to.Write(frame)
	}
	defer func() {
		out.Wait()
		p.mu.Lock()
		delete(p.open, from)
		delete(p.open, to)
		p.mu.Unlock()
		_, _ = from.Close(), to.Close()
	}()
	r := bufio.NewReader(from)
	for {
		frame, err := readFrame(r)
		if err != nil {
			return
		}
		switch p.fate(w, frame) {
		case dropped:
		case held:
			out.Go(func() { strike(holdFor); write(frame) })
		case doubled:
			write(append(append([]byte(nil), frame...), frame...))
		case cutInHalf:
			write(frame[:len(frame)/2])
			return
		case stalls:
			strike(stallFor)
			write(frame)
		default:
			write(frame)
		}
	}
}

// fate counts a frame and says what happens to it.
func (p *proxy) fate(w way, frame []byte) deed {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.strike
	if !bytes.Contains(frame, fmt.Appendf(nil, "%012d", s.amount)) { // DE 4
		return passes
	}
	p.seen[w]++
	if s.way == w && s.k == p.seen[w] {
		p.struck = true
		return s.deed
	}
	if s.lost && w == fromHost && p.seen[w] == 1 {
		return dropped
	}
	return passes
}

// readFrame reads a frame with its length header: two bytes, as iso87-ascii
// has it.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(head[0])<<8 | int(head[1])
	if n < 4 || n > 2048 {
		return nil, errors.New("no frame")
	}
	frame := make([]byte, 2+n)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[2:])
	return frame, err
}
