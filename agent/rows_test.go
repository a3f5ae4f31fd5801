package agent_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// The rows of terminal-rules.md, part C, that are about frames and answers, end
// to end over real sockets: what the host's ledger holds, what the API says,
// and what evidence is kept.

// evidence lists what the journal keeps of the host's words that resolved
// nothing, for all transactions and for none.
func evidence(t *testing.T, j journal.Journal) (out []string) {
	t.Helper()
	err := j.Scan(1, func(e journal.Record) error {
		r, err := txn.Decode(txn.RecordType(e.Type), e.Group, e.Clear)
		switch r := r.(type) {
		case *txn.Evidence:
			out = append(out, r.Why+": "+r.Text)
		case *txn.Late:
			out = append(out, "late "+r.Class+": "+r.Text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// records lists a timeline's records.
func records(tx *client.Transaction) (out []string) {
	for _, m := range tx.Timeline {
		out = append(out, m.Record)
	}
	return out
}

// row is a fault and what must come of it.
type row struct {
	name  string
	fault hostsim.Fault

	state    string // at the end
	cause    string // of the reversal
	evidence string // in the journal; "" none
	item     string // the escalation that is open at the end; "" none
}

// run makes one sale under the fault and waits for its end.
func (r *row) run(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	r.fault.Match.Kind, r.fault.Count = iso8583.KindSale, 1
	b.fault(r.fault)
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 1234))
	tx := b.until(id, func(tx *client.Transaction) bool {
		return tx.State == r.state && (r.item == "" || len(tx.Items) > 0)
	})
	if tx.Cause != r.cause {
		t.Errorf("cause %q, want %q", tx.Cause, r.cause)
	}
	want := int64(0)
	if r.state == "approved" {
		want = 1234
	}
	if b.net() != want {
		t.Errorf("the ledger holds %d, want %d", b.net(), want)
	}
	switch {
	case r.item == "" && len(tx.Items) > 0:
		t.Errorf("escalated: %+v", tx.Items)
	case r.item != "" && tx.Items[0].Cause != r.item:
		t.Errorf("items %+v, want %s", tx.Items, r.item)
	}
	found := evidence(t, b.journal)
	if r.evidence == "" && len(found) > 0 || r.evidence != "" && !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, r.evidence) }) {
		t.Errorf("evidence %q, want %q", found, r.evidence)
	}
	noCardData(t, "the evidence", strings.Join(found, "\n"))
	noCardData(t, "the log", b.log.String())
}

func runRows(t *testing.T, rows []row) {
	for _, r := range rows {
		if everyBed != nil && slices.Contains(otherwise, r.name) {
			continue
		}
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestC05ConnectionLost(t *testing.T) {
	runRows(t, []row{
		{"RST before the host processed", hostsim.Fault{Action: hostsim.Reset, When: hostsim.Before}, "reversing", "timeout", "", "unknown_original"},
		{"RST after the host processed", hostsim.Fault{Action: hostsim.Reset, When: hostsim.After}, "reversed", "timeout", "", ""},
		{"close before the host processed", hostsim.Fault{Action: hostsim.Close, When: hostsim.Before}, "reversing", "timeout", "", "unknown_original"},
		{"close after the host processed", hostsim.Fault{Action: hostsim.Close, When: hostsim.After}, "reversed", "timeout", "", ""},
		{"restart of the host after it processed", hostsim.Fault{Action: hostsim.Restart, When: hostsim.After}, "reversed", "timeout", "", ""},
		{"restart of the host, down for a while", hostsim.Fault{Action: hostsim.Restart, When: hostsim.After, After: short(300 * time.Millisecond)}, "reversed", "timeout", "", ""},
	})
}

func TestC05Frames(t *testing.T) {
	runRows(t, []row{
		{"partial frame", hostsim.Fault{Action: hostsim.Cut}, "reversed", "timeout", "", ""},
		{"two frames in one read", hostsim.Fault{Action: hostsim.Twice}, "approved", "", "", ""},
		{"zero length", hostsim.Fault{Action: hostsim.BadLength, Length: "zero"}, "reversed", "timeout", "", ""},
		{"length too long for the body", hostsim.Fault{Action: hostsim.BadLength, Length: "long"}, "reversed", "timeout", "after the last data element", ""},
		{"length too short for the body", hostsim.Fault{Action: hostsim.BadLength, Length: "short"}, "reversed", "timeout", "the frame is no message", ""},
		{"oversize", hostsim.Fault{Action: hostsim.BadLength, Length: "oversize"}, "reversed", "timeout", "", ""},
	})
}

func TestC07AnotherIdentity(t *testing.T) {
	runRows(t, []row{
		{"another's STAN", hostsim.Fault{Action: hostsim.OtherSTAN}, "reversed", "timeout", "no transaction has this terminal and STAN", ""},
		{"right STAN, MTI of a reversal's answer", hostsim.Fault{Action: hostsim.WrongMTI}, "reversed", "timeout", "not this reversal's", ""},
		{"right STAN, MTI of another class", hostsim.Fault{Action: hostsim.WrongMTI, MTI: "0110"}, "reversed", "timeout", "no answer has this MTI", ""},
		{"right STAN, MTI of a request", hostsim.Fault{Action: hostsim.WrongMTI, MTI: "0200"}, "reversed", "timeout", "no answer", ""},
		{"wrong TID", hostsim.Fault{Action: hostsim.OtherTerminal}, "reversed", "timeout", "no transaction has this terminal and STAN", ""},
		// This dialect does not match DE 42 (row "When a response is accepted").
		{"shifted MID", hostsim.Fault{Action: hostsim.OtherMID}, "approved", "", "", ""},
	})
}

func TestC08AmountDiffers(t *testing.T) {
	var rows []row
	for _, amount := range []string{"zero", "missing", "smaller", "larger", "1"} {
		rows = append(rows, row{amount, hostsim.Fault{Action: hostsim.OtherAmount, Amount: amount}, "reversed", "unbelievable", "late approved", "unbelievable"})
	}
	runRows(t, rows)
}

func TestC09CodeMissingOrUnknown(t *testing.T) {
	runRows(t, []row{
		{"DE 39 missing", hostsim.Fault{Action: hostsim.Missing39}, "reversed", "indeterminate", "late indeterminate", ""},
		{"unknown code", hostsim.Fault{Action: hostsim.AnswerCode, Code: "Z9"}, "reversed", "indeterminate", "late indeterminate", ""},
		{"declined", hostsim.Fault{Action: hostsim.Decline, Code: "51"}, "declined", "", "", ""},
	})
}

func TestC10Unparseable(t *testing.T) {
	runRows(t, []row{
		{"garbage", hostsim.Fault{Action: hostsim.Garbage}, "reversed", "timeout", "the frame is no message", ""},
		{"trailing bytes", hostsim.Fault{Action: hostsim.Trailing}, "reversed", "timeout", "bytes after the last data element", ""},
	})
}

func TestC11DuplicateReply(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.fault(hostsim.Fault{Action: hostsim.Twice})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 1234))
	if tx, err := b.client.Confirm(b.ctx(), id); err != nil || tx.State != "confirmed" {
		t.Fatalf("%+v %v", tx, err)
	}
	other := client.NewUUID()
	b.begin(other, b.sale("S2", 500))
	if _, err := b.client.Cancel(b.ctx(), other, "customer"); err != nil {
		t.Fatal(err)
	}
	b.untilState(other, "reversed")
	if b.net() != 1234 {
		t.Errorf("the ledger holds %d", b.net())
	}
	if tx, err := b.client.Timeline(b.ctx(), id); err != nil || slices.Contains(records(tx), "late_answer") {
		t.Errorf("the same answer again was kept as evidence: %v %v", records(tx), err)
	}
}

// C.5: the connect is refused, from the beginning: not sent, no money moved,
// and the next attempt at the sale is free.
func TestC05ConnectRefused(t *testing.T) {
	dead := deadAddress(t)
	b := newBed(t, hostsim.Config{}, func(b *bed) { b.only = []string{dead} })
	tx := b.begin(client.NewUUID(), b.sale("S1", 500))
	if tx.State != "not_sent" || tx.Must != client.MustShowNotApproved {
		t.Fatalf("%+v", tx)
	}
	if again := b.begin(client.NewUUID(), b.sale("S1", 500)); again.State != "not_sent" || again.STAN == tx.STAN {
		t.Fatalf("%+v", again)
	}
}

func deadAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// C.6: the request went to the first address, so its reversal goes there, how
// long that may take; the other address never hears of it.
func TestC06ReversalGoesToTheHostThatHadTheRequest(t *testing.T) {
	b := newBed(t, hostsim.Config{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}}, func(b *bed) { b.both = true })
	b.untilUp() // the first address that is up has the request
	zero := 0
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: iso8583.KindSale, Address: &zero}, Count: 1})
	b.fault(hostsim.Fault{Action: hostsim.Close, When: hostsim.Before, Match: hostsim.Match{Kind: iso8583.KindReversal, Address: &zero}, Count: 3})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 500))
	tx := b.untilState(id, "reversed")
	if tx.Attempts < 4 || b.net() != 0 {
		t.Errorf("%d attempts, the ledgers hold %d", tx.Attempts, b.net())
	}
	for _, m := range b.host.Messages() {
		if m.Address == 1 && m.MTI.Class() == '4' {
			t.Errorf("a reversal went to the other address: %+v", m)
		}
	}
}

// C.6: no failover after the first byte: the request is never sent twice.
func TestC06NoFailoverAfterTheFirstByte(t *testing.T) {
	b := newBed(t, hostsim.Config{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}}, func(b *bed) { b.both = true })
	b.fault(hostsim.Fault{Action: hostsim.Reset, When: hostsim.After, Match: hostsim.Match{Kind: iso8583.KindSale}, Count: 1})
	id := client.NewUUID()
	b.begin(id, b.sale("S1", 500))
	b.untilState(id, "reversed")
	requests := 0
	for _, m := range b.host.Messages() {
		if m.Direction == "in" && m.MTI == "0200" {
			requests++
		}
	}
	if requests != 1 || b.net() != 0 {
		t.Errorf("%d requests, the ledgers hold %d", requests, b.net())
	}
}

// C.6: an answer from the address that did not have the request closes nothing.
func TestC06AnswerFromAnotherAddress(t *testing.T) {
	var other *memHost
	bubble(t, func(l *lab) {
		defer other.close()
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 500), time.Minute)
		if _, err := l.client.Cancel(l.ctx(), id, "customer"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		l.host.mu.Lock()
		reversal := l.host.seen[len(l.host.seen)-1]
		l.host.mu.Unlock()
		if reversal.MTI != "0400" {
			t.Fatalf("the last message is %s", reversal)
		}
		other.unsolicited(other.process(reversal, mishap{unprocessed: "00"}))
		time.Sleep(time.Second)
		if tx := l.state(id, "reversing"); !slices.Contains(records(tx), "reversal_answer") || tx.HoldDown {
			t.Fatalf("%v", records(tx))
		}
		l.host.unsolicited(l.host.process(reversal, mishap{}))
		time.Sleep(time.Second)
		l.state(id, "reversed")
		if l.host.total() != 0 {
			t.Errorf("the ledger holds %d", l.host.total())
		}
	}, func(l *lab) {
		other = newMemHost(l.profile)
		l.host.mishap = only('4', mishap{drop: true})
		l.hosts = []string{"host:1", "host:2"}
		l.dial = func(ctx context.Context, route int, addr string) (net.Conn, error) {
			return []*memHost{l.host, other}[route].dial(ctx, route, addr)
		}
	})
}

// C.5, half-open: the host reads nothing, the write overruns its deadline. The
// request is in doubt, so it is reversed.
func TestC05WriteOverruns(t *testing.T) {
	var stalled atomic.Bool
	bubble(t, func(l *lab) {
		l.begin(client.NewUUID(), l.sale("S0", 100), time.Minute) // it works
		id, start := client.NewUUID(), time.Now()
		stalled.Store(true)
		l.begin(client.NewUUID(), l.sale("S1", 100), 0) // the host stalls with this one in its hands
		tx := l.begin(id, l.sale("S2", 100), time.Minute)
		if took := time.Since(start); tx.State != "reversing" || tx.Cause != "link_lost" || took != 10*time.Second {
			t.Fatalf("%s %s after %s", tx.State, tx.Cause, took)
		}
	}, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, _ int) mishap {
			if stalled.Load() && m.MTI == "0200" {
				return mishap{stall: 30 * time.Second}
			}
			return mishap{}
		}
	})
}

// C.8: partial approval, smaller or larger than what was asked: refused.
func TestC08PartialApproval(t *testing.T) {
	for _, c := range []struct{ name, amount, cause, item string }{
		{"smaller", "000000000400", "partial_refused", ""},
		{"larger", "000000000600", "unbelievable", "unbelievable"},
		{"the same", "000000000500", "unbelievable", "unbelievable"},
		{"zero", "000000000000", "unbelievable", "unbelievable"},
	} {
		bubble(t, func(l *lab) {
			id := client.NewUUID()
			tx := l.begin(id, l.sale("S1", 500), time.Minute)
			if tx.Cause != c.cause {
				t.Fatalf("%s: %+v", c.name, tx)
			}
			time.Sleep(400 * time.Second)
			tx = l.state(id, "reversed")
			if l.host.total() != 0 || !slices.Contains(records(tx), "late_answer") {
				t.Errorf("%s: the ledger holds %d, %v", c.name, l.host.total(), records(tx))
			}
			if c.item == "" && len(tx.Items) > 0 || c.item != "" && tx.Items[0].Cause != c.item {
				t.Errorf("%s: %+v", c.name, tx.Items)
			}
		}, func(l *lab) {
			l.host.mishap = only('2', mishap{change: func(a *iso8583.Message) { a.Set(39, "10"); a.Set(4, c.amount) }})
		})
	}
}

// C.11: one tick before and after the timeout.
func TestC11OneTick(t *testing.T) {
	for late, want := range map[time.Duration]string{
		40*time.Second - time.Millisecond: "approved",
		40*time.Second + time.Millisecond: "reversing",
	} {
		bubble(t, func(l *lab) {
			id := client.NewUUID()
			tx := l.begin(id, l.sale("S1", 500), time.Minute)
			if tx.State != want {
				t.Fatalf("answered after %s: %+v", late, tx)
			}
			time.Sleep(400 * time.Second)
			if tx := l.state(id, "reversed"); l.host.total() != 0 || tx.LateApproval != (want == "reversing") {
				t.Errorf("answered after %s: the ledger holds %d, %+v", late, l.host.total(), tx)
			}
		}, func(l *lab) { l.host.mishap = only('2', mishap{late: late}) })
	}
}

// C.12: the approval comes late: evidence, whatever the reversal is at.
func TestC12LateApproval(t *testing.T) {
	for _, c := range []struct {
		name           string
		sale, reversal mishap
	}{
		{"while the reversal is in flight", mishap{late: 45 * time.Second}, mishap{late: 10 * time.Second}},
		{"after the 0410", mishap{late: 45 * time.Second}, mishap{}},
		{"after the last 0410", mishap{late: 350 * time.Second}, mishap{}},
		{"between two attempts", mishap{late: 85 * time.Second}, mishap{drop: true}},
	} {
		bubble(t, func(l *lab) {
			id := client.NewUUID()
			l.begin(id, l.sale("S1", 500), time.Minute)
			time.Sleep(10 * time.Minute)
			tx := l.get(id)
			if !tx.LateApproval || slices.Contains(records(tx), "approved") {
				t.Errorf("%s: %v", c.name, records(tx))
			}
			if c.reversal.drop { // nothing is undone yet, and a person knows
				if tx.State != "reversing" || tx.Items[0].Cause != "silence" {
					t.Errorf("%s: %+v", c.name, tx)
				}
				return
			}
			if tx.State != "reversed" || l.host.total() != 0 {
				t.Errorf("%s: %s, the ledger holds %d", c.name, tx.State, l.host.total())
			}
		}, func(l *lab) {
			l.host.mishap = func(m *iso8583.Message, _ int) mishap {
				return map[byte]mishap{'2': c.sale, '4': c.reversal}[m.MTI.Class()]
			}
		})
	}
}

// C.12: the approval comes when reversing is decided and not yet durable.
func TestC12LateApprovalBeforeTheReversalIsSent(t *testing.T) {
	g := newGate()
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 500), 0)
		time.Sleep(10 * time.Second)
		g.close(false)
		cancel := calling(func() (*client.Transaction, error) { return l.client.Cancel(l.ctx(), id, "customer") })
		time.Sleep(10 * time.Second) // the approval comes
		if len(l.host.messages()) != 1 {
			t.Fatalf("%v", l.host.messages())
		}
		g.open()
		if !cancel.answered() || cancel.err != nil {
			t.Fatal(cancel.err)
		}
		time.Sleep(400 * time.Second)
		if tx := l.state(id, "reversed"); !tx.LateApproval || l.host.total() != 0 {
			t.Errorf("%+v, the ledger holds %d", tx, l.host.total())
		}
	}, gated(g), func(l *lab) { l.host.mishap = only('2', mishap{late: 15 * time.Second}) })
}

// C.12: the approval comes to the agent that was started again.
func TestC12LateApprovalAfterARestart(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		l.begin(id, l.sale("S1", 500), 0)
		time.Sleep(time.Second)
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.reopen()
		l.start()
		time.Sleep(time.Second)
		if tx := l.state(id, "reversing"); tx.Cause != "restart" {
			t.Fatalf("%+v", tx)
		}
		l.host.mu.Lock()
		request := l.host.seen[slices.IndexFunc(l.host.seen, func(m *iso8583.Message) bool { return m.MTI == "0200" })]
		l.host.mu.Unlock()
		l.host.unsolicited(l.host.process(request, mishap{}))
		time.Sleep(400 * time.Second)
		if tx := l.state(id, "reversed"); !tx.LateApproval || l.host.total() != 0 {
			t.Errorf("%+v, the ledger holds %d", tx, l.host.total())
		}
	}, func(l *lab) { l.host.mishap = only('2', mishap{drop: true}) })
}

// C.13: "failed", then "succeeded" seconds later: undone, and a person knows.
func TestC13FailedThenSucceeded(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		if tx := l.begin(id, l.sale("S1", 500), time.Minute); tx.State != "declined" {
			t.Fatalf("%+v", tx)
		}
		time.Sleep(3 * time.Second)
		l.host.mu.Lock()
		request := l.host.seen[len(l.host.seen)-1]
		l.host.mu.Unlock()
		l.host.unsolicited(l.host.process(request, mishap{}))
		time.Sleep(400 * time.Second)
		tx := l.state(id, "reversed")
		if tx.Items[0].Cause != "contradiction" || l.host.total() != 0 || !tx.LateApproval {
			t.Errorf("%+v, the ledger holds %d", tx, l.host.total())
		}
	}, func(l *lab) { l.host.mishap = only('2', mishap{unprocessed: "05"}) })
}
