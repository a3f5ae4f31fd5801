package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
)

func TestPatterns(t *testing.T) {
	c, err := config.Parse([]byte(minimal + "patterns: {zero: {count: 0}, velocity: {count: 5, within: 2m}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var o agent.Options
	if err := c.Fill(&o); err != nil {
		t.Fatal(err)
	}
	want := agent.DefaultPatterns
	want.Zero, want.Velocity = agent.Pattern{}, agent.Pattern{Count: 5, Within: 2 * time.Minute}
	if *o.Patterns != want {
		t.Errorf("%+v", o.Patterns)
	}
	for want, section := range map[string]string{
		"patterns.zero.count":      "{zero: {count: -1}}",
		"patterns.repeats.within":  "{repeats: {count: 3}}",
		"patterns.velocity.count":  "{velocity: {count: 1001, within: 1m}}",
		"patterns.declines.within": "{declines: {count: 3, within: 25h}}",
		"field lots not found":     "{lots: {count: 3, within: 1m}}",
	} {
		if _, err := config.Parse([]byte(minimal + "patterns: " + section + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", section, want, err)
		}
	}
}
