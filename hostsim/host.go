package hostsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// Host is a simulated acquirer. Its methods may be called by any goroutine.
type Host struct {
	cfg     Config
	log     *zap.Logger
	profile *profile.Profile
	tls     *tls.Config
	books   []*book // one, or one per address
	faults  faultSet
	traffic messageLog
	held    heldRequests
	keys    *keyRoom // nil: the host has no MACs

	unionpay bool // the dialect is UnionPay's; see unionpay.go
	control  *control

	mu        sync.Mutex
	addresses []*address
	sessions  map[*session]struct{}
	delayed   int // goroutines that wait to do something to a message
	ctx       context.Context
	cancel    context.CancelFunc
	closed    bool

	tasks   sync.WaitGroup
	restart sync.Mutex // one restart at a time
	close   sync.Once
	closing error
}

// ErrClosed says that the host was closed, or not started.
var ErrClosed = errors.New("simulated acquirer: not running")

// New checks the settings and opens the ledger, which it folds from its file.
// A torn last line there is cut and logged; any other damage is an error.
// Close the host even where it was never started.
func New(cfg Config, log *zap.Logger) (*Host, error) {
	cfg.fill()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", err)
	}
	p, err := profile.Load(cfg.Profile)
	if err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", err)
	}
	h := &Host{cfg: cfg, log: log, profile: p, sessions: map[*session]struct{}{}}
	h.unionpay = p.Name == "unionpay"
	if h.keys, err = newKeyRoom(p, &cfg, log); err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", err)
	}
	if h.tls, err = cfg.TLS.load(); err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", err)
	}
	if _, err := h.faults.add(cfg.Faults); err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", err)
	}
	if err := h.openBooks(); err != nil {
		return nil, fmt.Errorf("simulated acquirer: %w", errors.Join(err, h.closeBooks()))
	}
	return h, nil
}

// openBooks opens one ledger, or one per address.
func (h *Host) openBooks() error {
	p, err := h.cfg.policy()
	if err != nil {
		return err
	}
	n := 1
	if !h.cfg.SharedLedger {
		n = len(h.cfg.Listen)
	}
	for i := range n {
		path := h.cfg.Ledger
		if path != "" && i > 0 {
			path = fmt.Sprintf("%s.%d", path, i)
		}
		b, note, err := openBook(path, p, h.now())
		if err != nil {
			return err
		}
		if note != "" {
			h.log.Warn("ledger file repaired", zap.String("file", path), zap.String("note", note))
		}
		h.books = append(h.books, b)
	}
	return nil
}

func (h *Host) closeBooks() error {
	var errs []error
	for _, b := range h.books {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// Start listens on every address and returns; the host then runs until ctx
// ends or Close. Start it once.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	if h.closed || h.ctx != nil {
		h.mu.Unlock()
		return fmt.Errorf("start: already started or closed: %w", ErrClosed)
	}
	h.ctx, h.cancel = context.WithCancel(ctx)
	h.mu.Unlock()
	if err := h.listenAll(); err != nil {
		return errors.Join(err, h.Close())
	}
	context.AfterFunc(h.ctx, func() { _ = h.Close() }) // Close keeps its error
	return nil
}

func (h *Host) listenAll() error {
	for i, addr := range h.cfg.Listen {
		a := &address{index: i, addr: addr, book: h.books[min(i, len(h.books)-1)]}
		h.mu.Lock()
		h.addresses = append(h.addresses, a)
		h.mu.Unlock()
		if err := h.listen(a); err != nil {
			return err
		}
	}
	if h.cfg.Control == "" {
		return nil
	}
	c, err := startControl(h, h.cfg.Control)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.control = c
	h.mu.Unlock()
	return nil
}

// Addr is the i-th address as host:port, the real port where 0 was asked for.
func (h *Host) Addr(i int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i < 0 || i >= len(h.addresses) {
		return ""
	}
	return h.addresses[i].addr
}

// Addrs lists all addresses.
func (h *Host) Addrs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, a := range h.addresses {
		out = append(out, a.addr)
	}
	return out
}

// ControlURL is where the control API is, or "".
func (h *Host) ControlURL() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.control == nil {
		return ""
	}
	return h.control.url
}

// Ledger is a snapshot of every transaction, oldest first, ledger by ledger.
// What it shows is durable.
func (h *Host) Ledger() []EntryView {
	var out []EntryView
	for i, b := range h.books {
		out = append(out, b.views(i)...)
	}
	return out
}

// Messages is the log of the last 1,000 messages, oldest first, masked.
func (h *Host) Messages() []MessageView { return h.traffic.list() }

// AddFault appends faults to the script, all or none, and gives their ids.
func (h *Host) AddFault(f ...Fault) ([]int, error) { return h.faults.add(f) }

// Faults lists the script with its counters.
func (h *Host) Faults() []FaultView { return h.faults.views() }

// RemoveFault deletes one fault by id, or all for 0, and says how many.
func (h *Host) RemoveFault(id int) int { return h.faults.remove(id) }

// Restart reads the ledger anew from its file and closes every connection, as
// a restarted host would: pending authorisations are abandoned. forget empties
// the ledger; for down nothing listens, so connections are refused. What was
// delayed on the way stays on the way.
func (h *Host) Restart(forget bool, down time.Duration) error {
	h.restart.Lock()
	defer h.restart.Unlock()
	h.mu.Lock()
	if h.ctx == nil || h.closed {
		h.mu.Unlock()
		return ErrClosed
	}
	h.mu.Unlock()
	if down > 0 {
		h.closeListeners()
	}
	var errs []error
	for _, b := range h.books {
		note, err := b.restart(h.now(), forget)
		if note != "" {
			h.log.Warn("ledger file repaired", zap.String("file", b.path), zap.String("note", note))
		}
		errs = append(errs, err)
	}
	if forget {
		h.keys.forget()
	}
	h.closeSessions() // last: who sees it meets the host restarted
	h.log.Info("restarted", zap.Bool("forget", forget), zap.Duration("down", down))
	if down > 0 && !h.spawn(func() { h.relisten(down) }) {
		errs = append(errs, ErrClosed)
	}
	return errors.Join(errs...)
}

// Close stops listening, drops what is delayed, waits for what is being
// processed and closes the ledger. Closing again returns the same error.
func (h *Host) Close() error {
	h.close.Do(func() {
		h.mu.Lock()
		h.closed = true
		cancel, c := h.cancel, h.control
		h.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		h.closeListeners()
		h.closeSessions()
		if c != nil {
			c.stop()
		}
		h.tasks.Wait()
		h.restart.Lock() // a restart that began before has ended
		defer h.restart.Unlock()
		h.closing = h.closeBooks()
	})
	return h.closing
}

// spawn runs fn in a goroutine that Close waits for, or says that it is too
// late. fn must end soon after h.ctx does.
func (h *Host) spawn(fn func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.tasks.Go(fn)
	return true
}

// later runs fn after d. It says false, and never runs it, where too many
// messages are delayed already or the host closes.
func (h *Host) later(d time.Duration, fn func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.delayed >= h.cfg.Limits.Delayed {
		return false
	}
	h.delayed++
	h.tasks.Go(func() {
		defer func() {
			h.mu.Lock()
			h.delayed--
			h.mu.Unlock()
		}()
		if h.sleep(d) {
			fn()
		}
	})
	return true
}

// sleep waits for d and says whether the host still runs.
func (h *Host) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// now is the host's clock.
func (h *Host) now() time.Time {
	if h.cfg.Now != nil {
		return h.cfg.Now().UTC()
	}
	return time.Now().UTC()
}
