package sim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// shape appends everything that decides the future of core and world.
func (w *World) shape(b []byte) []byte {
	b = append(b, byte(w.budget.crashes), byte(w.budget.faults))
	b = w.agent.m.AppendShape(b, w.now)
	b = append(b, '/')
	b = w.agent.view.AppendShape(b, w.now)
	b = w.shapeOfHeld(b)
	for _, t := range w.txns {
		b = append(b, 'T', byte(t.left), bit(t.paid > 0), bit(t.unpaid > 0), bit(t.unknown > 0),
			byte(t.j), bit(t.confirmed), bit(t.escalated), bit(w.ticking(t)), bit(t.undelivered), bit(t.dropped), bit(t.key.stan != 0), byte(t.errand), byte(t.inquiries), bit(t.owed))
		b = append(b, t.begin.Type...)
		b = append(b, t.begin.Original...)
		b = append(b, t.begin.Replaces...)
		b = append(append(b, byte(t.purchase), bit(t.insisted)), t.begin.Session...)
		b = binary.AppendVarint(b, t.begin.Amount.Minor)
		b = binary.AppendVarint(b, t.net)
		b = t.story.shape(b)
	}
	for i := range w.net {
		b = shapeOfPacket(b, &w.net[i])
	}
	for _, h := range w.hosts {
		b = append(b, 'H')
		for _, a := range h.ledger.accounts {
			b = append(b, a.t.uuid...)
			b = append(b, byte(a.state), byte(a.undone), bit(a.hidden), bit(a.flips))
			b = append(b, a.answer.code...)
			for _, c := range a.cached[:a.caches] {
				b = append(b, c.de7...)
				b = append(b, c.code...)
			}
		}
	}
	for _, a := range w.apps {
		b = w.shapeOfApp(b, a)
	}
	for _, s := range w.sessions {
		b = append(append(b, 'S', bit(s.gone)), s.id...)
	}
	b = w.shapeOfKeys(b)
	b = w.shapeOfBatches(b)
	b = w.shapeOfClock(b)
	return w.shapeOfPast(b)
}

// shapeOfKeys is who holds which keys, and what is on its way about them.
func (w *World) shapeOfKeys(b []byte) []byte {
	if !w.p.Keyed {
		return b
	}
	for i, at := range w.keys.timers {
		b = append(b, 'K', byte(w.keys.host[i]), byte(w.keys.signer[i]), bit(at > 0))
	}
	for i := range w.keys.net {
		p := &w.keys.net[i]
		b = append(b, '>', byte(p.term), byte(p.route), byte(p.keys))
		b = binary.AppendUvarint(b, uint64(p.stan))
		b = append(b, p.code...)
	}
	return b
}

// shapeOfBatches is where settlements stand, and what is on its way about them.
func (w *World) shapeOfBatches(b []byte) []byte {
	if w.p.Settles == 0 {
		return b
	}
	b = append(b, 'B', bit(w.dayOver))
	for _, x := range w.batches {
		b = append(append(b, '|'), x.group...)
		b = append(b, bit(x.armed), bit(x.frozen != nil), bit(x.agreed), bit(x.ended), bit(x.raised))
		for _, stan := range slices.Sorted(maps.Keys(x.said)) {
			b = append(binary.AppendUvarint(b, uint64(stan)), x.said[stan]...)
		}
		for _, stan := range x.taken {
			b = binary.AppendUvarint(append(b, 't'), uint64(stan))
		}
	}
	for _, p := range w.wire {
		if p.in != nil {
			b = append(binary.AppendUvarint(append(b, '<'), uint64(p.in.STAN)), p.in.Code...)
			continue
		}
		b = append(binary.AppendUvarint(append(b, '>'), uint64(p.out.Facts.STAN)), p.out.Facts.Kind...)
	}
	return b
}

// shapeOfClock is the wall clock, and what it said when each thing became
// durable.
func (w *World) shapeOfClock(b []byte) []byte {
	if w.p.Clock == 0 {
		return b
	}
	b = binary.AppendVarint(append(b, 'C'), w.skew)
	for _, r := range w.disk.durable {
		b = binary.AppendVarint(b, r.When()-w.p.Wall)
	}
	for _, p := range w.net {
		if p.out != nil {
			b = append(b, p.out.Facts.Transmission...)
		}
	}
	return b
}

// shapeOfPast is what a lost journal leaves behind, and what one that can still
// be lost holds.
func (w *World) shapeOfPast(b []byte) []byte {
	if w.p.Rollback == 0 {
		return b
	}
	b = append(b, 'R', byte(w.times))
	for _, t := range w.txns {
		b = append(b, bit(t.doubt), bit(t.gone))
	}
	if m := w.mark; m != nil && (w.agent.view.Epoch() < m.Epoch || int(m.Entry) > len(w.disk.durable)) {
		b = fmt.Appendf(b, "%+v", *m)
	}
	if w.budget.faults > 0 && w.times < 2 {
		for _, end := range w.ends {
			b = append(b, byte(end))
		}
		for _, r := range w.disk.durable {
			b = append(append(b, byte(r.Type())), r.Group()...)
			b = txn.Encode(b, r)
		}
	}
	return b
}

// shapeOfHeld is what the fence holds back, and how much of it is being
// synced.
func (w *World) shapeOfHeld(b []byte) []byte {
	b = append(b, 'F', byte(w.agent.syncing), byte(len(w.disk.batch)), bit(w.disk.late))
	for i := range w.agent.held {
		r := &w.agent.held[i]
		b = append(b, 'r')
		for _, rec := range r.Records {
			b = append(b, byte(rec.Type()))
			b = append(b, rec.Group()...)
			b = txn.Encode(b, rec)
		}
		for j := range r.Messages {
			b = append(b, r.Messages[j].UUID...)
			b = append(b, 'm', byte(r.Messages[j].Attempt), byte(r.Messages[j].Inquiry), byte(r.Messages[j].Route))
		}
		for _, t := range r.Timers {
			b = append(b, t.UUID...)
		}
		for _, a := range r.Answers {
			b = append(b, a.UUID...)
			b = append(b, a.Code...)
			id := int(a.Req >> 32)
			b = append(b, bit(id < len(w.apps) && a.Req >= w.apps[id].first))
		}
	}
	return b
}

func shapeOfPacket(b []byte, p *packet) []byte {
	b = append(b, bit(p.late))
	b = append(b, p.t.uuid...)
	if p.out != nil {
		b = append(b, '>', byte(p.route), byte(p.out.Attempt), byte(p.out.Inquiry), byte(p.out.Series))
		return append(b, p.out.Facts.Kind...)
	}
	b = append(b, '<', byte(p.route))
	b = append(b, p.in.MTI...)
	b = binary.AppendUvarint(b, uint64(p.in.STAN))
	b = append(b, p.in.Code...)
	b = append(b, p.in.Amount...)
	b = append(b, p.in.AuthCode...)
	b = append(b, p.in.Original...)
	return append(b, p.in.Transmission...)
}

func (w *World) shapeOfApp(b []byte, a *app) []byte {
	b = append(b, 'A', byte(a.state), bit(a.lost), bit(a.late), byte(a.errand), byte(a.attempts), bit(a.knows), bit(a.recovering), bit(a.cancelled))
	b = append(b, a.delivered...)
	b = append(append(b, byte(a.rung)), a.session...)
	for _, t := range []*Txn{a.cur, a.left} {
		if t != nil {
			b = append(b, t.uuid...)
		}
		b = append(b, ',')
	}
	return b
}

func bit(b bool) byte {
	if b {
		return '1'
	}
	return '0'
}
