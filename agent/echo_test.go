package agent_test

import (
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Echo: 0800 with DE 70 = 301 (B2), 0820 with network code 301 and no STAN (B1).
// An answer is all that it says; none is a result too, and nothing is journaled.
func TestEcho(t *testing.T) {
	for name, options := range map[string][]func(*bed){"": nil, "unionpay": {unionpay}} {
		t.Run("dialect "+name, func(t *testing.T) {
			hasty := func(b *bed) {
				rules := b.rules
				b.rules = func(r *iso8583.Rules) { rules(r); r.SendTimeout = short(400 * time.Millisecond) }
			}
			b := newBed(t, hostsim.Config{Profile: name}, append(options, hasty)...)
			if name != "" {
				b.signedOn()
			}
			b.paid(iso8583.Sale, "a", 100) // and with it every record that follows a start
			last := b.journal.Last()
			if e, err := b.client.Echo(b.ctx(), testTID); err != nil || !e.Answered || e.Code != "00" || e.Address == "" {
				t.Fatalf("%+v %v", e, err)
			}
			heard := b.host.Messages()[len(b.host.Messages())-2]
			if unionpay := heard.MTI == "0820" && heard.Fields[60] == "00000001301" && heard.Fields[11] == ""; unionpay != (name != "") {
				t.Errorf("%s %v", heard.MTI, heard.Fields)
			}
			b.fault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: iso8583.KindEcho}})
			if e, err := b.client.Echo(b.ctx(), testTID); err != nil || e.Answered || e.Error == "" {
				t.Fatalf("%+v %v", e, err)
			}
			if _, err := b.client.Echo(b.ctx(), "T9999999"); client.AsProblem(err) == nil || client.AsProblem(err).Code != "unknown_terminal" {
				t.Error(err)
			}
			if b.journal.Last() != last {
				t.Error("an echo was journaled")
			}
		})
	}
}
