package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var declining = hostsim.Config{Tombstones: true, Declines: []hostsim.DeclineRule{{Amount: 5100, Code: "51"}}}

func TestSale(t *testing.T) {
	b := newBed(t, declining)
	// Reversals are done, but their answers stay on the way: what is being
	// reversed stays so.
	if _, err := b.host.AddFault(hostsim.Fault{
		Action: hostsim.Late, After: iso8583.Duration(time.Hour), Match: hostsim.Match{Kind: iso8583.KindReversal},
	}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		golden, stdin, amount string
		code                  int
		args                  []string
	}{
		{"sale-paid", "", "12.34", exitOK, []string{"--test-card", "1", "--confirm", "yes"}},
		{"sale-part", "", "12", exitOK, []string{"--test-card", "2", "--confirm", "yes", "--part", "1"}},
		{"sale-declined", "", "51.00", exitNotApproved, []string{"--test-card", "1", "--confirm", "yes"}},
		{"sale-cancelled", "", "1.00", exitNotApproved, []string{"--test-card", "3", "--confirm", "no"}},
		{"sale-left", "", "1.00", exitUndecided, []string{"--test-card", "4", "--confirm", "leave"}},
		{"sale-asked-yes", "4111111111111111 3012\nyes\n", "2.00", exitOK, []string{"--card-file", "-"}},
		{"sale-asked-no", "no\n", "2.00", exitNotApproved, []string{"--test-card", "5"}},
		{"sale-asked-nobody", "", "2.00", exitUndecided, []string{"--test-card", "6"}},
	} {
		t.Run(tc.golden, func(t *testing.T) {
			b.t = t
			r := b.sale(tc.stdin, tc.amount, tc.golden, tc.args...)
			if r.code != tc.code {
				t.Errorf("exit code %d, want %d", r.code, tc.code)
			}
			noPAN(t, r.out+r.errOut)
			golden(t, tc.golden, b.mask(r.String()))
		})
	}
	// What is paid by the exit codes is what the acquirer holds.
	const want = 1234 + 1200 + 200 + 100 + 200 // the last two: left alone
	within(t, func() bool { return hostsim.Summarise(b.host.Ledger()).NetTotal == want })
}

func TestSaleJSON(t *testing.T) {
	b := newBed(t, declining)
	uuid := client.NewUUID()
	r := b.sale("", "12.34", "j-1", "--test-card", "1", "--confirm", "yes", "--json", "--uuid", uuid)
	var got client.Transaction
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != exitOK {
		t.Fatalf("%v: %v", err, r)
	}
	if got.UUID != uuid || got.State != "confirmed" || got.Amount != 1234 {
		t.Errorf("got %+v", got)
	}
	// The same UUID and body again is the same sale; another body is refused.
	if r := b.sale("", "12.34", "j-1", "--test-card", "1", "--confirm", "yes", "--uuid", uuid); r.code != exitOK {
		t.Errorf("again: %v", r)
	}
	r = b.sale("", "12.35", "j-1", "--test-card", "1", "--confirm", "yes", "--uuid", uuid, "--json")
	var refused struct {
		Exit    int
		Problem client.Problem
	}
	_, line, _ := strings.Cut(r.errOut, "\n") // after the note with the UUID
	if err := json.Unmarshal([]byte(line), &refused); err != nil || r.code != exitRefused {
		t.Fatalf("%v: %v", err, r)
	}
	if refused.Exit != exitRefused || refused.Problem.Code != "uuid_reused" || refused.Problem.Retry != client.RetryNewID {
		t.Errorf("got %+v", refused)
	}
	golden(t, "sale-refused", b.mask(b.sale("", "9.00", "j-1", "--test-card", "1").String()))
	if n := len(b.host.Ledger()); n != 1 {
		t.Errorf("%d transactions at the acquirer, want 1", n)
	}
}

// The acquirer debits and its answer is lost: the sale waits, says so, and
// ends as not paid; the acquirer gives the money back.
func TestSaleResponseLost(t *testing.T) {
	b := newBed(t, declining, "response_timeout: 5s", "response_timeout: 2500ms")
	if _, err := b.host.AddFault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: iso8583.KindSale}}); err != nil {
		t.Fatal(err)
	}
	r := b.sale("", "12.34", "lost", "--test-card", "1", "--confirm", "yes")
	if r.code != exitNotApproved || !strings.Contains(r.out, "NOT PAID") || !strings.Contains(r.out, "cause timeout") ||
		!strings.Contains(r.errOut, "the acquirer has not answered yet") {
		t.Errorf("%v", r)
	}
	b.eventually("lost", func(t *client.Transaction) bool { return t.State == "reversed" })
	if e := b.host.Ledger()[0]; e.Net != 0 {
		t.Errorf("the acquirer holds %d", e.Net)
	}
}

func TestSaleUsage(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "card")
	write(t, bad, "1 2 3")
	good := []string{"sale", "--socket", filepath.Join(dir, "none"), "--terminal", "T", "--amount", "1.00", "--currency", "CNY", "--sale", "s"}
	for _, tc := range []struct {
		want string
		code int
		args []string
	}{
		{"no card", exitUsage, nil},
		{"not both", exitUsage, []string{"--test-card", "1", "--card-file", "x"}},
		{"--test-card: want 1 to", exitUsage, []string{"--test-card", "99"}},
		{"--amount", exitUsage, []string{"--amount", "1.0", "--test-card", "1"}},
		{"--currency", exitUsage, []string{"--currency", "RMB", "--test-card", "1"}},
		{"--confirm", exitUsage, []string{"--confirm", "maybe", "--test-card", "1"}},
		{"--timeout", exitUsage, []string{"--timeout", "0s", "--test-card", "1"}},
		{"is no UUID", exitUsage, []string{"--uuid", "../../health", "--test-card", "1"}},
		{"card: want one line", exitFailed, []string{"--card-file", bad}},
		{"no such file", exitFailed, []string{"--card-file", filepath.Join(dir, "nowhere")}},
		{"counterfoil run --config FILE", exitFailed, []string{"--test-card", "1"}},
		{"required flag", exitUsage, nil},
	} {
		args := append(good, tc.args...)
		if tc.want == "required flag" {
			args = []string{"sale"}
		}
		r := command(t, args...)
		if r.code != tc.code || !strings.Contains(r.errOut, tc.want) || r.out != "" {
			t.Errorf("%v: want exit code %d and %q, got %v", tc.args, tc.code, tc.want, r)
		}
	}
}

func TestParseCard(t *testing.T) {
	for text, want := range map[string]client.Card{
		"4111111111111111\n":                            {PAN: "4111111111111111"},
		"4111111111111111 3012":                         {PAN: "4111111111111111", Expiry: "3012"},
		`{"pan": "4111111111111111", "expiry": "3012"}`: {PAN: "4111111111111111", Expiry: "3012"},
	} {
		if got, err := parseCard([]byte(text)); err != nil || got != want {
			t.Errorf("%v", err)
		}
	}
	for _, text := range []string{"", "a b c", "{", `{"pan":""}`, `{"pan":"4111111111111111","cvv":"123"}`, `{"pan":"4111111111111111"} {}`} {
		_, err := parseCard([]byte(text))
		if err == nil {
			t.Errorf("%q was accepted", text)
			continue
		}
		noPAN(t, err.Error())
	}
}

func TestTestCards(t *testing.T) {
	for i, c := range testCards {
		if _, err := iso8583.ParsePAN(c.pan); err != nil {
			t.Errorf("test card %d: %v", i+1, err)
		}
	}
}

func TestParseAmount(t *testing.T) {
	for _, tc := range []struct {
		text, currency string
		want           int64 // 0: refused
	}{
		{"12.34", "CNY", 1234}, {"12", "CNY", 1200}, {"0.01", "CNY", 1}, {"007.50", "CNY", 750},
		{"12", "JPY", 12}, {"1.234", "KWD", 1234}, {"9999999999.99", "CNY", iso8583.MaxMinor},
		{"12.3", "CNY", 0}, {"12.345", "CNY", 0}, {"12.", "CNY", 0}, {".50", "CNY", 0}, {"1.00", "JPY", 0}, {"1,00", "CNY", 0},
		{"-1", "CNY", 0}, {"+1", "CNY", 0}, {"0", "CNY", 0}, {"0.00", "CNY", 0}, {"", "CNY", 0}, {"1e3", "CNY", 0}, {"1.2.3", "KWD", 0},
		{"10000000000", "CNY", 0}, {"99999999999999999999999999", "CNY", 0}, {"１", "CNY", 0}, {" 1", "CNY", 0},
	} {
		c, err := iso8583.ParseCurrency(tc.currency)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseAmount(tc.text, c)
		if got != tc.want || (err == nil) != (tc.want > 0) {
			t.Errorf("%q %s: got %d, %v", tc.text, tc.currency, got, err)
		}
	}
}

// A card that is read from a file is not in the arguments, and no message
// quotes it.
func TestCardFile(t *testing.T) {
	b := newBed(t, declining)
	file := filepath.Join(t.TempDir(), "card")
	write(t, file, `{"pan": "5555555555554444", "expiry": "3012", "entry_mode": "021"}`)
	r := b.sale("", "3.00", "file", "--card-file", file, "--confirm", "yes")
	if r.code != exitOK || !strings.Contains(r.out, "555555******4444") {
		t.Errorf("%v", r)
	}
	noPAN(t, r.out+r.errOut)
	write(t, file, "5555555555554445")
	r = b.sale("", "3.00", "file2", "--card-file", file, "--confirm", "yes")
	if r.code != exitRefused || strings.Contains(r.errOut, "5555555555554445") || !strings.Contains(r.errOut, "card number") {
		t.Errorf("%v", r)
	}
	files, err := filepath.Glob(filepath.Join(b.dir, "journal", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the journal cannot be read: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a segment that was being prepared has its name now
		}
		if err != nil || strings.Contains(string(data), "5555555555554444") {
			t.Errorf("%s holds a card number, or cannot be read: %v", name, err)
		}
	}
}
