// Package config reads the daemon's configuration: YAML, in which whatever is
// not known is an error, with file, line and key.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Config is the file.
type Config struct {
	Socket    string     `yaml:"socket"`         // unix socket of the local API
	Journal   string     `yaml:"journal"`        // directory
	Mark      string     `yaml:"mark"`           // file, on another medium than the journal; default: the journal's path and ".mark"
	KeyFile   string     `yaml:"key_file"`       // 32 bytes, or 64 hexadecimal digits; mode 0400 or 0600
	KeyCred   string     `yaml:"key_credential"` // instead: the name of a credential of the service manager
	Zone      string     `yaml:"zone"`           // IANA name of the terminals' zone; default UTC
	Disk      Disk       `yaml:"disk"`           // what the journal may use
	Operators []int      `yaml:"operators"`      // uids that may resolve, beside root and the daemon's own
	Log       Log        `yaml:"log"`
	Acquirers []Acquirer `yaml:"acquirers"`
	Terminals []Terminal `yaml:"terminals"`
	Push      Push       `yaml:"push"`
	Patterns  Patterns   `yaml:"patterns"`

	path string
}

// Log says how to log.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn, error
	Format string `yaml:"format"` // json (default), console
}

// Acquirer is a host side.
type Acquirer struct {
	Name    string   `yaml:"name"`
	Profile string   `yaml:"profile"` // an embedded one, or a file
	Hosts   []string `yaml:"hosts"`   // host:port, in the order in which they are tried
	TLS     *TLS     `yaml:"tls"`     // absent: plain TCP, for a loopback or a private line
	Rules   Rules    `yaml:"rules"`   // what differs from the profile
}

// TLS is mutual where Cert and Key are given. There is no switch that turns
// the check of the host's certificate off.
type TLS struct {
	CA         string `yaml:"ca"` // PEM; the only authorities that are believed
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"`
	Min        string `yaml:"min_version"` // "1.3" (default) or "1.2"
}

// Rules overrides a profile's rules; what is absent stays as it is, and what is
// there must make sense: a zero is an error, not an absence.
type Rules struct {
	ResponseTimeout *Duration  `yaml:"response_timeout"`
	SendTimeout     *Duration  `yaml:"send_timeout"`
	ConfirmTimeout  *Duration  `yaml:"confirm_timeout"`
	ShownTimeout    *Duration  `yaml:"shown_timeout"`
	OrphanTimeout   *Duration  `yaml:"orphan_timeout"`
	DuplicateWindow *Duration  `yaml:"duplicate_window"`
	AnswerTimeout   *Duration  `yaml:"reversal_answer_timeout"`
	Schedule        []Duration `yaml:"reversal_schedule"`
	Reversed        []string   `yaml:"reversal_types"` // the types that this acquirer reverses
	EscalateAfter   *int       `yaml:"escalate_after"`
	MessageLifetime *Duration  `yaml:"message_lifetime"`
	Tombstones      *bool      `yaml:"tombstones"`
	SharedLedger    *bool      `yaml:"shared_ledger"`
	Gate            *string    `yaml:"gate"`
	OwedLimit       *int       `yaml:"owed_limit"`
	SignOnOperator  *string    `yaml:"sign_on_operator"`
	SignOnClock     *string    `yaml:"sign_on_clock"`   // host_time or ignore
	PartialRefused  *string    `yaml:"partial_refused"` // void or reverse
}

// Terminal belongs to one acquirer.
type Terminal struct {
	TID      string `yaml:"tid"`
	MID      string `yaml:"mid"`
	Acquirer string `yaml:"acquirer"`

	// Confirmation is required (default), or implicit where the terminal's
	// application cannot confirm: a sale then commits with its approval, while
	// the session that asked for it lives.
	Confirmation string `yaml:"confirmation"`

	// The terminal's master key, in a dialect with MACs: 16, 32 or 48 hexadecimal
	// digits, in a file that only its owner may read or in a credential of the
	// service manager. Hardware that holds it implements mac.Signer.
	MasterKeyFile string `yaml:"master_key_file"`
	MasterKeyCred string `yaml:"master_key_credential"`
}

// The confirmations there are.
const (
	confirmationRequired = "required"
	confirmationImplicit = "implicit"
)

// Duration is written as 40s or 5m.
type Duration time.Duration

// UnmarshalYAML reads Go's duration syntax.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 40s or 5m", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Read reads and checks a file. Paths in it are relative to its directory.
func Read(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("configuration %s: larger than %d bytes", path, maxFile)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	c.path = path
	for _, p := range c.paths() {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	if c.Mark == "" {
		c.Mark = c.Journal + ".mark"
	}
	return c, nil
}

// paths lists every path in the file.
func (c *Config) paths() []*string {
	out := []*string{&c.Socket, &c.Journal, &c.Mark, &c.KeyFile}
	for i := range c.Acquirers {
		a := &c.Acquirers[i]
		if filepath.Ext(a.Profile) == ".json" {
			out = append(out, &a.Profile)
		}
		if a.TLS != nil {
			out = append(out, &a.TLS.CA, &a.TLS.Cert, &a.TLS.Key)
		}
	}
	for i := range c.Terminals {
		out = append(out, &c.Terminals[i].MasterKeyFile)
	}
	return append(out, c.Push.paths()...)
}

// Parse reads and checks the text of a file.
func Parse(data []byte) (*Config, error) {
	c := &Config{Zone: "UTC", Log: Log{Level: "info", Format: "json"}}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document")
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	for _, f := range []struct{ key, value string }{{"socket", c.Socket}, {"journal", c.Journal}, {"key_file, key_credential", c.KeyFile + c.KeyCred}} {
		if f.value == "" {
			return fmt.Errorf("%s: missing", f.key)
		}
	}
	if c.KeyFile != "" && c.KeyCred != "" {
		return errors.New("key_file, key_credential: want one of them")
	}
	if err := validCredential("key_credential", c.KeyCred); err != nil {
		return err
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("zone: %q is no IANA time zone such as Asia/Shanghai", c.Zone)
	}
	switch {
	case !slices.Contains([]string{"", "debug", "info", "warn", "error"}, c.Log.Level):
		return fmt.Errorf("log.level: want debug, info, warn or error, got %.20q", c.Log.Level)
	case !slices.Contains([]string{"", "json", "console"}, c.Log.Format):
		return fmt.Errorf("log.format: want json or console, got %.20q", c.Log.Format)
	case len(c.Acquirers) == 0 || len(c.Terminals) == 0:
		return errors.New("want at least one acquirer and one terminal")
	}
	if err := c.Disk.validate(); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, a := range c.Acquirers {
		if a.Name == "" || names[a.Name] {
			return fmt.Errorf("acquirers[%d].name: missing or used twice", i)
		}
		names[a.Name] = true
		if err := a.validate(); err != nil {
			return fmt.Errorf("acquirers[%d].%w", i, err)
		}
	}
	if err := c.Push.validate(); err != nil {
		return fmt.Errorf("push.%w", err)
	}
	if err := c.Patterns.validate(); err != nil {
		return fmt.Errorf("patterns.%w", err)
	}
	return c.validateTerminals(names)
}

func (a *Acquirer) validate() error {
	switch {
	case a.Profile == "":
		return errors.New("profile: missing")
	case len(a.Hosts) == 0:
		return errors.New("hosts: want at least one host:port")
	}
	for i, h := range a.Hosts {
		if host, port, err := net.SplitHostPort(h); err != nil || host == "" || port == "" {
			return fmt.Errorf("hosts[%d]: want host:port, got %.60q", i, h)
		}
		if slices.Index(a.Hosts, h) < i {
			return fmt.Errorf("hosts[%d]: %s is there twice", i, h)
		}
	}
	switch t := a.TLS; {
	case t == nil:
	case t.Min != "" && t.Min != "1.2" && t.Min != "1.3":
		return errors.New(`tls.min_version: want "1.2" or "1.3"`)
	case t.CA == "":
		return errors.New("tls.ca: missing: the host must prove who it is")
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("tls.cert, tls.key: want both or neither")
	}
	return nil
}

func (c *Config) validateTerminals(acquirers map[string]bool) error {
	seen := map[string]bool{}
	for i, t := range c.Terminals {
		if _, err := iso8583.ParseTID(t.TID); err != nil {
			return fmt.Errorf("terminals[%d].tid: %w", i, err)
		}
		if _, err := iso8583.ParseMID(t.MID); err != nil {
			return fmt.Errorf("terminals[%d].mid: %w", i, err)
		}
		switch {
		case seen[t.TID]:
			return fmt.Errorf("terminals[%d].tid: %s is there twice", i, t.TID)
		case !acquirers[t.Acquirer]:
			return fmt.Errorf("terminals[%d].acquirer: there is no acquirer %q", i, t.Acquirer)
		case !slices.Contains([]string{"", confirmationRequired, confirmationImplicit}, t.Confirmation):
			return fmt.Errorf("terminals[%d].confirmation: want %s or %s, got %.20q", i, confirmationRequired, confirmationImplicit, t.Confirmation)
		}
		if err := t.validateMaster(); err != nil {
			return fmt.Errorf("terminals[%d].%w", i, err)
		}
		seen[t.TID] = true
	}
	return nil
}
