package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// FileMark is a Mark in a file. It is worth something only on another medium
// than the journal's (see SameMedium). The file is one line of JSON and one line
// with its SHA-256; it is replaced whole: written beside it, synced, renamed, and
// the directory synced.
type FileMark struct {
	path string
	lock *os.File
}

// ErrMarkInUse says that another daemon keeps this mark.
var ErrMarkInUse = errors.New("the mark is in use by another process")

// ErrMarkDamaged says that the file is not what was written.
var ErrMarkDamaged = errors.New("the mark is damaged")

// OpenMark takes the mark at path for this process alone. It makes the file's
// directory where there is none.
func OpenMark(path string) (*FileMark, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("mark: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("mark: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrMarkInUse
		}
		return nil, fmt.Errorf("mark %s: %w", path, err)
	}
	return &FileMark{path: path, lock: lock}, nil
}

// Close lets the mark go; it stays where it is.
func (f *FileMark) Close() error { return f.lock.Close() }

// markFile is the file's first line. A field never changes its meaning.
type markFile struct {
	Version int        `json:"version"` // 1
	Epoch   uint64     `json:"epoch"`
	Entry   uint64     `json:"entry"`
	Heads   []markHead `json:"terminals"`
	Written time.Time  `json:"written"` // for people
}

type markHead struct {
	TID     iso8583.TID  `json:"tid"`
	Next    iso8583.STAN `json:"next_stan"`
	Wrapped int64        `json:"began_anew"` // Unix milliseconds
}

// maxMark bounds the file: some thousand terminals.
const maxMark = 1 << 20

// Read implements Mark.
func (f *FileMark) Read() (txn.Mark, bool, error) { return ReadMark(f.path) }

// ReadMark reads the mark at path without taking it.
func ReadMark(path string) (txn.Mark, bool, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return txn.Mark{}, false, nil
	case err != nil:
		return txn.Mark{}, false, err
	}
	line, sum, ok := bytes.Cut(data, []byte("\n"))
	want := sha256.Sum256(line)
	if !ok || len(data) > maxMark || string(bytes.TrimSpace(sum)) != hex.EncodeToString(want[:]) {
		return txn.Mark{}, false, fmt.Errorf("%s: %w", path, ErrMarkDamaged)
	}
	var in markFile
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || in.Version != 1 {
		return txn.Mark{}, false, fmt.Errorf("%s: written by a newer version: %w", path, ErrMarkDamaged)
	}
	m := txn.Mark{Epoch: in.Epoch, Entry: in.Entry}
	for _, h := range in.Heads {
		m.Heads = append(m.Heads, txn.TerminalHead{TID: h.TID, Next: h.Next, Wrapped: h.Wrapped})
	}
	return m, true, nil
}

// Write implements Mark.
func (f *FileMark) Write(m txn.Mark) error {
	out := markFile{Version: 1, Epoch: m.Epoch, Entry: m.Entry, Heads: []markHead{}, Written: time.Now().UTC().Truncate(time.Second)}
	for _, h := range m.Heads {
		out.Heads = append(out.Heads, markHead{h.TID, h.Next, h.Wrapped})
	}
	line, err := json.Marshal(out)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(line)
	data := append(line, "\n"+hex.EncodeToString(sum[:])+"\n"...)
	return replaceFile(f.path, data)
}

// replaceFile puts data in the place of path: after a crash it is the old file
// or the new one, whole.
func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already where all went well
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// SameMedium says whether two paths, which need not exist yet, are on one file
// system: what destroys or restores one takes the other with it.
func SameMedium(a, b string) (bool, error) {
	var dev [2]uint64
	for i, path := range []string{a, b} {
		var st unix.Stat_t
		for {
			err := unix.Stat(path, &st)
			if err == nil {
				break
			}
			if up := filepath.Dir(path); !errors.Is(err, unix.ENOENT) || up == path {
				return false, fmt.Errorf("%s: %w", path, err)
			}
			path = filepath.Dir(path)
		}
		dev[i] = uint64(st.Dev)
	}
	return dev[0] == dev[1], nil
}
