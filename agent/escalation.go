package agent

import (
	"fmt"
	"net/http"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// The queue of what a person must decide, as people see it.

// procedures is where the guide is that has a section for each cause, by the
// cause's name.
const procedures = "docs/operations.md#"

// maxEvidence bounds what an item quotes of the host, the latest first kept.
const maxEvidence = 8

func presentItems(t *txn.Transaction) (out []client.Item) {
	for n, i := range t.Items {
		out = append(out, client.Item{
			ID: itemID(t.UUID, n+1), Number: n + 1, Cause: string(i.Cause), At: time.UnixMilli(i.At).UTC(),
			Meaning: i.Cause.Meaning(), Advice: i.Cause.Advice(), Procedure: procedures + string(i.Cause),
			AcknowledgedBy: i.AckBy, AcknowledgedAt: moment(i.AckAt),
			Closed: i.Closed, ClosedBy: i.ClosedBy, ClosedAt: moment(i.ClosedAt),
		})
	}
	return out
}

// itemID names an item for ever: items of a transaction are numbered in the
// order of their records.
func itemID(uuid string, number int) string { return fmt.Sprintf("%s/%d", uuid, number) }

func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

// evidence is what the host said of a transaction, out of the journal, masked
// as it was when it was written.
func (a *Agent) evidence(uuid string) ([]client.Moment, error) {
	all, err := a.timeline(uuid)
	if err != nil {
		return nil, err
	}
	var said []client.Moment
	for _, m := range all {
		if m.Who == "host" {
			said = append(said, m)
		}
	}
	return said[max(len(said)-maxEvidence, 0):], nil
}

// presentWithEvidence is present with what the host said at each open item.
func (a *Agent) presentWithEvidence(t *txn.Transaction) (*client.Transaction, error) {
	out := a.present(t)
	said, err := a.evidence(t.UUID)
	for i := range out.Items {
		if !out.Items[i].Closed {
			out.Items[i].Evidence = said
		}
	}
	return out, err
}

func (s *api) escalations(_ *http.Request, w http.ResponseWriter) *client.Problem {
	list, more := s.agent.view.list(listLimit, (*txn.Transaction).Escalated)
	out := client.List{Transactions: []client.Transaction{}, More: more, Losses: s.agent.losses(false), Batches: s.agent.escalatedBatches()}
	for i := range list {
		t, err := s.agent.presentWithEvidence(&list[i])
		if err != nil {
			return newProblem(codeStopping)
		}
		out.Transactions = append(out.Transactions, *t)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *api) acknowledge(r *http.Request, w http.ResponseWriter) *client.Problem {
	var body client.Acknowledge
	if p := readBody(w, r, &body); p != nil {
		return p
	}
	p := checkNote("who", body.Who, false)
	if p == nil && body.Item < 1 {
		p = badField("item", "want the number of the newest item that was seen: GET /v1/escalations says it")
	}
	return s.verb(r, w, p, func(req uint64, uuid string) txn.Event {
		return txn.Acknowledge{Req: req, UUID: uuid, Item: body.Item, Who: body.Who}
	})
}
