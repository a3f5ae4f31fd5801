package config

import (
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
)

// Patterns says which abnormal patterns are told of. What is absent stays as
// it is; a count of zero switches one off.
type Patterns struct {
	Zero      *Pattern `yaml:"zero"`      // amounts of zero; default 3 within 10m
	Repeats   *Pattern `yaml:"repeats"`   // the same card and amount; default 3 within 10m
	Velocity  *Pattern `yaml:"velocity"`  // transactions; default 60 within 1m
	Reversals *Pattern `yaml:"reversals"` // default 5 within 10m
	Declines  *Pattern `yaml:"declines"`  // default 10 within 10m
}

// Pattern is so many within so long, on one terminal.
type Pattern struct {
	Count  int      `yaml:"count"`
	Within Duration `yaml:"within"`
}

// What a pattern may be: all of it is kept in memory.
const (
	maxPatternCount = 1000
	maxPatternTime  = 24 * time.Hour
)

// each calls fn for what is given, with its key and what it sets.
func (p *Patterns) each(to *agent.Patterns, fn func(key string, from *Pattern, to *agent.Pattern) error) error {
	for _, f := range []struct {
		key  string
		from *Pattern
		to   *agent.Pattern
	}{
		{"zero", p.Zero, &to.Zero}, {"repeats", p.Repeats, &to.Repeats}, {"velocity", p.Velocity, &to.Velocity},
		{"reversals", p.Reversals, &to.Reversals}, {"declines", p.Declines, &to.Declines},
	} {
		if f.from == nil {
			continue
		}
		if err := fn(f.key, f.from, f.to); err != nil {
			return err
		}
	}
	return nil
}

func (p *Patterns) validate() error {
	return p.each(&agent.Patterns{}, func(key string, from *Pattern, _ *agent.Pattern) error {
		switch within := time.Duration(from.Within); {
		case from.Count < 0 || from.Count > maxPatternCount:
			return fmt.Errorf("%s.count: want 0, which switches it off, to %d", key, maxPatternCount)
		case from.Count > 0 && (within < time.Second || within > maxPatternTime):
			return fmt.Errorf("%s.within: want 1s to %s", key, maxPatternTime)
		}
		return nil
	})
}

func (p *Patterns) build() *agent.Patterns {
	out := agent.DefaultPatterns
	_ = p.each(&out, func(_ string, from *Pattern, to *agent.Pattern) error {
		*to = agent.Pattern{Count: from.Count, Within: time.Duration(from.Within)}
		return nil
	})
	return &out
}
