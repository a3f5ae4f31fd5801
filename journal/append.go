package journal

import (
	"fmt"
	"sync"
)

// request is one call of Append.
type request struct {
	batch []Entry
	bytes int // that it takes when stored
	first LSN
	err   error
	wake  chan bool // true: you write next; false: it is done
}

// queue is the calls that wait. Whoever finds nobody writing writes everything
// that waits, in one batch, and nobody waits for a batch to fill.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	busy    bool
}

// maxWrite bounds the calls that are put into one write, in bytes. A single
// larger call is written alone.
const maxWrite = 1 << 20

// Append implements Journal.
func (l *Log) Append(batch []Entry) (LSN, error) {
	switch {
	case l.failed.Load() != nil:
		return 0, l.failure()
	case l.usable() != nil:
		return 0, l.usable()
	case l.lock == nil:
		return 0, l.wrap(ErrReadOnly)
	case len(batch) == 0:
		return 0, nil
	}
	if err := checkBatch(batch); err != nil {
		l.fail(err)
		return 0, l.wrap(fmt.Errorf("append: %w: %w", ErrFailed, err))
	}
	q := &request{batch: batch}
	for i := range batch {
		q.bytes += batch[i].storedLen()
	}
	if !l.queue.join(q) && !<-q.wake {
		return q.first, q.err
	}
	group := l.queue.take()
	err := l.write(group)
	for _, g := range group {
		g.err = err
	}
	l.queue.leave(group, q)
	return q.first, q.err
}

// join puts q into the queue; true says that its caller writes.
func (q *queue) join(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	if !q.busy {
		q.busy = true
		return true
	}
	r.wake = make(chan bool, 1)
	return false
}

// take gives the calls of the next write.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].bytes <= maxWrite) {
		bytes += q.waiting[n].bytes
		n++
	}
	group := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return group
}

// leave makes the first that waits the writer, and tells the others of the
// group that they are done.
func (q *queue) leave(group []*request, self *request) {
	q.mu.Lock()
	if len(q.waiting) > 0 {
		q.waiting[0].wake <- true
	} else {
		q.busy = false
	}
	q.mu.Unlock()
	for _, r := range group {
		if r != self {
			r.wake <- false
		}
	}
}

// write makes the group durable as one batch: one write, one sync.
func (l *Log) write(group []*request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failed.Load() != nil:
		return l.failure()
	case l.usable() != nil:
		return l.usable()
	}
	first := l.Last() + 1
	n, bytes := 0, 0
	for _, q := range group {
		q.first = first + LSN(n)
		n, bytes = n+len(q.batch), bytes+q.bytes
	}
	if err := l.put(group, first, n, int64(bytes)); err != nil {
		l.fail(err)
		return l.wrap(fmt.Errorf("append of entry %d: %w: %w", first, ErrFailed, err))
	}
	return nil
}

// put encodes, writes and syncs n entries, and makes them visible.
func (l *Log) put(group []*request, first LSN, n int, bytes int64) error {
	w := &l.cur
	if w.off+pad(bytes) > w.head.size {
		return l.roll(group, first, n, bytes)
	}
	w.enc.buf = w.enc.buf[:0]
	if err := w.enc.batch(group, first, n, w.off); err != nil {
		return err
	}
	if err := w.flush(w.off); err != nil {
		return err
	}
	l.publish(first, n, w.off, w.enc.buf, w.head)
	w.off += int64(len(w.enc.buf))
	l.room.Store(w.head.size - w.off)
	return nil
}

// flush writes what is encoded and makes it durable.
func (w *writer) flush(at int64) error {
	if _, err := w.file.WriteAt(w.enc.buf, at); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := w.file.Datasync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// publish makes a durable write known to look-ups and scans: b stood at off.
func (l *Log) publish(first LSN, n int, off int64, b []byte, h *segHeader) {
	l.index.add(b, off, h.seq, off+int64(len(b)), l.cur.enc.chain)
	l.last.Store(uint64(first) + uint64(n) - 1)
}
