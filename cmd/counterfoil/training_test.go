package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/config"
)

// Field problem 10: a training mode in which nothing can reach a real host.
func TestDevReachesNobody(t *testing.T) {
	own := fmt.Sprintf(devConfig, devProfile, "127.0.0.1:8583", "")
	for _, c := range []struct {
		name, text string
		good       bool
	}{
		{"its own", own, true},
		{"a host in the world", strings.Replace(own, "127.0.0.1:8583", "192.0.2.1:8583", 1), false},
		{"a name", strings.Replace(own, "127.0.0.1:8583", "acquirer.example:8583", 1), false},
		{"one of two", strings.Replace(own, `"127.0.0.1:8583"`, `"127.0.0.1:8583", "192.0.2.1:8583"`, 1), false},
		{"a receiver", own + "push: {receivers: [{name: a, webhook: 'http://192.0.2.1/'}]}\n", false},
	} {
		cfg, err := config.Parse([]byte(c.text))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if err := reachesNobody(cfg); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
