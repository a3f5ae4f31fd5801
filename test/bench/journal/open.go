package main

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"time"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// openJob opens a folder with a past once, for a process of its own, and dies
// without closing it, so that nothing is tidied up.
type openJob struct {
	Engine string // one that was filled; "" opens nothing and gives the process's own memory
	Dir    string

	Profile string
}

// opened is what an open gives.
type opened struct {
	Open   time.Duration // until the engine can be used; without an index, until it is made anew
	Lookup time.Duration // the first look-up of an old record, nothing of it in memory
	Last   int64         // the newest record's number
	Memory memory        // then, after a garbage collection
}

func (j *openJob) flags(f *flag.FlagSet) {
	f.StringVar(&j.Engine, "engine", "", "candidate")
	f.StringVar(&j.Dir, "dir", "", "its folder")
	f.StringVar(&j.Profile, "profile", "", "write a CPU profile of the opening here")
}

func (j *openJob) run() (o opened, err error) {
	if j.Engine != "" {
		if o, err = j.open(); err != nil {
			return o, err
		}
	}
	runtime.GC()
	o.Memory = ownMemory()
	return o, nil
}

func (j *openJob) open() (o opened, err error) {
	c, err := find(j.Engine)
	if err != nil {
		return o, err
	}
	end, err := profile(j.Profile)
	if err != nil {
		return o, err
	}
	start := time.Now()
	eng, err := c.open(j.Dir, 0)
	o.Open = time.Since(start)
	end()
	if err != nil {
		return o, err
	}
	switch e := eng.(type) {
	case *journalEngine:
		o.Last = int64(e.j.Last())
		o.Lookup, err = timeLookup(e.j, o.Last/6)
	case *boltEngine:
		o.Last = int64(e.next)
		at := time.Now()
		if e.get(uint64(o.Last/2)) == nil {
			err = errors.New("an old record is missing")
		}
		o.Lookup = time.Since(at)
	}
	return o, err
}

// timeLookup looks up a sale by its group.
func timeLookup(j journal.Journal, sale int64) (time.Duration, error) {
	start := time.Now()
	recs, err := j.Lookup(saleID(sale))
	if err == nil && len(recs) != 3 {
		err = fmt.Errorf("sale %d has %d records, want 3", sale, len(recs))
	}
	return time.Since(start), err
}
