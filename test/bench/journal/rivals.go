package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// boltEngine is bbolt with its safe defaults; one transaction per batch.
type boltEngine struct {
	db   *bbolt.DB
	next uint64
}

var boltBucket = []byte("records")

func openBolt(dir string, _ int) (engine, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bbolt.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	e := &boltEngine{db: db}
	return e, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(boltBucket)
		if err == nil {
			e.next = b.Sequence()
		}
		return err
	})
}

func (e *boltEngine) Write(batch [][]byte) error {
	return e.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(boltBucket)
		b.FillPercent = 1 // it is only ever appended to
		for _, rec := range batch {
			e.next++
			if err := b.Put(binary.BigEndian.AppendUint64(nil, e.next), rec); err != nil {
				return err
			}
		}
		return b.SetSequence(e.next)
	})
}

// get gives a record, nil where there is none.
func (e *boltEngine) get(n uint64) (rec []byte) {
	_ = e.db.View(func(tx *bbolt.Tx) error {
		rec = bytes.Clone(tx.Bucket(boltBucket).Get(binary.BigEndian.AppendUint64(nil, n)))
		return nil
	})
	return rec
}

func (e *boltEngine) Close() error { return e.db.Close() }

// etcdEngine is etcd's write-ahead log.
type etcdEngine struct {
	w    *etcdwal.WAL
	next uint64
}

func openEtcd(dir string, _ int) (engine, error) {
	w, err := etcdwal.Create(zap.NewNop(), filepath.Join(dir, "etcd"), nil)
	if err != nil {
		return nil, err
	}
	return &etcdEngine{w: w}, nil
}

func (e *etcdEngine) Write(batch [][]byte) error {
	entries := make([]*raftpb.Entry, len(batch))
	for i, rec := range batch {
		e.next++
		entries[i] = &raftpb.Entry{Term: new(uint64(1)), Index: new(e.next), Data: rec}
	}
	state := &raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(1)), Commit: new(e.next)}
	return e.w.Save(state, entries)
}

func (e *etcdEngine) Close() error { return e.w.Close() }

// raftEngine is HashiCorp's write-ahead log.
type raftEngine struct {
	w    *raftwal.WAL
	next uint64
}

func openRaftWAL(dir string, _ int) (engine, error) {
	w, err := raftwal.Open(dir, raftwal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, err
	}
	return &raftEngine{w: w}, nil
}

func (e *raftEngine) Write(batch [][]byte) error {
	logs := make([]*raft.Log, len(batch))
	for i, rec := range batch {
		e.next++
		logs[i] = &raft.Log{Index: e.next, Term: 1, Data: rec}
	}
	return e.w.StoreLogs(logs)
}

func (e *raftEngine) Close() error { return e.w.Close() }

// sqliteEngine is SQLite, translated to Go, with every commit synced.
type sqliteEngine struct {
	db     *sql.DB
	insert *sql.Stmt
}

func openSQLite(dir string, _ int) (engine, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "sqlite.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS records (lsn INTEGER PRIMARY KEY, body BLOB NOT NULL)"); err != nil {
		return nil, err
	}
	insert, err := db.Prepare("INSERT INTO records (body) VALUES (?)")
	return &sqliteEngine{db: db, insert: insert}, err
}

func (e *sqliteEngine) Write(batch [][]byte) error {
	if len(batch) == 1 {
		_, err := e.insert.Exec(batch[0])
		return err
	}
	tx, err := e.db.Begin()
	if err != nil {
		return err
	}
	insert := tx.Stmt(e.insert)
	for _, rec := range batch {
		if _, err := insert.Exec(rec); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	return tx.Commit()
}

func (e *sqliteEngine) Close() error { return e.db.Close() }
