package sim

import (
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
	mti := [...]iso8583.MTI{"0210", "0410"}[w.c.Intn(2)]
	i := t.intent
	r := txn.Response{
		Route: i.Route, MTI: mti, TID: i.TID, STAN: i.STAN, Code: "00", Amount: t.begin.Amount.DE4(), Currency: "156",
		Transmission: i.Transmission, LocalTime: i.LocalTime, LocalDate: i.LocalDate, RRN: "999",
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
		r.Transmission, r.LocalDate = "0101000000", "0101"
	case 4:
		r.LocalTime = "000001"
		if r.LocalTime == i.LocalTime {
			return
		}
	}
	w.tell("network  another's %s arrives, resembling %s", mti, t)
	w.step(r)
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
