package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// keyFile is the file of one data key; FORMAT.md has the table.
type keyFile struct {
	destroyed bool
	wrapped   []byte
}

const keyPrefix = "key-"

func keyName(keyID uint32) string { return fmt.Sprintf("%s%08x", keyPrefix, keyID) }

// keyOfName is the inverse of keyName.
func keyOfName(name string) (keyID uint32, ok bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, keyPrefix), 16, 32)
	return uint32(n), err == nil && name == keyName(uint32(n))
}

const (
	keyMagic   = "CFJK"
	keyHeadLen = 32
)

func (f keyFile) encode(id journalID, keyID uint32) []byte {
	b := append([]byte(nil), keyMagic...)
	le := binary.LittleEndian
	state := uint16(1)
	if f.destroyed {
		state = 2
	}
	b = le.AppendUint16(b, formatVersion)
	b = le.AppendUint16(b, state)
	b = le.AppendUint32(b, keyID)
	b = le.AppendUint32(b, uint32(len(f.wrapped)))
	b = append(b, id[:]...)
	b = append(b, f.wrapped...)
	return appendCRC(b)
}

func appendCRC(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32c(b)) }

func decodeKeyFile(b []byte, id journalID, keyID uint32) (keyFile, error) {
	le, n := binary.LittleEndian, len(b)-4
	if len(b) > 0 && isZero(b) { // the cut came between the zeros and the tombstone
		return keyFile{destroyed: true}, nil
	}
	if n < keyHeadLen || string(b[:4]) != keyMagic || le.Uint32(b[n:]) != crc32c(b[:n]) || journalID(b[16:]) != id ||
		le.Uint32(b[8:]) != keyID || int(le.Uint32(b[12:])) != n-keyHeadLen {
		return keyFile{}, fmt.Errorf("data key %d: %w: its file does not verify", keyID, ErrDamaged)
	}
	if v := le.Uint16(b[4:]); v > formatVersion {
		return keyFile{}, fmt.Errorf("data key %d: %w: format %d", keyID, ErrNewer, v)
	}
	return keyFile{destroyed: le.Uint16(b[6:]) == 2, wrapped: b[keyHeadLen:n]}, nil
}

// read gives a data key's file, or errNoDataKey.
func (k *keyring) read(keyID uint32) (keyFile, error) {
	if k.fs == nil {
		b, ok := k.mem[keyID]
		if !ok {
			return keyFile{}, errNoDataKey
		}
		return decodeKeyFile(b, k.id, keyID)
	}
	b, err := readFile(k.fs, keyName(keyID))
	if errors.Is(err, fs.ErrNotExist) {
		return keyFile{}, errNoDataKey
	}
	if err != nil {
		return keyFile{}, err
	}
	return decodeKeyFile(b, k.id, keyID)
}

// write replaces a data key's file, durably.
func (k *keyring) write(keyID uint32, f keyFile) error {
	b := f.encode(k.id, keyID)
	if k.fs == nil {
		k.mem[keyID] = b
		return nil
	}
	return writeFile(k.fs, keyName(keyID), b)
}

const tempSuffix = ".tmp"

// writeFile makes or replaces a small file as a whole: after a power cut there
// is the old one or the new one. It is durable when writeFile returns.
func writeFile(d FS, name string, content []byte) error {
	temp := name + tempSuffix
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.Rename(temp, name); err != nil {
		return err
	}
	return d.SyncDir()
}

func readFile(d FS, name string) ([]byte, error) {
	f, err := d.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	return b, readFull(f, b, 0)
}

// readFull fills b from off on.
func readFull(f File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
