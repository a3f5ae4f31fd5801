package txn

import (
	"fmt"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// sell declines a sale, so that it is settled, and gives its STAN.
func sell(t testing.TB, m *Machine, now Time, uuid string) iso8583.STAN {
	t.Helper()
	o := started(t, m, now, uuid, "s"+uuid)
	m.Step(now, answerTo(o, "0210", "51"))
	return o.Facts.STAN
}

// jumpTo puts the terminal's next STAN.
func jumpTo(m *Machine, next iso8583.STAN) { m.Apply(&Jump{TID: testTID, Next: next}) }

func TestSTANsCountPerTerminal(t *testing.T) {
	m := newMachine(testRules())
	for want := iso8583.FirstSTAN; want <= 3; want++ {
		if got := sell(t, m, at(0), fmt.Sprint("u", want)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	b := beginSale(t, "v1", "v1")
	b.TID = "T0000002"
	if got := m.Step(at(0), b).Messages[0].Facts.STAN; got != iso8583.FirstSTAN {
		t.Errorf("the other terminal begins with %s", got)
	}
}

func TestSTANNeverReaches900000(t *testing.T) {
	m := newMachine(testRules())
	sell(t, m, at(0), "u1")
	jumpTo(m, iso8583.LastSTAN)
	later := at(72 * time.Hour)
	if got := sell(t, m, later, "u2"); got != iso8583.LastSTAN {
		t.Errorf("got %s", got)
	}
	if got := sell(t, m, later, "u3"); got != iso8583.FirstSTAN {
		t.Errorf("after %s came %s", iso8583.LastSTAN, got)
	}
}

// A STAN must not come again within two days: hosts look for an original among
// today's and yesterday's.
func TestSTANWrapWithinTwoDaysIsRefused(t *testing.T) {
	m := newMachine(testRules())
	sell(t, m, at(0), "u1")
	jumpTo(m, iso8583.LastSTAN)
	sell(t, m, at(time.Hour), "u2")
	refused(t, m, at(48*time.Hour-time.Millisecond), beginSale(t, "u3", "s3"), STANExhausted)
	if got := sell(t, m, at(48*time.Hour), "u4"); got != iso8583.FirstSTAN {
		t.Errorf("got %s", got)
	}
	// The second round has a start of its own.
	jumpTo(m, iso8583.LastSTAN+1)
	refused(t, m, at(95*time.Hour), beginSale(t, "u5", "s5"), STANExhausted)
	sell(t, m, at(96*time.Hour), "u6")
}

// A jump past the end obeys the two days as well.
func TestSTANJumpAfterACollision(t *testing.T) {
	m := newMachine(testRules())
	m.Step(at(0), answerTo(started(t, m, at(0), "u1", "s1"), "0210", "94"))
	if got := sell(t, m, at(0), "u2"); got != 1002 {
		t.Errorf("after a collision of 000001 came %s", got)
	}
	jumpTo(m, iso8583.LastSTAN-1)
	m.Step(at(0), answerTo(started(t, m, at(0), "u3", "s3"), "0210", "94"))
	refused(t, m, at(time.Hour), beginSale(t, "u4", "s4"), STANExhausted)
	// 000001 still belongs to u1, which nobody has resolved.
	if got := sell(t, m, at(49*time.Hour), "u5"); got != 2 {
		t.Errorf("got %s", got)
	}
}

func TestSTANPassesOverTheUnresolved(t *testing.T) {
	m := newMachine(testRules())
	m.Step(at(0), answerTo(started(t, m, at(0), "u1", "s1"), "0210", "94")) // escalated: 000001
	jumpTo(m, 2)
	started(t, m, at(0), "u2", "s2") // pending: 000002
	sell(t, m, at(0), "u3")          // settled: 000003
	jumpTo(m, iso8583.LastSTAN+1)
	if got := sell(t, m, at(49*time.Hour), "u4"); got != 3 {
		t.Errorf("got %s, want the first one that is settled", got)
	}
}

func TestSTANSurvivesARestart(t *testing.T) {
	m := newMachine(testRules())
	var records []Record
	for i := range 3 {
		r := m.Step(at(0), beginSale(t, fmt.Sprint("u", i), fmt.Sprint("s", i)))
		records = append(records, r.Records...)
	}
	again := New()
	for _, r := range records {
		again.Apply(store(r).load(t))
	}
	again.Step(at(0), testConfig(testRules()))
	if got := started(t, again, at(0), "u9", "s9").Facts.STAN; got != 4 {
		t.Errorf("got %s", got)
	}
}
