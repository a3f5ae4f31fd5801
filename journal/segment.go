package journal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// formatVersion is that of segments and of everything in them. A higher one is
// refused with ErrNewer.
const formatVersion = 1

// sectorSize is what a power cut leaves whole.
const sectorSize = 512

var (
	segmentMagic = [8]byte{'C', 'F', 'J', 'S', 'E', 'G', '\r', '\n'}
	freeMagic    = [8]byte{'C', 'F', 'J', 'F', 'R', 'E', 'E', '\n'} // prepared, and full of an older life's bytes
)

// The flags of a segment.
const (
	segRecycled = 1 << 0 // what lies behind the end may be an older life's
	segCarries  = 1 << 1 // begins with a carry, so that recovery may begin here
)

// segHeader is the first block of a segment.
type segHeader struct {
	flags    uint32
	id       journalID
	salt     saltBytes
	seq      uint64
	first    LSN // of the first record that is not of the carry
	prev     chainHash
	size     int64 // of the file
	begun    time.Time
	keyCheck [16]byte
	created  time.Time // the journal, not the segment
	carry    uint32    // bytes of the carry, padded
}

const segHeaderLen = 136 // up to the zeros

func (h *segHeader) encode() []byte {
	b := make([]byte, blockSize)
	le := binary.LittleEndian
	copy(b, segmentMagic[:])
	le.PutUint16(b[8:], formatVersion)
	le.PutUint16(b[10:], segHeaderLen)
	le.PutUint32(b[12:], h.flags)
	copy(b[16:], h.id[:])
	copy(b[32:], h.salt[:])
	le.PutUint64(b[48:], h.seq)
	le.PutUint64(b[56:], uint64(h.first))
	copy(b[64:], h.prev[:])
	le.PutUint64(b[88:], uint64(h.size))
	le.PutUint64(b[96:], uint64(h.begun.UnixMilli()))
	copy(b[104:], h.keyCheck[:])
	le.PutUint64(b[120:], uint64(h.created.UnixMilli()))
	le.PutUint32(b[128:], h.carry)
	le.PutUint32(b[blockSize-4:], crc32c(b[:blockSize-4]))
	return b
}

// errHeader says that a block is no valid segment header.
var errHeader = errors.New("header does not verify")

func decodeSegHeader(b []byte) (*segHeader, error) {
	le := binary.LittleEndian
	if !bytes.Equal(b[:8], segmentMagic[:]) || le.Uint32(b[blockSize-4:]) != crc32c(b[:blockSize-4]) {
		return nil, errHeader
	}
	if v := le.Uint16(b[8:]); v > formatVersion {
		return nil, fmt.Errorf("%w: format %d, this program knows %d; update the program, or open the journal with the one that made it", ErrNewer, v, formatVersion)
	}
	return &segHeader{
		flags: le.Uint32(b[12:]), id: journalID(b[16:]), salt: saltBytes(b[32:]), seq: le.Uint64(b[48:]),
		first: LSN(le.Uint64(b[56:])), prev: chainHash(b[64:]), size: int64(le.Uint64(b[88:])),
		begun: time.UnixMilli(int64(le.Uint64(b[96:]))).UTC(), keyCheck: [16]byte(b[104:]),
		created: time.UnixMilli(int64(le.Uint64(b[120:]))).UTC(), carry: le.Uint32(b[128:]),
	}, nil
}

// chain is what the chain of the segment's records begins with: it binds them
// to the header, and through it to the segment before.
func (h *segHeader) chain() chainHash {
	sum := sha256.Sum256(h.encode()[:segHeaderLen])
	return chainHash(sum[:])
}

// body is where the first batch that is not of the carry begins.
func (h *segHeader) body() int64 { return blockSize + int64(h.carry) }

// prepared says whether a header block is that of a segment that has been made
// ready and not begun; recycled, whether older bytes lie behind it.
func prepared(b []byte) (yes, recycled bool) {
	if isZero(b) {
		return true, false
	}
	return bytes.Equal(b[:8], freeMagic[:]) && isZero(b[8:]), true
}

func freeBlock() []byte {
	b := make([]byte, blockSize)
	copy(b, freeMagic[:])
	return b
}

var zeroBlock [blockSize]byte

func isZero(b []byte) bool {
	for len(b) > blockSize {
		if !bytes.Equal(b[:blockSize], zeroBlock[:]) {
			return false
		}
		b = b[blockSize:]
	}
	return bytes.Equal(b, zeroBlock[:len(b)])
}

func newSalt() (s saltBytes) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// segment is one that has been begun. Its header is read when it is needed:
// an open must not read the first block of each of a thousand files.
type segment struct {
	fs  FS
	seq uint64

	mu   sync.Mutex
	head *segHeader
}

func segName(seq uint64) string { return fmt.Sprintf("%012d.seg", seq) }

func (s *segment) name() string { return segName(s.seq) }

// header reads the header once.
func (s *segment) header() (*segHeader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head != nil {
		return s.head, nil
	}
	f, err := s.fs.OpenRead(s.name())
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := readBlock(f)
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", s.seq, err)
	}
	h, err := decodeSegHeader(b)
	if err == nil && h.seq != s.seq {
		err = fmt.Errorf("%w: it says that it is segment %d", errHeader, h.seq)
	}
	if errors.Is(err, errHeader) {
		return nil, &Damage{Segment: s.seq, Reason: err.Error()}
	}
	if err != nil {
		return nil, fmt.Errorf("segment %d: %w", s.seq, err)
	}
	s.head = h
	return h, nil
}

// known is the header if it has been read.
func (s *segment) known() *segHeader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// readBlock reads a file's first block; a shorter file has zeros instead.
func readBlock(f File) ([]byte, error) {
	b := make([]byte, blockSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	clear(b[n:])
	return b, nil
}

// Damage says where a journal is damaged. It is an ErrDamaged.
type Damage struct {
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"`
	Reason  string `json:"reason"`
}

func (d *Damage) Error() string {
	return fmt.Sprintf("segment %d, offset %d: %v: %s", d.Segment, d.Offset, ErrDamaged, d.Reason)
}

// Unwrap makes it an ErrDamaged.
func (d *Damage) Unwrap() error { return ErrDamaged }
