package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Field problem 4: zero, repeats, velocity, many reversals. Each is told once
// per its time, and changes nothing else.
func TestPatternsAreNoticed(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		heard := func() string {
			var s []string
			for _, p := range e.take() {
				if p.Notice == nil || p.Event != client.PushNotice || p.Notice.Terminal != testTID || p.Item != nil {
					t.Errorf("%+v", p)
					continue
				}
				s = append(s, p.Notice.Pattern)
			}
			return strings.Join(s, " ")
		}
		begin := func(ref string, amount int64, pan string) *client.Transaction {
			body := l.sale(ref, amount)
			body.Card = client.Card{PAN: pan, Expiry: "3012"}
			tx, err := l.client.Begin(l.ctx(), client.NewUUID(), body, time.Second)
			if client.AsProblem(err) != nil {
				return nil
			}
			if err != nil {
				t.Fatal(err)
			}
			return tx
		}
		const other = "5555555555554444"
		for range 4 {
			begin("S", 0, testPAN)
		}
		if got := heard(); got != "zero" {
			t.Errorf("zeros: %q", got)
		}
		begin("R1", 700, testPAN)
		begin("R2", 700, other)
		begin("R3", 701, testPAN)
		begin("R4", 700, testPAN)
		if got := heard(); got != "" {
			t.Errorf("what is no repeat: %q", got)
		}
		begin("R5", 700, testPAN)
		if got := heard(); got != "repeats" {
			t.Errorf("repeats: %q", got)
		}
		time.Sleep(time.Hour) // nobody confirms: five reversals at once
		if got := heard(); got != "reversals" {
			t.Errorf("reversals: %q", got)
		}
		for i := range 60 {
			begin(fmt.Sprint("V", i), int64(1000+i), testPAN)
		}
		if got := heard(); got != "velocity" {
			t.Errorf("velocity: %q", got)
		}
		l.host.mishap = func(*iso8583.Message, int) mishap { return mishap{unprocessed: "51"} }
		for i := range 10 {
			begin(fmt.Sprint("D", i), int64(5000+i), testPAN)
		}
		if got := heard(); !strings.HasPrefix(got, "declines") {
			t.Errorf("declines: %q", got)
		}
		if text := l.metrics(); !strings.Contains(text, `counterfoil_notices_total{pattern="repeats"} 1`) {
			t.Error("notices are not counted")
		}
		if r := l.notReady(); r != "" {
			t.Errorf("a notice stands in the way: %s", r)
		}
	}, option)
}

// notReady is what /v1/ready says.
func (l *lab) notReady() string {
	l.t.Helper()
	_, body := l.raw("GET", "/v1/ready", "")
	if strings.Contains(string(body), `"ready":true`) {
		return ""
	}
	return string(body)
}

// What is switched off is not told of.
func TestPatternsAreSwitchedOff(t *testing.T) {
	e, option := withEar(t)
	bubble(t, func(l *lab) {
		for i := range 5 {
			l.begin(client.NewUUID(), l.sale(fmt.Sprint("S", i), 700), time.Second)
		}
		e.want()
	}, option, func(l *lab) {
		inner := l.opts
		l.opts = func(o *agent.Options) { inner(o); o.Patterns = &agent.Patterns{} }
	})
}
