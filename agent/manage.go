package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/link"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// managing is the network management messages that somebody asked for and waits
// for: an echo, and a sign-on that brings no keys. They move no money, so that
// nothing of them is durable.
type managing struct {
	mu      sync.Mutex
	waiting map[string][]chan managed // by the name of the message
	latest  map[iso8583.TID]client.SignOn
}

// managed is what came of a message.
type managed struct {
	at    time.Time
	route int
	took  time.Duration
	code  string
	err   error // why there was no answer
}

// managingToken travels with such a message through the link.
type managingToken struct{ name string }

// manageWithin bounds a message: whoever asked waits for it.
const manageWithin = answerWithin - 5*time.Second

var (
	errManageUnsent  = errors.New("it could not be sent")
	errManageDoubt   = errors.New("the connection failed while it was being sent")
	errManageSilence = errors.New("the host did not answer in time")
)

// manageName is what an answer is found by: its STAN or, of an echo that has
// none, its terminal.
func manageName(m *iso8583.Message) string {
	if stan := m.Get(11); stan != "" {
		return stan
	}
	return "echo " + trimRight(m.Get(41))
}

// manage sends a network management message for a terminal and waits for the
// answer. An error says that the dialect has no such message.
func (q *acquirer) manage(ctx context.Context, k iso8583.Kind, t TerminalOptions) (managed, error) {
	out := managed{at: time.UnixMilli(q.agent.opts.Clock().Wall).UTC(), route: q.preferred()}
	m, err := q.profile.Compose(iso8583.Facts{
		Kind: k, TID: t.TID, MID: t.MID, STAN: q.nextTrace(), Transmission: out.at.Format("0102150405"),
		Batch: q.agent.view.batchNumber(t.TID), Operator: q.profile.Rules.SignOn.Operator,
	})
	if err != nil {
		return managed{}, err
	}
	body, err := q.pack(t.TID, m)
	if err != nil {
		return managed{}, err
	}
	name, ch := manageName(m), make(chan managed, 1)
	q.managing.mu.Lock()
	q.managing.waiting[name] = append(q.managing.waiting[name], ch)
	q.managing.mu.Unlock()
	defer q.manageForget(name, ch)
	began := time.Now()
	q.link.Send(out.route, managingToken{name}, body, began.Add(time.Duration(q.profile.Rules.SendTimeout)))
	wait := time.NewTimer(min(manageWithin, time.Duration(q.profile.Rules.SendTimeout+q.profile.Rules.ResponseTimeout)))
	defer wait.Stop()
	select {
	case a := <-ch:
		out.code, out.err, out.took = a.code, a.err, time.Since(began)
	case <-wait.C:
		out.err = errManageSilence
	case <-ctx.Done():
		out.err = ctx.Err()
	case <-q.agent.stopped:
		out.err = ErrStopped
	}
	return out, nil
}

func (q *acquirer) manageForget(name string, ch chan managed) {
	q.managing.mu.Lock()
	defer q.managing.mu.Unlock()
	left := slices.DeleteFunc(q.managing.waiting[name], func(c chan managed) bool { return c == ch })
	if q.managing.waiting[name] = left; len(left) == 0 {
		delete(q.managing.waiting, name)
	}
}

// manageEnded gives whoever waits for the message what came of it.
func (q *acquirer) manageEnded(name string, a managed) {
	q.managing.mu.Lock()
	defer q.managing.mu.Unlock()
	for _, ch := range q.managing.waiting[name] {
		ch <- a
	}
	delete(q.managing.waiting, name)
}

// manageResult is the link's word about such a message.
func (q *acquirer) manageResult(t managingToken, r link.Result) {
	switch {
	case r.Sent:
	case r.Unsent:
		q.manageEnded(t.name, managed{err: errManageUnsent})
	default:
		q.manageEnded(t.name, managed{err: errManageDoubt})
	}
}

// batchNumber is the terminal's present batch.
func (v *View) batchNumber(tid iso8583.TID) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine.Batch(tid)
}

// managedTerminal is the terminal that a path names.
func (s *api) managedTerminal(tid string) (TerminalOptions, *acquirer, *client.Problem) {
	t, ok := s.agent.terminals[iso8583.TID(tid)]
	if !ok {
		return TerminalOptions{}, nil, newProblem(txn.UnknownTerminal)
	}
	return t, s.agent.acquirers[t.Acquirer], nil
}
