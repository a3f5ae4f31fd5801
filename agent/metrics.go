package agent

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// metrics is what the agent counts of itself. None of it is durable.
type metrics struct {
	fence, loading, readers atomic.Int64
	cut                     atomic.Uint64 // readers of events that were too slow
	refused, notices        counts
	sync                    histogram
}

func newMetrics() *metrics {
	return &metrics{sync: histogram{counts: make([]uint64, len(syncBounds)+1)}}
}

// counts is a counter with one label. The label's values are words of the code:
// they are few.
type counts struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counts) add(word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[word]++
}

func (c *counts) all() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

// syncBounds are the upper ends of the buckets, in seconds: flash is at a few
// milliseconds, and what takes a second is failing.
var syncBounds = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}

type histogram struct {
	mu     sync.Mutex
	counts []uint64 // per bucket, not summed up
	sum    float64
	n      uint64
}

func (h *histogram) observe(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, _ := slices.BinarySearch(syncBounds, d.Seconds())
	h.counts[i]++
	h.sum += d.Seconds()
	h.n++
}

func (h *histogram) get() (counts []uint64, sum float64, n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.counts), h.sum, h.n
}

// openMetrics is GET /metrics, OpenMetrics 1.0. docs/operations.md says what
// each one means.
func (s *api) openMetrics(_ *http.Request, w http.ResponseWriter) *client.Problem {
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	b := bufio.NewWriter(w)
	m := exposition{w: b}
	s.agent.expose(&m, s)
	m.line("# EOF")
	_ = b.Flush() // the client may be gone
	return nil
}

// exposition writes the text format.
type exposition struct{ w io.Writer }

func (m *exposition) line(text string) { _, _ = io.WriteString(m.w, text+"\n") }

// family begins a metric; kind is gauge, counter or histogram.
func (m *exposition) family(name, kind, help string) {
	m.line("# TYPE counterfoil_" + name + " " + kind)
	m.line("# HELP counterfoil_" + name + " " + help)
}

// sample writes one value; labels are name and value by turns.
func (m *exposition) sample(name string, v float64, labels ...string) {
	var l []string
	for i := 0; i+1 < len(labels); i += 2 {
		l = append(l, labels[i]+`="`+escapeLabel.Replace(labels[i+1])+`"`)
	}
	set := ""
	if len(l) > 0 {
		set = "{" + strings.Join(l, ",") + "}"
	}
	m.line("counterfoil_" + name + set + " " + strconv.FormatFloat(v, 'g', -1, 64))
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (m *exposition) gauge(name, help string, v float64, labels ...string) {
	m.family(name, "gauge", help)
	m.sample(name, v, labels...)
}

func (m *exposition) counter(name, help, label string, values map[string]uint64) {
	m.family(name, "counter", help)
	for _, word := range slices.Sorted(maps.Keys(values)) {
		m.sample(name+"_total", float64(values[word]), label, word)
	}
}

func (a *Agent) expose(m *exposition, s *api) {
	m.family("build", "info", "What runs.")
	m.sample("build_info", 1, "version", a.opts.Version)
	a.exposeQueue(m)
	a.exposeShell(m, s)
	a.exposeJournal(m)
	a.exposeReceivers(m)
}

// exposeQueue is what is open, owed and in front of people.
func (a *Agent) exposeQueue(m *exposition) {
	t := a.view.tally()
	m.family("transactions_open", "gauge", "Transactions that are not decided, by state.")
	for _, state := range txn.States() {
		if state.Open() {
			m.sample("transactions_open", float64(t.open[state]), "state", state.String())
		}
	}
	m.family("reversals_owed", "gauge", "Reversals that no answer has closed, by terminal.")
	for _, term := range a.opts.Terminals {
		m.sample("reversals_owed", float64(t.owed[term.TID]), "terminal", string(term.TID))
	}
	m.family("host_clock_drift_seconds", "gauge", "How far the host's clock was ahead at the latest sign-on, where messages carry its time.")
	for _, term := range a.opts.Terminals {
		if on := a.view.signOn(term.TID); on != nil && on.HostTime != nil {
			m.sample("host_clock_drift_seconds", on.Drift, "terminal", string(term.TID))
		}
	}
	m.gauge("hold_downs", "Reversals that wait until the request cannot arrive any more.", float64(t.holds))
	m.gauge("script_results_owed", "Results of issuer scripts that the acquirer was told of and has not answered.", float64(t.scripts))
	m.family("escalations_open", "gauge", "Items in front of a person, by cause.")
	for _, c := range txn.Causes() {
		if n := t.items[c]; n > 0 {
			m.sample("escalations_open", float64(n), "cause", string(c))
		}
	}
	m.gauge("escalations_alarmed", "Items that nobody has taken on.", float64(t.alarmed))
	m.gauge("losses_open", "Losses of journal entries that wait for a person.", float64(len(a.losses(false))))
	m.counter("notices", "Abnormal patterns seen.", "pattern", a.metrics.notices.all())
}

// exposeShell is the queues, their bounds, and what was refused.
func (a *Agent) exposeShell(m *exposition, s *api) {
	m.family("queue_length", "gauge", "What waits, or is under way, in a bounded queue.")
	queues := []struct {
		name       string
		len, limit int
	}{
		{"events", len(a.events), eventQueue},
		{"fence", int(a.metrics.fence.Load()), fenceLimit},
		{"lookups", int(a.metrics.loading.Load()), lookups},
		{"requests", len(s.slots), maxRequests},
		{"held_requests", len(s.held), maxHeld},
		{"event_readers", int(a.metrics.readers.Load()), maxReaders},
	}
	for _, q := range queues {
		m.sample("queue_length", float64(q.len), "queue", q.name)
	}
	m.family("queue_limit", "gauge", "Its bound: beyond it, new work is refused.")
	for _, q := range queues {
		m.sample("queue_limit", float64(q.limit), "queue", q.name)
	}
	m.counter("refused", "Requests that were answered with a problem, by its code.", "code", a.metrics.refused.all())
	m.family("event_readers_cut", "counter", "Readers of events that did not keep up.")
	m.sample("event_readers_cut_total", float64(a.metrics.cut.Load()))
	m.gauge("sessions", "Payment applications that hold a terminal.", float64(a.leases.count()))
	m.family("host_up", "gauge", "1 where an address of an acquirer is believed to work.")
	for _, h := range a.hosts() {
		m.sample("host_up", number(h.Up), "acquirer", h.Acquirer, "route", fmt.Sprint(h.Route), "address", h.Address)
	}
}

func (a *Agent) exposeJournal(m *exposition) {
	m.gauge("journal_position", "LSN of the newest durable entry.", float64(a.journal.Last()))
	m.family("journal_refuses", "gauge", "1 where the journal has no room for a new transaction (intent), or not even for its end (outcome).")
	for _, c := range []journal.Class{journal.ClassIntent, journal.ClassOutcome} {
		m.sample("journal_refuses", number(a.journal.Reserve(c, intentBytes) != nil), "class", c.String())
	}
	if i, ok := a.journalInfo(); ok {
		m.gauge("journal_bytes", "Size of the log's files.", float64(i.Bytes))
		m.gauge("journal_bytes_limit", "What they may be.", float64(i.MaxBytes))
		m.gauge("journal_segments", "Segments that are kept.", float64(i.Segments))
		m.gauge("journal_segments_prepared", "Segments that are ready to be written.", float64(i.Prepared))
		m.gauge("journal_quarantine", "1 where a person must accept a loss.", number(i.Quarantine))
	}
	counts, sum, n := a.metrics.sync.get()
	m.family("journal_sync_seconds", "histogram", "How long a batch took to become durable.")
	sofar := uint64(0)
	for i, c := range counts {
		sofar += c
		le := "+Inf"
		if i < len(syncBounds) {
			le = strconv.FormatFloat(syncBounds[i], 'g', -1, 64)
		}
		m.sample("journal_sync_seconds_bucket", float64(sofar), "le", le)
	}
	m.sample("journal_sync_seconds_sum", sum)
	m.sample("journal_sync_seconds_count", float64(n))
}

// exposeReceivers is who hears of the escalation queue.
func (a *Agent) exposeReceivers(m *exposition) {
	waiting, delivered, failed, dropped := map[string]int{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	for _, c := range a.criers {
		s := c.Stats()
		waiting[s.Name], delivered[s.Name], failed[s.Name], dropped[s.Name] = s.Waiting, s.Delivered, s.Failed, s.Dropped
	}
	m.family("push_waiting", "gauge", "Tellings that a receiver has not taken yet.")
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		m.sample("push_waiting", float64(waiting[name]), "receiver", name)
	}
	m.counter("push_delivered", "Tellings that a receiver took.", "receiver", delivered)
	m.counter("push_failed", "Tries that it did not take.", "receiver", failed)
	m.counter("push_dropped", "Notices that were dropped since too many waited; escalations never are.", "receiver", dropped)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// journalInfo is what the journal says of itself, where it does.
func (a *Agent) journalInfo() (journal.Info, bool) {
	if j, ok := a.journal.(interface{ Info() journal.Info }); ok {
		return j.Info(), true
	}
	return journal.Info{}, false
}
