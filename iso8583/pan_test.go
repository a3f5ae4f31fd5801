package iso8583

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

const (
	testPAN    = "6228480000000001230"
	testMasked = "622848*********1230"
	testTrack  = testPAN + "=30122010000000000"
	testPIN    = "0123456789ABCDEF"
)

func parsePAN(t *testing.T, s string) PAN {
	t.Helper()
	p, err := ParsePAN(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// printings is v under every verb and encoder that a log or an error may use.
func printings(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%T: %[1]v", "%30s", "%.20s"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	out["Print"] = fmt.Sprint(v)
	out["error"] = fmt.Errorf("sale failed: %v", v).Error()
	j, err := json.Marshal(map[string]any{"v": v})
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(j)
	out["yaml"] = yamlish(t, v)
	for name, h := range map[string]func(*strings.Builder) slog.Handler{
		"slog text": func(b *strings.Builder) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog json": func(b *strings.Builder) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b strings.Builder
		slog.New(h(&b)).Info("sale", "v", v)
		out[name] = b.String()
	}
	return out
}

// yamlish is what a YAML encoder would begin from: MarshalYAML, else
// MarshalText, else the exported fields. This package imports no encoder.
func yamlish(t *testing.T, v any) string {
	t.Helper()
	if m, ok := v.(interface{ MarshalYAML() (any, error) }); ok {
		plain, err := m.MarshalYAML()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(plain)
	}
	if m, ok := v.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r := reflect.Indirect(reflect.ValueOf(v))
	if r.Kind() != reflect.Struct {
		return fmt.Sprint(v)
	}
	var b strings.Builder
	for i := range r.NumField() {
		if f := r.Field(i); f.CanInterface() && f.Kind() != reflect.Pointer {
			b.WriteString(yamlish(t, f.Interface()) + "\n")
		}
	}
	return b.String()
}

// mustHide fails where a printing of v holds one of the secrets, as text or
// as hexadecimal.
func mustHide(t *testing.T, v any, secrets ...string) {
	t.Helper()
	for how, s := range printings(t, v) {
		for _, secret := range secrets {
			if strings.Contains(s, secret) || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", secret)) {
				t.Errorf("%T under %s shows a secret of %d characters", v, how, len(secret))
			}
		}
	}
}

func TestPANIsMaskedWhateverPrintsIt(t *testing.T) {
	p := parsePAN(t, testPAN)
	middle := testPAN[6:15]
	mustHide(t, p, testPAN, middle)
	mustHide(t, &p, testPAN, middle)
	mustHide(t, []PAN{p}, testPAN, middle)
	mustHide(t, struct{ Card PAN }{p}, testPAN, middle)
	for how, s := range printings(t, p) {
		if !strings.Contains(s, testMasked) && !strings.HasPrefix(how, "%T") {
			t.Errorf("under %s: got %q, want the masked number", how, s)
		}
	}
	if p.Reveal() != testPAN || p.IsZero() || !(PAN{}).IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
}

func TestParsePAN(t *testing.T) {
	for _, s := range []string{testPAN, "4111111111111111", "378282246310005", "6011000990139424"} {
		parsePAN(t, s)
	}
	for name, s := range map[string]string{
		"empty": "", "check digit": "4111111111111112", "eleven digits": "41111111111", "twenty digits": testPAN + "0",
		"space": "4111 1111 1111 1111", "letter": "411111111111111A", "full-width digits": "４１１１１１１１１１１１１１１１",
	} {
		_, err := ParsePAN(s)
		if !errors.Is(err, ErrPAN) {
			t.Errorf("%s: got %v, want ErrPAN", name, err)
		}
		if s != "" && err != nil && strings.Contains(err.Error(), s) {
			t.Errorf("%s: the error quotes the number", name)
		}
	}
}

func TestMaskDigits(t *testing.T) {
	for in, want := range map[string]string{
		testPAN: testMasked, "4111111111111111": "411111******1111", "411111111111": "411111**1111",
		"41111111111": "***********", "": "",
	} {
		if got := MaskDigits(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSecretIsHidden(t *testing.T) {
	mustHide(t, NewSecret(testTrack), testTrack, testPAN, testTrack[6:])
	if s := NewSecret(testTrack); s.Reveal() != testTrack || s.IsZero() || !NewSecret("").IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
}

func TestCardIsMasked(t *testing.T) {
	c := Card{PAN: parsePAN(t, testPAN), Expiry: "3012", EntryMode: "021", Track2: NewSecret(testTrack), PINBlock: NewSecret(testPIN)}
	mustHide(t, c, testPAN, testTrack, testPIN, "3012")
	mustHide(t, &c, testPAN, testTrack, testPIN, "3012")
	mustHide(t, Facts{Kind: KindSale, Card: &c}, testPAN, testTrack, testPIN)
}

func TestMessageIsMasked(t *testing.T) {
	m := NewMessage("0200")
	for de, v := range map[int]string{2: testPAN, 4: "000000001234", 14: "3012", 35: testTrack, 52: testPIN, 55: "9F2608AABB", 11: "000123"} {
		m.Set(de, v)
	}
	mustHide(t, m, testPAN, testTrack, testPIN, "3012", "9F2608AABB")
	want := "0200 2=" + testMasked + " 4=000000001234 11=000123 14=[4 characters] 35=[37 characters] 52=[16 characters] 55=[10 characters]"
	if got := m.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMessage(t *testing.T) {
	m := NewMessage("0210")
	m.Set(39, "00")
	m.Set(11, "000123")
	c := m.Clone()
	c.Set(39, "")
	if c.Has(39) || c.Get(39) != "" || !m.Has(39) || m.Get(39) != "00" {
		t.Error("Set, Get, Has or Clone is wrong")
	}
	if m.Equal(c) || !m.Equal(m.Clone()) {
		t.Error("Equal is wrong")
	}
	c.Set(39, "05")
	if m.Equal(c) {
		t.Error("messages with another value are equal")
	}
	c.Set(39, "00")
	c.MTI = "0410"
	if m.Equal(c) {
		t.Error("messages with another MTI are equal")
	}
	if got := m.Fields(); len(got) != 2 || got[0] != 11 || got[1] != 39 {
		t.Errorf("fields: %v", got)
	}
}

func TestTemplate(t *testing.T) {
	c := &Card{PAN: parsePAN(t, testPAN), Expiry: "3012", EntryMode: "021", Track2: NewSecret(testTrack), PINBlock: NewSecret(testPIN)}
	b := c.Template()
	if strings.Contains(string(b), testTrack) || strings.Contains(string(b), testPIN) {
		t.Fatal("the template holds track data or the PIN block")
	}
	got, err := ParseTemplate(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Card{PAN: c.PAN, Expiry: "3012", EntryMode: "021"}); *got != want {
		t.Error("the template does not give back PAN, expiry and entry mode")
	}
	if (*Card)(nil).Template() != nil {
		t.Error("no card has a template")
	}
	for name, bad := range map[string]string{
		"empty": "", "two parts": testPAN + "|3012", "four parts": testPAN + "|3012|021|x", "bad PAN": "4111111111111112|3012|021",
	} {
		if _, err := ParseTemplate([]byte(bad)); !errors.Is(err, ErrTemplate) || strings.Contains(err.Error(), "411111") {
			t.Errorf("%s: got %v, want ErrTemplate", name, err)
		}
	}
}
