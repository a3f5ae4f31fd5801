package profile

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Seeds are committed under testdata/fuzz, so that go test goes through them:
// messages as they were when the dialects were made, the traps of the codec
// library, and what a fuzzer left behind. They are inputs and never follow the
// code; the messages and profiles of today are added here.

// frugal fails where f allocates more than limit bytes: what a stranger sends
// must not decide how much memory is taken.
func frugal(t *testing.T, limit uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("%d bytes were allocated, want at most %d", n, limit)
	}
}

// Bounds of what one input may cost. A message has at most 2 KiB; the codec
// library keeps a copy or two of each element, and an error.
const (
	unpackLimit = 256 << 10
	parseLimit  = 4 << 20 // and 64 bytes for each byte of the profile
)

// dialects is every embedded one, unionpay with keys.
func dialects(t testing.TB) []*Codec {
	t.Helper()
	var all []*Codec
	for _, name := range Names() {
		if p := load(t, name); p.doc.Wire.MAC == nil {
			all = append(all, p.With(nil))
		} else {
			all = append(all, unionpay(t))
		}
	}
	return all
}

// FuzzUnpack: no panic, bounded memory, errors are ErrMalformed and hold
// nothing of the input, and what is accepted packs to the same bytes.
func FuzzUnpack(f *testing.F) {
	all := dialects(f)
	for i, c := range all {
		var today map[string]*iso8583.Message
		if c.Name == "unionpay" {
			today = upMessages(f, c)
		} else {
			today = messages(f, c.Profile)
		}
		for _, m := range today {
			b, err := c.Pack(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, dialect uint8, b []byte) {
		c := all[int(dialect)%len(all)]
		var m *iso8583.Message
		var err error
		frugal(t, unpackLimit, func() { m, err = c.Unpack(b) })
		if _, cut := c.Dissect(b); (cut != nil) && err == nil {
			t.Fatalf("read, but cannot be cut: %v", cut)
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) || m != nil {
				t.Fatalf("got %v, %v", m, err)
			}
			return
		}
		plain := m.Clone()
		plain.MAC = iso8583.MACNone
		again, err := c.Profile.Pack(plain)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but packs to %q, %v", again, err)
		}
		for _, de := range m.Fields() {
			_, _ = c.Parts(m, de) // must not panic
		}
		_, _, _ = c.Batch(m), c.Verdicts(m), m.String()
		_, _ = c.WorkingKeys(m)
	})
}

// FuzzParse: no panic, bounded memory, every error names the file, and what is
// accepted can be described and built from.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		data, err := embedded.ReadFile("profiles/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		var p *Profile
		var err error
		frugal(t, parseLimit+64*uint64(len(data)), func() { p, err = Parse("mine.json", data) })
		if err != nil {
			if p != nil || !strings.HasPrefix(err.Error(), "mine.json: ") {
				t.Fatalf("got %v, %v", p, err)
			}
			return
		}
		d, _ := p.Describe(), p.Warnings()
		for _, m := range d.Messages {
			composed, err := p.Compose(upFacts(t, m.Kind))
			if err != nil {
				continue // the facts do not suit every dialect
			}
			composed.MAC = iso8583.MACNone
			b, err := p.Pack(composed)
			if err != nil {
				t.Fatalf("%s was composed and cannot be packed: %v", m.Kind, err)
			}
			if len(b) <= p.maxBody() {
				if _, err := p.Unpack(b); err != nil {
					t.Fatalf("%s was packed and cannot be read: %v", m.Kind, err)
				}
			}
		}
	})
}
