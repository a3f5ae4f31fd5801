package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt trusts its pages: a flipped bit can make it loop, fault, or return
// old data without a word. checkPages reads the file before bbolt maps it and
// refuses what bbolt would stumble over. Page layout: FORMAT.md.

const (
	pageSize       = 4096
	pageHeader     = 16
	elementSize    = 16
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	flagBranch     = 0x01
	flagLeaf       = 0x02
	flagMeta       = 0x04
	flagFreelist   = 0x10
	flagBucketLeaf = 0x01
	maxDepth       = 32
)

// pageFile is one file under check.
type pageFile struct {
	r    io.ReaderAt
	high uint64 // pages from here on are not in use
	seen []bool // pages that something refers to
}

// boltMeta is the part of a meta page that matters here.
type boltMeta struct{ root, freelist, high, txid uint64 }

func checkPages(f *os.File) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	case st.Size() < 4*pageSize:
		return fmt.Errorf("%w: %d bytes are too few for a journal", ErrDamaged, st.Size())
	case maxMapping != 0 && st.Size() > int64(maxMapping):
		return fmt.Errorf("%d bytes are too many for a 32-bit system: open a copy on a 64-bit one", st.Size())
	}
	meta, err := readMeta(f)
	if err != nil {
		return err
	}
	if meta.high > uint64(st.Size()/pageSize) || meta.high < 4 {
		return fmt.Errorf("%w: the file is cut short: %d pages in use, %d there", ErrDamaged, meta.high, st.Size()/pageSize)
	}
	p := &pageFile{r: f, high: meta.high, seen: make([]bool, meta.high)}
	p.seen[0], p.seen[1] = true, true
	if err := p.freelist(meta.freelist); err != nil {
		return err
	}
	return p.tree(meta.root, nil, nil, 0, true)
}

// readMeta reads both meta pages. bbolt would fall back from a bad one to the
// other, which is the state before the last batch: an acknowledged batch
// would be gone. A meta page is written within one 512-byte sector, so a
// power cut leaves it old or new, and a bad one is damage.
func readMeta(r io.ReaderAt) (boltMeta, error) {
	var m [2]boltMeta
	for i := range m {
		b := make([]byte, pageHeader+64)
		if _, err := r.ReadAt(b, int64(i)*pageSize); err != nil {
			return m[0], fmt.Errorf("meta page %d: %w", i, err)
		}
		le, meta := binary.LittleEndian, b[pageHeader:]
		h := fnv.New64a()
		h.Write(meta[:56])
		switch {
		case le.Uint32(meta) != boltMagic, le.Uint64(meta[56:]) != h.Sum64():
			return m[0], fmt.Errorf("meta page %d: %w: its checksum does not match", i, ErrDamaged)
		case le.Uint32(meta[4:]) != boltVersion:
			return m[0], fmt.Errorf("meta page %d: %w: bbolt format %d", i, ErrNewer, le.Uint32(meta[4:]))
		case le.Uint32(meta[8:]) != pageSize:
			return m[0], fmt.Errorf("meta page %d: %w: page size %d", i, ErrDamaged, le.Uint32(meta[8:]))
		case le.Uint64(b) != uint64(i), le.Uint16(b[8:]) != flagMeta:
			return m[0], fmt.Errorf("meta page %d: %w: its page header is wrong", i, ErrDamaged)
		}
		m[i] = boltMeta{root: le.Uint64(meta[16:]), freelist: le.Uint64(meta[32:]), high: le.Uint64(meta[40:]), txid: le.Uint64(meta[48:])}
	}
	switch {
	case m[0].txid == m[1].txid+1:
		return m[0], nil
	case m[1].txid == m[0].txid+1:
		return m[1], nil
	}
	return m[0], fmt.Errorf("%w: the meta pages are of transactions %d and %d, which do not follow each other", ErrDamaged, m[0].txid, m[1].txid)
}

// page reads page id with its overflow and marks it as referred to.
func (p *pageFile) page(id uint64) (data []byte, flags uint16, count int, err error) {
	var h [pageHeader]byte
	if err := p.mark(id); err != nil {
		return nil, 0, 0, err
	}
	if _, err := p.r.ReadAt(h[:], int64(id)*pageSize); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	overflow := uint64(binary.LittleEndian.Uint32(h[12:]))
	if binary.LittleEndian.Uint64(h[:]) != id || overflow > p.high-id-1 {
		return nil, 0, 0, fmt.Errorf("page %d: %w: its page header is wrong", id, ErrDamaged)
	}
	for i := range overflow {
		if err := p.mark(id + 1 + i); err != nil {
			return nil, 0, 0, err
		}
	}
	data = make([]byte, (overflow+1)*pageSize)
	if _, err := p.r.ReadAt(data, int64(id)*pageSize); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	return data, binary.LittleEndian.Uint16(h[8:]), int(binary.LittleEndian.Uint16(h[10:])), nil
}

// mark refuses a page that two things refer to: a loop, or a page in use that
// the free list offers for writing.
func (p *pageFile) mark(id uint64) error {
	if id >= p.high || p.seen[id] {
		return fmt.Errorf("page %d: %w: it is referred to twice or lies beyond the end", id, ErrDamaged)
	}
	p.seen[id] = true
	return nil
}

func (p *pageFile) freelist(id uint64) error {
	data, flags, count, err := p.page(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	ids, n := data[pageHeader:], uint64(count)
	if count == 0xFFFF { // bbolt: the number itself comes first
		n, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if flags != flagFreelist || n > uint64(len(ids)/8) {
		return fmt.Errorf("free list: page %d: %w: its page header is wrong", id, ErrDamaged)
	}
	for i := range n {
		if err := p.mark(binary.LittleEndian.Uint64(ids[8*i:])); err != nil {
			return fmt.Errorf("free list: %w", err)
		}
	}
	return nil
}

// tree checks the pages below id, whose keys lie in [from, to).
func (p *pageFile) tree(id uint64, from, to []byte, depth int, root bool) error {
	data, flags, count, err := p.page(id)
	if err != nil {
		return err
	}
	where := fmt.Sprintf("page %d", id)
	switch {
	case flags == flagLeaf:
		return p.leaf(where, data, count, from, to, root)
	case flags != flagBranch, count == 0, depth == maxDepth:
		return fmt.Errorf("%s: %w: its page header is wrong", where, ErrDamaged)
	}
	keys, err := elementKeys(where, data, count, false, from, to)
	if err != nil {
		return err
	}
	for i, k := range keys {
		next := to
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		child := binary.LittleEndian.Uint64(data[pageHeader+elementSize*i+8:])
		if err := p.tree(child, k, next, depth+1, root); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page; only the root's holds buckets.
func (p *pageFile) leaf(where string, data []byte, count int, from, to []byte, root bool) error {
	keys, err := elementKeys(where, data, count, true, from, to)
	if err != nil {
		return err
	}
	for i := range keys {
		e := data[pageHeader+elementSize*i:]
		flags := binary.LittleEndian.Uint32(e)
		if bucket := flags == flagBucketLeaf; bucket != root || flags&^flagBucketLeaf != 0 {
			return fmt.Errorf("%s: %w: element %d has the wrong kind", where, ErrDamaged, i)
		}
		if root {
			if err := p.bucket(where, value(e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket checks what a bucket's entry in the root leads to: a tree, or a
// small leaf page that is part of the entry itself.
func (p *pageFile) bucket(where string, v []byte) error {
	if len(v) < 16 {
		return fmt.Errorf("%s: %w: a bucket is too short", where, ErrDamaged)
	}
	if id := binary.LittleEndian.Uint64(v); id != 0 {
		return p.tree(id, nil, nil, 0, false)
	}
	inline := v[16:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf || binary.LittleEndian.Uint32(inline[12:]) != 0 {
		return fmt.Errorf("%s: %w: a small bucket's page header is wrong", where, ErrDamaged)
	}
	return p.leaf(where+" (inline)", inline, int(binary.LittleEndian.Uint16(inline[10:])), nil, nil, false)
}

// elementKeys gives the keys of a page, all of them inside it, ascending, and
// in [from, to).
func elementKeys(where string, data []byte, count int, leaf bool, from, to []byte) ([][]byte, error) {
	if pageHeader+elementSize*count > len(data) {
		return nil, fmt.Errorf("%s: %w: more elements than fit", where, ErrDamaged)
	}
	keys := make([][]byte, count)
	for i := range keys {
		at := pageHeader + elementSize*i
		e, le := data[at:], binary.LittleEndian
		pos, klen, vlen := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(0)
		if leaf {
			pos, klen, vlen = uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
		}
		if pos < uint64(elementSize*(count-i)) || pos+klen+vlen > uint64(len(e)) {
			return nil, fmt.Errorf("%s: %w: element %d reaches out of the page", where, ErrDamaged, i)
		}
		k := e[pos : pos+klen]
		if i > 0 {
			if bytes.Compare(keys[i-1], k) >= 0 {
				return nil, fmt.Errorf("%s: %w: keys are out of order", where, ErrDamaged)
			}
		} else if from != nil && bytes.Compare(k, from) < 0 {
			return nil, fmt.Errorf("%s: %w: keys are out of order", where, ErrDamaged)
		}
		if to != nil && bytes.Compare(k, to) >= 0 {
			return nil, fmt.Errorf("%s: %w: keys are out of order", where, ErrDamaged)
		}
		keys[i] = k
	}
	return keys, nil
}

// value is what a leaf element that elementKeys has accepted holds.
func value(e []byte) []byte {
	le := binary.LittleEndian
	at := uint64(le.Uint32(e[4:])) + uint64(le.Uint32(e[8:]))
	return e[at : at+uint64(le.Uint32(e[12:]))]
}
