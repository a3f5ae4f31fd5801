package sim

import "github.com/counterfoil-pos/counterfoil/agent/txn"

// pester is a second window of an application: it asks about one of its
// transactions for what does not fit its state, as a confused one would.
func (w *World) pester() {
	t := w.victim()
	if t == nil {
		return
	}
	kind := w.c.Intn(4)
	req := uint64(pesterID)<<32 | uint64(kind)
	w.tell("app %d    pesters about %s (%d)", t.owner.id, t, kind)
	switch kind {
	case 0:
		w.step(txn.Confirm{Req: req, UUID: t.uuid})
	case 1:
		w.step(txn.Cancel{Req: req, UUID: t.uuid, Reason: txn.CancelCustomer})
	case 2:
		e := *t.begin
		e.Req = req
		if w.c.Intn(2) == 1 {
			e.Digest = "other"
		}
		w.step(e)
	case 3:
		w.step(txn.Shown{Req: req, UUID: t.uuid, Delivered: txn.DeliveredNo})
	}
}

// toPester: who hears that his confirm is durable shows the approval.
func (w *World) toPester(answer txn.Answer) {
	w.tell("agent    tells the second window: %s %s", answer.UUID, answer.Code)
	if answer.Code != txn.OK {
		return
	}
	switch t := w.named(answer.UUID); answer.Req & 3 {
	case 0:
		w.showPaid(t)
	case 3:
		t.undelivered = true
	}
}
