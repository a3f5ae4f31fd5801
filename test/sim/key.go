package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Keys: each terminal's Signer and the acquirer hold a number for the working
// keys, and a message is signed right where both numbers are the same. A sign-on
// draws new ones; so does somebody else's, of which the terminal hears nothing.
// Requests that are not signed right are answered A0 and not processed.

// keyring is who holds which keys.
type keyring struct {
	drawn  int
	host   [len(tids)]int // by terminal, at all addresses
	signer [len(tids)]int // the agent's; 0: none. They die with the process
	net    []keyPacket
	timers [len(tids)]time.Duration // of sign-ons; 0: none is armed
}

// keyPacket is a sign-on, or its answer, on its way.
type keyPacket struct {
	term  int
	route int
	stan  iso8583.STAN
	keys  int // of an answer; 0: the question
	code  string
}

func terminalIndex(tid iso8583.TID) int { return slices.Index(tids[:], tid) }

// wakeSigners is the shell's, at a start.
func (w *World) wakeSigners() {
	w.keys.signer, w.keys.timers = [len(tids)]int{}, [len(tids)]time.Duration{}
	if !w.p.Keyed {
		return
	}
	for i, tid := range tids[:w.p.Terminals] {
		if on := w.agent.m.SignedOn(tid); on != nil && !w.fault(SignerLost, w.p.SignerLoss) {
			w.loadKeys(txn.KeyLoad{TID: tid, Keys: on.Keys})
			continue
		}
		w.tell("agent    the signer of terminal %d has no keys", i)
		w.step(txn.Keyless{TID: tid})
	}
}

func (w *World) loadKeys(k txn.KeyLoad) {
	n, err := strconv.Atoi(string(k.Keys))
	if err != nil {
		w.fail("keys", "the signer gets %q", string(k.Keys))
	}
	w.keys.signer[terminalIndex(k.TID)] = n
}

// signOnLeaves gives a sign-on to the link.
func (w *World) signOnLeaves(o *txn.Outbound) {
	r := report{uuid: o.UUID, route: o.Route, after: w.now.Boot}
	p := keyPacket{term: terminalIndex(o.Facts.TID), route: o.Route, stan: o.Facts.STAN}
	switch {
	case w.fault(Unsent, w.p.Unsent):
		r.kind = reportUnsent
	case w.fault(InDoubt, w.p.InDoubt):
		if r.kind = reportInDoubt; w.c.Intn(2) == 1 {
			w.keys.net = append(w.keys.net, p)
		}
	default:
		w.keys.net = append(w.keys.net, p)
	}
	w.tell("link     sign-on of terminal %d: %s", p.term, r.kind)
	w.agent.reports = append(w.agent.reports, r)
}

// deliverSignOn takes the oldest message about keys to where it goes.
func (w *World) deliverSignOn() {
	p := w.keys.net[0]
	if !w.fault(Duplicated, w.p.Duplicate) {
		w.keys.net = slices.Delete(w.keys.net, 0, 1)
	}
	switch {
	case w.fault(Dropped, w.p.Drop):
		w.tell("network  a message about the keys of terminal %d is lost", p.term)
	case p.code == "":
		p.code = "58"
		if !w.fault(SignOnRefused, w.p.SignOnRefusal) {
			w.keys.drawn++
			w.keys.host[p.term], p.keys, p.code = w.keys.drawn, w.keys.drawn, "00"
		}
		w.tell("host     terminal %d signs on: %s, keys %d", p.term, p.code, p.keys)
		w.keys.net = append(w.keys.net, p)
	case w.agent.up:
		w.saw(SignedOn)
		a := txn.SignOnAnswer{Route: p.route, TID: tids[p.term], STAN: p.stan, Code: p.code}
		if p.keys != 0 {
			a.Keys = txn.WrappedKeys(strconv.Itoa(p.keys))
		}
		if w.budget == nil { // the host's clock, which is any (B1, 0810)
			a.LocalTime, a.LocalDate = "235959", [...]string{"0313", "0314", "0316", "0229"}[p.keys%4]
		}
		w.step(a)
	}
}

// loseKeys is somebody else's sign-on of a terminal.
func (w *World) loseKeys() {
	w.stats.Faults[KeysLost]++
	i := w.c.Intn(w.p.Terminals)
	w.keys.drawn++
	w.keys.host[i] = w.keys.drawn
	w.tell("host     somebody else signs terminal %d on: keys %d", i, w.keys.drawn)
}

// signedOut gives a message that leaves the keys that it is signed with, and
// says whether it can be signed at all. What the core should have held back is a
// violation.
func (w *World) signedOut(t *Txn, o *txn.Outbound) (keys int, ok bool) {
	if !w.p.Keyed {
		return 0, true
	}
	keys = w.keys.signer[terminalIndex(o.Facts.TID)]
	if keys == 0 && (o.Request() || o.Reversal()) {
		w.fail("C.18", "%s %s is to leave, and its terminal has no keys", o.Facts.Kind, t)
	}
	return keys, keys != 0
}

// strangeKeys answers a message that is not signed with the acquirer's keys.
func (w *World) strangeKeys(p *packet, route int) bool {
	if !w.p.Keyed || p.keys == w.keys.host[terminalIndex(p.out.Facts.TID)] {
		return false
	}
	w.saw(AnsweredA0)
	mti := mtis[p.out.Facts.Kind].Response()
	if p.out.Reversal() {
		mti = "0410"
	}
	w.reply(p, route, mti, iso8583Answer{code: keysRefused})
	return true
}

// keysRefused is the code of that answer, which has no MAC.
const keysRefused = "A0"

// signOnTimer arms the timer of a sign-on, and says whether that is what t is.
func (w *World) signOnTimer(t txn.Timer) bool {
	tid, ok := strings.CutPrefix(t.UUID, txn.SignOnID(""))
	if ok {
		w.keys.timers[terminalIndex(iso8583.TID(tid))] = max(t.At, 1)
	}
	return ok
}

// fireSignOn lets it come due.
func (w *World) fireSignOn(i int) {
	at := w.keys.timers[i]
	w.keys.timers[i] = 0
	if w.now.Boot < at {
		w.settleDisk()
		w.now.Boot = at
		w.setWall()
	}
	if w.agent.up {
		w.tell("agent    the timer of terminal %d's sign-on fires", i)
		w.step(txn.Timeout{UUID: txn.SignOnID(tids[i])})
	}
}

// dueSignOn is the sign-on whose timer comes before t's, or -1.
func (w *World) dueSignOn(t *Txn) int {
	next := -1
	for i, at := range w.keys.timers {
		if at > 0 && (t == nil || at < t.timer) && (next < 0 || at < w.keys.timers[next]) {
			next = i
		}
	}
	return next
}

// keyed are the rules of a dialect whose messages are signed.
func (p *Personality) keyed(r *iso8583.Rules, d func(int) iso8583.Duration) {
	if !p.Keyed {
		return
	}
	r.SignOn = iso8583.SignOnRules{
		Required: true, Codes: []string{keysRefused}, AnswerTimeout: d(20), Schedule: []iso8583.Duration{d(5), d(60)},
		Clock: iso8583.ClockHost,
	}
}
