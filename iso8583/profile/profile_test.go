package profile

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
)

func load(t testing.TB, name string) *Profile {
	t.Helper()
	p, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEmbeddedProfilesLoad(t *testing.T) {
	if want := []string{"iso87-ascii", "iso87-ascii-advice", "iso87-ascii-inquiry", "unionpay"}; !slices.Equal(Names(), want) {
		t.Errorf("names: got %v, want %v", Names(), want)
	}
	for _, name := range Names() {
		p := load(t, name)
		if p.Name != name || p.Rules.Profile != name {
			t.Errorf("%s: name %q, rules.profile %q", name, p.Name, p.Rules.Profile)
		}
		if err := p.Rules.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load("iso88-ascii"); err == nil || !strings.Contains(err.Error(), "iso87-ascii") {
		t.Errorf("a profile that is not there: got %v; want the names that are", err)
	}
}

// TestDefaultsOfISO87 holds the defaults that terminal-rules.md, table A, asks
// for.
func TestDefaultsOfISO87(t *testing.T) {
	p := load(t, "iso87-ascii")
	if p.Frame.Length != frame.Binary2 || p.Frame.Max != 2048 {
		t.Errorf("frame: %+v", p.Frame)
	}
	if want := (LinkSettings{Persistent: true, SignOn: SignOnOnConnect, EchoEvery: iso8583.Duration(time.Minute)}); p.Link != want {
		t.Errorf("link: %+v", p.Link)
	}
	r := &p.Rules
	for code, want := range map[string]iso8583.Class{
		"00": iso8583.Approved, "10": iso8583.Partial, "05": iso8583.Declined, "51": iso8583.Declined, "94": iso8583.Duplicate,
		// Money may have moved: never a decline.
		"12": iso8583.Declined, "25": iso8583.Declined, "61": iso8583.Declined, "64": iso8583.Declined,
		"06": iso8583.Indeterminate, "09": iso8583.Indeterminate, "68": iso8583.Indeterminate, "91": iso8583.Indeterminate,
		"96": iso8583.Indeterminate, "98": iso8583.Indeterminate, "A0": iso8583.Indeterminate, "": iso8583.Indeterminate,
	} {
		if got := r.Response.Classify(code); got != want {
			t.Errorf("DE 39 %q: got %s, want %s", code, got, want)
		}
	}
	var waits []time.Duration
	for n := 2; n <= 11; n++ {
		waits = append(waits, r.Reversal.Schedule.Wait(n)/time.Second)
	}
	if want := []time.Duration{0, 0, 10, 20, 40, 80, 160, 300, 300, 300}; !slices.Equal(waits, want) {
		t.Errorf("reversal schedule: got %v seconds, want %v", waits, want)
	}
	for _, typ := range typesOf(p) {
		if !r.Supports(typ) || slices.Contains(r.Reversal.Types, typ) != typ.MovesMoney() {
			t.Errorf("%s: supported %t, reversed %t", typ, r.Supports(typ), slices.Contains(r.Reversal.Types, typ))
		}
	}
	if len(r.Inquiry.Types)+len(r.Advice.Types) > 0 || r.Supports(iso8583.Offline) {
		t.Error("iso87-ascii has neither inquiry nor advices")
	}
	if r.Reversal.Tombstones || r.Reversal.SharedLedger || r.Reversal.UnknownAfterDone {
		t.Error("an embedded profile must not assume tombstones, a shared ledger or 25 for done")
	}
}

// TestAdviceDiffersInItsReversalOnly keeps the two embedded dialects together:
// MTIs, and DE 95, which one of them has (B2).
func TestAdviceDiffersInItsReversalOnly(t *testing.T) {
	a, b := load(t, "iso87-ascii"), load(t, "iso87-ascii-advice")
	rev := b.doc.Wire.Messages[iso8583.KindReversal]
	if rev.MTI != "0420" || rev.RepeatMTI != "0421" {
		t.Errorf("advice: got %s→%s, want 0420→0421", rev.MTI, rev.RepeatMTI)
	}
	if m := b.Rules.MTI; m[iso8583.KindSale] != "0200" || m[iso8583.KindReversal] != "0420" || m[iso8583.KindReversalRepeat] != "0421" {
		t.Errorf("advice: rules hold the MTIs %v", m)
	}
	if !slices.Contains(rev.Optional, 95) {
		t.Error("advice: no DE 95 in a reversal")
	}
	rev.MTI, rev.RepeatMTI = "0400", "0401"
	rev.Optional = slices.DeleteFunc(slices.Clone(rev.Optional), func(de int) bool { return de == 95 })
	b.doc.Wire.Messages[iso8583.KindReversal] = rev
	b.doc.Name, b.doc.About, b.doc.Rules.Profile = a.doc.Name, a.doc.About, a.doc.Rules.Profile
	b.doc.Rules.MTI = a.doc.Rules.MTI
	if !reflect.DeepEqual(a.doc, b.doc) {
		t.Error("iso87-ascii-advice differs from iso87-ascii in more than its reversal")
	}
}

// TestDialectWithoutAType: what has neither message nor DE 3 is not supported,
// and that is all.
func TestDialectWithoutAType(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("profiles", "iso87-ascii.json"))
	if err != nil {
		t.Fatal(err)
	}
	start, end := strings.Index(string(good), `      "balance": {`), strings.Index(string(good), `      "reversal": {
        "mti"`)
	cut := strings.Replace(string(good[:start])+string(good[end:]), `, "balance": "310000"`, "", 1)
	p, err := Parse("mine.json", []byte(cut))
	if err != nil {
		t.Fatal(err)
	}
	if p.Rules.Supports(iso8583.Balance) || !p.Rules.Supports(iso8583.Void) {
		t.Error("balance is supported, or void is not")
	}
	if _, err := p.Compose(facts(t, iso8583.Kind(iso8583.Balance))); err == nil || !strings.Contains(err.Error(), `no message "balance"`) {
		t.Errorf("got %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("profiles", "iso87-ascii.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, repl, want string }{
		{"misspelt key", `"confirm_timeout"`, `"confirm_timout"`, "rules.confirm_timout: unknown key"},
		{"capitalised key", `"gate"`, `"Gate"`, "rules.Gate: unknown key"},
		{"unknown key at the top", `"about"`, `"comment"`, "comment: unknown key"},
		{"key given twice", `"gate": "limit",`, `"gate": "limit", "gate": "limit",`, "rules.gate: given twice"},
		{"element given twice", `"33":`, `"32":`, "spec.elements.32: given twice"},
		{"bad duration", `"40s"`, `"40"`, `rules.response_timeout: "40" is not a duration`},
		{"bad duration in a list", `"0s", "0s"`, `"0s", "x"`, "rules.reversal.schedule[1]:"},
		{"number for text", `"gate": "limit"`, `"gate": 5`, "rules.gate: want a string, got a number"},
		{"null", `"owed_limit": 5`, `"owed_limit": null`, "rules.owed_limit: null"},
		{"not JSON", `"owed_limit": 5`, `"owed_limit": 5,`, "line "},
		{"unknown encoding", `"encoding": "ascii"`, `"encoding": "ebcdic"`, "spec.encoding:"},
		{"element number", `"128":`, `"129":`, "spec.elements.129:"},
		{"element is no number", `"128":`, `"0128":`, "spec.elements.0128:"},
		{"element type", `"type": "z",   "length": 37`, `"type": "y", "length": 37`, "spec.elements.35.type:"},
		{"element length", `"length": 19,  "prefix": "LL"`, `"length": 190, "prefix": "LL"`, "spec.elements.2.length:"},
		{"element prefix", `"length": 19,  "prefix": "LL"`, `"length": 19, "prefix": "ll"`, "spec.elements.2.prefix:"},
		{"frame length", `"binary2"`, `"binary"`, "wire.frame.length:"},
		{"frame bound", `"max": 2048`, `"max": 70000`, "wire.frame:"},
		{"TPDU", `"max": 2048`, `"max": 2048, "tpdu": "60x"`, "wire.frame.tpdu:"},
		{"sign-on", `"on_connect"`, `"on_conect"`, "wire.link.sign_on:"},
		{"echo without persistence", `"persistent": true`, `"persistent": false`, "wire.link.echo_every:"},
		{"unknown type", `"sale": "000000"`, `"sael": "000000"`, "wire.processing.sael:"},
		{"processing code", `"sale": "000000"`, `"sale": "00000"`, "wire.processing.sale:"},
		{"unknown message", `"echo": {`, `"ecko": {`, "wire.messages.ecko"},
		{"response MTI", `"mti": "0200"`, `"mti": "0210"`, "wire.messages.sale.mti:"},
		{"repeat of another class", `"repeat_mti": "0401"`, `"repeat_mti": "0421"`, "wire.messages.reversal.repeat_mti:"},
		{"field that cannot be filled", `"optional": [14, 35, 52, 55]`, `"optional": [14, 35, 48]`, "wire.messages.sale.optional: data element 48"},
		{"field listed twice", `"optional": [14, 35, 52, 55]`, `"optional": [14, 35, 2]`, "wire.messages.sale.optional: data element 2"},
		{"constant that does not fit", `"70": "001"`, `"70": "01"`, "wire.messages.sign_on.constants.70:"},
		{"track in a reversal", `"optional": [37, 38, 55]`, `"optional": [35, 37, 38]`, "wire.messages.reversal.optional: data element 35 is in wire.stripped"},
		{"chip data in a reversal", `"repeat_mti": "0401",`, `"repeat_mti": "0401", "stripped": [],`, "wire.messages.reversal.stripped: unknown key"},
		{"chip tag", `"9F26", "9F27", "9F10", "9F37"`, `"9f26"`, `wire.chip.tags: "9f26" is no tag`},
		{"chip tag twice", `"9F26", "9F27", "9F10", "9F37"`, `"95"`, `wire.chip.tags: tag "95" is listed twice`},
		{"a reversal with the track's equivalent", `"reversal_tags": ["95",`, `"reversal_tags": ["57",`, `rules.chip.reversal_tags: tag "57" is not among those that are kept`},
		{"reversal tags without an element", `"optional": [37, 38, 55]`, `"optional": [37, 38]`, "wire.messages.reversal.optional: data element 55 is missing"},
		{"handle in an element that is taken", `{"data": 62, "ksn": 63}`, `{"data": 35, "ksn": 63}`, "wire.handle: data element 35"},
		{"handle and serial number in one element", `{"data": 62, "ksn": 63}`, `{"data": 62, "ksn": 62}`, "wire.handle: want a data element for data"},
		{"stripping less than the law", `[26, 35, 36, 45, 52, 53]`, `[26, 35, 36, 45, 53]`, "wire.stripped: data element 52"},
		{"no STAN", `"fields": [2, 3, 4, 7, 11, 12, 13, 22, 41, 42, 49]`, `"fields": [2, 3, 4, 41]`, "wire.messages.sale.fields: data element 11"},
		{"code in two classes", `"approved": ["00"]`, `"approved": ["00", "05"]`, `rules.response: code "05"`},
		{"match key that is not in the spec", `"match": [7, 12, 13]`, `"match": [7, 99]`, "spec.elements.99: missing"},
		{"another profile's rules", `"match": [`, `"profile": "other", "match": [`, "rules.profile:"},
		{"MTIs given twice", `"match": [`, `"mti": {"sale": "0200"}, "match": [`, "rules.mti:"},
		{"reason", `"timeout": "68"`, `"timeout": "068"`, "rules.reversal.reasons.timeout:"},
		{"type without a code", `"sale": "000000", `, ``, "wire.processing.sale: missing"},
		{"code without a message", `"void": {`, `"salute": {`, "wire.messages.salute"},
		{"reversing what moves no money", `"preauth_void", "completion"],`, `"balance", "completion"],`, `rules.reversal.types: "balance" moves no money`},
		{"a follow-up that names no original", `49, 90],
        "optional": [14, 35, 37`, `49],
        "optional": [14, 35, 37`, "wire.messages.void.fields: data element 37, 61 or 90"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(string(good), tc.old) {
				t.Fatalf("the profile does not hold %s", tc.old)
			}
			bad := strings.Replace(string(good), tc.old, tc.repl, 1)
			_, err := Parse("mine.json", []byte(bad))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "mine.json: "+tc.want) {
				t.Errorf("got %q\nwant it to begin with %q", err, "mine.json: "+tc.want)
			}
		})
	}
	for _, top := range []string{``, `null`, `[]`, `"x"`, `{}`} {
		if _, err := Parse("mine.json", []byte(top)); err == nil || !strings.HasPrefix(err.Error(), "mine.json: ") {
			t.Errorf("%q: got %v", top, err)
		}
	}
}
