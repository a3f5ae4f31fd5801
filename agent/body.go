package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// maxBody bounds a request's body.
const maxBody = 16 << 10

// readBody decodes a body strictly. What it says about a bad one never quotes
// it: it may hold card data in the wrong place.
func readBody(w http.ResponseWriter, r *http.Request, into any) *client.Problem {
	data, p := readAll(w, r)
	if p != nil {
		return p
	}
	return decodeBody(data, into)
}

// readOptional is readBody for a verb that needs no body.
func readOptional(w http.ResponseWriter, r *http.Request, into any) *client.Problem {
	data, p := readAll(w, r)
	if p != nil || len(data) == 0 {
		return p
	}
	return decodeBody(data, into)
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, *client.Problem) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return data, nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		p := newProblem(codeBodyTooLarge)
		p.Detail = fmt.Sprintf("at most %d bytes", maxBody)
		return nil, p
	}
	return nil, badBody("the body did not come whole in %s", readWithin)
}

func decodeBody(data []byte, into any) *client.Problem {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badBody("something follows the JSON object")
	}
	if keyTwice(data) {
		return badBody("a key is given twice")
	}
	return nil
}

// keyTwice says whether an object in data, which is valid JSON, has a key
// twice in whatever case. The decoder would take the last one and say nothing:
// of two amounts, one was not meant.
func keyTwice(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool // keys of the objects around; nil for an array
	key := false               // a key comes next
	for {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		switch t := tok.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			key = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if key {
				name := strings.ToLower(t)
				if open[len(open)-1][name] {
					return true
				}
				open[len(open)-1][name], key = true, false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// fieldName is what the name of an unknown field must look like to be quoted.
var fieldName = regexp.MustCompile(`^[A-Za-z_]{1,40}$`)

func badJSON(err error) *client.Problem {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
	case unknown:
		p := newProblem(codeUnknownField)
		if p.Field = strings.Trim(name, `"`); !fieldName.MatchString(p.Field) {
			p.Field = "…"
		}
		p.Detail = "take it out, or see whether its name is misspelt"
		return p
	case errors.As(err, &kind):
		p := newProblem(codeBadField)
		p.Field, p.Detail = kind.Field, "want a JSON "+jsonName(kind.Type.Kind().String())
		return p
	case errors.As(err, &syntax):
		return badBody("not JSON from byte %d on", syntax.Offset)
	}
	return badBody("want one JSON object")
}

func badBody(format string, args ...any) *client.Problem {
	p := newProblem(codeBadRequest)
	p.Detail = fmt.Sprintf(format, args...)
	return p
}

func jsonName(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "whole number without quotes, in minor units where it is an amount"
	case kind == "struct":
		return "object"
	default:
		return kind
	}
}

func badField(field, format string, args ...any) *client.Problem {
	p := newProblem(codeBadField)
	p.Field, p.Detail = field, fmt.Sprintf(format, args...)
	return p
}

// Bounds of free text that the application gives.
const (
	maxSale = 64
	maxPart = 16
	maxNote = 500
)

var (
	reference = regexp.MustCompile(`^[0-9A-Za-z._:#-]*$`)
	authCode  = regexp.MustCompile(`^[0-9A-Za-z]{6}$`)
)

// parseBegin turns a body into the core's event, or says which field is wrong
// and what it wants. It never quotes card data.
func parseBegin(uuid string, b *client.Begin) (txn.Begin, *client.Problem) {
	var zero txn.Begin
	b.Original = strings.ToLower(b.Original)
	currency, err := iso8583.ParseCurrency(b.Currency)
	follows := b.Type.Originals() != nil
	switch {
	case !b.Type.Valid():
		return zero, badField("type", "want one of %v", iso8583.Types())
	case b.Amount == 0 && b.Type.MovesMoney() && !wholeOriginal(b.Type), b.Amount < 0:
		return zero, badField("amount", "want more than zero, in minor units")
	case b.Amount != 0 && !b.Type.MovesMoney():
		return zero, badField("amount", "leave it out: a %s moves no money", b.Type)
	case b.Amount > iso8583.MaxMinor:
		return zero, badField("amount", "want at most %d minor units: DE 4 has 12 digits", iso8583.MaxMinor)
	case err != nil && (b.Currency != "" || !follows):
		return zero, badField("currency", "want an ISO 4217 code such as CNY or 156")
	case b.Type.HandsOver() && (b.Sale == "" || len(b.Sale) > maxSale || !reference.MatchString(b.Sale)):
		return zero, badField("sale", "want the sale's reference: 1 to %d of letters, digits and . _ : # -", maxSale)
	case !b.Type.HandsOver() && b.Sale+b.Part != "":
		return zero, badField("sale", "leave sale and part out: a %s has none of its own", b.Type)
	case follows && !uuidForm.MatchString(b.Original):
		return zero, badField("original", "want the UUID of the transaction that this %s follows", b.Type)
	case !follows && b.Original != "":
		return zero, badField("original", "leave it out: a %s follows nothing", b.Type)
	case b.AuthCode != "" && b.Type != iso8583.Offline:
		return zero, badField("auth_code", "leave it out: only what was approved offline brings one")
	case b.AuthCode != "" && !authCode.MatchString(b.AuthCode):
		return zero, badField("auth_code", "want the six letters and digits that the card or the voice gave (DE 38)")
	case len(b.Part) > maxPart || !reference.MatchString(b.Part):
		return zero, badField("part", "want at most %d of letters, digits and . _ : # -", maxPart)
	case holdsPAN(b.Sale, b.Card.PAN):
		return zero, badField("sale", "this holds a card number: card data goes into card and nowhere else")
	case holdsPAN(b.Part, b.Card.PAN):
		return zero, badField("part", "this holds a card number: card data goes into card and nowhere else")
	case b.Partial != "" && b.Partial != partialAccept && b.Partial != partialRefuse:
		return zero, badField("partial", "want %s or %s", partialAccept, partialRefuse)
	case b.Partial == partialAccept && !b.Type.NeedsConfirmation():
		return zero, badField("partial", "leave it out: a %s is approved whole or not at all", b.Type)
	case b.Epoch == 0:
		return zero, badField("epoch", "want the epoch in which the UUID was minted: GET /v1/health says it")
	}
	if _, err := iso8583.ParseTID(string(b.Terminal)); err != nil {
		return zero, badField("terminal", "%v", err)
	}
	if p := checkLinks(uuid, b); p != nil {
		return zero, p
	}
	out := txn.Begin{
		Session: b.Session, Replaces: b.Replaces, NotDuplicateOf: b.NotDuplicateOf,
		UUID: uuid, Epoch: b.Epoch, TID: b.Terminal, Type: b.Type, Original: b.Original,
		Amount: iso8583.Amount{Minor: b.Amount, Currency: currency}, Sale: b.Sale, Part: b.Part,
		Approval: b.AuthCode,
		Partial:  b.Partial == partialAccept,
	}
	if follows && b.Card == (client.Card{}) {
		return out, nil // the original's, out of the journal
	}
	var p *client.Problem
	if out.Card, p = parseCard(&b.Card); p == nil {
		p = parseEMV(&b.Card, &out)
	}
	return out, p
}

// checkLinks looks at what a request says of its session and of other attempts.
func checkLinks(uuid string, b *client.Begin) *client.Problem {
	b.Replaces, b.NotDuplicateOf = strings.ToLower(b.Replaces), strings.ToLower(b.NotDuplicateOf)
	for _, f := range []struct{ name, value string }{{"replaces", b.Replaces}, {"not_duplicate_of", b.NotDuplicateOf}} {
		switch {
		case f.value == "":
		case !b.Type.HandsOver():
			return badField(f.name, "leave it out: it is of a sale or a preauth")
		case !uuidForm.MatchString(f.value) || f.value == uuid:
			return badField(f.name, "want the UUID of an earlier transaction")
		}
	}
	if b.Session != "" && !sessionForm.MatchString(b.Session) {
		return badField("session", "want the id that POST /v1/sessions gave")
	}
	return nil
}

// wholeOriginal says that the type always takes all of what it follows, so
// that the amount may be left out.
func wholeOriginal(t iso8583.Type) bool { return t == iso8583.Void || t == iso8583.PreAuthVoid }

// grouped finds digits, alone or with one space, dash or dot between two.
var grouped = regexp.MustCompile(`[0-9](?:[ .-]?[0-9])+`)

// holdsPAN says whether text that is going to be journaled in clear holds a
// card number: this one, however it is embedded, or a run of digits that a
// payment card can have (ISO/IEC 7812: 13 to 19, beginning with 3 to 6 or 2[2-7],
// check digit). References that merely look alike, such as dates with a
// counter, begin otherwise.
func holdsPAN(text, pan string) bool {
	for _, run := range grouped.FindAllString(text, -1) {
		run = strings.Map(onlyDigits, run)
		if len(pan) >= 12 && strings.Contains(run, pan) {
			return true
		}
		card := run[0] >= '3' && run[0] <= '6' || run[0] == '2' && run[1] >= '2' && run[1] <= '7'
		if card && len(run) >= 13 && len(run) <= 19 && iso8583.Luhn(run) {
			return true
		}
	}
	return false
}

func onlyDigits(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// fingerprint is what makes two bodies the same: every field, card included,
// in one order; but not the session: a restarted application asks under another
// one for the same. It is hashed under the journal's key before anybody keeps it.
func fingerprint(b *client.Begin) []byte {
	same := *b
	same.Session = ""
	data, err := json.Marshal(same)
	if err != nil { // plain data: cannot fail
		panic(err)
	}
	return data
}

func parseDelivered(s string) (txn.Delivered, *client.Problem) {
	switch d := txn.Delivered(s); d {
	case txn.DeliveredYes, txn.DeliveredNo, txn.DeliveredUnknown:
		return d, nil
	}
	return "", badField("delivered", "want yes, no or unknown")
}

func parseReason(s string) (txn.CancelReason, *client.Problem) {
	switch r := txn.CancelReason(s); r {
	case txn.CancelCustomer, txn.CancelCardDeclined, txn.CancelCardRemoved, txn.CancelSignature, txn.CancelPrinter, txn.CancelPartialRefused:
		return r, nil
	}
	return "", badField("reason", "want customer, card_declined, card_removed, signature, printer or partial_refused")
}

// readResolve reads an operator's decision.
func readResolve(w http.ResponseWriter, r *http.Request) (txn.Resolve, *client.Problem) {
	var body client.Resolve
	if p := readBody(w, r, &body); p != nil {
		return txn.Resolve{}, p
	}
	return parseResolve(&body)
}

func parseResolve(r *client.Resolve) (txn.Resolve, *client.Problem) {
	verb := txn.Verb(r.Verb)
	switch verb {
	case txn.VerbPark, txn.VerbResume, txn.VerbOverride, txn.VerbClose:
	case txn.VerbReversed, txn.VerbDebited, txn.VerbSettled:
		if r.Reference == "" {
			return txn.Resolve{}, badField("reference", "want the acquirer's reference for what it said")
		}
	default:
		return txn.Resolve{}, badField("verb", "want park, resume, override, acquirer-reversed, acquirer-debited or close")
	}
	for _, f := range []struct{ name, text string }{{"who", r.Who}, {"why", r.Why}, {"reference", r.Reference}} {
		if p := checkNote(f.name, f.text, f.name == "reference"); p != nil {
			return txn.Resolve{}, p
		}
	}
	return txn.Resolve{Verb: verb, Who: r.Who, Why: r.Why, Ref: r.Reference}, nil
}

// checkNote checks what a person wrote, which is journaled in clear.
func checkNote(field, text string, optional bool) *client.Problem {
	switch {
	case len(text) > maxNote || text == "" && !optional:
		return badField(field, "want 1 to %d characters", maxNote)
	case strings.ContainsFunc(text, unicode.IsControl):
		return badField(field, "want text on one line, without control characters")
	case digitRunPAN.MatchString(text) || holdsPAN(text, ""):
		return badField(field, "this may hold a card number: leave it out")
	}
	return nil
}

// digitRunPAN finds what could be a card number in free text. An acquirer's
// references are shorter.
var digitRunPAN = regexp.MustCompile(`[0-9]{13,19}`)
