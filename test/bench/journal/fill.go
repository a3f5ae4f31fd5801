package main

import (
	"errors"
	"flag"
	"fmt"
)

// fillJob makes a folder with a past, for a process of its own: old records,
// closed in good order, and then a tail that dies unclosed, as if the power
// had gone.
type fillJob struct {
	Engine    string
	Dir       string
	Old, Tail int
}

func (j *fillJob) flags(f *flag.FlagSet) {
	f.StringVar(&j.Engine, "engine", "", "candidate")
	f.StringVar(&j.Dir, "dir", "", "empty folder")
	f.IntVar(&j.Old, "old", 0, "records before the checkpoint")
	f.IntVar(&j.Tail, "tail", 0, "records after it")
}

// fillBatch is how many records of the past share a sync.
const fillBatch = 512

func (j *fillJob) run() error {
	c, err := find(j.Engine)
	if err != nil {
		return err
	}
	recs := newRecords()
	eng, err := c.open(j.Dir, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(writeMany(eng, recs, j.Old, fillBatch), eng.Close()); err != nil {
		return fmt.Errorf("old records: %w", err)
	}
	if j.Engine == journalName {
		// The index must not follow the tail: that is what recovery is for.
		eng, err = openJournalWith(j.Dir, logAlone)
	} else {
		eng, err = c.open(j.Dir, 0)
	}
	if err != nil {
		return err
	}
	if err := writeMany(eng, recs, j.Tail, 1); err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	return nil // not closed
}

// writeMany appends n records in batches.
func writeMany(eng engine, recs records, n, size int) error {
	for done := 0; done < n; {
		batch := make([][]byte, min(size, n-done))
		for i := range batch {
			batch[i] = recs.at(done + i)
		}
		if err := eng.Write(batch); err != nil {
			return err
		}
		done += len(batch)
	}
	return nil
}
