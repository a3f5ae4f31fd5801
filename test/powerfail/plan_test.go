package powerfail

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// testKey is no secret.
var testKey = bytes.Repeat([]byte{0x5A}, journal.KeyLen)

// The plan: batch i, from 0, has 1 + i%4 entries. Everything about an entry
// follows from its LSN, so that whoever reads the journal knows what must be
// there without being told.

// place gives an entry's batch and its place in it.
func place(lsn journal.LSN) (batch, nth int) {
	round, in := (int(lsn)-1)/10, (int(lsn)-1)%10 // four batches have ten entries
	for i := range 4 {
		if in <= i {
			return 4*round + i, in
		}
		in -= i + 1
	}
	panic("not reached")
}

// batchEnd is the last entry of the batch that lsn is in.
func batchEnd(lsn journal.LSN) journal.LSN {
	batch, nth := place(lsn)
	return lsn + journal.LSN(batch%4-nth)
}

func planned(lsn journal.LSN) journal.Entry {
	batch, nth := place(lsn)
	e := journal.Entry{
		Type: uint16(1 + batch%100), Group: fmt.Sprintf("group-%d", batch), Keys: []string{fmt.Sprintf("key-%d", batch)},
		Class: journal.ClassOutcome, Clear: []byte(fmt.Sprintf("%d/%d %s", batch, nth, strings.Repeat("c", 97*batch%1500))),
	}
	if nth == 0 {
		e.KeyID = uint32(1 + batch/50)
		e.Sealed = []byte(fmt.Sprintf("sealed %d", batch))
	}
	return e
}

// plannedBatch is the batch that begins at lsn.
func plannedBatch(lsn journal.LSN) []journal.Entry {
	var out []journal.Entry
	for end := batchEnd(lsn); lsn <= end; lsn++ {
		out = append(out, planned(lsn))
	}
	return out
}

// check compares a record with the plan.
func check(j journal.Journal, r journal.Record) error {
	want := planned(r.LSN)
	if r.Type != want.Type || r.Group != want.Group || len(r.Keys) != 1 || r.Keys[0] != want.Keys[0] || r.Class != want.Class ||
		!bytes.Equal(r.Clear, want.Clear) || (len(r.Sealed) > 0) != (len(want.Sealed) > 0) {
		return fmt.Errorf("entry %d is not what was written", r.LSN)
	}
	if len(r.Sealed) == 0 {
		return nil
	}
	plain, err := j.Unseal(r)
	if err == nil && !bytes.Equal(plain, want.Sealed) {
		err = errors.New("it is not what was sealed")
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", r.LSN, err)
	}
	return nil
}

// options are those of a small journal, so that segments end often.
func options() journal.Options {
	return journal.Options{Key: testKey, SegmentBytes: 64 << 10, MaxBytes: 64 << 20}
}
