package sim

import (
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Personality is everything about a run that does not change during it: what
// kind of host, what kind of applications, and how often what goes wrong.
// Rates are per thousand.
type Personality struct {
	Name string
	Cards

	// The host.
	Tombstones    bool   // it remembers a reversal whose original it has not seen
	Certified     bool   // and the profile says so
	Unknown       string // without tombstones: its answer to such a reversal, 25 or 00
	DuplicateIs   string // its answer to a repeated request: "same", "94"
	DoneAgain     string // its answer to a reversal of what is reversed: 00, 94 or 25
	ListsUnknown  bool   // the profile lists that 25 as "already reversed"
	Declined      string // its answer to a reversal of what it declined: 00 or 25
	ReplayCache   bool   // a reversal with the DE 7 of an earlier one gets the earlier one's answer
	Silent        bool   // it echoes neither DE 7 nor 12 nor 13
	Refusals      int    // so many reversals of each transaction are refused
	RefusalCode   string
	Decline       int
	Partial       int
	Wrong         int  // another amount or currency than was asked for
	Unclear       int  // an answer that says neither yes nor no
	Flip          int  // it declines, and later debits all the same
	Collision     int  // 94 to a request that it has not seen
	Ambiguous     int  // 25 to the reversal of a debit: two rows have its STAN (C.16)
	Collides      bool // 94 to every reversal, none of them done; nothing else goes wrong
	Signed        bool // its answers have a MAC
	Tamper        int  // and somebody on the way changes or cuts off what they say, or the MAC
	Keyed         bool // with working keys, which a sign-on brings
	KeyLoss       int  // weight of somebody else's sign-on
	SignerLoss    int  // of the agent's signer, at a start
	SignOnRefusal int
	Unsigned      bool // a refusal has none, which the profile lists as legal
	Lenient       bool // it books what follows another without looking what is left of that

	// Where the profile has inquiries and advices.
	Inquires      []iso8583.Type
	Inquiries     int    // at most so many
	InquiryLimit  int    // seconds within which they begin; 0: none
	FinalDecline  bool   // the profile believes a decline
	Lies          string // the host's answer to each: "" the truth, 25, 09, silent, another, mixed
	LieRate       int    // of mixed
	Advises       []iso8583.Type
	Ordered       bool
	AdviceLimit   int
	RefusesAdvice int
	Offlines      int // a sale that the card approved

	// The network and the link.
	Drop, Duplicate, Unsent, InDoubt int
	Overtake                         int // weight of a message that overtakes others
	SlowLink                         int
	Sleep                            int // the machine sleeps while a request is being sent
	SlowDisk                         int // what is being synced is not durable before the next timer
	Delay                            int // a message is late, and everything overtakes it
	Misroute                         int // a reversal reaches the other address
	Stray                            int // weight of rubbish, and of answers that belong to another
	Routes                           int
	SharedLedger                     bool
	Bounded                          bool // messages have a longest lifetime

	// The applications, and what they set out to do.
	Apps, Sales       int
	Plan              []plan // of an exhaustive run, instead of all that follows
	Calm              int    // so many of the plan happen before anything can go wrong
	Follows           int    // a void, refund, completion or void of a hold, of something earlier
	Unfit             int    // and of what does not fit
	InParts           int
	Holds             int // a pre-authorisation instead of a sale
	Balances          int
	SellsAgain        int // what was voided
	AppCrash          int // weight
	NeverReturns      int
	Forgets           int // after a crash it does not know the UUID
	Cancels           int
	WalksAway         int // never confirms
	Retries           int // the same sale again under another UUID
	ConfirmsTwice     int
	ShownNo, ShownEtc int  // says "no", or "unknown"
	Sessions          bool // they are missed when they die
	Implicit          bool // and cannot confirm
	Switches          int  // of those who would cancel: another card for the same sale
	RingsAgain        int  // after a crash that it does not remember: another sale of the same price
	SlowStart         int  // it takes most of a minute to start again
	Insists           int  // that this is another purchase
	Pesters           int  // weight of asking for what does not fit

	// The agent and its surroundings.
	AgentCrash   int // weight
	CrashObeying int
	EarlyTimer   int // weight of a timer while other things could happen
	Operator     int // weight
	Settles      int // weight of somebody who settles a terminal; above 0, each is settled at the end
	Keep         int // settled transactions kept in memory; -1: all
	Reconfigure  int // another profile after a restart
	Clock        int // weight of wall clock jumps
	Rollback     int // an older journal is put in the place of the present one, at a start
	Strict       bool
	NotReversed  []iso8583.Type
	Terminals    int
	Wall         int64 // at the start
	MaxAttempts  int   // of a sale
	Heals        int   // actions after which the trouble ends; 0: when all errands are done
	Patience     int   // attempts of an escalated reversal that the end of a run waits for
}

// baseWall is 2026-03-14 10:00:00 UTC.
const baseWall = int64(1773482400000)

// walls are the moments at which runs begin: midday, just before midnight, year
// end and 29 February, and a terminal whose battery has died.
var walls = []int64{baseWall, 1773532780000, 1798761580000, 1835481580000, 20_000}

// draw makes the personality of a seed. About half of all rates are zero, so
// that each kind of trouble is also met alone.
func draw(seed uint64) Personality {
	c := Seeded(^seed)
	rate := func(values ...int) int {
		if c.Intn(2) == 0 {
			return 0
		}
		return values[c.Intn(len(values))]
	}
	word := func(words ...string) string { return words[c.Intn(len(words))] }
	flag := func(oneIn int) bool { return c.Intn(oneIn) == 0 }
	p := Personality{
		Name:       "seeded",
		Tombstones: flag(2), Unknown: word("25", "00"), DuplicateIs: word("same", "same", "94"),
		DoneAgain: word("00", "94", "25"), Declined: word("00", "25"), ReplayCache: flag(2), Silent: flag(8),
		Refusals: rate(1, 1, 2, 9, 1000), RefusalCode: word("12", "40", "96", "91", "64"),
		Decline: rate(50, 200), Partial: rate(20, 100), Wrong: rate(20, 100), Unclear: rate(20, 100),
		Drop: rate(20, 100, 300, 1000), Duplicate: rate(20, 100), Unsent: rate(20, 200), InDoubt: rate(20, 200),
		Overtake: rate(60, 300), Delay: rate(30, 150, 400), SlowLink: rate(50, 300, 900), Misroute: rate(50), Stray: rate(10, 40), Routes: 1 + c.Intn(2), SharedLedger: flag(4),
		Apps: 1 + c.Intn(2), Sales: 2 + c.Intn(16),
		AppCrash: rate(5, 20, 60), NeverReturns: rate(100, 500, 1000), Forgets: rate(200, 1000), Cancels: rate(20, 150, 500),
		WalksAway: rate(20, 150), Retries: rate(300, 700), ConfirmsTwice: rate(30, 200), ShownNo: rate(30), ShownEtc: rate(30), Pesters: rate(10, 60), Ambiguous: rate(50),
		AgentCrash: rate(5, 20, 60), CrashObeying: rate(5, 30), EarlyTimer: rate(3, 20, 80),
		Keep: -1, Terminals: 1 + c.Intn(2), Wall: walls[c.Intn(len(walls))], Strict: flag(6), MaxAttempts: 3,
	}
	p.Cards = drawCards(rate)
	if flag(8) {
		p.Flip = 300
	}
	if flag(8) {
		p.Collision = 50
	}
	if flag(3) {
		p.Operator = 20 + 100*c.Intn(2)
		p.Stray = max(p.Stray, 10*c.Intn(3))
	}
	if flag(4) {
		p.Keep = c.Intn(3)
	}
	if flag(4) {
		p.Reconfigure, p.Clock = 300, 10
	}
	if flag(4) {
		p.Patience = 9
	}
	if flag(6) && p.Keep < 0 {
		p.Rollback = 300
	}
	if flag(3) {
		p.Heals = 5 + c.Intn(200)
	}
	p.drawTypes(c, rate)
	if p.Flip > 0 && p.Follows > 0 { // what follows is declined, then done, while it is tried again
		p.Decline, p.Retries = max(p.Decline, 200), max(p.Retries, 300)
	}
	p.drawAsking(c, rate)
	special := c.Intn(48)
	switch special {
	case 0, 1:
		p.collide()
	case 2, 3:
		p.waver()
	case 4, 5:
		p.linger()
	case 6, 7:
		p.mislay()
	}
	p.Certified = p.Tombstones && flag(2)
	// A profile may list 25 as "already reversed" only for a host that says
	// it for nothing else.
	p.ListsUnknown = p.DoneAgain == "25" && p.Ambiguous == 0 && flag(2)
	p.Bounded = !p.Tombstones || p.Operator > 0
	p.drawSessions(c, rate)
	p.Signed, p.Unsigned = flag(2), flag(2)
	if p.Signed && !p.Collides {
		p.Tamper = rate(20, 100, 300)
		if p.Keyed = flag(2); p.Keyed {
			p.KeyLoss, p.SignerLoss, p.SignOnRefusal = rate(5, 20), rate(200), rate(200, 500)
		}
	}
	if special == 8 || special == 9 {
		p.lockOut()
	}
	if p.Rollback == 0 && flag(2) {
		p.Settles = 1 + 10*c.Intn(3)
	}
	p.Scripts = p.Inserted > 0 && flag(2)
	p.Sleep = rate(50, 300)
	p.SlowDisk = rate(50, 300)
	return p
}

// drawTypes mixes the types; in a third of the runs nothing follows another.
func (p *Personality) drawTypes(c *Choices, rate func(...int) int) {
	if c.Intn(3) > 0 {
		p.Follows = [...]int{200, 500, 800}[c.Intn(3)]
	}
	p.Holds, p.Balances = rate(100, 400, 1000), rate(50, 200)
	p.Unfit, p.InParts, p.SellsAgain = rate(50, 300), rate(300, 800), rate(500)
	p.Lenient = c.Intn(2) == 0
	switch c.Intn(8) {
	case 0, 1:
		p.NotReversed = []iso8583.Type{iso8583.Refund}
	case 2:
		for _, t := range iso8583.Types() {
			if t.MovesMoney() && c.Intn(3) == 0 {
				p.NotReversed = append(p.NotReversed, t)
			}
		}
	}
}

// errands is how many an application has.
func (p *Personality) errands() int {
	if p.Plan != nil {
		return len(p.Plan)
	}
	return p.Sales
}

// collide: the host takes each reversal for another message with this STAN. An
// answer that is lost or late would make that look like "done", so nothing may
// go wrong beside it.
func (p *Personality) collide() {
	p.Collides, p.Refusals, p.Ambiguous, p.Declined, p.Patience = true, 0, 0, "00", 9
	p.Drop, p.Duplicate, p.Unsent, p.InDoubt, p.Overtake, p.Misroute = 0, 0, 0, 0, 0, 0
	p.Delay, p.SlowLink, p.Sleep, p.SlowDisk, p.EarlyTimer, p.AgentCrash, p.CrashObeying, p.Operator = 0, 0, 0, 0, 0, 0, 0, 0
}

// waver: the host says no, then yes, and is asked in between; a person decides,
// and an older journal knows nothing of that.
func (p *Personality) waver() {
	p.Flip, p.Decline, p.Operator, p.Delay = 300, 400, 120, 400
	if p.Keep < 0 {
		p.Rollback = 300
	}
	if !p.told(iso8583.Sale) && !slices.Contains(p.Inquires, iso8583.Sale) {
		p.Inquires = append(p.Inquires, iso8583.Sale)
	}
	p.Inquiries = max(p.Inquiries, 2)
}

// mislay: a journal comes back from before a reversal that is still on its way,
// and a person asks the acquirer at once.
func (p *Personality) mislay() {
	p.Cancels, p.Delay, p.AgentCrash, p.Operator = 500, 400, 60, 120
	if p.Keep < 0 {
		p.Rollback = 600
	}
}

// linger: an approval of what follows another arrives when its reversal was
// done, and the merchant tries again.
func (p *Personality) linger() {
	p.Tombstones, p.Operator, p.Follows, p.Retries, p.Delay, p.Decline = true, 0, 800, 700, 400, 0
}

// lockOut: a request comes after its reversal, and when the hold-down for it
// ends, the terminal has no keys.
func (p *Personality) lockOut() {
	p.Tombstones, p.Certified, p.ListsUnknown, p.Bounded = false, false, false, true
	p.Unknown, p.ReplayCache, p.Refusals, p.Delay, p.AgentCrash = "00", true, 0, 400, 60
	p.Signed, p.Keyed, p.Collides, p.Tamper, p.KeyLoss, p.SignerLoss, p.SignOnRefusal, p.EarlyTimer, p.Cancels, p.Drop = true, true, false, 0, 60, 1000, 900, 3, 150, 20
}

// mtis are the message types of this dialect.
var mtis = func() map[iso8583.Kind]iso8583.MTI {
	m := map[iso8583.Kind]iso8583.MTI{iso8583.KindReversal: "0400", iso8583.KindReversalRepeat: "0401"}
	for _, t := range iso8583.Types() {
		m[t.Kind()] = "0200"
	}
	m[iso8583.PreAuth.Kind()], m[iso8583.PreAuthVoid.Kind()] = "0100", "0100"
	m[iso8583.KindSettle], m[iso8583.KindUpload] = "0500", "0320"
	m[iso8583.KindUploadChip], m[iso8583.KindUploadChipFailed] = "0320", "0320"
	m[iso8583.KindUploadEnd], m[iso8583.KindUploadEndUnbalanced] = "0320", "0320"
	m[iso8583.Offline.Kind()], m[iso8583.KindInquiry] = "0220", "0200"
	m[iso8583.KindScript] = "0620"
	return m
}()

// reversed lists the types that the profile reverses.
func (p *Personality) reversed() []iso8583.Type {
	return slices.DeleteFunc(iso8583.Types(), func(t iso8583.Type) bool {
		return !t.MovesMoney() || t == iso8583.Offline || p.told(t) || slices.Contains(p.NotReversed, t)
	})
}

// rules is the profile that the agent gets. Of a variant only a timer differs,
// which gives it another hash.
func (p *Personality) rules(unit time.Duration, variant bool) iso8583.Rules {
	d := func(n int) iso8583.Duration { return iso8583.Duration(time.Duration(n) * unit) }
	r := iso8583.Rules{
		Profile:     "sim",
		MTI:         mtis,
		Match:       []int{7, 12, 13},
		SendTimeout: d(10), ResponseTimeout: d(40), ConfirmTimeout: d(60), ShownTimeout: d(60),
		Response: iso8583.ResponseRules{
			Approved: []string{"00"}, Partial: []string{"10"}, Declined: []string{"05", "12"}, Duplicate: []string{"94"},
		},
		Reversal: iso8583.ReversalRules{
			Types:    p.reversed(),
			Schedule: []iso8583.Duration{0, 0, d(10), d(20), d(300)}, AnswerTimeout: d(20), EscalateAfter: 6,
			Done: []string{"00"}, Duplicate: []string{"94"}, Unknown: []string{"25"}, Retry: []string{"91", "96", "98"},
			UnknownAfterDone: p.ListsUnknown, Tombstones: p.Certified, MessageLifetime: d(300), SharedLedger: p.SharedLedger,
			Reasons: iso8583.Reasons{Timeout: "68", Customer: "17", Chip: "22", Invalid: "06", Storage: "96"},
		},
		Gate: iso8583.GateLimit, OwedLimit: 5,
		Chip: iso8583.ChipRules{ReversalTags: []string{"95", "9F36"}},
	}
	if p.Signed {
		r.Reversal.Reasons.MAC = "A0"
		if p.Unsigned {
			r.Response.Unsigned = []string{"12"}
		}
	}
	if p.Sessions {
		r.OrphanTimeout, r.DuplicateWindow = d(30), d(300)
	}
	p.asking(&r, d)
	p.settlement(&r, d)
	p.scripts(&r, d)
	p.keyed(&r, d)
	if p.Strict {
		r.Gate = iso8583.GateStrict
	}
	if variant {
		r.ResponseTimeout = d(45)
	}
	return r
}
