// Package powerfail is a FUSE file system that forgets, at a power cut, what was
// not synced: a directory of files in memory, as small as the journal needs it.
// The tests run a real process on it, over the real system calls.
package powerfail

import (
	"math/rand/v2"
	"sort"
	"sync"
	"syscall"
)

// sectorSize is what a cut leaves whole.
const sectorSize = 512

// Disk is one directory and its files. What is durable is kept beside what is
// seen.
type Disk struct {
	mu      sync.Mutex
	seen    map[string]*file
	durable map[string]*file
	nextID  uint64

	ops  int // that change something, so far
	cut  int // the operation before which the power goes; 0: never
	off  bool
	gone chan struct{} // closed when the power goes
	syn  int
}

// file is a file under whatever names.
type file struct {
	id    uint64
	data  []byte
	kept  []byte         // what the last sync saw
	dirty map[int64]bool // sectors written since
}

// NewDisk is an empty disk.
func NewDisk() *Disk {
	return &Disk{seen: map[string]*file{}, durable: map[string]*file{}, gone: make(chan struct{})}
}

// CutAt lets the power go just before the n-th operation from now that changes
// something.
func (d *Disk) CutAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = d.ops + n
}

// Gone is closed when the power has gone.
func (d *Disk) Gone() <-chan struct{} { return d.gone }

// PowerOff is a cut now. It is no error where the power has gone already.
func (d *Disk) PowerOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.powerOff()
}

func (d *Disk) powerOff() {
	if !d.off {
		d.off = true
		close(d.gone)
	}
}

// Ops says how many operations changed something, and how many of them were
// syncs.
func (d *Disk) Ops() (all, syncs int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops, d.syn
}

// change runs fn as an operation that changes something.
func (d *Disk) change(fn func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off && d.cut > 0 && d.ops+1 >= d.cut {
		d.powerOff()
	}
	if d.off {
		return syscall.EIO
	}
	d.ops++
	return fn()
}

// look runs fn as an operation that changes nothing.
func (d *Disk) look(fn func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return syscall.EIO
	}
	return fn()
}

func (d *Disk) newFile() *file {
	d.nextID++
	return &file{id: d.nextID + 100, dirty: map[int64]bool{}}
}

func (f *file) resize(n int64) {
	if n <= int64(len(f.data)) {
		f.data = f.data[:n]
		return
	}
	f.data = append(f.data, make([]byte, n-int64(len(f.data)))...)
}

func (f *file) write(off int64, b []byte) {
	if end := off + int64(len(b)); end > int64(len(f.data)) {
		f.resize(end)
	}
	copy(f.data[off:], b)
	for s := off / sectorSize; s*sectorSize < off+int64(len(b)); s++ {
		f.dirty[s] = true
	}
}

// sync keeps what is seen.
func (f *file) sync() {
	n := len(f.kept)
	if len(f.data) < n {
		f.kept = f.kept[:len(f.data)]
	} else {
		f.kept = append(f.kept, f.data[n:]...)
	}
	for s := range f.dirty {
		if at := int(s * sectorSize); at < len(f.data) {
			copy(f.kept[at:min(at+sectorSize, len(f.data))], f.data[at:])
		}
	}
	clear(f.dirty)
}

func (d *Disk) syncDir() {
	d.durable = make(map[string]*file, len(d.seen))
	for name, f := range d.seen {
		d.durable[name] = f
	}
}

// Survivor is a disk with what is left after the cut. Of what was not synced,
// keep of it arrived, between 0 and 1: each sector, each length and each name
// for itself.
func (d *Disk) Survivor(rng *rand.Rand, keep float64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	arrived := func() bool { return rng.Float64() < keep }
	out := NewDisk()
	made := map[*file]*file{}
	for _, name := range d.names() {
		was, is := d.durable[name], d.seen[name]
		f := was
		if was != is && arrived() {
			f = is
		}
		if f == nil {
			continue
		}
		if made[f] == nil {
			made[f] = out.newFile()
			made[f].kept = f.survive(arrived)
			made[f].data = append([]byte(nil), made[f].kept...)
		}
		out.seen[name], out.durable[name] = made[f], made[f]
	}
	return out
}

func (d *Disk) names() []string {
	var names []string
	for name := range d.seen {
		names = append(names, name)
	}
	for name := range d.durable {
		if d.seen[name] == nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (f *file) survive(arrived func() bool) []byte {
	n := len(f.kept)
	if len(f.data) != n && arrived() {
		n = len(f.data)
	}
	b := make([]byte, n)
	copy(b, f.kept)
	sectors := make([]int64, 0, len(f.dirty))
	for s := range f.dirty {
		sectors = append(sectors, s)
	}
	sort.Slice(sectors, func(i, k int) bool { return sectors[i] < sectors[k] })
	for _, s := range sectors {
		at := int(s * sectorSize)
		if arrived() && at < n && at < len(f.data) {
			copy(b[at:min(at+sectorSize, n)], f.data[at:])
		}
	}
	return b
}
