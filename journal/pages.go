package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt trusts its pages: a flipped bit can make it loop, fault, or run out of
// stack, which no recover catches. checkPages refuses what bbolt would stumble
// over: meta pages, page headers, element bounds, key order, nothing referred to
// twice. Values are not read: the tables in them have checksums of their own.

const (
	pageSize       = blockSize
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
	deep bool   // the tables' tree too, which is as large as there are tables
	high uint64 // pages from here on are not in use
	seen []bool // pages that something refers to
}

// boltMeta is the part of a meta page that matters here.
type boltMeta struct{ root, freelist, high, txid uint64 }

func checkPages(f *os.File, deep bool) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	case st.Size() < 4*pageSize:
		return fmt.Errorf("%w: %d bytes are too few for a journal", ErrDamaged, st.Size())
	case maxMapping != 0 && st.Size() > int64(maxMapping):
		return fmt.Errorf("%d bytes are too many for a 32-bit system", st.Size())
	}
	meta, err := readMeta(f)
	if err != nil {
		return err
	}
	if meta.high > uint64(st.Size()/pageSize) || meta.high < 4 {
		return fmt.Errorf("%w: the file is cut short: %d pages in use, %d there", ErrDamaged, meta.high, st.Size()/pageSize)
	}
	p := &pageFile{r: f, deep: deep, high: meta.high, seen: make([]bool, meta.high)}
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

// page is one page with its overflow, of which only what is asked for is read.
type page struct {
	r     io.ReaderAt
	id    uint64
	size  int64
	flags uint16
	count int
}

// page reads a page's header and marks it as referred to.
func (p *pageFile) page(id uint64) (*page, error) {
	var h [pageHeader]byte
	if err := p.mark(id); err != nil {
		return nil, err
	}
	if _, err := p.r.ReadAt(h[:], int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	overflow := uint64(binary.LittleEndian.Uint32(h[12:]))
	if binary.LittleEndian.Uint64(h[:]) != id || overflow > p.high-id-1 {
		return nil, fmt.Errorf("page %d: %w: its page header is wrong", id, ErrDamaged)
	}
	for i := range overflow {
		if err := p.mark(id + 1 + i); err != nil {
			return nil, err
		}
	}
	return &page{
		r: io.NewSectionReader(p.r, int64(id)*pageSize, int64(overflow+1)*pageSize), id: id, size: int64(overflow+1) * pageSize,
		flags: binary.LittleEndian.Uint16(h[8:]), count: int(binary.LittleEndian.Uint16(h[10:])),
	}, nil
}

// bytes reads n bytes at a place in the page.
func (p *page) bytes(at, n uint64) ([]byte, error) {
	if at > uint64(p.size) || n > uint64(p.size)-at {
		return nil, fmt.Errorf("page %d: %w: something reaches out of it", p.id, ErrDamaged)
	}
	b := make([]byte, n)
	if _, err := p.r.ReadAt(b, int64(at)); err != nil && n > 0 {
		return nil, fmt.Errorf("page %d: %w", p.id, err)
	}
	return b, nil
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
	pg, err := p.page(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	ids, err := pg.bytes(pageHeader, uint64(pg.size)-pageHeader)
	if err != nil {
		return err
	}
	n := uint64(pg.count)
	if n == 0xFFFF { // bbolt: the number itself comes first
		n, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if pg.flags != flagFreelist || n > uint64(len(ids)/8) {
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
	pg, err := p.page(id)
	if err != nil {
		return err
	}
	switch {
	case pg.flags == flagLeaf:
		return p.leaf(pg, from, to, root)
	case pg.flags != flagBranch, pg.count == 0, depth == maxDepth, root: // two buckets fit in a leaf
		return fmt.Errorf("page %d: %w: its page header is wrong", id, ErrDamaged)
	}
	elements, err := pg.elements(false, from, to)
	if err != nil {
		return err
	}
	for i, e := range elements {
		next := to
		if i+1 < len(elements) {
			next = elements[i+1].key
		}
		if err := p.tree(e.child, e.key, next, depth+1, false); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page; only the root's holds buckets.
func (p *pageFile) leaf(pg *page, from, to []byte, root bool) error {
	elements, err := pg.elements(true, from, to)
	if err != nil {
		return err
	}
	for i, e := range elements {
		if bucket := e.flags == flagBucketLeaf; bucket != root || e.flags&^flagBucketLeaf != 0 {
			return fmt.Errorf("page %d: %w: element %d has the wrong kind", pg.id, ErrDamaged, i)
		}
		if !root || !p.deep && bytes.Equal(e.key, bucketTables) {
			continue
		}
		v, err := pg.bytes(e.value, e.length)
		if err == nil {
			err = p.bucket(pg.id, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks what a bucket's entry in the root leads to: a tree, or a
// small leaf page that is part of the entry itself.
func (p *pageFile) bucket(in uint64, v []byte) error {
	if len(v) < 16 {
		return fmt.Errorf("page %d: %w: a bucket is too short", in, ErrDamaged)
	}
	if id := binary.LittleEndian.Uint64(v); id != 0 {
		return p.tree(id, nil, nil, 0, false)
	}
	inline := v[16:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf || binary.LittleEndian.Uint32(inline[12:]) != 0 {
		return fmt.Errorf("page %d: %w: a small bucket's page header is wrong", in, ErrDamaged)
	}
	pg := &page{r: bytes.NewReader(inline), id: in, size: int64(len(inline)), flags: flagLeaf, count: int(binary.LittleEndian.Uint16(inline[10:]))}
	return p.leaf(pg, nil, nil, false)
}

// element is one entry of a page.
type element struct {
	key           []byte
	child         uint64 // of a branch
	flags         uint32 // of a leaf
	value, length uint64 // of a leaf: place in the page
}

// elements gives the entries of a page: all inside it, their keys ascending and
// in [from, to).
func (p *page) elements(leaf bool, from, to []byte) ([]element, error) {
	b, err := p.bytes(pageHeader, uint64(elementSize*p.count))
	if err != nil {
		return nil, err
	}
	out, le := make([]element, p.count), binary.LittleEndian
	for i := range out {
		at, e := uint64(pageHeader+elementSize*i), b[elementSize*i:]
		pos, klen, vlen := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(0)
		if leaf {
			pos, klen, vlen = uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
			out[i].flags = le.Uint32(e)
		} else {
			out[i].child = le.Uint64(e[8:])
		}
		if pos < uint64(elementSize*(p.count-i)) || at+pos+klen+vlen > uint64(p.size) {
			return nil, fmt.Errorf("page %d: %w: element %d reaches out of it", p.id, ErrDamaged, i)
		}
		out[i].value, out[i].length = at+pos+klen, vlen
		if out[i].key, err = p.bytes(at+pos, klen); err != nil {
			return nil, err
		}
		k := out[i].key
		if i > 0 && bytes.Compare(out[i-1].key, k) >= 0 || i == 0 && from != nil && bytes.Compare(k, from) < 0 || to != nil && bytes.Compare(k, to) >= 0 {
			return nil, fmt.Errorf("page %d: %w: keys are out of order", p.id, ErrDamaged)
		}
	}
	return out, nil
}
