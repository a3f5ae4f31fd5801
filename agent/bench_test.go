package agent_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// timed is a journal that knows how long its durable writes took.
type timed struct {
	journal.Journal
	spent, appends atomic.Int64
}

func (j *timed) Append(batch []journal.Entry) (journal.LSN, error) {
	start := time.Now()
	lsn, err := j.Journal.Append(batch)
	j.spent.Add(int64(time.Since(start)))
	j.appends.Add(1)
	return lsn, err
}

// BenchmarkSale is one sale after another, from the PUT to the answer to shown:
// intent, request, approval, confirmation, shown. own-µs/sale is the agent's
// own time: all of it, less the durable writes and the host's thinking. It
// still contains the client's side of four HTTP calls and the host's packing.
func BenchmarkSale(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkSale(b, journal.NewMemory(bytes.Repeat([]byte{7}, 32))) })
	b.Run("bbolt", func(b *testing.B) {
		j, err := journal.Open(filepath.Join(b.TempDir(), "journal"), journal.Options{Key: bytes.Repeat([]byte{7}, 32)})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		benchmarkSale(b, j)
	})
}

func benchmarkSale(b *testing.B, j journal.Journal) {
	t := &timed{Journal: j}
	l := newLab(b, func(l *lab) { l.journal, l.quiet = t, true })
	defer l.host.close()
	defer func() { _ = l.stop() }()
	sale := func(n int) {
		id := client.NewUUID()
		if tx := l.begin(id, l.sale(fmt.Sprint("S", n), 100), 10*time.Second); tx.Must != client.MustConfirm {
			b.Fatalf("%+v", tx)
		}
		if _, err := l.client.Confirm(l.ctx(), id); err != nil {
			b.Fatal(err)
		}
		if tx, err := l.client.Shown(l.ctx(), id, "yes"); err != nil || tx.Must != client.MustNothing {
			b.Fatalf("%+v %v", tx, err)
		}
	}
	for n := range 20 { // the connection, and whatever is made once
		sale(-n)
	}
	l.host.mu.Lock()
	host := l.host.spent
	l.host.mu.Unlock()
	durable, appends, n := t.spent.Load(), t.appends.Load(), 0
	for b.Loop() {
		n++
		sale(n)
	}
	all := b.Elapsed()
	l.host.mu.Lock()
	host = l.host.spent - host
	l.host.mu.Unlock()
	durable, appends = t.spent.Load()-durable, t.appends.Load()-appends
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	b.ReportMetric(per(all-time.Duration(durable)-host), "own-µs/sale")
	b.ReportMetric(per(time.Duration(durable)), "durable-µs/sale")
	b.ReportMetric(per(host), "host-µs/sale")
	b.ReportMetric(float64(appends)/float64(n), "syncs/sale")
}
