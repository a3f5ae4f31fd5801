package hostsim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLedgerFile says that the ledger file cannot be trusted or used. Move it
// away to start with an empty ledger.
var ErrLedgerFile = errors.New("ledger file")

const maxLine = 4 << 10 // an event is a few hundred bytes

// ledgerFile appends events, one JSON object a line, and syncs each append. A
// line counts only with its line feed, so what a crash tore is recognised.
type ledgerFile struct {
	path   string
	f      *os.File
	size   int64 // bytes known to be whole and synced
	broken error // after a failed sync nobody knows what is on the disk
}

// openLedgerFile opens or creates the file for this process alone, gives each
// durable event to apply, and cuts a torn last line off, which note then says.
// A bad line before the last refuses the file: a ledger that skips is no
// oracle.
func openLedgerFile(path string, apply func(Event) error) (lf *ledgerFile, note string, err error) {
	_, statErr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("%w: open: %w", ErrLedgerFile, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, "", fmt.Errorf("%w %s: in use by another host (%w)", ErrLedgerFile, path, err)
	}
	if errors.Is(statErr, os.ErrNotExist) {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, "", fmt.Errorf("%w %s: sync its directory: %w", ErrLedgerFile, path, err)
		}
	}
	lf = &ledgerFile{path: path, f: f}
	if note, err = lf.replay(apply); err != nil {
		return nil, "", err
	}
	return lf, note, nil
}

// replay reads the file from its start.
func (lf *ledgerFile) replay(apply func(Event) error) (note string, err error) {
	if _, err := lf.f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("%w %s: %w", ErrLedgerFile, lf.path, err)
	}
	r := bufio.NewReaderSize(lf.f, maxLine)
	lf.size = 0
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", nil
		case errors.Is(err, io.EOF):
			return lf.cut(n, len(line))
		case err != nil:
			return "", fmt.Errorf("%w %s: line %d: %w", ErrLedgerFile, lf.path, n, err)
		}
		ev, err := decodeEvent(line)
		if err == nil {
			err = apply(ev)
		}
		if err != nil {
			return "", fmt.Errorf("%w %s: line %d: %w", ErrLedgerFile, lf.path, n, err)
		}
		lf.size += int64(len(line))
	}
}

// cut removes a torn last line.
func (lf *ledgerFile) cut(line, torn int) (string, error) {
	if err := lf.truncate(lf.size); err != nil {
		return "", fmt.Errorf("%w %s: cut the torn line %d: %w", ErrLedgerFile, lf.path, line, err)
	}
	return fmt.Sprintf("cut a torn last line (line %d, %d bytes)", line, torn), nil
}

// append writes the events and returns when they are synced. After a failed
// write the file is as before; after a failed sync it is broken for good.
func (lf *ledgerFile) append(evs []Event) error {
	if lf.broken != nil {
		return lf.broken
	}
	var buf bytes.Buffer
	for _, ev := range evs {
		b, err := json.Marshal(ev)
		if err != nil {
			return fmt.Errorf("%w %s: encode event %d: %w", ErrLedgerFile, lf.path, ev.N, err)
		}
		if len(b) >= maxLine {
			return fmt.Errorf("%w %s: event %d is longer than a line may be", ErrLedgerFile, lf.path, ev.N)
		}
		buf.Write(b)
		buf.WriteByte('\n')
	}
	if _, err := lf.f.WriteAt(buf.Bytes(), lf.size); err != nil {
		if terr := lf.truncate(lf.size); terr != nil {
			lf.broken = fmt.Errorf("%w %s: %w; and cutting it off failed: %w", ErrLedgerFile, lf.path, err, terr)
			return lf.broken
		}
		return fmt.Errorf("%w %s: append: %w", ErrLedgerFile, lf.path, err)
	}
	if err := lf.f.Sync(); err != nil {
		lf.broken = fmt.Errorf("%w %s: sync: %w", ErrLedgerFile, lf.path, err)
		return lf.broken
	}
	lf.size += int64(buf.Len())
	return nil
}

// truncate cuts the file to n bytes, durably.
func (lf *ledgerFile) truncate(n int64) error {
	if err := lf.f.Truncate(n); err != nil {
		return err
	}
	if err := lf.f.Sync(); err != nil {
		return err
	}
	lf.size = n
	return nil
}

func (lf *ledgerFile) close() error { return lf.f.Close() }

func decodeEvent(line []byte) (Event, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var ev Event
	if err := dec.Decode(&ev); err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("not an event: something follows it")
	}
	return ev, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
