package profile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

var update = flag.Bool("update", false, "write the golden files anew; read them before they are accepted")

const testPAN = "6228480000000001230"

// facts is one message as the agent would describe it. The reversal is that of
// the sale.
func facts(t testing.TB, kind iso8583.Kind) iso8583.Facts {
	t.Helper()
	f := iso8583.Facts{Kind: kind, TID: "T0000001", MID: "MERCHANT0000001", STAN: 123, Transmission: "1121093015"}
	if kind == iso8583.KindEcho || kind == iso8583.KindSignOn {
		return f
	}
	pan, err := iso8583.ParsePAN(testPAN)
	if err != nil {
		t.Fatal(err)
	}
	if kind == iso8583.KindSettle || kind == iso8583.KindUploadEndUnbalanced {
		f.Amount.Currency = 156
		f.Settlement = &iso8583.Settlement{Totals: [2]iso8583.Totals{{Debit: 123456, DebitCount: 17, Credit: 3400, CreditCount: 2}}}
		return f
	}
	f.Type = iso8583.Sale
	f.Amount = iso8583.Amount{Minor: 1234, Currency: 156}
	f.LocalTime, f.LocalDate = "173015", "1121"
	f.Card = &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "021"}
	if typ := iso8583.Type(kind); typ.Valid() {
		f.Type = typ
		if typ == iso8583.Balance {
			f.Amount.Minor = 0
		}
		if of := typ.Originals(); of != nil {
			f.Original = iso8583.Original{MTI: requestMTI[of[0]], STAN: 99, Transmission: "1120183000"}
			f.RRN, f.AuthCode = "632517000099", "Z9Y8X7"
		}
		return f
	}
	f.Transmission = "1121093055"
	f.Original = iso8583.Original{MTI: "0200", STAN: 123, Transmission: "1121093015"}
	f.Reason, f.RRN, f.AuthCode = "68", "632517123456", "A1B2C3"
	return f
}

// requestMTI and processing are terminal-rules.md, table B2.
var (
	requestMTI = map[iso8583.Type]iso8583.MTI{
		iso8583.Sale: "0200", iso8583.Void: "0200", iso8583.Refund: "0200", iso8583.PreAuth: "0100",
		iso8583.PreAuthVoid: "0100", iso8583.Completion: "0200", iso8583.Balance: "0200",
	}
	processing = map[iso8583.Type]string{
		iso8583.Sale: "000000", iso8583.Void: "020000", iso8583.Refund: "200000", iso8583.PreAuth: "000000",
		iso8583.PreAuthVoid: "020000", iso8583.Completion: "000000", iso8583.Balance: "310000",
	}
)

// reversalOf is the facts of the reversal of a transaction of this type.
func reversalOf(t testing.TB, typ iso8583.Type) iso8583.Facts {
	t.Helper()
	f := facts(t, iso8583.KindReversal)
	f.Type, f.Original.MTI = typ, requestMTI[typ]
	return f
}

// answer is what a host sends back: the identity echoed, and its own part.
func answer(req *iso8583.Message, own map[int]string) *iso8583.Message {
	m := iso8583.NewMessage(req.MTI.Response())
	for _, de := range []int{3, 4, 7, 11, 12, 13, 41, 42, 49, 70} {
		m.Set(de, req.Get(de))
	}
	for de, v := range own {
		m.Set(de, v)
	}
	return m
}

// messages is every kind in both directions.
func messages(t testing.TB, p *Profile) map[string]*iso8583.Message {
	t.Helper()
	all := map[string]*iso8583.Message{}
	for _, k := range iso8583.Kinds() {
		if k != iso8583.KindReversalRepeat && p.doc.Wire.Messages[k].MTI == "" {
			continue
		}
		req, err := p.Compose(facts(t, k))
		if err != nil {
			t.Fatal(err)
		}
		own := map[int]string{39: "00"}
		if typ := iso8583.Type(k); typ.MovesMoney() && typ.Valid() {
			own[37], own[38] = "632517123456", "A1B2C3"
		} else if typ == iso8583.Balance {
			own[37], own[54] = "632517123456", "0001156C0000001234560002156D000000000100"
		}
		all[string(k)+".request"], all[string(k)+".response"] = req, answer(req, own)
	}
	preauth, err := p.Compose(reversalOf(t, iso8583.PreAuth))
	if err != nil {
		t.Fatal(err)
	}
	all["reversal_of_preauth.request"] = preauth
	partial := answer(all["sale.request"], map[int]string{4: "000000001000", 37: "632517123456", 38: "A1B2C3", 39: "10"})
	all["sale_partial.response"] = partial
	secret := facts(t, iso8583.KindSale)
	secret.Card.Track2 = iso8583.NewSecret(testPAN + "=30122010000000000")
	secret.Card.PINBlock = iso8583.NewSecret("0123456789abcdef")
	req, err := p.Compose(secret)
	if err != nil {
		t.Fatal(err)
	}
	all["sale_track_pin.request"] = req
	all["sale_declined.response"] = answer(req, map[int]string{39: "51"})
	return all
}

// typesOf lists the types that p has.
func typesOf(p *Profile) []iso8583.Type {
	return slices.DeleteFunc(iso8583.Types(), func(t iso8583.Type) bool { return !p.Rules.Supports(t) })
}

// generic lists the dialects of table B2.
var generic = []string{"iso87-ascii", "iso87-ascii-advice"}

// TestGolden holds the bytes of every message of the generic dialects, and
// that they read back to the same message.
func TestGolden(t *testing.T) {
	for _, name := range generic {
		p := load(t, name)
		for key, m := range messages(t, p) {
			t.Run(name+"/"+key, func(t *testing.T) {
				body, err := p.Pack(m)
				if err != nil {
					t.Fatal(err)
				}
				framed, err := p.Frame.Append(nil, body)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", name, key+".hex"), describe(t, p, m, framed))
				back, err := p.Unpack(body)
				if err != nil {
					t.Fatal(err)
				}
				if !back.Equal(m) {
					t.Errorf("read back: %v\nwant:      %v", back, m)
				}
			})
		}
	}
}

// describe lays framed out one element a line. It cuts the bytes by the
// dialect's table and not by the codec library, so that the two check each
// other.
func describe(t testing.TB, p *Profile, m *iso8583.Message, framed []byte) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", m)
	line := func(what string, v []byte) { fmt.Fprintf(&b, "%-10s% x\n", what, v) }
	cut := func(what string, n int) {
		if n > 0 {
			line(what, framed[:n])
		}
		framed = framed[n:]
	}
	cut("length", 2)
	cut("TPDU", len(p.Frame.TPDU))
	cut("header", len(p.Frame.Header))
	parts, err := p.Dissect(framed)
	if err != nil {
		t.Error(err)
	}
	for i, part := range parts {
		if part.Name == "bitmap" && parts[i-1].Name == "bitmap" {
			part.Name = "bitmap 2"
		}
		line(part.Name, part.Bytes)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%swant\n%s", file, got, want)
	}
}

func TestComposeReversal(t *testing.T) {
	p := load(t, "iso87-ascii")
	f := facts(t, iso8583.KindReversal)
	f.Card.Track2 = iso8583.NewSecret(testPAN + "=30122010000000000") // must not come through
	f.Card.PINBlock = iso8583.NewSecret("0123456789ABCDEF")
	m, err := p.Compose(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, de := range []int{14, 35, 45, 52, 53, 55} {
		if m.Has(de) {
			t.Errorf("the reversal carries data element %d", de)
		}
	}
	for de, want := range map[int]string{
		7: "1121093055", 11: "000123", 12: "173015", 13: "1121", 39: "68", 37: "632517123456", 38: "A1B2C3",
		90: "0200" + "000123" + "1121093015" + "00000000000" + "00000000000",
	} {
		if got := m.Get(de); got != want {
			t.Errorf("data element %d: got %q, want %q", de, got, want)
		}
	}
	f.Kind = iso8583.KindReversalRepeat
	again, err := p.Compose(f)
	if err != nil {
		t.Fatal(err)
	}
	if again.MTI != "0401" {
		t.Errorf("repeat: MTI %s, want 0401", again.MTI)
	}
	if again.MTI = m.MTI; !again.Equal(m) {
		t.Error("a repeat differs in more than its MTI")
	}
}

// TestComposeEachType holds table B2: MTI, DE 3 and what names the original,
// in the request and in its reversal.
func TestComposeEachType(t *testing.T) {
	for _, name := range generic {
		p := load(t, name)
		for _, typ := range typesOf(p) {
			req, err := p.Compose(facts(t, typ.Kind()))
			if err != nil {
				t.Fatal(err)
			}
			if req.MTI != requestMTI[typ] || req.Get(3) != processing[typ] || p.Rules.MTI[typ.Kind()] != req.MTI {
				t.Errorf("%s %s: MTI %s (rules: %s), DE 3 %s", name, typ, req.MTI, p.Rules.MTI[typ.Kind()], req.Get(3))
			}
			original, rrn, auth := "", "", ""
			if of := typ.Originals(); of != nil {
				original = string(requestMTI[of[0]]) + "000099" + "1120183000" + strings.Repeat("0", 22)
				rrn, auth = "632517000099", "Z9Y8X7"
			}
			if req.Get(90) != original || req.Get(37) != rrn || req.Get(38) != auth {
				t.Errorf("%s %s: DE 90 %q, 37 %q, 38 %q", name, typ, req.Get(90), req.Get(37), req.Get(38))
			}
			if !typ.MovesMoney() {
				continue
			}
			rev, err := p.Compose(reversalOf(t, typ))
			if err != nil {
				t.Fatal(err)
			}
			original = string(requestMTI[typ]) + "000123" + "1121093015" + strings.Repeat("0", 22)
			if rev.Get(3) != processing[typ] || rev.Get(90) != original {
				t.Errorf("%s, reversal of a %s: DE 3 %s, DE 90 %s", name, typ, rev.Get(3), rev.Get(90))
			}
		}
	}
}

// TestOnlyABalanceAsksForNothing: an amount of zero is twelve zeros there, and
// missing everywhere else.
func TestOnlyABalanceAsksForNothing(t *testing.T) {
	p := load(t, "iso87-ascii")
	for _, typ := range typesOf(p) {
		f := facts(t, typ.Kind())
		f.Amount.Minor = 0
		m, err := p.Compose(f)
		if typ == iso8583.Balance {
			if err != nil || m.Get(4) != "000000000000" || m.Get(49) != "156" {
				t.Errorf("balance: %v, %v", m, err)
			}
			f.Amount.Minor = 5
			if m, err = p.Compose(f); err != nil || m.Get(4) != "000000000000" {
				t.Errorf("balance with an amount: %v, %v", m, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "data element 4 is mandatory") {
			t.Errorf("%s of zero: %v", typ, err)
		}
	}
}

// TestComposeWithoutRRN: a host may approve without DE 37 and 38; DE 90 says
// what is followed all the same, so no intent is left that cannot be sent.
func TestComposeWithoutRRN(t *testing.T) {
	p := load(t, "iso87-ascii")
	for _, typ := range typesOf(p) {
		f := facts(t, typ.Kind())
		f.RRN, f.AuthCode = "", ""
		if m, err := p.Compose(f); err != nil || m.Has(37) || m.Has(38) {
			t.Errorf("%s: %v, %v", typ, m, err)
		}
	}
}

func TestComposeNamesWhatIsMissing(t *testing.T) {
	p := load(t, "iso87-ascii")
	for _, tc := range []struct {
		name   string
		change func(*iso8583.Facts)
		want   string
	}{
		{"no card", func(f *iso8583.Facts) { f.Card = nil }, "data element 2 is mandatory"},
		{"no amount", func(f *iso8583.Facts) { f.Amount.Minor = 0 }, "data element 4 is mandatory"},
		{"negative amount", func(f *iso8583.Facts) { f.Amount.Minor = -1 }, "data element 4: character 1"},
		{"amount too long", func(f *iso8583.Facts) { f.Amount.Minor = iso8583.MaxMinor + 1 }, "data element 4: want 12"},
		{"no STAN", func(f *iso8583.Facts) { f.STAN = 0 }, "data element 11 is mandatory"},
		{"no currency", func(f *iso8583.Facts) { f.Amount.Currency = 0 }, "data element 49 is mandatory"},
		{"no DE 7 of the original", func(f *iso8583.Facts) { f.Original.Transmission = "" }, "data element 90 is mandatory"},
		{"short DE 7 of the original", func(f *iso8583.Facts) { f.Original.Transmission = "1121" }, "data element 90: want 42"},
		{"no MTI of the original", func(f *iso8583.Facts) { f.Original.MTI = "" }, "data element 90 is mandatory"},
		{"no STAN of the original", func(f *iso8583.Facts) { f.Original.STAN = 0 }, "data element 90 is mandatory"},
		{"bad date", func(f *iso8583.Facts) { f.LocalDate = "11-1" }, "data element 13: character 3"},
		{"unknown kind", func(f *iso8583.Facts) { f.Kind = "salute" }, `no message "salute"`},
		{"unknown type", func(f *iso8583.Facts) { f.Type = "salute" }, "data element 3 is mandatory"},
	} {
		f := facts(t, iso8583.KindReversal)
		tc.change(&f)
		if _, err := p.Compose(f); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	p := load(t, "iso87-ascii")
	for _, tc := range []struct {
		name, want string
		mti        iso8583.MTI
		de         int
		v          string
	}{
		{"MTI", "MTI", "200", 11, "000123"},
		{"element not in the dialect", "no data element 99", "0200", 99, "1"},
		{"sign in a number", "data element 4: character 1 is not of type n", "0200", 4, "-00000000100"},
		{"short number", "data element 11: want 6 characters", "0200", 11, "123"},
		{"long text", "data element 41: want 8 characters", "0200", 41, "T00000001"},
		{"not ASCII", "data element 42: character", "0200", 42, "MERCH\xc3\x84NT"},
		{"half a byte", "data element 52: want whole bytes", "0200", 52, "012"},
		{"lower-case hexadecimal", "data element 52: character", "0200", 52, "0123456789abcdef"},
		{"too many bytes", "data element 55: want 1 to 255 bytes", "0200", 55, strings.Repeat("AB", 256)},
		{"long PAN", "data element 2: want 1 to 19", "0200", 2, testPAN + "0"},
	} {
		m := iso8583.NewMessage(tc.mti)
		m.Set(tc.de, tc.v)
		_, err := p.Pack(m)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		} else if len(tc.v) > 3 && strings.Contains(err.Error(), tc.v) {
			t.Errorf("%s: the error quotes the value", tc.name)
		}
	}
}

func TestBlanks(t *testing.T) {
	p := load(t, "iso87-ascii")
	m := iso8583.NewMessage("0210")
	m.Set(11, "000123")
	m.Set(38, "      ") // seen on declines
	m.Set(41, "T1")
	b, err := p.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Unpack(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Get(41) != "T1" || got.Get(38) != "      " {
		t.Errorf("got 41 %q and 38 %q; want the padding off, and an element of blanks kept", got.Get(41), got.Get(38))
	}
}

func TestUnpackRefuses(t *testing.T) {
	p := load(t, "iso87-ascii")
	good := "0210" + "8020000002000000" + "0000000000000000" // replaced below
	head := "0210" + "0020000002000000"                      // 11, 39
	for _, tc := range []struct{ name, body, want string }{
		{"empty", "", "the MTI"},
		{"short MTI", "021", "the MTI"},
		{"MTI of letters", "02A0" + "0020000002000000" + "00012300", "MTI"},
		{"short bitmap", "021000200000", "the bitmap"},
		{"bitmap not hexadecimal", "0210" + "00200000020000ZZ" + "00012300", "the bitmap"},
		{"bit 1 without a second bitmap", "0210" + "8020000002000000", "the bitmap"},
		{"needless second bitmap", good + "00012300", "byte 4 does not re-encode"},
		{"third bitmap", "0210" + "8020000002000000" + "8000000000000000" + "0000000000000000" + "00012300", "does not re-encode"},
		{"lower-case bitmap", "0210" + "002000000200000a", ""},
		{"element not in the dialect", "0210" + "0020000002000100" + "00012300" + "x", "data element 56"},
		{"cut inside an element", head + "0001", "data element 11"},
		{"one byte short", head + "0001230", "data element 39"},
		{"trailing byte", head + "00012300" + "0", "1 bytes after"},
		{"letter in the STAN", head + "00012x00", "data element 11: character 6"},
		{"sign in a number", head + "-0012300", "data element 11: character 1"},
		{"control character", head + "0001230\n", "data element 39: character 2"},
		{"LL above the limit", "0210" + "4000000000000000" + "20" + testPAN + "0", "data element 2"},
		{"LL not a number", "0210" + "4000000000000000" + "+9" + "411111111", "byte 20"},
		{"empty LL element", "0210" + "4000000000000000" + "00", "data element 2: want 1 to 19"},
		{"LLL above the limit", "0210" + "0000000000000200" + "256" + strings.Repeat("AB", 256), "data element 55"},
		{"LLL beyond the end", "0210" + "0000000000000200" + "255" + "AB", "data element 55"},
		{"lower-case binary element", "0210" + "0000000000000001" + "0123456789abcdef", "byte 30"},
		{"PAN then rubbish", "0210" + "4020000000000000" + "19" + testPAN + "x00001", "data element 11"},
		{"above the bound", head + "00012300" + strings.Repeat("0", 2048), "above the bound of 2048"},
	} {
		m, err := p.Unpack([]byte(tc.body))
		if m != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v; want ErrMalformed", tc.name, m, err)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, err, tc.want)
		}
		if strings.Contains(fmt.Sprintf("%+v %#v", err, err), testPAN[:12]) {
			t.Errorf("%s: the error holds the card number", tc.name)
		}
	}
}

// TestUnpackIsFresh: a message read after another holds nothing of the first.
func TestUnpackIsFresh(t *testing.T) {
	p := load(t, "iso87-ascii")
	if _, err := p.Unpack([]byte("0210" + "0020000002000000" + "00012300")); err != nil {
		t.Fatal(err)
	}
	m, err := p.Unpack([]byte("0210" + "0020000000000000" + "000124"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Has(39) {
		t.Error("DE 39 of an earlier message came back")
	}
}

func BenchmarkPack(b *testing.B) {
	p := load(b, "iso87-ascii")
	f := facts(b, iso8583.KindSale)
	b.ReportAllocs()
	for b.Loop() {
		m, err := p.Compose(f)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Pack(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	p := load(b, "iso87-ascii")
	body, err := p.Pack(messages(b, p)["sale.response"])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Unpack(body); err != nil {
			b.Fatal(err)
		}
	}
}
