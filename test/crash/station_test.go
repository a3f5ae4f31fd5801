package crash

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// personality is one way in which acquirers differ (terminal-rules A), with
// the setting of the profile that goes with it.
type personality struct {
	name       string
	host       string // hostsim's configuration
	tombstones bool   // the agent's rule
	asks       bool   // the dialect has inquiries and advices
}

// asking is an acquirer that can be asked what became of a request, and told what
// was approved without it.
var asking = personality{name: "inquiries and advices", host: "profile: iso87-ascii-inquiry\n", asks: true}

var personalities = []personality{
	{name: "unknown original 25", host: "unknown_original: \"25\"\n"},
	{name: "unknown original 00, no tombstone", host: "unknown_original: \"00\"\n"},
	{name: "tombstones", host: "tombstones: true\n", tombstones: true},
	{name: "slow authorisation", host: "unknown_original: \"00\"\nprocessing_delay: 15ms\n"},
}

// Every timer that takes seconds or minutes in the field takes a blink here;
// the hold-down stays longer than any request is held up by the host's faults.
var configuration = template.Must(template.New("").Parse(`socket: s
journal: {{.Journal}}
key_file: key
acquirers:
  - name: sim
    profile: {{.Profile}}
    hosts: ["{{.Host}}"]
    rules:
      send_timeout: 1s
      response_timeout: 300ms
      confirm_timeout: 600ms
      shown_timeout: 400ms
      reversal_answer_timeout: 200ms
      reversal_schedule: [0s, 20ms, 50ms, 100ms]
      message_lifetime: {{.HoldTime}}
      tombstones: {{.Tombstones}}
terminals:
  - {tid: T0000001, mid: M00000000000001, acquirer: sim}
  - {tid: T0000002, mid: M00000000000001, acquirer: sim}
`))

// station is a daemon with its acquirer, as processes, in a directory.
type station struct {
	dir     string
	exe     string
	under   []string        // the command that runs the daemon; nil: none
	adjust  func(*exec.Cmd) // the daemon's command; nil: as it is
	started func()          // told when it has been started; nil: nobody
	log     *os.File
	host    *process
	control string
	epoch   uint64

	mu     sync.Mutex
	up     chan struct{} // closed while the daemon is believed to serve
	daemon *process
	client *client.Client
	mortal bool // the daemon may end by itself: somebody starts it again
}

func newStation(t *testing.T, dir string, p personality) *station {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &station{dir: dir, exe: binary(t, "counterfoil"), up: make(chan struct{})}
	var err error
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	s.startHost(t, p)
	var text strings.Builder
	err = configuration.Execute(&text, map[string]any{"Host": s.hostAddress(t), "Tombstones": p.tombstones, "Journal": "journal", "HoldTime": holdTime, "Profile": s.profile(t, p)})
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	err = errors.Join(err, os.WriteFile(s.path("config.yaml"), []byte(text.String()), 0o600), os.WriteFile(s.path("key"), key, 0o400))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// profile names the station's dialect. One with inquiries and advices has their waits
// in a file of its own, where they take a blink too.
func (s *station) profile(t *testing.T, p personality) string {
	t.Helper()
	if !p.asks {
		return "iso87-ascii"
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "iso8583", "profile", "profiles", "iso87-ascii-inquiry.json"))
	var doc map[string]any
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	rules := doc["rules"].(map[string]any)
	for name, value := range map[string]string{"after": "10ms", "every": "30ms", "answer_timeout": "200ms", "within": "700ms"} {
		rules["inquiry"].(map[string]any)[name] = value
	}
	rules["advice"].(map[string]any)["answer_timeout"] = "200ms"
	rules["advice"].(map[string]any)["schedule"] = []string{"20ms", "50ms"}
	doc["name"] = "asking"
	if text, err = json.Marshal(doc); err == nil {
		err = os.WriteFile(s.path("asking.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "asking.json"
}

// close ends both processes. What they wrote stays.
func (s *station) close() {
	if p := s.process(); p != nil {
		p.kill()
	}
	s.host.stop()
}

func (s *station) path(name string) string { return filepath.Join(s.dir, name) }

// edit changes the daemon's configuration, in one place.
func (s *station) edit(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(s.path("config.yaml"))
	if err == nil && bytes.Count(text, []byte(old)) != 1 {
		err = fmt.Errorf("the configuration has not one %q", old)
	}
	if err == nil {
		err = os.WriteFile(s.path("config.yaml"), bytes.Replace(text, []byte(old), []byte(new), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *station) startHost(t *testing.T, p personality) {
	t.Helper()
	if err := os.WriteFile(s.path("host.yaml"), []byte(p.host), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	s.host, err = start(s.log, nil, binary(t, "hostsim"), "--config", s.path("host.yaml"), "--ledger", s.path("ledger.jsonl"),
		"--control", "127.0.0.1:0", "--json", "--announce", "--exit-with-stdin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.host.stop() })
}

// hostAddress reads where the host listens.
func (s *station) hostAddress(t *testing.T) string {
	t.Helper()
	line, err := s.host.announced()
	var said struct {
		Listen  []string
		Control string
	}
	if err == nil {
		err = json.Unmarshal(line, &said)
	}
	if err != nil || len(said.Listen) == 0 {
		t.Fatalf("hostsim: %v: %q", err, line)
	}
	s.control = said.Control
	return said.Listen[0]
}

// launch starts the daemon without waiting for it.
func (s *station) launch() (*process, error) {
	args := append(slices.Clone(s.under), s.exe, "run", "--config", s.path("config.yaml"), "--announce", "--exit-with-stdin")
	p, err := start(s.log, s.adjust, args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	if s.started != nil {
		s.started()
	}
	s.mu.Lock()
	s.daemon = p
	s.mu.Unlock()
	return p, nil
}

// serve starts the daemon and waits until it answers.
func (s *station) serve() error {
	p, err := s.launch()
	if err != nil {
		return err
	}
	return s.await(p)
}

// await waits until p answers and lets the application know.
func (s *station) await(p *process) error {
	if line, err := p.announced(); err != nil || line == nil {
		return fmt.Errorf("the daemon does not serve: %w\n%s", err, s.tail())
	}
	return s.reach()
}

// reach lets the application know a daemon that has announced itself.
func (s *station) reach() error {
	c := client.New(s.path("s"))
	ctx, cancel := within()
	defer cancel()
	h, err := c.Health(ctx)
	if err != nil {
		return fmt.Errorf("the daemon announced itself and does not answer: %w", err)
	}
	if s.epoch == 0 {
		s.epoch = h.Epoch // before the application begins
	}
	if h.Epoch != s.epoch {
		return fmt.Errorf("the epoch was %d and is %d after a restart", s.epoch, h.Epoch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = c
	close(s.up)
	return nil
}

// down makes the application wait for the next daemon; what it has under way
// goes on.
func (s *station) down() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut()
	return s.daemon
}

func (s *station) shut() {
	select {
	case <-s.up:
		s.up = make(chan struct{})
	default:
	}
}

// ended says whether p was to end by itself, and has whoever asks wait for the
// next.
func (s *station) ended(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mortal && s.daemon == p {
		s.shut()
	}
	return s.mortal
}

// process is the latest daemon.
func (s *station) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.daemon
}

// agent gives the application a connection, when the daemon serves.
func (s *station) agent() (*client.Client, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		up, c, p := s.up, s.client, s.daemon
		s.mu.Unlock()
		select {
		case <-up:
		case <-deadline.C:
			return nil, errors.New("the daemon never came back")
		}
		s.mu.Lock()
		same := up == s.up && c == s.client
		s.mu.Unlock()
		if !same {
			continue
		}
		select {
		case <-p.done:
			if s.ended(p) {
				continue
			}
			return nil, fmt.Errorf("the daemon ended by itself: %w\n%s", p.err, s.tail())
		default:
			return c, nil
		}
	}
}

// tail is the end of the log, for failures.
func (s *station) tail() string {
	b, _ := os.ReadFile(s.path("log"))
	if len(b) > 4000 {
		b = b[len(b)-4000:]
	}
	return string(b)
}

// ask calls the host's control API.
func (s *station) ask(method, path string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := within()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.control+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, data)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(data, answer)
}

func (s *station) ledger() (sum hostsim.Summary, err error) {
	err = s.ask(http.MethodGet, "/ledger", nil, &sum)
	return sum, err
}

func (s *station) script(faults []hostsim.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return s.ask(http.MethodPost, "/faults", faults, nil)
}
