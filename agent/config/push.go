package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/push"
)

// Push says who hears of what a person must decide, beside the log.
type Push struct {
	Reminder  *Duration  `yaml:"reminder"` // until somebody takes an item on; default 15m
	Receivers []Receiver `yaml:"receivers"`
}

// Receiver is one of a command, a file and a webhook.
type Receiver struct {
	Name       string    `yaml:"name"`
	Command    []string  `yaml:"command"`     // program and arguments; JSON on its standard input
	File       string    `yaml:"file"`        // NDJSON, appended and synced
	Webhook    string    `yaml:"webhook"`     // http or https
	CA         string    `yaml:"ca"`          // PEM, of an https webhook; absent: the system's authorities
	BearerFile string    `yaml:"bearer_file"` // of a webhook; only its owner may read it
	Timeout    *Duration `yaml:"timeout"`     // of one delivery; default 10s
}

const (
	deliveryTimeout = 10 * time.Second
	maxReceivers    = 8
	minReminder     = time.Second
)

func (p *Push) validate() error {
	if p.Reminder != nil && time.Duration(*p.Reminder) < minReminder {
		return fmt.Errorf("reminder: want at least %s", minReminder)
	}
	if len(p.Receivers) > maxReceivers {
		return fmt.Errorf("receivers: at most %d", maxReceivers)
	}
	names := map[string]bool{"log": true} // which is always there
	for i := range p.Receivers {
		r := &p.Receivers[i]
		if r.Name == "" || names[r.Name] {
			return fmt.Errorf("receivers[%d].name: missing, used twice, or log", i)
		}
		names[r.Name] = true
		if err := r.validate(); err != nil {
			return fmt.Errorf("receivers[%d].%w", i, err)
		}
	}
	return nil
}

func (r *Receiver) validate() error {
	kinds := 0
	for _, there := range []bool{len(r.Command) > 0, r.File != "", r.Webhook != ""} {
		if there {
			kinds++
		}
	}
	u, err := url.Parse(r.Webhook)
	switch {
	case kinds != 1:
		return errors.New("command, file, webhook: want one of them")
	case len(r.Command) > 0 && r.Command[0] == "":
		return errors.New("command: want a program and its arguments")
	case r.Webhook != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == ""):
		return errors.New("webhook: want an http or https URL")
	case r.Webhook != "" && u.User != nil:
		return errors.New("webhook: no name and password in the URL: use bearer_file")
	case (r.CA != "" || r.BearerFile != "") && r.Webhook == "":
		return errors.New("ca, bearer_file: only with a webhook")
	case r.CA != "" && u.Scheme != "https":
		return errors.New("ca: only with an https webhook")
	case r.BearerFile != "" && u.Scheme != "https":
		return errors.New("bearer_file: only with an https webhook: the token would go in clear")
	case r.Timeout != nil && *r.Timeout == 0:
		return errors.New("timeout: want more than zero")
	}
	return nil
}

// paths lists every path in the section.
func (p *Push) paths() (out []*string) {
	for i := range p.Receivers {
		r := &p.Receivers[i]
		out = append(out, &r.File, &r.CA, &r.BearerFile)
		if len(r.Command) > 0 && strings.ContainsRune(r.Command[0], filepath.Separator) {
			out = append(out, &r.Command[0])
		}
	}
	return out
}

func (p *Push) build() (out agent.PushOptions, err error) {
	if p.Reminder != nil {
		out.Reminder = time.Duration(*p.Reminder)
	}
	for i := range p.Receivers {
		sink, err := p.Receivers[i].build()
		if err != nil {
			return out, fmt.Errorf("push: receiver %s: %w", p.Receivers[i].Name, err)
		}
		out.Sinks = append(out.Sinks, sink)
	}
	return out, nil
}

func (r *Receiver) build() (push.Sink, error) {
	timeout := deliveryTimeout
	if r.Timeout != nil {
		timeout = time.Duration(*r.Timeout)
	}
	switch {
	case r.File != "":
		return &push.File{Label: r.Name, Path: r.File}, nil
	case r.Webhook == "":
		return &push.Command{Label: r.Name, Args: r.Command, Timeout: timeout}, nil
	}
	u, err := url.Parse(r.Webhook)
	if err != nil {
		return nil, err
	}
	w := &push.Webhook{Label: r.Name, URL: u, Timeout: timeout, TLS: &tls.Config{MinVersion: tls.VersionTLS12}}
	if r.CA != "" {
		pem, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		w.TLS.RootCAs = x509.NewCertPool()
		if !w.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no PEM certificate", r.CA)
		}
	}
	w.Bearer, err = readBearer(r.BearerFile)
	return w, err
}

// readBearer reads a token. It is never part of an error.
func readBearer(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("bearer_file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("bearer_file %s: %w", path, ErrKeyMode)
	}
	b, err := os.ReadFile(path)
	token := strings.TrimSpace(string(b))
	if err == nil && (token == "" || strings.ContainsAny(token, " \r\n\t")) {
		err = errors.New("want one token on one line")
	}
	if err != nil {
		return "", fmt.Errorf("bearer_file %s: %w", path, err)
	}
	return token, nil
}
