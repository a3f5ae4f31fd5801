package mac

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/cbcmac"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, s string) Key {
	t.Helper()
	k, err := ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVectors holds the independent oracles of terminal-rules.md, D, and of
// safety.md.
func TestVectors(t *testing.T) {
	const aesKey = "2b7e151628aed2a6abf7158809cf4f3c"
	for _, v := range []struct {
		name      string
		algorithm Algorithm
		key       string
		data      []byte
		want      string
	}{
		{"UnionPay ECB", UnionPayECB, "2222222222222222", unhex(t, "1234567890ABCDEFABCDEF1234567890"), hex.EncodeToString([]byte("E267B6E2"))},
		{"X9.9 and FIPS 113", X99, "0123456789ABCDEF", []byte("7654321 Now is the time for "), "F1D30F6849312CA4"},
		{"UnionPay CBC, single key", UnionPayCBC, "0123456789ABCDEF", []byte("7654321 Now is the time for "), "F1D30F6849312CA4"},
		{"X9.19 retail MAC", X919, "7CA110454A1A6E570131D9619DC1376E", []byte("Hello World !!!!"), "F09B856213BAB83B"},
		{"UnionPay CBC, double key", UnionPayCBC, "7CA110454A1A6E570131D9619DC1376E", []byte("Hello World !!!!"), "F09B856213BAB83B"},
		{
			"ICAO 9303 retail MAC, padding 2", X919Pad2, "7962D9ECE03D1ACD4C76089DCE131543",
			unhex(t, "72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2"), "5F1448EEA8AD90A7",
		},
		{"AES-CMAC of nothing", AESCMAC, aesKey, nil, "bb1d6929e95937287fa37d129b756746"},
		{"AES-CMAC of a block", AESCMAC, aesKey, unhex(t, "6bc1bee22e409f96e93d7e117393172a"), "070a16b46b4d4144f79bdd9dd04a287c"},
	} {
		got, err := Method{Algorithm: v.algorithm}.Sum(key(t, v.key), v.data)
		if err != nil || !strings.EqualFold(hex.EncodeToString(got), v.want) {
			t.Errorf("%s: got %x, %v; want %s", v.name, got, err, v.want)
		}
	}
}

// TestSM4 holds the block vector and its million rounds.
func TestSM4(t *testing.T) {
	text := unhex(t, "0123456789ABCDEFFEDCBA9876543210")
	b, err := key(t, "0123456789ABCDEFFEDCBA9876543210").block(SM4)
	if err != nil {
		t.Fatal(err)
	}
	b.Encrypt(text, text)
	if got := hex.EncodeToString(text); got != "681edf34d206965e86b3e94f536e4246" {
		t.Fatalf("one round: got %s", got)
	}
	for range 999_999 {
		b.Encrypt(text, text)
	}
	if got := hex.EncodeToString(text); got != "595298c7c6fd271f0402f804c33d3f66" {
		t.Errorf("a million rounds: got %s", got)
	}
}

// TestRetailAgainstLibrary compares our retail MAC with gmsm's, which shares
// none of its code, at every length around the block's edge.
func TestRetailAgainstLibrary(t *testing.T) {
	k := key(t, "7962D9ECE03D1ACD4C76089DCE131543")
	single := func(b []byte) (cipher.Block, error) {
		own, err := NewKey(b)
		if err != nil {
			return nil, err
		}
		return own.block(DES)
	}
	theirs := cbcmac.NewANSIRetailMAC(single, k.bytes()[:8], k.bytes()[8:], 8)
	for n := range 40 {
		data := []byte(strings.Repeat("counterfoil", 4)[:n])
		got, err := Method{Algorithm: X919Pad2}.Sum(k, data)
		if err != nil || !slices.Equal(got, theirs.MAC(data)) {
			t.Errorf("%d bytes: got %x, %v; gmsm has %x", n, got, err, theirs.MAC(data))
		}
	}
}

// TestUnionPayECBByHand computes the MAC of one block from its definition:
// the block in hexadecimal, its halves encrypted by turns.
func TestUnionPayECBByHand(t *testing.T) {
	for _, c := range []struct {
		algorithm Algorithm
		cipher    Cipher
		key, data string
	}{
		{UnionPayECB, DES, "0123456789ABCDEF", "00112233445566AB"},
		{UnionPayECB, DES, "7CA110454A1A6E570131D9619DC1376E", "00112233445566AB"},
		{UnionPayECBSM4, SM4, "0123456789ABCDEFFEDCBA9876543210", "00112233445566AB8899AABBCCDDEEFF"},
	} {
		b, err := key(t, c.key).block(c.cipher)
		if err != nil {
			t.Fatal(err)
		}
		n := b.BlockSize()
		one := make([]byte, n)
		b.Encrypt(one, []byte(c.data[:n]))
		for i := range one {
			one[i] ^= c.data[n+i]
		}
		b.Encrypt(one, one)
		want := strings.ToUpper(hex.EncodeToString(one))[:8]
		got, err := Method{Algorithm: c.algorithm}.Sum(key(t, c.key), unhex(t, c.data))
		if err != nil || string(got) != want {
			t.Errorf("%s under %d bytes: got %q, %v; want %q", c.algorithm, len(c.key)/2, got, err, want)
		}
	}
}

// TestC32ExtraZeroBlock: harmless in ECB, different in CBC, and only of aligned
// data (terminal-rules B1, C.32).
func TestC32ExtraZeroBlock(t *testing.T) {
	k := key(t, "0123456789ABCDEF")
	aligned, ragged := []byte("sixteen bytes ok"), []byte("thirteen byte")
	for _, c := range []struct {
		algorithm Algorithm
		data      []byte
		same      bool
	}{{UnionPayECB, aligned, true}, {UnionPayCBC, aligned, false}, {UnionPayECB, ragged, true}, {UnionPayCBC, ragged, true}} {
		without, err1 := Method{Algorithm: c.algorithm}.Sum(k, c.data)
		with, err2 := Method{Algorithm: c.algorithm, ExtraZeroBlock: true}.Sum(k, c.data)
		if err := errors.Join(err1, err2); err != nil || slices.Equal(without, with) != c.same {
			t.Errorf("%s of %d bytes: %x without the block, %x with it, %v", c.algorithm, len(c.data), without, with, err)
		}
	}
	byHand, err := Method{Algorithm: UnionPayCBC}.Sum(k, append(slices.Clone(aligned), make([]byte, 8)...))
	with, err2 := Method{Algorithm: UnionPayCBC, ExtraZeroBlock: true}.Sum(k, aligned)
	if err := errors.Join(err, err2); err != nil || !slices.Equal(byHand, with) {
		t.Errorf("CBC with the block: got %x, want %x (%v)", with, byHand, err)
	}
}

// TestSumLeavesItsInput: padding must not write behind the caller's slice.
func TestSumLeavesItsInput(t *testing.T) {
	backing := []byte("123456789abcdefg")
	for _, a := range []Algorithm{X99, UnionPayECB, UnionPayCBC} {
		if _, err := (Method{Algorithm: a}).Sum(key(t, "0123456789ABCDEF"), backing[:5]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (Method{Algorithm: X919Pad2}).Sum(key(t, "7CA110454A1A6E570131D9619DC1376E"), backing[:5]); err != nil {
		t.Fatal(err)
	}
	if string(backing) != "123456789abcdefg" {
		t.Errorf("the caller's bytes are %q now", backing)
	}
}

func TestSumRefusesKeys(t *testing.T) {
	for _, c := range []struct {
		algorithm Algorithm
		key       string
	}{
		{X99, "7CA110454A1A6E570131D9619DC1376E"}, {X919, "0123456789ABCDEF"}, {X919Pad2, "0123456789ABCDEF"},
		{UnionPayCBC, strings.Repeat("01", 24)}, {UnionPayECBSM4, "0123456789ABCDEF"}, {AESCMAC, "0123456789ABCDEF"},
		{UnionPayECB, strings.Repeat("01", 32)}, {SM4CMAC, strings.Repeat("01", 24)},
	} {
		if _, err := (Method{Algorithm: c.algorithm}).Sum(key(t, c.key), nil); !errors.Is(err, ErrKey) {
			t.Errorf("%s with %d bytes: got %v, want ErrKey", c.algorithm, len(c.key)/2, err)
		}
	}
	if _, err := (Method{Algorithm: X99}).Sum(Key{}, nil); !errors.Is(err, ErrKey) {
		t.Errorf("no key: got %v", err)
	}
	for _, m := range []Method{{}, {Algorithm: "x9.99"}, {Algorithm: X99, ExtraZeroBlock: true}} {
		if err := m.Validate(); err == nil {
			t.Errorf("%+v is accepted", m)
		}
		if _, err := m.Sum(key(t, "0123456789ABCDEF"), nil); err == nil {
			t.Errorf("%+v makes a MAC", m)
		}
	}
}

// TestKeysNeverPrint, whatever prints them, also out of a structure's hidden
// fields.
func TestKeysNeverPrint(t *testing.T) {
	k := key(t, "0123456789ABCDEFFEDCBA9876543210")
	holder := struct {
		Shown  Key
		hidden Key
	}{k, k}
	text, _ := k.MarshalText()
	all := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		all += fmt.Sprintf(verb+" "+verb+" "+verb, k, &k, holder) //nolint:govet // any verb
	}
	for _, err := range []error{
		func() error { _, err := ParseKey("0123456789ABCDEG"); return err }(),
		func() error { _, err := ParseKey("0123456789ABCDEF01"); return err }(),
		func() error { _, err := k.CheckValue("rot13"); return err }(),
	} {
		if err == nil {
			t.Error("accepted")
		} else {
			all += err.Error()
		}
	}
	for _, leak := range []string{"01234567", "0123456789", "1 35 69 103", "\x01\x23\x45", "0x1, 0x23"} {
		if strings.Contains(strings.ToLower(all), leak) {
			t.Errorf("%q is in %s", leak, all)
		}
	}
	if !strings.Contains(all, "[key of 16 bytes]") || (Key{}).String() != "[no key]" {
		t.Errorf("a key says nothing of itself: %s", all)
	}
}
