package hostsim

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// writeLedger makes a file with a few transactions and gives its path and what
// it says.
func writeLedger(t *testing.T) (string, []EntryView) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	p := standard()
	p.Tombstones = true
	b, note, err := openBook(path, p, testTime)
	if err != nil || note != "" {
		t.Fatalf("open: %v %q", err, note)
	}
	for i := range 5 {
		k := testKey()
		k.STAN = iso8583.STAN(i + 1)
		a := iso8583.Amount{Minor: int64(100 * (i + 1)), Currency: cny}
		do(t, b, func(l *Ledger, p Policy) Verdict {
			if i == 4 { // a tombstone
				return l.Reverse(testTime, Reversal{Key: k, Amount: a, PAN: "411111******1111"}, p)
			}
			return l.Authorise(testTime, Request{Key: k, Amount: a, PAN: "411111******1111"}, p)
		})
		if i == 2 {
			do(t, b, func(l *Ledger, p Policy) Verdict { return l.Reverse(testTime, Reversal{Key: k, Amount: a}, p) })
		}
	}
	views := b.views(0)
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	return path, views
}

func do(t *testing.T, b *book, f func(*Ledger, Policy) Verdict) Verdict {
	t.Helper()
	v, err := b.do(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFoldOfTheFileIsTheLedger(t *testing.T) {
	path, want := writeLedger(t)
	b, note, err := openBook(path, standard(), testTime)
	if err != nil || note != "" {
		t.Fatalf("open: %v %q", err, note)
	}
	defer func() { _ = b.close() }()
	if got := b.views(0); !reflect.DeepEqual(got, want) {
		t.Fatalf("fold of the file:\n%+v\nwant\n%+v", got, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

// C2: torn tail. The file is cut at every byte of its last line.
func TestTornLastLineIsCut(t *testing.T) {
	path, want := writeLedger(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for n := last; n < len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		b, note, err := openBook(path, standard(), testTime)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if (note == "") != (n == last) {
			t.Fatalf("cut at %d: note %q", n, note)
		}
		if got := b.views(0); !reflect.DeepEqual(got, want[:len(want)-1]) {
			t.Fatalf("cut at %d: %+v", n, got)
		}
		if err := b.close(); err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole[:last]) {
			t.Fatalf("cut at %d: the torn line is still there (%v)", n, err)
		}
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	path, _ := writeLedger(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for name, damaged := range map[string]string{
		"not JSON":            strings.Replace(string(whole), `"type"`, `"type`, 1),
		"unknown key":         strings.Replace(string(whole), `"type"`, `"tpye"`, 1),
		"a line twice":        lines[0] + string(whole),
		"a line missing":      strings.Join(lines[1:], ""),
		"two events a line":   strings.Replace(string(whole), "\n", "", 1),
		"a line too long":     strings.Repeat("x", 2*maxLine) + "\n" + string(whole),
		"last line, complete": string(whole) + "{}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := openBook(path, standard(), testTime)
			if !errors.Is(err, ErrLedgerFile) || !strings.Contains(err.Error(), "line ") {
				t.Fatalf("open gave %v, want ErrLedgerFile with the line", err)
			}
			if now, _ := os.ReadFile(path); string(now) != damaged {
				t.Fatal("a refused file was changed")
			}
		})
	}
}

// C3: two processes on one ledger.
func TestSecondHostIsRefused(t *testing.T) {
	path, _ := writeLedger(t)
	b, _, err := openBook(path, standard(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.close() }()
	if _, _, err := openBook(path, standard(), testTime); !errors.Is(err, ErrLedgerFile) || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("second open gave %v", err)
	}
}

// A crash between the two events of a reversed pending authorisation leaves
// the debit; the next start undoes it.
func TestMarkedDebitIsUndoneAtOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	p := standard()
	p.Hold = true
	b, _, err := openBook(path, p, testTime)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Key: testKey(), Amount: iso8583.Amount{Minor: 1000, Currency: cny}}
	do(t, b, func(l *Ledger, p Policy) Verdict { return l.Authorise(testTime, r, p) })
	do(t, b, func(l *Ledger, p Policy) Verdict {
		return l.Reverse(testTime, Reversal{Key: r.Key, Amount: r.Amount}, p)
	})
	do(t, b, func(l *Ledger, p Policy) Verdict { return l.Complete(testTime, r, p) })
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+10]
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	b, note, err := openBook(path, p, testTime)
	if err != nil || note == "" {
		t.Fatalf("open: %v %q", err, note)
	}
	defer func() { _ = b.close() }()
	if v := b.views(0); len(v) != 1 || v[0].State != StateReversed || v[0].Net != 0 {
		t.Fatalf("after the restart: %+v", v)
	}
}

// A ledger that cannot be written answers 96 and debits nothing.
func TestBrokenFile(t *testing.T) {
	path, want := writeLedger(t)
	b, _, err := openBook(path, standard(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	_ = b.file.close()
	v, err := b.do(func(l *Ledger, p Policy) Verdict {
		return l.Authorise(testTime, Request{Key: testKey(), Amount: iso8583.Amount{Minor: 1, Currency: cny}}, p)
	})
	if v.Code != CodeMalfunction || !errors.Is(err, ErrLedgerFile) {
		t.Fatalf("do gave %+v, %v", v, err)
	}
	if got := b.views(0); !reflect.DeepEqual(got, want) {
		t.Fatalf("the ledger changed: %+v", got)
	}
}
