package crash

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// scenario is what the acquirer does to a sale.
type scenario struct {
	name     string
	weight   int
	forever  bool // the host refuses the reversal for ever: a person's
	reverses bool // ends in a reversal, if the agent gets that far
	lingers  bool // and the reversal takes longer than a blink
	faults   []hostsim.Fault
}

func onSale(f hostsim.Fault) hostsim.Fault {
	f.Match.Kind, f.Count = iso8583.KindSale, 1
	return f
}

func onReversal(count int, f hostsim.Fault) hostsim.Fault {
	f.Match.Kind, f.Count = iso8583.KindReversal, count
	return f
}

func after(d time.Duration) iso8583.Duration { return iso8583.Duration(d) }

var scenarios = []scenario{
	{name: "clean", weight: 28},
	{name: "slow", weight: 22, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Late, After: after(25 * time.Millisecond)})}},
	{name: "late", weight: 5, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Late, After: after(450 * time.Millisecond)})}},
	{name: "twice", weight: 3, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Twice})}},
	{name: "declined", weight: 6, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Decline, Code: "51"})}},
	{name: "response lost", weight: 10, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.DropResponse})}},
	{name: "request lost", weight: 6, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.DropRequest})}},
	{name: "request after its reversal", weight: 7, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.DelayRequest, Until: hostsim.UntilReversal})}},
	{name: "request long after its reversal", weight: 4, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.DelayRequest, Until: hostsim.UntilReversal, After: after(60 * time.Millisecond)})}},
	{name: "cut", weight: 5, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Cut})}},
	{name: "reset before", weight: 3, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Reset, When: hostsim.Before})}},
	{name: "closed after", weight: 3, reverses: true, faults: []hostsim.Fault{onSale(hostsim.Fault{Action: hostsim.Close})}},
	{name: "reversal answered slowly", weight: 8, reverses: true, lingers: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(4, hostsim.Fault{Action: hostsim.Late, After: after(25 * time.Millisecond)})}},
	{name: "reversal delayed", weight: 5, reverses: true, lingers: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(2, hostsim.Fault{Action: hostsim.DelayRequest, After: after(25 * time.Millisecond)})}},
	{name: "reversal's answer lost", weight: 4, reverses: true, lingers: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(2, hostsim.Fault{Action: hostsim.DropResponse})}},
	{name: "reversal lost", weight: 3, reverses: true, lingers: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(2, hostsim.Fault{Action: hostsim.DropRequest})}},
	{name: "reversal refused twice", weight: 3, reverses: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(2, hostsim.Fault{Action: hostsim.RefuseReversal, Code: "12"})}},
	{name: "reversal refused", weight: 3, reverses: true, forever: true, faults: []hostsim.Fault{
		onSale(hostsim.Fault{Action: hostsim.DropResponse}), onReversal(0, hostsim.Fault{Action: hostsim.RefuseReversal, Code: "40"})}},
}

// holdTime is the hold-down, longer than any request is held up by the faults
// above.
const holdTime = 400 * time.Millisecond

// script is the scenario's faults for the transactions of one amount: amounts
// are unique here, so it strikes one transaction.
func (s *scenario) script(amount int64) []hostsim.Fault {
	out := make([]hostsim.Fault, 0, len(s.faults))
	for _, f := range s.faults {
		f.Match.Amount = &amount
		out = append(out, f)
	}
	return out
}

// conduct is what the application and its cashier do.
type conduct string

const (
	confirms          conduct = "confirms"
	cancels           conduct = "cancels"
	diesWaiting       conduct = "dies after the PUT, for ever"
	diesApproved      conduct = "dies at the approval, for ever"
	diesConfirming    conduct = "dies in the confirmation, for ever"
	diesConfirmed     conduct = "dies before the screen, for ever"
	forgetsItsScreen  conduct = "dies before the screen and comes back"
	givesUpIfUnheard  conduct = "gives up when the agent never heard of it"
	conductsInAll             = 100
	retriesPerHundred         = 30 // of the sales that were not paid: another attempt at the same part
)

var conducts = []struct {
	conduct
	weight int
}{
	{confirms, 58}, {cancels, 8}, {diesWaiting, 5}, {diesApproved, 9}, {diesConfirming, 4}, {diesConfirmed, 4}, {forgetsItsScreen, 6}, {givesUpIfUnheard, 6},
}

// dies says that the application does not come back.
func (c conduct) dies() bool {
	return c == diesWaiting || c == diesApproved || c == diesConfirming || c == diesConfirmed
}

// anchor is the moment from which the time to the kill is counted.
type anchor string

const (
	atMint      anchor = "mint"      // before the PUT
	atPut       anchor = "put"       // the PUT begins
	atConfirm   anchor = "confirm"   // the confirmation begins
	atScreen    anchor = "screen"    // confirmed and on the screen; telling so begins
	atReversing anchor = "reversing" // the application was told that it is being reversed
)

// plan is one sale and its kills, drawn from the seed.
type plan struct {
	scenario *scenario
	conduct  conduct
	anchor   anchor
	after    time.Duration   // from the anchor to the first kill
	again    []time.Duration // from each restart's beginning to the next kill
	term     time.Duration   // above zero: SIGTERM that long before the kill
	full     whenFull
}

// draw draws a sale and its kills.
func draw(rng *rand.Rand) plan {
	p := plan{scenario: drawScenario(rng), conduct: drawConduct(rng)}
	switch n := rng.IntN(100); {
	case n < 2:
		p.anchor = atMint
	case n < 30:
		p.anchor, p.after = atPut, spread(rng, 30*time.Millisecond)
	case p.scenario.reverses || p.conduct == cancels:
		p.anchor, p.after = atReversing, p.duringReversal(rng)
	case p.conduct.dies():
		p.anchor, p.after = atConfirm, upTo(rng, 700*time.Millisecond)
	case n < 70:
		p.anchor, p.after = atConfirm, spread(rng, time.Millisecond)
	default:
		p.anchor, p.after = atScreen, spread(rng, time.Millisecond)
	}
	for rng.IntN(100) < 15 && len(p.again) < 3 {
		p.again = append(p.again, upTo(rng, 40*time.Millisecond))
	}
	if rng.IntN(100) < 6 {
		p.term = spread(rng, 10*time.Millisecond)
	}
	return p
}

// whenFull is what the application does where the journal has no room: an error,
// unless it is said.
type whenFull int

const (
	asksAgain whenFull = iota + 1 // it will have some soon
	goesAway                      // it will have none
)

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// spread draws evenly over the magnitudes from a thousandth of d to d: however
// fast the machine is, the short moments of a sale are hit as often as the long
// ones.
func spread(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(float64(d) * math.Pow(1000, rng.Float64()-1))
}

// duringReversal draws from its first messages, the hold-down, and the messages
// after it.
func (p *plan) duringReversal(rng *rand.Rand) time.Duration {
	messages := 2 * time.Millisecond
	if p.scenario.lingers {
		messages = 30 * time.Millisecond
	}
	switch n := rng.IntN(100); {
	case n < 45:
		return spread(rng, messages)
	case n < 70:
		return upTo(rng, holdTime)
	default:
		return holdTime + upTo(rng, messages)
	}
}

func drawScenario(rng *rand.Rand) *scenario {
	sum := 0
	for i := range scenarios {
		sum += scenarios[i].weight
	}
	n := rng.IntN(sum)
	for i := range scenarios {
		if n -= scenarios[i].weight; n < 0 {
			return &scenarios[i]
		}
	}
	panic("weights")
}

func drawConduct(rng *rand.Rand) conduct {
	n := rng.IntN(conductsInAll)
	for _, c := range conducts {
		if n -= c.weight; n < 0 {
			return c.conduct
		}
	}
	panic("weights")
}
