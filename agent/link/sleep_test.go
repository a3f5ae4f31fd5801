package link

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

// What was being sent when the machine fell asleep leaves no more: what waited, or
// had no connection yet, is certainly unsent, and what was being written ends with
// its connection (C.15).
func TestSleepEndsConnections(t *testing.T) {
	bubble(t, Config{Persistent: true}, func(l *Link, r *recorder, p *pipes) {
		l.Send(0, "stuck", []byte("a"), in(time.Minute))
		synctest.Wait()
		l.Send(0, "waiting", []byte("b"), in(time.Minute))
		synctest.Wait()
		l.Slept()
		synctest.Wait()
		r.wantResults(t, "stuck doubt", "waiting unsent")
		r.wantError(t, "waiting", ErrSlept)
		l.Send(0, "then", []byte("c"), in(time.Minute))
		time.Sleep(time.Second)
		synctest.Wait()
		r.wantResults(t, "stuck doubt", "waiting unsent", "then sent")
		r.wantFrames(t, "0:re c")
		if p.count() != 2 {
			t.Errorf("%d connections", p.count())
		}
	}, deaf, answering)
}

func TestSleepEndsConnectionsOfTheirOwn(t *testing.T) {
	bubble(t, Config{ResponseTimeout: time.Minute}, func(l *Link, r *recorder, _ *pipes) {
		l.Send(0, "stuck", []byte("a"), in(time.Minute))
		synctest.Wait()
		l.Send(0, "unanswered", []byte("b"), in(time.Minute))
		synctest.Wait()
		l.Slept()
		time.Sleep(40 * time.Second) // what the host would have said by now comes no more
		l.Send(0, "then", []byte("c"), in(time.Minute))
		synctest.Wait()
		r.wantResults(t, "stuck doubt", "unanswered sent", "then sent")
		r.wantFrames(t, "0:re c")
	}, deaf, slow, answering)
}

// slow answers after half a minute.
func slow(c net.Conn) {
	f := frame.NewConn(c, testFormat)
	if b, err := f.Read(time.Now().Add(time.Minute)); err == nil {
		time.Sleep(30 * time.Second)
		_, _ = f.Write(time.Now().Add(time.Second), b)
	}
}

func TestSleepWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		l := New(Config{Addresses: []string{"host:1"}, Format: testFormat, Dial: stuckDial}, r)
		l.Send(0, "a", []byte("a"), in(time.Hour))
		synctest.Wait()
		l.Slept()
		synctest.Wait()
		r.wantResults(t, "a unsent")
		l.Close()
	})
}
