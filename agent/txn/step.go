package txn

import (
	"maps"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// step is one Step under way.
type step struct {
	m     *Machine
	now   Time
	ready Ready
}

// Step takes one event and says what to do. It never blocks, logs or reads a
// clock, and applies its own records before it returns: from then on the
// Machine's memory is ahead of the disk, which is why a Ready is released by
// the Fence only.
func (m *Machine) Step(now Time, ev Event) Ready {
	s := &step{m: m, now: now}
	s.take(ev)
	if len(m.settling) > 0 {
		s.freeze()
	}
	s.ready.Stepped = now.Boot
	return s.ready
}

func (s *step) take(ev Event) {
	if b := s.m.byGroup(about(ev)); b != nil {
		s.batchEvent(b, ev)
		return
	}
	if s.scriptEvent(ev) || s.dataKeyEvent(ev) || s.signOnEvent(ev) {
		return
	}
	switch e := ev.(type) {
	case Configure:
		s.configure(e)
	case Begin:
		s.begin(e)
	case SessionBegan:
		s.sessionBegan(e)
	case SessionEnded:
		s.sessionEnded(e)
	case Response:
		s.response(e)
	case Garbage:
		s.stray(e.Route, "the frame is no message", e.Text)
	case Timeout:
		s.timeout(e)
	case Recovered:
		if t := s.m.hot[e.UUID]; t != nil {
			w := s.wait(t)
			w.Restarted, w.Since = true, s.now.Boot
			if s.m.InDoubt(t) { // a lost entry may have sent what is not known of
				s.mayArrive(t)
			}
		}
		s.run(e.UUID, Restart, ev)
		if t := s.m.hot[e.UUID]; t != nil && t.Script.Owed() {
			s.restartScript(t)
		}
	case Sent:
		s.run(e.UUID, s.of(e.UUID, e.Attempt, e.Inquiry, deliverySent), ev)
	case Unsent:
		s.run(e.UUID, s.of(e.UUID, e.Attempt, e.Inquiry, deliveryUnsent), ev)
	case InDoubt:
		s.run(e.UUID, s.of(e.UUID, e.Attempt, e.Inquiry, deliveryInDoubt), ev)
	case Confirm:
		s.ask(e.Req, e.UUID, AskConfirm, ev)
	case Cancel:
		s.ask(e.Req, e.UUID, AskCancel, ev)
	case Shown:
		s.ask(e.Req, e.UUID, AskShown, ev)
	case Resolve:
		s.ask(e.Req, e.UUID, AskResolve, ev)
	case CloseLoss:
		s.closeLoss(e)
	case Acknowledge:
		s.acknowledge(e)
	case BatchAnnounced:
		s.batchAnnounced(e)
	case Settle:
		s.settle(e)
	case BatchResolve:
		s.batchResolve(e)
	}
}

// about is what a report of link, clock or start is about: a transaction's UUID
// or a batch's group.
func about(ev Event) string {
	switch e := ev.(type) {
	case Recovered:
		return e.UUID
	case Sent:
		return e.UUID
	case Unsent:
		return e.UUID
	case InDoubt:
		return e.UUID
	case Timeout:
		return e.UUID
	}
	return ""
}

// delivery is what the link reports of a message, in each kind of it.
type delivery struct{ request, reversal, inquiry, advice Input }

var (
	deliverySent    = delivery{RequestSent, AttemptSent, InquirySent, AdviceSent}
	deliveryUnsent  = delivery{RequestUnsent, AttemptUnsent, InquiryUnsent, AdviceUnsent}
	deliveryInDoubt = delivery{RequestInDoubt, AttemptInDoubt, InquiryInDoubt, AdviceInDoubt}
)

// of says which message of a transaction a report is about.
func (s *step) of(uuid string, attempt, inquiry int, d delivery) Input {
	t := s.m.hot[uuid]
	switch {
	case inquiry > 0:
		return d.inquiry
	case attempt == 0:
		return d.request
	case t != nil && t.Advice:
		return d.advice
	default:
		return d.reversal
	}
}

// run looks the cell up in the state table and obeys it. An empty cell means
// that the input changes nothing there.
func (s *step) run(uuid string, in Input, ev Event) {
	t := s.m.hot[uuid]
	if t == nil {
		return
	}
	from := t.State
	if c := table[from][in]; c.do != nil {
		c.do(s, t, ev)
	}
	if s.m.Observe != nil {
		s.m.Observe(from, in, t.State)
	}
}

// ask is run for somebody who waits for an answer.
func (s *step) ask(req uint64, uuid string, in Input, ev Event) {
	if s.m.hot[uuid] == nil {
		s.answer(req, uuid, NotFound)
		return
	}
	s.run(uuid, in, ev)
}

func (s *step) timeout(e Timeout) {
	w := s.m.waits[e.UUID]
	if w == nil || w.For == waitNothing || s.now.Boot < w.Deadline {
		return
	}
	s.run(e.UUID, TimeUp, e)
}

// record makes a fact part of the batch and of the state.
func (s *step) record(uuid string, r Record) {
	*r.head() = Head{UUID: uuid, At: s.now.Wall}
	s.ready.Records = append(s.ready.Records, r)
	s.m.Apply(r)
}

func (s *step) answer(req uint64, uuid string, code Code) {
	s.ready.Answers = append(s.ready.Answers, Answer{Req: req, UUID: uuid, Code: code})
}

func (s *step) wait(t *Transaction) *wait {
	w := s.m.waits[t.UUID]
	if w == nil {
		w = &wait{}
		s.m.waits[t.UUID] = w
	}
	return w
}

// arm makes t wait for something, for at most d.
func (s *step) arm(t *Transaction, what waitFor, d iso8583.Duration) {
	w := s.wait(t)
	w.For, w.Deadline = what, s.now.Boot+time.Duration(d)
	s.ready.Timers = append(s.ready.Timers, Timer{UUID: t.UUID, At: w.Deadline, For: what.String()})
}

// disarm makes t wait for nothing.
func (s *step) disarm(t *Transaction) { s.wait(t).For = waitNothing }

func (s *step) rules(t *Transaction) *iso8583.Rules { return s.m.rules[t.Rules] }

// escalate puts t in front of a person, once per cause while the item is open.
func (s *step) escalate(t *Transaction, c Cause) {
	for _, i := range t.Items {
		if i.Cause == c && !i.Closed {
			return
		}
	}
	s.record(t.UUID, &Escalated{Cause: c})
}

// configure makes the epoch and the terminals' rules durable where they are
// new, and remembers the terminals for as long as the process lives. A journal
// that ends before its mark lost entries: nothing goes on as if it had not.
func (s *step) configure(e Configure) {
	if s.m.undated == 0 {
		s.m.undated = s.now.Boot
	}
	if s.m.behind(e.Mark, e.Last) {
		var tids []iso8583.TID
		for _, term := range e.Terminals {
			tids = append(tids, term.TID)
		}
		s.lose(tids, e.Mark, e.Last, "agent", "the journal ends before its mark: it was lost, or an older one was put back")
	}
	s.m.lastDataKey = max(s.m.lastDataKey, e.DataKeys)
	if s.m.epoch == 0 {
		s.record(groupEpoch, &Epoch{Number: e.Epoch})
	}
	s.m.terminals = maps.Clone(s.m.terminals) // copies of m share it
	for _, term := range e.Terminals {
		if term.hash == "" {
			term.hash = term.Rules.Hash()
		}
		s.m.terminals[term.TID] = &term
		if s.m.rules[term.hash] == nil {
			s.record(groupRules+term.hash, &RulesUsed{Hash: term.hash, JSON: term.Rules.JSON()})
		}
	}
}

// stray keeps what the host said and what belongs to no transaction, as
// evidence, within bounds. It resolves nothing.
func (s *step) stray(route int, why, text string) {
	if s.m.evidence.take(s.now.Boot) {
		s.record("evidence:", &Evidence{Route: route, Why: why, Text: text})
	}
}
