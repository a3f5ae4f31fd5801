package txn

// Fence holds back what Step wants done until the records that justify it are
// durable. After Step the Machine's memory is speculative; the Fence makes
// sure that nobody outside hears of it too early:
//
//   - every Ready, also one without records, waits for every record that was
//     stepped before it or in it — a duplicate confirm must not be
//     acknowledged ahead of the first one's sync;
//   - Readys come out in the order in which they went in;
//   - one batch is being synced at a time, and it holds whole Readys, so a
//     crash keeps or loses each of them whole.
//
// It is a pure type: the simulation and the shell run the same one. It has no
// memory of its own on disk; after a crash it starts empty.
type Fence struct {
	held    []Ready // in order; the records of the first `syncing` are being synced
	syncing int
}

// Push adds a Ready behind everything pushed before. What it returns may be
// obeyed now: the Ready itself where nothing is ahead of it and it has no
// records.
func (f *Fence) Push(r Ready) []Ready {
	if len(f.held) == 0 && len(r.Records) == 0 {
		return []Ready{r}
	}
	f.held = append(f.held, r)
	return nil
}

// Batch takes all records that wait, as one batch to be made durable; nil
// where there are none, or while an earlier batch is being synced. Exactly one
// Durable must follow before the next Batch.
func (f *Fence) Batch() []Record {
	if f.syncing > 0 {
		return nil
	}
	var batch []Record
	for _, r := range f.held {
		batch = append(batch, r.Records...)
	}
	if len(batch) > 0 {
		f.syncing = len(f.held)
	}
	return batch
}

// Durable says that the batch taken last is durable. What it returns may be
// obeyed now, in this order.
func (f *Fence) Durable() []Ready {
	released := f.held[:f.syncing:f.syncing]
	f.held = f.held[f.syncing:]
	f.syncing = 0
	for len(f.held) > 0 && len(f.held[0].Records) == 0 {
		released = append(released, f.held[0])
		f.held = f.held[1:]
	}
	return released
}

// Waiting is the number of Readys held back. Past a bound of its own the shell
// refuses new intents.
func (f *Fence) Waiting() int { return len(f.held) }
