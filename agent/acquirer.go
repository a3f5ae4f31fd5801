package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"regexp"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/link"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// AcquirerOptions is one acquirer: its dialect and its addresses, in the order
// in which they are tried.
type AcquirerOptions struct {
	Name    string
	Profile *profile.Profile
	Hosts   []string
	TLS     *tls.Config // nil: plain TCP

	// Dial replaces the TCP dialler, for tests and for platforms with another
	// way out; nil: TCP. TLS is laid over what it returns. It must respect ctx.
	Dial func(ctx context.Context, route int, addr string) (net.Conn, error)
}

// acquirer joins a dialect to a link. Its methods are called by the loop; its
// handler methods by the link.
type acquirer struct {
	agent   *Agent
	opts    AcquirerOptions
	profile *profile.Profile
	link    *link.Link
	log     *zap.Logger
	signers map[iso8583.TID]mac.Signer // in a dialect with MACs

	mu       sync.Mutex
	status   []client.Host
	managing managing
	trace    uint32 // STAN of echo and sign-on, which belong to no transaction
}

// Bounds of a link.
const (
	dialTimeout = 10 * time.Second
	sendQueue   = 256
)

func newAcquirer(a *Agent, o AcquirerOptions) (*acquirer, error) {
	acq := &acquirer{agent: a, opts: o, profile: o.Profile, log: a.log.With(zap.String("acquirer", o.Name)), signers: map[iso8583.TID]mac.Signer{}}
	acq.managing.waiting, acq.managing.latest = map[string][]chan managed{}, map[iso8583.TID]client.SignOn{}
	for i, h := range o.Hosts {
		acq.status = append(acq.status, client.Host{Acquirer: o.Name, Route: i, Address: h})
	}
	if o.TLS != nil { // a dead clock must not make every certificate one of the future
		o.TLS = o.TLS.Clone()
		o.TLS.Time = func() time.Time { return time.UnixMilli(a.clock().Wall) }
	}
	r := &o.Profile.Rules
	cfg := link.Config{
		Addresses: o.Hosts, TLS: o.TLS, Dial: o.Dial, Format: o.Profile.Frame, Persistent: o.Profile.Link.Persistent,
		EchoEvery:   time.Duration(o.Profile.Link.EchoEvery),
		DialTimeout: min(dialTimeout, time.Duration(r.SendTimeout)), WriteTimeout: time.Duration(r.SendTimeout),
		QueueTimeout: time.Duration(r.SendTimeout), ResponseTimeout: time.Duration(r.ResponseTimeout), QueueLimit: sendQueue,
	}
	if o.Profile.Link.EchoEvery > 0 {
		cfg.Echo = func() []byte { return acq.mustNetwork(iso8583.KindEcho) }
	}
	if o.Profile.Link.SignOn == profile.SignOnOnConnect {
		cfg.SignOn = func() []byte { return acq.mustNetwork(iso8583.KindSignOn) }
	}
	for kind, used := range map[iso8583.Kind]bool{iso8583.KindEcho: cfg.Echo != nil, iso8583.KindSignOn: cfg.SignOn != nil} {
		if _, err := acq.network(kind); used && err != nil {
			return nil, err
		}
	}
	acq.link = link.New(cfg, acq)
	return acq, nil
}

// addresses names each route for the journal: acquirer and host:port.
func (q *acquirer) addresses() []string {
	var out []string
	for _, h := range q.opts.Hosts {
		out = append(out, q.opts.Name+" "+h)
	}
	return out
}

// token travels with a message through the link.
type token struct {
	uuid    string
	attempt int
	inquiry int
	card    *iso8583.Card
}

// send composes and queues a message that was decided some time ago. An error
// means that it has certainly not left.
func (q *acquirer) send(o txn.Outbound, ago time.Duration) error {
	m, err := q.profile.Compose(o.Facts)
	if err != nil {
		return err
	}
	body, err := q.pack(o.Facts.TID, m)
	if err != nil {
		return err
	}
	t := token{uuid: o.UUID, attempt: o.Attempt, inquiry: o.Inquiry}
	if o.Request() {
		t.card = o.Facts.Card
	}
	q.log.Info("to host", zap.String("transaction", o.UUID), zap.Int("route", o.Route), zap.Stringer("message", m))
	q.link.Send(o.Route, t, body, time.Now().Add(time.Duration(q.profile.Rules.SendTimeout)-ago))
	return nil
}

// nextTrace is a STAN for what belongs to no transaction.
func (q *acquirer) nextTrace() iso8583.STAN {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trace = q.trace%uint32(iso8583.LastSTAN) + 1
	return iso8583.STAN(q.trace)
}

// mustNetwork is network for a kind that newAcquirer has tried already.
func (q *acquirer) mustNetwork(k iso8583.Kind) []byte {
	body, err := q.network(k)
	if err != nil { // only the numbers have changed since
		panic(err)
	}
	return body
}

// network composes an echo or a sign-on.
func (q *acquirer) network(k iso8583.Kind) ([]byte, error) {
	stan := q.nextTrace()
	wall := time.UnixMilli(q.agent.clock().Wall).UTC()
	m, err := q.profile.Compose(iso8583.Facts{Kind: k, STAN: stan, Transmission: wall.Format("0102150405")})
	if err != nil {
		return nil, err
	}
	return q.profile.Pack(m)
}

// Result tells the core what became of a message.
func (q *acquirer) Result(r link.Result) {
	if s, ok := r.Token.(managingToken); ok {
		q.manageResult(s, r)
		return
	}
	t, ok := r.Token.(token)
	if !ok {
		return
	}
	switch {
	case r.Sent:
		q.agent.post(txn.Sent{UUID: t.uuid, Route: r.Route, Attempt: t.attempt, Inquiry: t.inquiry})
	case r.Unsent:
		q.log.Warn("certainly not sent", zap.String("transaction", t.uuid), zap.Int("route", r.Route), zap.Error(r.Err))
		q.agent.post(txn.Unsent{UUID: t.uuid, Route: r.Route, Attempt: t.attempt, Inquiry: t.inquiry, Card: t.card})
	default:
		q.log.Warn("in doubt whether sent", zap.String("transaction", t.uuid), zap.Int("route", r.Route), zap.Error(r.Err))
		q.agent.post(txn.InDoubt{UUID: t.uuid, Route: r.Route, Attempt: t.attempt, Inquiry: t.inquiry})
	}
}

// Frame gives the core what the host said. A frame that does not parse, has
// trailing bytes or does not re-encode to itself is evidence only.
func (q *acquirer) Frame(route int, body []byte) {
	m, err := q.unpack(body)
	if err != nil {
		q.log.Warn("frame is no message", zap.Int("route", route), zap.Int("bytes", len(body)), zap.Error(err))
		q.agent.post(txn.Garbage{Route: route, Text: fmt.Sprintf("%d bytes: %v", len(body), err)})
		return
	}
	text := quote(m)
	q.log.Info("from host", zap.Int("route", route), zap.String("message", text))
	if r := &q.profile.Rules; r.SignOn.Required && m.MTI == r.MTI[iso8583.KindSignOn].Response() {
		q.signOnAnswer(route, m, text)
		return
	}
	if m.MTI.Class() == '8' { // network management: mostly, that it came is all there is to it
		if m.MTI.IsResponse() {
			q.manageEnded(manageName(m), managed{code: m.Get(39)})
		}
		return
	}
	if !m.MTI.IsResponse() {
		q.agent.post(txn.Garbage{Route: route, Text: "no answer: " + text})
		return
	}
	stan, err := iso8583.ParseSTAN(m.Get(11))
	if err != nil {
		q.agent.post(txn.Garbage{Route: route, Text: "without a STAN: " + text})
		return
	}
	tid := iso8583.TID(trimRight(m.Get(41)))
	chip, bad := q.issuerData(m, tid, stan)
	q.agent.post(txn.Response{
		Route: route, MTI: m.MTI, TID: tid, STAN: stan, Code: m.Get(39), Verdicts: q.profile.Verdicts(m), ChipData: chip, BadChip: bad,
		Amount: m.Get(4), Currency: m.Get(49), Transmission: m.Get(7), LocalTime: m.Get(12), LocalDate: m.Get(13),
		Balance: m.Get(54), Original: m.Get(90), MID: trimRight(m.Get(42)), RRN: iso8583.RRN(m.Get(37)), AuthCode: trimRight(m.Get(38)), Text: text, MAC: m.MAC,
	})
}

var digitRun = regexp.MustCompile(`[0-9]{13,}`)

// quote prints what the host sent, masked: the elements that hold card data,
// and whatever else looks like a card number, since a host can put one anywhere.
func quote(m *iso8583.Message) string {
	return digitRun.ReplaceAllStringFunc(m.String(), func(run string) string {
		if len(run) > 19 || !iso8583.Luhn(run) {
			return run
		}
		return iso8583.MaskDigits(run)
	})
}

// trimRight takes the wire's padding off an ans field.
func trimRight(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// Status remembers which addresses are up.
func (q *acquirer) Status(route int, up bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.status[route]
	s.Up, s.Error = up, ""
	if err != nil {
		s.Error = err.Error()
	}
	q.log.Info("host", zap.Int("route", route), zap.String("address", s.Address), zap.Bool("up", up), zap.Error(err))
}

// preferred is the address to try first: the first that is up.
func (q *acquirer) preferred() int {
	for i := range q.opts.Hosts {
		if q.link.Up(i) {
			return i
		}
	}
	return 0
}

func (q *acquirer) hosts() []client.Host {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]client.Host(nil), q.status...)
}
