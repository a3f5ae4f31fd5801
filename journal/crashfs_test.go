package journal

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// crashFS is an FS in memory that keeps a list of everything it was told, so
// that every state can be built which a power cut may leave by the promises of
// FS. Faults are injected at a chosen operation.
type crashFS struct {
	mu     sync.Mutex
	names  map[string]*inode
	base   []baseFile
	locked bool
	ops    []op
	quiet  bool // records nothing: a disk that is only looked at

	free   int64             // what Free says, less what is written since; -1: without end
	local  string            // the directory that Local names; "": none
	inject func(*op) error   // asked before each operation that changes something
	short  func(op *op) int  // how much of a failing write is done; nil: nothing
	lost   uint64            // which sectors a failing sync still writes: 0 none, else a seed
	onOp   func(fs *crashFS) // called after each recorded operation
}

// inode is a file, under whatever names.
type inode struct {
	data   []byte
	shared bool // data belongs to an image: copied before it is changed
}

type opKind uint8

const (
	opCreate opKind = iota
	opWrite
	opDatasync
	opSync
	opRename
	opRemove
	opSyncDir
	opForget // a sync that failed: the pages are marked clean and are not on the disk
	opMark   // no operation: something the test wants to know the time of
)

func (k opKind) String() string {
	return [...]string{"create", "write", "datasync", "sync", "rename", "remove", "syncdir", "forget", "mark"}[k]
}

// op is one operation, in the order in which they were issued.
type op struct {
	kind opKind
	node *inode
	name string // of the file when it was opened; from
	to   string
	off  int64
	data []byte
	note any
}

func (o *op) String() string {
	switch o.kind {
	case opWrite:
		zero := ""
		if isZero(pad512(o.data)) {
			zero = " of zeros"
		}
		return fmt.Sprintf("write %s %d+%d%s", o.name, o.off, len(o.data), zero)
	case opRename:
		return fmt.Sprintf("rename %s %s", o.name, o.to)
	case opMark:
		return fmt.Sprintf("-- %v", o.note)
	default:
		return strings.TrimSpace(o.kind.String() + " " + o.name)
	}
}

func pad512(b []byte) []byte {
	return append(bytes.Clone(b), make([]byte, blockSize-len(b)%blockSize)...)
}

// newCrashFS is an empty disk.
func newCrashFS() *crashFS { return &crashFS{names: map[string]*inode{}, free: -1} }

// image is what a disk holds: content by name. Two names may share a file.
type image map[string]*inode

// mount is a disk that holds an image. The image stays as it is.
func mount(img image) *crashFS {
	f := newCrashFS()
	f.names = img.clone()
	for name, n := range f.names {
		f.base = append(f.base, baseFile{name, n, n.data})
	}
	return f
}

// baseFile is a file as it was when the disk was mounted.
type baseFile struct {
	name string
	node *inode
	data []byte
}

// clone is a copy; what is in the files is copied when it is written.
func (img image) clone() image {
	out, seen := image{}, map[*inode]*inode{}
	for name, n := range img {
		if seen[n] == nil {
			n.shared = true
			seen[n] = &inode{n.data, true}
		}
		out[name] = seen[n]
	}
	return out
}

// files lists an image's names, sorted.
func (img image) files() []string { return slices.Sorted(maps.Keys(img)) }

// image is what the disk shows now, cut or no cut.
func (c *crashFS) image() image {
	c.mu.Lock()
	defer c.mu.Unlock()
	return image(c.names).clone()
}

// mark notes something at this place of the list.
func (c *crashFS) mark(note any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op{kind: opMark, note: note})
}

// recorded is what was recorded so far.
func (c *crashFS) recorded() []op {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ops)
}

// do records an operation and performs it by apply, unless a fault is injected.
// The caller holds mu.
func (c *crashFS) do(o op, apply func()) error {
	if c.inject != nil {
		if err := c.inject(&o); err != nil {
			c.fault(o)
			return err
		}
	}
	if o.kind == opWrite && c.free >= 0 {
		grown := max(0, o.off+int64(len(o.data))-int64(len(o.node.data)))
		if grown > c.free {
			return syscall.ENOSPC
		}
		c.free -= grown
	}
	if apply != nil {
		apply()
	}
	if !c.quiet {
		c.ops = append(c.ops, o)
		if c.onOp != nil {
			c.onOp(c)
		}
	}
	return nil
}

// fault does what is left of an operation that fails.
func (c *crashFS) fault(o op) {
	switch o.kind {
	case opDatasync, opSync:
		o.kind, o.note = opForget, c.lost
		c.ops = append(c.ops, o)
	case opWrite:
		if c.short != nil {
			if n := c.short(&o); n > 0 {
				o.data = o.data[:n]
				o.node.write(o.off, o.data)
				c.ops = append(c.ops, o)
			}
		}
	}
}

func (n *inode) write(off int64, b []byte) {
	if n.shared {
		n.data, n.shared = bytes.Clone(n.data), false
	}
	if grow := int(off) + len(b) - len(n.data); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[off:], b)
}

func (c *crashFS) Create(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := &inode{}
	if err := c.do(op{kind: opCreate, node: n, name: name}, func() { c.names[name] = n }); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return &crashFile{c, n, name, false}, nil
}

func (c *crashFS) Open(name string) (File, error)     { return c.open(name, false) }
func (c *crashFS) OpenRead(name string) (File, error) { return c.open(name, true) }

func (c *crashFS) open(name string, readOnly bool) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &crashFile{c, n, name, readOnly}, nil
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	return c.do(op{kind: opRename, node: n, name: from, to: to}, func() {
		delete(c.names, from)
		c.names[to] = n
	})
}

func (c *crashFS) Remove(name string) error {
	if name == indexName && c.local != "" { // made by the library itself, outside of this disk
		return os.Remove(c.Local(name))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[name]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	return c.do(op{kind: opRemove, node: n, name: name}, func() { delete(c.names, name) })
}

func (c *crashFS) List() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := image(c.names).files()
	if c.local != "" {
		if _, err := os.Stat(c.Local(indexName)); err == nil {
			names = append(names, indexName)
		}
	}
	return names, nil
}

func (c *crashFS) SyncDir() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.do(op{kind: opSyncDir}, nil)
}

func (c *crashFS) Lock() (io.Closer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.locked {
		return nil, ErrLocked
	}
	c.locked = true
	return crashLock{c}, nil
}

type crashLock struct{ c *crashFS }

func (l crashLock) Close() error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.locked = false
	return nil
}

func (c *crashFS) Free() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free < 0 {
		return 1 << 40, nil
	}
	return c.free, nil
}

func (c *crashFS) Local(name string) string {
	if c.local == "" {
		return ""
	}
	return c.local + "/" + name
}

// crashFile is an open file of a crashFS.
type crashFile struct {
	c        *crashFS
	node     *inode
	name     string
	readOnly bool
}

func (f *crashFile) ReadAt(b []byte, off int64) (int, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(b []byte, off int64) (int, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.readOnly || off < 0 {
		return 0, fs.ErrPermission
	}
	data := bytes.Clone(b)
	before := len(f.c.ops)
	if err := f.c.do(op{kind: opWrite, node: f.node, name: f.name, off: off, data: data}, func() { f.node.write(off, data) }); err != nil {
		n := 0
		if len(f.c.ops) > before { // a short write
			n = len(f.c.ops[before].data)
		}
		return n, &fs.PathError{Op: "write", Path: f.name, Err: err}
	}
	return len(b), nil
}

func (f *crashFile) Datasync() error { return f.sync(opDatasync) }
func (f *crashFile) Sync() error     { return f.sync(opSync) }

func (f *crashFile) sync(k opKind) error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if err := f.c.do(op{kind: k, node: f.node, name: f.name}, nil); err != nil {
		return &fs.PathError{Op: "sync", Path: f.name, Err: err}
	}
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *crashFile) Close() error { return nil }

// disk replays a list of operations and knows, at each point, what a power cut
// leaves open.
type disk struct {
	at    int // operations replayed
	names map[string][]nameVersion
	nodes map[*inode]*nodeState
}

// nameVersion is what a name may be: the first is durable, each later one is
// what operation at made of it.
type nameVersion struct {
	at   int
	node *inode // nil: no such name
}

// nodeState is what may be in a file.
type nodeState struct {
	synced  []byte
	sizes   []sizeVersion // the first is durable
	pending map[int64][]sectorVersion
}

type sizeVersion struct {
	at   int
	size int64
}

// sectorVersion is one content of a sector that is not synced. Its bytes may
// be fewer than a sector's: the rest is the version before.
type sectorVersion struct {
	at   int
	data []byte
}

// replay begins with what was on the disk when it was mounted.
func (c *crashFS) replay() *disk {
	d := &disk{names: map[string][]nameVersion{}, nodes: map[*inode]*nodeState{}}
	for _, b := range c.base {
		d.names[b.name] = []nameVersion{{-1, b.node}}
		d.node(b.node).synced = bytes.Clone(b.data)
		d.node(b.node).sizes = []sizeVersion{{-1, int64(len(b.data))}}
	}
	return d
}

func (d *disk) node(n *inode) *nodeState {
	if d.nodes[n] == nil {
		d.nodes[n] = &nodeState{sizes: []sizeVersion{{-1, 0}}, pending: map[int64][]sectorVersion{}}
	}
	return d.nodes[n]
}

func (d *disk) name(name string, n *inode) {
	v := d.names[name]
	if v == nil {
		v = []nameVersion{{-1, nil}}
	}
	d.names[name] = append(v, nameVersion{d.at, n})
}

// step replays one operation.
func (d *disk) step(o *op) {
	switch o.kind {
	case opCreate:
		d.name(o.name, o.node)
		d.node(o.node)
	case opRename:
		d.name(o.name, nil)
		d.name(o.to, o.node)
	case opRemove:
		d.name(o.name, nil)
	case opSyncDir:
		for name, v := range d.names {
			if last := v[len(v)-1].node; last == nil {
				delete(d.names, name)
			} else {
				d.names[name] = []nameVersion{{-1, last}}
			}
		}
	case opWrite:
		d.node(o.node).write(d.at, o.off, o.data)
	case opDatasync, opSync:
		d.node(o.node).settle()
	case opForget:
		d.node(o.node).forget(o.note.(uint64))
	}
	d.at++
}

func (s *nodeState) size() int64 { return s.sizes[len(s.sizes)-1].size }

// newest is a sector's newest content.
func (s *nodeState) newest(sector int64) []byte {
	if v := s.pending[sector]; len(v) > 0 {
		return v[len(v)-1].data
	}
	return s.durable(sector)
}

func (s *nodeState) durable(sector int64) []byte {
	b := make([]byte, sectorSize)
	if at := sector * sectorSize; at < int64(len(s.synced)) {
		copy(b, s.synced[at:])
	}
	return b
}

func (s *nodeState) write(at int, off int64, data []byte) {
	end := off + int64(len(data))
	for sector := off / sectorSize; sector*sectorSize < end; sector++ {
		begin := sector * sectorSize
		old := s.newest(sector)
		b := bytes.Clone(old)
		from := max(off, begin)
		copy(b[from-begin:], data[from-off:min(end, begin+sectorSize)-off])
		// What does not change a sector leaves nothing to decide.
		if !bytes.Equal(b, old) {
			s.pending[sector] = append(s.pending[sector], sectorVersion{at, b})
		}
	}
	if end > s.size() {
		s.sizes = append(s.sizes, sizeVersion{at, end})
	}
}

// settle makes everything durable.
func (s *nodeState) settle() {
	if grow := s.size() - int64(len(s.synced)); grow > 0 {
		s.synced = append(s.synced, make([]byte, grow)...)
	}
	for sector, v := range s.pending {
		copy(s.synced[sector*sectorSize:], v[len(v)-1].data)
	}
	clear(s.pending)
	s.sizes = []sizeVersion{{-1, s.size()}}
}

// forget is a failed sync: of what was written, nothing is on the disk, or by a
// seed some of it, and no later sync will write the rest. The length may be
// either.
func (s *nodeState) forget(seed uint64) {
	if seed != 0 {
		rng := rand.New(rand.NewPCG(seed, 0))
		for _, sector := range slices.Sorted(maps.Keys(s.pending)) {
			v := s.pending[sector]
			if at := sector * sectorSize; rng.IntN(2) == 0 && at < int64(len(s.synced)) {
				copy(s.synced[at:], v[len(v)-1].data)
			}
		}
	}
	clear(s.pending)
}

// chooser decides what is left open. versions says which operation made each
// alternative, in order; the first, -1, is what is durable.
type chooser interface {
	pick(versions []int) int
}

// build gives the state that c chooses. Sectors that a choice leaves to be
// garbage are made so by wild, nil for none.
func (d *disk) build(c chooser, wild func(version int, sector []byte)) image {
	img, contents := image{}, map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		v := d.names[name]
		at := make([]int, len(v))
		for i := range v {
			at[i] = v[i].at
		}
		n := v[choose(c, at)].node
		if n == nil {
			continue
		}
		if contents[n] == nil {
			contents[n] = &inode{data: d.node(n).build(c, wild)}
		}
		img[name] = contents[n]
	}
	return img
}

// choose asks only where there is something to decide.
func choose(c chooser, versions []int) int {
	if len(versions) == 1 {
		return 0
	}
	return c.pick(versions)
}

func (s *nodeState) build(c chooser, wild func(int, []byte)) []byte {
	at := make([]int, len(s.sizes))
	for i := range s.sizes {
		at[i] = s.sizes[i].at
	}
	b := make([]byte, s.sizes[choose(c, at)].size)
	copy(b, s.synced)
	for _, sector := range slices.Sorted(maps.Keys(s.pending)) {
		if sector*sectorSize >= int64(len(b)) {
			break
		}
		v := s.pending[sector]
		at = append(at[:0], -1)
		for i := range v {
			at = append(at, v[i].at)
		}
		k := choose(c, at)
		end := min((sector+1)*sectorSize, int64(len(b)))
		if k > 0 {
			copy(b[sector*sectorSize:end], v[k-1].data)
		}
		if wild != nil {
			wild(k, b[sector*sectorSize:end])
		}
	}
	return b
}

// open says how many decisions a cut leaves here, and how many states they
// make, no more than limit.
func (d *disk) open(limit int) (decisions, states int) {
	t := &tally{states: 1, limit: limit}
	d.build(t, nil)
	return t.decisions, t.states
}

type tally struct{ decisions, states, limit int }

func (t *tally) pick(versions []int) int {
	t.decisions++
	t.states = min(t.limit, t.states*len(versions))
	return len(versions) - 1 // the newest: where a file is longest and has most to decide
}
