package demo

import (
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// side is one of the two columns.
type side string

const (
	plainSide side = "plain"
	agentSide side = "agent"
)

// victim is the process that a scenario kills.
type victim uint8

const (
	nobody      victim = iota
	theApp             // the payment application, after the approval and before it shows it
	theMachine         // the agent, between request and response; the plain client is its own machine
	theAppAgain        // as theApp; and it starts again at once, while the customer stands there
)

// overtaking is what must arrive after the terminal gave up, for the scenario
// to have happened.
type overtaking uint8

const (
	nothing overtaking = iota
	lateRequest
	lateAnswer
)

// scenario is one sale and what goes wrong with it. Both columns play it with
// the same fault and the same cashier.
type scenario struct {
	id    string // of people
	name  string
	about string
	wave  int // those of one wave run at once; a wave that cuts connections runs alone

	fault  func(side, Timers) hostsim.Fault // nil: none; terminal and count are added
	kill   victim
	late   overtaking
	retry  bool   // shown "not approved", the cashier tries once more
	chip   bool   // the card has a chip, which declines after the approval
	back   bool   // once it is paid, the goods come back; the fault strikes the refund
	turn   bool   // while the host is silent, the customer turns to another card
	expect Screen // what both screens must say, for the controls; "" elsewhere
}

// Timers are the demo's, each far shorter than in a shop.
type Timers struct {
	Response time.Duration // for the host's answer, and the plain client's too
	Confirm  time.Duration // for the application to confirm an approval
	Orphan   time.Duration // the same, once the application is gone
	Patience time.Duration // of a customer, before he turns to another card
	Lifetime time.Duration // hold-down: the longest that a message may be under way
	Answer   time.Duration // for the answer to a reversal
	Down     time.Duration // how long a restarting host does not listen
}

func demoTimers() Timers {
	return Timers{
		Response: 1500 * time.Millisecond,
		Confirm:  5 * time.Second,
		Orphan:   3 * time.Second,
		Patience: 400 * time.Millisecond,
		Lifetime: 1500 * time.Millisecond,
		Answer:   time.Second,
		Down:     500 * time.Millisecond,
	}
}

// afterwards is safely after the moment at which a terminal gives up, and
// within the longest time that a message may be under way.
func (t Timers) afterwards() iso8583.Duration {
	return iso8583.Duration(t.Response + t.Lifetime*2/3)
}

// scenarios is the whole story, in the order of the table.
var scenarios = []scenario{
	{
		id: "a", name: "normal sale", wave: 1, expect: Approved,
		about: "Nothing goes wrong.",
	},
	{
		id: "b", name: "declined sale", wave: 1, expect: NotApproved,
		about: "The card has no money on it; the host says so.",
		fault: func(side, Timers) hostsim.Fault { return hostsim.Fault{Action: hostsim.Decline, Code: "51"} },
	},
	{
		id: "1", name: "response lost", wave: 1, retry: true,
		about: "The host debits; its answer is lost on the way. The cashier tries again.",
		fault: func(side, Timers) hostsim.Fault { return hostsim.Fault{Action: hostsim.DropResponse} },
	},
	{
		id: "2", name: "request delayed", wave: 1, late: lateRequest,
		about: "The request arrives after the terminal gave up, behind its own reversal.",
		fault: func(s side, t Timers) hostsim.Fault {
			if s == agentSide {
				return hostsim.Fault{Action: hostsim.DelayRequest, Until: hostsim.UntilReversal}
			}
			return hostsim.Fault{Action: hostsim.DelayRequest, After: t.afterwards()} // no reversal will come
		},
	},
	{
		id: "3", name: "application killed", wave: 1, kill: theApp,
		about: "The payment application is killed after the approval, before showing it.",
	},
	{
		id: "4", name: "killed in mid-sale", wave: 2, kill: theMachine,
		about: "The agent (or the plain client) is killed between request and response.",
		fault: func(_ side, t Timers) hostsim.Fault {
			return hostsim.Fault{Action: hostsim.Late, After: t.afterwards()}
		},
	},
	{
		id: "5", name: "link cut in mid-frame", wave: 3, retry: true,
		about: "The line breaks inside the host's approval. The cashier tries again.",
		fault: func(side, Timers) hostsim.Fault { return hostsim.Fault{Action: hostsim.Cut} },
	},
	{
		id: "6", name: "approval after reversal", wave: 1, late: lateAnswer,
		about: "The host approves after the terminal gave up, and after its reversal.",
		fault: func(_ side, t Timers) hostsim.Fault {
			return hostsim.Fault{Action: hostsim.Late, After: t.afterwards()}
		},
	},
	{
		id: "7", name: "host restarts", wave: 4,
		about: "The host restarts between the debit and its answer.",
		fault: func(_ side, t Timers) hostsim.Fault {
			return hostsim.Fault{Action: hostsim.Restart, After: iso8583.Duration(t.Down)}
		},
	},
	{
		id: "8", name: "flash exit, tried again", wave: 1, kill: theAppAgain,
		about: "The application dies with the approval and starts again at once.",
	},
	{
		id: "9", name: "card switched", wave: 1, turn: true,
		about: "The host debits and is slow to say so; the customer turns to another card.",
		fault: func(_ side, t Timers) hostsim.Fault {
			return hostsim.Fault{Action: hostsim.Late, After: iso8583.Duration(2 * t.Patience)}
		},
	},
	{
		id: "10", name: "chip declines", wave: 1, chip: true,
		about: "The host debits; then the card's chip declines the sale.",
	},
	{
		id: "11", name: "refund stays unknown", wave: 1, back: true,
		about: "The host credits, its answer is lost, and a refund is not taken back.",
		fault: func(side, Timers) hostsim.Fault { return hostsim.Fault{Action: hostsim.DropResponse} },
	},
}

// waves lists the waves in order, each with its scenarios' places in the table.
func waves() [][]int {
	var out [][]int
	for w := 1; ; w++ {
		var wave []int
		for i := range scenarios {
			if scenarios[i].wave == w {
				wave = append(wave, i)
			}
		}
		if wave == nil {
			return out
		}
		out = append(out, wave)
	}
}

// saleOf gives scenario i a terminal, a reference and an amount of its own.
func saleOf(i int) sale {
	return sale{
		terminal: iso8583.TID(fmt.Sprintf("T%07d", i+1)),
		ref:      "sale-" + scenarios[i].id,
		minor:    1200 + int64(i)*111,
		back:     scenarios[i].back,
	}
}

func sales() (out []sale) {
	for i := range scenarios {
		out = append(out, saleOf(i))
	}
	return out
}

// faultOf is the fault of scenario i in column s, which strikes its first
// request only; ok is false where there is none.
func faultOf(i int, s side, t Timers) (f hostsim.Fault, ok bool) {
	if scenarios[i].fault == nil {
		return f, false
	}
	f = scenarios[i].fault(s, t)
	f.Name, f.Count = scenarios[i].id, 1
	f.Match = hostsim.Match{Kind: iso8583.KindSale, Terminal: saleOf(i).terminal}
	if scenarios[i].back {
		f.Match.Kind = iso8583.Refund.Kind()
	}
	return f, true
}
