package sim

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// packet is one message on its way.
type packet struct {
	t     *Txn
	left  time.Duration // when it, or for a host that echoes nothing the message it answers, left
	route int
	out   *txn.Outbound // to the host
	in    *txn.Response // or to the agent
	keys  int           // that it is signed with, where messages are
	late  bool          // delayed for long: it may arrive at any moment
}

// transmit gives a message to the link: it leaves or not, and the agent is told
// what is known of that.
func (w *World) transmit(o *txn.Outbound, stepped time.Duration) {
	w.cardsThere(o)
	if o.Batch() {
		w.batchOnWire(o)
		return
	}
	if o.Facts.Kind == iso8583.KindSignOn {
		w.signOnLeaves(o)
		return
	}
	if o.Facts.Kind == iso8583.KindScript {
		w.scriptLeaves(o)
		return
	}
	t := w.named(o.UUID)
	w.onWire(t, o)
	keys, signed := w.signedOut(t, o)
	r := report{route: o.Route, attempt: o.Attempt, inquiry: o.Inquiry, t: t, card: o.Facts.Card, after: w.now.Boot}
	if w.fault(SlowLink, w.p.SlowLink) {
		r.after = max(r.after, min(r.after+9*w.unit, stepped+10*w.unit)) // nearly all of the time that it has to send; a reversal may be faster
	}
	late := w.budget == nil && w.now.Boot-stepped > 10*w.unit // its records took longer to be durable than it may take to be sent
	if o.Request() && w.fault(Slept, w.p.Sleep) {
		r.after, r.prompt = r.after+60*w.unit, true // long after its time; that it has left is known at once
	}
	switch {
	case !signed, late, w.fault(Unsent, w.p.Unsent):
		r.kind = reportUnsent
	case w.fault(InDoubt, w.p.InDoubt):
		r.kind = reportInDoubt
		if w.c.Intn(2) == 1 {
			w.send(t, o, r.after, keys)
		}
	default:
		r.kind = reportSent
		w.send(t, o, r.after, keys)
	}
	if w.tracing {
		w.tell("link     %s %s to address %d: %s", o.Facts.Kind, t, o.Route, r.kind)
		if r.after > w.now.Boot {
			w.tell("link     %s %s leaves %v later", o.Facts.Kind, t, r.after-w.now.Boot)
		}
	}
	w.agent.reports = append(w.agent.reports, r)
}

// send lets a message leave, which it will have done by then.
func (w *World) send(t *Txn, o *txn.Outbound, left time.Duration, keys int) {
	if !o.Reversal() && o.Inquiry == 0 {
		t.left++
	}
	w.enter(packet{t: t, left: left, route: o.Route, out: o, keys: keys})
}

// enter puts a message on its way. In an exhaustive run the driver delays.
func (w *World) enter(p packet) {
	p.late = w.budget == nil && w.fault(Delayed, w.p.Delay)
	w.net = append(w.net, p)
}

// deliver takes message i to where it goes, unless it is lost; a copy of it may
// stay behind.
func (w *World) deliver(i int) {
	p := w.net[i]
	if w.budget == nil && !p.late && w.overtakes(i) {
		w.stats.Faults[Overtaken]++
	}
	if w.expired(&p) {
		w.drop(i)
		w.tell("network  %s is past its lifetime", &p)
		return
	}
	if p.in != nil && !w.agent.up {
		w.drop(i)
		w.tell("network  %s: nobody listens", &p)
		return
	}
	if w.fault(Duplicated, w.p.Duplicate) {
		w.net[i].late = true
		w.net[i].left = min(w.net[i].left, w.now.Boot) // it is here
	} else {
		w.drop(i)
	}
	if w.fault(Dropped, w.p.Drop) {
		w.tell("network  %s is lost", &p)
		return
	}
	if p.out != nil {
		w.atHost(&p)
		return
	}
	w.prove(&p)
	if w.p.Signed && w.fault(Tampered, w.p.Tamper) {
		w.tamper(&p)
	}
	w.tell("network  %s arrives", &p)
	w.arrived(&p)
}

// overtakes says that an older message, not known to be delayed, stays behind.
func (w *World) overtakes(i int) bool {
	for _, p := range w.net[:i] {
		if !p.late {
			return true
		}
	}
	return false
}

func (w *World) drop(i int) { w.net = append(w.net[:i], w.net[i+1:]...) }

// expired says that a message has outlived the longest lifetime, where there
// is one.
func (w *World) expired(p *packet) bool {
	return w.p.Bounded && w.outlived(p)
}

func (w *World) outlived(p *packet) bool { return w.now.Boot-p.left > 300*w.unit }

// endLifetimes drops the requests of t that are still on their way: in an
// exhaustive run, that is what the end of a hold-down means.
func (w *World) endLifetimes(t *Txn) {
	kept := w.net[:0]
	for _, p := range w.net {
		if p.t == t && p.out != nil && p.out.Attempt == 0 {
			continue
		}
		kept = append(kept, p)
	}
	w.net = kept
}

// String is the message in a transcript.
func (p *packet) String() string {
	if p.out != nil {
		return string(p.out.Facts.Kind) + " " + p.t.String()
	}
	return string(p.in.MTI) + " " + p.t.String() + " code " + p.in.Code
}
