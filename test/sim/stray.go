package sim

import (
	"cmp"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// stray lets the agent receive what is nobody's answer: rubbish, or an answer
// that resembles the one it waits for in everything but one thing.
func (w *World) stray() {
	t := w.victim()
	if t == nil || w.c.Intn(6) == 0 {
		w.tell("network  rubbish arrives")
		w.step(txn.Garbage{})
		return
	}
	if w.c.Intn(4) == 0 {
		w.echo(t)
		return
	}
	if t.question.STAN != 0 && !w.p.Silent && w.c.Intn(2) == 0 {
		w.forged(t)
		return
	}
	i := t.intent
	own := mtis[t.typ().Kind()].Response()
	mti := [...]iso8583.MTI{own, "0410"}[w.c.Intn(2)]
	r := txn.Response{
		Route: i.Route, MTI: mti, TID: i.TID, STAN: i.STAN, Code: "00", Amount: t.begin.Amount.DE4(), Currency: "156",
		Transmission: i.Transmission, LocalTime: cmp.Or(i.HostTime, i.LocalTime), LocalDate: cmp.Or(i.HostDate, i.LocalDate), RRN: "999",
	}
	kinds := 5
	if w.p.Silent {
		kinds = 3 // without echoes an old answer cannot be told from a new one
	}
	switch w.c.Intn(kinds) {
	case 0:
		r.STAN += 5000
	case 1:
		r.TID = "T9999999"
	case 2:
		r.MTI = mti[:1] + "3" + mti[2:]
	case 3: // of an earlier day, when this STAN was another's
		r.Transmission, r.LocalDate = "0615120000", "0615"
	case 4:
		r.LocalTime = "000001"
		if r.LocalTime == cmp.Or(i.HostTime, i.LocalTime) {
			return
		}
	}
	w.tell("network  another's %s arrives, resembling %s", mti, t)
	w.step(r)
}

// echo is a host that says something once more, however late: its answer to
// the request, that answer garbled, or its answer to a reversal.
func (w *World) echo(t *Txn) {
	if w.c.Intn(3) == 0 { // rather about what an operator decided
		for _, o := range w.txns {
			if o.handled && o.intent != nil {
				t = o
			}
		}
	}
	for route, h := range w.hosts {
		a := h.ledger.find(t.key)
		if a == nil || a.answer.code == "" {
			continue
		}
		i, answer := t.intent, a.answer
		r := txn.Response{
			Route: route, MTI: mtis[t.typ().Kind()].Response(), TID: i.TID, STAN: i.STAN, RRN: iso8583.RRN(answer.rrn),
			Transmission: i.Transmission, LocalTime: cmp.Or(i.HostTime, i.LocalTime), LocalDate: cmp.Or(i.HostDate, i.LocalDate), BadChip: t.story.spoiled,
		}
		switch w.c.Intn(3) {
		case 1:
			answer = w.garble(answer, t)
		case 2:
			if a.said.code == "" || w.p.Silent {
				return
			}
			r.MTI, r.Transmission, answer.code = "0410", a.said.de7, a.said.code
			answer.amount = t.begin.Amount.DE4()
		}
		r.Code, r.Amount, r.Currency, r.AuthCode = answer.code, answer.amount, answer.currency, answer.auth
		w.tell("host %d   answers %s %s %s once more", route, r.MTI, t, r.Code)
		p := packet{t: t, route: route, in: &r}
		if w.sign(&r); w.p.Tamper > 0 && w.c.Intn(2) == 0 {
			w.tamper(&p)
		}
		w.step(*p.in)
		return
	}
}

// garble makes an answer nonsense, but never a no: a host that says no and
// keeps the debit lies, which only reconciliation finds. So does one that says a
// part and holds the whole, where a part is believed; or one that booked another
// amount and does not say so.
func (w *World) garble(a iso8583Answer, t *Txn) iso8583Answer {
	switch kind := w.c.Intn(3); {
	case kind == 0 && !t.begin.Partial:
		a.code, a.amount = "10", iso8583.Amount{Minor: t.begin.Amount.Minor / 2}.DE4()
	case kind < 2:
		a.code = "96"
	default:
		if a.code != "05" && !t.misread {
			a.amount = ""
		}
	}
	return a
}

// victim is a transaction with a durable intent, rather a new one.
func (w *World) victim() *Txn {
	for n := len(w.txns); n > 0; n-- {
		if t := w.txns[n-1]; t.intent != nil && (n == 1 || w.c.Intn(2) == 0) {
			return t
		}
	}
	return nil
}
