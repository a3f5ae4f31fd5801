package txn

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// sampleRecords is one record of each type with every field set, so that a
// change of a field's number or meaning shows in testdata/records.golden.
func sampleRecords(t testing.TB) []Record {
	h, b := Head{UUID: "u1", At: start}, Head{UUID: "batch:T0000001/3", At: start}
	k := Head{UUID: "datakey:7", At: start}
	return []Record{
		&Epoch{Head{UUID: "epoch:", At: start}, 7},
		&RulesUsed{Head{UUID: "rules:h", At: start}, "0123456789abcdef", `{"profile":"p"}`},
		&Jump{Head{UUID: "terminal:T0000001", At: start}, testTID, 1002},
		&Evidence{Head{UUID: "evidence:", At: start}, 1, "the frame is no message", "length 3"},
		&TerminalHead{Head{UUID: "terminal:T0000001", At: start}, testTID, 1002, start},
		&Intent{
			Head: h, Kind: iso8583.Sale, TID: testTID, MID: testMID, STAN: 899999, Epoch: 7,
			Minor: 1234, Currency: 156, Sale: "s1", Part: "2", Digest: "d1", PAN: testCard(t).PAN.Masked(), CardHash: "h1",
			Transmission: "0314100000", LocalTime: "180000", LocalDate: "0314", Year: 2026, Rules: "0123456789abcdef", Route: 1, Original: "u0", Address: "a.example:8583",
			Session: "w1", Implicit: true, Replaces: "u3", NotDuplicateOf: "u4",
			Chip: iso8583.ChipContact, EMV: "9F360200019505", Partial: true,
			Batch: "000042", Serial: 3, HostTime: "180230", HostDate: "0314", DataKey: 7, Handle: true,
			Card: testCard(t),
		},
		&SignOnSent{Head{UUID: "terminal:T0000001", At: start}, testTID, 7, 1, "a.example:8583"},
		&SignedOn{Head{UUID: "terminal:T0000001", At: start}, testTID, 7, "00", "0102030405060708AABBCCDD", "000043", 1, "a.example:8583", start},
		&SignedOff{Head{UUID: "terminal:T0000001", At: start}, testTID, 8},
		&SignOnFailed{Head{UUID: "terminal:T0000001", At: start}, testTID, 7, "58", "the host refused it", 1, "a.example:8583"},
		&Rerouted{h, 1, "b.example:8583"},
		&Approved{h, "00", "000000600001", "A00001", 1, "BAL", "8A023030", 1000},
		&Declined{h, "51", "000000600001", "8A023531"},
		&NotSent{h},
		&Confirmed{h, true},
		&ShownNote{h, DeliveredYes},
		&Followed{h, "u2", iso8583.Refund, 500, testTID, 900},
		&FollowEnded{h, "u2", true},
		&Failed{h},
		&Reversing{h, CauseTimeout, "68", true, "9F36020001"},
		&Attempt{h, 3, 1, "0314100530", true},
		&ReversalSent{h, 3},
		&ReversalAnswer{h, "25", 1, VerdictUnknown},
		&Hold{h},
		&Reversed{h},
		&Late{h, "approved", "00", "000000600001", "A00001", 1, "0210 39=00"},
		&Escalated{h, CauseSilence},
		&Resolved{h, VerbReversed, "Li", "phoned", "K-17"},
		&ChipResult{h, "40", "9F2608A1A2A3A4A5A6A7A8", "DF31050000000000"},
		&ScriptOwed{h, testTID, 902, "0314100600"},
		&ScriptEnded{h, "00", "more than script.limit are owed"},
		&Loss{Head{UUID: "loss:9", At: start}, 8, 9, 100, 200, "agent", "an older one"},
		&LossClosed{Head{UUID: "loss:9", At: start}, "Li", "compared", "K-18"},
		&Acknowledged{h, 2, "Li"},
		&Intent{Head: h, Kind: iso8583.Offline, STAN: 900, Approval: "V00001", Card: testCard(t)},
		&Inquiring{h, CauseTimeout},
		&Inquiry{h, 2, testTID, 901, "0314100530", "180530", "0314"},
		&InquiryAnswer{h, 2, "25", "000000600001", "A00001", 1, FoundNothing, true, "0210 39=25"},
		&Owed{h},
		&AdviceAttempt{h, 2, true},
		&AdviceAnswer{h, "12", 1, VerdictRefused, "0230 39=12"},
		&Advised{h, "00", "000000600001", "A00001"},
		&BatchNumber{Head{UUID: "terminal:T0000001", At: start}, testTID, "000042", 3, 17},
		&BatchLeftOver{b, testTID, 3, "000042"},
		&BatchClosingBegun{b, testTID, 3, "000042", "0123456789abcdef", 1, "Li"},
		&BatchFrozen{b, 12345, 3, 1000, 1, 156, "000001000002000004000005", "000003", 1},
		&BatchMessage{b, iso8583.KindUpload, testTID, 6, "0314100000", "180000", "0314", 8, 3},
		&BatchAnswer{b, "00", iso8583.BatchUnbalanced, iso8583.BatchBalanced, 11, "0330 39=00"},
		&BatchSettled{b, BatchByHand, "Li", "phoned", "K-17"},
		&BatchEscalated{b, CauseUnbalanced},
		&BatchResolved{b, "Li", "compared", "K-18"},
		&DataKey{k, 7, testTID, 3, true},
		&DataKeyRetired{k},
		&DataKeyDestroyed{k},
	}
}

// TestRecordsGolden pins the bytes of every record type. A changed line means
// that journals in the field are read differently: give the new meaning a new
// type instead.
func TestRecordsGolden(t *testing.T) {
	var b strings.Builder
	seen := map[RecordType]bool{}
	for _, r := range sampleRecords(t) {
		fmt.Fprintf(&b, "%d %s %s\n", r.Type(), r.Type(), hex.EncodeToString(Encode(nil, r)))
		seen[r.Type()] = true
	}
	for typ := range recordTypes {
		if !seen[typ] {
			t.Errorf("no sample of record type %s", typ)
		}
	}
	golden(t, filepath.Join("testdata", "records.golden"), b.String())
}

// TestOldRecords: what was written before a field was added reads as it did,
// and is written the same.
func TestOldRecords(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "records-1.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var typ RecordType
		var name, text string
		if _, err := fmt.Sscan(line, &typ, &name, &text); err != nil {
			t.Fatal(err)
		}
		clear, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Decode(typ, "u1", clear)
		if err != nil || !bytes.Equal(Encode(nil, r), clear) {
			t.Errorf("%s: %v, or it is written otherwise", name, err)
		}
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	for _, r := range sampleRecords(t) {
		roundTrip(t, r)
	}
	types := slices.Sorted(maps.Keys(recordTypes))
	rapid.Check(t, func(t *rapid.T) {
		r := recordTypes[rapid.SampledFrom(types).Draw(t, "type")].make()
		fill(t, reflect.ValueOf(r).Elem())
		r.head().UUID = "u1"
		roundTrip(t, r)
	})
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func roundTrip(t fataler, r Record) {
	t.Helper()
	got, err := Decode(r.Type(), r.Group(), Encode([]byte("prefix"), r)[len("prefix"):])
	if err != nil {
		t.Fatalf("%s: %v", r.Type(), err)
	}
	want := r
	if i, ok := r.(*Intent); ok { // the card is sealed by the journal
		c := *i
		c.Card = nil
		want = &c
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n want %+v\n  got %+v", r.Type(), want, got)
	}
}

// fill draws a value for every field of a record.
func fill(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			fill(t, f)
		case reflect.String:
			f.SetString(rapid.String().Draw(t, "s"))
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, "b"))
		case reflect.Int, reflect.Int64:
			f.SetInt(rapid.Int64().Draw(t, "i"))
		case reflect.Uint16:
			f.SetUint(uint64(rapid.Uint16().Draw(t, "u")))
		case reflect.Uint32:
			f.SetUint(uint64(rapid.Uint32().Draw(t, "u")))
		case reflect.Uint64:
			f.SetUint(rapid.Uint64Max(math.MaxInt64).Draw(t, "u"))
		}
	}
}

// TestDecodeRefuses: what a newer version wrote is told apart from damage.
func TestDecodeRefuses(t *testing.T) {
	approved := Encode(nil, &Approved{Head: Head{At: 1}, Code: "00", RRN: "1", AuthCode: "A", Route: 1})
	for _, c := range []struct {
		name  string
		typ   RecordType
		clear []byte
		want  error
	}{
		{"unknown type", 999, nil, ErrRecordNewer},
		{"type 0", 0, nil, ErrRecordNewer},
		{"field of a newer version", TypeApproved, append(slices.Clone(approved), maxFields-1, 1, 'x'), ErrRecordNewer},
		{"field beyond every version's bound", TypeApproved, append(slices.Clone(approved), maxFields, 1, 'x'), ErrRecordNewer},
		{"a field on a record that has none", TypeReversed, []byte{1, 1, 2, 2, 1, 'x'}, ErrRecordNewer},
		{"cut short", TypeApproved, approved[:len(approved)-1], ErrRecord},
		{"length beyond the end", TypeApproved, []byte{2, 200, 'x'}, ErrRecord},
		{"no length", TypeApproved, []byte{2}, ErrRecord},
		{"field 0", TypeApproved, []byte{0, 1, 'x'}, ErrRecord},
		{"empty field", TypeApproved, []byte{2, 0}, ErrRecord},
		{"fields out of order", TypeApproved, []byte{3, 1, 'x', 2, 1, 'x'}, ErrRecord},
		{"a field twice", TypeApproved, []byte{2, 1, 'x', 2, 1, 'x'}, ErrRecord},
		{"a zero that should be absent", TypeApproved, []byte{5, 1, 0}, ErrRecord},
		{"bytes after a number", TypeApproved, []byte{5, 2, 2, 2}, ErrRecord},
		{"a number that does not fit", TypeJump, []byte{3, 6, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x0f}, ErrRecord},
		{"neither true nor false", TypeReversing, []byte{4, 1, 4}, ErrRecord},
	} {
		if _, err := Decode(c.typ, "u1", c.clear); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range sampleRecords(f) {
		f.Add(uint16(r.Type()), Encode(nil, r))
	}
	f.Fuzz(func(t *testing.T, typ uint16, clear []byte) {
		r, err := Decode(RecordType(typ), "u1", clear)
		if err != nil {
			if !errors.Is(err, ErrRecord) && !errors.Is(err, ErrRecordNewer) {
				t.Fatalf("neither sentinel: %v", err)
			}
			return
		}
		again := Encode(nil, r)
		if len(again) > len(clear) {
			t.Fatalf("%d bytes became %d", len(clear), len(again))
		}
		b, err := Decode(RecordType(typ), "u1", again)
		if err != nil || !reflect.DeepEqual(r, b) {
			t.Fatalf("%+v became %+v, %v", r, b, err)
		}
		m := New()
		m.Apply(&Intent{Head: Head{UUID: "u1"}, TID: testTID, STAN: 1})
		m.Apply(r) // whatever it says, it must not panic
		if !bytes.Equal(m.AppendDurable(nil), m.AppendDurable(nil)) {
			t.Fatal("the image of the durable state is not stable")
		}
	})
}
