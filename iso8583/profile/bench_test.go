package profile

import (
	"fmt"
	"syscall"
	"testing"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// theirs is the dialect with the codec library's own BCD encoders and
// prefixers in place of ours; tracks, which they cannot write, stay ours.
func theirs(p *Profile) *Profile {
	enc := map[encoding.Encoder]encoding.Encoder{packedRight: encoding.BCD, packedLeft: encoding.LBCD}
	pref := map[prefix.Prefixer]prefix.Prefixer{packedLL: prefix.BCD.LL, packedLLL: prefix.BCD.LLL}
	other := *p
	other.spec = &moov.MessageSpec{Fields: map[int]field.Field{}}
	for de, f := range p.spec.Fields {
		s := *f.Spec()
		if e, ok := enc[s.Enc]; ok {
			s.Enc = e
		}
		if q, ok := pref[s.Pref]; ok {
			s.Pref = q
		}
		switch f.(type) {
		case *field.Bitmap:
			other.spec.Fields[de] = field.NewBitmap(&s)
		case *field.Binary:
			other.spec.Fields[de] = field.NewBinary(&s)
		default:
			other.spec.Fields[de] = field.NewString(&s)
		}
	}
	return &other
}

// TestTheirsWritesTheSame: the benchmark compares like with like.
func TestTheirsWritesTheSame(t *testing.T) {
	c := unionpay(t)
	m := sale18(t, c)
	ours, err := c.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	other, err := theirs(c.Profile).With(c.signer).Pack(m)
	if err != nil || fmt.Sprintf("%x", other) != fmt.Sprintf("%x", ours) {
		t.Errorf("%x, %v\nwant %x", other, err, ours)
	}
	if back, err := theirs(c.Profile).Unpack(ours); err != nil || back.Get(2) != testPAN {
		t.Errorf("read back: %v, %v", back, err)
	}
}

// cpu reports the processor's time per operation, the collector's included:
// on a shared machine the clock on the wall measures the others too.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	from := used()
	return func() { b.ReportMetric(float64(used()-from)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkUnionPay packs and unpacks B1's 0200 of 18 elements: ours, with the
// checks that every message passes (unpacking packs again and compares); the
// same with the library's BCD; and the codec library alone, either way.
func BenchmarkUnionPay(b *testing.B) {
	c := unionpay(b)
	m := sale18(b, c)
	m.MAC = iso8583.MACNone // signing is the signer's time
	m.Set(64, "3337313933463233")
	body, err := c.Profile.Pack(m)
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range []struct {
		name string
		p    *Profile
	}{{"own", c.Profile}, {"library", theirs(c.Profile)}} {
		b.Run("pack/"+d.name, func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if _, err := d.p.Pack(m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("unpack/"+d.name, func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b)()
			for b.Loop() {
				if _, err := d.p.Unpack(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("sign", func(b *testing.B) {
		defer cpu(b)()
		for b.Loop() {
			if _, err := c.signer.Sign(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
