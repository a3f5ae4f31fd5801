package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/agent/push"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// finding is one line of check.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do
}

func checkCommand(a *app) *cobra.Command {
	var file string
	var offline bool
	cmd := &cobra.Command{
		Use: "check --config FILE", Short: "Is everything there that the daemon needs?", Args: cobra.NoArgs,
		Long: `check looks at configuration, profiles, key, journal, disk, socket, clock and the
acquirer's addresses, and says of each whether it is well and what to do if it
is not. It changes nothing and may run beside the daemon. To an address it
connects as the daemon would and sends an echo where the profile has one.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.check(cmd.Context(), file, offline)
			code := exitOK
			for _, f := range findings {
				if !f.OK {
					code = exitFailed
				}
			}
			if a.json {
				if err := a.printJSON(map[string]any{"ok": code == exitOK, "findings": findings}); err != nil {
					return err
				}
				return outcome(code)
			}
			if err := a.table(func(w io.Writer) { writeFindings(w, findings) }); err != nil {
				return err
			}
			return outcome(code)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file, YAML")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not connect to the acquirer")
	must(cmd.MarkFlagRequired("config"))
	return cmd
}

func writeFindings(w io.Writer, findings []finding) {
	for _, f := range findings {
		mark := "ok"
		if !f.OK {
			mark = "FAIL"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.Name, f.Detail)
		if f.Fix != "" {
			_, _ = fmt.Fprintf(w, "\t\tto do: %s\n", f.Fix)
		}
	}
}

// check goes through everything; without a configuration there is nothing
// more to look at.
func (a *app) check(ctx context.Context, file string, offline bool) []finding {
	cfg, err := config.Read(file)
	if err != nil {
		return []finding{verdict("configuration", "", err, "mend the file: keys that are not known are errors too")}
	}
	if _, err := newLogger(cfg.Log, cfg.Location(), io.Discard); err != nil {
		return []finding{verdict("configuration", "", err, "mend the file")}
	}
	findings := []finding{verdict("configuration", file, nil, "")}
	var opts agent.Options
	err = cfg.Fill(&opts)
	findings = append(findings,
		verdict("acquirers", acquirersText(&opts), err, "mend the acquirer's part of the configuration, or its profile; or what else is named"),
		checkKey(cfg), checkDirectory(cfg), checkSpace(cfg), a.checkJournal(cfg), a.checkMark(cfg), checkSocket(cfg), checkClock(cfg, time.Now()))
	findings = append(findings, checkReceivers(ctx, &opts, offline)...)
	if offline || err != nil {
		return findings
	}
	for _, acq := range opts.Acquirers {
		for i := range acq.Hosts {
			done := a.slow("asking " + acq.Hosts[i])
			findings = append(findings, checkHost(ctx, &acq, i, firstOf(&opts, acq.Name)))
			done()
		}
	}
	return findings
}

// firstOf is the acquirer's first terminal: a host may not know another.
func firstOf(o *agent.Options, acquirer string) agent.TerminalOptions {
	for _, t := range o.Terminals {
		if t.Acquirer == acquirer {
			return t
		}
	}
	return agent.TerminalOptions{}
}

// verdict is a finding out of an error.
func verdict(name, detail string, err error, fix string) finding {
	if err != nil {
		return finding{name, false, strings.Join(strings.Fields(err.Error()), " "), fix}
	}
	return finding{name, true, detail, ""}
}

func acquirersText(o *agent.Options) string {
	s := ""
	for _, acq := range o.Acquirers {
		if s != "" {
			s += "; "
		}
		s += fmt.Sprintf("%s: profile %s, rules %s", acq.Name, acq.Profile.Name, acq.Profile.Rules.Hash())
	}
	return s
}

// checkReceivers says whether people would hear of what they must decide.
func checkReceivers(ctx context.Context, o *agent.Options, offline bool) []finding {
	if len(o.Push.Sinks) == 0 {
		return []finding{{"receivers", true, "none: what a person must decide is told in the log only; push: in docs/operations.md", ""}}
	}
	var out []finding
	for _, sink := range o.Push.Sinks {
		if _, remote := sink.(*push.Webhook); remote && offline {
			continue
		}
		out = append(out, verdict("receiver "+sink.Name(), "can be told", sink.Check(ctx), "mend it under push: receivers: people hear of nothing by it until then"))
	}
	return out
}

func checkKey(cfg *config.Config) finding {
	_, err := cfg.Key()
	return verdict("key", cfg.KeySource(), err, "put the 32 bytes of the key, or 64 hexadecimal digits, into a file that only the daemon's user may read")
}

func checkDirectory(cfg *config.Config) finding {
	dir := filepath.Dir(cfg.Journal)
	f, err := os.CreateTemp(dir, ".counterfoil-check-*")
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	return verdict("journal directory", dir+" can be written and synced", err,
		"make the directory and give it to the daemon's user: mkdir -p DIR; chown USER DIR; chmod 0750 DIR")
}

// spaceWanted is below what a terminal should have free for its journal.
const spaceWanted = 32 << 20

func checkSpace(cfg *config.Config) finding {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(cfg.Journal), &st); err != nil {
		return verdict("disk", "", err, "see the journal directory")
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	detail := fmt.Sprintf("%d MiB free", free>>20)
	if free < spaceWanted {
		return finding{"disk", false, detail, fmt.Sprintf("free at least %d MiB: without room new sales are refused", spaceWanted>>20)}
	}
	return finding{"disk", true, detail, ""}
}

// checkJournal verifies what can be read without disturbing anybody.
func (a *app) checkJournal(cfg *config.Config) finding {
	const name = "journal"
	defer a.slow("reading and verifying " + cfg.Journal)()
	key, err := cfg.Key()
	if err != nil {
		key = nil // the key has a finding of its own
	}
	j, err := journal.Open(cfg.Journal, journal.Options{ReadOnly: true, Key: key})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{name, true, "none yet: the daemon will make one", ""}
	case errors.Is(err, journal.ErrWrongKey):
		return verdict(name, "", err, "give back the key that this journal was made with: without it no owed reversal can be built")
	case err != nil:
		return verdict(name, "", err, "keep the directory as it is, and ask for help with a copy of it: it may owe reversals")
	}
	defer func() { _ = j.Close() }() // nothing was written
	if j.Info().Quarantine {
		return finding{name, false, "in quarantine: its last entries were damaged, and no new sale is taken", "see \"counterfoil journal accept-loss --help\""}
	}
	entries := 0
	if err := j.Scan(1, func(journal.Record) error { entries++; return nil }); err != nil {
		return verdict(name, "", err, "keep the directory as it is, and see \"counterfoil journal verify --help\"")
	}
	return finding{name, true, fmt.Sprintf("%d entries, all of them verified", entries), ""}
}

// maxSocketPath is what the kernel takes, less the closing zero.
const maxSocketPath = 107

func checkSocket(cfg *config.Config) finding {
	const name = "socket"
	info, err := os.Stat(filepath.Dir(cfg.Socket))
	switch {
	case len(cfg.Socket) > maxSocketPath:
		return finding{name, false, fmt.Sprintf("path of %d bytes", len(cfg.Socket)), fmt.Sprintf("use a path of at most %d bytes", maxSocketPath)}
	case errors.Is(err, fs.ErrNotExist):
		return finding{name, true, cfg.Socket + "; its directory will be made", ""}
	case err != nil || !info.IsDir():
		return finding{name, false, filepath.Dir(cfg.Socket) + " is no directory", "name a socket in a directory that the daemon's user may write"}
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0:
		return finding{name, false, filepath.Dir(cfg.Socket) + " can be written by everybody, who could put another socket there", "chmod 0750 its directory"}
	}
	return finding{name, true, cfg.Socket, ""}
}

// firstYear is when this program was first built: no clock can be before it.
var firstYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// builtAfter is a time at which this program did not exist yet.
func builtAfter() time.Time {
	if b := thisBuild(); b.Time.After(firstYear) {
		return b.Time
	}
	return firstYear
}

func checkClock(cfg *config.Config, now time.Time) finding {
	least := builtAfter()
	detail := now.In(cfg.Location()).Format(dateTime + " MST")
	if now.Before(least) {
		return finding{"clock", false, detail + " is before this program was built", "set the clock: STANs, dates in messages and certificates depend on it"}
	}
	return finding{"clock", true, detail, ""}
}
