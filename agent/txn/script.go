package txn

import (
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The host sent scripts for the card with its approval (71, 72), and the card
// ran them, or did not. What came of that is told to the host by a notice of its
// own (terminal-rules B1, 0620), until the host answers, whatever it answers. A
// notice moves no money and decides nothing: it holds up nothing, is nobody's to
// look after, and has no place in the state table.

// Record types of a script's notice.
const (
	TypeScriptOwed  RecordType = 61
	TypeScriptEnded RecordType = 62
)

// ScriptOwed says that the host is to be told what came of its scripts, durable
// with the commit. Each send has this identity.
type ScriptOwed struct {
	Head
	TID          iso8583.TID  `json:"tid"`
	STAN         iso8583.STAN `json:"stan"`
	Transmission string       `json:"de7"`
}

// ScriptEnded says that the host has answered, or why it is told no more.
type ScriptEnded struct {
	Head
	Code string `json:"code,omitempty"`
	Why  string `json:"why,omitempty"`
}

// Type makes each record a Record.
func (*ScriptOwed) Type() RecordType  { return TypeScriptOwed }
func (*ScriptEnded) Type() RecordType { return TypeScriptEnded }

func (r *ScriptOwed) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.STAN)
	str(c, 4, &r.Transmission)
}

func (r *ScriptEnded) fields(c *coder) { str(c, 2, &r.Code); str(c, 3, &r.Why) }

// Script is where the notice about a transaction's issuer scripts stands; zero:
// there is none.
type Script struct {
	STAN         iso8583.STAN
	Transmission string
	Ended        bool
	Code         string // DE 39 of the host's answer
}

// Owed says that the host has not answered yet.
func (n *Script) Owed() bool { return n.STAN != 0 && !n.Ended }

// addScript makes a notice known under its STAN.
func (m *Machine) addScript(r *ScriptOwed, loaded bool) {
	t := m.hot[r.UUID]
	if t == nil {
		return
	}
	was := t.Settled()
	t.Script = Script{STAN: r.STAN, Transmission: r.Transmission}
	m.claim(t.UUID, STANKey(r.TID, r.STAN), loaded)
	if was {
		m.resettle(t.UUID, false)
	}
}

// telling is the sending of one notice. It is volatile: a restart sends it anew.
type telling struct {
	Sends    int
	Deadline time.Duration
	Waiting  bool         // for the host's answer; else for the time of the next send
	Keys     iso8583.STAN // that the latest send was signed with
}

const groupScript = "script:"

// ScriptID is the UUID of the messages and timers of a transaction's notice.
func ScriptID(uuid string) string { return groupScript + uuid }

// CardOf is the UUID of the transaction whose card the message needs.
func (o *Outbound) CardOf() string { return strings.TrimPrefix(o.UUID, groupScript) }

// scriptGivenUp is why a notice ends without an answer.
const (
	scriptGivenUp = "more than script.limit are owed"
	scriptNoSTAN  = "no STAN was free"
	scriptLost    = "journal entries were lost: it may have been answered, and its STAN be another's"
)

// oweScript has the host told what came of its scripts, where it sent some, the
// card's word says, and the dialect has the message. Of too many the oldest is
// given up.
func (s *step) oweScript(t *Transaction) {
	r := s.rules(t)
	if !r.Script.Has() || t.Scripts == "" || !t.hadScripts() {
		return
	}
	stan, ok := s.m.nextSTAN(t.TID, s.now.Wall)
	if !ok {
		s.record(t.UUID, &ScriptEnded{Why: scriptNoSTAN})
		return
	}
	var owed []string
	for _, uuid := range s.m.open {
		if o := s.m.hot[uuid]; o.TID == t.TID && o.Script.Owed() {
			owed = append(owed, uuid)
		}
	}
	for _, uuid := range owed[:max(len(owed)-r.Script.Limit+1, 0)] {
		s.endScript(s.m.hot[uuid], &ScriptEnded{Why: scriptGivenUp})
	}
	s.record(t.UUID, &ScriptOwed{TID: t.TID, STAN: stan, Transmission: transmission(s.now.Wall)})
	s.sendScript(t)
}

// hadScripts says that the host's answer carried scripts for the card.
func (t *Transaction) hadScripts() bool {
	all, err := iso8583.ParseTLVHex(t.IssuerData)
	return err == nil && slices.ContainsFunc(all, func(v iso8583.TLV) bool { return v.Tag == iso8583.TagScript1 || v.Tag == iso8583.TagScript2 })
}

// sendScript sends the notice, unless it cannot be signed now: then it waits for
// its next turn, and asks for nothing.
func (s *step) sendScript(t *Transaction) {
	r, n := s.rules(t), s.m.telling[t.UUID]
	if n == nil {
		n = &telling{}
		s.m.telling[t.UUID] = n
	}
	if s.unsignable(t.TID, r) {
		s.scriptLater(t, n)
		return
	}
	n.Sends++
	n.Keys = s.m.keySTAN(t.TID)
	f := t.facts(iso8583.KindScript)
	f.STAN, f.Transmission = t.Script.STAN, t.Script.Transmission
	f.Amount.Minor, f.RRN, f.AuthCode = t.Taken(), t.RRN, t.AuthCode
	f.Original, f.ChipData = t.identity(r), t.chipTags(r.Script.Tags)
	s.ready.Messages = append(s.ready.Messages, Outbound{UUID: ScriptID(t.UUID), Route: t.Route, Attempt: n.Sends, Facts: f})
	s.armScript(t, n, true, r.SendTimeout+r.Script.AnswerTimeout)
}

// restartScript sends it anew, unless what is lost may have ended it: no key of an
// older epoch is run again (R15).
func (s *step) restartScript(t *Transaction) {
	if s.m.InDoubt(t) {
		s.endScript(t, &ScriptEnded{Why: scriptLost})
		return
	}
	s.sendScript(t)
}

// unsignable says that nothing of the terminal's can be signed now.
func (s *step) unsignable(tid iso8583.TID, r *iso8583.Rules) bool {
	return r.SignOn.Required && (s.m.keyless(tid) || s.m.changingKeys(tid))
}

func (s *step) armScript(t *Transaction, n *telling, waiting bool, d iso8583.Duration) {
	n.Waiting, n.Deadline = waiting, s.now.Boot+time.Duration(d)
	what := "the next notice of a script's result"
	if waiting {
		what = "the host's answer to the notice of a script's result"
	}
	s.ready.Timers = append(s.ready.Timers, Timer{UUID: ScriptID(t.UUID), At: n.Deadline, For: what})
}

// scriptLater ends a send that brought nothing.
func (s *step) scriptLater(t *Transaction, n *telling) {
	s.armScript(t, n, false, iso8583.Duration(s.rules(t).Script.Schedule.Wait(n.Sends+1)))
}

// scriptEvent takes what link and clock say about a notice, and says whether ev
// was.
func (s *step) scriptEvent(ev Event) bool {
	uuid, ok := strings.CutPrefix(about(ev), groupScript)
	if !ok {
		return false
	}
	t, n := s.m.hot[uuid], s.m.telling[uuid]
	if t == nil || n == nil {
		return true
	}
	switch e := ev.(type) {
	case Sent:
		if n.Waiting && e.Attempt == n.Sends {
			s.armScript(t, n, true, s.rules(t).Script.AnswerTimeout)
		}
	case Unsent:
		if n.Waiting && e.Attempt == n.Sends {
			s.scriptLater(t, n)
		}
	case InDoubt:
		if n.Waiting && e.Attempt == n.Sends {
			s.scriptLater(t, n)
		}
	case Timeout:
		switch {
		case s.now.Boot < n.Deadline:
		case n.Waiting:
			s.scriptLater(t, n)
		default:
			s.sendScript(t)
		}
	}
	return true
}

// scriptAnswer takes the host's answer. What is not proved by its MAC is none; a
// host that holds other keys is signed on to, and told again.
func (s *step) scriptAnswer(t *Transaction, e *Response) {
	r, n := s.rules(t), s.m.telling[t.UUID]
	switch {
	case e.MTI != r.MTI[iso8583.KindScript].Response() || !echoes(r, e, t, t.Script.Transmission):
		s.evidence(t, e, "it does not answer the notice of a script's result")
	case !t.Script.Owed() || n == nil: // a restart sends it anew, and that is answered too
	case s.demandsSignOn(t, e, n.Keys):
		if n.Waiting {
			s.scriptLater(t, n)
		}
	case !believed(r, e):
		s.evidence(t, e, "the answer to the notice of a script's result is not proved by its MAC")
	case slices.Contains(r.Script.Retry, e.Code):
		if n.Waiting {
			s.scriptLater(t, n)
		}
	default:
		s.endScript(t, &ScriptEnded{Code: e.Code})
	}
}

func (s *step) endScript(t *Transaction, end *ScriptEnded) {
	s.record(t.UUID, end)
	delete(s.m.telling, t.UUID)
}
