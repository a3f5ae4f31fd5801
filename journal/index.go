package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// index answers which records have a name. It is behind the log, never ahead:
// what it does not hold on disk yet it holds in memory, so that a look-up sees
// everything that was acknowledged. It never says what is open.
type index struct {
	l *Log

	pendMu  sync.Mutex // short: appends take it
	pending []*table   // of what came since the last commit, one for each segment
	frozen  []*table   // being committed
	records int        // in pending
	at      checkpoint // of the end of pending
	added   time.Time
	oldest  uint64 // tables of segments before it are of no use

	work      sync.Mutex // one commit or rebuild at a time
	committed time.Time

	mu     sync.RWMutex // of what follows; commits and rebuilds take it
	st     store
	heads  []tableHead
	loaded bool

	kick    chan struct{}
	done    chan struct{}
	closing chan struct{}
}

// When the index is committed. A commit costs some 16–56 KiB.
const (
	commitEvery = 256  // records
	commitLoad  = 4096 // records, under load
	commitApart = 2 * time.Second
	commitIdle  = time.Minute
	commitMax   = 16 * commitLoad // appends wait for the commit beyond it
	mergeRows   = 8 * commitLoad  // a table is not made larger by merging
)

func (x *index) start() {
	x.kick, x.done, x.closing = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	x.committed = time.Now()
	go x.run()
}

func (x *index) run() {
	defer close(x.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, some := x.due()
		if some && wait <= 0 {
			_ = x.commit() // what fails is rebuilt or kept in memory
			continue
		}
		timer.Reset(wait)
		select {
		case <-x.kick:
		case <-timer.C:
		case <-x.closing:
			return
		}
	}
}

// due says how long the next commit may wait; some, whether there is anything.
func (x *index) due() (wait time.Duration, some bool) {
	x.pendMu.Lock()
	n, added := x.records, x.added
	x.pendMu.Unlock()
	switch {
	case n == 0:
		return time.Hour, false
	case n >= commitLoad:
		return 0, true
	case n >= commitEvery:
		return time.Until(x.committed.Add(commitApart)), true
	default:
		return time.Until(added.Add(commitIdle)), true
	}
}

// add takes over the records of a durable write: b stood at off of a segment.
func (x *index) add(b []byte, off int64, seq uint64, end int64, chain chainHash) {
	x.pendMu.Lock()
	before := x.records
	x.take(b, off, seq)
	x.at.seq, x.at.off, x.at.chain, x.added = seq, end, chain, time.Now()
	after := x.records
	x.pendMu.Unlock()
	for _, mark := range []int{1, commitEvery, commitLoad} {
		if before < mark && after >= mark && x.kick != nil {
			select {
			case x.kick <- struct{}{}:
			default:
			}
		}
	}
	if after >= commitMax {
		_ = x.commit()
	}
}

// take adds the rows of the records in b.
func (x *index) take(b []byte, off int64, seq uint64) {
	for at := 0; at+headerLen <= len(b); {
		h, ok := parseHead(b[at:])
		if !ok { // padding
			at = int(pad(int64(at) + 1))
			continue
		}
		x.record(&h, b[at:at+int(h.size())], uint32(off)+uint32(at), seq)
		at += int(h.size())
	}
}

func (x *index) record(h *recordHead, b []byte, off uint32, seq uint64) {
	if h.flags&flagExtra != 0 {
		return
	}
	t := x.tableOf(seq)
	body := b[headerLen:]
	if h.flags&flagCarried != 0 {
		body = body[len(saltBytes{})+headerLen:]
	} else {
		t.last, x.at.lsn = h.lsn, h.lsn
		x.records++
	}
	le := binary.LittleEndian
	group, keys := int(le.Uint16(body)), int(le.Uint16(body[2:]))
	body = body[bodyFixed:]
	t.rows = append(t.rows, row{hashBytes(body[:group]), h.lsn, off})
	for body = body[group:]; keys > 0; keys-- {
		n := int(le.Uint16(body))
		t.rows = append(t.rows, row{hashBytes(body[2 : 2+n]), h.lsn, off})
		body = body[2+n:]
	}
}

func (x *index) tableOf(seq uint64) *table {
	if n := len(x.pending); n > 0 && x.pending[n-1].seq == seq {
		return x.pending[n-1]
	}
	t := &table{seq: seq, first: x.at.lsn + 1, last: x.at.lsn}
	x.pending = append(x.pending, t)
	return t
}

// drop forgets a segment that retired.
func (x *index) drop(seq uint64) {
	x.pendMu.Lock()
	x.oldest = max(x.oldest, seq+1)
	x.pendMu.Unlock()
}

// commit brings the store up to date.
func (x *index) commit() error {
	x.work.Lock()
	defer x.work.Unlock()
	x.pendMu.Lock()
	x.frozen, x.pending, x.records = x.pending, nil, 0
	put, cp, oldest := x.frozen, x.at, x.oldest
	x.pendMu.Unlock()
	x.committed = time.Now()
	err := x.put(put, &cp, oldest)
	if err != nil {
		err = x.rebuild()
	}
	if err != nil { // they stay in memory; a later commit tries again
		x.pendMu.Lock()
		x.pending = joinTables(x.frozen, x.pending)
		x.frozen = nil
		x.pendMu.Unlock()
		return err
	}
	x.pendMu.Lock()
	x.frozen = nil
	x.pendMu.Unlock()
	return nil
}

func joinTables(a, b []*table) []*table {
	if len(a) > 0 && len(b) > 0 && a[len(a)-1].seq == b[0].seq {
		t := mergeTables(a[len(a)-1], b[0])
		return append(append(slices.Clone(a[:len(a)-1]), t), b[1:]...)
	}
	return append(slices.Clone(a), b...)
}

// put writes tables into the store; the first may go on where the last one
// there ends. What is frozen is read by look-ups meanwhile, so it is copied.
func (x *index) put(frozen []*table, cp *checkpoint, oldest uint64) error {
	heads, err := x.load()
	if err != nil {
		return err
	}
	put := make([]*table, 0, len(frozen))
	for _, t := range frozen {
		if t.seq >= oldest && len(t.rows) > 0 {
			put = append(put, &table{seq: t.seq, first: t.first, last: t.last, rows: slices.Clone(t.rows)})
		}
	}
	if n := len(heads); n > 0 && len(put) > 0 && heads[n-1].seq == put[0].seq {
		old, err := x.st.table(heads[n-1].seq, heads[n-1].first)
		if err != nil {
			return err
		}
		if len(old.rows)+len(put[0].rows) <= mergeRows {
			put[0] = mergeTables(old, put[0])
		}
	}
	if err := x.st.commit(put, oldest, cp); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heads = slices.DeleteFunc(slices.Clone(heads), func(h tableHead) bool {
		return h.seq < oldest || len(put) > 0 && h.seq == put[0].seq && h.first == put[0].first
	})
	for _, t := range put {
		x.heads = append(x.heads, t.head())
	}
	return nil
}

// head is what is kept in memory of a table.
func (t *table) head() tableHead {
	h := tableHead{seq: t.seq, first: t.first, last: t.last, filter: newBloom(len(t.rows))}
	for _, r := range t.rows {
		h.filter.set(r.hash)
	}
	return h
}

func mergeTables(a, b *table) *table {
	t := &table{seq: a.seq, first: min(a.first, b.first), last: max(a.last, b.last), rows: append(slices.Clone(a.rows), b.rows...)}
	slices.SortFunc(t.rows, compareRows)
	t.rows = slices.Compact(t.rows)
	return t
}

// load reads the heads of the store's tables, once, and proves that together
// they cover all that the checkpoint says.
func (x *index) load() ([]tableHead, error) {
	x.mu.RLock()
	heads, loaded := x.heads, x.loaded
	x.mu.RUnlock()
	if loaded {
		return heads, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.loaded {
		return x.heads, nil
	}
	if x.st == nil {
		return nil, errStale
	}
	if err := x.loadLocked(); err != nil {
		return nil, err
	}
	return x.heads, nil
}

func (x *index) loadLocked() error {
	if b, ok := x.st.(*boltStore); ok {
		if err := checkPages(b.file, true); err != nil {
			return err
		}
	}
	heads, err := x.st.heads()
	if err != nil {
		return err
	}
	cp, err := x.st.checkpoint()
	if err != nil {
		return err
	}
	first, err := x.l.firstLSN()
	if err != nil {
		return err
	}
	x.pendMu.Lock()
	oldest := x.oldest
	x.pendMu.Unlock()
	heads = slices.DeleteFunc(heads, func(h tableHead) bool { return h.seq < oldest })
	next := first
	for _, h := range heads {
		if h.first > next || h.last+1 < h.first {
			return fmt.Errorf("%w: entries %d to %d are not in it", errStale, next, h.first-1)
		}
		next = max(next, h.last+1)
	}
	if next != max(cp.lsn+1, first) {
		return fmt.Errorf("%w: it ends with entry %d, and says %d", errStale, next-1, cp.lsn)
	}
	x.heads, x.loaded = heads, true
	return nil
}

func hashBytes(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// kind names the store.
func (x *index) kind() string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if _, ok := x.st.(*boltStore); ok {
		return "disk"
	}
	return "memory"
}

// close commits what is pending and lets go of the store.
func (x *index) close(commit bool) error {
	if x.kick != nil {
		close(x.closing)
		<-x.done
		x.pendMu.Lock()
		n := x.records
		x.pendMu.Unlock()
		if commit && n > 0 {
			_ = x.commit() // the next open makes up for it
		}
	}
	x.work.Lock()
	defer x.work.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.st == nil {
		return nil
	}
	err := x.st.close()
	x.st, x.loaded, x.heads = nil, false, nil
	if errors.Is(err, errStale) {
		return nil
	}
	return err
}
