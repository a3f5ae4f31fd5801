package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// watchEvery is how often the picture is drawn at least: ages and waits move.
const watchEvery = time.Second

func watchCommand(a *app) *cobra.Command {
	var socket, terminal, after string
	cmd := &cobra.Command{
		Use: "watch", Short: "What goes on, live", Args: cobra.NoArgs,
		Long: `watch shows hosts, open transactions, owed reversals with their next attempt, and
what a person must decide, and draws it anew as it changes. Where standard output
is no terminal it prints a picture after each change. NO_COLOR is respected.

With --json it prints each event as one line of JSON instead: --after goes on
behind an event's id.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if after != "" && !a.json {
				return usage("--after: only with --json")
			}
			w := &watcher{app: a, socket: socket, terminal: iso8583.TID(terminal), last: after, changed: make(chan struct{}, 1)}
			if a.json {
				return w.stream(cmd.Context())
			}
			return w.draw(cmd.Context())
		},
	}
	a.socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&terminal, "terminal", "", "only this terminal")
	cmd.Flags().StringVar(&after, "after", "", "with --json: go on behind the event of this id")
	return cmd
}

// watcher follows the agent's events, over its restarts too.
type watcher struct {
	app      *app
	socket   string
	terminal iso8583.TID
	last     string // id of the latest event
	changed  chan struct{}
}

// follow calls fn for each event until ctx ends or fn fails; while nobody
// answers it tries again. A request that the agent refuses ends it.
func (w *watcher) follow(ctx context.Context, fn func(client.Event) error) error {
	c := client.New(w.socket)
	defer c.Close()
	var own error
	for told := false; ; {
		err := c.Events(ctx, w.last, w.terminal, func(e client.Event) error {
			w.last, told = e.ID, false
			own = fn(e)
			return own
		})
		switch {
		case ctx.Err() != nil:
			return nil // somebody has seen enough
		case own != nil, client.AsProblem(err) != nil:
			return err
		case !told && !errors.Is(err, client.ErrCut):
			w.app.note("  %v; trying again", explain(w.socket, err))
			told = true
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// stream prints events as NDJSON.
func (w *watcher) stream(ctx context.Context) error {
	out := json.NewEncoder(w.app.stdout)
	out.SetEscapeHTML(false)
	return w.follow(ctx, func(e client.Event) error { return out.Encode(e) })
}

// draw shows pictures until ctx ends.
func (w *watcher) draw(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- w.follow(ctx, func(client.Event) error {
			select {
			case w.changed <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	s := newScreen(w.app)
	defer s.restore()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if p := w.look(ctx); ctx.Err() == nil {
			s.show(p)
		}
		select {
		case err := <-done:
			return err
		case <-w.changed:
		case <-tick.C:
		}
	}
}

// look asks for all that a picture shows. What fails is in the picture.
func (w *watcher) look(ctx context.Context) *picture {
	p := &picture{now: time.Now()}
	q := url.Values{"state": {"open"}}
	if w.terminal != "" {
		q.Set("terminal", string(w.terminal))
	}
	_, p.err = call(ctx, w.socket, func(ctx context.Context, c *client.Client) (_ *struct{}, err error) {
		if p.health, err = c.Health(ctx); err != nil {
			return nil, err
		}
		if p.open, err = c.List(ctx, q); err != nil {
			return nil, err
		}
		p.escalated, err = c.Escalations(ctx)
		return nil, err
	})
	return p
}

// screen is where pictures are shown.
type screen struct {
	app           *app
	tty           bool
	colour        bool
	width, height int
	last          string
	fd            int
}

func newScreen(a *app) *screen {
	s := &screen{app: a}
	if f, ok := a.stdout.(*os.File); ok {
		s.fd = int(f.Fd())
		if _, err := unix.IoctlGetTermios(s.fd, unix.TCGETS); err == nil {
			s.tty, s.colour = true, a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
			s.write("\x1b[?1049h\x1b[?25l") // the other screen, no cursor
		}
	}
	return s
}

func (s *screen) restore() {
	if s.tty {
		s.write("\x1b[?25h\x1b[?1049l")
	}
}

func (s *screen) write(text string) { _, _ = io.WriteString(s.app.stdout, text) }

// show draws a picture: over the last one on a terminal, behind it elsewhere,
// where the same again is not said twice.
func (s *screen) show(p *picture) {
	if !s.tty {
		p.still = true
		if text := p.frame(s.app, 0, 0, false); text != s.last {
			s.last = text
			s.write(text + "\n")
		}
		return
	}
	if size, err := unix.IoctlGetWinsize(s.fd, unix.TIOCGWINSZ); err == nil && size.Col > 0 && size.Row > 0 {
		s.width, s.height = int(size.Col), int(size.Row)
	}
	s.write(overdraw(p.frame(s.app, s.width, s.height, s.colour)))
}
