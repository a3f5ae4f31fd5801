package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testFormat = frame.Format{Length: frame.Binary2, Max: 64}

// recorder is a Handler that keeps what it is told.
type recorder struct {
	mu      sync.Mutex
	results []Result
	frames  []string
	status  []string
	change  chan struct{} // closed by the next call, for tests on the real clock
}

func newRecorder() *recorder { return &recorder{change: make(chan struct{})} }

func (r *recorder) Result(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
	r.changed()
}

func (r *recorder) Frame(route int, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, fmt.Sprintf("%d:%s", route, body))
	r.changed()
}

func (r *recorder) Status(route int, up bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := fmt.Sprintf("%d up", route)
	if !up {
		s = fmt.Sprintf("%d down", route)
	}
	if up == (err != nil) {
		s += fmt.Sprintf(" with error %v", err)
	}
	r.status = append(r.status, s)
	r.changed()
}

// changed wakes every until; the lock is held.
func (r *recorder) changed() {
	close(r.change)
	r.change = make(chan struct{})
}

// until waits, on the real clock, until ok holds.
func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		done, change := ok(), r.change
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-change:
		case <-limit:
			t.Errorf("waited in vain for %s", what)
			return
		}
	}
}

// outcomes lists the results as "token sent", "token unsent" or "token doubt".
func (r *recorder) outcomes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, res := range r.results {
		out = append(out, outcome(res))
	}
	return out
}

func outcome(r Result) string {
	switch {
	case r.Sent && r.Unsent:
		return fmt.Sprintf("%v both", r.Token)
	case r.Sent:
		return fmt.Sprintf("%v sent", r.Token)
	case r.Unsent:
		return fmt.Sprintf("%v unsent", r.Token)
	default:
		return fmt.Sprintf("%v doubt", r.Token)
	}
}

func (r *recorder) wantResults(t *testing.T, want ...string) {
	t.Helper()
	got := r.outcomes()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("results: got %v, want %v", got, want)
	}
}

func (r *recorder) wantError(t *testing.T, token any, want error) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range r.results {
		if res.Token == token {
			if !errors.Is(res.Err, want) {
				t.Errorf("%v: got error %v, want %v", token, res.Err, want)
			}
			return
		}
	}
	t.Errorf("%v: no result", token)
}

func (r *recorder) wantStatus(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.status, want) {
		t.Errorf("status: got %v, want %v", r.status, want)
	}
}

func (r *recorder) wantFrames(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.frames, want) {
		t.Errorf("frames: got %q, want %q", r.frames, want)
	}
}

// pipes is a dialler over net.Pipe. Each dial takes the next host function,
// which serves the far end; when there is none left, the dial is refused.
type pipes struct {
	mu    sync.Mutex
	hosts []func(net.Conn)
	dials []time.Time
}

var errRefused = errors.New("connection refused")

func (p *pipes) dial(_ context.Context, _ int, _ string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials = append(p.dials, time.Now())
	if len(p.hosts) == 0 {
		return nil, errRefused
	}
	host := p.hosts[0]
	p.hosts = p.hosts[1:]
	near, far := net.Pipe()
	go func() {
		defer func() { _ = far.Close() }()
		host(far)
	}()
	return near, nil
}

func (p *pipes) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.dials)
}

// answering echoes every frame, with "re " in front, until the end.
func answering(c net.Conn) {
	f := frame.NewConn(c, testFormat)
	for {
		b, err := f.Read(time.Now().Add(24 * time.Hour))
		if err != nil {
			return
		}
		if _, err := f.Write(time.Now().Add(time.Minute), append([]byte("re "), b...)); err != nil {
			return
		}
	}
}

// swallowing reads and says nothing.
func swallowing(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// deaf reads nothing for a day.
func deaf(c net.Conn) { time.Sleep(24 * time.Hour) }

// saying waits for one frame and sends raw bytes.
func saying(raw string, then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := frame.NewConn(c, testFormat).Read(time.Now().Add(time.Hour)); err != nil {
			return
		}
		_, _ = io.WriteString(c, raw)
		if then != nil {
			then(c)
		}
	}
}

// bubble runs fn under fake time with a started link over pipes, and closes
// the link at the end.
func bubble(t *testing.T, cfg Config, fn func(l *Link, r *recorder, p *pipes), hosts ...func(net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{hosts: hosts}
		r := newRecorder()
		if cfg.Addresses == nil {
			cfg.Addresses = []string{"host:1"}
		}
		cfg.Format, cfg.Dial = testFormat, p.dial
		l := New(cfg, r)
		l.Start()
		synctest.Wait()
		fn(l, r, p)
		l.Close()
		time.Sleep(25 * time.Hour) // let the deaf hosts go
	})
}

// in is a deadline.
func in(d time.Duration) time.Time { return time.Now().Add(d) }
