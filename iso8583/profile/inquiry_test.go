package profile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// TestInquiryDialect holds the bytes of the messages in which
// iso87-ascii-inquiry differs from iso87-ascii, and that it differs in nothing
// else.
func TestInquiryDialect(t *testing.T) {
	a, p := load(t, "iso87-ascii"), load(t, "iso87-ascii-inquiry")
	composed := map[string]iso8583.Facts{
		"inquiry.request":    facts(t, iso8583.KindInquiry),
		"refund.request":     facts(t, iso8583.Refund.Kind()),
		"completion.request": facts(t, iso8583.Completion.Kind()),
		"offline.request":    facts(t, iso8583.Offline.Kind()),
	}
	offline := composed["offline.request"]
	offline.AuthCode = "V00001"
	composed["offline.request"] = offline
	for _, name := range []string{"completion", "offline"} {
		f := composed[name+".request"]
		f.Repeat = true
		composed[name+"_repeat.request"] = f
	}
	for key, f := range composed {
		f.Card.Track2 = iso8583.NewSecret(testPAN + "=30122010000000000") // must not come through
		f.Card.PINBlock = iso8583.NewSecret("0123456789ABCDEF")
		m, err := p.Compose(f)
		if err != nil {
			t.Fatal(key, err)
		}
		if m.Has(35) || m.Has(52) {
			t.Errorf("%s carries track or PIN", key)
		}
		want := iso8583.MTI("0220")
		switch {
		case f.Repeat:
			want = "0221"
		case f.Kind == iso8583.KindInquiry:
			want = "0200"
		}
		if m.MTI != want || !f.Repeat && p.Rules.MTI[f.Kind] != want {
			t.Errorf("%s: MTI %s (rules: %s), want %s", key, m.MTI, p.Rules.MTI[f.Kind], want)
		}
		body, err := p.Pack(m)
		if err != nil {
			t.Fatal(key, err)
		}
		framed, err := p.Frame.Append(nil, body)
		if err != nil {
			t.Fatal(key, err)
		}
		golden(t, filepath.Join("testdata", "iso87-ascii-inquiry", key+".hex"), describe(t, p, m, framed))
	}
	if p.Rules.MTI[iso8583.KindReversalRepeat] != "0401" {
		t.Errorf("the advices' repeat took the reversals' place: %s", p.Rules.MTI[iso8583.KindReversalRepeat])
	}

	for _, k := range []iso8583.Kind{iso8583.KindInquiry, iso8583.Offline.Kind(), iso8583.Refund.Kind(), iso8583.Completion.Kind()} {
		p.doc.Wire.Messages[k] = a.doc.Wire.Messages[k]
		if a.doc.Wire.Messages[k].MTI == "" {
			delete(p.doc.Wire.Messages, k)
		}
	}
	delete(p.doc.Wire.Processing, iso8583.Offline)
	p.doc.Name, p.doc.About = a.doc.Name, a.doc.About
	p.doc.Rules, a.doc.Rules = iso8583.Rules{}, iso8583.Rules{}
	if !reflect.DeepEqual(a.doc, p.doc) {
		t.Error("iso87-ascii-inquiry differs from iso87-ascii in more than its inquiry, refund, completion and offline sale")
	}
}

// TestInquiryAndAdvicesRefuse: what would let an inquiry close what it must not,
// or an advice be lost, is not a profile.
func TestInquiryAndAdvicesRefuse(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("profiles", "iso87-ascii-inquiry.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"declined": []
    },
    "advice"`, `"declined": ["25"]
    },
    "advice"`, `code "25" means not found, which is never final`},
		{`"attempts": 5,`, `"attempts": 0,`, "rules.inquiry.attempts: want 1 to 99"},
		{`"within": "45s",`, `"within": "-1s",`, "rules.inquiry.within"},
		{`"every": "5s",`, `"every": "0s",`, "rules.inquiry.every"},
		{`"answer_timeout": "5s",`, `"answer_timeout": "0s",`, "rules.inquiry.answer_timeout"},
		{`"after": "5s",`, `"after": "-5s",`, "rules.inquiry.after"},
		{`"types": ["sale", "void", "refund", "preauth", "preauth_void"],
      "after"`, `"types": [],
      "after"`, "rules.inquiry.types"},
		{`"types": ["sale", "void", "refund", "preauth", "preauth_void"],
      "after"`, `"types": ["sale", "balance"],
      "after"`, `rules.inquiry.types: "balance" moves no money`},
		{`"types": ["sale", "void", "refund", "preauth", "preauth_void"],
      "after"`, `"types": ["sale", "offline"],
      "after"`, `rules.inquiry.types: "offline" is sent as an advice`},
		{`"types": ["completion", "offline"]`, `"types": ["completion", "offline", "sale"]`, "wire.messages.sale.repeat_mti"},
		{`"types": ["completion", "offline"]`, `"types": ["completion"]`, "repeat_mti"},
		{`"types": ["sale", "void", "preauth", "preauth_void"]`, `"types": ["sale", "void", "preauth", "preauth_void", "completion"]`,
			`rules.reversal.types: "completion" is sent as an advice`},
		{`["2s", "10s", "60s", "300s", "900s"]`, `["2s", "0s"]`, "rules.advice.schedule: its last wait"},
		{`"limit": 50`, `"limit": 0`, "rules.advice.limit: want 1 or more"},
		{`"done": ["00"],
      "duplicate": ["94"],
      "retry": ["91", "96", "98"],
      "limit"`, `"done": [],
      "duplicate": ["94"],
      "retry": ["91", "96", "98"],
      "limit"`, "rules.advice.done"},
		{`"retry": ["91", "96", "98"],
      "limit"`, `"retry": ["91", "94"],
      "limit"`, `rules.advice: code "94" is listed twice`},
		{`"optional": [14, 38],`, `"optional": [14, 35, 38],`, "so a offline must not carry it"},
		{`"fields": [2, 4, 7, 11, 12, 13, 41, 42, 49, 90],
        "constants"`, `"fields": [2, 4, 7, 11, 12, 13, 41, 42, 49],
        "constants"`, "the host could not find what a inquiry follows or asks about"},
	} {
		if n := strings.Count(string(good), c.old); n != 1 {
			t.Fatalf("%q occurs %d times", c.old, n)
		}
		_, err := Parse("mine.json", []byte(strings.Replace(string(good), c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.new, err, c.want)
		}
	}
}
