package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// A story is the demo of a dialect whose messages are signed: a terminal's day,
// chapter by chapter, each with the messages that passed and what the acquirer's
// ledger says. The plain client has no part in it: it could not sign a message.

// Story is the result, as --json prints it.
type Story struct {
	Profile  string    `json:"profile"`
	Chapters []Chapter `json:"chapters"`
	Passed   bool      `json:"passed"`
	Kept     string    `json:"kept,omitempty"`
}

// Chapter is what one chapter showed.
type Chapter struct {
	Name     string                `json:"name"`
	Messages []hostsim.MessageView `json:"messages"`
	Net      int64                 `json:"net"` // of the ledger, minor units
	Want     int64                 `json:"want"`
	Problem  string                `json:"problem,omitempty"`
}

// shop is the stage of a story: a simulated acquirer in this process, and the
// daemon in one of its own.
type shop struct {
	*progress
	dir     string
	profile *profile.Profile
	host    *hostsim.Host
	agent   *agentProcess
	client  *client.Client
	epoch   uint64
	seen    int64             // messages that were shown
	paid    map[string]string // UUIDs of what was paid, by the sale's reference
}

const storyTerminal = iso8583.TID("DEMO0001")

// storyConfig has every timer of its profile shortened.
const storyConfig = `socket: agent.sock
journal: agent.journal
key_file: agent.key
acquirers:
  - name: demo
    profile: %s
    hosts: ["%s"]
    rules: {tombstones: true, send_timeout: 2s, response_timeout: 1s, reversal_answer_timeout: 1s, reversal_schedule: [0s, 200ms, 1s], message_lifetime: 2s}
terminals:
  - {tid: %s, mid: "%s", acquirer: demo, master_key_file: terminal.key}
`

// tell plays a story, and prints it.
func tell(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	dir, err := os.MkdirTemp("", "counterfoil-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s := &shop{progress: &progress{w: o.Progress, palette: palette(o.Colour), began: time.Now()}, dir: dir, paid: map[string]string{}}
	story, err := s.play(ctx, o)
	err = errors.Join(err, s.close())
	if err == nil && !story.Passed {
		err = ErrFailed
	}
	if err == nil && !o.Keep {
		err = os.RemoveAll(dir)
	} else {
		story.Kept = dir
		s.line("kept: %s", dir)
	}
	if o.JSON {
		enc := json.NewEncoder(o.Out)
		enc.SetIndent("", "  ")
		return errors.Join(err, enc.Encode(story))
	}
	return err
}

func (s *shop) play(ctx context.Context, o Options) (Story, error) {
	story := Story{Profile: o.Profile, Passed: true}
	if err := s.open(ctx, o); err != nil {
		return story, err
	}
	for i, c := range chapters() {
		s.line("")
		s.line("%s", s.palette.bold(fmt.Sprintf("%d. %s", i+1, c.name))+": "+c.about)
		done := Chapter{Name: c.name, Want: c.net}
		if err := c.play(ctx, s); err != nil {
			done.Problem = err.Error()
		}
		done.Messages, done.Net = s.messages(), hostsim.Summarise(s.host.Ledger()).NetTotal
		if done.Problem == "" && done.Net != c.net {
			done.Problem = fmt.Sprintf("the ledger holds %s", amountText(done.Net))
		}
		s.show(&done)
		story.Chapters = append(story.Chapters, done)
		if done.Problem != "" {
			story.Passed = false
			return story, nil // what follows would build on it
		}
	}
	return story, nil
}

// open starts acquirer and daemon.
func (s *shop) open(ctx context.Context, o Options) (err error) {
	if s.profile, err = profile.Load(o.Profile); err != nil {
		return err
	}
	s.host, err = hostsim.New(hostsim.Config{Profile: o.Profile, Tombstones: true, SharedLedger: true, Ledger: filepath.Join(s.dir, "ledger.jsonl")}, zap.NewNop())
	if err != nil {
		return err
	}
	if err := s.host.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.agent = &agentProcess{self: o.Self, dir: s.dir, log: filepath.Join(s.dir, "agent.log")}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	for name, b := range map[string][]byte{
		"agent.key": key, "terminal.key": []byte(hostsim.TestTerminalKey),
		"agent.yaml": fmt.Appendf(nil, storyConfig, o.Profile, s.host.Addr(0), storyTerminal, merchant),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o400); err != nil {
			return err
		}
	}
	s.line("A terminal's day in the dialect %s: real processes and sockets, timers shortened.", o.Profile)
	s.line("On the left what the terminal sends, with MAC where it is signed; on the right the acquirer.")
	if err := s.agent.launch(ctx); err != nil {
		return err
	}
	s.client = client.New(s.agent.socket())
	h, err := s.client.Health(ctx)
	if err == nil {
		s.epoch = h.Epoch
	}
	return err
}

func (s *shop) close() (err error) {
	if s.client != nil {
		s.client.Close()
	}
	if s.agent != nil && s.agent.process != nil {
		err = s.agent.process.stop()
	}
	if s.host != nil {
		err = errors.Join(err, s.host.Close())
	}
	return err
}

// messages are those that passed since the last chapter.
func (s *shop) messages() (out []hostsim.MessageView) {
	for _, m := range s.host.Messages() {
		if m.N > s.seen {
			s.seen, out = m.N, append(out, m)
		}
	}
	return out
}

func (s *shop) show(c *Chapter) {
	for i := range c.Messages {
		s.line("   %s", messageText(&c.Messages[i]))
	}
	if c.Problem != "" {
		s.line("   %s", s.palette.bad("FAILED: "+c.Problem))
		return
	}
	s.line("   %s", s.palette.good("the ledger holds "+amountText(c.Net)))
}

func amountText(minor int64) string {
	return iso8583.Amount{Minor: minor, Currency: currency}.String()
}

// messageText is a message on one line: what says who it is, and that it is
// signed.
func messageText(m *hostsim.MessageView) string {
	arrow, f := "→", m.Fields
	if m.Direction == "out" {
		arrow = "        ←"
	}
	parts := []string{arrow, string(m.MTI)}
	for _, de := range []struct {
		de   int
		name string
	}{{11, "STAN"}, {60, "DE 60"}, {61, "DE 61"}, {39, "DE 39"}, {62, "keys"}} {
		if v := f[de.de]; v != "" {
			parts = append(parts, de.name+" "+v)
		}
	}
	if minor, err := iso8583.ParseDE4(f[4]); err == nil {
		parts = append(parts, amountText(minor))
	}
	if m.Signed {
		parts = append(parts, "MAC")
	}
	if m.Fault != "" {
		parts = append(parts, "("+strings.ReplaceAll(string(m.Fault), "_", " ")+")")
	}
	if m.Note != "" && !slices.Contains(parts, m.Note) {
		parts = append(parts, "— "+m.Note)
	}
	return strings.Join(parts, " ")
}
