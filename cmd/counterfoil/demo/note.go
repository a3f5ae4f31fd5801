package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Screen is what a cashier could read on a terminal about one attempt.
type Screen string

// What a screen can say. A process that was killed before it showed anything
// leaves no note at all.
const (
	Approved    Screen = "approved"
	NotApproved Screen = "not approved"
	Unknown     Screen = "unknown"
)

// Note is one line of an application's notes: what its screen showed, and for
// which sale. The process that showed it writes it; nobody else does.
type Note struct {
	At       time.Time   `json:"at"`
	PID      int         `json:"pid"`
	Terminal iso8583.TID `json:"terminal"`
	Sale     string      `json:"sale"`
	Screen   Screen      `json:"screen"`
	Text     string      `json:"text"` // what stood there
}

// notebook appends notes to a file that all applications of a column share.
type notebook struct {
	path     string
	terminal iso8583.TID
	sale     string
}

// write makes the note durable before it returns: the screen is only worth as
// evidence what is still there after a kill.
func (b *notebook) write(s Screen, text string) (Note, error) {
	n := Note{At: time.Now().UTC(), PID: os.Getpid(), Terminal: b.terminal, Sale: b.sale, Screen: s, Text: text}
	line, err := json.Marshal(n)
	if err != nil {
		return n, fmt.Errorf("note: %w", err)
	}
	f, err := os.OpenFile(b.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return n, fmt.Errorf("note: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil { // one write: appending is atomic
		return n, fmt.Errorf("note: %w", err)
	}
	if err := f.Sync(); err != nil {
		return n, fmt.Errorf("note: %w", err)
	}
	return n, nil
}

// readNotes reads a column's notes; no file is no notes.
func readNotes(path string) ([]Note, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("notes: %w", err)
	}
	defer func() { _ = f.Close() }()
	var notes []Note
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var n Note
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			return nil, fmt.Errorf("notes %s, line %d: %w", path, len(notes)+1, err)
		}
		notes = append(notes, n)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("notes %s: %w", path, err)
	}
	return notes, nil
}
