package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Settlement: somebody settles a terminal in the middle of everything, and
// everything at the end. The host compares with its own books. What a batch says
// is judged when it is durable, by this package's own fold (P6).

// batch is what the world knows of one.
type batch struct {
	group  string
	tid    iso8583.TID
	serial int
	armed  bool
	timer  time.Duration
	frozen *txn.BatchFrozen
	said   map[iso8583.STAN]string // what the host answered to each of its messages
	agreed bool                    // the host's last verdict
	taken  []iso8583.STAN          // records that the host was told
	ended  bool
	raised bool
}

// batchPacket is one of their messages on its way. It is not reordered: there is
// one at a time.
type batchPacket struct {
	b   *batch
	out *txn.Outbound
	in  *txn.Response
}

func (w *World) batchOf(group string) *batch {
	for _, b := range w.batches {
		if b.group == group {
			return b
		}
	}
	return nil
}

// askSettle is a person, or the end of the day.
func (w *World) askSettle(tid iso8583.TID) {
	w.tell("operator settles %s", tid)
	w.step(txn.Settle{Req: operatorID << 32, TID: tid, Who: "clerk"})
}

// batchOnWire judges a message of a settlement: it is durable, and it is of the
// batch.
func (w *World) batchOnWire(o *txn.Outbound) {
	b := w.batchOf(o.UUID)
	durable := slices.ContainsFunc(w.disk.durable, func(r txn.Record) bool {
		m, ok := r.(*txn.BatchMessage)
		return ok && m.Group() == o.UUID && m.STAN == o.Facts.STAN && m.Kind == o.Facts.Kind
	})
	if b == nil || !durable {
		w.fail("R1", "a %s of %s leaves before it is durable", o.Facts.Kind, o.UUID)
		return
	}
	if len(o.Of) != len(o.Facts.Settlement.Records) {
		w.fail("batch", "%s: %d records, and the cards of %d", o.UUID, len(o.Facts.Settlement.Records), len(o.Of))
	}
	if w.fault(Dropped, w.p.Drop) {
		w.tell("network  %s of %s is lost", o.Facts.Kind, b.group)
		return
	}
	w.wire = append(w.wire, batchPacket{b: b, out: o})
}

// deliverBatch takes the oldest message of a settlement to where it goes.
func (w *World) deliverBatch() {
	p := w.wire[0]
	w.wire = slices.Delete(slices.Clone(w.wire), 0, 1)
	switch {
	case p.out != nil:
		w.hostSettles(p.b, p.out)
	case !w.agent.up:
		w.tell("network  the answer about %s: nobody listens", p.b.group)
	default:
		w.step(*p.in)
	}
}

// hostSettles is the host: once per identity, from its own books.
func (w *World) hostSettles(b *batch, o *txn.Outbound) {
	f := &o.Facts
	code, known := b.said[f.STAN]
	if !known {
		code = "00"
		switch f.Kind {
		case iso8583.KindSettle:
			own := w.hostTotals(f.TID, f.Batch)
			if b.agreed = own == f.Settlement.Totals[0]; !b.agreed {
				w.saw(Unbalanced)
				code = "95"
			} else {
				w.saw(Balanced)
			}
		case iso8583.KindUpload, iso8583.KindUploadChip, iso8583.KindUploadChipFailed:
			if f.Kind.ChipUpload() {
				w.certified(o)
			}
			for _, r := range f.Settlement.Records {
				if slices.Contains(b.taken, r.STAN) {
					w.fail("batch", "%s: the host is told STAN %s again, as a new record", b.group, r.STAN)
				}
				b.taken = append(b.taken, r.STAN)
			}
		}
		b.said[f.STAN] = code
	} else {
		w.saw(SettledAgain)
	}
	w.tell("host     %s of %s: %s", f.Kind, b.group, code)
	if w.fault(Dropped, w.p.Drop) {
		return
	}
	w.wire = append(w.wire, batchPacket{b: b, in: &txn.Response{
		Route: o.Route, MTI: mtis[f.Kind].Response(), TID: f.TID, STAN: f.STAN, Code: code, Transmission: f.Transmission,
	}})
}

// hostTotals is what the ledgers hold of a batch now.
func (w *World) hostTotals(tid iso8583.TID, number string) (t iso8583.Totals) {
	for _, x := range w.txns {
		if x.intent == nil || x.intent.TID != tid || x.intent.Batch != number || x.net == 0 {
			continue
		}
		switch x.typ() {
		case iso8583.Sale, iso8583.Completion, iso8583.Offline:
			t.Debit += x.net
			t.DebitCount++
		case iso8583.Void, iso8583.Refund:
			t.Credit += x.net
			t.CreditCount++
		}
	}
	return t
}

// batchJournaled judges what is durable of batches.
func (w *World) batchJournaled(r txn.Record) {
	switch r := r.(type) {
	case *txn.BatchNumber:
		if r.Serial != w.serials[r.TID]+1 {
			w.fail("batch", "%s moves to batch %d after %d", r.TID, r.Serial, w.serials[r.TID])
		}
		w.serials[r.TID] = r.Serial
		return
	case *txn.BatchClosingBegun:
		w.batches = append(w.batches, &batch{group: r.Group(), tid: r.TID, serial: r.Serial, said: map[iso8583.STAN]string{}})
		return
	}
	w.dataKeyJournaled(r)
	b := w.batchOf(r.Group())
	if b == nil {
		return
	}
	switch r := r.(type) {
	case *txn.BatchFrozen:
		if b.frozen != nil {
			w.fail("batch", "%s is frozen twice", b.group)
		}
		b.frozen = r
		w.judgeFrozen(b, r)
	case *txn.BatchSettled:
		w.judgeSettled(b, r)
	case *txn.BatchEscalated:
		b.raised = b.raised || r.Cause == txn.CauseUnbalanced
	}
}

// judgeFrozen is P6: what is confirmed, and nothing else, is in the totals; what
// is undecided is flagged.
func (w *World) judgeFrozen(b *batch, r *txn.BatchFrozen) {
	var want iso8583.Totals
	for _, t := range w.txns {
		if t.intent == nil || t.intent.TID != b.tid || t.intent.Serial != b.serial {
			continue
		}
		counted, owed := holdsSTAN(r.Counted, t.intent.STAN), holdsSTAN(r.Owed, t.intent.STAN)
		counts := t.j == txn.StateConfirmed && t.typ().MovesMoney() && t.typ() != iso8583.PreAuth && t.typ() != iso8583.PreAuthVoid
		switch {
		case counted != counts:
			w.fail("P6", "%s is durably %s, and in the totals of its batch: %v", t, t.j, counted)
		case owed != t.j.Open():
			w.fail("P5", "%s is durably %s, and flagged at its settlement: %v", t, t.j, owed)
		case owed:
			w.saw(Flagged)
			if !t.escalated {
				w.fail("P5", "%s is owed at its settlement and in front of nobody", t)
			}
		}
		if !counts {
			continue
		}
		if t.typ() == iso8583.Void || t.typ() == iso8583.Refund {
			want.Credit += t.worth()
			want.CreditCount++
		} else {
			want.Debit += t.worth()
			want.DebitCount++
		}
	}
	if got := (iso8583.Totals{Debit: r.Debit, DebitCount: r.DebitCount, Credit: r.Credit, CreditCount: r.CreditCount}); got != want {
		w.fail("P6", "%s has the totals %+v, and its transactions come to %+v", b.group, got, want)
	}
}

func holdsSTAN(list string, stan iso8583.STAN) bool {
	for ; len(list) >= 6; list = list[6:] {
		if list[:6] == stan.String() {
			return true
		}
	}
	return false
}

// judgeSettled: a batch ends once, as the host said, and where it did not agree
// it was told every record exactly once.
func (w *World) judgeSettled(b *batch, r *txn.BatchSettled) {
	switch {
	case b.ended:
		w.fail("batch", "%s ends twice", b.group)
	case b.agreed != (r.Outcome == txn.BatchBalanced):
		w.fail("P6", "%s ends %s, and the host agreed: %v", b.group, r.Outcome, b.agreed)
	case !b.agreed && len(b.taken)*6 != len(b.frozen.Counted):
		w.fail("batch", "%s: the host was told %d records of %d", b.group, len(b.taken), len(b.frozen.Counted)/6)
	}
	b.ended = true
}

// settleBatches judges the end: every batch ended, and each difference is in
// front of a person; where nobody is to blame, there is none.
func (w *World) settleBatches() {
	for _, b := range w.batches {
		if !b.ended {
			w.fail("liveness", "the settlement of %s goes on for ever", b.group)
		}
		if b.ended && !b.agreed && !b.raised {
			w.fail("P6", "%s does not balance, and is in front of nobody", b.group)
		}
		if b.ended && !b.agreed && w.blameless(b) {
			w.fail("P6", "%s does not balance, and no transaction of it is or was anybody's question", b.group)
		}
	}
}

// blameless says that every transaction of the batch went its way undisturbed, so
// that both sides must hold the same.
func (w *World) blameless(b *batch) bool {
	for _, t := range w.txns {
		if t.intent == nil || t.intent.TID != b.tid || t.intent.Serial != b.serial {
			continue
		}
		if t.excused() || t.misread || t.flipped || t.dubious || (t.net != 0) != (t.j == txn.StateConfirmed) || t.net != 0 && t.net != t.worth() || t.j == txn.StateReversed {
			return false
		}
	}
	return true
}

// closeDay settles every terminal, at the end.
func (w *World) closeDay() {
	if w.p.Settles == 0 {
		return
	}
	for _, tid := range tids[:w.p.Terminals] {
		if w.broken != nil || !w.agent.up {
			return
		}
		w.askSettle(tid)
		w.heal()
	}
}

// closing says that t's batch waits for t's last round.
func (w *World) closing(t *Txn) bool {
	return t.intent != nil && slices.ContainsFunc(w.batches, func(b *batch) bool {
		return b.frozen == nil && b.tid == t.intent.TID && b.serial == t.intent.Serial
	})
}

// batchDue is the batch whose timer comes next.
func (w *World) batchDue() *batch {
	var next *batch
	for _, b := range w.batches {
		if b.armed && !b.ended && (next == nil || b.timer < next.timer) {
			next = b
		}
	}
	return next
}

// fireBatch lets a batch's timer come due.
func (w *World) fireBatch(b *batch) {
	b.armed = false
	if w.now.Boot < b.timer {
		w.settleDisk()
		w.now.Boot = b.timer
		w.setWall()
	}
	if w.agent.up {
		w.step(txn.Timeout{UUID: b.group})
	}
}

// settlement is the part of the rules.
func (p *Personality) settlement(r *iso8583.Rules, d func(int) iso8583.Duration) {
	if p.Settles > 0 {
		r.Settlement = iso8583.SettlementRules{
			Balanced: []string{"00"}, Unbalanced: []string{"95"}, Retry: []string{"91", "96", "98"},
			Schedule: []iso8583.Duration{0, d(10)}, AnswerTimeout: d(20), EscalateAfter: 3, Limit: 99,
		}
	}
}
