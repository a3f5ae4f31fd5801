package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A sign-on says what the host said, or why it said nothing; the answer to
// another's, such as the link's own, is none.
func TestSignOn(t *testing.T) {
	bubble(t, func(l *lab) {
		s, err := l.client.SignOn(l.ctx(), testTID)
		if err != nil || !s.Accepted || s.Code != "00" || s.Address != "host:1" {
			t.Fatalf("%+v %v", s, err)
		}
		l.host.mishap = func(m *iso8583.Message, _ int) mishap { return mishap{unprocessed: "96"} }
		if s, err := l.client.SignOn(l.ctx(), testTID); err != nil || s.Accepted || s.Code != "96" {
			t.Fatalf("%+v %v", s, err)
		}
		l.host.mishap = func(m *iso8583.Message, _ int) mishap { return mishap{mute: true} }
		start := time.Now()
		s, err = l.client.SignOn(l.ctx(), testTID)
		if err != nil || s.Accepted || s.Error != "the host did not answer in time" || time.Since(start) > 30*time.Second {
			t.Fatalf("%+v %v", s, err)
		}
		list, err := l.client.Terminals(l.ctx())
		if err != nil || list.Terminals[0].SignOn == nil || list.Terminals[0].SignOn.Error != s.Error || list.Terminals[1].SignOn != nil {
			t.Fatalf("%+v %v", list, err)
		}
		l.host.refuse(true)
		time.Sleep(time.Minute)
		if s, err := l.client.SignOn(l.ctx(), testTID); err != nil || s.Accepted || s.Error == "" {
			t.Fatalf("%+v %v", s, err)
		}
		for _, m := range l.host.seen {
			if m.MTI == "0800" && m.Get(70) == "001" && strings.TrimSpace(m.Get(41)) == testTID {
				return
			}
		}
		t.Error("no sign-on names its terminal")
	})
}
