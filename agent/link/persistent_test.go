package link

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

func echo() []byte { return []byte("echo") }

func TestPersistentExchange(t *testing.T) {
	bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, p *pipes) {
		for _, token := range []string{"a", "b"} {
			l.Send(0, token, []byte(token), in(time.Second))
			synctest.Wait()
		}
		r.wantResults(t, "a sent", "b sent")
		r.wantFrames(t, "0:re a", "0:re b")
		r.wantStatus(t, "0 up")
		if p.count() != 1 || !l.Up(0) || l.Up(1) || l.Up(-1) {
			t.Errorf("dials %d, up %v", p.count(), l.Up(0))
		}
	}, answering)
}

// C.5: connect refused. What waits is told at once, and nothing is hammered.
func TestPersistentRefused(t *testing.T) {
	bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, p *pipes) {
		r.wantStatus(t, "0 down")
		l.Send(0, "a", []byte("a"), in(time.Hour))
		synctest.Wait()
		r.wantResults(t, "a unsent")
		r.wantError(t, "a", errRefused)
		if p.count() != 2 {
			t.Errorf("dials: got %d, want one at the start and one on demand", p.count())
		}
		time.Sleep(time.Hour) // never gives up, at most every 15 s (30 s less half)
		if n := p.count(); n < 60 || n > 250 {
			t.Errorf("dials in an hour: %d", n)
		}
		r.wantStatus(t, "0 down")
	})
}

func TestPersistentReconnects(t *testing.T) {
	hangUp := func(net.Conn) {}
	bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, _ *pipes) {
		time.Sleep(time.Minute)
		r.wantStatus(t, "0 up", "0 down", "0 up")
		l.Send(0, "a", []byte("a"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "a sent")
		r.wantFrames(t, "0:re a")
	}, hangUp, answering)
}

// Two addresses: the caller names the route, and one that is down does not
// hold up the other.
func TestRoutesAreApart(t *testing.T) {
	cfg := Config{Persistent: true, Addresses: []string{"one:1", "two:1"}}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		up := 0
		if l.Up(1) {
			up = 1
		}
		if l.Up(1 - up) {
			t.Fatal("both are up, but only one host was there")
		}
		l.Send(up, "a", []byte("a"), in(time.Second))
		l.Send(1-up, "b", []byte("b"), in(time.Second))
		l.Send(2, "c", []byte("c"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "a sent", "b unsent", "c unsent")
		r.wantError(t, "c", ErrNoRoute)
	}, answering)
}

// C.5: half-open, a peer that never reads. The write ends at its deadline in
// doubt and closes the connection; what is queued behind it is failed at its
// own deadline, as certainly unsent.
func TestStuckWrite(t *testing.T) {
	bubble(t, Config{Persistent: true, WriteTimeout: 5 * time.Second}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "stuck", []byte("x"), in(time.Minute))
		synctest.Wait()
		l.Send(0, "behind", []byte("y"), in(2*time.Second))
		l.Send(0, "later", []byte("z"), in(time.Minute))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantResults(t, "behind unsent")
		r.wantError(t, "behind", ErrQueueTimeout)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.wantResults(t, "behind unsent", "stuck doubt", "later sent")
		r.wantError(t, "stuck", os.ErrDeadlineExceeded)
		r.wantStatus(t, "0 up", "0 down", "0 up")
		r.wantFrames(t, "0:re z")
	}, deaf, answering)
}

func TestSendDeadlineBoundsTheWrite(t *testing.T) {
	bubble(t, Config{Persistent: true, WriteTimeout: time.Minute}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "a", []byte("a"), in(3*time.Second))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.wantResults(t, "a doubt")
	}, deaf)
}

func TestQueueTimeout(t *testing.T) {
	cfg := Config{Persistent: true, WriteTimeout: time.Minute, QueueTimeout: time.Second}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "stuck", []byte("x"), in(time.Minute))
		synctest.Wait()
		l.Send(0, "behind", []byte("y"), in(time.Minute))
		time.Sleep(time.Second)
		synctest.Wait()
		r.wantResults(t, "behind unsent")
		l.Send(0, "past", []byte("z"), in(-time.Second))
		synctest.Wait()
		r.wantResults(t, "behind unsent", "past unsent")
	}, deaf)
}

func TestQueueFull(t *testing.T) {
	cfg := Config{Persistent: true, QueueLimit: 2}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "stuck", []byte("x"), in(time.Minute))
		synctest.Wait()
		for _, token := range []string{"a", "b", "c"} {
			l.Send(0, token, []byte(token), in(time.Minute))
		}
		synctest.Wait()
		r.wantResults(t, "c unsent")
		r.wantError(t, "c", ErrQueueFull)
	}, deaf)
}

// Closing with sends pending: exactly one result each.
func TestCloseWithSendsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		l := New(Config{Addresses: []string{"host:1"}, Format: testFormat, Persistent: true, Dial: (&pipes{hosts: []func(net.Conn){deaf}}).dial}, r)
		l.Start()
		synctest.Wait()
		l.Send(0, "stuck", []byte("x"), in(time.Hour))
		synctest.Wait()
		l.Send(0, "queued", []byte("y"), in(time.Hour))
		l.Close()
		l.Close()
		l.Send(0, "after", []byte("z"), in(time.Hour))
		synctest.Wait()
		r.wantResults(t, "stuck doubt", "queued unsent", "after unsent")
		r.wantError(t, "queued", ErrClosed)
		r.wantError(t, "after", ErrClosed)
		if l.Up(0) {
			t.Error("up after Close")
		}
		time.Sleep(25 * time.Hour)
	})
}

func TestCloseWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		l := New(Config{Addresses: []string{"host:1"}, Format: testFormat, Persistent: true, Dial: stuckDial}, r)
		l.Start()
		l.Send(0, "a", []byte("a"), in(time.Hour))
		synctest.Wait()
		l.Close()
		r.wantResults(t, "a unsent")
		r.wantError(t, "a", ErrClosed)
	})
}

func TestSendBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		l := New(Config{Addresses: []string{"host:1"}, Format: testFormat, Persistent: true, Dial: (&pipes{}).dial}, r)
		l.Send(0, "a", []byte("a"), in(time.Second))
		time.Sleep(time.Second)
		synctest.Wait()
		r.wantResults(t, "a unsent")
		l.Close()
	})
}

// An echo after EchoEvery of silence; its answer keeps the connection.
func TestEcho(t *testing.T) {
	cfg := Config{Persistent: true, Echo: echo, EchoEvery: time.Minute}
	bubble(t, cfg, func(l *Link, r *recorder, p *pipes) {
		time.Sleep(150 * time.Second)
		r.wantFrames(t, "0:re echo", "0:re echo")
		l.Send(0, "a", []byte("a"), in(time.Second)) // life: the next echo waits
		time.Sleep(50 * time.Second)
		r.wantFrames(t, "0:re echo", "0:re echo", "0:re a")
		r.wantStatus(t, "0 up")
		if p.count() != 1 {
			t.Errorf("dials: %d", p.count())
		}
	}, answering)
}

// A missing answer to the echo closes the connection.
func TestEchoLost(t *testing.T) {
	cfg := Config{Persistent: true, Echo: echo, EchoEvery: time.Minute, EchoTimeout: 10 * time.Second}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		time.Sleep(69 * time.Second)
		r.wantStatus(t, "0 up")
		time.Sleep(2 * time.Second)
		r.wantStatus(t, "0 up", "0 down", "0 up")
	}, swallowing, answering)
}

// A peer that reads nothing cannot hold the echo up for ever.
func TestEchoBehindStuckWrite(t *testing.T) {
	cfg := Config{Persistent: true, Echo: echo, EchoEvery: 10 * time.Second, EchoTimeout: 5 * time.Second, WriteTimeout: time.Hour}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "a", []byte("a"), in(time.Hour))
		time.Sleep(16 * time.Second)
		r.wantResults(t, "a doubt")
	}, deaf)
}

func TestSignOn(t *testing.T) {
	cfg := Config{Persistent: true, SignOn: func() []byte { return []byte("hello") }, EchoTimeout: 10 * time.Second}
	bubble(t, cfg, func(l *Link, r *recorder, _ *pipes) {
		// The first host never answers the sign-on: not up, and what waits is unsent.
		l.Send(0, "a", []byte("a"), in(time.Minute))
		time.Sleep(9 * time.Second)
		r.wantStatus(t)
		r.wantResults(t)
		time.Sleep(2 * time.Second)
		r.wantStatus(t, "0 down", "0 up")
		r.wantResults(t, "a unsent")
		r.wantFrames(t, "0:re hello")
	}, swallowing, answering)
}

// C.5 and C.10: what a host may send in place of an answer.
func TestReceived(t *testing.T) {
	for _, tc := range []struct {
		name, raw string
		then      func(net.Conn)
		frames    []string
		down      bool
	}{
		{"two frames in one read", "\x00\x02ab\x00\x01c", swallowing, []string{"0:ab", "0:c"}, false},
		{"garbage inside a frame", "\x00\x03\xff\x00\x01", swallowing, []string{"0:\xff\x00\x01"}, false},
		{"partial frame, then closed", "\x00\x05ab", nil, nil, true},
		{"partial frame, then nothing", "\x00\x05ab", swallowing, nil, true},
		{"zero length", "\x00\x01a\x00\x00", swallowing, []string{"0:a"}, true},
		{"oversize", "\xff\xff", swallowing, nil, true},
		{"a frame, then closed", "\x00\x01a", nil, []string{"0:a"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, _ *pipes) {
				l.Send(0, "a", []byte("a"), in(time.Second))
				time.Sleep(2*time.Minute - time.Second)
				r.wantResults(t, "a sent")
				r.wantFrames(t, tc.frames...)
				if want := []string{"0 up", "0 down"}; tc.down {
					r.wantStatus(t, want...)
				} else {
					r.wantStatus(t, "0 up")
				}
			}, saying(tc.raw, tc.then))
		})
	}
}

// A body that fits no frame is unsent and harms nobody.
func TestBodyThatFitsNoFrame(t *testing.T) {
	bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, p *pipes) {
		l.Send(0, "long", make([]byte, 65), in(time.Second))
		l.Send(0, "empty", nil, in(time.Second))
		l.Send(0, "a", []byte("a"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "long unsent", "empty unsent", "a sent")
		r.wantError(t, "long", frame.ErrLength)
		r.wantStatus(t, "0 up")
	}, answering)
}
