package mac

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The sign-on's DE 62 of terminal-rules.md, D.
const (
	de62   = "6701EAD6A9AD51E51AA406E2C27FCFA98D0A74B8B651F9E9BACE9AE10000000000000000AB7153CA"
	tmk    = "CA5D92598DCA48CE8A4C76361A9269E9"
	tpk    = "807A23AD32B36D457AE91FDF927570EA"
	tak    = "5BB5C72CD00B7338"
	sm4tmk = "0123456789ABCDEFFEDCBA9876543210"
)

func TestSignOnVector(t *testing.T) {
	w, err := Unpack(unhex(t, de62))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		slot        Slot
		want, check string
	}{{"TPK", w.PIN, tpk, "8D0A74B8"}, {"TAK", w.MAC, tak, "AB7153CA"}} {
		got, err := c.slot.Unwrap(DES, key(t, tmk))
		if err != nil || !got.Equal(key(t, c.want)) {
			t.Errorf("%s: %v; another key than the vector's", c.name, err)
		}
		if !bytes.Equal(c.slot.Check, unhex(t, c.check)) {
			t.Errorf("%s: check value %x", c.name, c.slot.Check)
		}
	}
	if len(w.Track.Key) != 0 || hex.EncodeToString(w.Pack()) != strings.ToLower(de62) {
		t.Errorf("packed again: %x", w.Pack())
	}
}

// TestC32Lengths wraps and unwraps keys of every length and cipher that DE 62
// can carry, and refuses every other length.
func TestC32Lengths(t *testing.T) {
	for _, c := range []struct {
		cipher      Cipher
		master      string
		slot, total int
		keys        []int // lengths of PIN, MAC and track key
	}{
		{DES, "0123456789ABCDEF", 8, 24, []int{8, 8}},
		{DES, tmk, 16, 40, []int{16, 8}},
		{DES, tmk, 16, 40, []int{16, 16}},
		{DES, tmk + "0123456789ABCDEF", 24, 56, []int{24, 16}},
		{DES, tmk, 24, 56, []int{24, 8}},
		{DES, tmk, 16, 60, []int{16, 8, 16}},
		{DES, tmk, 24, 84, []int{24, 24, 24}},
		{SM4, sm4tmk, 16, 40, []int{16, 16}},
		{SM4, sm4tmk, 16, 60, []int{16, 16, 16}},
	} {
		t.Run(fmt.Sprintf("%s %d bytes, keys of %v", c.cipher, c.total, c.keys), func(t *testing.T) {
			master := key(t, c.master)
			var plain []Key
			var slots [3]Slot
			for i, n := range c.keys {
				k := key(t, strings.Repeat(fmt.Sprintf("%02X1357", 0xA1+i), 8)[:2*n])
				s, err := Wrap(c.cipher, master, k, c.slot)
				if err != nil {
					t.Fatal(err)
				}
				plain, slots[i] = append(plain, k), s
			}
			whole := Wrapped{slots[0], slots[1], slots[2]}.Pack()
			if len(whole) != c.total {
				t.Fatalf("%d bytes, want %d", len(whole), c.total)
			}
			w, err := Unpack(whole)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range []Slot{w.PIN, w.MAC, w.Track}[:len(plain)] {
				if got, err := s.Unwrap(c.cipher, master); err != nil || !got.Equal(plain[i]) {
					t.Errorf("key %d: %v, %v", i, got, err)
				}
			}
		})
	}
	for n := range 100 {
		switch n {
		case 24, 40, 56, 60, 84:
		default:
			if w, err := Unpack(make([]byte, n)); !errors.Is(err, ErrLength) || !w.IsZero() {
				t.Errorf("%d bytes: got %v", n, err)
			}
		}
	}
}

// TestC32CheckValue: one flipped bit anywhere in a wrapped key or its check
// value is a mismatch, and the signer goes on with what it has.
func TestC32CheckValue(t *testing.T) {
	s := signer(t)
	good := unhex(t, de62)
	w, _ := Unpack(good)
	if err := s.Load(w); err != nil {
		t.Fatal(err)
	}
	before, err := s.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		w, err := Unpack(bad)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Load(w)
		if !errors.Is(err, ErrCheckValue) {
			t.Errorf("byte %d: got %v, want a mismatch", i, err)
		} else if strings.Contains(strings.ToUpper(err.Error()), tak[:6]) {
			t.Errorf("the error quotes the key")
		}
		if err := s.Verify([]byte("text"), before); err != nil {
			t.Fatalf("byte %d: the key in use is gone: %v", i, err)
		}
	}
	other, err := NewSoftware(Method{Algorithm: UnionPayECB}, key(t, strings.Repeat("11", 16)), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Load(w); !errors.Is(err, ErrCheckValue) {
		t.Errorf("another master key: got %v", err)
	}
}

func signer(t testing.TB) *Software {
	t.Helper()
	s, err := NewSoftware(Method{Algorithm: UnionPayECB}, key(t, tmk), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSoftware(t *testing.T) {
	var said string
	s, err := NewSoftware(Method{Algorithm: UnionPayECB}, key(t, tmk), func(text string) { said = text })
	if err != nil || said != SoftwareWarning || s.Warning() != said {
		t.Fatalf("it said %q, %v", said, err)
	}
	if _, err := s.Sign(nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("before sign-on: got %v", err)
	}
	if err := s.Verify(nil, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("before sign-on: got %v", err)
	}
	w, err := Unpack(unhex(t, de62))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(w); err != nil {
		t.Fatal(err)
	}
	got, err := s.Sign([]byte("abc"))
	want, err2 := Method{Algorithm: UnionPayECB}.Sum(key(t, tak), []byte("abc"))
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v; want %x", got, err, want)
	}
	for _, bad := range [][]byte{nil, got[:7], append(bytes.Clone(got), 0), []byte("00000000")} {
		if err := s.Verify([]byte("abc"), bad); !errors.Is(err, ErrMismatch) {
			t.Errorf("%q: got %v, want a mismatch", bad, err)
		}
	}
	if err := s.Verify([]byte("abc"), got); err != nil {
		t.Error(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, s); text != "software signer, unionpay-ecb" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// TestRotation: new keys replace the old ones, and what the old ones signed
// is no longer accepted.
func TestRotation(t *testing.T) {
	s := signer(t)
	w, _ := Unpack(unhex(t, de62))
	if err := s.Load(w); err != nil {
		t.Fatal(err)
	}
	old, err := s.Sign([]byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if w.MAC, err = Wrap(DES, key(t, tmk), key(t, "1122334455667788"), 16); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(w); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify([]byte("abc"), old); !errors.Is(err, ErrMismatch) {
		t.Errorf("the old key's MAC: got %v", err)
	}
}

func TestSoftwareRefuses(t *testing.T) {
	quiet := func(string) {}
	if _, err := NewSoftware(Method{Algorithm: "x"}, key(t, tmk), quiet); err == nil {
		t.Error("an unknown algorithm is accepted")
	}
	if _, err := NewSoftware(Method{Algorithm: UnionPayECB}, Key{}, quiet); !errors.Is(err, ErrKey) {
		t.Errorf("no master key: got %v", err)
	}
	if _, err := NewSoftware(Method{Algorithm: UnionPayECB}, key(t, tmk), nil); err == nil {
		t.Error("a signer that cannot say what it is is accepted")
	}
	s, err := NewSoftware(Method{Algorithm: X919}, key(t, tmk), quiet)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := Unpack(unhex(t, de62))
	if err := s.Load(w); !errors.Is(err, ErrKey) {
		t.Errorf("a single MAC key for X9.19: got %v", err)
	}
	if err := s.Load(Wrapped{}); !errors.Is(err, ErrKey) {
		t.Errorf("no keys: got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(unhex(f, de62))
	for _, n := range []int{0, 23, 24, 40, 56, 60, 84, 85} {
		f.Add(make([]byte, n))
	}
	master := key(f, tmk)
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := Unpack(b)
		if err != nil {
			if !errors.Is(err, ErrLength) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(w.Pack(), b) {
			t.Fatal("does not pack to itself")
		}
		for _, s := range []Slot{w.PIN, w.MAC, w.Track} {
			if _, err := s.Unwrap(DES, master); err != nil && !errors.Is(err, ErrKey) && !errors.Is(err, ErrCheckValue) {
				t.Fatal(err)
			}
		}
	})
}
