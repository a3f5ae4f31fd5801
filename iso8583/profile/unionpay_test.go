package profile

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// The keys of the sign-on vector of terminal-rules.md, D.
const (
	testTMK  = "CA5D92598DCA48CE8A4C76361A9269E9"
	testDE62 = "6701EAD6A9AD51E51AA406E2C27FCFA98D0A74B8B651F9E9BACE9AE10000000000000000AB7153CA"
)

// testScript is DE 55 of a script's result: TVR, IAD, ATC, results.
const testScript = "9505000000800" + "0" + "9F1007" + "07010103A00000" + "9F360200" + "12" + "DF310520000000" + "00"

// unionpay is the dialect in the hands of a terminal that has signed on.
func unionpay(t testing.TB) *Codec {
	t.Helper()
	p := load(t, "unionpay")
	method, ok := p.MAC()
	if !ok {
		t.Fatal("unionpay has no MAC")
	}
	master, err := mac.ParseKey(testTMK)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mac.NewSoftware(method, master, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	answer := iso8583.NewMessage("0810")
	answer.Set(62, testDE62)
	keys, err := p.WorkingKeys(answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(keys); err != nil {
		t.Fatal(err)
	}
	return p.With(s)
}

// upFacts is one message of the dialect. What follows something follows
// transaction 000099 of the same batch.
func upFacts(t testing.TB, kind iso8583.Kind) iso8583.Facts {
	t.Helper()
	pan, err := iso8583.ParsePAN(testPAN)
	if err != nil {
		t.Fatal(err)
	}
	f := iso8583.Facts{Kind: kind, TID: "10000001", MID: "898310000000001", STAN: 123, Batch: "000001", Operator: "01 "}
	f.Amount = iso8583.Amount{Minor: 1234, Currency: 156}
	typ := iso8583.Type(kind)
	switch {
	case kind == iso8583.KindSettle, kind == iso8583.KindUpload, kind == iso8583.KindUploadEnd, kind == iso8583.KindUploadEndUnbalanced:
		f.Settlement = &iso8583.Settlement{
			Totals:  [2]iso8583.Totals{{Debit: 123456, DebitCount: 2, Credit: 1000, CreditCount: 1}, {}},
			Records: []iso8583.BatchRecord{{CardType: "00", STAN: 123, PAN: pan, Minor: 1234}, {CardType: "00", STAN: 124, PAN: pan, Minor: 122222}},
			Count:   2,
		}
	case typ.Valid():
		f.Type, f.Card = typ, &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "051"}
		if typ.Originals() != nil {
			f.Original = iso8583.Original{MTI: "0200", STAN: 99, Type: typ.Originals()[0], Batch: "000001", LocalDate: "1120"}
			f.RRN, f.AuthCode = "632517000099", "Z9Y8X7"
		}
	case kind.ChipUpload():
		f = upFacts(t, iso8583.KindSale)
		f.Kind, f.STAN, f.RRN, f.ChipData = kind, 125, "632517123456", "9F2608A1A2A3A4A5A6A7A89F2701409F360200129505"+"0000008000"
		f.Original = iso8583.Original{STAN: 123, Batch: "000001", LocalDate: "1121"}
	case kind == iso8583.KindScript:
		f = upFacts(t, iso8583.KindSale)
		f.Kind, f.STAN, f.RRN, f.ChipData = kind, 124, "632517123456", testScript
		f.Original = iso8583.Original{STAN: 123, Batch: "000001", LocalDate: "1121"}
	case kind == iso8583.KindReversal:
		f = upReversal(t, iso8583.Sale, iso8583.Sale)
	}
	return f
}

// upReversal reverses transaction 000123; original is what a void of it
// followed.
func upReversal(t testing.TB, typ, original iso8583.Type) iso8583.Facts {
	t.Helper()
	f := upFacts(t, typ.Kind())
	f.Kind, f.Reason, f.AuthCode, f.RRN = iso8583.KindReversal, "98", "A1B2C3", "632517123456"
	f.Original = iso8583.Original{STAN: 123, Type: original, Batch: "000001"}
	return f
}

// upMessages is every message of table B1, composed, and answers.
func upMessages(t testing.TB, c *Codec) map[string]*iso8583.Message {
	t.Helper()
	all := map[string]*iso8583.Message{}
	compose := func(name string, f iso8583.Facts) *iso8583.Message {
		m, err := c.Compose(f)
		if err != nil {
			t.Fatal(err)
		}
		all[name+".request"] = m
		return m
	}
	answer := func(name string, own map[int]string) {
		req := all[name+".request"]
		m := iso8583.NewMessage(req.MTI.Response())
		for _, de := range []int{3, 4, 11, 41, 42, 49, 60} {
			m.Set(de, req.Get(de))
		}
		m.Set(12, "173015")
		m.Set(13, "1121")
		m.Set(37, "632517123456")
		for de, v := range own {
			m.Set(de, v)
		}
		m.MAC = req.MAC
		all[name+".response"] = m
	}
	for kind := range c.doc.Wire.Messages {
		compose(string(kind), upFacts(t, kind))
	}
	completionVoid := upFacts(t, iso8583.Kind(iso8583.Void))
	completionVoid.Original.Type = iso8583.Completion
	compose("completion_void", completionVoid)
	for _, typ := range c.Rules.Reversal.Types {
		compose("reversal_of_"+string(typ), upReversal(t, typ, ""))
	}
	compose("reversal_of_completion_void", upReversal(t, iso8583.Void, iso8583.Completion))
	bad := upReversal(t, iso8583.Sale, "")
	bad.Reason = c.Rules.Reversal.Reasons.MAC
	compose("reversal_bad_mac", bad)
	secret := upFacts(t, iso8583.KindSale)
	secret.Card.Track2 = iso8583.NewSecret(testPAN + "=30122010000000000")
	secret.Card.PINBlock = iso8583.NewSecret("0123456789abcdef")
	compose("sale_track_pin", secret)
	all["sale_18.request"] = sale18(t, c)

	answer("sale", map[int]string{15: "1121", 32: "00010000", 38: "A1B2C3", 39: "00", 44: "0102 0103"})
	answer("sale_track_pin", map[int]string{39: "51"})
	answer("reversal", map[int]string{15: "1121", 32: "00010000", 39: "00"})
	answer("sign_on", map[int]string{39: "00", 60: "00000002003", 62: testDE62})
	answer("sign_off", map[int]string{39: "00"})
	answer("settle", map[int]string{48: "000000123456002000000001000001" + "1" + strings.Repeat("0", 30) + "2", 60: "00000001201"})
	answer("upload", map[int]string{39: "00", 48: "02" + strings.Repeat("0", 80)})
	answer("balance", map[int]string{39: "00", 54: "0001156C000000123456"})
	return all
}

// sale18 is B1's 0200 with all of its 18 elements.
func sale18(t testing.TB, c *Codec) *iso8583.Message {
	t.Helper()
	f := upFacts(t, iso8583.KindSale)
	f.Card.Track2 = iso8583.NewSecret(testPAN + "=30122010000000000")
	f.Card.PINBlock = iso8583.NewSecret("0123456789abcdef")
	// Read in this order; sent in the profile's, and less what it does not list.
	all, err := iso8583.ParseEMV("9C0100" + "5F340101" + "9F2608A1B2C3D4E5F60718" + "5A0A6228480000000001230F" + "95050000008000")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := c.ChipData(all)
	if err != nil {
		t.Fatal(err)
	}
	f.Card.SetEMV(sent, all)
	m, err := c.Compose(f)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.Fields()); n != 17 || m.MAC != iso8583.MACWanted { // 64 comes when it is signed
		t.Fatalf("%d elements and MAC %s, want 17 and wanted", n, m.MAC)
	}
	return m
}

// TestGoldenUnionPay holds the bytes of every message of the dialect, and that
// they read back to the same message with a valid MAC where one is due.
func TestGoldenUnionPay(t *testing.T) {
	c := unionpay(t)
	for key, m := range upMessages(t, c) {
		t.Run(key, func(t *testing.T) {
			body, err := c.Pack(m)
			if err != nil {
				t.Fatal(err)
			}
			framed, err := c.Frame.Append(nil, body)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "unionpay", key+".hex"), describe(t, c.Profile, m, framed))
			back, err := c.Unpack(body)
			if err != nil {
				t.Fatal(err)
			}
			want := iso8583.MACNone
			if m.MAC == iso8583.MACWanted {
				want = iso8583.MACValid
			}
			if back.MAC != want {
				t.Errorf("MAC %s, want %s", back.MAC, want)
			}
			if back.Set(64, ""); !back.Equal(m) {
				t.Errorf("read back: %v\nwant:      %v", back, m)
			}
		})
	}
}

// TestUnionPayByHand holds five messages against bytes that were put together
// by hand out of table B1, and whose MACs were made by another program
// (Python's cryptography, from the algorithm's definition).
func TestUnionPayByHand(t *testing.T) {
	const (
		tid  = "3130303030303031"               // "10000001"
		mid  = "383938333130303030303030303031" // "898310000000001"
		pan  = "19" + "62284800000000012300"    // LL in one byte; 19 digits from the left, then a zero
		oper = "0003" + "303120"                // LLL in two bytes; "01 "
	)
	frame := func(body string) string {
		// length without itself, TPDU, header
		return fmt.Sprintf("%04x", 11+len(body)/2) + "6000060000" + "603100311003" + body
	}
	for name, want := range map[string]string{
		"sign_on.request": frame("0800" + "0020000000C00012" + // 11 41 42 60 63
			"000123" + tid + mid + "0011" + "000000010030" + oper),
		"sale_18.request": frame("0200" + "702406C020C09A11" + // 2 3 4 11 14 22 23 25 26 35 41 42 49 52 53 55 60 64
			pan + "000000" + "000000001234" + "000123" + "3012" +
			"0510" + // 051 from the left
			"0001" + // 001 from the right
			"00" + "12" +
			"37" + "6228480000000001230D301220100000000000" + // D for the separator; 37 digits, then a zero
			tid + mid + "313536" + "0123456789ABCDEF" + "2600000000000000" +
			"0021" + "9F2608A1B2C3D4E5F60718" + "95050000008000" + "9C0100" +
			"0013" + "22" + "000001" + "000" + "50" + "0" +
			"3337313933463233"), // "37193F23"
		"reversal.request": frame("0400" + "7024048006C08011" + // 2 3 4 11 14 22 25 38 39 41 42 49 60 64
			pan + "000000" + "000000001234" + "000123" + "3012" + "0510" + "00" +
			"413142324333" + "3938" + // A1B2C3, 98
			tid + mid + "313536" + "0013" + "22000001000500" +
			"4443424332363343"), // "DCBC263C"
		"settle.request": frame("0500" + "0020000000C18012" + // 11 41 42 48 49 60 63
			"000123" + tid + mid +
			"0062" + "000000123456" + "002" + "000000001000" + "001" + "0" + strings.Repeat("0", 31) +
			"313536" + "0011" + "000000012010" + oper),
		"upload.request": frame("0320" + "0020000000C10010" + // 11 41 42 48 60
			"000123" + tid + mid +
			"0082" + "02" +
			"00" + "000123" + "0" + testPAN + "000000001234" +
			"00" + "000124" + "0" + testPAN + "000000122222" +
			"0011" + "000000012010"),
	} {
		c := unionpay(t)
		body, err := c.Pack(upMessages(t, c)[name])
		if err != nil {
			t.Fatal(err)
		}
		framed, err := c.Frame.Append(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", framed); got != strings.ToLower(want) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, strings.ToLower(want))
		}
	}
	// and the reversal of a completion, which speaks of the completion itself
	c := unionpay(t)
	f := upReversal(t, iso8583.Completion, "")
	f.AuthCode = ""
	m, err := c.Compose(f)
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	want := "0400" + "7024048002C08019" + pan + "000000" + "000000001234" + "000123" + "3012" + "0510" + "06" + "3938" + tid + mid + "313536" +
		"0013" + "20000001000500" + "0016" + "000001" + "000123" + "0000" + "4631444136363046"
	if got := fmt.Sprintf("%X", body); got != want {
		t.Errorf("reversal of a completion:\ngot  %s\nwant %s", got, want)
	}
}

// TestUnionPayTypes holds the row "Types" of table B1, in the request and in
// its reversal, and DE 61 of both.
func TestUnionPayTypes(t *testing.T) {
	c := unionpay(t)
	all := upMessages(t, c)
	for _, r := range []struct {
		name, mti, de3, de25, function string
		request, reversal              string // DE 61
	}{
		{"sale", "0200", "000000", "00", "22", "", ""},
		{"void", "0200", "200000", "00", "23", "000001000099", "000001000123"},
		{"refund", "0220", "200000", "00", "25", "0000010000991120", "never"},
		{"preauth", "0100", "030000", "06", "10", "", ""},
		{"preauth_void", "0100", "200000", "06", "11", "0000010000991120", "0000010001230000"},
		{"completion", "0200", "000000", "06", "20", "0000010000991120", "0000010001230000"},
		{"completion_void", "0200", "200000", "06", "21", "0000010000991120", "0000010001230000"},
	} {
		m := all[r.name+".request"]
		if got := fmt.Sprint(m.MTI, m.Get(3), m.Get(25), m.Get(60), m.Get(61), m.MAC); got != fmt.Sprint(
			iso8583.MTI(r.mti), r.de3, r.de25, r.function+"00000100050", r.request, iso8583.MACWanted) {
			t.Errorf("%s: %s", r.name, got)
		}
		rev, ok := all["reversal_of_"+r.name+".request"]
		if ok != (r.reversal != "never") {
			t.Errorf("%s: reversed: %v", r.name, ok)
		}
		if !ok {
			continue
		}
		if got := fmt.Sprint(rev.MTI, rev.Get(3), rev.Get(25), rev.Get(60), rev.Get(61), rev.Get(11), rev.Get(38), rev.Get(39)); got != fmt.Sprint(
			iso8583.MTI("0400"), r.de3, r.de25, m.Get(60), r.reversal, m.Get(11), "A1B2C3", "98") {
			t.Errorf("reversal of %s: %s", r.name, got)
		}
		for _, de := range []int{26, 35, 36, 37, 45, 52, 53} {
			if rev.Has(de) {
				t.Errorf("reversal of %s: carries data element %d", r.name, de)
			}
		}
	}
	if got := all["reversal_bad_mac.request"].Get(39); got != "A0" {
		t.Errorf("reason for a bad MAC: %s", got)
	}
	repeat := upReversal(t, iso8583.Sale, "")
	repeat.Kind = iso8583.KindReversalRepeat
	again, err := c.Compose(repeat)
	if err != nil || again.MTI != "0400" {
		t.Errorf("a repeat is %v, %v; want 0400 as before", again, err)
	}
}

// TestUnionPayChip: DE 55 of a reversal is the subset that was journaled for
// it, and DE 23 goes with it.
func TestUnionPayChip(t *testing.T) {
	c := unionpay(t)
	f := upReversal(t, iso8583.Sale, "")
	f.ChipData, f.Card.Sequence, f.Reason = "95050000008000"+"9F36020012", "001", "06"
	m, err := c.Compose(f)
	if err != nil {
		t.Fatal(err)
	}
	if m.Get(55) != f.ChipData || m.Get(23) != "001" || m.Get(39) != "06" {
		t.Errorf("%v", m)
	}
	if r := c.Rules.Chip; !r.ReversalAlways || fmt.Sprint(r.ReversalTags) != "[95 9F1E 9F10 9F36 DF31]" {
		t.Errorf("rules: %+v", r)
	}
}

// TestUnionPayNetwork holds the rows of B1 that are no transactions.
func TestUnionPayNetwork(t *testing.T) {
	c := unionpay(t)
	all := upMessages(t, c)
	for _, r := range []struct {
		name, mti, de60 string
		des             []int
	}{
		{"sign_on", "0800", "00000001003", []int{11, 41, 42, 60, 63}},
		{"script_result", "0620", "00000001951", []int{2, 3, 4, 11, 22, 37, 41, 42, 49, 55, 60, 61}},
		{"sign_off", "0820", "00000001002", []int{11, 41, 42, 60}},
		{"echo", "0820", "00000001301", []int{41, 42, 60}}, // no STAN
		{"settle", "0500", "00000001201", []int{11, 41, 42, 48, 49, 60, 63}},
		{"upload", "0320", "00000001201", []int{11, 41, 42, 48, 60}},
		{"upload_chip", "0320", "00000001203", []int{2, 4, 11, 22, 37, 41, 42, 49, 55, 60, 61}},
		{"upload_chip_failed", "0320", "00000001204", []int{2, 4, 11, 22, 37, 41, 42, 49, 55, 60, 61}},
		{"upload_end", "0320", "00000001207", []int{11, 41, 42, 48, 60}},
		{"upload_end_unbalanced", "0320", "00000001202", []int{11, 41, 42, 48, 60}},
	} {
		m := all[r.name+".request"]
		signed := iso8583.MACNone
		if r.name == "script_result" {
			signed = iso8583.MACWanted
		}
		if got, want := fmt.Sprint(m.MTI, m.Get(60), m.Fields(), m.MAC), fmt.Sprint(iso8583.MTI(r.mti), r.de60, r.des, signed); got != want {
			t.Errorf("%s: got %s, want %s", r.name, got, want)
		}
	}
	if got := all["upload_end.request"].Get(48); got != "0002" {
		t.Errorf("end of upload: DE 48 %s", got)
	}
	if got := c.Verdicts(all["settle.response"]); got != [2]iso8583.BatchVerdict{iso8583.BatchBalanced, iso8583.BatchUnbalanced} {
		t.Errorf("0510: %v", got)
	}
	if all["settle.response"].Has(39) {
		t.Error("a 0510 has no DE 39")
	}
	if got := c.Batch(all["sign_on.response"]); got != "000002" {
		t.Errorf("batch of the 0810: %s", got)
	}
	odd := iso8583.NewMessage("0510")
	odd.Set(48, strings.Repeat("0", 61)+"3")
	if got := c.Verdicts(odd); got != [2]iso8583.BatchVerdict{iso8583.BatchUnknown, iso8583.BatchError} {
		t.Errorf("0510 with flags 0 and 3: %v", got)
	}
	odd.Set(48, strings.Repeat("1", 61))
	if got := c.Verdicts(odd); got != [2]iso8583.BatchVerdict{} {
		t.Errorf("0510 of 61 digits: %v", got)
	}
}

// TestUnionPayFilters: what cannot be said is an error that names the element.
func TestUnionPayRefuses(t *testing.T) {
	p := load(t, "unionpay")
	pan, _ := iso8583.ParsePAN(testPAN)
	for _, tc := range []struct {
		name   string
		kind   iso8583.Kind
		change func(*iso8583.Facts)
		want   string
	}{
		{"no batch", iso8583.KindSale, func(f *iso8583.Facts) { f.Batch = "" }, "data element 60 is mandatory"},
		{"short batch", iso8583.KindSale, func(f *iso8583.Facts) { f.Batch = "1" }, "data element 60: batch: want six digits"},
		{"batch of letters", iso8583.KindSale, func(f *iso8583.Facts) { f.Batch = "00000A" }, "data element 60: character 8"},
		{"void without its original's batch", iso8583.Kind(iso8583.Void), func(f *iso8583.Facts) { f.Original.Batch = "" }, "data element 61 is mandatory"},
		{"void without its original's STAN", iso8583.Kind(iso8583.Void), func(f *iso8583.Facts) { f.Original.STAN = 0 }, "data element 61 is mandatory"},
		{"short date of the original", iso8583.Kind(iso8583.Refund), func(f *iso8583.Facts) { f.Original.LocalDate = "112" }, "data element 61: date"},
		{"nine records", iso8583.KindUpload, func(f *iso8583.Facts) {
			f.Settlement.Records = append(f.Settlement.Records, make([]iso8583.BatchRecord, 7)...)
		}, "data element 48: upload: want 1 to 8 records, got 9"},
		{"a record without a card", iso8583.KindUpload, func(f *iso8583.Facts) { f.Settlement.Records[1].PAN = iso8583.PAN{} }, "data element 48: upload: record 2"},
		{"a negative record", iso8583.KindUpload, func(f *iso8583.Facts) {
			f.Settlement.Records[0] = iso8583.BatchRecord{CardType: "00", STAN: 1, PAN: pan, Minor: -1}
		}, "data element 48: upload: record 1"},
		{"a thousand debits", iso8583.KindSettle, func(f *iso8583.Facts) { f.Settlement.Totals[0].DebitCount = 1000 }, "data element 48: totals: a count"},
		{"a negative total", iso8583.KindSettle, func(f *iso8583.Facts) { f.Settlement.Totals[1].Credit = -1 }, "data element 48: totals: an amount"},
		{"no settlement", iso8583.KindSettle, func(f *iso8583.Facts) { f.Settlement = nil }, "data element 48 is mandatory"},
	} {
		f := upFacts(t, tc.kind)
		tc.change(&f)
		_, err := p.Compose(f)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		} else if strings.Contains(err.Error(), testPAN[:10]) {
			t.Errorf("%s: the error holds the card number", tc.name)
		}
	}
}

// TestParts cuts each composite element of every message; card numbers and
// keys are marked secret.
func TestParts(t *testing.T) {
	c := unionpay(t)
	for name, m := range upMessages(t, c) {
		for _, de := range []int{48, 60, 61, 62, 63} {
			parts, err := c.Parts(m, de)
			if err != nil || (len(parts) > 0) != m.Has(de) {
				t.Errorf("%s: data element %d: %v, %v", name, de, parts, err)
			}
			whole := ""
			for _, p := range parts {
				whole += p.Value
				if strings.Contains(p.Value, testPAN) && !p.Secret {
					t.Errorf("%s: %s shows the card number", name, p.Name)
				}
			}
			if de != 62 && whole != m.Get(de) {
				t.Errorf("%s: data element %d: the parts give %s, the whole is %s", name, de, whole, m.Get(de))
			}
		}
	}
	for _, bad := range []struct {
		mti iso8583.MTI
		de  int
		v   string
	}{
		{"0210", 60, "2200000100"}, {"0210", 61, "00000100012"}, {"0510", 48, strings.Repeat("0", 61)}, {"0330", 48, "09" + strings.Repeat("0", 360)},
		{"0330", 48, "02" + strings.Repeat("0", 40)}, {"0330", 48, "1"}, {"0810", 62, "00"},
	} {
		m := iso8583.NewMessage(bad.mti)
		m.Set(bad.de, bad.v)
		if parts, err := c.Parts(m, bad.de); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("data element %d: ", bad.de)) {
			t.Errorf("%s, data element %d of %d: got %v, %v", bad.mti, bad.de, len(bad.v), parts, err)
		}
	}
}

// TestC32WorkingKeys: DE 62 of a wrong length, or none.
func TestC32WorkingKeys(t *testing.T) {
	p := load(t, "unionpay")
	m := iso8583.NewMessage("0810")
	if _, err := p.WorkingKeys(m); err == nil {
		t.Error("no DE 62 is accepted")
	}
	m.Set(62, testDE62[:78])
	if _, err := p.WorkingKeys(m); !errors.Is(err, mac.ErrLength) {
		t.Errorf("39 bytes: got %v", err)
	}
}

// TestC09Verdicts: every bit of a signed answer is under its MAC, and a
// missing one is told from one that is not due.
func TestC09Verdicts(t *testing.T) {
	c := unionpay(t)
	all := upMessages(t, c)
	body, err := c.Pack(all["sale.response"])
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		bad := bytes.Clone(body)
		bad[i] ^= 1
		if m, err := c.Unpack(bad); err == nil && m.MAC != iso8583.MACBad && m.MAC != iso8583.MACMissing {
			t.Errorf("byte %d changed: MAC %s", i, m.MAC)
		}
	}
	bare := all["sale.response"].Clone()
	bare.MAC = iso8583.MACNone
	if body, err = c.Pack(bare); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Unpack(body); err != nil || m.MAC != iso8583.MACMissing || !m.MAC.Doubtful() || !strings.Contains(m.String(), "(MAC missing)") {
		t.Errorf("without a MAC: %v, %v", m, err)
	}
	for _, name := range []string{"sign_on", "settle", "upload"} {
		if body, err = c.Pack(all[name+".response"]); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Unpack(body); err != nil || m.MAC != iso8583.MACNone || m.MAC.Doubtful() {
			t.Errorf("%s, which has none: %v, %v", name, m.MAC, err)
		}
	}
}

// TestUnsigned: nothing that wants a MAC is packed without one.
func TestUnsigned(t *testing.T) {
	c := unionpay(t)
	m := upMessages(t, c)["sale.request"]
	if _, err := c.Profile.Pack(m); !errors.Is(err, ErrUnsigned) {
		t.Errorf("by the profile alone: %v", err)
	}
	if _, err := c.With(nil).Pack(m); !errors.Is(err, ErrUnsigned) {
		t.Errorf("without a signer: %v", err)
	}
	master, _ := mac.ParseKey(testTMK)
	fresh, err := mac.NewSoftware(mac.Method{Algorithm: mac.UnionPayECB}, master, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.With(fresh).Pack(m); !errors.Is(err, mac.ErrNoKey) {
		t.Errorf("before sign-on: %v", err)
	}
	body, err := c.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.With(fresh).Unpack(body); err != nil || got.MAC != iso8583.MACBad {
		t.Errorf("read before sign-on: %v, %v; want a bad MAC: nothing proves it", got.MAC, err)
	}
	if got, err := c.With(broken{}).Unpack(body); err == nil || errors.Is(err, ErrMalformed) || got != nil {
		t.Errorf("a broken signer: %v, %v", got, err)
	}
	if m.MAC != iso8583.MACWanted || m.Has(64) {
		t.Error("packing changed the message")
	}
}

// broken is a device that is gone.
type broken struct{}

var errGone = errors.New("the device is gone")

func (broken) Sign([]byte) ([]byte, error) { return nil, errGone }
func (broken) Verify([]byte, []byte) error { return errGone }
func (broken) Load(mac.Wrapped) error      { return errGone }
func (broken) Forget()                     {}
func (broken) Prove(mac.Wrapped) error     { return errGone }
func (broken) Warning() string             { return "" }

// TestUnionPayUnpackRefuses: the traps of the codec library in packed decimal.
func TestUnionPayUnpackRefuses(t *testing.T) {
	p := load(t, "unionpay")
	head := "0210" + "0020000002000000" // 11, 39
	for _, tc := range []struct{ name, body, want string }{
		{"empty", "", "the MTI"},
		{"half an MTI", "02", "the MTI"},
		{"MTI with a letter", "0A10" + "0020000002000000" + "0001233030", "the MTI"},
		{"short bitmap", "021000200000", "the bitmap"},
		{"letter in the STAN", head + "00012A" + "3030", "data element 11"},
		{"sign in a number", head + "D00123" + "3030", "data element 11"},
		{"one byte short", head + "000123" + "30", "data element 39"},
		{"trailing byte", head + "000123" + "3030" + "00", "1 bytes after"},
		{"needless second bitmap", "0210" + "8020000002000000" + "0000000000000000" + "0001233030", "byte 2 does not re-encode"},
		{"third bitmap", "0210" + "8020000002000000" + "8000000000000000" + "0000000000000000" + "0001233030", "does not re-encode"},
		{"element not in the dialect", "0210" + "0020000002000100" + "0001233030" + "00", "data element 56"},
		{"padding of a PAN", "0210" + "4000000000000000" + "19" + "62284800000000012301", "data element 2"},
		{"padding of DE 22", "0200" + "0000040000000000" + "0511", "data element 22"},
		{"padding of DE 23", "0200" + "0000020000000000" + "1001", "data element 23"},
		{"padding of a track", "0200" + "0000000020000000" + "05" + "622D31", "data element 35"},
		{"LL above the limit", "0210" + "4000000000000000" + "20" + "62284800000000012300", "data element 2"},
		{"LL not decimal", "0210" + "4000000000000000" + "1A" + "62284800000000012300", "data element 2"},
		{"empty LL element", "0210" + "4000000000000000" + "00", "data element 2: want 1 to 19"},
		{"LLL above the limit", "0210" + "0000000000000200" + "0256" + strings.Repeat("AB", 256), "data element 55"},
		{"LLL beyond the end", "0210" + "0000000000000200" + "0255" + "AB", "data element 55"},
		{"LLL of four digits", "0210" + "0000000000000200" + "1001" + "AB", "data element 55"},
		{"above the bound", head + strings.Repeat("00", 2048), "above the bound of 2037"},
	} {
		body, err := hex.DecodeString(tc.body)
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Unpack(body)
		if m != nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, %v; want %q", tc.name, m, err, tc.want)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%+v %#v", err, err), testPAN[:10]) {
			t.Errorf("%s: the error holds the card number", tc.name)
		}
	}
	m, err := p.Unpack(mustHex(t, head+"0001233030"))
	if err != nil || m.Get(11) != "000123" || m.MTI != "0210" {
		t.Fatalf("leading zeros: %v, %v", m, err)
	}
	if m, err = p.Unpack(mustHex(t, "0210"+"0020000000000000"+"000124")); err != nil || m.Has(39) {
		t.Errorf("a message read after another: %v, %v", m, err)
	}
}

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
