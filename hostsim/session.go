package hostsim

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// session is one connection. Messages are processed in the order in which they
// come; only what is delayed, late or pending waits elsewhere.
type session struct {
	h      *Host
	a      *address
	raw    net.Conn // the TCP connection
	c      net.Conn // raw, or TLS over it
	frames *frame.Conn
	remote string
	mu     sync.Mutex // orders answers
}

func newSession(h *Host, a *address, raw net.Conn) *session {
	c := raw
	if h.tls != nil {
		c = tls.Server(c, h.tls)
	}
	return &session{h: h, a: a, raw: raw, c: c, frames: frame.NewConn(c, h.profile.Frame), remote: c.RemoteAddr().String()}
}

// close cuts the connection. It never blocks, as a TLS farewell could.
func (s *session) close() { _ = s.raw.Close() }

// reset closes the connection with RST instead of FIN.
func (s *session) reset() {
	if t, ok := s.raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	s.close()
}

func (s *session) handshake() error {
	t, ok := s.c.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.h.ctx, handshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// serve reads until the connection ends.
func (s *session) serve() {
	for {
		body, err := s.frames.Read(time.Now().Add(time.Duration(s.h.cfg.Limits.IdleTimeout)))
		if err != nil {
			s.h.log.Debug("connection ended", zap.String("remote", s.remote), zap.Error(err))
			return
		}
		s.receive(body)
	}
}

// receive decodes one message. What is no request is logged and not answered.
func (s *session) receive(body []byte) {
	m, err := s.h.profile.Unpack(body)
	if err != nil {
		s.h.log.Warn("malformed message", zap.String("remote", s.remote), zap.Error(err))
		s.note("in", nil, "", "", err.Error())
		return
	}
	x := &exchange{s: s, raw: m, body: body, f: &Fault{}}
	if s.h.unionpay {
		m = fromUnionPay(m)
	}
	x.m, x.kind = m, kindOf(m)
	if m.MTI.IsResponse() {
		x.note("in", m, "ignored: not a request")
		return
	}
	if f := s.h.faults.pick(subjectOf(m, x.kind, s.a.index)); f != nil {
		x.f = f
		s.h.log.Info("fault strikes", zap.String("action", string(f.Action)), zap.Stringer("message", m))
	}
	x.note("in", x.raw, "")
	x.arrive()
}

// write sends raw bytes before the write deadline; an overrun closes the
// connection.
func (s *session) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.c.SetWriteDeadline(time.Now().Add(time.Duration(s.h.cfg.Limits.WriteTimeout))); err != nil {
		return err
	}
	_, err := s.c.Write(b)
	if err != nil {
		s.close()
	}
	return err
}

func (s *session) note(direction string, m *iso8583.Message, kind iso8583.Kind, fault Action, note string) {
	s.h.traffic.add(MessageView{
		At: s.h.now(), Direction: direction, Address: s.a.index, Remote: s.remote, Kind: kind, Fault: fault, Note: note,
	}, m)
}

// exchange is one request with its answer and the fault that strikes it.
type exchange struct {
	s    *session
	m    *iso8583.Message // in the words of table B2
	kind iso8583.Kind
	f    *Fault // never nil; without an action it does nothing

	raw      *iso8583.Message // as it came
	body     []byte           // its bytes, which its MAC covers
	unsigned bool             // the answer cannot have a MAC
}

func (x *exchange) note(direction string, m *iso8583.Message, note string) {
	x.s.note(direction, m, x.kind, x.f.Action, note)
}

// arrive lets the faults strike that come before processing.
func (x *exchange) arrive() {
	h := x.s.h
	switch x.f.Action {
	case DropRequest:
	case DelayRequest:
		x.delay()
	case ActCode, RefuseReversal:
		x.send(replyTo(x.m, Verdict{Code: x.f.Code}), "not processed")
	case Stall:
		if h.sleep(time.Duration(x.f.After)) {
			x.process()
		}
	case Close, Reset, Restart:
		if x.f.When == Before {
			x.strike()
			return
		}
		x.process()
	default:
		x.process()
	}
}

// process decides the request; the decision is durable when it returns.
func (x *exchange) process() {
	if k := x.s.h.keys; k != nil {
		if code, note := k.refuse(x.raw, x.body); code != "" {
			x.unsigned = true
			x.send(replyTo(x.m, Verdict{Code: code}), note)
			return
		}
	}
	switch {
	case iso8583.Type(x.kind).Valid():
		x.request()
	case x.kind == iso8583.KindReversal || x.kind == iso8583.KindReversalRepeat:
		x.reversal()
	case x.kind == iso8583.KindInquiry:
		x.inquiry()
	case settleKind(x.m) != "":
		x.settle()
	case x.kind == iso8583.KindScript:
		x.script()
	case x.kind == iso8583.KindSignOff:
		x.s.h.keys.signOff(x.raw)
		x.answer(Verdict{Code: CodeApproved})
	case x.kind == iso8583.KindSignOn || x.kind == iso8583.KindEcho:
		x.answer(Verdict{Code: CodeApproved})
	default:
		x.answer(Verdict{Code: CodeUnsupported, Note: "this host has no such request"})
	}
}

func (x *exchange) request() {
	r, err := requestOf(x.m)
	if err != nil {
		x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
		return
	}
	switch x.f.Action {
	case Decline:
		r.Decline = x.f.Code
	case Partial:
		r.Approve = x.f.approve(r.Amount.Minor)
	}
	h := x.s.h
	v := x.decide(func(l *Ledger, p Policy) Verdict { return l.Authorise(h.now(), r, p) })
	if !v.Pending {
		x.answer(v)
		return
	}
	ok := h.later(time.Duration(h.cfg.ProcessingDelay), func() {
		x.answer(x.decide(func(l *Ledger, p Policy) Verdict { return l.Complete(h.now(), r, p) }))
	})
	if !ok {
		x.note("out", nil, "not answered: too many messages are delayed")
	}
}

func (x *exchange) reversal() {
	r, err := reversalOf(x.m)
	if err != nil {
		x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
		return
	}
	if x.f.Action == Decline {
		x.answer(Verdict{Code: x.f.Code, Note: "not processed"})
		return
	}
	x.answer(x.decide(func(l *Ledger, p Policy) Verdict { return l.Reverse(x.s.h.now(), r, p) }))
	for _, held := range x.s.h.held.take(heldKey{x.s.a.book, r.Key}) {
		held.resume(time.Duration(held.f.After))
	}
}

// decide asks the ledger; what it cannot make durable is answered 96 and did
// not happen.
func (x *exchange) decide(f func(*Ledger, Policy) Verdict) Verdict {
	v, err := x.s.a.book.do(f)
	if err != nil {
		x.s.h.log.Error("the ledger cannot be written; answering 96 until a restart finds it whole", zap.Error(err))
		v.Note = "the ledger cannot be written"
	}
	return v
}

// answer lets the faults strike that come after processing.
func (x *exchange) answer(v Verdict) {
	m := replyTo(x.m, v)
	if k := x.s.h.keys; k != nil && x.kind == iso8583.KindSignOn {
		if err := k.signOn(x.raw, m); err != nil {
			m.Set(39, CodeUnsupported)
			v.Note = err.Error()
		}
	}
	switch x.f.Action {
	case Silent, DropResponse:
		x.note("out", m, "not sent: "+string(x.f.Action))
	case Late:
		if !x.s.h.later(time.Duration(x.f.After), func() { x.send(m, v.Note) }) {
			x.note("out", m, "not sent: too many messages are delayed")
		}
	case Close, Reset, Restart:
		x.note("out", m, "not sent: "+string(x.f.Action))
		x.strike()
	default:
		x.send(m, v.Note)
	}
}

// send writes the answer, distorted where the fault says so. It is logged
// first, so that who has the answer finds it in the log. An answer that cannot
// be delivered is lost; the ledger stands.
func (x *exchange) send(m *iso8583.Message, note string) {
	x.f.distort(m)
	c, m := x.dialect(m)
	x.note("out", m, note)
	b, closes, err := x.f.encode(c, m)
	if err == nil {
		err = x.s.write(b)
	}
	switch {
	case errors.Is(err, net.ErrClosed):
		x.note("out", nil, "that was not sent: the connection is closed")
	case err != nil:
		x.note("out", nil, "that was not sent: "+err.Error())
	}
	if closes {
		x.s.close()
	}
}

// dialect gives the answer the form that the terminal understands, and says
// with which keys it is packed.
func (x *exchange) dialect(m *iso8583.Message) (*profile.Codec, *iso8583.Message) {
	h := x.s.h
	if h.unionpay {
		m = h.toUnionPay(m, x.raw, x.m)
	} else {
		m.Set(48, "") // the flags are another dialect's
	}
	if h.keys == nil {
		return h.profile.With(nil), m
	}
	if h.keys.required[firstMTI(x.raw.MTI)] && !x.unsigned {
		m.MAC = iso8583.MACWanted
	}
	return h.keys.codec(x.raw), m
}

// strike ends the connection or the host.
func (x *exchange) strike() {
	switch x.f.Action {
	case Close:
		_ = x.s.c.Close()
	case Reset:
		x.s.reset()
	case Restart:
		if err := x.s.h.Restart(x.f.Forget, time.Duration(x.f.After)); err != nil {
			x.s.h.log.Error("restart", zap.Error(err))
		}
	}
}
