package agent_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/frame"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

// memHost is an acquirer over net.Pipe, for fake time: the simulated
// acquirer's ledger without its sockets. Close it inside the bubble.
type memHost struct {
	profile *profile.Profile
	policy  hostsim.Policy
	// mishap says what befalls a message, the n-th of its kind; nil: nothing.
	mishap func(m *iso8583.Message, n int) mishap

	wg     sync.WaitGroup
	mu     sync.Mutex
	ledger *hostsim.Ledger
	net    map[hostsim.Key]int64
	debits map[hostsim.Key]int
	kinds  map[iso8583.MTI]int
	seen   []*iso8583.Message
	conns  map[net.Conn]bool
	newest net.Conn
	down   bool
	spent  time.Duration // in the host, on the real clock: for benchmarks
}

// mishap is what befalls one message and its answer.
type mishap struct {
	stall       time.Duration // the host reads nothing for so long, then goes on
	drop        bool          // never arrives
	delay       time.Duration // arrives so much later
	mute        bool          // no answer
	late        time.Duration // the answer comes so much later
	cut         bool          // half an answer, then the end
	hangUp      bool          // the end instead of an answer
	twice       bool
	raw         string // this frame instead of the answer
	change      func(m *iso8583.Message)
	unprocessed string // answered so without being processed
}

func newMemHost(p *profile.Profile) *memHost {
	return &memHost{
		profile: p, ledger: hostsim.NewLedger(), net: map[hostsim.Key]int64{}, debits: map[hostsim.Key]int{},
		kinds: map[iso8583.MTI]int{}, conns: map[net.Conn]bool{},
		policy: hostsim.Policy{UnknownOriginal: "25", AlreadyReversed: "00", Refused: "21"},
	}
}

var errRefused = errors.New("connection refused")

// dial is AcquirerOptions.Dial.
func (h *memHost) dial(context.Context, int, string) (net.Conn, error) {
	near, far := net.Pipe()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return nil, errRefused
	}
	h.conns[far], h.newest = true, far
	h.wg.Go(func() {
		h.serve(far)
		_ = far.Close()
		h.mu.Lock()
		delete(h.conns, far)
		h.mu.Unlock()
	})
	return near, nil
}

// refuse takes no connection any more, or takes them again.
func (h *memHost) refuse(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
	if down {
		for c := range h.conns {
			_ = c.Close()
		}
	}
}

func (h *memHost) close() {
	h.refuse(true)
	h.wg.Wait()
}

func (h *memHost) serve(c net.Conn) {
	f := frame.NewConn(c, h.profile.Frame)
	for {
		body, err := f.Read(time.Now().Add(24 * time.Hour))
		if err != nil {
			return
		}
		start := time.Now()
		m, err := h.profile.Unpack(body)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.kinds[m.MTI]++
		n := h.kinds[m.MTI]
		h.seen = append(h.seen, m)
		h.mu.Unlock()
		var x mishap
		if h.mishap != nil {
			x = h.mishap(m, n)
		}
		time.Sleep(x.stall)
		if x.hangUp && x.drop {
			return
		}
		if !h.receive(c, f, m, x, start) {
			return
		}
	}
}

// receive handles one message; false ends the connection.
func (h *memHost) receive(c net.Conn, f *frame.Conn, m *iso8583.Message, x mishap, start time.Time) bool {
	switch {
	case x.drop:
		return true
	case x.delay > 0:
		h.wg.Go(func() {
			time.Sleep(x.delay)
			h.send(c, f, h.process(m, x), x)
		})
		return true
	}
	answer := h.process(m, x)
	if x.hangUp {
		return false
	}
	h.mu.Lock()
	h.spent += time.Since(start)
	h.mu.Unlock()
	if x.late > 0 {
		h.wg.Go(func() {
			time.Sleep(x.late)
			h.send(c, f, answer, x)
		})
		return true
	}
	return h.send(c, f, answer, x)
}

// process decides as the simulated acquirer does.
func (h *memHost) process(m *iso8583.Message, x mishap) *iso8583.Message {
	a := iso8583.NewMessage(m.MTI.Response())
	for _, de := range []int{3, 4, 7, 11, 12, 13, 41, 42, 49, 70} {
		a.Set(de, m.Get(de))
	}
	if x.unprocessed != "" {
		a.Set(39, x.unprocessed)
		return a
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	v := hostsim.Verdict{Code: "00"}
	minor, _ := iso8583.ParseDE4(m.Get(4))
	currency, _ := iso8583.ParseCurrency(m.Get(49))
	amount := iso8583.Amount{Minor: minor, Currency: currency}
	switch m.MTI.Class() {
	case '2':
		v = h.ledger.Authorise(time.Now(), hostsim.Request{Key: key(m, "0200", m.Get(11), m.Get(7)), Amount: amount, PAN: m.Masked(2)}, h.policy)
	case '4':
		o := m.Get(90)
		v = h.ledger.Reverse(time.Now(), hostsim.Reversal{Key: key(m, o[:4], o[4:10], o[10:20]), Amount: amount, PAN: m.Masked(2)}, h.policy)
	}
	for _, ev := range v.Events {
		if err := h.ledger.Apply(ev); err != nil {
			panic(err)
		}
		switch ev.Type {
		case hostsim.EventDebit:
			h.net[ev.Key] += ev.Amount
			h.debits[ev.Key]++
		case hostsim.EventUndebit:
			h.net[ev.Key] -= ev.Amount
		}
	}
	a.Set(37, string(v.RRN))
	a.Set(38, v.AuthCode)
	a.Set(39, v.Code)
	return a
}

func key(m *iso8583.Message, mti, stan, de7 string) hostsim.Key {
	s, err := iso8583.ParseSTAN(stan)
	if err != nil {
		panic(err)
	}
	return hostsim.Key{MTI: iso8583.MTI(mti), TID: iso8583.TID(strings.TrimSpace(m.Get(41))), STAN: s, Transmission: de7}
}

func (h *memHost) send(c net.Conn, f *frame.Conn, a *iso8583.Message, x mishap) bool {
	if x.mute {
		return true
	}
	if x.change != nil {
		x.change(a)
	}
	body, err := h.profile.Pack(a)
	if err != nil {
		panic(err)
	}
	if x.raw != "" {
		body = []byte(x.raw)
	}
	if x.cut {
		wire, err := h.profile.Frame.Append(nil, body)
		if err != nil {
			panic(err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
		_, _ = c.Write(wire[:len(wire)/2])
		return false
	}
	for range map[bool]int{false: 1, true: 2}[x.twice] {
		if _, err := f.Write(time.Now().Add(time.Minute), body); err != nil {
			return false
		}
	}
	return true
}

// unsolicited sends a message on the newest connection.
func (h *memHost) unsolicited(m *iso8583.Message) {
	h.mu.Lock()
	c := h.newest
	h.mu.Unlock()
	h.send(c, frame.NewConn(c, h.profile.Frame), m, mishap{})
}

// messages lists the MTIs received, network management left out.
func (h *memHost) messages() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, m := range h.seen {
		if m.MTI.Class() != '8' {
			out = append(out, string(m.MTI))
		}
	}
	return out
}

// of is the net amount and the number of debits of one transaction.
func (h *memHost) of(tid iso8583.TID, stan string) (net int64, debits int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, n := range h.net {
		if k.TID == tid && k.STAN.String() == stan {
			net += n
			debits += h.debits[k]
		}
	}
	return net, debits
}

// total is the net amount of all.
func (h *memHost) total() (sum int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.net {
		sum += n
	}
	return sum
}
