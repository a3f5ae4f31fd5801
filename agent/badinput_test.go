package agent_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// raw makes one call on a connection of its own.
func (l *lab) raw(method, path, body string) (*http.Response, []byte) {
	l.t.Helper()
	req, err := http.NewRequest(method, "http://counterfoil"+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Close = true
	c, err := l.http.dial(l.ctx())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() { _ = req.Write(c) }() // what is refused half-way is not read to its end
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return res, answer
}

// problemCase is one refusal.
type problemCase struct {
	name, method, path, body string

	status int
	code   string
	retry  client.Retry
	field  string
}

// refused makes the call and holds the answer to the form that all refusals
// have. Nothing may be journaled.
func (l *lab) refused(t *testing.T, c problemCase) *client.Problem {
	t.Helper()
	synctest.Wait()
	before := l.journal.Last()
	res, answer := l.raw(c.method, c.path, c.body)
	synctest.Wait()
	if after := l.journal.Last(); after != before {
		t.Errorf("%s: %d entries were journaled", c.name, after-before)
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("%s: %s %s: %s", c.name, res.Status, ct, answer)
	}
	var p client.Problem
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%s: %v: %s", c.name, err, answer)
	}
	if res.StatusCode != c.status || p.Status != c.status || p.Code != c.code || p.Retry != c.retry || p.Field != c.field {
		t.Errorf("%s: got %d %+v, want %d %s %s, field %q", c.name, res.StatusCode, p, c.status, c.code, c.retry, c.field)
	}
	if p.Title == "" || p.Type == "" {
		t.Errorf("%s: no title or type: %s", c.name, answer)
	}
	noCardData(t, c.name+": the answer", string(answer))
	return &p
}

// scene is a lab with a transaction in every state.
type scene struct {
	*lab
	approved, confirmed, declined, reversed, pending, reversing, parked string
}

const declineAmount, muteAmount, owedAmount = 5100, 6800, 6801

func newScene(l *lab) *scene {
	s := &scene{lab: l}
	make := func(ref string, amount int64) string {
		id := client.NewUUID()
		l.begin(id, l.sale(ref, amount), 0)
		synctest.Wait()
		return id
	}
	must := func(_ *client.Transaction, err error) {
		if err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
	}
	s.approved, s.confirmed = make("APPROVED", 100), make("CONFIRMED", 100)
	must(l.client.Confirm(l.ctx(), s.confirmed))
	s.declined, s.reversed, s.pending = make("DECLINED", declineAmount), make("REVERSED", 100), make("PENDING", muteAmount)
	must(l.client.Cancel(l.ctx(), s.reversed, "customer"))
	s.reversing, s.parked = make("REVERSING", owedAmount), make("PARKED", owedAmount)
	must(l.client.Cancel(l.ctx(), s.reversing, "customer"))
	must(l.client.Cancel(l.ctx(), s.parked, "customer"))
	must(l.client.Resolve(l.ctx(), s.parked, client.Resolve{Verb: "park", Who: "anna", Why: "acquirer rang"}))
	for id, want := range map[string]string{
		s.approved: "approved", s.confirmed: "confirmed", s.declined: "declined", s.reversed: "reversed",
		s.pending: "pending", s.reversing: "reversing", s.parked: "reversing",
	} {
		l.state(id, want)
	}
	return s
}

// moody declines one amount, never answers another, and loses the reversals of
// a third.
func moody(l *lab) {
	l.host.policy.Declines = []hostsim.DeclineRule{{Amount: declineAmount, Code: "51"}}
	l.host.mishap = func(m *iso8583.Message, _ int) mishap {
		minor, _ := iso8583.ParseDE4(m.Get(4))
		return mishap{mute: minor == muteAmount, drop: minor == owedAmount && m.MTI.Class() == '4'}
	}
}

// with gives the body of a sale with one value replaced, as raw JSON.
func (l *lab) with(key, value string) string {
	all := map[string]string{
		"type": `"sale"`, "terminal": `"` + testTID + `"`, "epoch": fmt.Sprint(l.epoch), "amount": "100", "currency": `"CNY"`,
		"sale": `"NEW"`, "card": `{"pan":"` + testPAN + `"}`,
	}
	if inner, ok := strings.CutPrefix(key, "card."); ok {
		key, value = "card", `{"pan":"`+testPAN+`","`+inner+`":`+value+`}`
		if inner == "pan" {
			value = `{"pan":` + strings.TrimSuffix(strings.SplitN(value, `"pan":`, 3)[2], "}") + `}`
		}
	}
	if key != "" {
		all[key] = value
	}
	var parts []string
	for _, k := range []string{"type", "terminal", "epoch", "amount", "currency", "sale", "part", "card"} {
		if v := all[k]; v != "" {
			parts = append(parts, `"`+k+`":`+v)
		}
		delete(all, k)
	}
	for k, v := range all {
		parts = append(parts, `"`+k+`":`+v)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// chip is card data with chip data, as raw JSON.
func chip(emv string) string {
	return `{"pan":"` + testPAN + `","entry_mode":"051","emv":"` + emv + `"}`
}

func handle(data, masked, token string) string {
	return fmt.Sprintf(`{"handle":{"data":%q,"ksn":"FFFF9876543210E00001","masked":%q,"token":%q}}`, data, masked, token)
}

// balance is the body of a balance inquiry with something added.
func (l *lab) balance(more string) string {
	return fmt.Sprintf(`{"type":"balance","terminal":%q,"epoch":%d,"currency":"CNY","card":{"pan":%q},%s}`, testTID, l.epoch, testPAN, more)
}

// Issue 2, "Bad input": each a clear problem+json with its code and retry, and
// nothing journaled.
func TestBadInput(t *testing.T) {
	bubble(t, func(l *lab) {
		for _, c := range badInput(newScene(l)) {
			l.refused(t, c)
		}
	}, moody)
}

func badInput(s *scene) []problemCase {
	fresh := func() string { return "/v1/transactions/" + client.NewUUID() }
	of := func(uuid, verb string) string { return "/v1/transactions/" + uuid + "/" + verb }
	field := func(name, key, value, field string) problemCase {
		return problemCase{name, "PUT", fresh(), s.with(key, value), 422, "bad_field", client.RetryNewID, field}
	}
	body := func(name, body string) problemCase {
		return problemCase{name, "PUT", fresh(), body, 400, "bad_request", client.RetryNewID, ""}
	}
	verb := func(name, uuid, verb, body, code string, retry client.Retry) problemCase {
		status := map[string]int{"not_found": 404, "bad_field": 422, "invalid": 422}[code]
		if status == 0 {
			status = 409
		}
		return problemCase{name, "POST", of(uuid, verb), body, status, code, retry, ""}
	}
	named := func(c problemCase, field string) problemCase { c.field = field; return c }
	unknown := client.NewUUID()
	long := strings.Repeat("x", 501)
	who := `"who":"anna","why":"acquirer rang"`
	return []problemCase{
		{"unknown field", "PUT", fresh(), s.with("tip", "5"), 400, "unknown_field", client.RetryNewID, "tip"},
		{"unknown field that is no name", "PUT", fresh(), s.with("4111 1111 1111 1111", "5"), 400, "unknown_field", client.RetryNewID, "…"},
		{"unknown field of the card", "PUT", fresh(), s.with("card.cvv", `"123"`), 400, "unknown_field", client.RetryNewID, "cvv"},
		{"unknown field of a verb", "POST", of(s.approved, "cancel"), `{"reason":"customer","amount":5}`, 400, "unknown_field", client.RetryNewID, "amount"},
		{"confirm that says something", "POST", of(s.approved, "confirm"), `{"verdict":"declined"}`, 400, "unknown_field", client.RetryNewID, "verdict"},

		field("wrong type: text for a number", "amount", `"100"`, "amount"),
		field("wrong type: number for text", "sale", `5`, "sale"),
		field("wrong type: text for the card", "card", `"`+testPAN+`"`, "card"),
		field("wrong type: number for the PAN", "card.pan", testPAN, "card.pan"),
		{"wrong type: list for all", "PUT", fresh(), "[]", 422, "bad_field", client.RetryNewID, ""},
		field("amount missing", "amount", "", "amount"),
		field("amount null", "amount", "null", "amount"),
		field("amount zero", "amount", "0", "amount"),
		field("amount negative", "amount", "-100", "amount"),
		field("amount fractional", "amount", "12.34", "amount"),
		field("amount with an exponent", "amount", "1e30", "amount"),
		field("amount too long for DE 4", "amount", "1000000000000", "amount"),
		field("amount too long for a number", "amount", "99999999999999999999", "amount"),
		field("type unknown", "type", `"cashback"`, "type"),
		field("type missing", "type", "", "type"),
		field("currency unknown", "currency", `"XYZ"`, "currency"),
		field("currency in small letters", "currency", `"cny"`, "currency"),
		field("currency unknown number", "currency", `"999"`, "currency"),
		field("currency missing", "currency", "", "currency"),
		field("sale missing", "sale", "", "sale"),
		field("sale too long", "sale", `"`+strings.Repeat("S", 65)+`"`, "sale"),
		field("sale with a space", "sale", `"S 1"`, "sale"),
		field("sale with a slash", "sale", `"S/1"`, "sale"),
		field("sale holds the card number", "sale", `"S-`+testPAN+`"`, "sale"),
		field("sale holds another card number", "sale", `"6228480000000000000"`, "sale"),
		field("part too long", "part", `"12345678901234567"`, "part"),
		field("part holds the card number", "part", `"`+testPAN+`"`, "part"),
		field("epoch missing", "epoch", "", "epoch"),
		field("epoch negative", "epoch", "-1", "epoch"),
		field("terminal missing", "terminal", "", "terminal"),
		field("terminal too long", "terminal", `"T00000001"`, "terminal"),
		field("card missing", "card", "", "card.pan"),
		field("PAN missing", "card", `{}`, "card.pan"),
		field("PAN with letters", "card.pan", `"411111111111111a"`, "card.pan"),
		field("PAN with spaces", "card.pan", `"4111 1111 1111 1111"`, "card.pan"),
		field("PAN with a bad check digit", "card.pan", `"4111111111111112"`, "card.pan"),
		field("PAN too short", "card.pan", `"41111111115"`, "card.pan"),
		field("PAN too long", "card.pan", `"41111111111111111111"`, "card.pan"),
		field("expiry", "card.expiry", `"1330"`, "card.expiry"),
		field("expiry's month", "card.expiry", `"3013"`, "card.expiry"),
		field("entry mode", "card.entry_mode", `"5"`, "card.entry_mode"),
		field("track 2", "card.track2", `";4111111111111111=30121010000012300?"`, "card.track2"),
		field("track 2 too long", "card.track2", `"4111111111111111=301210100000123001234"`, "card.track2"),
		field("PIN block", "card.pin_block", `"1234"`, "card.pin_block"),
		field("track 2 of another card", "card.track2", `"6228480000000000000=3012"`, "card.track2"),
		field("expiry that is not the track's", "card", `{"track2":"`+testTrack+`","expiry":"3011"}`, "card.expiry"),
		field("chip entry without chip data", "card.entry_mode", `"051"`, "card.emv"),
		field("chip data of no chip entry", "card.emv", `"9F2608A1A2A3A4A5A6A7A8"`, "card.entry_mode"),
		field("chip data that are no hexadecimal", "card", chip(testPAN+"x"), "card.emv"),
		field("chip data cut short", "card", chip("9F2608A1A2"), "card.emv"),
		field("chip data of indefinite length", "card", chip("70809F26"), "card.emv"),
		field("chip data nested without end", "card", chip(strings.Repeat("7002", 6)), "card.emv"),
		field("chip data with a tag twice", "card", chip(chipSent+"95050000000000"), "card.emv"),
		field("chip data with a cryptogram of no length", "card", chip("9F2600"), "card.emv"),
		field("chip data with nothing for the acquirer", "card", chip("5F200141"), "card.emv"),
		field("chip data too long for DE 55", "card", chip(chipSent+"9F6E8200C8"+strings.Repeat("00", 200)), "card.emv"),
		field("chip data beyond all bounds", "card", chip(strings.Repeat("00", 1025)), "card.emv"),
		field("chip data that hold the number where it is kept", "card", chip("8408"+testPAN+chipKept), "card.emv"),
		field("handle and number", "card.handle", `{"data":"00","ksn":"FFFF9876543210E00001","masked":"`+testMasked+`","token":"12345678"}`, "card.handle"),
		field("handle without data", "card", handle("", testMasked, "12345678"), "card.handle.data"),
		field("handle with a masked number that is not", "card", handle("00", testPAN, "12345678"), "card.handle.masked"),
		field("handle without a token", "card", handle("00", testMasked, ""), "card.handle.token"),
		field("partial", "partial", `"maybe"`, "partial"),
		{"partial of a balance", "PUT", fresh(), s.balance(`"partial":"accept"`), 422, "bad_field", client.RetryNewID, "partial"},

		body("nothing", ""),
		body("no JSON", "sale=5"),
		body("half an object", s.with("", "")[:40]),
		body("trailing data", s.with("", "")+" {}"),
		body("a brace too many", s.with("", "")+"}"),
		body("a bracket too many", s.with("", "")+" ]"),
		body("a key twice", strings.Replace(s.with("", ""), `"amount":100`, `"amount":100,"amount":200`, 1)),
		body("a key twice, in two cases", strings.Replace(s.with("", ""), `"amount":100`, `"amount":100,"Amount":200`, 1)),
		body("a key of the card twice", s.with("card", `{"pan":"`+testPAN+`","pan":"6228480000000000000"}`)),
		{"body over the limit", "PUT", fresh(), s.with("sale", `"`+strings.Repeat("S", agent.MaxBody)+`"`), 413, "body_too_large", client.RetryNewID, ""},

		{"UUID that is none", "PUT", "/v1/transactions/42", s.with("", ""), 400, "bad_uuid", client.RetryNewID, ""},
		{"UUID that is a card number", "GET", "/v1/transactions/" + testPAN, "", 400, "bad_uuid", client.RetryNewID, ""},
		{"path unknown", "GET", "/v1/tills", "", 404, "no_such_path", client.RetryNever, ""},
		{"path not clean", "GET", "/v1//health", "", 404, "no_such_path", client.RetryNever, ""},
		{"path with dots", "GET", "/v1/transactions/../health", "", 404, "no_such_path", client.RetryNever, ""},
		{"method", "DELETE", "/v1/transactions/" + s.approved, "", 405, "method_not_allowed", client.RetryNever, ""},
		{"method of a verb", "GET", of(s.approved, "confirm"), "", 405, "method_not_allowed", client.RetryNever, ""},
		{"wait is no duration", "GET", "/v1/transactions/" + s.approved + "?wait=soon", "", 422, "bad_field", client.RetryNewID, "wait"},
		{"wait is negative", "PUT", fresh() + "?wait=-1s", s.with("", ""), 422, "bad_field", client.RetryNewID, "wait"},
		{"wait is too long", "PUT", fresh() + "?wait=121s", s.with("", ""), 422, "bad_field", client.RetryNewID, "wait"},
		{"state unknown", "GET", "/v1/transactions?state=paid", "", 422, "bad_field", client.RetryNewID, "state"},
		{"state none", "GET", "/v1/transactions?state=none", "", 422, "bad_field", client.RetryNewID, "state"},

		{"UUID reused with another body", "PUT", "/v1/transactions/" + s.approved, s.with("amount", "101"), 409, "uuid_reused", client.RetryNewID, ""},
		{"old epoch", "PUT", fresh(), s.with("epoch", fmt.Sprint(s.epoch-1)), 410, "epoch_old", client.RetryNever, ""},
		{"epoch of the future", "PUT", fresh(), s.with("epoch", "4111111111111111"), 410, "epoch_old", client.RetryNever, ""},
		{"unknown terminal", "PUT", fresh(), s.with("terminal", `"T0000009"`), 422, "unknown_terminal", client.RetryNewID, ""},
		{"second attempt while the first is approved", "PUT", fresh(), s.with("sale", `"APPROVED"`), 409, "sale_open", client.RetryPoll, ""},
		{"second attempt while the first is pending", "PUT", fresh(), s.with("sale", `"PENDING"`), 409, "sale_open", client.RetryPoll, ""},
		{"second attempt at what is paid", "PUT", fresh(), s.with("sale", `"CONFIRMED"`), 409, "sale_paid", client.RetryNever, ""},
		{"never journaled", "GET", "/v1/transactions/" + unknown, "", 404, "not_found", client.RetrySameID, ""},
		{"never journaled, with its timeline", "GET", "/v1/transactions/" + unknown + "?timeline=1", "", 404, "not_found", client.RetrySameID, ""},

		verb("confirm of the unknown", unknown, "confirm", "", "not_found", client.RetrySameID),
		verb("confirm of the pending", s.pending, "confirm", "", "not_decided", client.RetryPoll),
		verb("confirm of the declined", s.declined, "confirm", "", "not_approved", client.RetryNever),
		verb("confirm of the reversed", s.reversed, "confirm", "", "not_approved", client.RetryNever),
		verb("confirm of what is being reversed", s.reversing, "confirm", "{}", "being_reversed", client.RetryNever),
		verb("confirm of another amount", s.approved, "confirm", `{"amount":99}`, "amount_not_agreed", client.RetryPoll),
		verb("confirm with a chip's word where there was none", s.approved, "confirm", `{"chip":{"9F27":"00"}}`, "chip_unexpected", client.RetryPoll),
		named(verb("confirm of a negative amount", s.approved, "confirm", `{"amount":-1}`, "bad_field", client.RetryNewID), "amount"),
		named(verb("confirm with a chip that says nothing", s.approved, "confirm", `{"chip":{}}`, "bad_field", client.RetryNewID), "chip.9F27"),
		named(verb("confirm with a TC that is missing", s.approved, "confirm", `{"chip":{"9F27":"40","95":"0000000000"}}`, "bad_field", client.RetryNewID), "chip.9F26"),
		named(verb("confirm with a verdict too long", s.approved, "confirm", `{"chip":{"9F27":"4040"}}`, "bad_field", client.RetryNewID), "chip.9F27"),
		named(verb("confirm with scripts too long", s.approved, "confirm", `{"chip":{"9F27":"00","scripts":"`+strings.Repeat("00", 51)+`"}}`, "bad_field", client.RetryNewID), "chip.scripts"),
		verb("cancel of the unknown", unknown, "cancel", `{"reason":"customer"}`, "not_found", client.RetrySameID),
		verb("cancel of the confirmed", s.confirmed, "cancel", `{"reason":"customer"}`, "already_confirmed", client.RetryNever),
		named(verb("cancel for no reason", s.approved, "cancel", `{}`, "bad_field", client.RetryNewID), "reason"),
		named(verb("cancel for a reason that is none", s.approved, "cancel", `{"reason":"`+testPAN+`"}`, "bad_field", client.RetryNewID), "reason"),
		verb("shown of the unknown", unknown, "shown", `{"delivered":"yes"}`, "not_found", client.RetrySameID),
		verb("shown before the outcome", s.pending, "shown", `{"delivered":"yes"}`, "not_confirmed", client.RetryPoll),
		verb("shown before the confirmation", s.approved, "shown", `{"delivered":"yes"}`, "not_confirmed", client.RetryPoll),
		named(verb("shown as what is none", s.confirmed, "shown", `{"delivered":"maybe"}`, "bad_field", client.RetryNewID), "delivered"),

		verb("resolve of the unknown", unknown, "resolve", `{"verb":"park",`+who+`}`, "not_found", client.RetrySameID),
		verb("park of the approved", s.approved, "resolve", `{"verb":"park",`+who+`}`, "unsuitable_state", client.RetryNever),
		verb("close of what is not escalated", s.declined, "resolve", `{"verb":"close",`+who+`}`, "unsuitable_state", client.RetryNever),
		verb("the acquirer's word while reversals are sent", s.reversing, "resolve", `{"verb":"acquirer-reversed","reference":"A1",`+who+`}`, "park_first", client.RetrySameID),
		verb("the acquirer's word too soon", s.parked, "resolve", `{"verb":"acquirer-debited","reference":"A1",`+who+`}`, "too_early", client.RetryPoll),
		named(verb("resolve with no verb", s.reversing, "resolve", `{`+who+`}`, "bad_field", client.RetryNewID), "verb"),
		named(verb("resolve by nobody", s.reversing, "resolve", `{"verb":"park","why":"x"}`, "bad_field", client.RetryNewID), "who"),
		named(verb("resolve for no reason", s.reversing, "resolve", `{"verb":"park","who":"anna"}`, "bad_field", client.RetryNewID), "why"),
		named(verb("resolve without the acquirer's reference", s.reversing, "resolve", `{"verb":"acquirer-reversed",`+who+`}`, "bad_field", client.RetryNewID), "reference"),
		named(verb("resolve by somebody long", s.reversing, "resolve", `{"verb":"park","why":"x","who":"`+long+`"}`, "bad_field", client.RetryNewID), "who"),
		named(verb("resolve with a card number", s.reversing, "resolve", `{"verb":"park","who":"anna","why":"card `+testPAN+`"}`, "bad_field", client.RetryNewID), "why"),
		verb("acknowledge of the unknown", unknown, "acknowledge", `{"item":1,"who":"anna"}`, "not_found", client.RetrySameID),
		verb("acknowledge of what nobody has seen", s.parked, "acknowledge", `{"item":99,"who":"anna"}`, "invalid", client.RetryNewID),
		named(verb("acknowledge by a terminal's escape sequence", s.parked, "acknowledge", `{"item":1,"who":"a\u001b[2J"}`, "bad_field", client.RetryNewID), "who"),
		{"sign-on of the unknown", "POST", "/v1/terminals/T9999999/sign-on", "", 422, "unknown_terminal", client.RetryNewID, ""},
		{"sign-off of the unknown", "POST", "/v1/terminals/T9999999/sign-off", "", 422, "unknown_terminal", client.RetryNewID, ""},
		{"sign-off where nothing is signed", "POST", "/v1/terminals/" + testTID + "/sign-off", "", 422, "unsupported_type", client.RetryNever, ""},
		{"sign-on with a body that nobody reads", "POST", "/v1/terminals/" + testTID + "/sign-on", `{"x":1}`, 400, "unknown_field", client.RetryNewID, "x"},
		named(verb("acknowledge by nobody", s.parked, "acknowledge", `{"item":1}`, "bad_field", client.RetryNewID), "who"),
		named(verb("acknowledge of no item", s.parked, "acknowledge", `{"who":"anna"}`, "bad_field", client.RetryNewID), "item"),
		named(verb("acknowledge with a card number", s.parked, "acknowledge", `{"item":1,"who":"`+testPAN+`"}`, "bad_field", client.RetryNewID), "who"),
		named(verb("resolve with a grouped card number", s.reversing, "resolve", `{"verb":"park","who":"anna","why":"card 4111 1111 1111 1111."}`, "bad_field", client.RetryNewID), "why"),
	}
}

// The same UUID with the same body answers the same transaction, and runs
// nothing.
func TestSameRequestAgain(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		first := l.begin(id, l.sale("S1", 100), time.Minute)
		last := l.journal.Last()
		res, answer := l.raw("PUT", "/v1/transactions/"+strings.ToUpper(id), string(mustJSON(t, l.sale("S1", 100))))
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", res.Status, answer)
		}
		var again client.Transaction
		if err := json.Unmarshal(answer, &again); err != nil || again.STAN != first.STAN || again.State != first.State {
			t.Fatalf("%v %s", err, answer)
		}
		if l.journal.Last() != last || len(l.host.messages()) != 1 {
			t.Errorf("something was journaled or sent: %v", l.host.messages())
		}
	})
}

func mustJSON(t testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Operators' verbs are refused to others before the body is looked at.
func TestOperatorsOnly(t *testing.T) {
	bubble(t, func(l *lab) {
		s := newScene(l)
		l.peer = agent.Peer{UID: 1000}
		for _, body := range []string{"", "no JSON", `{"verb":"park","who":"eve","why":"x"}`} {
			l.refused(t, problemCase{"", "POST", "/v1/transactions/" + s.reversing + "/resolve", body, 403, "operators_only", client.RetryNever, ""})
		}
		if res, _ := l.raw("GET", "/v1/escalations", ""); res.StatusCode != http.StatusOK {
			t.Errorf("escalations: %s", res.Status)
		}
	}, moody)
}

// A terminal that owes as many reversals as its profile allows may not sell.
func TestGateIsClosed(t *testing.T) {
	bubble(t, func(l *lab) {
		for i := range 5 {
			id := client.NewUUID()
			l.begin(id, l.sale(fmt.Sprint("OWED", i), owedAmount), time.Minute)
			if _, err := l.client.Cancel(l.ctx(), id, "customer"); err != nil {
				t.Fatal(err)
			}
		}
		p := l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 409, "reversal_owed", client.RetrySameID, ""})
		if p.Other == "" {
			t.Error("it does not say which one is owed")
		}
		other := l.sale("S1", 100)
		other.Terminal = "T0000002"
		l.begin(client.NewUUID(), other, time.Minute)
	}, moody)
}

func TestSTANsAreExhausted(t *testing.T) {
	bubble(t, func(l *lab) {
		l.begin(client.NewUUID(), l.sale("S1", 100), time.Minute)
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		jump := &txn.Jump{Head: txn.Head{UUID: "terminal:" + testTID}, TID: testTID, Next: iso8583.LastSTAN + 1}
		if _, err := l.journal.Append(agent.Entries([]txn.Record{jump})); err != nil {
			t.Fatal(err)
		}
		l.start()
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 503, "stan_exhausted", client.RetrySameID, ""})
	})
}

// full is a journal without room for what is new.
type full struct{ journal.Journal }

func (f full) Reserve(c journal.Class, n int) error {
	if c == journal.ClassIntent {
		return journal.ErrNoSpace
	}
	return f.Journal.Reserve(c, n)
}

func TestJournalIsFull(t *testing.T) {
	bubble(t, func(l *lab) {
		l.refused(t, problemCase{"", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 503, "journal_full", client.RetrySameID, ""})
		res, answer := l.raw("GET", "/v1/ready", "")
		if res.StatusCode != 503 || !strings.Contains(string(answer), "no room") {
			t.Errorf("%s %s", res.Status, answer)
		}
	}, func(l *lab) { l.journal = full{l.journal} })
}

// filling is a journal that runs full.
type filling struct {
	journal.Journal
	full atomic.Bool
}

func (f *filling) Reserve(c journal.Class, n int) error {
	if c == journal.ClassIntent && f.full.Load() {
		return journal.ErrNoSpace
	}
	return f.Journal.Reserve(c, n)
}

// What has begun is not refused when it is asked for again, whatever has run full
// since: its application would take cash for what the card has paid.
func TestKnownWhenTheJournalIsFull(t *testing.T) {
	disk := &filling{}
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		first := l.begin(id, l.sale("S1", 100), time.Minute)
		disk.full.Store(true)
		defer disk.full.Store(false)
		res, answer := l.raw("PUT", "/v1/transactions/"+id, string(mustJSON(t, l.sale("S1", 100))))
		var again client.Transaction
		if err := json.Unmarshal(answer, &again); res.StatusCode != http.StatusOK || err != nil || again.STAN != first.STAN {
			t.Errorf("%s %s, %v", res.Status, answer, err)
		}
	}, func(l *lab) { disk.Journal, l.journal = l.journal, disk })
}

// Every registered code is provoked by a test, or cannot be.
func TestEveryProblemIsProvoked(t *testing.T) {
	elsewhere := map[string]string{
		"operators_only":     "TestOperatorsOnly",
		"reversal_owed":      "TestGateIsClosed",
		"stan_exhausted":     "TestSTANsAreExhausted",
		"advice_queue_full":  "TestC30QueueIsFull",
		"original_owed":      "TestC30CompletionAsAdvice",
		"journal_full":       "TestJournalIsFull",
		"journal_quarantine": "TestQuarantine",
		"retired":            "TestRetiredTransactionIsGone",
		"quarantined":        "TestJournalLostAndNothingShowsTheEpoch",
		"original_in_doubt":  "TestJournalPutBack",
		"mark_behind":        "TestMarkFallsBehind",
		"overloaded":         "TestTooMuchIsHeldBack",
		"stopping":           "TestJournalFails",
		"no_answer_in_time":  "TestJournalHangs",
		"original_unknown":   "TestOriginalsThatDoNotFit",
		"original_unfit":     "TestPreAuthCompletionAndVoid",
		"original_open":      "TestOriginalsThatDoNotFit",
		"original_busy":      "TestOriginalsThatDoNotFit",
		"original_used":      "TestVoid",
		"above_original":     "TestRefundsNeverExceedTheSale",
		"signing_on":         "TestC32WrongMasterKey",
		"sign_on_required":   "TestC32WrongMasterKey",
		"terminal_busy":      "TestSignOff",
		"original_settled":   "TestSettlement",
		"card_gone":          "TestDataKeyOfASettledBatch",
		"settling":           "TestSettlement",
		"batch_full":         "TestBatchIsFull",
		"no_such_batch":      "TestSettlement",
		"other_card":         "TestFollowUpKeepsToTheCard",
		"unsupported_type":   "txn: TestBeginNeedsADialect",
		"invalid":            "the core's own, for what the shell has refused as bad_field",

		"chip_verdict_missing":  "TestChipSale",
		"taken_as_cancel":       "TestC27CardDeclines",
		"handle_unsupported":    "TestCardHandleUnsupported",
		"unknown_session":       "TestSessionBadInput",
		"session_unfit":         "TestSessionBadInput",
		"lease_held":            "TestSessionBadInput",
		"session_required":      "TestImplicit",
		"suspected_duplicate":   "TestSuspectedDuplicate",
		"replaced_unknown":      "TestSwitchBadInput",
		"replaced_unfit":        "TestSwitchBadInput",
		"confirmation_required": "TestImplicit",
	}
	var codes []string
	bubble(t, func(l *lab) {
		for _, c := range badInput(newScene(l)) {
			codes = append(codes, c.code)
		}
	}, moody)
	for _, code := range agent.ProblemCodes() {
		if !slices.Contains(codes, code) && elsewhere[code] == "" {
			t.Errorf("%s: no test provokes it", code)
		}
	}
}
