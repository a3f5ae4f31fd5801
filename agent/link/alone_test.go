package link

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func stuckDial(ctx context.Context, _ int, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAloneExchange(t *testing.T) {
	bubble(t, Config{}, func(l *Link, r *recorder, p *pipes) {
		if !l.Up(0) || p.count() != 0 {
			t.Error("a connection was opened, or Up is false, before the first send")
		}
		l.Send(0, "a", []byte("a"), in(time.Second))
		l.Send(0, "b", []byte("b"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "a sent", "b sent")
		if p.count() != 2 || len(r.frames) != 2 {
			t.Errorf("dials %d, frames %q", p.count(), r.frames)
		}
		r.wantStatus(t, "0 up")
	}, answering, answering)
}

func TestAloneRefused(t *testing.T) {
	bubble(t, Config{}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "a", []byte("a"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "a unsent")
		r.wantError(t, "a", errRefused)
		r.wantStatus(t, "0 down")
		if l.Up(0) {
			t.Error("up after a refused connection")
		}
	})
}

// Connecting that hangs ends at the send's own deadline.
func TestAloneStuckDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		l := New(Config{Addresses: []string{"host:1"}, Format: testFormat, Dial: stuckDial}, r)
		l.Send(0, "a", []byte("a"), in(3*time.Second))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.wantResults(t, "a unsent")
		r.wantError(t, "a", context.DeadlineExceeded)
		l.Close()
	})
}

func TestAloneStuckWrite(t *testing.T) {
	bubble(t, Config{WriteTimeout: 2 * time.Second}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "a", []byte("a"), in(time.Minute))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantResults(t, "a doubt")
	}, deaf)
}

// The connection waits for its answer no longer than ResponseTimeout, and a
// send is counted until then.
func TestAloneLimits(t *testing.T) {
	bubble(t, Config{QueueLimit: 1, ResponseTimeout: 40 * time.Second}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "a", []byte("a"), in(time.Second))
		synctest.Wait()
		l.Send(0, "b", []byte("b"), in(time.Second))
		time.Sleep(41 * time.Second)
		l.Send(0, "c", []byte("c"), in(time.Second))
		synctest.Wait()
		r.wantResults(t, "a sent", "b unsent", "c sent")
		r.wantError(t, "b", ErrQueueFull)
		r.wantFrames(t, "0:re c")
	}, swallowing, answering)
}

func TestAloneClose(t *testing.T) {
	bubble(t, Config{}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "waiting for its answer", []byte("a"), in(time.Minute))
		synctest.Wait()
		l.Send(0, "stuck", []byte("b"), in(time.Minute))
		synctest.Wait()
		l.Close()
		l.Send(0, "after", []byte("c"), in(time.Minute))
		synctest.Wait()
		r.wantResults(t, "waiting for its answer sent", "stuck doubt", "after unsent")
	}, swallowing, deaf)
}
