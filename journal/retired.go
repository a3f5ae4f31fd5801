package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"
)

// RetiredGroup is what is left of a group whose entries are past their time:
// enough to know that it was here, and must never be taken for new.
type RetiredGroup struct {
	Group string
	Last  LSN    // of its last entry
	Type  uint16 // of its last entry
	Final []byte // what Options.Final said of it; nil where there is none
}

// retiredNames is the names of what retired: one file for each segment, part of
// the truth. FORMAT.md has the bytes.
type retiredNames struct {
	fs FS
	id journalID

	mu     sync.Mutex
	files  []retiredFile // ascending
	loaded bool
}

// retiredFile is one file; its filter is in memory.
type retiredFile struct {
	seq  uint64
	head retiredHead
}

type retiredHead struct {
	at     time.Time // when it was written
	filter bloom
}

const (
	retiredMagic   = "CFJX"
	retiredHeadLen = 56
	retiredHeadOld = 48 // the same, but for the last field
)

func retiredName(seq uint64) string { return fmt.Sprintf("%012d%s", seq, retSuffix) }

func newRetiredNames(d FS, id journalID, seqs []uint64) *retiredNames {
	r := &retiredNames{fs: d, id: id}
	for _, seq := range seqs {
		r.files = append(r.files, retiredFile{seq: seq})
	}
	return r
}

func (r *retiredNames) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.files)
}

// add makes the names of one segment durable, and the word that from since on
// all names are there.
func (r *retiredNames) add(seq, since uint64, groups []RetiredGroup) error {
	b := encodeRetired(r.id, seq, since, time.Now(), groups)
	if err := writeFile(r.fs, retiredName(seq), b); err != nil {
		return err
	}
	h, _, err := decodeRetired(b, r.id, seq)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, retiredFile{seq, h})
	return nil
}

// has says whether a group retired after its entry lsn.
func (r *retiredNames) has(group string, lsn LSN) (bool, error) {
	g, ok, err := r.find(group)
	return ok && g.Last >= lsn, err
}

// find looks a group up.
func (r *retiredNames) find(group string) (RetiredGroup, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return RetiredGroup{}, false, err
	}
	hash := hashName(group)
	for i := len(r.files) - 1; i >= 0; i-- {
		f := &r.files[i]
		if !f.head.filter.may(hash) {
			continue
		}
		_, groups, err := r.read(f.seq)
		if err != nil {
			return RetiredGroup{}, false, err
		}
		if k, ok := slices.BinarySearchFunc(groups, group, func(g RetiredGroup, name string) int {
			return cmp.Compare(g.Group, name)
		}); ok {
			return groups[k], true, nil
		}
	}
	return RetiredGroup{}, false, nil
}

// load reads the filters, once.
func (r *retiredNames) load() error {
	if r.loaded {
		return nil
	}
	for i := range r.files {
		if r.files[i].head.filter != nil {
			continue
		}
		h, _, err := r.read(r.files[i].seq)
		if err != nil {
			return err
		}
		r.files[i].head = h
	}
	r.loaded = true
	return nil
}

func (r *retiredNames) read(seq uint64) (retiredHead, []RetiredGroup, error) {
	b, err := readFile(r.fs, retiredName(seq))
	if err != nil {
		return retiredHead{}, nil, err
	}
	return decodeRetired(b, r.id, seq)
}

// since is the oldest segment whose names stay when those of seq are added:
// what is past the second period goes, oldest first.
func (r *retiredNames) since(seq uint64, age time.Duration) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return 0, err
	}
	for _, f := range r.files {
		if f.head.at.Before(sane) || time.Since(f.head.at) < age {
			return f.seq, nil
		}
	}
	return seq, nil
}

// expire removes what is older. A file that a power cut leaves is known to be
// too old by the newest one.
func (r *retiredNames) expire(since uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.files) > 0 && r.files[0].seq < since {
		if err := r.fs.Remove(retiredName(r.files[0].seq)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r.files = r.files[1:]
	}
	return nil
}

// encodeRetired gives a file's bytes: header, filter, groups in order of their
// names, checksum.
func encodeRetired(id journalID, seq, since uint64, at time.Time, groups []RetiredGroup) []byte {
	slices.SortFunc(groups, func(a, b RetiredGroup) int { return cmp.Compare(a.Group, b.Group) })
	filter := newBloom(len(groups))
	for _, g := range groups {
		filter.set(hashName(g.Group))
	}
	le := binary.LittleEndian
	b := append([]byte(nil), retiredMagic...)
	b = le.AppendUint16(b, formatVersion)
	b = le.AppendUint16(b, retiredHeadLen)
	b = append(b, id[:]...)
	b = le.AppendUint64(b, seq)
	b = le.AppendUint64(b, uint64(at.UnixMilli()))
	b = le.AppendUint32(b, uint32(len(groups)))
	b = le.AppendUint32(b, uint32(len(filter)))
	b = le.AppendUint64(b, since)
	b = append(b, filter...)
	for _, g := range groups {
		b = le.AppendUint64(b, uint64(g.Last))
		b = le.AppendUint16(b, g.Type)
		b = append(b, byte(len(g.Group)))
		b = append(b, g.Group...)
		b = le.AppendUint16(b, uint16(len(g.Final)))
		b = append(b, g.Final...)
	}
	return appendCRC(b)
}

// retiredVerifies gives the length of a file's header, 0 where the file does
// not verify.
func retiredVerifies(b []byte) int {
	le, n := binary.LittleEndian, len(b)-4
	if n < retiredHeadOld || string(b[:4]) != retiredMagic || le.Uint32(b[n:]) != crc32c(b[:n]) {
		return 0
	}
	if h := int(le.Uint16(b[6:])); h == retiredHeadOld || h >= retiredHeadLen && h <= n {
		return h
	}
	return 0
}

// retiredSince is from which segment on all names are there, by a file's word;
// 0 where it does not verify or does not say.
func retiredSince(b []byte) uint64 {
	if retiredVerifies(b) < retiredHeadLen {
		return 0
	}
	return binary.LittleEndian.Uint64(b[48:])
}

func decodeRetired(b []byte, id journalID, seq uint64) (h retiredHead, groups []RetiredGroup, err error) {
	le, n := binary.LittleEndian, len(b)-4
	headLen := retiredVerifies(b)
	if headLen == 0 || journalID(b[8:]) != id || le.Uint64(b[24:]) != seq {
		return h, nil, &Damage{Segment: seq, Reason: "the names of what was retired with it do not verify"}
	}
	if v := le.Uint16(b[4:]); v > formatVersion {
		return h, nil, fmt.Errorf("names of segment %d: %w: format %d", seq, ErrNewer, v)
	}
	h.at = time.UnixMilli(int64(le.Uint64(b[32:])))
	c := cutter{rest: b[headLen:n:n]}
	h.filter = slices.Clone(c.cut(int64(le.Uint32(b[44:]))))
	for range le.Uint32(b[40:]) {
		fixed := c.cut(11)
		if fixed == nil {
			break
		}
		g := RetiredGroup{Last: LSN(le.Uint64(fixed)), Type: le.Uint16(fixed[8:])}
		g.Group = string(c.cut(int64(fixed[10])))
		g.Final = slices.Clone(c.cut(c.uint16()))
		groups = append(groups, g)
	}
	if c.short || len(c.rest) > 0 || len(h.filter) == 0 {
		return h, nil, &Damage{Segment: seq, Reason: "the names of what was retired with it do not add up"}
	}
	return h, groups, nil
}

// Retired implements Journal.
func (l *Log) Retired(group string) (RetiredGroup, bool, error) {
	if err := l.usable(); err != nil {
		return RetiredGroup{}, false, err
	}
	g, ok, err := l.retired.find(group)
	return g, ok, l.wrap(err)
}
