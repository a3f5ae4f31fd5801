package journal

import (
	"encoding/hex"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The example in FORMAT.md is what it says, and encodes to itself.
func TestFormatExample(t *testing.T) {
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^[0-9a-f]{4}  ([0-9a-f ]+)$`).FindAllSubmatch(page, -1) {
		digits.WriteString(strings.ReplaceAll(string(m[1]), " ", ""))
	}
	stored, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	var id journalID
	for i := range id {
		id[i] = byte(i)
	}
	r, err := decode(id, 1, stored)
	if err != nil {
		t.Fatal(err)
	}
	want := Record{LSN: 1, Type: 7, Class: ClassIntent, KeyID: 3, Group: "tx-1", Keys: []string{"stan/000001"}, Clear: []byte("hello"), Sealed: r.Sealed}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v\nwant %+v", r, want)
	}
	if got := r.encode(id); !reflect.DeepEqual(got, stored) {
		t.Errorf("encodes to % x", got)
	}
	s, err := newSealer(id, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := s.unseal(r); err != nil || string(plain) != "secret" {
		t.Errorf("unseal: %v", err)
	}
}

// No bytes make decode panic, and what it accepts encodes to itself.
func FuzzDecode(f *testing.F) {
	r := Record{LSN: 1, Type: 7, Class: ClassIntent, Group: "g", Keys: []string{"k", "l"}, Clear: []byte("c")}
	f.Add(r.encode(journalID{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerLen { // get past the checksum
			b = append([]byte(nil), b...)
			copy(b[crcAt:headerLen], []byte{0, 0, 0, 0})
			c := checksum(journalID{}, b)
			b[crcAt], b[crcAt+1], b[crcAt+2], b[crcAt+3] = byte(c), byte(c>>8), byte(c>>16), byte(c>>24)
		}
		r, err := decode(journalID{}, 1, b)
		if err != nil {
			return
		}
		if got := r.encode(journalID{}); !reflect.DeepEqual(got, b) {
			t.Errorf("% x\nencodes to\n% x", b, got)
		}
	})
}
