package main

import (
	"errors"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// journalEngine is this project's journal, used as the agent uses it: a sale
// is three entries, intent, outcome and confirmation, under one UUID, found by
// its STAN as well; the intent has a sealed part.
type journalEngine struct {
	j    *journal.Log
	next atomic.Int64
}

// sealedBytes is what an intent seals: PAN, expiry and the stripped template.
const sealedBytes = 96

// mode is how the journal is opened.
type mode int

const (
	asShipped mode = 0
	logAlone  mode = 1 << 0 // its index in memory: only the log writes
	retiring  mode = 1 << 1 // old segments retire as soon as may be, and come round
)

func openJournal(dir string, _ int) (engine, error) { return openJournalWith(dir, asShipped) }

func openRecycled(dir string, _ int) (engine, error) {
	e, err := openJournalWith(dir, retiring)
	if err != nil {
		return nil, err
	}
	recs := newRecords()
	for e.j.Info().Retired < 4 {
		if err := writeMany(e, recs, 4*fillBatch, fillBatch); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func openJournalWith(dir string, m mode) (*journalEngine, error) {
	path := filepath.Join(dir, "journal")
	opts := journal.Options{Key: make([]byte, journal.KeyLen), MaxBytes: 8 << 30}
	if m&logAlone != 0 {
		if err := makeDir(path); err != nil {
			return nil, err
		}
		opts.FS = noIndex{journal.OSFS(path)}
	}
	if m&retiring != 0 {
		opts.Retain.Age = time.Nanosecond
	}
	j, err := journal.Open(path, opts)
	if err != nil {
		return nil, err
	}
	e := &journalEngine{j: j}
	e.next.Store(int64(j.Last()))
	if m&retiring != 0 {
		j.SetCarry(func() journal.Carry { return journal.Carry{} })
	}
	return e, nil
}

// noIndex is a directory where no library can open a file.
type noIndex struct{ journal.FS }

// Local sends the index to memory.
func (noIndex) Local(string) string { return "" }

// ready waits until the spare segments are there, as they are on a terminal
// that has been on for a minute. What is made later is part of the measurement.
func (e *journalEngine) ready() error {
	for range 600 {
		if e.j.Info().Prepared >= 2 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the journal did not prepare its spare segments within a minute")
}

// untilRecycled sells until old segments come round.
func (t *till) untilRecycled() error {
	for range 100 {
		if err := t.sell(100); err != nil {
			return err
		}
		if t.j.Info().Retired >= 4 {
			return nil
		}
	}
	return errors.New("no segment retired")
}

// saleID is the UUID of a sale. It and the STAN's key are made by hand, so that
// a round measures the journal and not fmt.
func saleID(sale int64) string {
	b := hexadecimal(make([]byte, 0, 36), uint64(sale), 8)
	b = append(b, "-0000-7000-8000-"...)
	return string(hexadecimal(b, uint64(sale), 12))
}

func hexadecimal(b []byte, n uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789abcdef"[n>>(4*i)&15])
	}
	return b
}

// stanKey is the key of a sale's STAN: unique for as long as a run lasts.
func stanKey(sale int64) string {
	b := append(make([]byte, 0, 36), "stan:T0000001:"...)
	b = strconv.AppendInt(b, 1+sale%899_999, 10)
	return string(strconv.AppendInt(append(b, ':'), sale/899_999, 10))
}

// entry dresses rec as the i-th entry. Names, clear and sealed part together
// are as long as rec.
func entry(i int64, rec []byte) journal.Entry {
	e := journal.Entry{Type: uint16(1 + i%3), Group: saleID(i / 3), Class: journal.ClassOutcome}
	rest := rec[len(e.Group):]
	if i%3 == 0 {
		e.Class = journal.ClassIntent
		e.Keys = []string{stanKey(i / 3)}
		rest = rest[len(e.Keys[0]):]
		e.KeyID, e.Sealed, rest = 1, rest[:sealedBytes], rest[sealedBytes:]
	}
	e.Clear = rest
	return e
}

func (e *journalEngine) Write(batch [][]byte) error {
	entries := make([]journal.Entry, len(batch))
	first := e.next.Add(int64(len(batch))) - int64(len(batch))
	for i, rec := range batch {
		entries[i] = entry(first+int64(i), rec)
	}
	_, err := e.j.Append(entries)
	return err
}

// Append is for concurrent writers; the journal groups them.
func (e *journalEngine) Append(rec []byte) error {
	_, err := e.j.Append([]journal.Entry{entry(e.next.Add(1)-1, rec)})
	return err
}

func (e *journalEngine) Close() error { return e.j.Close() }
