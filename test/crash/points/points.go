// Package points lets a test have the real daemon die, or one call fail, at
// exactly one call of its journal, its file layer, its mark or its connections.
// No product package knows it: test/crash builds the daemon with an overlay of
// cmd/counterfoil/daemon.go that wraps the four.
//
// The test speaks to the process over two pipes, a line of JSON at a time: it
// arms a point, and asks what was counted since.
package points

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
)

// Op is a kind of call.
type Op string

// The calls there are. Each is counted by itself, from 1, since a point was
// armed.
const (
	Append   Op = "append" // of a batch of records
	Open     Op = "open"
	Create   Op = "create"
	Read     Op = "read"
	Write    Op = "write"
	Datasync Op = "datasync"
	Sync     Op = "sync"
	SyncDir  Op = "sync of the directory"
	Rename   Op = "rename"
	Remove   Op = "remove"
	Mark     Op = "write of the mark"
	Dial     Op = "dial"
	Send     Op = "send"
	Receive  Op = "receive" // of bytes that have arrived
)

// Deed is what befalls a call.
type Deed string

// The deeds there are. The first three are SIGKILL.
const (
	Before Deed = "killed before"
	Inside Deed = "killed inside" // half of the bytes written, sent or received; during a sync
	After  Deed = "killed after"
	EIO    Deed = "EIO"    // a connection: reset
	ENOSPC Deed = "ENOSPC" // from then on: a disk stays full
	Short  Deed = "a short write"
	Panics Deed = "panics" // these two of any call, where a test asks for them
	Waits  Deed = "waits"  // for ever
)

// Kills lists the deeds that end the process.
var Kills = []Deed{Before, Inside, After}

// Deeds lists what can befall a call of this kind.
func (o Op) Deeds() []Deed {
	switch o {
	case Append, Mark:
		return []Deed{Before, After}
	case Open, Read:
		return []Deed{EIO}
	case Create:
		return []Deed{Before, After, EIO, ENOSPC}
	case Rename, Remove, SyncDir:
		return []Deed{Before, After, EIO}
	case Datasync, Sync:
		return []Deed{Before, Inside, After, EIO}
	case Write:
		return []Deed{Before, Inside, After, EIO, ENOSPC, Short}
	case Dial:
		return []Deed{Before, After, EIO}
	default:
		return []Deed{Before, Inside, After, EIO}
	}
}

// Ops lists every Op.
func Ops() []Op {
	return []Op{Append, Open, Create, Read, Write, Datasync, Sync, SyncDir, Rename, Remove, Mark, Dial, Send, Receive}
}

// Point is one call, and what befalls it.
type Point struct {
	Op   Op
	N    int // from 1
	Deed Deed
}

// Command is what the test says. Both parts begin to count anew.
type Command struct {
	Arm    *Point `json:",omitempty"`
	Disarm bool   `json:",omitempty"`
}

// Report is what the process says when it strikes, and to each command.
type Report struct {
	Struck *Point     `json:",omitempty"` // now, or in an answer: since it was armed
	What   string     `json:",omitempty"` // the call that was struck
	Seen   map[Op]int `json:",omitempty"` // in an answer to Disarm: calls since it was armed
}

// Environment is where the process finds its pipes: Here means descriptors 3,
// for commands, and 4, for reports. The point of the beginning, if there is one,
// is JSON under StartWith.
const (
	Environment = "COUNTERFOIL_POINTS"
	Here        = "3,4"
	StartWith   = "COUNTERFOIL_POINT"
)

// control is the process's end.
type control struct {
	mu     sync.Mutex
	point  Point
	armed  bool
	struck *Point
	what   string
	seen   map[Op]int
	out    io.Writer
}

// the control of this process; without its pipes it counts and does nothing.
var the = begin()

func begin() *control {
	c := &control{seen: map[Op]int{}, out: io.Discard}
	if os.Getenv(Environment) != Here {
		return c
	}
	for fd := 3; fd <= 4; fd++ {
		syscall.CloseOnExec(fd)
	}
	c.out = os.NewFile(4, "reports")
	if text := os.Getenv(StartWith); text != "" {
		if err := json.Unmarshal([]byte(text), &c.point); err != nil {
			panic(err)
		}
		c.armed = true
	}
	go c.listen(os.NewFile(3, "commands"))
	return c
}

func (c *control) listen(in io.Reader) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var cmd Command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			panic(err)
		}
		c.mu.Lock()
		r := Report{Struck: c.struck, What: c.what, Seen: c.seen}
		c.armed, c.struck, c.what, c.seen = cmd.Arm != nil, nil, "", map[Op]int{}
		if cmd.Arm != nil {
			c.point, r = *cmd.Arm, Report{}
		}
		c.say(r)
		c.mu.Unlock()
	}
}

func (c *control) say(r Report) {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = c.out.Write(append(b, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// pass counts a call and says what befalls it: "" for nothing.
func (c *control) pass(op Op, what string) Deed {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[op]++
	full := c.struck != nil && c.point.Deed == ENOSPC && slices.Contains(op.Deeds(), ENOSPC)
	switch {
	case c.armed && full:
		return ENOSPC
	case !c.armed || c.struck != nil || op != c.point.Op || c.seen[op] != c.point.N:
		return ""
	}
	p := c.point
	c.struck, c.what = &p, what
	c.say(Report{Struck: &p, What: what})
	if p.Deed == Panics {
		panic("struck at " + what)
	}
	if p.Deed == Waits {
		c.mu.Unlock() // others go on
		select {}
	}
	return p.Deed
}

// die is SIGKILL.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// around makes a call that has no inside.
func around(op Op, what string, call func() error) error {
	switch the.pass(op, what) {
	case Before:
		die()
	case Inside: // what the kernel makes of it is its own
		go die()
	case After:
		defer die()
	case EIO:
		return &os.PathError{Op: string(op), Path: what, Err: syscall.EIO}
	case ENOSPC:
		return &os.PathError{Op: string(op), Path: what, Err: syscall.ENOSPC}
	}
	return call()
}

// errShort is what a file says of a write that came to half.
var errShort = errors.Join(io.ErrShortWrite, syscall.EIO)
