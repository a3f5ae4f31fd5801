package txn

import "github.com/counterfoil-pos/counterfoil/iso8583"

// Sign-off ends a terminal's keys, at the end of a day or before it is taken
// away. It is durable before the host hears of it, and the host is told once: if
// that is lost, the keys that the host holds are of no use to anybody, and the
// next sign-on replaces them. A terminal that was signed off stays so until
// somebody signs it on, unless money needs it: a reversal that comes up later.

// SignOff asks for a sign-off.
type SignOff struct {
	Req uint64
	TID iso8583.TID
}

func (SignOff) event() {}

// TerminalBusy refuses a sign-off.
const TerminalBusy Code = "terminal_busy" // something of the terminal is open, and needs its keys

// TypeSignedOff is the record of it.
const TypeSignedOff RecordType = 93

// SignedOff says that the terminal has no keys any more, and that a sign-off with
// this STAN may leave.
type SignedOff struct {
	Head
	TID  iso8583.TID  `json:"tid"`
	STAN iso8583.STAN `json:"stan"`
}

// Type makes it a Record.
func (*SignedOff) Type() RecordType { return TypeSignedOff }

func (r *SignedOff) fields(c *coder) { str(c, 2, &r.TID); num(c, 3, &r.STAN) }

// SignedOff is the terminal's sign-off, where it was not signed on since, else nil.
func (m *Machine) SignedOff(tid iso8583.TID) *SignedOff {
	if k := m.keys[tid]; k != nil {
		return k.off
	}
	return nil
}

func (s *step) signOff(e SignOff) {
	term := s.m.terminals[e.TID]
	code := OK
	switch {
	case term == nil:
		code = UnknownTerminal
	case !term.Rules.SignOn.Required || term.Rules.MTI[iso8583.KindSignOff] == "":
		code = Unsupported
	case s.m.SignedOff(e.TID) != nil: // already so
	case s.signingOn(e.TID):
		code = SigningOn
	case s.open(e.TID):
		code = TerminalBusy
	default:
		code = s.endKeys(term)
	}
	s.answer(e.Req, "", code)
}

// signingOn says that a sign-on is under way.
func (s *step) signingOn(tid iso8583.TID) bool {
	g := s.m.signing[tid]
	return g != nil && g.STAN != 0
}

// open says that something of the terminal has not ended.
func (s *step) open(tid iso8583.TID) bool {
	for _, uuid := range s.m.open {
		if t := s.m.hot[uuid]; t.TID == tid && t.State.Open() {
			return true
		}
	}
	return false
}

func (s *step) endKeys(term *Terminal) Code {
	stan, ok := s.m.nextSTAN(term.TID, s.now.Wall)
	if !ok {
		return STANExhausted
	}
	s.record(groupTerminal+string(term.TID), &SignedOff{TID: term.TID, STAN: stan})
	if g := s.m.signing[term.TID]; g != nil {
		g.Need = false
	}
	s.ready.Keys = append(s.ready.Keys, KeyLoad{TID: term.TID})
	s.ready.Messages = append(s.ready.Messages, Outbound{
		UUID: "sign-off:" + string(term.TID),
		Facts: iso8583.Facts{
			Kind: iso8583.KindSignOff, TID: term.TID, MID: term.MID, STAN: stan, Transmission: transmission(s.now.Wall), Batch: s.m.Batch(term.TID),
		},
	})
	return OK
}
