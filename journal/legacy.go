package journal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"

	"go.etcd.io/bbolt"
)

// The first version kept a journal in one bbolt file. What is here reads it,
// once, to convert it.

var errOldFormat = errors.New("it is of the first version, one file: start the daemon once, which converts it")

const (
	oldHeaderLen  = 52
	oldRecordHead = 32
)

// oldJournal is an open file of the first version.
type oldJournal struct {
	db     *bbolt.DB
	id     journalID
	master []byte
	aeads  map[uint32]cipher.AEAD
}

// openOld opens the file, locks it against a daemon of that version, and proves
// the key.
func openOld(path string, key []byte) (*oldJournal, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkPages(f, true), f.Close()); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, PageSize: blockSize})
	if errors.Is(err, bbolt.ErrTimeout) { //nolint:staticcheck // the same value under both names
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	o := &oldJournal{db: db, master: key, aeads: map[uint32]cipher.AEAD{}}
	if err := o.identify(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return o, nil
}

func (o *oldJournal) identify() error {
	return o.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		if meta == nil || tx.Bucket([]byte("records")) == nil {
			return fmt.Errorf("header: %w: it is missing", ErrDamaged)
		}
		b := meta.Get([]byte("header"))
		if len(b) != oldHeaderLen || string(b[:4]) != "CFJL" || binary.LittleEndian.Uint32(b[oldHeaderLen-4:]) != crc32c(b[:oldHeaderLen-4]) {
			return fmt.Errorf("header: %w: its checksum does not match", ErrDamaged)
		}
		o.id = journalID(b[16:])
		check, err := hkdf.Key(sha256.New, o.master, nil, "counterfoil journal key check", KeyLen)
		if err == nil && !hmac.Equal(mac(check, o.id[:])[:16], b[32:48]) {
			err = ErrWrongKey
		}
		return err
	})
}

// each gives every entry in order, unsealed.
func (o *oldJournal) each(fn func(LSN, Entry) error) error {
	return o.db.View(func(tx *bbolt.Tx) error {
		next := LSN(1)
		return tx.Bucket([]byte("records")).ForEach(func(k, v []byte) error {
			if !bytes.Equal(k, binary.BigEndian.AppendUint64(nil, uint64(next))) {
				return fmt.Errorf("entry %d: %w: it is missing", next, ErrDamaged)
			}
			e, err := o.decode(next, v)
			if err == nil {
				err = fn(next, e)
			}
			next++
			return err
		})
	})
}

func (o *oldJournal) decode(lsn LSN, b []byte) (e Entry, err error) {
	le := binary.LittleEndian
	bad := func(why string) (Entry, error) { return e, fmt.Errorf("entry %d: %w: %s", lsn, ErrDamaged, why) }
	if len(b) < oldRecordHead {
		return bad("shorter than a header")
	}
	sum := crc32.Update(crc32.Update(crc32c(o.id[:]), castagnoli, b[:28]), castagnoli, b[oldRecordHead:])
	if sum != le.Uint32(b[28:]) || b[0] != 1 || LSN(le.Uint64(b[8:])) != lsn {
		return bad("it does not verify")
	}
	e = Entry{Type: le.Uint16(b[2:]), Class: Class(b[1]), KeyID: le.Uint32(b[4:])}
	c := cutter{rest: bytes.Clone(b[oldRecordHead:])}
	e.Group = string(c.cut(int64(le.Uint16(b[24:]))))
	for range min(le.Uint16(b[26:]), MaxKeys+1) {
		e.Keys = append(e.Keys, string(c.cut(c.uint16())))
	}
	e.Clear = c.cut(int64(le.Uint32(b[16:])))
	sealed := c.cut(int64(le.Uint32(b[20:])))
	if c.short || len(c.rest) > 0 {
		return bad("its lengths do not add up")
	}
	if len(sealed) > 0 {
		bound := append(o.id[:len(o.id):len(o.id)], b[:len(b)-len(sealed)]...)
		clear(bound[len(o.id)+20 : len(o.id)+24]) // length of the sealed part
		clear(bound[len(o.id)+28 : len(o.id)+32]) // checksum
		if e.Sealed, err = o.unseal(e.KeyID, sealed, bound); err != nil {
			return bad("its sealed part does not authenticate")
		}
	}
	return e, nil
}

func (o *oldJournal) unseal(keyID uint32, sealed, bound []byte) ([]byte, error) {
	aead := o.aeads[keyID]
	if aead == nil {
		key, err := hkdf.Key(sha256.New, o.master, o.id[:], "counterfoil journal data key "+strconv.FormatUint(uint64(keyID), 10), KeyLen)
		if err != nil {
			return nil, err
		}
		if aead, err = newAEAD(key); err != nil {
			return nil, err
		}
		o.aeads[keyID] = aead
	}
	if len(sealed) < nonceLen+tagLen {
		return nil, ErrDamaged
	}
	return aead.Open(nil, sealed[:nonceLen], sealed[nonceLen:], bound)
}
