package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// devOptions are the flags of dev.
type devOptions struct {
	dir, profile       string
	withStdin, verbose bool
}

// devAnnouncement is what dev --json prints once it works.
type devAnnouncement struct {
	Directory string   `json:"directory"`
	Config    string   `json:"config"`
	Socket    string   `json:"socket"`
	Host      string   `json:"host"`    // the simulated acquirer, for terminals
	Control   string   `json:"control"` // its control API
	Epoch     uint64   `json:"epoch"`
	Terminals []string `json:"terminals"`
	PID       int      `json:"pid"`
}

func devCommand(a *app) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use: "dev", Short: "Agent, simulated acquirer and a temporary journal in one process", Args: cobra.NoArgs,
		Long: `dev runs an agent against a simulated acquirer, on this machine only and with
shortened timers, and prints what to try. At its end it removes what it made.
Killed with SIGKILL it leaves all of it behind: started again with --listen-dir
on the same directory, it recovers as a terminal does after a power cut.

It works in an empty directory, a new one, or one of its own making, and refuses
any other, so that it never meets a production journal. No real card may be
used.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if o.withStdin {
				var cancel context.CancelFunc
				ctx, cancel = a.whileStdin(ctx)
				defer cancel()
			}
			return a.dev(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.dir, "listen-dir", "", "directory of socket and journal; a temporary one if absent")
	cmd.Flags().StringVar(&o.profile, "profile", devProfile, "the dialect, an embedded profile: "+strings.Join(profile.Names(), ", "))
	cmd.Flags().BoolVar(&o.withStdin, "exit-with-stdin", false, "end when standard input closes")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "log what happens")
	return cmd
}

func (a *app) dev(ctx context.Context, o devOptions) (err error) {
	if !slices.Contains(profile.Names(), o.profile) {
		return usage("--profile: there is no %.40q; there are %s", o.profile, strings.Join(profile.Names(), ", "))
	}
	level := "warn"
	if o.verbose {
		level = "info"
	}
	log, err := newLogger(config.Log{Level: level, Format: "console"}, a.zone, a.stderr)
	if err != nil {
		return err
	}
	dir, err := openDevDir(o.dir)
	if err != nil {
		return err
	}
	served := false
	defer func() {
		if err != nil && (served || !dir.made) {
			return // whatever went wrong can be looked at, and started again
		}
		err = errors.Join(err, dir.remove())
	}()
	host, err := startDevHost(ctx, dir, o.profile, log.Named("acquirer"))
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }() // it has no money but play money
	if err := dir.write(host.Addr(0), o.profile); err != nil {
		return err
	}
	cfg, err := config.Read(dir.config())
	if err != nil {
		return err
	}
	if err := reachesNobody(cfg); err != nil {
		return err
	}
	d, err := openDaemon(cfg, log)
	if err != nil {
		return err
	}
	served = true
	return d.serve(ctx, func(h *client.Health) { a.welcome(dir, host, cfg, h) })
}

// reachesNobody refuses a configuration with which dev could reach anything real:
// it is what people are trained on.
func reachesNobody(cfg *config.Config) error {
	for _, a := range cfg.Acquirers {
		for _, h := range a.Hosts {
			host, _, err := net.SplitHostPort(h)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return fmt.Errorf("dev: %s is not on loopback: dev reaches no host but its own", h)
			}
		}
	}
	if len(cfg.Push.Receivers) > 0 {
		return errors.New("dev: it tells no receiver")
	}
	return nil
}

// startDevHost starts the simulated acquirer. Its ledger is kept beside the
// journal, so that both survive a kill.
func startDevHost(ctx context.Context, dir *devDir, dialect string, log *zap.Logger) (*hostsim.Host, error) {
	h, err := hostsim.New(hostsim.Config{
		Listen: []string{"127.0.0.1:0"}, Control: "127.0.0.1:0", Profile: dialect,
		Tombstones: true, Ledger: dir.ledger(),
	}, log)
	if err != nil {
		return nil, err
	}
	// It outlives ctx: the agent's last messages are still answered.
	if err := h.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// welcome says where everything is and what to try.
func (a *app) welcome(dir *devDir, host *hostsim.Host, cfg *config.Config, h *client.Health) {
	w := devAnnouncement{
		Directory: dir.path, Config: dir.config(), Socket: cfg.Socket, Host: host.Addr(0), Control: host.ControlURL(),
		Epoch: h.Epoch, PID: os.Getpid(),
	}
	for _, t := range cfg.Terminals {
		w.Terminals = append(w.Terminals, t.TID)
	}
	if a.json {
		_ = json.NewEncoder(a.stdout).Encode(w)
		return
	}
	var opts agent.Options
	if cfg.Fill(&opts) == nil {
		writeWelcome(a.stdout, &w, &opts.Acquirers[0].Profile.Rules, client.NewUUID())
	}
}

// sample is the body of the sale that dev suggests.
func (w *devAnnouncement) sample(sale string) string {
	b, err := json.Marshal(client.Begin{
		Type: iso8583.Sale, Terminal: iso8583.TID(w.Terminals[0]), Epoch: w.Epoch, Amount: 1234, Currency: "CNY",
		Sale: sale, Card: client.Card{PAN: testCards[0].pan, Expiry: testExpiry},
	})
	must(err)
	return string(b)
}

func writeWelcome(out io.Writer, w *devAnnouncement, r *iso8583.Rules, uuid string) {
	var schedule []string
	for _, d := range r.Reversal.Schedule {
		schedule = append(schedule, time.Duration(d).String())
	}
	s := strings.NewReplacer(
		"{dir}", w.Directory, "{socket}", w.Socket, "{host}", w.Host, "{control}", w.Control, "{config}", w.Config,
		"{epoch}", fmt.Sprint(w.Epoch), "{terminals}", strings.Join(w.Terminals, " "), "{terminal}", w.Terminals[0],
		"{pid}", fmt.Sprint(w.PID), "{uuid}", uuid, "{body}", w.sample("dev-"+uuid[:8]),
		"{response}", time.Duration(r.ResponseTimeout).String(), "{confirm}", time.Duration(r.ConfirmTimeout).String(),
		"{shown}", time.Duration(r.ShownTimeout).String(), "{answer}", time.Duration(r.Reversal.AnswerTimeout).String(),
		"{lifetime}", time.Duration(r.Reversal.MessageLifetime).String(), "{schedule}", strings.Join(schedule, " "),
	)
	_, _ = s.WriteString(out, devText)
}

const devText = `Agent, simulated acquirer and a temporary journal. Nothing here is real, and no
real card may be used; it all goes away at the end.

  socket      {socket}
  acquirer    {host}, control API {control}
  epoch       {epoch}
  terminals   {terminals}
  timers      answer {response}, confirmation {confirm}, shown {shown}; reversal: answer {answer},
              pauses {schedule}, lifetime of a message {lifetime}
  settings    {config}

Try, in another shell:

1. A sale. It waits for the acquirer's answer:
   curl --unix-socket {socket} -X PUT 'http://localhost/v1/transactions/{uuid}?wait=10s' -d '{body}'

2. Confirm it within {confirm}, or it is reversed. Only now may it be shown as paid:
   curl --unix-socket {socket} -X POST http://localhost/v1/transactions/{uuid}/confirm

3. Its life, and what the acquirer's ledger says:
   counterfoil show --socket {socket} {uuid}
   curl '{control}/ledger?format=text'

4. The customer brings it back: void it, or "counterfoil refund" a part of it:
   counterfoil void --socket {socket} {uuid}

5. The acquirer debits, and its answer is lost. Sell again and see the reversal:
   curl -d '{"action":"drop_response","match":{"kind":"sale"},"count":1}' {control}/faults
   counterfoil sale --socket {socket} --terminal {terminal} --amount 5.00 --currency CNY --sale lost-1 --test-card 1 --confirm yes

6. Pull the plug in mid-sale, then start again where it stopped:
   kill -9 {pid}
   counterfoil dev --listen-dir {dir}

Ctrl-C ends it.
`
