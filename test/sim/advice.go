package sim

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Status inquiries and advices in this world: how the host answers them, and
// what must hold of them.

// status answers an inquiry, by the ledger or as this host is wont to. It
// changes no money.
func (h *host) status(w *World, p *packet, route int) {
	f := &p.out.Facts
	answer, about := h.plain(f, "25"), f.Original
	a := h.ledger.find(hostKey{f.TID, f.Original.STAN, f.Original.Transmission})
	switch lie := w.lie(); {
	case lie == "silent":
		w.tell("host %d   does not answer the inquiry about %s", route, p.t)
		return
	case lie == "another":
		answer.code, about.STAN = "00", about.STAN+4000
	case lie != "":
		answer.code = lie
	case a == nil || a.hidden:
	case a.state == accountBooked:
		answer = a.answer
		answer.code, answer.amount, answer.currency = "00", iso8583.Amount{Minor: a.amount}.DE4(), "156"
		w.saw(InquiryFound)
	case a.state == accountDeclined && a.answer.code != "94":
		answer.code = "05"
	}
	r := w.response(p, route, mtis[iso8583.KindInquiry].Response(), answer)
	if !w.p.Silent {
		r.Original = about.DE90()
	} else if about != f.Original {
		return // it could not be told from the truth
	}
	w.enter(packet{t: p.t, left: p.left, route: route, in: r})
}

// lie is what this host says instead of the truth: "" is the truth.
func (w *World) lie() string {
	if w.p.Lies == "mixed" {
		if !w.fault(InquiryLie, w.p.LieRate) {
			return ""
		}
		return [...]string{"25", "09", "silent", "another"}[w.c.Intn(4)]
	}
	return w.p.Lies
}

// advice books what it is told once per identity, and says so when it is told
// again.
func (h *host) advice(w *World, p *packet, route int) {
	f, mti := &p.out.Facts, mtis[p.out.Facts.Kind].Response()
	key := hostKey{f.TID, f.STAN, f.Transmission}
	a := h.ledger.find(key)
	switch {
	case a == nil:
		a = h.ledger.open(key, p.t)
		h.book(w, a, f)
	case a.state == accountBooked && w.p.DuplicateIs == "94":
		again := a.answer
		again.code = "94"
		w.saw(AdviceRepeated)
		w.reply(p, route, mti, again)
		return
	}
	w.reply(p, route, mti, a.answer)
}

// book takes an advice, or refuses it for good.
func (h *host) book(w *World, a *account, f *iso8583.Facts) {
	a.answer, a.amount = h.plain(f, "00"), f.Amount.Minor
	if f.Type.Originals() != nil {
		a.of = h.ledger.original(f)
	}
	switch {
	case a.of != nil && !w.p.Lenient && !a.covered(h.ledger, f.Type, a.amount),
		w.fault(AdviceRefusal, w.p.RefusesAdvice):
		a.state, a.answer = accountDeclined, h.plain(f, "57")
		return
	case w.fault(Wrong, w.p.Wrong):
		h.wrong(w, a)
	case w.fault(Unclear, w.p.Unclear):
		a.answer.code = "91"
		a.state = accountNone
		a.key.stan = 0 // not taken: told again it is new
		return
	}
	a.state = accountBooked
	w.booked(a.t, a.amount, h.ledger.n)
}

// asked judges an inquiry as it is handed to the link.
func (w *World) asked(t *Txn, o *txn.Outbound) {
	f := &o.Facts
	switch {
	case !slices.Contains(w.p.Inquires, t.typ()):
		w.fail("inquiry", "%s is inquired after, and a %s is not", t, t.typ())
	case o.Inquiry > t.inquiries:
		w.fail("R1", "inquiry %d about %s leaves before it is durable", o.Inquiry, t)
	case o.Inquiry > w.p.Inquiries:
		w.fail("inquiry", "inquiry %d about %s, of %d", o.Inquiry, t, w.p.Inquiries)
	case f.STAN == t.intent.STAN:
		w.fail("identity", "an inquiry about %s has its STAN", t)
	case f.Original.STAN != t.intent.STAN || f.Original.Transmission != t.intent.Transmission:
		w.fail("identity", "an inquiry about %s names another", t)
	}
	t.question = *f
}

// told judges an advice as it is handed to the link: one identity for ever, and
// the repeat MTI from the second on that can have left.
func (w *World) told(t *Txn, o *txn.Outbound) {
	f := &o.Facts
	key := hostKey{f.TID, f.STAN, f.Transmission}
	switch {
	case !t.owed:
		w.fail("R1", "an advice of %s leaves before it is durable", t)
	case t.key.stan != 0 && t.key != key:
		w.fail("identity", "the advice of %s changed its identity", t)
	case t.left > 0 && !f.Repeat:
		w.fail("identity", "the advice of %s goes on the wire again as a first one", t)
	case f.STAN != t.intent.STAN || f.Transmission != t.intent.Transmission:
		w.fail("identity", "the advice of %s is not its intent's", t)
	}
	t.key = key
	w.followsOnWire(t, f)
}

// journaledAdvice takes note of the records of this file's subject.
func (w *World) journaledAdvice(t *Txn, r txn.Record) {
	switch r := r.(type) {
	case *txn.Inquiring:
		t.j = txn.StateInquiring
	case *txn.Inquiry:
		t.inquiries = r.N
		w.used(t, r.STAN, r.TID)
	case *txn.InquiryAnswer:
		if r.Found == txn.FoundApproved && r.Late {
			t.dubious = t.dubious || !t.heard && t.j == txn.StateReversed && t.held
			t.heard = true
			w.saw(InquiryLate)
		}
	case *txn.Owed:
		t.j, t.owed = txn.StateAdvising, true
	case *txn.Advised:
		t.j, t.confirmed = txn.StateConfirmed, true
		w.saw(AdviceTaken)
		if t.net == 0 {
			w.fail("P6", "%s is durably taken, and no host holds anything of it", t)
		}
	}
}

// used judges a STAN: new to its terminal.
func (w *World) used(t *Txn, stan iso8583.STAN, tid iso8583.TID) {
	for _, other := range w.txns {
		o := other.intent
		if o != nil && o.TID == tid && (o.STAN == stan && o != t.intent || slices.Contains(other.asks, stan)) {
			w.fail("identity", "%s has the STAN %s of %s", t, stan, other)
		}
	}
	t.asks = append(slices.Clip(t.asks), stan)
}

// forged is an answer to the last inquiry about t that resembles the one it
// waits for in everything but one thing.
func (w *World) forged(t *Txn) {
	q := &t.question
	r := txn.Response{
		Route: t.intent.Route, MTI: mtis[iso8583.KindInquiry].Response(), TID: q.TID, STAN: q.STAN, Code: "00",
		Amount: q.Amount.DE4(), Currency: "156", Transmission: q.Transmission, LocalTime: q.LocalTime, LocalDate: q.LocalDate,
		Original: q.Original.DE90(), RRN: "998",
	}
	switch w.c.Intn(4) {
	case 0:
		r.Transmission, r.LocalDate = "0615120000", "0615"
	case 1:
		r.Original = iso8583.Original{MTI: "0200", STAN: 7, Transmission: "0615120000"}.DE90()
	case 2:
		r.Amount = iso8583.Amount{Minor: q.Amount.Minor + 1}.DE4()
	case 3:
		r.MTI = "0230"
	}
	w.tell("network  another's %s arrives, resembling the answer to the inquiry about %s", r.MTI, t)
	w.step(r)
}

// drawAsking: some hosts can be asked, some are told.
func (p *Personality) drawAsking(c *Choices, rate func(...int) int) {
	if c.Intn(3) == 0 {
		for _, t := range iso8583.Types() {
			if t.MovesMoney() && t != iso8583.Offline && (c.Intn(8) > 0 || t == iso8583.Sale) {
				p.Inquires = append(p.Inquires, t)
			}
		}
		p.Inquiries, p.Lies, p.LieRate = 1+c.Intn(4), "mixed", rate(100, 500, 1000)
		p.FinalDecline = c.Intn(2) == 0
		p.InquiryLimit = 45 * c.Intn(2)
	}
	if c.Intn(3) == 0 {
		p.Advises, p.Offlines = []iso8583.Type{iso8583.Offline}, 100+300*c.Intn(3)
		if c.Intn(2) == 0 {
			p.Advises = append(p.Advises, iso8583.Completion)
		}
		p.Ordered, p.RefusesAdvice, p.AdviceLimit = c.Intn(2) == 0, rate(100, 300), 1+c.Intn(5)
		p.Inquires = slices.DeleteFunc(p.Inquires, func(t iso8583.Type) bool { return slices.Contains(p.Advises, t) })
	}
}

// told says whether a type is an advice here.
func (p *Personality) told(t iso8583.Type) bool { return slices.Contains(p.Advises, t) }

// asking adds the rules of inquiries and advices.
func (p *Personality) asking(r *iso8583.Rules, d func(int) iso8583.Duration) {
	if len(p.Inquires) > 0 {
		r.Inquiry = iso8583.InquiryRules{
			Types: p.Inquires, After: d(5), Every: d(5), AnswerTimeout: d(10), Attempts: p.Inquiries, Within: d(p.InquiryLimit),
			Approved: []string{"00"},
		}
		if p.FinalDecline {
			r.Inquiry.Declined = []string{"05"}
		}
	}
	if len(p.Advises) > 0 {
		r.Advice = iso8583.AdviceRules{
			Types: p.Advises, Schedule: []iso8583.Duration{0, d(10), d(60)}, AnswerTimeout: d(20), EscalateAfter: 4,
			Done: []string{"00"}, Duplicate: []string{"94"}, Retry: []string{"91", "96", "98"},
			Ordered: p.Ordered, Limit: max(p.AdviceLimit, 1),
		}
	}
}
