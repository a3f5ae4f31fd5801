package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// B2, 0800/301: whether the acquirer answers, as a word and as an exit code.
func TestEcho(t *testing.T) {
	b := newBed(t, declining)
	if r := b.run("echo", "DEV00001"); r.code != exitOK || !strings.Contains(r.out, "answered 00 in ") {
		t.Errorf("%v", r)
	}
	r := b.run("echo", "DEV00001", "--json")
	var e client.Echo
	if err := json.Unmarshal([]byte(r.out), &e); err != nil || r.code != exitOK || !e.Answered || e.Code != "00" {
		t.Errorf("%v %v", err, r)
	}
	if r := b.run("echo", "T9999999"); r.code == exitOK || !strings.Contains(r.errOut, "unknown_terminal") {
		t.Errorf("%v", r)
	}
}
