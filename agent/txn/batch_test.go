package txn

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// unionRules is the rules of the embedded profile unionpay.
func unionRules(t *testing.T) iso8583.Rules {
	t.Helper()
	r, err := readDialect("unionpay")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSignOnChangesTheBatch is C.19: the batch is frozen in the intent, so a
// reversal goes out under it after a sign-on has changed the terminal's.
func TestSignOnChangesTheBatch(t *testing.T) {
	m := newMachine(unionRules(t))
	if got := m.Batch(testTID); got != "000001" {
		t.Fatalf("first batch %s", got)
	}
	m.Step(at(0), BatchAnnounced{TID: testTID, Number: "000041"})
	sale := run(t, m, beginSale(t, "u1", "s1"))
	if sale.Facts.Batch != "000041" {
		t.Errorf("the sale carries batch %q", sale.Facts.Batch)
	}
	m.Step(at(1e9), BatchAnnounced{TID: testTID, Number: "000042"})
	rev := m.Step(at(2e9), Cancel{Req: 2, UUID: "u1", Reason: CancelCustomer}).Messages
	if len(rev) != 1 || rev[0].Facts.Batch != "000041" || rev[0].Facts.Original.Batch != "000041" {
		t.Errorf("the reversal carries %+v", rev)
	}
	if got := m.Batch(testTID); got != "000042" {
		t.Errorf("the terminal is in batch %s", got)
	}
	if u := m.Get("u1"); u.Batch != "000041" || u.Serial != 1 {
		t.Errorf("the sale is in batch %s, serial %d", u.Batch, u.Serial)
	}
}

// TestBatchAnnouncedAgain: the same number, or none, changes nothing.
func TestBatchAnnouncedAgain(t *testing.T) {
	m := newMachine(unionRules(t))
	m.Step(at(0), BatchAnnounced{TID: testTID, Number: "000041"})
	for _, number := range []string{"000041", "", "000000", "41", "00004x"} {
		if r := m.Step(at(0), BatchAnnounced{TID: testTID, Number: number}); !r.Empty() {
			t.Errorf("announcing %q gives %+v", number, r)
		}
	}
	if r := m.Step(at(0), BatchAnnounced{TID: "T0000009", Number: "000041"}); !r.Empty() {
		t.Errorf("a terminal that is not here: %+v", r)
	}
}

// TestCarrySaysTheBatch: a fold that begins with the carry knows the batch and
// how many are in it.
func TestCarrySaysTheBatch(t *testing.T) {
	m := newMachine(unionRules(t))
	m.Step(at(0), BatchAnnounced{TID: testTID, Number: "000041"})
	commit(t, m, beginSale(t, "u1", "s1"))
	_, heads := m.Carry()
	c := New()
	for _, h := range heads {
		c.Apply(h)
	}
	if got := *c.batches[testTID]; got != (batchHead{Number: "000041", Serial: 1, Used: 1}) {
		t.Errorf("carried: %+v", got)
	}
}

// TestSettleNeedsEveryUnsettledBatch is P6: while the journal is read for a
// settlement, an operator may end the oldest batch by hand. Whichever is due then
// is in memory whole, so that its totals are.
func TestSettleNeedsEveryUnsettledBatch(t *testing.T) {
	l := newLab(t)
	for _, line := range []string{"rules profile=unionpay", "committed u1 sale=s1", "announce 000042", "committed u2 sale=s2"} {
		if err := l.command(strings.Fields(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	want := []string{BatchKey(testTID, 1), BatchKey(testTID, 2)}
	if got := l.m.Needs(Settle{TID: testTID}); !slices.Equal(got, want) {
		t.Errorf("needs %q, want %q", got, want)
	}
}

// TestUploadWaitsForItsBatch is C.4: an answer to the dead process may come
// before its batch was read back after a restart. It says nothing yet: the message
// is sent again, and nothing is uploaded out of half a memory.
func TestUploadWaitsForItsBatch(t *testing.T) {
	l := newLab(t)
	script := []string{"rules profile=unionpay"}
	for i := range uploadSize + 1 {
		script = append(script, fmt.Sprintf("committed u%d sale=s%d", i, i))
	}
	for _, line := range append(script, "settle", "batch-answer none verdicts=2/2") {
		if err := l.command(strings.Fields(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	sent, err := l.batchMessage(testTID)
	if err != nil || sent.Facts.Kind != iso8583.KindUpload {
		t.Fatalf("%s, %v", sent.Facts.Kind, err)
	}
	m := New()
	for _, s := range l.journal {
		m.Apply(s.load(t))
		m.Evict(0)
	}
	m.Step(at(0), l.config())
	a := answerTo(sent, l.rules.MTI[iso8583.KindUpload].Response(), "00")
	a.Amount, a.RRN, a.AuthCode = "", "", ""
	if r := m.Step(at(0), a); !r.Empty() {
		t.Errorf("before Recovered: %+v", r)
	}
}

// Numbering is blocked when the set is frozen (C.21, C.31): the totals are said
// as soon as a STAN is free, and a person knows meanwhile.
func TestSettlementWaitsForASTAN(t *testing.T) {
	l := newLab(t)
	if err := l.command(strings.Fields("committed u1 sale=s1")); err != nil {
		t.Fatal(err)
	}
	m := New()
	for _, s := range l.journal {
		m.Apply(s.load(t))
	}
	m.Step(at(0), l.config())
	m.Apply(&Jump{TID: testTID, Next: iso8583.LastSTAN + 1})
	now := at(0)
	now.Wall = m.heads[testTID].Wrapped + 1
	r := m.Step(now, Settle{Req: 1, TID: testTID, Who: "Li"})
	for range 20 {
		if len(r.Messages) != 0 || len(r.Timers) != 1 {
			t.Fatalf("numbering is blocked: %+v", r)
		}
		now.Boot = r.Timers[0].At
		r = m.Step(now, Timeout{UUID: r.Timers[0].UUID})
	}
	if b := m.Batches(testTID)[0]; !b.Escalated() {
		t.Error("nobody knows")
	}
	now.Wall += stanReuse
	now.Boot = m.waits[m.settling[0]].Deadline
	r = m.Step(now, Timeout{UUID: m.settling[0]})
	if len(r.Messages) != 1 || r.Messages[0].Facts.Kind != iso8583.KindSettle || r.Messages[0].Facts.STAN != iso8583.FirstSTAN {
		t.Errorf("%+v", r)
	}
}
