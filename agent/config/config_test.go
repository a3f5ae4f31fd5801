package config_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good is a file with every key there is.
const good = `
socket: run/counterfoil.sock
journal: /var/lib/counterfoil/journal
key_file: key
zone: Asia/Shanghai
operators: [1001, 1002]
disk:
  segment_kib: 16384
  max_mib: 4096
  keep_days: 400
  keep_names_days: 800
log:
  level: debug
  format: console
acquirers:
  - name: one
    profile: iso87-ascii
    hosts: ["127.0.0.1:8583", "127.0.0.1:8584"]
    tls:
      ca: ca.pem
      cert: client.pem
      key: client.key
      server_name: host.example
      min_version: "1.2"
    rules:
      response_timeout: 30s
      send_timeout: 5s
      confirm_timeout: 2m
      shown_timeout: 90s
      reversal_answer_timeout: 10s
      reversal_schedule: [0s, 1s, 5m]
      escalate_after: 4
      message_lifetime: 200s
      tombstones: true
      shared_ledger: true
      gate: strict
      owed_limit: 2
      reversal_types: [sale, void]
terminals:
  - tid: T0000001
    mid: M00000000000001
    acquirer: one
`

func TestEveryKey(t *testing.T) {
	c, err := config.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if c.Location().String() != "Asia/Shanghai" || len(c.Operators) != 2 || c.Log.Level != "debug" || len(c.Terminals) != 1 {
		t.Errorf("%+v", c)
	}
	var disk journal.Options
	c.Disk.Fill(&disk)
	want := journal.Options{SegmentBytes: 16 << 20, MaxBytes: 4 << 30, Retain: journal.Retain{Age: 400 * 24 * time.Hour, Names: 800 * 24 * time.Hour}}
	if !reflect.DeepEqual(disk, want) {
		t.Errorf("disk: %+v", disk)
	}
	c.Acquirers[0].TLS = nil // its files are not there
	var o agent.Options
	if err := c.Fill(&o); err != nil {
		t.Fatal(err)
	}
	r := o.Acquirers[0].Profile.Rules
	v := &r.Reversal
	for name, ok := range map[string]bool{
		"response_timeout": r.ResponseTimeout == dur(30*time.Second), "send_timeout": r.SendTimeout == dur(5*time.Second),
		"confirm_timeout": r.ConfirmTimeout == dur(2*time.Minute), "shown_timeout": r.ShownTimeout == dur(90*time.Second),
		"reversal_answer_timeout": v.AnswerTimeout == dur(10*time.Second), "escalate_after": v.EscalateAfter == 4,
		"reversal_schedule": len(v.Schedule) == 3 && v.Schedule[2] == dur(5*time.Minute),
		"message_lifetime":  v.MessageLifetime == dur(200*time.Second), "tombstones": v.Tombstones, "shared_ledger": v.SharedLedger,
		"gate": r.Gate == iso8583.GateStrict, "owed_limit": r.OwedLimit == 2,
		"reversal_types": slices.Equal(r.Reversal.Types, []iso8583.Type{iso8583.Sale, iso8583.Void}),
	} {
		if !ok {
			t.Errorf("%s has no effect: %+v", name, r)
		}
	}
	if want := (agent.TerminalOptions{TID: "T0000001", MID: "M00000000000001", Acquirer: "one"}); o.Terminals[0] != want {
		t.Errorf("%+v", o.Terminals)
	}
}

func dur(d time.Duration) iso8583.Duration { return iso8583.Duration(d) }

// What is not given is the profile's.
func TestDefaults(t *testing.T) {
	c, err := config.Parse([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if c.Zone != "UTC" || c.Log.Level != "info" || c.Log.Format != "json" {
		t.Errorf("%+v", c)
	}
	var o agent.Options
	if err := c.Fill(&o); err != nil {
		t.Fatal(err)
	}
	if r := o.Acquirers[0].Profile.Rules; r.ResponseTimeout != dur(40*time.Second) || r.OwedLimit != 5 || r.Reversal.Tombstones || o.Acquirers[0].TLS != nil {
		t.Errorf("%+v", r)
	}
}

const minimal = `
socket: s
journal: j
key_file: k
acquirers: [{name: one, profile: iso87-ascii, hosts: ["h:1"]}]
terminals: [{tid: T1, mid: M1, acquirer: one}]
`

// with replaces one text of a file.
func with(t *testing.T, file, from, to string) []byte {
	t.Helper()
	if strings.Count(file, from) != 1 {
		t.Fatalf("%q is there %d times", from, strings.Count(file, from))
	}
	return []byte(strings.Replace(file, from, to, 1))
}

// Each thing that is wrong is named, with its key, and a wrong key with its
// line.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"zone: Asia", "zoen: Asia", "line 5: field zoen not found"},
		{"  level: debug", "  levels: debug", "line 13: field levels not found"},
		{"    profile:", "    insecure: true\n    profile:", "line 17: field insecure not found"},
		{"      ca: ca", "      insecure_skip_verify: true\n      ca: ca", "line 20: field insecure_skip_verify not found"},
		{"      gate: strict", "      gates: strict", "line 36: field gates not found"},
		{"    mid: M", "    key: x\n    mid: M", "line 41: field key not found"},
		{"operators: [1001", "operators: [anna", "line 6: cannot unmarshal !!str"},
		{"zone: Asia/Shanghai", "zone: UTC\nzone: UTC", "already"},
		{"response_timeout: 30s", "response_timeout: 30", `line 26: "30" is not a duration`},
		{"response_timeout: 30s", "response_timeout: -1s", `line 26: "-1s" is not a duration`},
		{"[0s, 1s, 5m]", "[0s, soon]", `line 31: "soon" is not a duration`},
		{"socket: run/counterfoil.sock", "", "socket: missing"},
		{"journal: /var", "#", "journal: missing"},
		{"key_file: key", "", "key_file, key_credential: missing"},
		{"key_file: key", "key_file: key\nkey_credential: key", "want one of them"},
		{"key_file: key", "key_credential: ../key", "want the name of a credential"},
		{"zone: Asia/Shanghai", "zone: Asia/Peking", `zone: "Asia/Peking" is no IANA time zone`},
		{"segment_kib: 16384", "segment_kib: 32", "disk.segment_kib: want 64 to"},
		{"segment_kib: 16384", "segment_kib: 65", "disk.segment_kib: want a multiple of 4"},
		{"max_mib: 4096", "max_mib: 63", "disk.max_mib: want room for 4 segments of 16384 KiB"},
		{"keep_days: 400", "keep_days: 0", "disk.keep_days: want 1 to"},
		{"keep_names_days: 800", "keep_names_days: -1", "disk.keep_names_days: want 1 to"},
		{"level: debug", "level: loud", "log.level: want"},
		{"format: console", "format: xml", "log.format: want"},
		{"name: one", `name: ""`, "acquirers[0].name: missing or used twice"},
		{"terminals:", "  - {name: one, profile: p, hosts: [\"h:1\"]}\nterminals:", "acquirers[1].name: missing or used twice"},
		{"profile: iso87-ascii", `profile: ""`, "acquirers[0].profile: missing"},
		{`["127.0.0.1:8583", "127.0.0.1:8584"]`, "[]", "acquirers[0].hosts: want at least one"},
		{"127.0.0.1:8584", "127.0.0.1", "acquirers[0].hosts[1]: want host:port"},
		{"127.0.0.1:8584", ":8584", "acquirers[0].hosts[1]: want host:port"},
		{"127.0.0.1:8584", "127.0.0.1:8583", "acquirers[0].hosts[1]: 127.0.0.1:8583 is there twice"},
		{`min_version: "1.2"`, `min_version: "1.1"`, "acquirers[0].tls.min_version: want"},
		{"ca: ca.pem", `ca: ""`, "acquirers[0].tls.ca: missing"},
		{"      key: client.key", "", "acquirers[0].tls.cert, tls.key: want both or neither"},
		{"tid: T0000001", "tid: T00000001", "terminals[0].tid: "},
		{"mid: M00000000000001", "mid: M 1", "terminals[0].mid: "},
		{"acquirer: one", "acquirer: two", `terminals[0].acquirer: there is no acquirer "two"`},
		{"    acquirer: one", "    acquirer: one\n  - {tid: T0000001, mid: M1, acquirer: one}", "terminals[1].tid: T0000001 is there twice"},
		{"terminals:", "---\nterminals:", "want one YAML document"},
	} {
		if _, err := config.Parse(with(t, good, c.from, c.to)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q → %q: got %v, want %s", c.from, c.to, err, c.want)
		}
	}
	for file, want := range map[string]string{
		"": "the file is empty", "# nothing": "the file is empty", minimal + "---\n" + minimal: "want one YAML document",
		"- a": "cannot unmarshal", "a: [": "yaml: line", "a: &x [*x]": "",
	} {
		if _, err := config.Parse([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", file, err, want)
		}
	}
}

// What only the profile can judge is refused when the options are built.
func TestRulesRefused(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"profile: iso87-ascii", "profile: iso99", `acquirer one: profile "iso99": there is none`},
		{"profile: iso87-ascii", "profile: none.json", "acquirer one: profile: open none.json"},
		{"response_timeout: 30s", "response_timeout: 0s", "acquirer one: rules.response_timeout"},
		{"message_lifetime: 200s", "message_lifetime: 0s", "rules.reversal.message_lifetime"},
		{"[0s, 1s, 5m]", "[]", "rules.reversal.schedule"},
		{"[0s, 1s, 5m]", "[5m, 0s]", "rules.reversal.schedule"},
		{"escalate_after: 4", "escalate_after: 0", "rules.reversal.escalate_after"},
		{"escalate_after: 4", "escalate_after: -1", "rules.reversal.escalate_after"},
		{"gate: strict", "gate: open", "rules.gate"},
		{"gate: strict", `gate: ""`, "rules.gate"},
		{"gate: strict", "gate: strict\n      partial_refused: keep", "rules.partial_refused"},
		{"gate: strict", "gate: strict\n      sign_on_clock: host_time", "rules.sign_on.required"},
		{"gate: strict\n      owed_limit: 2", "gate: limit\n      owed_limit: 0", "rules.owed_limit"},
		{"[sale, void]", "[sale, theft]", "rules.reversal.types"},
		{"ca: ca.pem", "ca: none.pem", "acquirer one: tls.ca: open none.pem"},
	} {
		c2, err := config.Parse(with(t, good, c.from, c.to))
		if err == nil {
			err = c2.Fill(&agent.Options{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q → %q: got %v, want %s", c.from, c.to, err, c.want)
		}
	}
}

// Paths are relative to the file.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	write(t, path, strings.Replace(good, "iso87-ascii", "mine.json", 1), 0o644)
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Acquirers[0]
	for got, want := range map[string]string{
		c.Socket: "run/counterfoil.sock", c.KeyFile: "key", a.Profile: "mine.json", a.TLS.CA: "ca.pem", a.TLS.Cert: "client.pem", a.TLS.Key: "client.key",
	} {
		if got != filepath.Join(dir, want) {
			t.Errorf("got %s, want %s in %s", got, want, dir)
		}
	}
	if c.Journal != "/var/lib/counterfoil/journal" {
		t.Error(c.Journal)
	}
	write(t, path, "socket: s\nwhat: x\n", 0o644)
	if _, err := config.Read(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 2: field what") {
		t.Errorf("%v", err)
	}
	write(t, path, good+strings.Repeat("# long\n", 200_000), 0o644)
	if _, err := config.Read(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
	if _, err := config.Read(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key := bytes.Repeat([]byte{0xab}, 32)
	for _, text := range []string{string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)) + "\n"} {
		_ = os.Remove(path)
		write(t, path, text, 0o400)
		if got, err := config.ReadKey(path); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	for _, mode := range []os.FileMode{0o440, 0o404, 0o640, 0o602, 0o777} {
		_ = os.Remove(path)
		write(t, path, string(key), mode)
		if _, err := config.ReadKey(path); !errors.Is(err, config.ErrKeyMode) || !strings.Contains(err.Error(), "chmod 0400") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, text := range []string{"", "short", string(key) + "x", strings.Repeat("zz", 32), hex.EncodeToString(key)[:62]} {
		_ = os.Remove(path)
		write(t, path, text, 0o600)
		_, err := config.ReadKey(path)
		if err == nil || !strings.Contains(err.Error(), "want 32 bytes") || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	if _, err := config.ReadKey(path + "2"); err == nil || !strings.Contains(err.Error(), "does not exist: make one") {
		t.Errorf("%v", err)
	}
}

// parseLimit is what a file may make the parser allocate, and for each of its
// bytes 1 KiB: names that stand for others must not multiply.
const parseLimit = 4 << 20

// FuzzParse: no panic, bounded memory, and what is accepted can be built or is
// refused with a reason. Seeds are committed under testdata/fuzz.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(good))
	f.Add([]byte("socket: &a [*a]\n"))
	f.Add([]byte("acquirers: [{tls: ~, rules: {reversal_schedule: [1s, null]}}]\nterminals: ~"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := config.Parse(data)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > parseLimit+1024*uint64(len(data)) {
			t.Errorf("%d bytes were allocated for a file of %d", n, len(data))
		}
		if err != nil {
			return
		}
		_ = c.Location()
		for i := range c.Acquirers { // no file of this machine is to be read
			c.Acquirers[i].TLS = nil
			if strings.HasSuffix(c.Acquirers[i].Profile, ".json") {
				return
			}
		}
		c.Push = config.Push{}
		var o agent.Options
		if c.Fill(&o) == nil && (len(o.Acquirers) == 0 || len(o.Terminals) == 0 || o.Acquirers[0].Profile == nil) {
			t.Fatalf("%+v", o)
		}
	})
}

// What a site sets of its acquirer's dialect, with the word for the profile's
// other choice.
func TestRulesOfASite(t *testing.T) {
	key := filepath.Join(t.TempDir(), "tmk")
	if err := os.WriteFile(key, []byte("CA5D92598DCA48CE8A4C76361A9269E9"), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set      string
		operator string
		clock    iso8583.ClockRule
		partial  iso8583.PartialRule
	}{
		{"{sign_on_operator: \"007\"}", "007", iso8583.ClockHost, iso8583.PartialVoid},
		{"{sign_on_clock: ignore, partial_refused: reverse}", "001", iso8583.ClockIgnore, iso8583.PartialReverse},
	} {
		file := strings.Replace(minimal, "profile: iso87-ascii", "profile: unionpay, rules: "+c.set, 1)
		file = strings.Replace(file, "acquirer: one}", "acquirer: one, master_key_file: "+key+"}", 1)
		cfg, err := config.Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		var o agent.Options
		if err := cfg.Fill(&o); err != nil {
			t.Fatal(err)
		}
		r := o.Acquirers[0].Profile.Rules
		if r.SignOn.Operator != c.operator || r.SignOn.Clock != c.clock || r.PartialRefused != c.partial {
			t.Errorf("%s: %+v %q", c.set, r.SignOn, r.PartialRefused)
		}
	}
}
