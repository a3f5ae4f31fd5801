package txn

import (
	"fmt"
	"testing"
)

// BenchmarkSale is the core's share of a whole sale: begin, sent, answer,
// confirm, shown, with its records encoded. Sales are evicted as they settle.
func BenchmarkSale(b *testing.B) {
	m := newMachine(testRules())
	begin := beginSale(b, "", "")
	var buf []byte
	step := func(ev Event) Ready {
		r := m.Step(at(0), ev)
		for _, rec := range r.Records {
			buf = Encode(buf[:0], rec)
		}
		return r
	}
	ids := make([]string, 1024)
	for i := range ids {
		ids[i] = fmt.Sprintf("u%d", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%800_000 == 0 {
			m.Apply(&Jump{TID: testTID, Next: 1})
		}
		uuid := ids[i%len(ids)]
		begin.UUID, begin.Sale = uuid, uuid
		request := step(begin).Messages[0]
		step(Sent{UUID: uuid})
		step(answerTo(request, "0210", "00"))
		step(Confirm{UUID: uuid})
		step(Shown{UUID: uuid, Delivered: DeliveredYes})
		if s := m.Get(uuid); s.State != StateConfirmed || s.Shown != DeliveredYes {
			b.Fatal(s)
		}
		m.Evict(64)
	}
}
