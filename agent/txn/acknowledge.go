package txn

import "slices"

// An item of the escalation queue is alarmed until a named person takes it on.
// That moves no money and decides nothing, so it is the same in every state and
// has no place in the state table.

// Acknowledge says that a named person has seen a transaction's items up to
// one, and takes them on. It silences their alarm and closes nothing.
type Acknowledge struct {
	Req  uint64
	UUID string
	Item int // the number of the newest item that the person saw, from 1
	Who  string
}

func (Acknowledge) event() {}

// acknowledge takes the items up to e.Item off the alarm: durable before it is
// answered, or a person would count on a silence that a crash ends. Items that
// came after what the person saw stay alarmed. Another person may take them
// over.
func (s *step) acknowledge(e Acknowledge) {
	t := s.m.hot[e.UUID]
	switch {
	case t == nil:
		s.answer(e.Req, e.UUID, NotFound)
	case e.Who == "" || e.Item < 1 || e.Item > len(t.Items):
		s.answer(e.Req, e.UUID, Invalid)
	case !slices.ContainsFunc(t.Items[:e.Item], func(i Item) bool { return !i.Closed }):
		s.answer(e.Req, e.UUID, Unsuitable)
	default:
		if slices.ContainsFunc(t.Items[:e.Item], func(i Item) bool { return !i.Closed && i.AckBy != e.Who }) {
			s.record(e.UUID, &Acknowledged{Item: e.Item, Who: e.Who})
		}
		s.answer(e.Req, e.UUID, OK)
	}
}

func (t *Transaction) acknowledged(r *Acknowledged) {
	t.Items = slices.Clone(t.Items) // copies of t share it
	for i := range t.Items {
		if it := &t.Items[i]; i < r.Item && !it.Closed && it.AckBy != r.Who {
			it.AckBy, it.AckAt = r.Who, r.At
		}
	}
}

// Alarmed says whether an item of the transaction is open that nobody has taken
// on.
func (t *Transaction) Alarmed() bool {
	return slices.ContainsFunc(t.Items, func(i Item) bool { return i.Alarmed() })
}
