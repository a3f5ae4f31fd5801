package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/hostsim"
)

// options are the flags.
type options struct {
	config, control, ledger, faults, profile, personality string
	listen                                                []string
	tombstones, json, announce, withStdin                 bool
	verbose                                               bool
}

// announcement is the one line that --announce prints when the host listens.
type announcement struct {
	Listen  []string `json:"listen"`
	Control string   `json:"control"`
	PID     int      `json:"pid"`
}

func newCommand(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	return newCommandFor(&options{}, stdin, stdout, stderr)
}

// newCommandFor puts the flags into o.
func newCommandFor(o *options, stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hostsim",
		Short: "A simulated acquirer with a ledger and scripted faults",
		Long: `hostsim answers sales, voids, refunds, pre-authorisations, completions, balance
inquiries and reversals as an acquirer would, keeps a ledger of what it debited,
held and gave back, and misbehaves as its script says. The control
API (GET / lists it) shows the ledger and changes the script.

It is for tests and demonstrations. No real card may be used with it.`,
		Example: `  hostsim --listen 127.0.0.1:8583 --control 127.0.0.1:8580 --ledger ledger.jsonl
  curl -d '{"action": "drop_response", "match": {"kind": "sale"}, "count": 1}' 127.0.0.1:8580/faults
  curl '127.0.0.1:8580/ledger?format=text'`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, *o, stdin, stdout, stderr)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration file, YAML; the other flags override it")
	f.StringSliceVar(&o.listen, "listen", nil, "address for terminals, host:port; repeat it for several (default 127.0.0.1:0)")
	f.StringVar(&o.control, "control", "", `address of the control API, loopback only; "none" for none (default 127.0.0.1:0)`)
	f.StringVar(&o.ledger, "ledger", "", "ledger file (default: in memory)")
	f.StringVar(&o.faults, "faults", "", "fault script, YAML")
	f.StringVar(&o.profile, "profile", "", "dialect (default iso87-ascii)")
	f.StringVar(&o.personality, "personality", "", "how this host answers, where hosts differ: "+strings.Join(hostsim.Personalities(), ", "))
	f.BoolVar(&o.tombstones, "tombstones", false, "remember reversals whose original is unknown, and refuse the original later")
	f.BoolVar(&o.json, "json", false, "log as JSON")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	f.BoolVar(&o.announce, "announce", false, "print one line of JSON with the addresses when it listens")
	f.BoolVar(&o.withStdin, "exit-with-stdin", false, "end when standard input closes")
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd
}

// load reads the configuration and puts the flags that were given over it.
func (o *options) load(cmd *cobra.Command) (hostsim.Config, error) {
	cfg := hostsim.DefaultConfig()
	if o.config != "" {
		var err error
		if cfg, err = hostsim.ReadConfig(o.config); err != nil {
			return cfg, err
		}
	}
	given := cmd.Flags().Changed
	if given("listen") {
		cfg.Listen = o.listen
	}
	if given("control") {
		if cfg.Control = o.control; o.control == "none" {
			cfg.Control = ""
		}
	}
	if given("ledger") {
		cfg.Ledger = o.ledger
	}
	if given("profile") {
		cfg.Profile = o.profile
	}
	if given("personality") {
		cfg.Personality = o.personality
	}
	if given("tombstones") {
		cfg.Tombstones = o.tombstones
	}
	if o.faults == "" {
		return cfg, nil
	}
	data, err := os.ReadFile(o.faults)
	if err != nil {
		return cfg, fmt.Errorf("faults: %w", err)
	}
	faults, err := hostsim.ParseFaults(o.faults, data)
	cfg.Faults = append(cfg.Faults, faults...)
	return cfg, err
}

// run serves until ctx ends or, where asked, standard input does.
func run(ctx context.Context, cfg hostsim.Config, o options, stdin io.Reader, stdout, stderr io.Writer) error {
	log := newLogger(o, stderr)
	defer func() { _ = log.Sync() }()
	h, err := hostsim.New(cfg, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := h.Start(ctx); err != nil {
		return err
	}
	if err := announce(h, o, stdout); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if o.withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			cancel()
		}()
	}
	<-ctx.Done()
	return h.Close()
}

func announce(h *hostsim.Host, o options, w io.Writer) error {
	if o.announce {
		return json.NewEncoder(w).Encode(announcement{Listen: h.Addrs(), Control: h.ControlURL(), PID: os.Getpid()})
	}
	control := h.ControlURL()
	if control == "" {
		control = "none"
	}
	_, err := fmt.Fprintf(w, "simulated acquirer on %v, control API %s\n", h.Addrs(), control)
	return err
}

func newLogger(o options, w io.Writer) *zap.Logger {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.ISO8601TimeEncoder
	enc := zapcore.NewConsoleEncoder(c)
	if o.json {
		enc = zapcore.NewJSONEncoder(c)
	}
	level := zapcore.InfoLevel
	if o.verbose {
		level = zapcore.DebugLevel
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), level))
}
