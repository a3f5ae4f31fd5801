package hostsim

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
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

	// Personality names one of Personalities. What is set beside it wins; only
	// tombstones, once a personality keeps them, cannot be unset.
	Personality      string  `yaml:"personality"`
	Tombstones       bool    `yaml:"tombstones"` // these: see Policy
	UnknownOriginal  string  `yaml:"unknown_original"`
	AlreadyReversed  string  `yaml:"already_reversed"`
	DeclinedOriginal string  `yaml:"declined_original"`
	AmountDiffers    string  `yaml:"amount_differs"`
	OtherDay         string  `yaml:"other_day"`
	Find             Find    `yaml:"find"`
	RewriteSTAN      Rewrite `yaml:"rewrite_stan"`
	NoOriginal       string  `yaml:"no_original"`
	RefusedCode      string  `yaml:"refused_code"`

	AdviceRepeat string    `yaml:"advice_repeat"`
	Inquiry      Inquiries `yaml:"inquiry"`

	// Of a dialect with MACs.
	NoMAC       bool      `yaml:"no_mac"`        // neither checks them nor makes any
	TerminalKey string    `yaml:"terminal_key"`  // the terminals' master key, hexadecimal; empty: a published test key
	SignOnBatch BatchRule `yaml:"sign_on_batch"` // keep or next; default keep

	ProcessingDelay iso8583.Duration `yaml:"processing_delay"` // how long an authorisation is pending
	OpeningBalance  int64            `yaml:"opening_balance"`  // of each card, minor units; default 1,000,000
	Declines        []DeclineRule    `yaml:"declines"`
	Partials        []PartialRule    `yaml:"partials"` // approved for less, code 10

	Faults []Fault `yaml:"faults"`
	TLS    *TLS    `yaml:"tls"`
	Limits Limits  `yaml:"limits"`

	// Now is the host's clock, for tests of its business day; default
	// time.Now. Timers do not follow it.
	Now func() time.Time `yaml:"-"`
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
	if c.Profile == "" {
		c.Profile = "iso87-ascii"
	}
	if c.OpeningBalance == 0 {
		c.OpeningBalance = 1_000_000
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
	case c.OpeningBalance < -iso8583.MaxMinor || c.OpeningBalance > iso8583.MaxMinor:
		return fmt.Errorf("opening_balance: %d is out of range", c.OpeningBalance)
	case c.SignOnBatch != "" && c.SignOnBatch != BatchKeeps && c.SignOnBatch != BatchMoves:
		return fmt.Errorf("sign_on_batch: want %s or %s, got %q", BatchKeeps, BatchMoves, c.SignOnBatch)
	case c.ProcessingDelay < 0:
		return fmt.Errorf("processing_delay: want 0s or more")
	case c.Limits.Connections < 0 || c.Limits.Delayed < 0 || c.Limits.IdleTimeout < 0 || c.Limits.WriteTimeout < 0:
		return fmt.Errorf("limits: want values above zero")
	}
	if _, err := c.policy(); err != nil {
		return err
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

// policy is what is set here, then what the personality does, then what most
// hosts do.
func (c *Config) policy() (Policy, error) {
	own, err := personality(c.Personality)
	if err != nil {
		return Policy{}, err
	}
	p := Policy{
		Tombstones: c.Tombstones, UnknownOriginal: c.UnknownOriginal, AlreadyReversed: c.AlreadyReversed,
		DeclinedOriginal: c.DeclinedOriginal, AmountDiffers: c.AmountDiffers, OtherDay: c.OtherDay,
		Find: c.Find, RewriteSTAN: c.RewriteSTAN, NoOriginal: c.NoOriginal, Refused: c.RefusedCode,
		AdviceRepeat: c.AdviceRepeat, Inquiry: c.Inquiry,
		Hold: c.ProcessingDelay > 0, OpeningBalance: c.OpeningBalance, Declines: c.Declines, Partials: c.Partials,
	}
	p = p.over(own).over(defaultPolicy)
	return p, p.check()
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
