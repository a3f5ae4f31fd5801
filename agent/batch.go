package agent

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Batches as the API has them. What is decided about one is the core's.

// batches copies what is durable of a terminal's batches, the open one last.
func (v *View) batches(tid iso8583.TID) (all []txn.Batch, open client.Batch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	number, serial, used := v.machine.Present(tid)
	return v.machine.Batches(tid), client.Batch{Terminal: tid, Serial: serial, Number: number, State: "open", Taken: used}
}

// batchesOf gives a terminal's batches the API's form.
func (a *Agent) batchesOf(tid iso8583.TID) []client.Batch {
	all, open := a.view.batches(tid)
	out := []client.Batch{}
	for i := range all {
		out = append(out, presentBatch(&all[i]))
		if all[i].Serial == open.Serial { // it is being settled, and no other is open
			open.Serial = 0
		}
	}
	if open.Serial != 0 {
		out = append(out, open)
	}
	return out
}

// escalatedBatches lists the batches of which something is in front of a person.
func (a *Agent) escalatedBatches() []client.Batch {
	out := []client.Batch{}
	for _, tid := range a.tids {
		for _, b := range a.batchesOf(tid) {
			if slices.ContainsFunc(b.Items, func(i client.Item) bool { return !i.Closed }) {
				out = append(out, b)
			}
		}
	}
	return out
}

func presentBatch(b *txn.Batch) client.Batch {
	out := client.Batch{
		Terminal: b.TID, Serial: b.Serial, Number: b.Number, State: b.State.String(), By: b.Who,
		Counted: len(b.Counted), Owed: len(b.Owed), Uploaded: b.Uploaded, Began: moment(b.Begun), Ended: moment(b.Ended),
	}
	if b.State > txn.BatchClosing {
		t := b.Totals
		out.Totals = &client.BatchTotals{Debit: t.Debit, DebitCount: t.DebitCount, Credit: t.Credit, CreditCount: t.CreditCount}
		if b.Currency != 0 {
			out.Totals.Currency = b.Currency.Alpha()
		}
	}
	if b.Verdicts[0] != iso8583.BatchUnknown {
		out.Domestic, out.Foreign = b.Verdicts[0].String(), b.Verdicts[1].String()
	}
	for n, i := range b.Items {
		out.Items = append(out.Items, client.Item{
			ID: itemID(b.Group(), n+1), Number: n + 1, Cause: string(i.Cause), At: time.UnixMilli(i.At).UTC(),
			Meaning: i.Cause.Meaning(), Advice: i.Cause.Advice(), Procedure: procedures + string(i.Cause),
			Closed: i.Closed, ClosedBy: i.ClosedBy, ClosedAt: moment(i.ClosedAt),
		})
	}
	return out
}

// batchEntries reads the transactions of a batch back, in the order of their
// intents.
func (a *Agent) batchEntries(tid iso8583.TID, serial int, b *txn.Batch) ([]client.BatchEntry, error) {
	l := a.load(nil, []string{txn.BatchKey(tid, serial)})
	if l.err != nil {
		return nil, l.err
	}
	m := txn.New()
	m.Load(l.records)
	out := []client.BatchEntry{}
	for _, t := range m.Members(tid, serial) {
		e := client.BatchEntry{Transaction: *a.present(t)}
		e.Debit, e.Credit = t.Totals()
		if b != nil {
			e.Counted, e.Flagged = slices.Contains(b.Counted, t.STAN), slices.Contains(b.Owed, t.STAN)
			e.NotUploaded = e.Counted && !slices.Contains(b.Listed(), t.STAN)
		}
		out = append(out, e)
	}
	return out, nil
}

func (s *api) configured(r *http.Request) (iso8583.TID, *client.Problem) {
	tid := iso8583.TID(r.PathValue("tid"))
	if s.agent.terminals[tid].TID == "" {
		return "", newProblem(txn.UnknownTerminal)
	}
	return tid, nil
}

// settle asks the core, and answers with the batch that is being settled.
func (s *api) settle(r *http.Request, w http.ResponseWriter) *client.Problem {
	tid, p := s.configured(r)
	if p != nil {
		return p
	}
	var body client.Settle
	if p := readOptional(w, r, &body); p != nil {
		return p
	}
	if p := checkNote("who", body.Who, true); p != nil {
		return p
	}
	acq := s.agent.acquirers[s.agent.terminals[tid].Acquirer]
	ans, p := s.ask(r, func(req uint64) txn.Event {
		return txn.Settle{Req: req, TID: tid, Who: body.Who, Route: acq.preferred()}
	})
	if p != nil {
		return p
	}
	all, _ := s.agent.view.batches(tid)
	for i := range all {
		if all[i].Group() == ans.UUID {
			writeJSON(w, http.StatusAccepted, presentBatch(&all[i]))
			return nil
		}
	}
	return newProblem(txn.NotFound)
}

func (s *api) batches(r *http.Request, w http.ResponseWriter) *client.Problem {
	tid, p := s.configured(r)
	if p != nil {
		return p
	}
	writeJSON(w, http.StatusOK, client.Batches{Batches: s.agent.batchesOf(tid)})
	return nil
}

// batchPath reads which batch a request is about.
func (s *api) batchPath(r *http.Request) (iso8583.TID, int, *client.Problem) {
	tid, p := s.configured(r)
	if p != nil {
		return "", 0, p
	}
	serial, err := strconv.Atoi(r.PathValue("serial"))
	if err != nil || serial < 1 {
		return "", 0, newProblem(codeNoBatch)
	}
	return tid, serial, nil
}

// batch gives one with its transactions. Of one that has left memory its
// transactions are what there is.
func (s *api) batch(r *http.Request, w http.ResponseWriter) *client.Problem {
	tid, serial, p := s.batchPath(r)
	if p != nil {
		return p
	}
	return s.writeBatch(w, tid, serial)
}

func (s *api) writeBatch(w http.ResponseWriter, tid iso8583.TID, serial int) *client.Problem {
	all, open := s.agent.view.batches(tid)
	var known *txn.Batch
	out := open
	for i := range all {
		if all[i].Serial == serial {
			known, out = &all[i], presentBatch(&all[i])
		}
	}
	if known == nil && serial != open.Serial {
		return newProblem(codeNoBatch)
	}
	var err error
	if out.Transactions, err = s.agent.batchEntries(tid, serial, known); err != nil {
		return newProblem(codeStopping)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *api) resolveBatch(r *http.Request, w http.ResponseWriter) *client.Problem {
	tid, serial, p := s.batchPath(r)
	if p != nil {
		return p
	}
	ev, p := readResolve(w, r)
	switch {
	case p != nil:
		return p
	case ev.Verb != txn.VerbClose && ev.Verb != txn.VerbSettled:
		return badField("verb", "want %s or %s: its items are dealt with, or the acquirer says that it is settled", txn.VerbClose, txn.VerbSettled)
	}
	if _, p := s.ask(r, func(req uint64) txn.Event {
		return txn.BatchResolve{Req: req, TID: tid, Serial: serial, Verb: ev.Verb, Who: ev.Who, Why: ev.Why, Ref: ev.Ref}
	}); p != nil {
		if p.Code == string(txn.NotFound) {
			return newProblem(codeNoBatch)
		}
		return p
	}
	return s.writeBatch(w, tid, serial)
}
