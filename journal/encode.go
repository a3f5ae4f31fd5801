package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

// blockSize is the unit in which a segment is written.
const blockSize = 4096

// pad is n rounded up to a whole block.
func pad(n int64) int64 { return (n + blockSize - 1) &^ (blockSize - 1) }

// encoder builds what goes to the disk in one write: records, padded to blocks.
// It is used again and again, and keeps its memory.
type encoder struct {
	buf    []byte
	salt   saltBytes
	chain  chainHash
	index  uint32
	synced uint32
	keys   *keyring

	sum   hash.Hash
	bound []byte // scratch
}

// begin starts a write batch.
func (e *encoder) begin(synced int64) { e.index, e.synced = 0, uint32(synced) }

// entry appends one entry as a record.
func (e *encoder) entry(in *Entry, lsn LSN, flags uint16) error {
	h := recordHead{typ: in.Type, flags: flags | uint16(in.Class)<<flagClassAt, lsn: lsn}
	at := e.open()
	e.buf = appendBody(e.buf, in.Group, in.Keys, in.Clear)
	if len(in.Sealed) == 0 {
		e.close(at, &h)
		return nil
	}
	h.keyID = in.KeyID
	aead, err := e.keys.forSealing(in.KeyID)
	if err != nil {
		return err
	}
	h.sealed = uint32(nonceLen + len(in.Sealed) + tagLen)
	e.fill(at, &h, len(e.buf)-at-headerLen+int(h.sealed))
	e.bound = append(append(e.bound[:0], e.salt[:]...), e.buf[at:at+boundLen]...)
	e.bound = append(e.bound, e.buf[at+headerLen:]...)
	e.buf = sealTo(e.buf, aead, in.Sealed, e.bound)
	e.close(at, &h)
	return nil
}

// carried appends a record of an earlier segment as it stands there.
func (e *encoder) carried(r *raw, salt saltBytes, flags uint16) {
	h := recordHead{typ: r.typ, flags: flags | flagCarried | uint16(r.class())<<flagClassAt, lsn: r.lsn}
	at := e.open()
	e.buf = append(e.buf, salt[:]...)
	e.buf = append(e.buf, r.bytes...)
	e.close(at, &h)
}

func (e *encoder) open() (at int) {
	at = len(e.buf)
	var zero [headerLen]byte
	e.buf = append(e.buf, zero[:]...)
	return at
}

func (e *encoder) fill(at int, h *recordHead, length int) {
	h.length, h.index, h.synced = uint32(length), e.index, e.synced
	h.put(e.buf[at:])
}

// close completes the record that begins at: header, chain, checksum.
func (e *encoder) close(at int, h *recordHead) {
	e.fill(at, h, len(e.buf)-at-headerLen)
	b := e.buf[at:]
	if e.sum == nil {
		e.sum = sha256.New()
	}
	e.chain = nextChain(e.sum, e.chain, b)
	copy(b[chainAt:], e.chain[:])
	binary.LittleEndian.PutUint32(b[crcAt:], checksum(e.salt, b))
	e.index++
}

// nextChain hashes the chain so far and a record without CRC and chain.
func nextChain(sum hash.Hash, chain chainHash, record []byte) chainHash {
	sum.Reset()
	sum.Write(chain[:])
	sum.Write(record[:boundLen])
	sum.Write(record[headerLen:])
	var out [sha256.Size]byte
	return chainHash(sum.Sum(out[:0]))
}

// end pads the batch with zeros.
func (e *encoder) end() {
	var zero [blockSize]byte
	e.buf = append(e.buf, zero[:pad(int64(len(e.buf)))-int64(len(e.buf))]...)
}

// batch appends the entries of a batch, the first with LSN first, and its
// padding.
func (e *encoder) batch(reqs []*request, first LSN, n int, synced int64) error {
	e.begin(synced)
	lsn, left := first, n
	for _, q := range reqs {
		for i := range q.batch {
			left--
			flags := uint16(0)
			if left == 0 {
				flags = flagLast
			}
			if err := e.entry(&q.batch[i], lsn, flags); err != nil {
				return fmt.Errorf("entry %d of %d, type %d: %w", i+1, len(q.batch), q.batch[i].Type, err)
			}
			lsn++
		}
	}
	e.end()
	return nil
}
