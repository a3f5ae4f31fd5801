package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A day of a terminal: paid, declined, and a reversal that the acquirer
// refuses, until a person decides.
func TestDay(t *testing.T) {
	b := newBed(t, declining, "message_lifetime: 10s", "message_lifetime: 1ms")
	b.list("list-empty", "list")
	b.list("recovery-empty", "recovery")
	b.list("escalations-empty", "escalations")
	if _, err := b.host.AddFault(hostsim.Fault{Action: hostsim.RefuseReversal, Code: "21", Match: hostsim.Match{Kind: iso8583.KindReversal}}); err != nil {
		t.Fatal(err)
	}
	b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	b.sale("", "51.00", "declined", "--test-card", "3", "--confirm", "yes")
	b.cancelled("refused")
	b.eventually("refused", func(t *client.Transaction) bool { return len(t.Items) == 1 })
	uuid := b.uuid("refused")

	b.list("list", "list")
	b.list("list-declined", "list", "--state", "declined", "--terminal", "DEV00001")
	b.list("list-sale", "list", "--sale", "paid")
	if r := b.run("list", "--since", "1h", "--limit", "1"); r.code != exitOK || strings.Count(r.out, "\n") != 2 || !strings.Contains(r.errOut, "The list was cut") {
		t.Errorf("%v", r)
	}
	if r := b.run("list", "--state", "open"); strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, "reversing") {
		t.Errorf("%v", r)
	}
	for _, bad := range [][]string{{"--since", "yesterday"}, {"--limit", "0"}} {
		if r := b.run(append([]string{"list"}, bad...)...); r.code != exitUsage {
			t.Errorf("%v", r)
		}
	}
	b.list("list-bad-state", "list", "--state", "lost")
	b.list("escalations", "escalations")
	b.list("show-paid", "show", b.uuid("paid"))

	// Recovery holds what the application has not shown.
	b.sale("", "1.00", "left", "--test-card", "1", "--confirm", "leave")
	b.list("recovery", "recovery")

	b.list("escalations-ack", "escalations", "ack", uuid, "--who", "Li Na")
	var taken client.Transaction
	if r := b.run("escalations", "ack", uuid, "--who", "Li Na", "--json"); json.Unmarshal([]byte(r.out), &taken) != nil || taken.Items[0].AcknowledgedBy != "Li Na" {
		t.Errorf("%v", r)
	}
	b.list("escalations-taken-on", "escalations")
	b.list("escalations-ack-nobody", "escalations", "ack", uuid)
	b.list("resolve-too-early", "resolve", uuid, "acquirer-reversed", "--who", "Li Na", "--why", "phoned", "--reference", "R1")
	b.list("resolve-no-reference", "resolve", uuid, "acquirer-reversed", "--who", "Li Na", "--why", "phoned")
	b.list("resolve-park", "resolve", uuid, "park", "--who", "Li Na", "--why", "asking the acquirer")
	// What was sent last may still arrive; once it cannot, the acquirer's word
	// is taken.
	var r result
	within(t, func() bool {
		r = b.run("resolve", uuid, "acquirer-reversed", "--who", "Li Na", "--why", "phoned", "--reference", "R1", "--json")
		return r.code == exitOK || !strings.Contains(r.errOut, "too_early")
	})
	var got client.Transaction
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.State != "reversed" {
		t.Errorf("%v: %v", err, r)
	}
}

// cancelled makes a sale whose application cancels it and then says nothing
// more.
func (b *bed) cancelled(sale string) {
	b.t.Helper()
	c := client.New(b.socket)
	defer c.Close()
	h, err := c.Health(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	uuid := client.NewUUID()
	_, err = c.Begin(b.t.Context(), uuid, client.Begin{
		Type: iso8583.Sale, Terminal: "DEV00001", Epoch: h.Epoch, Amount: 700, Currency: "CNY", Sale: sale,
		Card: client.Card{PAN: testCards[3].pan},
	}, patience)
	if err == nil {
		_, err = c.Cancel(b.t.Context(), uuid, "customer")
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// run runs a command against the bed.
func (b *bed) run(args ...string) result {
	b.t.Helper()
	return command(b.t, append(args, "--socket", b.socket)...)
}

// list runs a command against the bed and compares what it prints.
func (b *bed) list(name string, args ...string) {
	b.t.Helper()
	r := b.run(args...)
	noPAN(b.t, r.String())
	golden(b.t, name, b.mask(r.String()))
}

func TestListJSON(t *testing.T) {
	b := newBed(t, declining)
	b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	for _, name := range []string{"list", "recovery", "escalations"} {
		r := b.run(name, "--json")
		var l client.List
		if err := json.Unmarshal([]byte(r.out), &l); err != nil || r.code != exitOK || l.Transactions == nil {
			t.Errorf("%s: %v: %v", name, err, r)
		}
		if want := map[string]int{"list": 1}[name]; len(l.Transactions) != want {
			t.Errorf("%s: %d transactions, want %d", name, len(l.Transactions), want)
		}
	}
	r := b.run("show", b.uuid("paid"), "--json")
	var got client.Transaction
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got.Timeline) != 4 || got.RulesHash == "" || len(got.Rules) == 0 {
		t.Errorf("%v: %v", err, r)
	}
	// Every rule that it keeps, by the keys of profile describe.
	described, shown := command(t, "profile", "describe", "iso87-ascii").out, b.run("show", b.uuid("paid"), "--rules").out
	for line := range strings.Lines(described[strings.Index(described, "RULE"):]) {
		if key := strings.Fields(line); len(key) > 0 && strings.HasPrefix(key[0], "rules.") && !strings.Contains(shown, "\n"+key[0]+" ") {
			t.Errorf("show --rules has no %s", key[0])
		}
	}
}

func TestShowUnknown(t *testing.T) {
	b := newBed(t, declining)
	if r := b.run("show", client.NewUUID()); r.code != exitRefused || !strings.Contains(r.errOut, "not_found") {
		t.Errorf("%v", r)
	}
	if r := b.run("show", "nonsense"); r.code != exitUsage {
		t.Errorf("%v", r)
	}
}

func TestChinese(t *testing.T) {
	b := newBed(t, declining)
	r := b.sale("", "12.34", "paid", "--test-card", "1", "--confirm", "yes")
	if !strings.Contains(r.out, "Paid.") {
		t.Errorf("%v", r)
	}
	a := &app{getenv: func(name string) string { return map[string]string{"LANG": "zh_CN.UTF-8"}[name] }}
	if got := a.text(client.Text{EN: "Paid", ZH: "支付成功"}); got != "支付成功" {
		t.Errorf("got %s", got)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"journal", "nonsense"}, {"show"}, {"show", "a", "b"}, {"list", "x"}, {"list", "--nonsense"},
		{"resolve", client.NewUUID(), "nonsense", "--who", "a", "--why", "b"}, {"run"}, {"check"}, {"journal", "dump"}, {"list", "--zone", "Nowhere"},
	} {
		if r := command(t, args...); r.code != exitUsage || r.errOut == "" {
			t.Errorf("%v: %v", args, r)
		}
	}
	for _, args := range [][]string{{"help"}, {"help", "exit-codes"}, {"journal"}, {}, {"version"}, {"--help"}} {
		if r := command(t, args...); r.code != exitOK || r.out == "" {
			t.Errorf("%v: %v", args, r)
		}
	}
}

func TestVersionJSON(t *testing.T) {
	r := command(t, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(r.out), &b); err != nil || b.Version == "" || b.Go == "" || len(b.Profiles) == 0 {
		t.Errorf("%v: %v", err, r)
	}
}
