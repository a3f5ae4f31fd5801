package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// commit makes a confirmed sale or pre-authorisation and gives its UUID.
func (b *bed) commit(typ iso8583.Type, amount, ref string) string {
	b.t.Helper()
	r := b.run(string(typ), "--terminal", "DEV00001", "--currency", "CNY", "--amount", amount, "--sale", ref, "--test-card", "1", "--confirm", "yes")
	if r.code != exitOK {
		b.t.Fatalf("%v", r)
	}
	return b.uuid(ref)
}

// expect runs a command, wants its exit code and compares what it prints.
func (b *bed) expect(name string, code int, args ...string) {
	b.t.Helper()
	r := b.run(args...)
	if r.code != code {
		b.t.Errorf("%s: want exit code %d, got %v", name, code, r)
	}
	noPAN(b.t, r.String())
	golden(b.t, name, b.mask(r.String()))
}

func (b *bed) net(want int64) {
	b.t.Helper()
	if got := hostsim.Summarise(b.host.Ledger()).NetTotal; got != want {
		b.t.Errorf("the acquirer holds %d, want %d", got, want)
	}
}

func TestVoidAndRefund(t *testing.T) {
	b := newBed(t, declining)
	voided := b.commit(iso8583.Sale, "12.34", "voided")
	b.expect("void", exitOK, "void", voided)
	b.net(0)
	b.expect("void-again", exitRefused, "void", voided)
	b.expect("show-voided", exitOK, "show", voided)

	back := b.commit(iso8583.Sale, "10.00", "back")
	// From another terminal of the same merchant, with the UUID in capitals.
	b.expect("refund-part", exitOK, "refund", strings.ToUpper(back), "--amount", "4.00", "--terminal", "DEV00002")
	b.expect("refund-above", exitRefused, "refund", back, "--amount", "6.01")
	b.expect("void-after-refund", exitRefused, "void", back)
	b.expect("list-types", exitOK, "list")
	b.expect("refund-rest", exitOK, "refund", back, "--amount", "6")
	b.expect("show-refunded", exitOK, "show", back)
	b.net(0)
}

func TestPreAuth(t *testing.T) {
	b := newBed(t, declining)
	hold := b.commit(iso8583.PreAuth, "50.00", "room")
	b.expect("void-of-preauth", exitRefused, "void", hold)
	b.expect("complete", exitOK, "complete", hold, "--amount", "42.00")
	b.net(4200)
	b.expect("show-completed", exitOK, "show", hold)
	b.expect("preauth-void-completed", exitRefused, "preauth-void", hold)
	b.expect("preauth-void", exitOK, "preauth-void", b.commit(iso8583.PreAuth, "7.00", "deposit"))
	b.net(4200)
	r := b.run("preauth", "--terminal", "DEV00001", "--currency", "CNY", "--amount", "51.00", "--sale", "no", "--test-card", "1")
	if r.code != exitNotApproved || !strings.HasPrefix(r.out, "NOT HELD  51.00 CNY") {
		t.Errorf("%v", r)
	}
}

func TestBalance(t *testing.T) {
	b := newBed(t, declining)
	b.commit(iso8583.PreAuth, "50.00", "room")
	ask := []string{"balance", "--terminal", "DEV00001", "--currency", "CNY", "--test-card", "1"}
	b.expect("balance", exitOK, ask...)
	b.fault(hostsim.Fault{Action: hostsim.Cut, Match: hostsim.Match{Kind: iso8583.Balance.Kind()}, Count: 1})
	b.expect("balance-failed", exitNotApproved, ask...)
	b.expect("list-balance", exitOK, "list", "--state", "failed")
}

func (b *bed) fault(f hostsim.Fault) {
	b.t.Helper()
	if _, err := b.host.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

// While one that follows is undecided another is refused; the first one, asked
// for again under its UUID, stays itself, and what was lost is taken back.
func TestFollowUpUndecided(t *testing.T) {
	b := newBed(t, declining, "response_timeout: 5s", "response_timeout: 1h")
	sale := b.commit(iso8583.Sale, "10.00", "s")
	b.fault(hostsim.Fault{Action: hostsim.DropResponse, Match: hostsim.Match{Kind: iso8583.Void.Kind()}, Count: 1})
	lost := client.NewUUID()
	again := []string{"void", sale, "--uuid", lost}
	within(t, func() bool {
		r := b.run(append(again, "--timeout", "100ms")...)
		if r.code != exitUndecided || !strings.Contains(r.errOut, "counterfoil show "+lost) {
			t.Fatalf("%v", r)
		}
		return b.run("show", lost).code == exitOK // it got through
	})
	b.expect("refund-busy", exitRefused, "refund", sale, "--amount", "1")
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	b.start() // an agent that comes back takes it back
	if r := b.run(again...); r.code != exitNotApproved || !strings.HasPrefix(r.out, "NOT VOIDED  10.00 CNY") {
		t.Errorf("%v", r)
	}
	within(t, func() bool { return strings.Contains(b.run("show", lost).out, "now reversed") })
	b.net(1000)
	second := client.NewUUID()
	for range 2 { // the second time it is the same void
		if r := b.run("void", sale, "--uuid", second); r.code != exitOK {
			t.Errorf("%v", r)
		}
	}
	b.net(0)
	if r := b.run("show", sale); !strings.Contains(r.out, lost+" is not done") || !strings.Contains(r.out, second+" is done") {
		t.Errorf("%v", r)
	}
}

func TestFollowUpRefused(t *testing.T) {
	b := newBed(t, declining)
	b.expect("original-unknown", exitRefused, "void", client.NewUUID())
	left := client.NewUUID()
	if r := b.sale("", "1.00", "left", "--test-card", "1", "--confirm", "leave", "--uuid", left); r.code != exitUndecided {
		t.Fatalf("%v", r)
	}
	b.expect("original-open", exitRefused, "void", left)
	r := b.run("void", left, "--json")
	_, line, _ := strings.Cut(r.errOut, "\n")
	var refused struct{ Problem client.Problem }
	if err := json.Unmarshal([]byte(line), &refused); err != nil || refused.Problem.Code != "original_open" || refused.Problem.Retry != client.RetryPoll {
		t.Errorf("%v: %v", err, r)
	}
}

// A dialect without balance inquiries.
func TestUnsupportedType(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "iso8583", "profile", "profiles", devProfile+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var dialect map[string]any
	if err := json.Unmarshal(data, &dialect); err != nil {
		t.Fatal(err)
	}
	wire := dialect["wire"].(map[string]any)
	for _, part := range []string{"messages", "processing"} {
		delete(wire[part].(map[string]any), string(iso8583.Balance))
	}
	out, err := json.Marshal(dialect)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "without.json")
	write(t, path, string(out))
	b := newBed(t, declining, "profile: "+devProfile, "profile: "+path)
	b.expect("unsupported", exitRefused, "balance", "--terminal", "DEV00001", "--currency", "CNY", "--test-card", "1")
}

// An offline sale is paid as soon as it is journaled, and the acquirer has it
// soon after; where the dialect has none it is refused.
func TestOfflineSale(t *testing.T) {
	args := []string{"offline", "--terminal", "DEV00001", "--amount", "12.34", "--currency", "CNY", "--sale", "o-1", "--auth-code", "V00001", "--test-card", "1"}
	slow := declining // the acquirer takes it only after this test
	slow.Faults = []hostsim.Fault{{Action: hostsim.DropRequest, Match: hostsim.Match{Kind: iso8583.Offline.Kind()}}}
	b := newBed(t, slow, "profile: "+devProfile, "profile: iso87-ascii-inquiry")
	b.expect("offline", exitOK, args...)
	b.expect("offline-again", exitRefused, args...)
	args[len(args)-3] = "V-1"
	b.expect("offline-bad-code", exitRefused, args...)
	other := newBed(t, declining)
	other.expect("offline-unsupported", exitRefused, append(args[:len(args)-4:len(args)-4], "--test-card", "1")...)
}

func TestFollowUpUsage(t *testing.T) {
	b := newBed(t, declining)
	sale := b.commit(iso8583.Sale, "10.00", "s")
	for _, tc := range []struct {
		want string
		code int
		args []string
	}{
		{"accepts 1 arg", exitUsage, []string{"void"}},
		{"is no UUID", exitUsage, []string{"void", "../health"}},
		{"required flag", exitUsage, []string{"refund", sale}},
		{"--amount: want major units with 2 decimals", exitUsage, []string{"refund", sale, "--amount", "1.5"}},
		{"unknown flag: --amount", exitUsage, []string{"void", sale, "--amount", "1"}},
		{"unknown flag: --confirm", exitUsage, []string{"refund", sale, "--amount", "1", "--confirm", "yes"}},
		{"unknown flag: --sale", exitUsage, []string{"complete", sale, "--amount", "1", "--sale", "x"}},
		{"is no UUID", exitUsage, []string{"void", sale, "--uuid", "x"}},
		{"--timeout", exitUsage, []string{"void", sale, "--timeout", "0s"}},
		{"--test-card: want 1 to", exitUsage, []string{"void", sale, "--test-card", "99"}},
		{"required flag", exitUsage, []string{"balance", "--terminal", "DEV00001"}},
		{"no card", exitUsage, []string{"balance", "--terminal", "DEV00001", "--currency", "CNY"}},
		{"--currency", exitUsage, []string{"balance", "--terminal", "DEV00001", "--currency", "RMB", "--test-card", "1"}},
		{"unknown_terminal", exitRefused, []string{"void", sale, "--terminal", "NOBODY00"}},
	} {
		if r := b.run(tc.args...); r.code != tc.code || !strings.Contains(r.errOut, tc.want) || r.out != "" {
			t.Errorf("%v: want exit code %d and %q, got %v", tc.args, tc.code, tc.want, r)
		}
	}
	if r := command(t, "void", sale, "--socket", filepath.Join(b.dir, "none")); r.code != exitFailed || !strings.Contains(r.errOut, "counterfoil run") {
		t.Errorf("%v", r)
	}
}

// Every type has a command, and every command's help says what it takes.
func TestTypeCommands(t *testing.T) {
	if len(typeCommands) != len(iso8583.Types()) {
		t.Errorf("%d commands for %d types", len(typeCommands), len(iso8583.Types()))
	}
	for i := range typeCommands {
		c := &typeCommands[i]
		name, _, _ := strings.Cut(c.use, " ")
		r := command(t, name, "--help")
		if r.code != exitOK || strings.Contains(r.out, "UUID --") && !c.follows() || strings.Contains(r.out, "--confirm") != c.NeedsConfirmation() {
			t.Errorf("%s: %v", c.Type, r)
		}
	}
}

func TestBalanceOf(t *testing.T) {
	for de54, want := range map[string]string{
		"0002156C000000012345":                     "available 123.45 CNY",
		"0001156D0000000001000002156C000000000000": "ledger -1.00 CNY, available 0.00 CNY",
		"0040156C000000000001":                     "type 40 0.01 CNY",
		"0002156C00000001234":                      "0002156C00000001234",
		"0002156X000000012345":                     "0002156X000000012345",
		"0002156C0000000+2345":                     "0002156C0000000+2345",
		"":                                         "",
	} {
		if got := balanceOf(de54); got != want {
			t.Errorf("%q: got %q, want %q", de54, got, want)
		}
	}
}
