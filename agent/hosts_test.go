package agent_test

import (
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// A reversal goes where its request went: an agent whose hosts were put in
// another order does not start while one is owed.
func TestHostsInAnotherOrder(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.Silent, Count: 100, Match: hostsim.Match{Kind: "sale"}})
	b.fault(hostsim.Fault{Action: hostsim.Silent, Count: 100, Match: hostsim.Match{Kind: "reversal"}})
	b.begin(client.NewUUID(), b.sale("S1", 100))
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.extra = []string{"127.0.0.1:1"}
	if _, err := b.make(); err == nil || !strings.Contains(err.Error(), b.host.Addr(0)) {
		t.Fatalf("it started: %v", err)
	}
	b.extra = nil
	b.start()
}
