// Package link moves frame bodies between the agent and an acquirer's
// addresses. It knows no transactions: it never repeats, never fails over and
// never matches an answer. What it owes its caller is the truth about each
// body: handed over whole, certainly never sent, or in doubt.
package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// Config is how an acquirer is reached. A zero duration or limit takes the
// default named beside it.
type Config struct {
	Addresses []string    // host:port; the index is the route
	TLS       *tls.Config // nil: plain TCP. Without a ServerName the address gives it
	Format    frame.Format

	// Persistent keeps one connection per route, opened at Start and opened
	// again when it is lost. Otherwise each Send has a connection of its own.
	Persistent bool

	// EchoEvery is how long a persistent connection may bring nothing before
	// Echo is sent; zero or a nil Echo: never.
	EchoEvery   time.Duration
	EchoTimeout time.Duration // 20s; for the first frame after an echo or a sign-on

	DialTimeout     time.Duration // 10s; connecting and the TLS handshake
	WriteTimeout    time.Duration // 10s; one frame
	QueueTimeout    time.Duration // 10s; waiting for a connection to write on
	ResponseTimeout time.Duration // 60s; for the answer on a connection of its own
	QueueLimit      int           // 256; sends per route that have not ended

	// Dial replaces the TCP dialler. TLS is laid over what it returns.
	Dial func(ctx context.Context, route int, addr string) (net.Conn, error)

	// Echo and SignOn build a body. SignOn, where it is set, is the first
	// frame on a persistent connection, which counts as up only when a frame
	// has come back. What comes back goes to the Handler like any other frame.
	Echo   func() []byte
	SignOn func() []byte
}

// Result is the end of one Send. With neither flag it is in doubt how much of
// the frame left.
type Result struct {
	Token  any
	Route  int
	Sent   bool  // the whole frame was handed to the connection
	Unsent bool  // it is certain that not one byte left
	Err    error // nil where Sent; never holds bytes of a message
}

// Handler is told what happens. Its methods are called from the link's
// goroutines, several at once, must not block long and must not call Close.
type Handler interface {
	// Result is called exactly once for each Send.
	Result(r Result)
	// Frame is called for each frame received, in the order of its connection.
	// The body may be garbage; the handler owns it.
	Frame(route int, body []byte)
	// Status is called when a route goes up or down, and once for the first
	// of the two; err says why it is down.
	Status(route int, up bool, err error)
}

// Why a body was Unsent, besides what connecting reports.
var (
	ErrQueueFull    = errors.New("link: too many messages are waiting")
	ErrQueueTimeout = errors.New("link: no connection took the message in time")
	ErrClosed       = errors.New("link: closed")
	ErrNoRoute      = errors.New("link: no such route")
	ErrSlept        = errors.New("link: the machine has slept meanwhile")
)

// Link is the connections to one acquirer. All methods are safe for use by
// several goroutines.
type Link struct {
	cfg    Config
	h      Handler
	routes []*route
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex // guards closed against wg, and what follows
	closed bool
	wg     sync.WaitGroup  // goroutines, and sends without a result
	awake  context.Context // ends with Close, and when the machine has slept
	sleep  context.CancelCauseFunc
}

// New makes a link. It opens nothing before Start.
func New(cfg Config, h Handler) *Link {
	for _, d := range []struct {
		v       *time.Duration
		initial time.Duration
	}{
		{&cfg.EchoTimeout, 20 * time.Second},
		{&cfg.DialTimeout, 10 * time.Second},
		{&cfg.WriteTimeout, 10 * time.Second},
		{&cfg.QueueTimeout, 10 * time.Second},
		{&cfg.ResponseTimeout, 60 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.initial
		}
	}
	if cfg.QueueLimit <= 0 {
		cfg.QueueLimit = 256
	}
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	l := &Link{cfg: cfg, h: h}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.awake, l.sleep = context.WithCancelCause(l.ctx)
	for i, addr := range cfg.Addresses {
		l.routes = append(l.routes, newRoute(l, i, addr))
	}
	return l
}

// dialTCP opens a connection that takes with it, when it is closed or the
// process dies, what the kernel has not delivered yet. Otherwise a request
// could leave minutes after its connection was given up, and reach the host
// behind its own reversal, beyond every hold-down.
func dialTCP(ctx context.Context, _ int, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Start opens the persistent connections. Without Persistent it does nothing.
func (l *Link) Start() {
	if !l.cfg.Persistent {
		return
	}
	for _, r := range l.routes {
		if l.begin() {
			go func() {
				defer l.wg.Done()
				r.run()
			}()
		}
	}
}

// Send hands body to a route and returns at once; the Result comes through the
// Handler, exactly once, from another goroutine. The deadline bounds waiting
// and writing together; a body that is still waiting when it passes is Unsent,
// whatever the connection is stuck in. The link reads body until the Result.
func (l *Link) Send(route int, token any, body []byte, deadline time.Time) {
	m := &item{route: route, token: token, body: body}
	now := time.Now()
	m.deadline = deadline
	m.waitUntil = earlier(deadline, now.Add(l.cfg.QueueTimeout))
	if !l.begin() {
		go l.h.Result(m.unsent(ErrClosed))
		return
	}
	if route < 0 || route >= len(l.routes) {
		go l.finish(m.unsent(fmt.Errorf("%w: %d", ErrNoRoute, route)))
		return
	}
	r := l.routes[route]
	var err error
	if l.cfg.Persistent {
		err = r.queue.put(m, func() { l.finish(m.unsent(ErrQueueTimeout)) })
	} else {
		err = r.alone(m)
	}
	if err != nil {
		go l.finish(m.unsent(err))
	}
}

// Up says whether a route is believed to work. For a persistent route that is
// an open connection that has answered its sign-on. Without Persistent it is
// how the last connection went, true before the first: a hint where to send,
// not a reason to refuse.
func (l *Link) Up(route int) bool {
	return route >= 0 && route < len(l.routes) && l.routes[route].isUp()
}

// Close closes every connection and returns when each Send has had its Result
// and no goroutine of the link is left. What was waiting is Unsent, what was
// being written is in doubt. The Handler must go on taking calls meanwhile.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	for _, r := range l.routes {
		for _, m := range r.queue.shut() {
			go l.finish(m.unsent(ErrClosed))
		}
	}
	l.wg.Wait()
}

// Slept says that the machine has slept: no deadline ran meanwhile, neither the
// link's nor the kernel's. Every connection is closed, with what the kernel still
// holds of it, and what waits is Unsent; otherwise it would leave now, long after
// its time. Persistent connections are opened again.
func (l *Link) Slept() {
	l.mu.Lock()
	end := l.sleep
	l.awake, l.sleep = context.WithCancelCause(l.ctx)
	l.mu.Unlock()
	var waiting []*item
	for _, r := range l.routes {
		waiting = append(waiting, r.queue.drain()...)
	}
	end(ErrSlept)
	for _, m := range waiting {
		go l.finish(m.unsent(ErrSlept))
	}
}

// life is the context of what begins now.
func (l *Link) life() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.awake
}

// begin counts something that Close must wait for.
func (l *Link) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Add(1)
	return true
}

// finish reports the end of a Send.
func (l *Link) finish(r Result) {
	defer l.wg.Done()
	l.h.Result(r)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
