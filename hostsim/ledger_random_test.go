package hostsim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Whatever comes, in whatever order and against whatever personality: what the
// host decides follows from its ledger, no original gives back more than it
// took, and the file folds to what memory has.
func TestRandomDays(t *testing.T) {
	names := append(Personalities(), "")
	met := map[string]bool{} // codes and events
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 8583))
		cfg := Config{Personality: names[r.IntN(len(names))]}
		p, err := cfg.policy()
		if err != nil {
			t.Fatal(err)
		}
		p.Hold = r.IntN(3) == 0
		if r.IntN(3) == 0 {
			p.Partials = []PartialRule{{PANPrefix: "4", Approve: 250}}
		}
		b := newBench()
		var log []Event
		for i := range 40 {
			a := randomAct(r)
			if _, asked := b.reqs[a.n]; !asked { // on its way still
				b.request(act{do: string(iso8583.Sale), n: a.n})
			}
			v := b.play(t, a, p)
			log = append(log, v.Events...)
			met[v.Code] = true
			for _, ev := range v.Events {
				met[string(ev.Type)] = true
			}
			if v.Code == "" && !v.Pending && a.do != "restart" {
				t.Fatalf("seed %d, act %d: %+v has no answer", seed, i, a)
			}
			b.checkSums(t)
		}
		b.checkFold(t, log)
		if t.Failed() {
			t.Fatalf("seed %d, personality %q", seed, cfg.Personality)
		}
	}
	for _, want := range []string{
		CodeApproved, "01", CodePartial, CodeInvalid, CodeNoAction, CodeNotFound, CodeExceeds, CodeAmount, CodeDuplicate,
		"pending", "debit", "hold", "credit", "release", "decline", "mark", "undebit", "unhold", "uncredit", "unrelease", "tombstone", "refuse",
	} {
		if !met[want] {
			t.Errorf("%q never came about", want)
		}
	}
}

// randomAct uses few STANs and amounts, so that things collide.
func randomAct(r *rand.Rand) act {
	pick := func(list ...int64) int64 { return list[r.IntN(len(list))] }
	a := act{
		n: iso8583.STAN(pick(1, 2, 3, 4, 5, 6, 100_001, 900_001)), minor: pick(100, 250, 300, 1000),
		on: time.Duration(pick(0, 0, 0, 1, 2)) * oneDay,
	}
	switch n := r.IntN(20); {
	case n < 5:
		a.do, a.rest, a.minor = "reverse", pick(0, 0, 0, 50, 300), pick(0, 0, 100)
	case n < 8:
		a.do = "complete"
	case n == 8:
		a.do = "restart"
	default:
		typ := iso8583.Types()[r.IntN(len(iso8583.Types()))]
		a.do = string(typ)
		if typ.Originals() != nil {
			a.of = iso8583.STAN(pick(1, 2, 3, 4, 5, 6))
		}
		if day := r.IntN(3); day > 0 {
			a.by = func(q *Request) { q.Key.Transmission = fmt.Sprintf("092%d143011", day) }
		}
	}
	return a
}
