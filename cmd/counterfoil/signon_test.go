package main

import (
	"encoding/json"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func TestSignOn(t *testing.T) {
	b := newBed(t, declining)
	b.list("sign-on", "sign-on", "DEV00001")
	b.list("sign-on-unknown", "sign-on", "T9999999")
	if _, err := b.host.AddFault(hostsim.Fault{Action: hostsim.ActCode, Code: "58", Match: hostsim.Match{Kind: iso8583.KindSignOn}}); err != nil {
		t.Fatal(err)
	}
	b.list("sign-on-refused", "sign-on", "DEV00001")
	r := b.run("sign-on", "DEV00001", "--json")
	var s client.SignOn
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || r.code != exitFailed || s.Accepted || s.Code != "58" {
		t.Errorf("%v %v", err, r)
	}
}
