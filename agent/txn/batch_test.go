package txn

import (
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
