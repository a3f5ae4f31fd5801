package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// daemon is an agent with its journal and its socket.
type daemon struct {
	cfg      *config.Config
	log      *zap.Logger
	journal  *journal.Log
	mark     *agent.FileMark
	agent    *agent.Agent
	listener net.Listener
}

// Bounds of the daemon's beginning and end.
const (
	startTimeout = time.Minute     // from listening to the first answer
	calmTimeout  = 2 * time.Second // for calls under way, before those that wait are cut
	cutTimeout   = 3 * time.Second // for the rest
)

// openDaemon recovers from the journal and listens. It sends nothing and
// answers nothing before serve. Where it fails, nothing was changed, except
// that an empty journal may have been made.
func openDaemon(cfg *config.Config, log *zap.Logger) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, log: log}
	opts := agent.Options{Clock: agent.SystemClock(cfg.Location()), Log: log, Version: thisBuild().Version, Built: builtAfter()}
	if err := cfg.Fill(&opts); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	key, err := cfg.Key()
	if err != nil {
		return nil, err
	}
	log.Info("recovering", zap.String("journal", cfg.Journal))
	disk := journal.Options{Key: key, Final: agent.FinalState}
	cfg.Disk.Fill(&disk)
	if d.journal, err = journal.Open(cfg.Journal, disk); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = d.journal.Close()
		}
	}()
	if d.mark, err = agent.OpenMark(cfg.Mark); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = d.mark.Close()
		}
	}()
	opts.Journal, opts.Mark = d.journal, d.mark
	if d.agent, err = agent.New(opts); err != nil {
		return nil, err
	}
	d.listener, err = agent.Listen(cfg.Socket)
	return d, err
}

// serve works until ctx ends or the journal fails; ready is called once, when
// the agent answers. Whatever the end, the socket, the connections and the
// journal are closed when it returns.
func (d *daemon) serve(ctx context.Context, ready func(*client.Health)) error {
	base, cut := context.WithCancel(context.Background())
	defer cut()
	srv := d.agent.Server(agent.APIOptions{PeerOf: agent.PeerCredentials(d.cfg.Operators)})
	srv.BaseContext = func(net.Listener) context.Context { return base }
	srv.ErrorLog = zap.NewStdLog(d.log)

	work, stop := context.WithCancel(context.Background())
	defer stop()
	ctx, end := context.WithCancel(ctx) // a signal, or the end of either part
	defer end()
	var parts sync.WaitGroup
	var ran, served error
	parts.Go(func() { ran = d.agent.Run(work); end() })
	parts.Go(func() { served = srv.Serve(d.listener); end() })

	err := d.answered(ctx, ready)
	if err == nil {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = nil // the reason is a signal, or what the part that ended says
	}
	d.log.Info("stopping")
	d.shut(srv, cut)
	stop()
	parts.Wait()
	return errors.Join(journalFailed(ran), serveFailed(served), err, d.journal.Close(), d.mark.Close())
}

// answered waits until the agent answers over its own socket and has an epoch.
func (d *daemon) answered(ctx context.Context, ready func(*client.Health)) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	h, err := awaitEpoch(ctx, d.cfg.Socket)
	if err != nil {
		return fmt.Errorf("socket %s: the agent does not answer: %w", d.cfg.Socket, err)
	}
	d.log.Info("serving", zap.String("socket", d.cfg.Socket), zap.Uint64("epoch", h.Epoch),
		zap.Int("open", h.Open), zap.Int("escalations", h.Escalations), zap.String("version", h.Version), zap.Int("pid", os.Getpid()))
	ready(h)
	return nil
}

// awaitEpoch asks until there is an epoch: a new journal has none in its first
// moments.
func awaitEpoch(ctx context.Context, socket string) (*client.Health, error) {
	c := client.New(socket)
	defer c.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		h, err := c.Health(ctx)
		if err != nil || h.Epoch > 0 {
			return h, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// shut lets calls end; those that wait for an outcome are cut after a moment
// and answer what is known then.
func (d *daemon) shut(srv *http.Server, cut context.CancelFunc) {
	calm, cancel := context.WithTimeout(context.Background(), calmTimeout)
	defer cancel()
	if srv.Shutdown(calm) == nil {
		return
	}
	cut()
	rest, cancel := context.WithTimeout(context.Background(), cutTimeout)
	defer cancel()
	if srv.Shutdown(rest) != nil {
		_ = srv.Close()
	}
}

// journalFailed gives what ended the agent its exit code.
func journalFailed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitJournal, fmt.Errorf("%w: the agent stopped; what it acknowledged is safe: see to the disk and start it again, it recovers", err)}
}

func serveFailed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("local API: %w", err)
}
