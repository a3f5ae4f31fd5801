package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// formatVersion is the container's. A higher one is refused with ErrNewer.
const formatVersion = 1

var (
	keyHeader   = []byte("header")
	headerMagic = [4]byte{'C', 'F', 'J', 'L'}
)

// header is the one value in bucket meta. Magic, version and a CRC-32C at the
// end stay where they are in every version.
type header struct {
	created  time.Time
	id       journalID
	keyCheck [16]byte
}

const headerSize = 52

func (h header) encode() []byte {
	b := append([]byte(nil), headerMagic[:]...)
	b = binary.LittleEndian.AppendUint16(b, formatVersion)
	b = binary.LittleEndian.AppendUint16(b, headerSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.created.UnixMilli()))
	b = append(b, h.id[:]...)
	b = append(b, h.keyCheck[:]...)
	return appendCRC(b)
}

func appendCRC(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32c(b)) }

func decodeHeader(b []byte) (h header, err error) {
	n := len(b) - 4
	if n < 8 || !bytes.Equal(b[:4], headerMagic[:]) || binary.LittleEndian.Uint32(b[n:]) != crc32c(b[:n]) {
		return h, fmt.Errorf("header: %w: it is not one of this program's, or its checksum does not match", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v != formatVersion {
		return h, fmt.Errorf("%w: container format %d, this program knows %d; update the program, or open the journal with the one that made it", ErrNewer, v, formatVersion)
	}
	if len(b) != headerSize || binary.LittleEndian.Uint16(b[6:]) != headerSize {
		return h, fmt.Errorf("header: %w: %d bytes", ErrDamaged, len(b))
	}
	h.created = time.UnixMilli(int64(binary.LittleEndian.Uint64(b[8:]))).UTC()
	h.id, h.keyCheck = journalID(b[16:32]), [16]byte(b[32:48])
	return h, nil
}
