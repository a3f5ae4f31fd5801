package hostsim

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

func TestParseFaults(t *testing.T) {
	amount, address, half := int64(1234), 1, 0.5
	want := []Fault{{
		Name: "peak hour", Match: Match{MTI: "0200", Kind: "sale", Terminal: "10000001", STAN: "000123", Amount: &amount, Address: &address},
		Skip: 1, Count: 3, Probability: &half, Seed: 7, Action: Late, After: iso8583.Duration(5 * time.Second),
	}}
	const one = `{name: peak hour, match: {mti: 0200, kind: sale, terminal: 10000001, stan: 000123, amount: 1234, address: 1},
  skip: 1, count: 3, probability: 0.5, seed: 7, action: late, after: 5s}`
	for shape, text := range map[string]string{
		"one": one, "list": "- " + one, "file": "faults:\n- " + one,
		"JSON": `{"name":"peak hour","match":{"mti":"0200","kind":"sale","terminal":"10000001","stan":"000123","amount":1234,"address":1},
			"skip":1,"count":3,"probability":0.5,"seed":7,"action":"late","after":"5s"}`,
	} {
		if got, err := ParseFaults("f.yaml", []byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", shape, got, err)
		}
	}
	if got, err := ParseFaults("f.yaml", nil); err != nil || got != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
}

// Each error names the file and the key.
func TestParseFaultsRefuses(t *testing.T) {
	for _, c := range []struct{ text, key string }{
		{"action: late\nafter: 5s\nafterr: 6s", `"afterr"`},
		{"action: silent\nmatch: {tid: X}", `"tid"`},
		{"faults: [{action: silent}]\nfault: []", `"fault"`},
		{"action: explode", "action"},
		{"match: {mti: '0200'}", "action"},
		{"action: late", "after"},
		{"action: late\nafter: 5", "duration"},
		{"action: late\nafter: -5s", "after"},
		{"action: silent\nafter: 5s", "after"},
		{"action: delay_request", "after"},
		{"action: delay_request\nuntil: tomorrow", "until"},
		{"action: code", "code"},
		{"action: code\ncode: '123'", "code"},
		{"action: decline\ncode: '00'", "code"},
		{"action: other_amount", "amount"},
		{"action: other_amount\namount: less", "amount"},
		{"action: other_amount\namount: -1", "amount"},
		{"action: bad_length\nlength: huge", "length"},
		{"action: wrong_mti\nmti: 21", "mti"},
		{"action: close\nwhen: later", "when"},
		{"action: silent\nforget: true", "forget"},
		{"action: silent\nprobability: 1.5", "probability"},
		{"action: silent\nprobability: .nan", "probability"},
		{"action: silent\ncount: -1", "count"},
		{"action: silent\nmatch: {kind: salute}", "match.kind"},
		{"action: partial", "amount"},
		{"action: partial\namount: zero", "amount"},
		{"action: partial\namount: '0'", "amount"},
		{"action: partial\namount: missing", "amount"},
		{"action: partial\namount: smaller\nmatch: {kind: refund}", "match.kind"},
		{"action: silent\nmatch: {stan: 12}", "match.stan"},
		{"action: silent\nmatch: {mti: 2}", "match.mti"},
		{"action: silent\nmatch: {terminal: '123456789'}", "match.terminal"},
		{"action: refuse_reversal\ncode: '12'\nmatch: {kind: sale}", "match"},
		{"action: silent\n---\naction: silent", "one YAML document"},
		{"action: [", "f.yaml"},
	} {
		_, err := ParseFaults("f.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.key) || !strings.Contains(err.Error(), "f.yaml") {
			t.Errorf("%q: %v, want an error with file and %s", c.text, err, c.key)
		}
	}
}

func TestMatch(t *testing.T) {
	amount, address := int64(1000), 1
	s := subject{mti: "0401", kind: iso8583.KindReversalRepeat, tid: "T1", stan: "000001", amount: 1000, address: 1}
	for _, c := range []struct {
		m    Match
		want bool
	}{
		{Match{}, true},
		{Match{MTI: "0401"}, true},
		{Match{MTI: "0400"}, false},
		{Match{Kind: iso8583.KindReversal}, true},
		{Match{Kind: iso8583.KindReversalRepeat}, true},
		{Match{Kind: iso8583.KindSale}, false},
		{Match{Terminal: "T1", STAN: "000001", Amount: &amount, Address: &address}, true},
		{Match{Terminal: "T2"}, false},
		{Match{STAN: "000002"}, false},
		{Match{Amount: new(int64)}, false},
		{Match{Address: new(int)}, false},
	} {
		f := Fault{Action: Silent, Match: c.m}
		if f.selects(s) != c.want {
			t.Errorf("%+v: %t, want %t", c.m, !c.want, c.want)
		}
	}
	first := Fault{Action: Silent, Match: Match{Kind: iso8583.KindReversalRepeat}}
	if first.selects(subject{mti: "0400", kind: iso8583.KindReversal}) {
		t.Error("reversal_repeat matches a first reversal")
	}
}

func TestSkipAndCount(t *testing.T) {
	var s faultSet
	if _, err := s.add([]Fault{{Action: Silent, Skip: 1, Count: 2}, {Action: Twice}}); err != nil {
		t.Fatal(err)
	}
	var got []Action
	for range 5 {
		got = append(got, s.pick(subject{}).Action)
	}
	if want := []Action{Twice, Silent, Silent, Twice, Twice}; !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if v := s.views(); v[0].Seen != 3 || v[0].Fired != 2 || !v[0].Spent || v[1].Fired != 3 || v[1].Spent {
		t.Fatalf("%+v", v)
	}
	if n := s.remove(99) + s.remove(1) + s.remove(0); n != 2 || s.pick(subject{}) != nil {
		t.Fatalf("removed %d", n)
	}
}

// The same seed gives the same faults to a terminal whatever the others do.
func TestProbabilityIsDeterministic(t *testing.T) {
	run := func(seed uint64, others int) (struck []bool, n int) {
		p := 0.3
		var s faultSet
		if _, err := s.add([]Fault{{Action: Silent, Probability: &p, Seed: seed}}); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			for range others {
				s.pick(subject{tid: "T2"})
			}
			struck = append(struck, s.pick(subject{tid: "T1"}) != nil)
			if struck[i] {
				n++
			}
		}
		return struck, n
	}
	a, n := run(1, 0)
	b, _ := run(1, 3)
	c, _ := run(2, 0)
	if !reflect.DeepEqual(a, b) {
		t.Error("another terminal changed the draws")
	}
	if reflect.DeepEqual(a, c) {
		t.Error("the seed changes nothing")
	}
	if n < 250 || n > 350 { // fixed by the seed
		t.Errorf("%d of 1000 struck at 0.3", n)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	var s faultSet
	if _, err := s.add(make([]Fault, 1)); err == nil {
		t.Error("an empty fault was added")
	}
	many := make([]Fault, maxFaults)
	for i := range many {
		many[i].Action = Silent
	}
	if _, err := s.add(many); err != nil {
		t.Fatal(err)
	}
	if _, err := s.add(many[:1]); !errors.Is(err, ErrTooManyFaults) {
		t.Errorf("%v, want ErrTooManyFaults", err)
	}
}
