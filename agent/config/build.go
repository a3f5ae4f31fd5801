package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// Location is the terminals' zone.
func (c *Config) Location() *time.Location {
	loc, err := time.LoadLocation(c.Zone)
	if err != nil { // validate has loaded it already
		return time.UTC
	}
	return loc
}

// Fill adds what is configured to the agent's options.
func (c *Config) Fill(o *agent.Options) (err error) {
	for _, a := range c.Acquirers {
		acq, err := a.build()
		if err != nil {
			return fmt.Errorf("acquirer %s: %w", a.Name, err)
		}
		o.Acquirers = append(o.Acquirers, acq)
	}
	for i, t := range c.Terminals {
		out := agent.TerminalOptions{
			TID: iso8583.TID(t.TID), MID: iso8583.MID(t.MID), Acquirer: t.Acquirer,
			Implicit: t.Confirmation == confirmationImplicit,
		}
		acq := slices.IndexFunc(o.Acquirers, func(a agent.AcquirerOptions) bool { return a.Name == t.Acquirer })
		if out.Signer, err = t.signer(o.Acquirers[acq].Profile); err != nil { // validate has found the acquirer
			return fmt.Errorf("terminals[%d].%w", i, err)
		}
		o.Terminals = append(o.Terminals, out)
	}
	o.Patterns = c.Patterns.build()
	o.Push, err = c.Push.build()
	return err
}

func (a *Acquirer) build() (agent.AcquirerOptions, error) {
	out := agent.AcquirerOptions{Name: a.Name, Hosts: a.Hosts}
	p, err := loadProfile(a.Profile)
	if err != nil {
		return out, err
	}
	a.Rules.apply(&p.Rules)
	if err := p.Rules.Validate(); err != nil {
		return out, err
	}
	out.Profile = p
	if a.TLS != nil {
		out.TLS, err = a.TLS.build()
	}
	return out, err
}

func loadProfile(name string) (*profile.Profile, error) {
	if filepath.Ext(name) != ".json" {
		return profile.Load(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return profile.Parse(name, data)
}

func (r *Rules) apply(to *iso8583.Rules) {
	for _, f := range []struct {
		from *Duration
		to   *iso8583.Duration
	}{
		{r.ResponseTimeout, &to.ResponseTimeout}, {r.SendTimeout, &to.SendTimeout},
		{r.ConfirmTimeout, &to.ConfirmTimeout}, {r.ShownTimeout, &to.ShownTimeout},
		{r.OrphanTimeout, &to.OrphanTimeout}, {r.DuplicateWindow, &to.DuplicateWindow},
		{r.AnswerTimeout, &to.Reversal.AnswerTimeout}, {r.MessageLifetime, &to.Reversal.MessageLifetime},
	} {
		if f.from != nil {
			*f.to = iso8583.Duration(*f.from)
		}
	}
	if r.Schedule != nil {
		to.Reversal.Schedule = nil
		for _, d := range r.Schedule {
			to.Reversal.Schedule = append(to.Reversal.Schedule, iso8583.Duration(d))
		}
	}
	if r.Reversed != nil {
		to.Reversal.Types = nil
		for _, t := range r.Reversed {
			to.Reversal.Types = append(to.Reversal.Types, iso8583.Type(t))
		}
	}
	if r.EscalateAfter != nil {
		to.Reversal.EscalateAfter = *r.EscalateAfter
	}
	if r.Tombstones != nil {
		to.Reversal.Tombstones = *r.Tombstones
	}
	if r.SharedLedger != nil {
		to.Reversal.SharedLedger = *r.SharedLedger
	}
	if r.Gate != nil {
		to.Gate = iso8583.Gate(*r.Gate)
	}
	if r.OwedLimit != nil {
		to.OwedLimit = *r.OwedLimit
	}
	if r.SignOnOperator != nil {
		to.SignOn.Operator = *r.SignOnOperator
	}
	if r.SignOnClock != nil {
		to.SignOn.Clock = iso8583.ClockRule(unless(*r.SignOnClock, "ignore"))
	}
	if r.PartialRefused != nil {
		to.PartialRefused = iso8583.PartialRule(unless(*r.PartialRefused, "reverse"))
	}
}

// unless is s, and "" where s is the word for the zero value.
func unless(s, zero string) string {
	if s == zero {
		return ""
	}
	return s
}

func (t *TLS) build() (*tls.Config, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", t.CA)
	}
	out := &tls.Config{RootCAs: pool, ServerName: t.ServerName, MinVersion: tls.VersionTLS13}
	if t.Min == "1.2" {
		out.MinVersion = tls.VersionTLS12
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
