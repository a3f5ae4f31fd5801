package sim

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/counterfoil-pos/counterfoil/journal"
)

// powerDisk is the journal's disk in memory. It knows what was synced, so that
// a power cut leaves what journal.FS says that one may: of each file that was
// not synced any of its sectors, of each name that was not synced either state.
type powerDisk struct {
	mu      sync.Mutex
	names   map[string]*powerFile
	durable map[string]*powerFile // as the latest SyncDir saw them
	left    int                   // operations before the power fails; negative: it does not
	dark    bool
	locked  bool
}

type powerFile struct {
	data, synced []byte
	dirty        map[int]bool // sectors in which they differ
}

const sector = 512

var errDark = errors.New("the power is gone")

func newPowerDisk() *powerDisk {
	return &powerDisk{names: map[string]*powerFile{}, durable: map[string]*powerFile{}, left: -1}
}

// spend counts an operation that changes something. The one at which the power
// fails may be half done; after it there are none.
func (d *powerDisk) spend() (fails bool, err error) {
	if d.dark {
		return true, errDark
	}
	if d.left == 0 {
		d.dark = true
		return true, nil
	}
	if d.left > 0 {
		d.left--
	}
	return false, nil
}

// cut is the disk as it may be found when the power is back.
func (d *powerDisk) cut(rng *rand.Rand) *powerDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dark = true
	n, share := newPowerDisk(), rng.Float64()
	files := map[*powerFile]*powerFile{}
	all := maps.Clone(d.durable)
	maps.Copy(all, d.names)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := d.durable[name]
		if now := d.names[name]; now != f && rng.Float64() < share {
			f = now
		}
		if f == nil {
			continue
		}
		if files[f] == nil {
			files[f] = f.cut(rng, share)
		}
		n.names[name] = files[f]
	}
	n.durable = maps.Clone(n.names)
	return n
}

func (f *powerFile) cut(rng *rand.Rand, share float64) *powerFile {
	b := slices.Clone(f.synced)
	if len(f.data) > len(f.synced) && rng.Float64() < share {
		b = append(b, make([]byte, len(f.data)-len(f.synced))...)
	}
	for _, s := range slices.Sorted(maps.Keys(f.dirty)) {
		if at := s * sector; at < len(b) && rng.Float64() < share {
			copy(b[at:min(at+sector, len(b))], f.data[at:])
		}
	}
	return &powerFile{data: b, synced: slices.Clone(b), dirty: map[int]bool{}}
}

func (d *powerDisk) change(name string, apply func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	fails, err := d.spend()
	if err == nil {
		err = apply()
	}
	if fails && err == nil {
		err = errDark
	}
	if err != nil {
		return &fs.PathError{Op: "change", Path: name, Err: err}
	}
	return nil
}

func (d *powerDisk) Create(name string) (journal.File, error) {
	f := &powerFile{dirty: map[int]bool{}}
	err := d.change(name, func() error {
		if d.names[name] != nil {
			return fs.ErrExist
		}
		d.names[name] = f
		return nil
	})
	return &powerHandle{d, f}, err
}

func (d *powerDisk) Open(name string) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &powerHandle{d, f}, nil
}

func (d *powerDisk) OpenRead(name string) (journal.File, error) { return d.Open(name) }

func (d *powerDisk) Rename(from, to string) error {
	return d.change(from, func() error {
		if d.names[from] == nil {
			return fs.ErrNotExist
		}
		d.names[to] = d.names[from]
		delete(d.names, from)
		return nil
	})
}

func (d *powerDisk) Remove(name string) error {
	return d.change(name, func() error {
		if d.names[name] == nil {
			return fs.ErrNotExist
		}
		delete(d.names, name)
		return nil
	})
}

func (d *powerDisk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

// SyncDir at which the power fails has done nothing.
func (d *powerDisk) SyncDir() error {
	return d.change(".", func() error {
		if !d.dark {
			d.durable = maps.Clone(d.names)
		}
		return nil
	})
}

func (d *powerDisk) Lock() (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, journal.ErrLocked
	}
	d.locked = true
	return powerLock{d}, nil
}

type powerLock struct{ d *powerDisk }

func (l powerLock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.d.locked = false
	return nil
}

func (d *powerDisk) Free() (int64, error) { return 1 << 40, nil }
func (d *powerDisk) Local(string) string  { return "" } // the index lives in memory

type powerHandle struct {
	d *powerDisk
	f *powerFile
}

func (h *powerHandle) ReadAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off >= int64(len(h.f.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *powerHandle) WriteAt(b []byte, off int64) (int, error) {
	err := h.d.change("write", func() error {
		f, end := h.f, int(off)+len(b)
		if grow := end - len(f.data); grow > 0 {
			f.data = append(f.data, make([]byte, grow)...)
		}
		copy(f.data[off:], b)
		for s := int(off) / sector; s*sector < end; s++ {
			f.dirty[s] = true
		}
		return nil
	})
	return len(b), err
}

func (h *powerHandle) Datasync() error {
	return h.d.change("sync", func() error {
		if h.d.dark {
			return nil // any of it may have arrived: cut decides
		}
		f := h.f
		f.synced = append(f.synced, make([]byte, len(f.data)-len(f.synced))...)
		for s := range f.dirty {
			copy(f.synced[s*sector:], f.data[s*sector:min((s+1)*sector, len(f.data))])
		}
		clear(f.dirty)
		return nil
	})
}

func (h *powerHandle) Sync() error { return h.Datasync() }

func (h *powerHandle) Size() (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return int64(len(h.f.data)), nil
}

func (h *powerHandle) Close() error { return nil }
