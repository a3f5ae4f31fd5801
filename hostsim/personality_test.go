package hostsim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

const oneDay = 24 * time.Hour

// Each personality against what sets it apart.
func TestPersonalities(t *testing.T) {
	cases := map[string][][]act{
		"strict-tombstones": {
			{{do: "unseen", n: 1, code: "00"}, {do: "sale", n: 1, code: "21"}, {do: "reverse", n: 1, code: "00"}},
			{{do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "00"}, {do: "reverse", n: 1, code: "00"}},
		},
		"no-tombstones-25": {
			{{do: "unseen", n: 1, code: "25"}, {do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "00"}, {do: "reverse", n: 1, code: "25"}},
		},
		"no-tombstones-00": {
			{{do: "unseen", n: 1, code: "00"}, {do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "00"}, {do: "reverse", n: 1, code: "25"}},
			{{do: "sale", n: 1, code: "51", by: declined}, {do: "reverse", n: 1, code: "01"}},
		},
		"one-row-else-25": {
			{{do: "unseen", n: 1, code: "25"}, {do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "00"}, {do: "reverse", n: 1, code: "25"}},
			// C16: two rows share the STAN, and the debit exists.
			{
				{do: "sale", n: 1, code: "00", net: 1000, by: yesterdays},
				{do: "sale", n: 1, code: "00", net: 2000, on: oneDay},
				{do: "reverse", n: 1, code: "25", net: 2000, on: oneDay},
				{do: "reverse", n: 1, code: "00", net: 1000, on: 2 * oneDay}, // the first is too old to be seen
			},
			// The request never came; what it undoes is yesterday's.
			{
				{do: "sale", n: 1, code: "00", net: 1000, by: yesterdays},
				{do: "unseen", n: 1, code: "00", on: oneDay},
			},
			{{do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "25", net: 1000, on: 2 * oneDay}},
		},
		"amount-differs-64": {
			{{do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, minor: 999, code: "64", net: 1000}, {do: "reverse", n: 1, code: "00"}},
			{{do: "preauth", n: 1, code: "00", held: 1000}, {do: "reverse", n: 1, minor: 1001, code: "64", held: 1000}},
		},
		"other-day-25": {
			{{do: "sale", n: 1, code: "00", net: 1000}, {do: "reverse", n: 1, code: "25", net: 1000, on: oneDay}, {do: "reverse", n: 1, code: "00"}},
			{{do: "sale", n: 1, code: "00", net: 1000}, {do: "void", n: 2, of: 1, code: "00", on: oneDay}}, // a void may come later
		},
		"rewritten-stan": {
			{
				{do: "sale", n: 123, code: "00", net: 1000}, {do: "sale", n: 100123, code: "00", net: 2000},
				{do: "reverse", n: 123, code: "00", net: 1000}, {do: "reverse", n: 123, code: "25", net: 1000},
				{do: "reverse", n: 100123, code: "94", net: 1000}, // not processed: the debit stands
				{do: "reverse", n: 100123, code: "00", on: oneDay},
			},
			// C21: a request above 899999.
			{
				{do: "sale", n: 123, code: "00", net: 1000}, {do: "reverse", n: 123, code: "00"},
				{do: "sale", n: 900123, code: "94"},
			},
			{
				{do: "sale", n: 900123, code: "00", net: 1000}, {do: "sale", n: 123, code: "00", net: 2000},
				{do: "reverse", n: 123, code: "94", net: 2000},
			},
		},
	}
	for _, name := range Personalities() {
		if cases[name] == nil && !strings.HasPrefix(name, "inquiry-") { // TestInquiries has those
			t.Errorf("personality %s has no case", name)
		}
	}
	for name, lists := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := (&Config{Personality: name}).policy()
			if err != nil {
				t.Fatal(err)
			}
			for _, acts := range lists {
				b := newBench()
				for i := range acts {
					if acts[i].do == "unseen" { // the reversal of a request that never came
						b.request(act{do: "sale", n: acts[i].n})
						acts[i].do = "reverse"
					}
				}
				b.run(t, p, acts)
			}
		})
	}
}

func declined(r *Request) { r.Decline = "51" }

// yesterdays gives a request the DE 7 of the day before.
func yesterdays(r *Request) { r.Key.Transmission = "0927143011" }

func TestPersonalityAndItsOverrides(t *testing.T) {
	cfg := Config{Personality: "no-tombstones-00", AlreadyReversed: "94"}
	if p, err := cfg.policy(); err != nil || p.UnknownOriginal != "00" || p.AlreadyReversed != "94" || p.DeclinedOriginal != "01" || p.NoOriginal != "25" || p.Refused != "21" {
		t.Errorf("%+v", p)
	}
	for _, bad := range []Config{{Personality: "kind"}, {Personality: "one-row-else-25", Tombstones: true}} {
		if _, err := New(bad, zap.NewNop()); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if _, err := New(Config{Personality: "kind"}, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "strict-tombstones") {
		t.Errorf("%v, want the names that there are", err)
	}
	want := []string{"amount-differs-64", "inquiry-another", "inquiry-in-progress", "inquiry-not-found", "inquiry-silent", "no-tombstones-00", "no-tombstones-25", "one-row-else-25", "other-day-25", "rewritten-stan", "strict-tombstones"}
	if !slices.Equal(Personalities(), want) {
		t.Errorf("%v", Personalities())
	}
}

// Over the wire: what the answer to a reversal echoes.
func TestRewrittenSTANInAnswers(t *testing.T) {
	for rewrite, want := range map[Rewrite]string{RewriteRecords: "000123", RewriteAnswers: "900123"} {
		h := startHost(t, func(cfg *Config) { cfg.Personality, cfg.RewriteSTAN = "rewritten-stan", rewrite })
		c := dial(t, h.Addr(0))
		c.ask(c.sale(123, 1000), "00")
		for _, code := range []string{"00", "25"} {
			c.send(c.reversal(123, 1000))
			if m := c.read(); m.Get(11) != want || m.Get(39) != code {
				t.Errorf("%s: %v, want STAN %s and %s", rewrite, m, want, code)
			}
		}
		expect(t, h, entryOf("000123", StateReversed, 0))
	}
}

// The host's day follows its clock.
func TestOtherDayOverTheWire(t *testing.T) {
	clock := make(chan time.Time, 1)
	clock <- testTime
	h := startHost(t, func(cfg *Config) {
		cfg.Personality = "other-day-25"
		cfg.Now = func() time.Time { now := <-clock; clock <- now; return now }
	})
	c := dial(t, h.Addr(0))
	c.ask(c.sale(1, 1000), "00")
	<-clock
	clock <- testTime.Add(oneDay)
	c.ask(c.reversal(1, 1000), "25")
	expect(t, h, entryOf("000001", StateApproved, 1000))
}
