package sim

import (
	"bytes"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// disk keeps records as the journal does: encoded, a batch at a time. A crash
// keeps nothing or the whole of a batch that was not acknowledged.
type disk struct {
	batch   []written // being synced
	bytes   []byte    // of the batch
	durable []txn.Record
	late    bool // in an exhaustive run: the batch is done at any moment
	first   folded
}

// folded is what the first batch made of an empty machine: the rules are in it,
// and to read them again at every start takes a fifth of a seeded run.
type folded struct {
	m    *txn.Machine
	n    int // records
	last txn.Record
}

type written struct {
	kind  txn.RecordType
	group string
	end   int // in disk.bytes
}

// write begins to sync a batch.
func (w *World) write(batch []txn.Record) {
	d := &w.disk
	d.bytes = d.bytes[:0]
	for _, r := range batch {
		d.bytes = txn.Encode(d.bytes, r)
		d.batch = append(d.batch, written{r.Type(), r.Group(), len(d.bytes)})
	}
	w.noteBytes(d.bytes)
}

// commit makes the batch durable, and with it true: the view that applications
// read is folded from it, and what it says of money is judged.
func (w *World) commit() {
	d := &w.disk
	if w.store != nil && w.agent.up {
		w.append()
	}
	start := 0
	for _, b := range d.batch {
		r, err := txn.Decode(b.kind, b.group, d.bytes[start:b.end])
		if err != nil {
			w.fail("codec", "%s of %s: %v", b.kind, b.group, err)
			return
		}
		if w.checks && !bytes.Equal(txn.Encode(nil, r), d.bytes[start:b.end]) {
			w.fail("codec", "%s of %s: not what was encoded", b.kind, b.group)
		}
		start = b.end
		d.durable = append(d.durable, r)
		w.ownView().Apply(r)
		w.journaled(r)
	}
	if n := len(d.batch); n > 0 && n == len(d.durable) && w.budget == nil && w.store == nil {
		d.first = folded{w.agent.view.Clone(), n, d.durable[n-1]}
	}
	d.batch, d.late = d.batch[:0], false
	w.stats.Batches++
	w.marked()
}

// lose forgets the batch.
func (w *World) lose() { w.disk.batch, w.disk.late = w.disk.batch[:0], false }
