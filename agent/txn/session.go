package txn

import (
	"maps"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A session is a payment application that lives. The shell knows that by a
// lease that is held open and by heartbeats, and says when it is over; what
// follows for money is decided here. Sessions are volatile: none survives the
// process, so a restart ends them all.

// session is one application and the terminals that it drives. A terminal has
// one live session at the most, so there are never more than terminals.
type session struct{ tids []iso8583.TID }

// SessionBegan is an application that starts, or starts again. Sessions that
// hold one of its terminals are over: it takes over.
type SessionBegan struct {
	Req  uint64
	ID   string // never used before
	TIDs []iso8583.TID
}

// SessionEnded says that the application of a session is gone: its lease
// ended, its heartbeat was missed, or it said goodbye.
type SessionEnded struct {
	Req uint64 // 0: nobody waits for an answer
	ID  string
}

func (SessionBegan) event() {}
func (SessionEnded) event() {}

// sessionBegan ends what it takes over, then gives it whatever the application
// before it left unconfirmed on its terminals.
func (s *step) sessionBegan(e SessionBegan) {
	if code := s.m.unfitSession(&e); code != "" {
		s.answer(e.Req, "", code)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(s.m.sessions)) {
		if slices.ContainsFunc(s.m.sessions[id].tids, func(tid iso8583.TID) bool { return slices.Contains(e.TIDs, tid) }) {
			s.endSession(id)
		}
	}
	s.m.sessions[e.ID] = &session{tids: slices.Clone(e.TIDs)}
	for _, uuid := range s.m.Open() {
		t := s.m.hot[uuid]
		if (t.Session != "" || t.NeedsVerdict()) && slices.Contains(e.TIDs, t.TID) && s.m.sessions[s.wait(t).Holder] == nil {
			s.run(uuid, SessionTaken, e)
		}
	}
	s.answer(e.Req, "", OK)
}

func (m *Machine) unfitSession(e *SessionBegan) Code {
	if e.ID == "" || m.sessions[e.ID] != nil || len(e.TIDs) == 0 {
		return Invalid
	}
	for i, tid := range e.TIDs {
		switch {
		case m.terminals[tid] == nil:
			return UnknownTerminal
		case slices.Contains(e.TIDs[:i], tid):
			return Invalid
		}
	}
	return ""
}

// sessionEnded starts the policy of what the application left unconfirmed.
// Ending twice is harmless.
func (s *step) sessionEnded(e SessionEnded) {
	code := UnknownSession
	if s.m.sessions[e.ID] != nil {
		s.endSession(e.ID)
		code = OK
	}
	if e.Req != 0 {
		s.answer(e.Req, "", code)
	}
}

func (s *step) endSession(id string) {
	delete(s.m.sessions, id)
	s.ready.Ended = append(s.ready.Ended, id)
	for _, uuid := range s.m.Open() {
		if s.wait(s.m.hot[uuid]).Holder == id {
			s.run(uuid, SessionLost, SessionEnded{ID: id})
		}
	}
}

// refuseSession says why a request may not come under its session, or must
// come under one.
func (m *Machine) refuseSession(term *Terminal, e *Begin) Code {
	held := m.sessions[e.Session]
	switch {
	case e.Session != "" && held == nil:
		return UnknownSession
	case e.Session != "" && !slices.Contains(held.tids, e.TID):
		return SessionUnfit
	case e.Session == "" && term.Implicit && e.Type.NeedsConfirmation():
		return SessionRequired
	case term.Implicit && e.Type.NeedsConfirmation() && (e.Partial || e.Card.ReadChip() == iso8583.ChipContact):
		return ConfirmationRequired // a card in the reader and a smaller amount need somebody's word
	}
	return ""
}

// awaitConfirmation waits for the application's word about an approval. Where
// the application is gone it need not wait for the whole time (R9).
func (s *step) awaitConfirmation(t *Transaction) {
	r, w := s.rules(t), s.wait(t)
	w.Confirm = s.now.Boot + time.Duration(r.ConfirmTimeout)
	s.armConfirmation(t)
}

func (s *step) armConfirmation(t *Transaction) {
	r, w := s.rules(t), s.wait(t)
	left := iso8583.Duration(w.Confirm - s.now.Boot)
	if w.Orphan {
		left = min(left, r.Orphan())
	}
	s.arm(t, waitConfirm, left)
}

// orphaned: the application that waits for t is gone. A pending one goes on:
// only once it is approved does anybody have to confirm it. An approved one is
// reversed when nobody comes back in time; it never gets more time than it had.
func orphaned(s *step, t *Transaction, _ Event) {
	s.wait(t).Orphan = true
	if t.State == StateApproved && !t.Stuck {
		s.armConfirmation(t)
	}
}

// adopted: another application has taken the terminal, and is told of t. It has
// what is left of the whole time. The card's word about a chip that was in the
// reader went with the application before it, so that one is undone at once.
func adopted(s *step, t *Transaction, ev Event) {
	if t.NeedsVerdict() {
		reverseFor(CauseOrphaned)(s, t, ev)
		return
	}
	w := s.wait(t)
	w.Holder, w.Orphan = ev.(SessionBegan).ID, false
	if t.State == StateApproved && !t.Stuck {
		s.armConfirmation(t)
	}
}

// commitImplicitly: the terminal's applications cannot confirm, so the approval
// is the commit point, as long as the application that asked is there to show
// it. Otherwise nobody would, and it is reversed.
func (s *step) commitImplicitly(t *Transaction) {
	if s.m.sessions[t.Session] == nil {
		s.reverse(t, CauseOrphaned)
		return
	}
	s.commit(t)
}
