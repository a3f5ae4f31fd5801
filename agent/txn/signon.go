package txn

import (
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Sign-on, for a dialect whose messages are signed (terminal-rules B1; A, "A0").
// Somebody asks for it, or a need does: a terminal without keys, or a host that
// takes its MACs for wrong. While one is under way nothing is sent that it would
// sign, since nobody knows which keys the host holds; what is owed waits, and
// goes out anew, with a new MAC, when it is over (C.18).

// SignOn asks for a sign-on. With Req 0 nobody waits for its end.
type SignOn struct {
	Req uint64
	TID iso8583.TID
}

// Keyless says that a terminal's Signer has no keys, or cannot use those that
// the journal holds.
type Keyless struct{ TID iso8583.TID }

// SignOnAnswer is the host's answer to a sign-on.
type SignOnAnswer struct {
	Route int
	TID   iso8583.TID
	STAN  iso8583.STAN
	Code  string
	Keys  WrappedKeys
	Fault string // why the Signer cannot use Keys; "" it has proved them
	Batch string // DE 60

	LocalTime, LocalDate string // DE 12, 13
	Text                 string // the message, masked
}

func (SignOn) event()       {}
func (Keyless) event()      {}
func (SignOnAnswer) event() {}

// Codes of a sign-on.
const (
	SignOnRequired Code = "sign_on_required" // the terminal has no working keys, or the host holds others
	SigningOn      Code = "signing_on"       // a sign-on is under way
)

// SignOnID is the UUID of the messages and timers of a terminal's sign-on.
func SignOnID(tid iso8583.TID) string { return groupSignOn + string(tid) }

const groupSignOn = "sign-on:"

// signing is a terminal's sign-on under way, or the need for one. It is
// volatile: after a restart the need shows again.
type signing struct {
	STAN     iso8583.STAN // of the message; 0: none is under way
	Deadline time.Duration
	Tries    int // since the need arose
	Route    int
	Shift    int // addresses that could not be reached
	Need     bool
	Unusable bool // the Signer has no keys, whatever the journal holds
	Asked    []uint64
}

// askedLimit bounds who waits for one sign-on.
const askedLimit = 64

// Why a sign-on failed, where the host did not say.
const (
	signOnUnsent  = "it could not be sent"
	signOnDoubt   = "the connection failed while it was being sent"
	signOnSilence = "the host did not answer in time"
	signOnRefused = "the host refused it"
	signOnNoKeys  = "the host's answer has no working keys"
	signOnNoSTAN  = "no STAN is free"
)

// signOnEvent takes what is about a sign-on, and says whether ev was.
func (s *step) signOnEvent(ev Event) bool {
	switch e := ev.(type) {
	case SignOn:
		s.askSignOn(e)
	case Keyless:
		s.sign(e.TID).Unusable = true
		if s.m.SignedOff(e.TID) == nil {
			s.needSignOn(e.TID)
		}
	case SignOff:
		s.signOff(e)
	case SignOnAnswer:
		s.signOnAnswer(e)
	case Sent:
		return s.signOnReport(e.UUID, "")
	case Unsent:
		return s.signOnReport(e.UUID, signOnUnsent)
	case InDoubt:
		return s.signOnReport(e.UUID, signOnDoubt)
	case Timeout:
		return s.signOnTimeUp(e.UUID)
	default:
		return false
	}
	return true
}

func (s *step) sign(tid iso8583.TID) *signing {
	g := s.m.signing[tid]
	if g == nil {
		g = &signing{}
		s.m.signing[tid] = g
	}
	return g
}

func (s *step) askSignOn(e SignOn) {
	term, g := s.m.terminals[e.TID], s.m.signing[e.TID]
	switch {
	case term == nil:
		s.answer(e.Req, "", UnknownTerminal)
	case !term.Rules.SignOn.Required:
		s.answer(e.Req, "", Unsupported)
	case g != nil && len(g.Asked) >= askedLimit:
		s.answer(e.Req, "", SigningOn)
	default:
		g = s.sign(e.TID)
		if e.Req != 0 {
			g.Asked = append(g.Asked[:len(g.Asked):len(g.Asked)], e.Req)
		}
		s.sendSignOn(term, g)
	}
}

// needSignOn has the terminal sign on by itself, again and again until it is.
func (s *step) needSignOn(tid iso8583.TID) {
	term, g := s.m.terminals[tid], s.sign(tid)
	if term == nil || !term.Rules.SignOn.Required || g.Need {
		return
	}
	g.Need, g.Tries = true, 0
	s.sendSignOn(term, g)
}

// sendSignOn sends one, unless one is under way.
func (s *step) sendSignOn(term *Terminal, g *signing) {
	if g.STAN != 0 {
		return
	}
	g.Tries++
	stan, ok := s.m.nextSTAN(term.TID, s.now.Wall)
	if !ok {
		s.signOnFailed(term, g, "", signOnNoSTAN)
		return
	}
	route := g.Shift % max(term.Routes, 1)
	s.record(groupTerminal+string(term.TID), &SignOnSent{TID: term.TID, STAN: stan, Route: route, Address: term.address(route)})
	g.STAN, g.Route = stan, route
	s.ready.Messages = append(s.ready.Messages, Outbound{
		UUID: SignOnID(term.TID), Route: route,
		Facts: iso8583.Facts{
			Kind: iso8583.KindSignOn, TID: term.TID, MID: term.MID, STAN: stan, Transmission: transmission(s.now.Wall),
			Batch: s.m.Batch(term.TID), Operator: term.Rules.SignOn.Operator,
		},
	})
	s.armSignOn(term.TID, g, term.Rules.SendTimeout+term.Rules.SignOn.AnswerTimeout, "the host's answer to the sign-on")
}

func (s *step) armSignOn(tid iso8583.TID, g *signing, d iso8583.Duration, what string) {
	g.Deadline = s.now.Boot + time.Duration(d)
	s.ready.Timers = append(s.ready.Timers, Timer{UUID: SignOnID(tid), At: g.Deadline, For: what})
}

// signingOf finds the terminal whose sign-on goes by this name.
func (s *step) signingOf(uuid string) (*Terminal, *signing) {
	tid, ok := strings.CutPrefix(uuid, groupSignOn)
	if !ok {
		return nil, nil
	}
	return s.m.terminals[iso8583.TID(tid)], s.m.signing[iso8583.TID(tid)]
}

// signOnReport is the link's word about a sign-on: why it failed, or "" where it
// has left.
func (s *step) signOnReport(uuid, why string) bool {
	if !strings.HasPrefix(uuid, groupSignOn) {
		return false
	}
	term, g := s.signingOf(uuid)
	switch {
	case term == nil || g == nil || g.STAN == 0:
	case why == "":
		s.armSignOn(term.TID, g, term.Rules.SignOn.AnswerTimeout, "the host's answer to the sign-on")
	default:
		if why == signOnUnsent {
			g.Shift++
		}
		s.signOnFailed(term, g, "", why)
	}
	return true
}

func (s *step) signOnTimeUp(uuid string) bool {
	if !strings.HasPrefix(uuid, groupSignOn) {
		return false
	}
	term, g := s.signingOf(uuid)
	switch {
	case term == nil || g == nil || s.now.Boot < g.Deadline:
	case g.STAN != 0:
		s.signOnFailed(term, g, "", signOnSilence)
	case g.Need:
		s.sendSignOn(term, g)
	}
	return true
}

// signOnAnswer takes the keys where the host gave them and they prove right.
// Whatever else it says leaves the present ones in force.
func (s *step) signOnAnswer(e SignOnAnswer) {
	term, g := s.m.terminals[e.TID], s.m.signing[e.TID]
	if term == nil || g == nil || g.STAN == 0 || g.STAN != e.STAN {
		s.stray(e.Route, "no sign-on with this terminal and STAN waits for an answer", e.Text)
		return
	}
	switch {
	case term.Rules.Response.Classify(e.Code) != iso8583.Approved:
		s.signOnFailed(term, g, e.Code, signOnRefused)
		return
	case e.Keys == "":
		s.signOnFailed(term, g, e.Code, signOnNoKeys)
		return
	case e.Fault != "":
		s.signOnFailed(term, g, e.Code, e.Fault)
		return
	}
	s.record(groupTerminal+string(term.TID), &SignedOn{
		TID: term.TID, STAN: e.STAN, Code: e.Code, Keys: e.Keys, Batch: e.Batch, Route: e.Route, Address: term.address(e.Route),
		Host: s.hearTime(term, &e),
	})
	s.batchAnnounced(BatchAnnounced{TID: term.TID, Number: e.Batch})
	s.ready.Keys = append(s.ready.Keys, KeyLoad{TID: term.TID, Keys: e.Keys})
	g.Need, g.Unusable, g.Tries = false, false, 0
	s.signOnOver(term, g)
}

// signOnFailed ends a try that brought nothing. Where there is a need, another
// follows; what waits for keys that do not come is a person's too.
func (s *step) signOnFailed(term *Terminal, g *signing, code, why string) {
	s.record(groupTerminal+string(term.TID), &SignOnFailed{
		TID: term.TID, STAN: g.STAN, Code: code, Why: why, Route: g.Route, Address: term.address(g.Route),
	})
	if g.Need {
		s.armSignOn(term.TID, g, iso8583.Duration(term.Rules.SignOn.Schedule.Wait(g.Tries+1)), "the next sign-on")
	}
	s.signOnOver(term, g)
}

// signOnOver answers whoever asked, and lets go on what was held up.
func (s *step) signOnOver(term *Terminal, g *signing) {
	for _, req := range g.Asked {
		s.answer(req, "", OK)
	}
	g.STAN, g.Asked = 0, nil
	for _, uuid := range s.m.Open() {
		t := s.m.hot[uuid]
		if t.TID != term.TID || s.wait(t).For != waitKeys {
			continue
		}
		switch {
		case !g.Need:
			s.retryLater(t)
		case g.Tries >= s.rules(t).Reversal.EscalateAfter:
			s.escalate(t, CauseNoKeys)
		}
	}
}

// withhold says that t's reversal cannot be signed now: it waits for the end of
// a sign-on.
func (s *step) withhold(t *Transaction) bool {
	r := s.rules(t)
	if !r.SignOn.Required {
		return false
	}
	if s.m.keyless(t.TID) {
		s.needSignOn(t.TID)
	}
	if !s.m.changingKeys(t.TID) {
		return false
	}
	s.wait(t).For = waitKeys // until signOnOver
	return true
}

// changingKeys says that a sign-on of the terminal is under way, or needed.
func (m *Machine) changingKeys(tid iso8583.TID) bool {
	g := m.signing[tid]
	return g != nil && (g.Need || g.STAN != 0)
}

// refuseKeyless says why a new transaction of the terminal could not be signed
// now, or "". A terminal without keys signs on.
func (s *step) refuseKeyless(term *Terminal) Code {
	if !term.Rules.SignOn.Required {
		return ""
	}
	off := s.m.SignedOff(term.TID) != nil
	if s.m.keyless(term.TID) && !off {
		s.needSignOn(term.TID)
	}
	g := s.m.signing[term.TID]
	switch {
	case off && (g == nil || g.STAN == 0):
		return SignOnRequired
	case g == nil:
		return ""
	case g.STAN != 0:
		return SigningOn
	case g.Need:
		return SignOnRequired
	}
	return ""
}

// demandsSignOn says that an answer about t asks for a sign-on. Where the keys
// have changed since the message that it answers was signed with those, it is
// about the old ones, and asks for nothing any more.
func (s *step) demandsSignOn(t *Transaction, e *Response, keys iso8583.STAN) bool {
	r := s.rules(t)
	if !r.SignOn.Required || !r.SignOn.Demands(e.Code) {
		return false
	}
	if s.m.keySTAN(t.TID) == keys {
		s.needSignOn(t.TID)
	}
	return true
}
