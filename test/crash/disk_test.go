package crash

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

var testKey = bytes.Repeat([]byte{7}, journal.KeyLen)

// failing is a journal whose disk fails at one append. Whether the batch has
// reached the disk all the same is not known to who called: both happen.
type failing struct {
	journal.Journal
	at     int  // which append fails, from 1; 0: none
	landed bool // the batch is on the disk all the same

	mu     sync.Mutex
	n      int
	failed bool
	types  []txn.RecordType // of the batch that failed
}

var errDisk = errors.New("input/output error")

func (f *failing) Append(batch []journal.Entry) (journal.LSN, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed {
		return 0, fmt.Errorf("%w: %w", journal.ErrFailed, errDisk)
	}
	if len(batch) == 0 {
		return 0, nil
	}
	if f.n++; f.n != f.at {
		return f.Journal.Append(batch)
	}
	f.failed = true
	for _, e := range batch {
		f.types = append(f.types, txn.RecordType(e.Type))
	}
	if f.landed {
		if _, err := f.Journal.Append(batch); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%w: %w", journal.ErrFailed, errDisk)
}

// tripped says whether the failure has happened, and in what.
func (f *failing) tripped() ([]txn.RecordType, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.types, f.failed
}

// C.2, "the local write fails after the approval", and every other write of a
// sale: the agent stops, nothing is acknowledged that is not on the disk, and
// after a restart the ledger, the screen and the journal agree.
func TestDiskFailsAtEachWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []hostsim.Fault
		net    int64 // where the disk does not fail
	}{
		{"approved", nil, 700},
		{"declined", []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Decline, Code: "51"})}, 0},
		{"response lost", []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.DropResponse})}, 0},
	} {
		for _, landed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, landed %v", c.name, landed), func(t *testing.T) {
				t.Parallel()
				hit := map[txn.RecordType]bool{}
				missed := func() bool {
					return !hit[txn.TypeIntent] || !hit[txn.TypeConfirmed] && c.net > 0 || !hit[txn.TypeReversed] && c.name == "response lost"
				}
				// Records that wait together are one write, so a sale has more writes at one time than at another.
				for at, short := 1, 0; short < 5; at++ {
					types, tripped := failOnce(t, c.faults, at, landed, c.net)
					for _, typ := range types {
						hit[typ] = true
					}
					switch {
					case tripped:
					case !missed():
						return
					default:
						short++
						at = max(at-2, 0)
					}
				}
				if missed() {
					t.Errorf("the failure never hit what it should: %v", hit)
				}
			})
		}
	}
}

// failOnce runs one sale over a disk that fails at append number at of the
// agent's work, then restarts on what is on the disk.
func failOnce(t *testing.T, faults []hostsim.Fault, at int, landed bool, net int64) ([]txn.RecordType, bool) {
	t.Helper()
	b := newBench(t)
	for _, f := range faults {
		b.fault(f)
	}
	disk := journal.NewMemory(testKey)
	disk.RollEvery = 3   // a restart recovers from a carry
	first := b.run(disk) // makes epoch and rules durable, which is not a sale's part
	first.stop()
	disk = disk.Reopen()
	j := &failing{Journal: disk, at: at, landed: landed}
	r := b.run(j)
	id := client.NewUUID()
	accepted, shown := sellOver(b, r, id)
	types, tripped := j.tripped()
	if !tripped {
		r.stop()
		if got := b.net(700); got != net {
			t.Errorf("without a failure the ledger holds %d, want %d", got, net)
		}
		return nil, false
	}
	<-r.ended
	if !errors.Is(r.err, journal.ErrFailed) {
		t.Errorf("append %d %v: the agent ended with %v", at, types, r.err)
	}
	r.stop()
	what := fmt.Sprintf("append %d %v", at, types)
	recovered(b, b.run(disk.Reopen()), id, what, accepted, shown)
	return types, true
}

// recovered judges what a new agent makes of the sale.
func recovered(b *bench, r *running, id, what string, accepted, shown bool) {
	b.t.Helper()
	_, err := r.Get(b.within(), id, 0)
	if p := client.AsProblem(err); p != nil && p.Code == "not_found" {
		if b.net(700) != 0 || accepted || shown {
			b.t.Errorf("%s: never journaled; accepted %v, shown %v, and the ledger holds %d", what, accepted, shown, b.net(700))
		}
		return
	}
	// Escalated where the intent is on the disk and the request never left: the
	// host does not know it, and goes on saying so.
	rest := note{typ: iso8583.Sale, plan: plan{scenario: &scenario{}}}
	tx := b.until(r, id, func(tx *client.Transaction) bool { return tx.State == "confirmed" || rest.atRest(tx) })
	confirmed := tx.State == "confirmed"
	if got := b.net(700); got != 0 != confirmed || shown && !confirmed {
		b.t.Errorf("%s: %s, shown %v, and the ledger holds %d", what, tx.State, shown, got)
	}
	if strings.Contains(what, txn.TypeApproved.String()) && tx.State != "reversed" {
		b.t.Errorf("%s: the approval was not acknowledged, and it is %s", what, tx.State)
	}
	if confirmed && !shown { // whoever did not show it must be told that it stands
		list, err := r.Recovery(b.within())
		if err != nil || len(list.Transactions) != 1 || list.Transactions[0].Must != client.MustShowApproved {
			b.t.Errorf("%s: confirmed and not shown, and recovery says %+v, %v", what, list, err)
		}
	}
}

// sellOver is an application that stops at the first error, and says whether
// its sale was accepted and whether its screen said approved.
func sellOver(b *bench, r *running, id string) (accepted, shown bool) {
	tx, err := r.Begin(b.within(), id, r.sale(700, "S1"), patience/2)
	if err != nil {
		return false, false
	}
	switch tx.Must {
	case client.MustConfirm:
		if _, err = r.Confirm(b.within(), id); err == nil {
			shown = true
			_, _ = r.Shown(b.within(), id, "yes")
		}
	case client.MustShowNotApproved:
		_, _ = r.Shown(b.within(), id, "yes")
		for err == nil && tx.State == "reversing" { // until it is over, or the disk fails
			tx, err = r.Get(b.within(), id, 0)
			select {
			case <-r.ended:
				return true, false
			default:
			}
		}
	}
	return true, shown
}

// C.2, disk full: a new sale is refused with words, before anything leaves; the
// reversal that is owed is still recorded, sent and closed.
func TestDiskFull(t *testing.T) {
	b := newBench(t)
	open := func() *journal.Log {
		j, err := journal.Open(filepath.Join(t.TempDir(), "journal"), journal.Options{Key: testKey, SegmentBytes: 128 << 10, MaxBytes: 1 << 20, Retain: journal.Retain{Bytes: -1}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.Close() })
		return j
	}
	r := b.run(open())
	owed := int64(990)
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: iso8583.KindSale, Amount: &owed}, Count: 1})
	ids, err := b.host.AddFault(hostsim.Fault{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: iso8583.KindReversal, Amount: &owed}})
	if err != nil {
		t.Fatal(err)
	}
	id := client.NewUUID()
	if tx, err := r.Begin(b.within(), id, r.sale(owed, "owed"), patience/2); err != nil || tx.State != "reversing" {
		t.Fatalf("%+v, %v", tx, err)
	}
	var refusal *client.Problem
	for i := int64(0); refusal == nil && i < 1000; i++ {
		paid := client.NewUUID()
		_, err := r.Begin(b.within(), paid, r.sale(1000+i, fmt.Sprintf("S%d", i)), patience/2)
		if refusal = client.AsProblem(err); refusal != nil {
			if len(find(b.host.Ledger(), iso8583.Sale, 1000+i)) > 0 {
				t.Error("refused, and the host knows it")
			}
			continue
		}
		if err == nil {
			_, err = r.Confirm(b.within(), paid)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if refusal == nil || refusal.Code != "journal_full" || refusal.Status != 503 || !strings.Contains(refusal.Title, "no room") {
		t.Fatalf("refused with %+v", refusal)
	}
	if b.net(owed) != owed {
		t.Fatalf("before the reversal gets through the ledger holds %d", b.net(owed))
	}
	for _, f := range ids {
		b.host.RemoveFault(f)
	}
	b.until(r, id, func(tx *client.Transaction) bool { return tx.State == "reversed" })
	if b.net(owed) != 0 {
		t.Errorf("reversed, and the ledger holds %d", b.net(owed))
	}
}
