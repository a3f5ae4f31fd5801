package iso8583

import (
	"strings"
	"testing"
)

func TestAmount(t *testing.T) {
	for _, tc := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{1234, "CNY", "12.34 CNY"}, {5, "CNY", "0.05 CNY"}, {0, "CNY", "0.00 CNY"}, {-1234, "CNY", "-12.34 CNY"}, {-5, "EUR", "-0.05 EUR"},
		{1234, "JPY", "1234 JPY"}, {1234, "KWD", "1.234 KWD"}, {7, "BHD", "0.007 BHD"}, {MaxMinor, "USD", "9999999999.99 USD"},
	} {
		c, err := ParseCurrency(tc.currency)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Amount{tc.minor, c}).String(); got != tc.want {
			t.Errorf("%d %s: got %q, want %q", tc.minor, tc.currency, got, tc.want)
		}
	}
}

func TestDE4(t *testing.T) {
	for _, minor := range []int64{0, 1, 1234, MaxMinor} {
		s := Amount{Minor: minor}.DE4()
		if got, err := ParseDE4(s); err != nil || got != minor || len(s) != 12 {
			t.Errorf("%d: got %q, back %d, %v", minor, s, got, err)
		}
	}
	for _, s := range []string{"", "1234", "-00000001234", "+00000001234", " 00000001234", "0000000012.4", "0000000001234"} {
		if _, err := ParseDE4(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestCurrency(t *testing.T) {
	for _, tc := range []struct {
		in, alpha, numeric string
		exponent           int
	}{
		{"CNY", "CNY", "156", 2}, {"156", "CNY", "156", 2}, {"036", "AUD", "036", 2}, {"JPY", "JPY", "392", 0}, {"KWD", "KWD", "414", 3}, {"008", "ALL", "008", 2},
	} {
		c, err := ParseCurrency(tc.in)
		if err != nil || c.Alpha() != tc.alpha || c.Numeric() != tc.numeric || c.Exponent() != tc.exponent {
			t.Errorf("%s: got %s %s %d, %v", tc.in, c.Alpha(), c.Numeric(), c.Exponent(), err)
		}
		b, _ := c.MarshalText()
		var back Currency
		if err := back.UnmarshalText(b); err != nil || back != c {
			t.Errorf("%s: text %s gives %v, %v", tc.in, b, back, err)
		}
	}
	for _, s := range []string{"", "cny", "RMB", "000", "999", "36", "1560", "XXX"} {
		if _, err := ParseCurrency(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	// The table packs each row into seven characters: none may shadow another.
	if rows := len(strings.Fields(currencies)); len(currencyByNumber) != rows || len(currencyByAlpha) != rows {
		t.Errorf("%d rows give %d numbers and %d codes", rows, len(currencyByNumber), len(currencyByAlpha))
	}
	for c, row := range currencyByNumber {
		if len(row.alpha) != 3 || row.exponent > 4 || c == 0 || c > 999 {
			t.Errorf("row %v: %+v", uint16(c), row)
		}
	}
}

func TestSTAN(t *testing.T) {
	for s, want := range map[string]STAN{"000001": FirstSTAN, "000123": 123, "899999": LastSTAN, "900001": 900001} {
		got, err := ParseSTAN(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%s: got %d (%s), %v", s, got, got, err)
		}
	}
	for _, s := range []string{"", "123", "0000123", "00012x", "-00123", " 00123"} {
		if _, err := ParseSTAN(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, s := range []string{"T", "T0000001"} {
		if got, err := ParseTID(s); err != nil || string(got) != s {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "T00000001", "T 1", "T\n", "Té"} {
		if _, err := ParseTID(s); err == nil {
			t.Errorf("TID %q was accepted", s)
		}
	}
	if got, err := ParseMID("MERCHANT0000001"); err != nil || got != "MERCHANT0000001" {
		t.Errorf("MID: got %q, %v", got, err)
	}
	if _, err := ParseMID("MERCHANT00000001"); err == nil {
		t.Error("a MID of 16 characters was accepted")
	}
}

func TestMTI(t *testing.T) {
	for _, tc := range []struct {
		mti, response MTI
		class         byte
	}{
		{"0200", "0210", '2'}, {"0400", "0410", '4'}, {"0401", "0410", '4'}, {"0420", "0430", '4'}, {"0421", "0430", '4'},
		{"0800", "0810", '8'}, {"0820", "0830", '8'}, {"1420", "1430", '4'}, {"0210", "", '2'}, {"0430", "", '4'}, {"200", "", 0}, {"", "", 0},
	} {
		if got := tc.mti.Response(); got != tc.response {
			t.Errorf("%s: response %q, want %q", tc.mti, got, tc.response)
		}
		if got := tc.mti.Class(); got != tc.class {
			t.Errorf("%s: class %q, want %q", tc.mti, got, tc.class)
		}
		if got := tc.mti.IsResponse(); got != (tc.response == "" && len(tc.mti) == 4) {
			t.Errorf("%s: IsResponse %v", tc.mti, got)
		}
	}
	for _, s := range []string{"", "200", "02000", "02x0"} {
		if _, err := ParseMTI(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestKindsAndTypes(t *testing.T) {
	for _, typ := range Types() {
		if !typ.Valid() {
			t.Errorf("%s is not valid", typ)
		}
	}
	if Type("salute").Valid() || !Sale.NeedsConfirmation() {
		t.Error("Valid or NeedsConfirmation is wrong")
	}
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if seen[k] {
			t.Errorf("%s is listed twice", k)
		}
		seen[k] = true
	}
}
