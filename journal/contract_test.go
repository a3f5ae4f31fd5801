package journal

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// testKey is no secret.
var testKey = bytes.Repeat([]byte{0x5A}, KeyLen)

// both runs a test against each Journal there is: whatever is promised by the
// interface is tested here and nowhere else.
func both(t *testing.T, test func(t *testing.T, j Journal)) {
	t.Run("memory", func(t *testing.T) { test(t, NewMemory(testKey)) })
	t.Run("log", func(t *testing.T) { test(t, openTemp(t)) })
	t.Run("log in small segments", func(t *testing.T) { test(t, openSmall(t)) })
}

func openTemp(t testing.TB) *Log {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "journal"))
}

// smallSegments rolls often, and keeps all history.
var smallSegments = Options{Key: testKey, SegmentBytes: 32 << 10, MaxBytes: 1 << 30}

func openSmall(t testing.TB) *Log {
	t.Helper()
	return openWith(t, filepath.Join(t.TempDir(), "journal"), smallSegments)
}

func reopen(t testing.TB, path string) *Log {
	t.Helper()
	return openWith(t, path, Options{Key: testKey})
}

func openWith(t testing.TB, path string, opts Options) *Log {
	t.Helper()
	l, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func entry(group, open, sealed string, keys ...string) Entry {
	return Entry{Type: 7, Group: group, Keys: keys, Class: ClassIntent, KeyID: 3, Clear: []byte(open), Sealed: []byte(sealed)}
}

func mustAppend(t testing.TB, j Journal, batch ...Entry) LSN {
	t.Helper()
	lsn, err := j.Append(batch)
	if err != nil {
		t.Fatal(err)
	}
	return lsn
}

func all(t testing.TB, j Journal, from LSN) []Record {
	t.Helper()
	var recs []Record
	if err := j.Scan(from, func(r Record) error { recs = append(recs, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return recs
}

// brief is a record without its ciphertext, which differs each time.
func brief(recs []Record) string {
	var b strings.Builder
	for _, r := range recs {
		fmt.Fprintf(&b, "%d:%s%v=%s ", r.LSN, r.Group, r.Keys, r.Clear)
	}
	return strings.TrimSpace(b.String())
}

func TestRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		if j.Last() != 0 || len(all(t, j, 0)) != 0 {
			t.Fatal("a new journal is not empty")
		}
		e := entry("g1", "clear", "4111111111111111", "stan/000001", "sale/1")
		if lsn := mustAppend(t, j, e, entry("g2", "", "")); lsn != 1 || j.Last() != 2 {
			t.Fatalf("first LSN %d, last %d", lsn, j.Last())
		}
		recs := all(t, j, 0)
		want := Record{LSN: 1, Type: 7, Group: "g1", Keys: []string{"stan/000001", "sale/1"}, Class: ClassIntent, KeyID: 3, Clear: []byte("clear"), Sealed: recs[0].Sealed, origin: recs[0].origin}
		if !reflect.DeepEqual(recs[0], want) {
			t.Errorf("got %+v\nwant %+v", recs[0], want)
		}
		if bytes.Contains(recs[0].Sealed, e.Sealed) {
			t.Error("sealed part is plain")
		}
		if plain, err := j.Unseal(recs[0]); err != nil || !bytes.Equal(plain, e.Sealed) {
			t.Errorf("unseal: %v", err)
		}
		// Nothing sealed: no ciphertext, no key id, nil slices.
		if want := (Record{LSN: 2, Type: 7, Group: "g2", Class: ClassIntent, origin: recs[1].origin}); !reflect.DeepEqual(recs[1], want) {
			t.Errorf("got %+v\nwant %+v", recs[1], want)
		}
		if _, err := j.Unseal(recs[1]); !errors.Is(err, ErrNotSealed) {
			t.Errorf("unseal of nothing: %v", err)
		}
	})
}

func TestScanOrder(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		const n = 3*scanChunk + 5
		var batch []Entry
		for i := range n {
			if batch = append(batch, entry("g", fmt.Sprint(i+1), "")); len(batch) == 100 || i == n-1 {
				mustAppend(t, j, batch...)
				batch = nil
			}
		}
		for _, from := range []LSN{0, 1, 2, scanChunk, scanChunk + 1, n, n + 1} {
			recs := all(t, j, from)
			if want := max(0, n-int(max(from, 1))+1); len(recs) != want {
				t.Fatalf("scan from %d: %d entries, want %d", from, len(recs), want)
			}
			for i, r := range recs {
				if r.LSN != max(from, 1)+LSN(i) || string(r.Clear) != fmt.Sprint(r.LSN) {
					t.Fatalf("scan from %d: at %d found %d", from, i, r.LSN)
				}
			}
		}
		stop := errors.New("stop")
		if err := j.Scan(1, func(Record) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("scan did not return fn's error: %v", err)
		}
		// A scan sees what was there when it began, and its function may append.
		seen := 0
		err := j.Scan(n, func(Record) error { seen++; _, err := j.Append([]Entry{entry("g", "more", "")}); return err })
		if err != nil || seen != 1 || j.Last() != n+1 {
			t.Errorf("scan with append: %v, saw %d, last %d", err, seen, j.Last())
		}
	})
}

func TestLookup(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		mustAppend(t, j, entry("a", "1", "", "stan/1", "sale/x"))
		mustAppend(t, j, entry("b", "2", "", "stan/2", "sale/x"), entry("a", "3", ""))
		mustAppend(t, j, entry("ab", "4", "", "b")) // a key that is another's group
		mustAppend(t, j, entry("a", "5", "", "a", "rrn/9", "rrn/9"))
		for key, want := range map[string]string{
			"a":      "1:a[stan/1 sale/x]=1 3:a[]=3 5:a[a rrn/9 rrn/9]=5",
			"rrn/9":  "1:a[stan/1 sale/x]=1 3:a[]=3 5:a[a rrn/9 rrn/9]=5",
			"stan/2": "2:b[stan/2 sale/x]=2",
			"sale/x": "1:a[stan/1 sale/x]=1 2:b[stan/2 sale/x]=2 3:a[]=3 5:a[a rrn/9 rrn/9]=5",
			"b":      "2:b[stan/2 sale/x]=2 4:ab[b]=4",
			"stan/":  "", "stan": "", "": "", "c": "", "a\x00": "",
		} {
			recs, err := j.Lookup(key)
			if err != nil || brief(recs) != want {
				t.Errorf("lookup %q: %v\n got %s\nwant %s", key, err, brief(recs), want)
			}
		}
	})
}

func TestSlicesAreTheCallersOwn(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		e := entry("g", "clear", "secret", "k")
		mustAppend(t, j, e)
		e.Clear[0], e.Sealed[0], e.Keys[0] = 'X', 'X', "X"
		for range 2 {
			r := all(t, j, 1)[0]
			plain, err := j.Unseal(r)
			if err != nil || string(plain) != "secret" || string(r.Clear) != "clear" || r.Keys[0] != "k" {
				t.Fatalf("%v: got %q %q", err, r.Clear, r.Keys)
			}
			r.Clear[0], r.Sealed[0], r.Keys[0] = 'Y', 'Y', "Y"
			if full := append(r.Clear, "overrun"...); len(full) == 0 || string(all(t, j, 1)[0].Clear) != "clear" {
				t.Fatal("a returned slice shares memory")
			}
		}
	})
}

// A sealed part opens in the entry it was sealed for, under its own key, and
// nowhere else.
func TestSealIsBound(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		mustAppend(t, j, entry("g", "clear", "4111111111111111", "k1", "k2"), entry("g", "clear", "6228480000000000007", "k1", "k2"))
		recs := all(t, j, 1)
		swapped := recs[0]
		swapped.Sealed = recs[1].Sealed
		changes := map[string]Record{"swapped with its neighbour": swapped}
		change := func(name string, f func(*Record)) { r := all(t, j, 1)[0]; f(&r); changes[name] = r }
		change("LSN", func(r *Record) { r.LSN = 2 })
		change("type", func(r *Record) { r.Type++ })
		change("group", func(r *Record) { r.Group = "h" })
		change("keys", func(r *Record) { r.Keys = []string{"k1"} })
		change("keys cut elsewhere", func(r *Record) { r.Keys = []string{"k1k", "2"} })
		change("class", func(r *Record) { r.Class = ClassOutcome })
		change("key id", func(r *Record) { r.KeyID++ })
		change("clear", func(r *Record) { r.Clear[0]++ })
		change("clear cut", func(r *Record) { r.Clear = r.Clear[1:] })
		change("short", func(r *Record) { r.Sealed = r.Sealed[:nonceLen+tagLen-1] })
		for i := range recs[0].Sealed {
			change(fmt.Sprintf("byte %d", i), func(r *Record) { r.Sealed[i] ^= 1 })
		}
		for name, r := range changes {
			plain, err := j.Unseal(r)
			if !errors.Is(err, ErrDamaged) || plain != nil {
				t.Errorf("%s: unsealed, error %v", name, err)
			}
			if err != nil && strings.Contains(err.Error(), "4111") {
				t.Errorf("%s: the error holds the plain text", name)
			}
		}
	})
}

func TestAnotherJournalsSealDoesNotOpen(t *testing.T) {
	a, b := NewMemory(testKey), openTemp(t)
	mustAppend(t, a, entry("g", "c", "secret"))
	mustAppend(t, b, entry("g", "c", "secret"))
	if _, err := b.Unseal(all(t, a, 1)[0]); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestRefusedEntryFailsForGood(t *testing.T) {
	good := entry("g", "c", "s")
	bad := func(f func(*Entry)) Entry { e := good; f(&e); return e }
	for name, e := range map[string]Entry{
		"type 0":        bad(func(e *Entry) { e.Type = 0 }),
		"class 0":       bad(func(e *Entry) { e.Class = 0 }),
		"class 3":       bad(func(e *Entry) { e.Class = 3 }),
		"no group":      bad(func(e *Entry) { e.Group = "" }),
		"long group":    bad(func(e *Entry) { e.Group = strings.Repeat("g", MaxName+1) }),
		"zero in group": bad(func(e *Entry) { e.Group = "a\x00b" }),
		"empty key":     bad(func(e *Entry) { e.Keys = []string{""} }),
		"too many keys": bad(func(e *Entry) { e.Keys = make([]string, MaxKeys+1) }),
		"too long":      bad(func(e *Entry) { e.Clear = make([]byte, MaxEntry) }),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, j Journal) {
				mustAppend(t, j, good)
				if _, err := j.Append([]Entry{good, e}); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "entry 2 of 2") {
					t.Errorf("got %v", err)
				}
				if _, err := j.Append([]Entry{good}); !errors.Is(err, ErrFailed) {
					t.Errorf("not sticky: %v", err)
				}
				if j.Last() != 1 || len(all(t, j, 1)) != 1 {
					t.Error("part of a refused batch was stored")
				}
			})
		})
	}
}

func TestLimitsAreAllowed(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		e := Entry{Type: 0xFFFF, Group: strings.Repeat("g", MaxName), Class: ClassOutcome, Clear: bytes.Repeat([]byte{1}, MaxEntry-1), Sealed: []byte{1}}
		for i := range MaxKeys {
			e.Keys = append(e.Keys, fmt.Sprintf("%03d%s", i, strings.Repeat("k", MaxName-3)))
		}
		mustAppend(t, j, e)
		recs, err := j.Lookup(e.Keys[MaxKeys-1])
		if err != nil || len(recs) != 1 || !bytes.Equal(recs[0].Clear, e.Clear) {
			t.Errorf("got %d entries, %v", len(recs), err)
		}
	})
}

func TestEmptyBatchAndClose(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		if lsn, err := j.Append(nil); lsn != 0 || err != nil {
			t.Errorf("empty batch: %d, %v", lsn, err)
		}
		mustAppend(t, j, entry("g", "c", ""))
		if err := j.Reserve(ClassIntent, 500); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := j.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		_, err := j.Append([]Entry{entry("g", "c", "")})
		_, err2 := j.Lookup("g")
		err3 := j.Scan(1, func(Record) error { return nil })
		for _, err := range []error{err, err2, err3, j.Reserve(ClassIntent, 1)} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("after close: %v", err)
			}
		}
	})
}

func TestKeyedHash(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		h, err := j.KeyedHash("pan", []byte("4111111111111111"))
		if err != nil {
			t.Fatal(err)
		}
		// Computed apart from this code. It must not change: records keep it for
		// as long as chargebacks are possible.
		if want := "a2a3c2527ef2e099ce4ff76649edf26c"; h != want {
			t.Errorf("got %s, want %s", h, want)
		}
		again, _ := NewMemory(testKey).KeyedHash("pan", []byte("4111111111111111"))
		label, _ := j.KeyedHash("track", []byte("4111111111111111"))
		data, _ := j.KeyedHash("pan", []byte("4111111111111112"))
		other, _ := NewMemory(bytes.Repeat([]byte{1}, KeyLen)).KeyedHash("pan", []byte("4111111111111111"))
		if again != h || label == h || data == h || other == h {
			t.Errorf("%s: again %s, label %s, data %s, key %s", h, again, label, data, other)
		}
	})
}

func TestNoKey(t *testing.T) {
	j := NewMemory(nil)
	if _, err := j.KeyedHash("pan", nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("hash: %v", err)
	}
	mustAppend(t, j, entry("g", "c", ""))
	if _, err := j.Append([]Entry{entry("g", "c", "s")}); !errors.Is(err, ErrNoKey) || !errors.Is(err, ErrFailed) {
		t.Errorf("append: %v", err)
	}
}

// Appends of many goroutines get LSNs without gaps, each batch in one piece.
func TestConcurrentAppends(t *testing.T) {
	both(t, func(t *testing.T, j Journal) {
		const writers, batches = 8, 10
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range batches {
					g := fmt.Sprintf("w%d", w)
					if _, err := j.Append([]Entry{entry(g, "1", "s"), entry(g, "2", "s")}); err != nil {
						t.Error(err)
					}
					if recs, err := j.Lookup(g); err != nil || len(recs) == 0 || len(recs)%2 != 0 {
						t.Errorf("lookup of own entries: %d, %v", len(recs), err)
					}
				}
			})
		}
		wg.Wait()
		recs := all(t, j, 1)
		if len(recs) != 2*writers*batches {
			t.Fatalf("%d entries", len(recs))
		}
		for i := 0; i < len(recs); i += 2 {
			if recs[i].Group != recs[i+1].Group {
				t.Fatalf("a batch was torn at %d", recs[i].LSN)
			}
		}
	})
}

func TestMemoryReopen(t *testing.T) {
	m := NewMemory(testKey)
	mustAppend(t, m, entry("g", "1", "s"))
	n := m.Reopen()
	mustAppend(t, n, entry("g", "2", "s"))
	if _, err := m.Append([]Entry{entry("g", "x", "")}); !errors.Is(err, ErrClosed) {
		t.Errorf("the old one takes entries: %v", err)
	}
	recs, err := n.Lookup("g")
	if err != nil || brief(recs) != "1:g[]=1 2:g[]=2" {
		t.Errorf("%v: %s", err, brief(recs))
	}
	if plain, err := n.Unseal(recs[0]); err != nil || string(plain) != "s" {
		t.Error(err)
	}
}
