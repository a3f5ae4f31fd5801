package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	tpdu, header := []byte{0x60, 0, 6, 0, 0}, []byte{0x60, 0x31, 0, 0x31, 0x10, 0x03}
	body := bytes.Repeat([]byte("x"), 258)
	for _, tc := range []struct {
		name   string
		format Format
		head   string
	}{
		{"binary2", Format{Length: Binary2}, "\x01\x02"},
		{"ascii4", Format{Length: ASCII4}, "0258"},
		{"bcd2", Format{Length: BCD2}, "\x02\x58"},
		{"binary2 with TPDU and header", Format{Length: Binary2, TPDU: tpdu, Header: header}, "\x01\x0d" + string(tpdu) + string(header)},
		{"bcd2 with TPDU", Format{Length: BCD2, TPDU: tpdu}, "\x02\x63" + string(tpdu)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.format.Append([]byte("before"), body)
			if err != nil {
				t.Fatal(err)
			}
			if want := "before" + tc.head + string(body); string(got) != want {
				t.Errorf("got % x…, want % x…", got[:24], want[:24])
			}
		})
	}
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		format Format
		body   int
	}{
		{"empty", Format{Length: Binary2}, 0},
		{"above max", Format{Length: Binary2, Max: 100}, 101},
		{"above default max", Format{Length: Binary2}, DefaultMax + 1},
		{"TPDU counts", Format{Length: BCD2, Max: 100, TPDU: make([]byte, 5)}, 96},
		{"no length kind", Format{}, 1},
	} {
		if got, err := tc.format.Append([]byte("kept"), make([]byte, tc.body)); !errors.Is(err, ErrLength) || string(got) != "kept" {
			t.Errorf("%s: got %q, %v; want ErrLength and dst unchanged", tc.name, got, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		format Format
		want   string
	}{
		{Format{Length: Binary2, Max: 65535}, ""},
		{Format{Length: Binary2, Max: 65536}, "does not fit"},
		{Format{Length: ASCII4, Max: 9999}, ""},
		{Format{Length: ASCII4, Max: 10000}, "does not fit"},
		{Format{Length: BCD2, Max: 10000}, "does not fit"},
		{Format{Length: BCD2, Max: -1}, "does not fit"},
		{Format{Length: BCD2, Max: 5, TPDU: make([]byte, 5)}, "no room"},
		{Format{}, "unknown length kind"},
	} {
		err := tc.format.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want %q", tc.format, err, tc.want)
		}
	}
}

func TestLengthKindText(t *testing.T) {
	for _, k := range []LengthKind{Binary2, ASCII4, BCD2} {
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		var got LengthKind
		if err := json.Unmarshal(b, &got); err != nil || got != k {
			t.Errorf("%s: got %v, %v", b, got, err)
		}
	}
	var k LengthKind
	if err := json.Unmarshal([]byte(`"binary"`), &k); err == nil {
		t.Error("an unknown length header was accepted")
	}
}

// TestCut takes single frames off a buffer.
func TestCut(t *testing.T) {
	f := Format{Length: Binary2, Max: 32, TPDU: make([]byte, 5), Header: make([]byte, 6)}
	framed, err := f.Append(nil, []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	body, n, err := f.Cut(append(framed, "next"...))
	if err != nil || string(body) != "body" || n != len(framed) {
		t.Errorf("got %q, %d, %v", body, n, err)
	}
	for i := range framed {
		if _, _, err := f.Cut(framed[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of it: %v", i, err)
		}
	}
	if _, _, err := f.Cut([]byte{0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); !errors.Is(err, ErrLength) {
		t.Errorf("no body: %v", err)
	}
}
