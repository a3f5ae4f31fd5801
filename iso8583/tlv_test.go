package iso8583

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestParseTLV(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":                     {"", ""},
		"one":                         {"9F3602000A", "9F36=000A"},
		"several":                     {"820 27C00 95 05 0000000000", "82=7C00 95=0000000000"},
		"empty value":                 {"9F3600", "9F36="},
		"zeros between objects":       {"00 9F360100 0000 8200 00", "9F36=00 82="},
		"long length, one byte":       {"DF31 8180" + strings.Repeat("AA", 128), "DF31=" + strings.Repeat("AA", 128)},
		"length longer than it needs": {"82 8102 7C00", "82=7C00"},
		"length of two bytes":         {"DF31 820003 010203", "DF31=010203"},
		"tag of three bytes":          {"DF812A 01 FF", "DF812A=FF"},
		"template":                    {"72 07 9F180400000001", "72=9F180400000001"},
	} {
		all, err := ParseTLVHex(strings.ReplaceAll(tc.in, " ", ""))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, o := range all {
			got = append(got, o.Tag+"="+o.HexValue())
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
	for name, in := range map[string]string{
		"no length": "9F36", "half a tag": "9F", "length beyond the end": "9F360301", "indefinite length": "7080", "length of three bytes": "8283000001FF",
		"tag without an end": "1FFFFFFFFFFF01", "a template that holds none": "700157", "nested too deep": "700C700A7008700670047002 8200",
		"odd": "9F3", "no hexadecimal": "zz", "too long": strings.Repeat("00", MaxTLV+1), "a lone length byte": "9F3682",
	} {
		_, err := ParseTLVHex(strings.ReplaceAll(in, " ", ""))
		if !errors.Is(err, ErrTLV) {
			t.Errorf("%s: got %v, want ErrTLV", name, err)
		}
	}
}

// FuzzParseTLV: whatever comes, no panic; what parses is bounded, and what is
// written of it parses to the same.
func FuzzParseTLV(f *testing.F) {
	for _, s := range []string{"", "9F3602000A", "72079F180400000001", "DF812A01FF", "7080", "00009F3600", "82820001FF"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ParseTLV(b)
		if err != nil {
			if !errors.Is(err, ErrTLV) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		var again strings.Builder
		for _, o := range all {
			size += len(o.Value)
			again.WriteString(o.Hex())
		}
		if size > len(b) {
			t.Fatalf("%d bytes of values out of %d", size, len(b))
		}
		back, err := ParseTLVHex(again.String())
		if err != nil || len(back) != len(all) {
			t.Fatalf("%d objects, then %d, %v", len(all), len(back), err)
		}
		for i := range all {
			if all[i].Tag != back[i].Tag || !bytes.Equal(all[i].Value, back[i].Value) {
				t.Fatal("another object")
			}
		}
		_, _ = IssuerData(hex.EncodeToString(b))
		if all, err := ParseEMV(hex.EncodeToString(b)); err == nil {
			if again, err := ParseEMV(Keep(all)); err != nil || Keep(again) != Keep(all) {
				t.Fatalf("what is kept does not read the same: %v", err)
			}
		}
	})
}

// No tag is both kept and sensitive, and all are tags.
func TestKeptTagsAreNotSensitive(t *testing.T) {
	sensitive := map[string]bool{}
	for _, tag := range SensitiveTags() {
		sensitive[tag] = true
		if !ValidTag(tag) {
			t.Errorf("%s is no tag", tag)
		}
	}
	for _, tag := range KeptTags() {
		if sensitive[tag] || !ValidTag(tag) {
			t.Errorf("%s is sensitive, or no tag", tag)
		}
	}
}

func TestIssuerData(t *testing.T) {
	const script = "72079F180400000001"
	for name, tc := range map[string]struct {
		in, want string
		ok       bool
	}{
		"none":                      {"", "", true},
		"all, in order":             {"91081122334455667788" + script + "8A023030", "8A02303091081122334455667788" + script, true},
		"two scripts":               {script + script, script + script, true},
		"others are left behind":    {"5A084111111111111111" + "8A023030", "8A023030", true},
		"8A of a wrong length":      {"8A0130", "", false},
		"91 of a wrong length":      {"910111", "", false},
		"a script with a track":     {"72065704411111D1", "", false},
		"cut":                       {"8A0230", "", false},
		"more than a card can take": {strings.Repeat("72"+"8164"+"9F1860"+strings.Repeat("00", 97), 7), "", false},
	} {
		got, err := IssuerData(tc.in)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestIsTC(t *testing.T) {
	for cid, want := range map[string]bool{"40": true, "48": true, "7F": true, "00": false, "80": false, "C0": false, "": false, "4": false, "4040": false, "zz": false} {
		if IsTC(cid) != want {
			t.Errorf("%q: got %v", cid, !want)
		}
	}
}

func TestHoldsNumber(t *testing.T) {
	is := func(digits string) bool { return digits == testPAN }
	for s, want := range map[string]bool{
		"": false, testPAN: true, "AA" + testPAN + "BB": true, "A" + testPAN: true, "12" + testPAN + "34": true,
		hex.EncodeToString([]byte(testPAN)): true, "4111111111111112": false, testPAN[:15]: false,
	} {
		if HoldsNumber(s, is) != want {
			t.Errorf("%d digits: got %v, want %v", len(s), !want, want)
		}
	}
}

// Templates as every version sealed them. A line that no longer parses is a
// journal whose reversals cannot be built.
func TestOldTemplates(t *testing.T) {
	for _, tc := range []struct {
		sealed string
		want   Card
	}{
		{"4111111111111111|3012|021", Card{Expiry: "3012", EntryMode: "021"}},
		{"4111111111111111||012", Card{EntryMode: "012"}},
		{"v2|4111111111111111|3012|051|001||||", Card{Expiry: "3012", EntryMode: "051", Sequence: "001"}},
		{"v2||3012|051||Q2lwaGVy|FFFF9876543210E00001|411111******1111|token-0001", Card{Expiry: "3012", EntryMode: "051",
			Handle: &Handle{Data: NewSecret("Q2lwaGVy"), KSN: "FFFF9876543210E00001", Masked: "411111******1111", Token: NewSecret("token-0001")}}},
	} {
		got, err := ParseTemplate([]byte(tc.sealed))
		if err != nil {
			t.Errorf("a template of %d bytes: %v", len(tc.sealed), err)
			continue
		}
		same := got.Expiry == tc.want.Expiry && got.EntryMode == tc.want.EntryMode && got.Sequence == tc.want.Sequence && got.Masked() == "411111******1111"
		if h := tc.want.Handle; h != nil {
			same = same && got.Handle != nil && *got.Handle == *h && got.PAN.IsZero()
		} else {
			same = same && got.Handle == nil && got.PAN.Reveal() == "4111111111111111"
		}
		if !same {
			t.Errorf("a template of %d bytes reads as another card", len(tc.sealed))
		}
		if strings.HasPrefix(tc.sealed, templateV2) && string(got.Template()) != tc.sealed {
			t.Error("it is sealed otherwise now")
		}
	}
	for name, bad := range map[string]string{
		"a later version": "v3|4111111111111111|3012|051|001||||", "number and handle": "v2|4111111111111111|3012|051||AA|BB|CC|DD",
		"neither": "v2||3012|051|||||", "parts missing": "v2|4111111111111111|3012|051",
	} {
		if _, err := ParseTemplate([]byte(bad)); !errors.Is(err, ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
