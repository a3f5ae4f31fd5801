package main

import (
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// typeCommand is a transaction type as a command: what it takes beside what
// its Type says of itself, and what its ends are called.
type typeCommand struct {
	iso8583.Type
	use, short, long, example string
	amount                    bool   // takes --amount
	done, not                 string // the outcome's title
}

// typeCommands is the registry, in the order of the help.
var typeCommands = []typeCommand{
	{
		Type: iso8583.Sale, amount: true, done: "PAID", not: "NOT PAID",
		use:   "sale --terminal TID --amount 12.34 --currency CNY --sale REFERENCE",
		short: "A sale, as a payment application makes it",
		long: `sale does what a payment application does: it begins a sale under a UUID, waits
for the acquirer, confirms, shows the outcome and says that it was shown. Only
after the confirmation is the sale paid.`,
		example: `  counterfoil sale --terminal DEV00001 --amount 12.34 --currency CNY --sale order-7 --test-card 1 --confirm yes`,
	},
	{
		Type: iso8583.PreAuth, amount: true, done: "HELD", not: "NOT HELD",
		use:   "preauth --terminal TID --amount 12.34 --currency CNY --sale REFERENCE",
		short: "Hold an amount, to be completed or let go later",
		long: `preauth holds an amount on the card, as a payment application does for a room or
a deposit. Like a sale it is confirmed: only after that does the hold stand.
"counterfoil complete" charges it, "counterfoil preauth-void" lets it go.`,
		example: `  counterfoil preauth --terminal DEV00001 --amount 500 --currency CNY --sale room-7 --test-card 1 --confirm yes`,
	},
	{
		Type: iso8583.Completion, amount: true, done: "COMPLETED", not: "NOT COMPLETED",
		use:   "complete UUID --amount 12.34",
		short: "Charge a hold, at most what it holds",
		long: `complete charges a confirmed pre-authorisation, once: at most what it holds. The
UUID is the pre-authorisation's.`,
	},
	{
		Type: iso8583.PreAuthVoid, done: "RELEASED", not: "NOT RELEASED",
		use:   "preauth-void UUID",
		short: "Let a hold go, whole",
		long:  `preauth-void lets a confirmed pre-authorisation go that was not completed. The UUID is the pre-authorisation's.`,
	},
	{
		Type: iso8583.Void, done: "VOIDED", not: "NOT VOIDED",
		use:   "void UUID",
		short: "Undo a confirmed sale or completion, whole",
		long: `void undoes a confirmed sale or completion of which nothing was given back yet.
The UUID is that of the sale or completion.`,
	},
	{
		Type: iso8583.Refund, amount: true, done: "REFUNDED", not: "NOT REFUNDED",
		use:   "refund UUID --amount 12.34",
		short: "Give back a confirmed sale or completion, or a part of it",
		long: `refund gives back a confirmed sale or completion, in one or several parts, never
more than is left of it. The UUID is that of the sale or completion.`,
	},
	{
		Type: iso8583.Balance, done: "BALANCE", not: "NO BALANCE",
		use:     "balance --terminal TID --currency CNY",
		short:   "Ask for the balance of a card",
		long:    `balance asks the acquirer for a card's balance. It moves no money.`,
		example: `  counterfoil balance --terminal DEV00001 --currency CNY --test-card 1`,
	},
	{
		Type: iso8583.Offline, amount: true, done: "PAID OFFLINE", not: "NOT PAID",
		use:   "offline --terminal TID --amount 12.34 --currency CNY --sale REFERENCE [--auth-code CODE]",
		short: "A sale that the card or a voice approved: told to the acquirer, not asked",
		long: `offline records a sale that was approved without the acquirer, by the card or by
voice. It is paid as soon as it is journaled; the acquirer is told until it has
it, and what it refuses reaches a person. Not every acquirer takes it.`,
		example: `  counterfoil offline --terminal T0000001 --amount 12.34 --currency CNY --sale order-7 --auth-code V00001 --card-file -`,
	},
}

// followingHelp is the help of every type that follows another.
const followingHelp = `

It commits with the acquirer's approval: nothing is left to confirm. Terminal,
currency and card are the original's; the terminal may be another one of the
same merchant, and the card may be read again, as in "counterfoil help sale".`

// follows says that the type follows another transaction, the original.
func (c *typeCommand) follows() bool { return c.Originals() != nil }

// title is what a transaction of the type came to.
func (c *typeCommand) title(state string) string {
	switch stateCode(state) {
	case exitOK:
		return c.done
	case exitNotApproved:
		return c.not
	default:
		return "UNDECIDED"
	}
}

// stateCode is the exit code for a transaction's state.
func stateCode(state string) int {
	switch state {
	case txn.StateConfirmed.String(), txn.StateAdvising.String():
		return exitOK
	case txn.StatePending.String(), txn.StateInquiring.String(), txn.StateApproved.String():
		return exitUndecided
	default:
		return exitNotApproved
	}
}
