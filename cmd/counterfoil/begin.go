package main

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// beginOptions are the flags of the commands that begin a transaction. Which
// of them a command has, its type says.
type beginOptions struct {
	socket, terminal, amount, currency string
	sale, part, uuid, cardFile         string
	authCode                           string
	session, replaces, notDuplicateOf  string
	testCard                           int
	confirm                            string
	emv, entryMode, chip, partial      string
	timeout                            time.Duration
}

// What --confirm can be.
const (
	confirmAsk   = "ask"
	confirmYes   = "yes"
	confirmNo    = "no"
	confirmLeave = "leave"
)

// confirmHelp is the help of every type that is confirmed.
const confirmHelp = `

--confirm says what to do once the acquirer approved:
  ask     ask on standard input (the default)
  yes     confirm
  no      cancel, as a customer who changed their mind
  leave   do nothing, as an application that crashed: the agent reverses`

// cardHelp is the help of every type that reads a card.
func cardHelp() string {
	return `

The card comes from --card-file, or from standard input with --card-file -: one
line with the card number and, after a space, the expiry as YYMM. For the
simulated acquirer there are published test numbers:

` + strings.TrimSuffix(testCardsHelp(), "\n")
}

func beginCommand(a *app, c *typeCommand) *cobra.Command {
	var o beginOptions
	long, args := c.long, cobra.NoArgs
	if c.follows() {
		long, args = long+followingHelp, cobra.ExactArgs(1)
	} else {
		long += cardHelp()
	}
	if c.NeedsConfirmation() {
		long += confirmHelp + chipHelp
	}
	cmd := &cobra.Command{
		Use: c.use, Short: c.short, Long: long, Example: c.example, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(c); err != nil {
				return err
			}
			b, err := o.begin(cmd.Context(), a, c, strings.Join(args, ""))
			if err != nil {
				return err
			}
			t := &teller{app: a, kind: c, socket: o.socket, uuid: o.uuid, confirm: o.confirm, timeout: o.timeout, begin: b}
			if t.chip, err = a.readChip(o.chip); err != nil {
				return err
			}
			return t.run(cmd.Context())
		},
	}
	o.flags(a, cmd, c)
	return cmd
}

func (o *beginOptions) flags(a *app, cmd *cobra.Command, c *typeCommand) {
	a.socketFlag(cmd, &o.socket)
	f := cmd.Flags()
	f.StringVar(&o.uuid, "uuid", "", "UUID of an earlier try, to ask again; a new one if absent")
	f.StringVar(&o.cardFile, "card-file", "", `file with the card; "-" is standard input`)
	f.IntVar(&o.testCard, "test-card", 0, "a published test number, for the simulated acquirer")
	f.StringVar(&o.entryMode, "entry-mode", "", "how the card was read, DE 22: 012 keyed, 021 swiped, 051 inserted, 071 tapped")
	f.StringVar(&o.emv, "emv", "", "file with the chip's data, hexadecimal; \"-\" is standard input")
	f.StringVar(&o.session, "session", "", `id of the session that asks; "new" begins one for as long as the command runs`)
	f.DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long to wait for the outcome")
	f.StringVar(&o.terminal, "terminal", "", "terminal id, DE 41"+ifSet(c.follows(), "; the original's if absent"))
	var required []string
	if !c.follows() {
		f.StringVar(&o.currency, "currency", "", "ISO 4217 code: CNY or 156")
		required = append(required, "terminal", "currency")
	}
	if c.amount {
		f.StringVar(&o.amount, "amount", "", "in major units, with all decimals of the currency or none: 12.34")
		required = append(required, "amount")
	}
	if c.HandsOver() {
		f.StringVar(&o.sale, "sale", "", "the merchant's reference of the sale")
		f.StringVar(&o.part, "part", "", "of a deliberately split sale")
		f.StringVar(&o.replaces, "replaces", "", "UUID of the attempt at this part that the customer turned away from: it is closed first")
		f.StringVar(&o.notDuplicateOf, "not-duplicate-of", "", "UUID that suspected_duplicate named, if this is another purchase")
		required = append(required, "sale")
	}
	if c.NeedsConfirmation() {
		f.StringVar(&o.confirm, "confirm", confirmAsk, "ask, yes, no or leave")
		f.StringVar(&o.chip, "chip", "", "what an inserted chip says to the approval: tc, aac or a file")
		f.StringVar(&o.partial, "partial", "", "accept: an approval of less will do")
	}
	if c.Type == iso8583.Offline {
		f.StringVar(&o.authCode, "auth-code", "", "six letters and digits that the card or the voice gave, where one did")
	}
	for _, name := range required {
		must(cmd.MarkFlagRequired(name))
	}
}

// check checks what needs neither agent nor card.
func (o *beginOptions) check(c *typeCommand) error {
	switch o.confirm {
	case confirmAsk, confirmYes, confirmNo, confirmLeave:
	default:
		if c.NeedsConfirmation() {
			return usage("--confirm: want ask, yes, no or leave")
		}
	}
	if o.timeout <= 0 {
		return usage("--timeout: want a duration above zero")
	}
	if o.uuid == "" {
		o.uuid = client.NewUUID()
	}
	for _, uuid := range []string{o.uuid, o.replaces, o.notDuplicateOf} {
		if uuid != "" {
			if err := checkUUID(uuid); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin makes the body out of the flags and, where the type follows another,
// out of the original. The card is read last, so that no mistake elsewhere
// costs the reader of a card his patience.
func (o *beginOptions) begin(ctx context.Context, a *app, c *typeCommand, original string) (client.Begin, error) {
	b := client.Begin{Type: c.Type, Terminal: iso8583.TID(o.terminal), Original: strings.ToLower(original), Sale: o.sale, Part: o.part, Partial: o.partial,
		AuthCode: o.authCode, Session: o.session, Replaces: o.replaces, NotDuplicateOf: o.notDuplicateOf}
	currency, err := o.fill(ctx, c, &b)
	if err != nil {
		return b, err
	}
	if c.amount {
		if b.Amount, err = parseAmount(o.amount, currency); err != nil {
			return b, &exitError{exitUsage, err}
		}
	}
	if c.follows() && o.cardFile == "" && o.testCard == 0 {
		return b, nil
	}
	if b.Card, err = a.readCard(o.cardFile, o.testCard); err != nil {
		return b, err
	}
	if o.entryMode != "" {
		b.Card.EntryMode = o.entryMode
	}
	if o.emv != "" {
		b.Card.EMV, err = a.readEMV(o.emv)
	}
	return b, err
}

// fill settles terminal and currency. What follows another leaves the currency
// to the agent, which knows the original's; here it only reads the amount.
func (o *beginOptions) fill(ctx context.Context, c *typeCommand, b *client.Begin) (iso8583.Currency, error) {
	if !c.follows() {
		currency, err := iso8583.ParseCurrency(o.currency)
		if err != nil {
			return 0, usage("--currency: want an ISO 4217 code such as CNY or 156")
		}
		b.Currency = currency.Alpha()
		return currency, nil
	}
	if err := checkUUID(b.Original); err != nil {
		return 0, err
	}
	t, err := original(ctx, o.socket, b.Original)
	if err != nil {
		return 0, err
	}
	if b.Terminal == "" {
		b.Terminal = t.Terminal
	}
	return iso8583.ParseCurrency(t.Currency)
}

// original asks for what is to be followed. That it is not there means
// something else here than for a UUID of one's own: nothing is safe to send.
func original(ctx context.Context, socket, uuid string) (*client.Transaction, error) {
	t, err := call(ctx, socket, func(ctx context.Context, c *client.Client) (*client.Transaction, error) { return c.Get(ctx, uuid, 0) })
	if p := client.AsProblem(err); p != nil && p.Code == string(txn.NotFound) {
		unknown := *p
		unknown.Code, unknown.Title, unknown.Retry = string(txn.OriginalUnknown), "there is no such original", client.RetryNewID
		return nil, &unknown
	}
	return t, err
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func checkUUID(s string) error {
	if !uuidForm.MatchString(s) {
		return usage("%.40q is no UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", s)
	}
	return nil
}
