package hostsim

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Config is the host's settings, in Go or as YAML. The zero value with
// Profile set is a working host on one loopback address with its ledger in
// memory and no control API.
type Config struct {
	Listen  []string `yaml:"listen"`  // default 127.0.0.1:0; several are several addresses of one acquirer
	Control string   `yaml:"control"` // the control API; loopback only; empty: none
	Profile string   `yaml:"profile"` // the dialect; default iso87-ascii

	// Ledger is the file of the ledger; empty: in memory. Without SharedLedger
	// each further address appends its number: ledger.1, ledger.2 …
	Ledger       string `yaml:"ledger"`
	SharedLedger bool   `yaml:"shared_ledger"`

	Tombstones      bool             `yaml:"tombstones"`       // see Policy
	UnknownOriginal string           `yaml:"unknown_original"` // 25 (default) or 00
	AlreadyReversed string           `yaml:"already_reversed"` // 00 (default), 25 or 94
	RefusedCode     string           `yaml:"refused_code"`     // default 21
	ProcessingDelay iso8583.Duration `yaml:"processing_delay"` // how long an authorisation is pending
	Declines        []DeclineRule    `yaml:"declines"`

	Faults []Fault `yaml:"faults"`
	TLS    *TLS    `yaml:"tls"`
	Limits Limits  `yaml:"limits"`
}

// TLS names PEM files.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ClientCA    string `yaml:"client_ca"` // set: a client certificate from it is demanded
}

// Limits bound what clients can take.
type Limits struct {
	Connections  int              `yaml:"connections"`   // default 1024
	Delayed      int              `yaml:"delayed"`       // messages held, late or pending; default 10,000
	IdleTimeout  iso8583.Duration `yaml:"idle_timeout"`  // between frames; default 10m
	WriteTimeout iso8583.Duration `yaml:"write_timeout"` // of one answer; default 10s
}

// DefaultConfig is what a configuration file starts from.
func DefaultConfig() Config {
	c := Config{Control: "127.0.0.1:0", SharedLedger: true}
	c.fill()
	return c
}

// fill puts defaults where nothing is set.
func (c *Config) fill() {
	if len(c.Listen) == 0 {
		c.Listen = []string{"127.0.0.1:0"}
	}
	for _, d := range []struct {
		p *string
		v string
	}{
		{&c.Profile, "iso87-ascii"}, {&c.UnknownOriginal, CodeNotFound},
		{&c.AlreadyReversed, CodeApproved}, {&c.RefusedCode, CodeNoAction},
	} {
		if *d.p == "" {
			*d.p = d.v
		}
	}
	if c.Limits.Connections == 0 {
		c.Limits.Connections = 1024
	}
	if c.Limits.Delayed == 0 {
		c.Limits.Delayed = 10_000
	}
	if c.Limits.IdleTimeout == 0 {
		c.Limits.IdleTimeout = iso8583.Duration(10 * time.Minute)
	}
	if c.Limits.WriteTimeout == 0 {
		c.Limits.WriteTimeout = iso8583.Duration(10 * time.Second)
	}
}

// ReadConfig reads a YAML file over DefaultConfig. A key it does not know is
// an error that names the file, the line and the key.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c := DefaultConfig()
	if err := decodeStrict(path, data, &c); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Validate says which key is out of range.
func (c *Config) Validate() error {
	for i, a := range c.Listen {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("listen[%d]: want host:port: %w", i, err)
		}
	}
	if c.Control != "" && !loopback(c.Control) {
		return fmt.Errorf("control: %q is not a loopback address; whoever reaches it can change money", c.Control)
	}
	switch {
	case !slices.Contains([]string{"", "00", "25"}, c.UnknownOriginal):
		return fmt.Errorf("unknown_original: want 00 or 25, got %q", c.UnknownOriginal)
	case !slices.Contains([]string{"", "00", "25", "94"}, c.AlreadyReversed):
		return fmt.Errorf("already_reversed: want 00, 25 or 94, got %q", c.AlreadyReversed)
	case c.RefusedCode != "" && len(c.RefusedCode) != 2 || c.RefusedCode == CodeApproved:
		return fmt.Errorf("refused_code: want a declining code of two characters, got %q", c.RefusedCode)
	case c.ProcessingDelay < 0:
		return fmt.Errorf("processing_delay: want 0s or more")
	case c.Limits.Connections < 0 || c.Limits.Delayed < 0 || c.Limits.IdleTimeout < 0 || c.Limits.WriteTimeout < 0:
		return fmt.Errorf("limits: want values above zero")
	}
	for i := range c.Declines {
		if err := c.Declines[i].check(); err != nil {
			return fmt.Errorf("declines[%d]: %w", i, err)
		}
	}
	for i := range c.Faults {
		if err := c.Faults[i].Validate(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
	}
	return nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) policy() Policy {
	return Policy{
		Tombstones: c.Tombstones, UnknownOriginal: c.UnknownOriginal, AlreadyReversed: c.AlreadyReversed,
		Refused: c.RefusedCode, Hold: c.ProcessingDelay > 0, Declines: c.Declines,
	}
}

// load reads the files.
func (t *TLS) load() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: certificate, key: %w", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if t.ClientCA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls: client_ca: %w", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !out.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls: client_ca: %s holds no certificate", t.ClientCA)
	}
	return out, nil
}
