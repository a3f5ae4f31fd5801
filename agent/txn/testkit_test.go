package txn

import (
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func testRules() iso8583.Rules {
	sec := func(n int) iso8583.Duration { return iso8583.Duration(time.Duration(n) * time.Second) }
	return iso8583.Rules{
		Profile: "test",
		MTI: map[iso8583.Kind]iso8583.MTI{
			iso8583.KindSale: "0200", iso8583.KindReversal: "0400", iso8583.KindReversalRepeat: "0401",
		},
		Match:       []int{7, 12, 13},
		SendTimeout: sec(10), ResponseTimeout: sec(40), ConfirmTimeout: sec(60), ShownTimeout: sec(60),
		Response: iso8583.ResponseRules{
			Approved: []string{"00"}, Partial: []string{"10"}, Declined: []string{"05", "51"}, Duplicate: []string{"94"},
		},
		Reversal: iso8583.ReversalRules{
			Types:    []iso8583.Type{iso8583.Sale},
			Schedule: []iso8583.Duration{0, 0, sec(10), sec(20), sec(300)}, AnswerTimeout: sec(20), EscalateAfter: 6,
			Done: []string{"00"}, Duplicate: []string{"94"}, Unknown: []string{"25"}, Retry: []string{"91", "96", "98"},
			MessageLifetime: sec(300),
			Reasons:         iso8583.Reasons{Timeout: "68", Customer: "17", Chip: "22", Invalid: "06", Storage: "96"},
		},
		Gate: iso8583.GateLimit, OwedLimit: 5,
	}
}

func testCard(t testing.TB) *iso8583.Card {
	t.Helper()
	pan, err := iso8583.ParsePAN("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	return &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "012"}
}

// start is the wall clock of every test: 2026-03-14 10:00:00 UTC.
const start = int64(1773482400000)

func newMachine(rules iso8583.Rules) *Machine {
	m := New()
	m.Step(Time{Wall: start}, Configure{Epoch: 7, Terminals: []Terminal{{TID: "T0000001", MID: "M00000000000001", Rules: rules, Routes: 2}}})
	return m
}

func beginSale(t testing.TB, uuid, sale string) Begin {
	return Begin{
		Req: 1, UUID: uuid, Epoch: 7, TID: "T0000001", Type: iso8583.Sale,
		Amount: iso8583.Amount{Minor: 1234, Currency: 156}, Sale: sale, Digest: "d-" + uuid,
		Card: testCard(t),
	}
}
