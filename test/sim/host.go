package sim

import (
	"strconv"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// hostKey is the whole identity by which this host knows a transaction: TID,
// STAN and DE 7 of the original.
type hostKey struct {
	tid  iso8583.TID
	stan iso8583.STAN
	de7  string
}

// host is one address of the acquirer, over a ledger of its own or a shared
// one. It knows nothing of the agent.
type host struct{ ledger *ledger }

type ledger struct {
	n        int // which one
	accounts []*account
}

// account is one row of the ledger.
type account struct {
	key    hostKey
	t      *Txn
	state  accountState
	amount int64    // booked
	of     *account // what it follows, as far as this ledger knows
	answer iso8583Answer
	undone int          // reversals refused so far
	said   cachedAnswer // to a reversal, last
	cached [2]cachedAnswer
	caches int
	flips  bool // it will debit all the same
	hidden bool // behind another row with its STAN
	asked  *packet
}

type iso8583Answer struct{ code, amount, currency, rrn, auth string }

type cachedAnswer struct{ de7, code string }

type accountState uint8

const (
	accountNone accountState = iota
	accountBooked
	accountDeclined
	accountReversed
	accountTombstone
)

func (l *ledger) find(k hostKey) *account {
	for _, a := range l.accounts {
		if a.key == k {
			return a
		}
	}
	return nil
}

func (l *ledger) open(k hostKey, t *Txn) *account {
	a := &account{key: k, t: t}
	l.accounts = append(l.accounts, a)
	return a
}

// atHost gives a message to the address it was sent to; where the two
// addresses keep separate ledgers, a reversal may go astray.
func (w *World) atHost(p *packet) {
	route := p.route
	if p.out.Reversal() && w.p.Routes == 2 && !w.p.SharedLedger && w.fault(Misrouted, w.p.Misroute) {
		route = 1 - route
	}
	if w.tracing {
		w.tell("host %d   receives %s", route, p)
	}
	switch h := w.hosts[route]; {
	case w.strangeKeys(p, route):
	case p.out.Reversal():
		h.reversal(w, p, route)
	case p.out.Inquiry > 0:
		h.status(w, p, route)
	case p.out.Attempt > 0:
		h.advice(w, p, route)
	default:
		h.request(w, p, route)
	}
}

// request authorises once per identity.
func (h *host) request(w *World, p *packet, route int) {
	f, mti := &p.out.Facts, mtis[p.out.Facts.Kind].Response()
	if !f.Type.MovesMoney() {
		w.reply(p, route, mti, h.inquire(w, f))
		return
	}
	key := hostKey{f.TID, f.STAN, f.Transmission}
	a := h.ledger.find(key)
	if a == nil {
		a = h.ledger.open(key, p.t)
	}
	switch {
	case a.state == accountNone && w.fault(Collided, w.p.Collision):
		// An earlier transaction has this STAN here: nothing is authorised,
		// now or later.
		a.state, a.answer = accountDeclined, h.plain(f, "94")
	case a.state == accountNone:
		h.authorise(w, a, f)
	case a.state == accountTombstone && a.answer.code == "":
		w.saw(TombstoneStopped)
		a.answer = h.plain(f, "05")
	case w.p.DuplicateIs == "94":
		again := a.answer
		again.code = "94"
		w.reply(p, route, mti, again)
		return
	}
	if a.flips {
		a.asked = p
	}
	w.reply(p, route, mti, a.answer)
}

// authorise decides about a request that it sees for the first time.
func (h *host) authorise(w *World, a *account, f *iso8583.Facts) {
	a.answer = h.plain(f, "00")
	a.amount = f.Amount.Minor
	if f.Type.Originals() != nil {
		a.of = h.ledger.original(f)
	}
	switch {
	case f.Type.Originals() != nil && !w.p.Lenient && !a.covered(h.ledger, f.Type, a.amount):
		w.saw(HostRefusesFollow)
		a.state, a.answer = accountDeclined, h.plain(f, "12")
		return
	case w.c.Chance(w.p.Decline):
		a.state, a.answer = accountDeclined, h.plain(f, "05")
		a.flips = w.fault(Flipped, w.p.Flip)
		return
	case w.c.Chance(w.p.Partial):
		a.amount /= 2
		a.answer.code, a.answer.amount = "10", iso8583.Amount{Minor: a.amount}.DE4()
	case w.fault(Wrong, w.p.Wrong):
		h.wrong(w, a)
	case w.fault(Unclear, w.p.Unclear):
		a.answer.code = [...]string{"96", "68", "09", ""}[w.c.Intn(4)]
		if w.c.Intn(2) == 1 {
			a.state = accountDeclined
			return
		}
	}
	w.spoil(a.t)
	a.answer.auth = "A" + strconv.Itoa(len(h.ledger.accounts))
	a.state = accountBooked
	a.hidden = w.fault(Hidden, w.p.Ambiguous)
	w.booked(a.t, a.amount, h.ledger.n)
}

// wrong debits something else than was asked for, or does not say what.
func (h *host) wrong(w *World, a *account) {
	switch w.c.Intn(3) {
	case 0:
		a.amount++
		a.answer.amount = iso8583.Amount{Minor: a.amount}.DE4()
	case 1:
		a.answer.amount = ""
	case 2:
		a.amount *= 7
		a.answer.currency = "840"
	}
}

func (h *host) plain(f *iso8583.Facts, code string) iso8583Answer {
	return iso8583Answer{
		code: code, amount: f.Amount.DE4(), currency: "156",
		rrn: string(f.TID[len(f.TID)-1:]) + strconv.Itoa(int(f.STAN)),
	}
}

// reversal undoes, and says so in the words of this host.
func (h *host) reversal(w *World, p *packet, route int) {
	f := &p.out.Facts
	key := hostKey{f.TID, f.STAN, f.Original.Transmission}
	answer := h.plain(f, "")
	a := h.ledger.find(key)
	if a == nil {
		w.saw(ReversalFirst)
		answer.code = w.p.Unknown
		if w.p.Tombstones {
			a = h.ledger.open(key, p.t)
			a.state, answer.code = accountTombstone, "00"
		} else if w.p.ReplayCache {
			a = h.ledger.open(key, p.t) // remembers the answer, not the reversal
		}
		if a != nil {
			a.remember(f.Transmission, answer.code)
		}
	} else {
		answer.code = h.undo(w, a, f)
	}
	if a != nil {
		a.said = cachedAnswer{f.Transmission, answer.code}
	}
	if w.healing && p.left >= w.healed && answer.code == "00" && p.t.before > 0 && p.out.Attempt > p.t.before {
		p.t.granted++
	}
	w.reply(p, route, "0410", answer)
}

func (h *host) undo(w *World, a *account, f *iso8583.Facts) string {
	if w.p.Collides {
		return "94"
	}
	if code := a.recall(f.Transmission); code != "" && w.p.ReplayCache {
		return code
	}
	code := w.p.DoneAgain
	switch a.state {
	case accountNone:
		code = w.p.Unknown
	case accountTombstone:
		code = "00"
	case accountDeclined:
		if code = w.p.Declined; code == "00" {
			a.flips = false
		}
	case accountBooked:
		if a.hidden {
			return "25"
		}
		if a.undone < w.p.Refusals && (w.budget == nil || w.budget.faults > 0) {
			if a.undone++; w.budget != nil {
				w.budget.faults--
			}
			w.stats.Faults[Refused]++
			return w.p.RefusalCode
		}
		if a.undone > 0 {
			w.saw(RefusedThenDone)
		}
		code = "00"
		a.state = accountReversed
		w.unbooked(a.t, a.amount)
	}
	a.remember(f.Transmission, code)
	return code
}

func (a *account) recall(de7 string) string {
	for _, c := range a.cached[:a.caches] {
		if c.de7 == de7 {
			return c.code
		}
	}
	return ""
}

func (a *account) remember(de7, code string) {
	if a.caches < len(a.cached) && a.recall(de7) == "" {
		a.cached[a.caches] = cachedAnswer{de7, code}
		a.caches++
	}
}

// flip books what was declined, and says so.
func (h *host) flip(w *World, a *account, route int) {
	a.flips, a.t.flipped = false, true
	a.answer.code, a.answer.auth = "00", "F1"
	a.state = accountBooked
	w.booked(a.t, a.amount, h.ledger.n)
	said := a.answer
	if w.c.Intn(4) == 0 {
		said.amount = "" // yes, but to what?
	}
	w.reply(a.asked, route, mtis[a.t.typ().Kind()].Response(), said)
}

// reply sends an answer back on the connection it came by.
func (w *World) reply(p *packet, route int, mti iso8583.MTI, a iso8583Answer) {
	left := w.now.Boot
	if w.p.Silent {
		left = min(p.left, left) // it is here
	}
	w.enter(packet{
		t: p.t, left: left, route: route, in: w.response(p, route, mti, a), keys: w.keys.host[terminalIndex(p.out.Facts.TID)],
	})
}

// response is an answer as this host writes it.
func (w *World) response(p *packet, route int, mti iso8583.MTI, a iso8583Answer) *txn.Response {
	f := &p.out.Facts
	r := &txn.Response{
		Route: route, MTI: mti, TID: f.TID, STAN: f.STAN, Code: a.code, Amount: a.amount, Currency: a.currency,
		RRN: iso8583.RRN(a.rrn), AuthCode: a.auth,
	}
	if p.t.story.chip != "" && !p.out.Reversal() {
		if r.BadChip = p.t.story.spoiled; !r.BadChip {
			r.ChipData = "8A023030"
			if w.p.Scripts {
				r.ChipData += issuerScript
			}
		}
	}
	if !w.p.Silent {
		r.Transmission, r.LocalTime, r.LocalDate = f.Transmission, f.LocalTime, f.LocalDate
	}
	w.sign(r)
	if w.tracing {
		w.tell("host %d   answers %s %s %s", route, mti, p.t, a.code)
	}
	return r
}
