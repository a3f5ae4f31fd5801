package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// B1, 0810: the host's clock is two days ahead. That is the date in DE 61 of what
// follows a sale, it shows with the sign-on and as a metric, and nothing else
// moves.
func TestB1HostClock(t *testing.T) {
	ahead := 48 * time.Hour
	there := func() time.Time { return time.Now().Add(ahead).UTC() }
	b := newBed(t, hostsim.Config{Profile: "unionpay", Now: there}, unionpay)
	b.signedOn()
	terms, err := b.client.Terminals(b.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if s := terms.Terminals[0].SignOn; s.HostTime == nil || s.Drift < ahead.Seconds()-600 || s.Drift > ahead.Seconds()+600 {
		t.Errorf("%+v", s)
	}
	text, err := b.client.Text(b.ctx(), "/metrics")
	if err != nil || !strings.Contains(text, `counterfoil_host_clock_drift_seconds{terminal="`+string(testTID)+`"} 17`) {
		t.Errorf("%v: no drift among the metrics", err)
	}
	before := there()
	sale := b.paid(iso8583.Sale, "a", 1234)
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Refund, sale, 100)); tx.State != "confirmed" {
		t.Fatalf("%+v", tx)
	}
	for _, m := range b.host.Messages() {
		if date := m.Fields[61]; m.MTI == "0220" && m.Direction == "in" && date[12:] != before.Format("0102") && date[12:] != there().Format("0102") {
			t.Errorf("DE 61 %s, want the date of %s", date, before)
		}
	}
}
