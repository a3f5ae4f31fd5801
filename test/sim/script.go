package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// script writes a run down as a transcript of the core (agent/txn,
// replay_test.go): every event that the core was given, and when the disk was
// done. What happened in the world is there as comments.
type script struct {
	out     strings.Builder
	now     txn.Time
	started bool
	told    int // lines of the trace that are in it
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// at moves the clocks.
func (s *script) at(w *World) {
	if w.now.Boot != s.now.Boot || w.now.Wall != s.now.Wall {
		s.now = w.now
		dead := ""
		if w.now.Dead {
			dead = " dead"
		}
		s.line("> at %s %d%s", w.now.Boot, w.now.Wall, dead)
	}
}

// story gives what was told since the last event, without what the core will
// say itself.
func (s *script) story(w *World) {
	for _, line := range w.trace[s.told:] {
		what := strings.TrimLeft(strings.TrimLeft(line, " 0123456789."), " ")
		if !strings.HasPrefix(what, "disk") && !strings.HasPrefix(what, "agent") {
			s.line("# %s", what)
		}
		if strings.HasPrefix(what, "VIOLATION") {
			break
		}
	}
	s.told = len(w.trace)
}

// event is the core's next one.
func (s *script) event(w *World, ev txn.Event) {
	s.story(w)
	s.at(w)
	how := ""
	switch e := ev.(type) {
	case txn.Begin:
		if chip := e.Card.ReadChip(); chip != "" {
			how = string(chip) + " "
		}
		e.Card = nil
		ev = e
	case txn.Unsent:
		e.Card = nil
		ev = e
	}
	s.line("> event %s %s%s", strings.TrimPrefix(fmt.Sprintf("%T", ev), "txn."), how, compact(ev))
}

// compact is v as JSON without what is zero.
func compact(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // plain data: cannot fail
		panic(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var parts any
	if err := d.Decode(&parts); err != nil {
		panic(err)
	}
	b, err = json.Marshal(prune(parts))
	if err != nil {
		panic(err)
	}
	return b
}

// prune leaves out of objects what is zero.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			part = prune(part)
			if zero(part) {
				delete(v, name)
			} else {
				v[name] = part
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}

func zero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return v == "0"
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// begin is a start of the agent with so many records that it finds: the first
// one, or one after a crash.
func (s *script) begin(w *World) {
	s.story(w)
	if !s.started {
		s.line("> empty")
		s.line("> zone %+d", w.now.Zone/3600)
	} else {
		s.line("> restart %d", len(w.disk.durable))
	}
	s.started = true
}

// Script is a run as a transcript of the core; in the end it says how everything
// stands, unless that is what is wrong.
func Script(p Personality, c *Choices, title string) (string, *World) {
	w := newWorld(p, c, &Stats{})
	w.tracing, w.script = true, &script{}
	w.script.line("# %s", title)
	w.run()
	w.script.story(w)
	for _, t := range w.txns {
		if seen := w.agent.view.Get(t.uuid); seen != nil && w.broken == nil { // what is durable, and was not lost
			w.script.line("> is %s %s", t, seen.State)
		}
	}
	return w.script.out.String(), w
}
