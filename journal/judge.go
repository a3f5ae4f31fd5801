package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// What recovery says about the end of the log.
type verdict int

const (
	endClean   verdict = iota // nothing was being written
	endPadding                // the last batch is whole; its padding is not: made whole
	endTorn                   // a batch that was not acknowledged: wiped
	endKept                   // damaged, and no torn write explains it: kept aside, quarantine
)

// Tail is what recovery found behind the last whole batch, in words for people.
type Tail struct {
	Kind    string `json:"kind"` // torn, padding, damaged
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"`
	Bytes   int64  `json:"bytes"` // what was wiped, or kept aside
	Reason  string `json:"reason"`
}

// finding is a verdict with its range.
type finding struct {
	verdict verdict
	end     int64 // what is to be wiped ends here
	reason  string
}

// judge decides what the flaw is at which the walk through the newest segment
// ended: the end of the log, a torn write, or damage. synced says that other
// evidence proves the flaw's offset to have been synced.
func judge(w *walker, fl *flaw, synced string) (finding, error) {
	damage := func(reason string) (finding, error) {
		return finding{}, &Damage{Segment: w.head.seq, Offset: fl.at, Reason: reason}
	}
	if fl.err != nil {
		return finding{}, fmt.Errorf("segment %d: %w", w.head.seq, fl.err)
	}
	if synced != "" {
		return damage(fl.reason + ", and " + synced)
	}
	rest := make([]byte, w.head.size-fl.off)
	if err := readFull(w.f, rest, fl.off); err != nil {
		return finding{}, fmt.Errorf("segment %d: %w", w.head.seq, err)
	}
	life := w.life(rest, fl.off)
	switch {
	case life.later >= 0:
		return damage(fmt.Sprintf("%s, and what was written later, at %d, is there", fl.reason, life.later))
	case fl.whole:
		return finding{endPadding, fl.end, fl.reason}, nil
	case fl.verifies:
		return damage(fl.reason)
	}
	var found finding
	if w.head.flags&segRecycled != 0 {
		found = w.judgeRecycled(rest, fl, life)
	} else {
		found = w.judgeFresh(rest, fl)
	}
	if at, ok := w.oneBit(fl); ok && !w.unwritten(at) {
		found.verdict, found.reason = endKept, fl.reason+": one bit is wrong"
		found.end = max(found.end, w.extent(rest, fl.off), pad(life.end)) // all that the batch wrote
	}
	return found, nil
}

// judgeFresh: what lay behind the end was zero, so a torn write shows as
// sectors that are still zero.
func (w *walker) judgeFresh(rest []byte, fl *flaw) finding {
	last := len(rest)
	for last > 0 && isZero(rest[(last-1)/sectorSize*sectorSize:last]) {
		last = (last - 1) / sectorSize * sectorSize
	}
	switch {
	case last == 0 && w.off < w.head.body():
		return finding{endTorn, w.head.body(), "the carry was not written"}
	case last == 0:
		return finding{verdict: endClean}
	}
	out := finding{endKept, pad(fl.off + int64(last)), fl.reason + ", and every sector was written"}
	torn := w.extent(rest, fl.off) > fl.off+int64(last)
	for at := 0; at < last; at += sectorSize {
		torn = torn || isZero(rest[at:min(at+sectorSize, last)])
	}
	if torn {
		out.verdict, out.reason = endTorn, fl.reason+", and not every sector was written"
	}
	return out
}

// judgeRecycled: an older life's bytes lie behind the end. What this life wrote
// is known by its salt, or by a header that says just what must come next.
func (w *walker) judgeRecycled(rest []byte, fl *flaw, life life) finding {
	h, ok := parseHead(rest)
	ours := ok && h.index == 0 && h.lsn == w.next && (int64(h.synced) == fl.off || fl.off <= w.head.body() && h.synced == 0)
	if w.off < w.head.body() {
		ours = true // the header is there, so the carry was being written
	}
	if !ours && life.end == 0 {
		return finding{verdict: endClean}
	}
	return finding{endTorn, max(w.extent(rest, fl.off), pad(life.end)), fl.reason}
}

// life is what of a region verifies under the segment's salt.
type life struct {
	later int64 // of a record that says the flaw's offset was synced; -1: none
	end   int64 // of the last record that verifies
}

// life looks for records of this life of the segment at every place.
func (w *walker) life(rest []byte, off int64) life {
	found := life{later: -1}
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	for at := 0; ; {
		i := bytes.Index(rest[at:], magic)
		if i < 0 || len(rest)-at-i < headerLen {
			return found
		}
		at += i
		h, _ := parseHead(rest[at:])
		if h.size() <= int64(len(rest)-at) && checksum(w.head.salt, rest[at:at+int(h.size())]) == h.crc {
			found.end = off + int64(at) + h.size()
			if int64(h.synced) > off && found.later < 0 {
				found.later = off + int64(at)
			}
			at += int(h.size())
			continue
		}
		at += len(magic)
	}
}

// extent is where the batch at off ends as far as its headers can be read, in
// whole blocks: at least one.
func (w *walker) extent(rest []byte, off int64) int64 {
	at := int64(0)
	for i := uint32(0); int64(len(rest))-at >= headerLen; i++ {
		h, ok := parseHead(rest[at:])
		if !ok || h.index != i || h.size() > int64(len(rest))-at {
			at += headerLen // a record was to follow: the block before may end with the last one
			break
		}
		at += h.size()
		if h.flags&flagLast != 0 {
			break
		}
	}
	return off + max(pad(at), blockSize)
}

// unwritten says whether the sector at which a bit is missing may just not have
// arrived: a write can end with one bit in a sector of its own.
func (w *walker) unwritten(at int64) bool {
	b, err := w.win.bytes(at/sectorSize*sectorSize, sectorSize)
	return err == nil && isZero(b)
}

// oneBit finds the one bit but for which the flawed record would verify in its
// place, or a carry's padding be zero: that is damage, no power cut does it.
func (w *walker) oneBit(fl *flaw) (at int64, ok bool) {
	n := w.head.size - fl.at
	if fl.padding {
		b, err := w.win.bytes(fl.at, int(fl.end-fl.at))
		set := 0
		for i, c := range b {
			if set += bits.OnesCount8(c); c != 0 {
				at = fl.at + int64(i)
			}
		}
		return at, err == nil && set == 1
	}
	if n < headerLen {
		return 0, false
	}
	b, err := w.win.bytes(fl.at, headerLen)
	if err != nil {
		return 0, false
	}
	head := append([]byte(nil), b...)
	for bit := range 8 * headerLen { // any of them may change the length
		head[bit/8] ^= 1 << (bit % 8)
		if w.wouldVerify(fl, head, -1, 0) {
			return fl.at + int64(bit/8), true
		}
		head[bit/8] ^= 1 << (bit % 8)
	}
	h, ok := parseHead(head)
	if !ok || h.size() > n {
		return 0, false
	}
	body, err := w.win.bytes(fl.at+headerLen, int(h.length))
	if err != nil {
		return 0, false
	}
	full := append(head, body...)
	diff := checksum(w.head.salt, full) ^ h.crc
	var step [8]uint32 // what each bit of the last byte does to the checksum
	for k := range step {
		step[k] = castagnoli[1<<k]
	}
	for at := len(body) - 1; at >= 0; at-- {
		for k := range step {
			if step[k] == diff {
				return fl.at + headerLen + int64(at), w.wouldVerify(fl, head, at, byte(1)<<k)
			}
			step[k] = castagnoli[byte(step[k])] ^ step[k]>>8
		}
	}
	return 0, false
}

// wouldVerify checks the flawed record with another header, and with the bits
// of mask flipped at one place of its body.
func (w *walker) wouldVerify(fl *flaw, head []byte, at int, mask byte) bool {
	h, ok := parseHead(head)
	if !ok || h.size() > w.head.size-fl.at {
		return false
	}
	body, err := w.win.bytes(fl.at+headerLen, int(h.length))
	if err != nil {
		return false
	}
	full := append(bytes.Clone(head), body...)
	if at >= 0 {
		full[headerLen+at] ^= mask
	}
	// The chain covers all but the checksum, which may itself be the wrong bit.
	return bits.OnesCount32(checksum(w.head.salt, full)^h.crc) <= 1 && nextChain(w.sum, w.chainAt(fl), full) == h.chain
}

// chainAt is the chain before the flawed record.
func (w *walker) chainAt(fl *flaw) chainHash {
	if n := len(w.batch.recs); n > 0 && fl.at > fl.off {
		return w.batch.recs[n-1].chain
	}
	return w.chain
}

// judgeHeader decides about the newest segment when its header does not verify:
// nil is a roll that a cut tore, before anything in it was acknowledged. The
// block was zero or marked as free before, and the header fills its first and
// its last sector only.
func judgeHeader(seq uint64, block, body []byte, prev LSN) error {
	first := !isZero(block[:sectorSize]) && !bytes.Equal(block[:sectorSize], freeBlock()[:sectorSize])
	last := !isZero(block[blockSize-sectorSize:])
	if first && last || !isZero(block[sectorSize:blockSize-sectorSize]) {
		return &Damage{Segment: seq, Reason: "its header was written and does not verify"}
	}
	for at := 0; at+headerLen <= len(body); at += blockSize {
		h, ok := parseHead(body[at:])
		if ok && h.index == 0 && h.lsn > prev && int(h.synced) == at+blockSize {
			return &Damage{Segment: seq, Reason: fmt.Sprintf("its header does not verify, and what was written later, at %d, is there", at+blockSize)}
		}
	}
	return nil
}
