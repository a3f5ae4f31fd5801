package journal

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// table finds records by the hash of a name. It is sorted, does not change, and
// carries two checksums, of the filter and of the rows, so that whatever is
// used of it has been verified. FORMAT.md has the bytes.
type table struct {
	seq         uint64 // of the segment
	first, last LSN    // what it covers
	rows        []row
}

// row is one name of one record.
type row struct {
	hash uint64
	lsn  LSN
	off  uint32 // of the record in its segment
}

const (
	tableMagic   = 0x544A4643 // "CFJT"
	tableHeadLen = 48
	rowLen       = 20
	bloomProbes  = 6
	bloomBits    = 10 // per name: one look-up in a hundred is in vain
)

// hashName is FNV-1a, 64 bits. Two names may share it: what is found is
// compared with the record.
func hashName(name string) uint64 { return hashBytes([]byte(name)) }

// bloom is a filter: it says no with certainty.
type bloom []byte

func newBloom(n int) bloom { return make(bloom, (n*bloomBits+63)/64*8+8) }

func (b bloom) bit(hash uint64, i int) (at uint64, mask byte) {
	h := hash + uint64(i)*(hash>>32|hash<<32|1)
	h ^= h >> 29
	h %= uint64(len(b)) * 8
	return h / 8, 1 << (h % 8)
}

func (b bloom) set(hash uint64) {
	for i := range bloomProbes {
		at, mask := b.bit(hash, i)
		b[at] |= mask
	}
}

func (b bloom) may(hash uint64) bool {
	for i := range bloomProbes {
		if at, mask := b.bit(hash, i); b[at]&mask == 0 {
			return false
		}
	}
	return true
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.lsn, b.lsn), cmp.Compare(a.off, b.off))
}

// encode sorts the rows and gives the table's bytes.
func (t *table) encode() []byte {
	slices.SortFunc(t.rows, compareRows)
	filter := newBloom(len(t.rows))
	for _, r := range t.rows {
		filter.set(r.hash)
	}
	le := binary.LittleEndian
	b := make([]byte, tableHeadLen, tableHeadLen+len(filter)+rowLen*len(t.rows))
	b = append(b, filter...)
	for _, r := range t.rows {
		b = le.AppendUint64(b, r.hash)
		b = le.AppendUint64(b, uint64(r.lsn))
		b = le.AppendUint32(b, r.off)
	}
	le.PutUint32(b, tableMagic)
	le.PutUint32(b[4:], uint32(len(t.rows)))
	le.PutUint64(b[8:], t.seq)
	le.PutUint64(b[16:], uint64(t.first))
	le.PutUint64(b[24:], uint64(t.last))
	le.PutUint32(b[32:], uint32(len(filter)))
	le.PutUint32(b[36:], crc32c(b[tableHeadLen+len(filter):]))
	le.PutUint32(b[40:], tableCRC(b[:tableHeadLen+len(filter)]))
	return b
}

// tableCRC covers header and filter, less the checksum itself.
func tableCRC(b []byte) uint32 {
	return crc32c(append(append([]byte(nil), b[:40]...), b[44:]...))
}

// tableHead is what is kept in memory of a table.
type tableHead struct {
	seq         uint64
	first, last LSN
	filter      bloom
}

// parseTable verifies header and filter, and copies them.
func parseTable(b []byte) (h tableHead, err error) {
	le := binary.LittleEndian
	if len(b) < tableHeadLen || le.Uint32(b) != tableMagic {
		return h, fmt.Errorf("table: %w", errHeader)
	}
	n, filter := int64(le.Uint32(b[4:])), int64(le.Uint32(b[32:]))
	if filter == 0 || int64(len(b)) != tableHeadLen+filter+rowLen*n || tableCRC(b[:tableHeadLen+filter]) != le.Uint32(b[40:]) {
		return h, fmt.Errorf("table: %w", errHeader)
	}
	return tableHead{
		seq: le.Uint64(b[8:]), first: LSN(le.Uint64(b[16:])), last: LSN(le.Uint64(b[24:])),
		filter: slices.Clone(b[tableHeadLen : tableHeadLen+filter]),
	}, nil
}

// tableRows verifies the rows.
func tableRows(b []byte) ([]byte, error) {
	if len(b) < tableHeadLen {
		return nil, fmt.Errorf("table: %w", errHeader)
	}
	at := tableHeadLen + int64(binary.LittleEndian.Uint32(b[32:]))
	if at > int64(len(b)) || crc32c(b[at:]) != binary.LittleEndian.Uint32(b[36:]) {
		return nil, fmt.Errorf("table: its rows do not verify: %w", ErrDamaged)
	}
	return b[at:], nil
}

func rowAt(rows []byte, i int) row {
	b := rows[rowLen*i:]
	return row{binary.LittleEndian.Uint64(b), LSN(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint32(b[16:])}
}

// search gives the rows with a hash.
func search(rows []byte, hash uint64) (out []row) {
	n := len(rows) / rowLen
	lo, hi := 0, n
	for lo < hi {
		if mid := (lo + hi) / 2; rowAt(rows, mid).hash < hash {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for ; lo < n; lo++ {
		r := rowAt(rows, lo)
		if r.hash != hash {
			break
		}
		out = append(out, r)
	}
	return out
}

// decodeTable reads a whole table back.
func decodeTable(b []byte) (*table, error) {
	h, err := parseTable(b)
	if err != nil {
		return nil, err
	}
	rows, err := tableRows(b)
	if err != nil {
		return nil, err
	}
	t := &table{seq: h.seq, first: h.first, last: h.last}
	for i := range len(rows) / rowLen {
		t.rows = append(t.rows, rowAt(rows, i))
	}
	return t, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
