package agent_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The disk takes longer to make an intent durable than the request may take to be
// sent. The core counts from its decision, so nothing leaves any more (R3′).
func TestNothingLeavesBehindASlowDisk(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		synctest.Wait()
		g.close(false)
		id := client.NewUUID()
		put := calling(func() (*client.Transaction, error) { return l.client.Begin(l.ctx(), id, l.sale("S1", 100), 0) })
		time.Sleep(time.Duration(l.profile.Rules.SendTimeout) + time.Second)
		g.open()
		time.Sleep(time.Second)
		if !put.answered() || put.err != nil {
			t.Fatalf("%v %v", put.tx, put.err)
		}
		l.state(id, "not_sent")
		if net, debits := l.host.of(testTID, "000001"); net != 0 || debits != 0 {
			t.Errorf("%d debited", net)
		}
	}, gated(g))
}

// The terminal sleeps while a connection is being made for a request, and again
// during the hold-down of its reversal. CLOCK_BOOTTIME goes on; the deadlines of
// the connection do not. The request must not leave behind all that (R3′, C.15).
func TestNothingLeavesAfterASleep(t *testing.T) {
	var slept atomic.Int64
	var dials atomic.Int32
	var connects chan struct{} // of the bubble
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 100), 0)
		for range 2 {
			slept.Add(int64(time.Hour))
			time.Sleep(3 * time.Second) // awake
			synctest.Wait()
		}
		close(connects) // the first connection is made at last
		synctest.Wait()
		time.Sleep(time.Minute)
		tx := l.state(id, "not_sent")
		if net, debits := l.host.of(testTID, "000001"); net != 0 || debits != 0 {
			t.Errorf("%d debited, and nobody knows: %+v", net, tx.Items)
		}
	}, func(l *lab) {
		connects = make(chan struct{})
		l.profile.Link.Persistent, l.profile.Link.EchoEvery, l.profile.Link.SignOn = false, 0, ""
		l.host.policy.UnknownOriginal = "00"
		l.host.mishap = func(m *iso8583.Message, _ int) mishap { return mishap{mute: m.MTI.Class() == '2'} }
		awake := l.clock
		l.clock = func() txn.Time {
			now := awake()
			now.Boot += time.Duration(slept.Load())
			return now
		}
		l.setup = func(a *agent.Agent) { a.SetSlept(func() time.Duration { return time.Duration(slept.Load()) }) }
		l.dial = func(ctx context.Context, route int, addr string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				select {
				case <-connects:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return l.host.dial(ctx, route, addr)
		}
	})
}
