package txn

import (
	"encoding/json"
	cmdline "flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var update = cmdline.Bool("update", false, "rewrite the generated files and golden files; read them before you accept them")

// dialect is the rules of the embedded profile iso87-ascii.
var dialect = sync.OnceValues(func() (iso8583.Rules, error) { return readDialect("iso87-ascii") })

// asking is the rules of iso87-ascii-inquiry, which has a status inquiry and
// advices.
var asking = sync.OnceValues(func() (iso8583.Rules, error) { return readDialect("iso87-ascii-inquiry") })

// readDialect reads the rules from the profile's file, since the core must not
// know the package that loads profiles.
func readDialect(name string) (iso8583.Rules, error) {
	var file struct {
		Rules iso8583.Rules
		Wire  struct {
			Messages map[string]struct {
				MTI    iso8583.MTI
				Repeat iso8583.MTI `json:"repeat_mti"`
			}
		}
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "iso8583", "profile", "profiles", name+".json"))
	if err != nil {
		return iso8583.Rules{}, err
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return iso8583.Rules{}, err
	}
	r, m := file.Rules, file.Wire.Messages
	r.Profile = name
	r.MTI = map[iso8583.Kind]iso8583.MTI{iso8583.KindReversal: m["reversal"].MTI, iso8583.KindReversalRepeat: m["reversal"].Repeat}
	for _, k := range iso8583.Kinds() {
		if mti := m[string(k)].MTI; mti != "" {
			r.MTI[k] = mti
		}
	}
	if err := r.Validate(); err != nil {
		return r, err
	}
	r.SignOn = iso8583.SignOnRules{} // until a test is about keys
	return r, nil
}

func testRules() iso8583.Rules { return rulesOf(dialect) }

func askingRules() iso8583.Rules { return rulesOf(asking) }

func rulesOf(read func() (iso8583.Rules, error)) iso8583.Rules {
	r, err := read()
	if err != nil {
		panic(err)
	}
	// A copy that a test may change.
	var c iso8583.Rules
	if err := json.Unmarshal([]byte(r.JSON()), &c); err != nil {
		panic(err)
	}
	return c
}

const testPAN = "4111111111111111"

func testCard(t testing.TB) *iso8583.Card {
	t.Helper()
	pan, err := iso8583.ParsePAN(testPAN)
	if err != nil {
		t.Fatal(err)
	}
	return &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "012"}
}

// start is the wall clock of every test: 2026-03-14 10:00:00 UTC.
const start = int64(1773482400000)

const (
	testTID = iso8583.TID("T0000001")
	testMID = iso8583.MID("M00000000000001")
)

// testConfig is an agent with two terminals of one merchant.
func testConfig(rules iso8583.Rules) Configure {
	return Configure{Epoch: 7, Terminals: []Terminal{
		{TID: testTID, MID: testMID, Rules: rules, Routes: 2},
		{TID: "T0000002", MID: testMID, Rules: rules, Routes: 2},
	}}
}

func newMachine(rules iso8583.Rules) *Machine {
	m := New()
	m.Step(Time{Wall: start}, testConfig(rules))
	return m
}

func beginSale(t testing.TB, uuid, sale string) Begin {
	return Begin{
		Req: 1, UUID: uuid, Epoch: 7, TID: testTID, Type: iso8583.Sale,
		Amount: iso8583.Amount{Minor: 1234, Currency: 156}, Sale: sale, Digest: "d-" + uuid, CardHash: "h-" + uuid,
		Card: testCard(t),
	}
}

// answerTo is what a host that agrees about everything answers to o.
func answerTo(o Outbound, mti iso8583.MTI, code string) Response {
	f := o.Facts
	return Response{
		Route: o.Route, MTI: mti, TID: f.TID, STAN: f.STAN, Code: code,
		Amount: f.Amount.DE4(), Currency: f.Amount.Currency.Numeric(), MID: string(f.MID),
		Transmission: f.Transmission, LocalTime: f.LocalTime, LocalDate: f.LocalDate,
		RRN: "000000000001", AuthCode: "A00001",
	}
}

// at is the test clock d after the start.
func at(d time.Duration) Time {
	return Time{Boot: time.Hour + d, Wall: start + int64(d/time.Millisecond)}
}

// golden compares got with the file, or rewrites it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the code gives; run with -update, and read the difference before you accept it.\n%s", name, firstDifference(string(want), got))
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n want: %s\n  got: %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines wanted, %d got", len(w), len(g))
}

// signOnRules are those of a dialect whose messages are signed.
func signOnRules() iso8583.SignOnRules {
	return iso8583.SignOnRules{
		Required: true, Codes: []string{"A0", "77"}, Operator: "001", AnswerTimeout: iso8583.Duration(30 * time.Second),
		Schedule: []iso8583.Duration{iso8583.Duration(5 * time.Second), iso8583.Duration(time.Minute)},
	}
}
