package main

import (
	"fmt"
	"slices"
)

// An engine makes batches of records durable.
type engine interface {
	// Write returns when the whole batch is on stable storage. One caller at
	// a time.
	Write(batch [][]byte) error
	Close() error
}

// A grouper puts concurrent writers into batches itself. For the others, and
// for the raw limit, a crew does it.
type grouper interface {
	Append(rec []byte) error
}

// A preparer makes something ready in the background, as the raw limit does
// when it is opened.
type preparer interface {
	ready() error
}

// candidate is an engine that can be opened. records is how many will come
// that share no block with another, for what must be prepared.
type candidate struct {
	name  string // as in flags and in the table
	about string // how it is used, for the table's notes
	open  func(dir string, records int) (engine, error)
}

// The candidates, in the table's order. The raw limit is what the others are
// measured by, the journal is ours.
var candidates = []candidate{
	{rawName, "zero-filled file, 4 KiB-aligned pwrite, fdatasync", openRaw},
	{journalName, "this project's, as shipped, index on, in its first life: new segments are filled meanwhile", openJournal},
	{recycledName, "the same, on segments that have come round", openRecycled},
	{"etcd-wal", "go.etcd.io/etcd/server/v3/storage/wal, one Save per batch", openEtcd},
	{"raft-wal", "hashicorp/raft-wal, one StoreLogs per batch", openRaftWAL},
	{"sqlite", "modernc.org/sqlite, WAL, synchronous=FULL, one transaction per batch", openSQLite},
	{"bbolt", "go.etcd.io/bbolt, one Update per batch", openBolt},
}

const (
	rawName      = "raw"
	journalName  = "journal"
	recycledName = "recycled"
)

func find(name string) (candidate, error) {
	i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == name })
	if i < 0 {
		return candidate{}, fmt.Errorf("no engine is called %q", name)
	}
	return candidates[i], nil
}
