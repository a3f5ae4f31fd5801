package sim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// World is one run: everything there is, and what has happened so far.
type World struct {
	p     *Personality
	c     *Choices
	now   txn.Time
	stats *Stats

	agent agent
	disk  disk
	rollback
	store *store // nil: a batch is durable when the world says so
	net   []packet
	keys  keyring
	hosts []*host
	apps  []*app
	txns  []*Txn

	batches []*batch      // that somebody settles
	dayOver bool          // in an exhaustive run: somebody did
	wire    []batchPacket // their messages
	serials map[iso8583.TID]int

	dataKeys dataKeys

	sessions []session // that the agent believes in; changed in copies only
	begins   int       // sessions so far

	unit       time.Duration // what the rules count in
	healing    bool
	healed     time.Duration     // when that began
	budget     *budget           // of an exhaustive run
	configured [2][]txn.Terminal // by profile
	skew       int64             // of the wall clock, milliseconds
	acts       []action
	broken     *Violation

	script  *script
	tracing bool
	trace   []string
	hashing bool
	hash    uint64
	checks  bool // compare the machine with the fold of its records

	crossed     Transition  // the square just gone through
	transitions Transitions // of the whole exploration; nil: not asked for
}

// Violation is a property that did not hold.
type Violation struct {
	Property string
	Text     string
}

// budget is what an exhaustive run may still spend.
type budget struct{ crashes, faults int }

var tids = [...]iso8583.TID{"T0000001", "T0000002"}

const mid = iso8583.MID("M00000000000001")

// uuids are made once: a run needs many.
var uuids = func() (names [256]string) {
	for i := range names {
		names[i] = fmt.Sprintf("t%d", i)
	}
	return
}()

// named is the transaction with this UUID, or nil: a UUID is "t" and an index.
func (w *World) named(uuid string) *Txn {
	if len(uuid) < 2 || uuid[0] != 't' {
		return nil
	}
	if i, err := strconv.Atoi(uuid[1:]); err == nil && i < len(w.txns) {
		return w.txns[i]
	}
	return nil
}

// card is the one test card of this world; the core only carries it.
var card = func() *iso8583.Card {
	pan, err := iso8583.ParsePAN("4111111111111111")
	if err != nil {
		panic(err)
	}
	return &iso8583.Card{PAN: pan, Expiry: "3012", EntryMode: "012"}
}()

// newWorld is a world in which nothing has happened yet, the agent not even
// started.
func newWorld(p Personality, c *Choices, stats *Stats) *World {
	w := &World{
		p: &p, c: c, stats: stats, unit: time.Second,
		now: txn.Time{Wall: p.Wall, Zone: 8 * 3600}, serials: map[iso8583.TID]int{tids[0]: 1, tids[1]: 1},
	}
	books := &ledger{}
	for i := range p.Routes {
		if !p.SharedLedger {
			books = &ledger{n: i}
		}
		w.hosts = append(w.hosts, &host{ledger: books})
	}
	for i := range p.Apps {
		w.apps = append(w.apps, &app{id: i, tid: tids[i%p.Terminals], last: uint64(i) << 32})
	}
	w.agent.view = txn.New()
	w.setWall()
	return w
}

// tick moves both clocks on a little; never in an exhaustive run, where time
// is nothing but the order of things.
func (w *World) tick() {
	if w.budget == nil {
		w.now.Boot += time.Millisecond
		w.setWall()
	}
}

func (w *World) setWall() {
	w.now.Wall = w.p.Wall + w.skew
	if w.budget == nil {
		w.now.Wall += w.now.Boot.Milliseconds()
	}
	w.now.Dead = w.now.Wall < baseWall/2
}

// jumpClock moves the wall clock alone: set by somebody, or by a dead battery.
func (w *World) jumpClock() {
	switch {
	case w.budget != nil:
		w.skew = jumps(w.p.Wall)[w.c.Intn(4)]
	case w.now.Dead && w.c.Intn(3) == 0: // somebody sets it right
		w.skew = 0
		if w.p.Wall < baseWall/2 {
			w.skew = baseWall - w.p.Wall
		}
	case w.now.Dead:
		return
	case w.c.Chance(100):
		w.skew = 20_000 - w.p.Wall - w.now.Boot.Milliseconds()
	default:
		w.skew = int64(w.c.Intn(41)-20) * 60_000
	}
	w.setWall()
	w.tell("the wall clock now says %s", time.UnixMilli(w.now.Wall).UTC().Format(time.DateTime))
}

// jumps are what an exhaustive run sets the clock to: a dead battery, right, and
// right within minutes.
func jumps(wall int64) [4]int64 {
	const minutes = int64(20 * time.Minute / time.Millisecond)
	right := baseWall - wall
	return [4]int64{20_000 - wall, right, right + minutes, right - minutes}
}

// fault asks whether this goes wrong now.
func (w *World) fault(f Fault, perMille int) bool {
	if w.healing || perMille <= 0 {
		return false
	}
	if w.budget != nil {
		if w.budget.faults == 0 || !w.c.Chance(1) {
			return false
		}
		w.budget.faults--
	} else if !w.c.Chance(perMille) {
		return false
	}
	w.stats.Faults[f]++
	w.note(uint64(f) + 1000)
	return true
}

// fail notes the first violation; the run ends with it.
func (w *World) fail(property, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Violation{property, fmt.Sprintf(format, args...)}
		w.tell("VIOLATION %s: %s", property, w.broken.Text)
	}
}

// tell adds a line to the transcript. It costs nothing where there is none;
// callers on the hot path ask w.tracing first.
func (w *World) tell(format string, args ...any) {
	if w.tracing {
		at := strconv.FormatFloat(w.now.Boot.Seconds(), 'f', 3, 64)
		w.trace = append(w.trace, fmt.Sprintf("%9s  ", at)+fmt.Sprintf(format, args...))
	}
}

// note folds one number into the hash of the run.
func (w *World) note(x uint64) {
	if w.hashing {
		w.hash = mix(w.hash*31 + x)
	}
}

// noteBytes folds bytes into the hash of the run.
func (w *World) noteBytes(b []byte) {
	if !w.hashing {
		return
	}
	for _, x := range b {
		w.hash = (w.hash ^ uint64(x)) * 1099511628211
	}
}

// noteText folds words into the hash of the run.
func (w *World) noteText(words ...string) {
	if !w.hashing {
		return
	}
	for _, word := range words {
		w.noteBytes([]byte(word))
		w.note(uint64(len(word)))
	}
}

// noteMessage folds a message to the host into the hash of the run.
func (w *World) noteMessage(o *txn.Outbound) {
	if w.hashing {
		f := &o.Facts
		w.noteText(o.UUID, string(f.Kind), f.Transmission, f.Original.Transmission, f.Reason, string(f.RRN), f.AuthCode)
		w.note(uint64(o.Route)<<48 | uint64(o.Attempt)<<24 | uint64(f.STAN))
	}
}
