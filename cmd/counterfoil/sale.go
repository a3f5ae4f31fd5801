package main

import (
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// saleOptions are the flags of sale.
type saleOptions struct {
	socket, terminal, amount, currency string
	sale, part, uuid, cardFile         string
	testCard                           int
	confirm                            string
	timeout                            time.Duration
}

// What --confirm can be.
const (
	confirmAsk   = "ask"
	confirmYes   = "yes"
	confirmNo    = "no"
	confirmLeave = "leave"
)

func saleCommand(a *app) *cobra.Command {
	var o saleOptions
	cmd := &cobra.Command{
		Use:   "sale --terminal TID --amount 12.34 --currency CNY --sale REFERENCE",
		Short: "A sale, as a payment application makes it",
		Long: `sale does what a payment application does: it begins a sale under a UUID, waits
for the acquirer, confirms, shows the outcome and says that it was shown. Only
after the confirmation is the sale paid.

The card comes from --card-file, or from standard input with --card-file -: one
line with the card number and, after a space, the expiry as YYMM. For the
simulated acquirer there are published test numbers:

` + testCardsHelp() + `
--confirm says what to do once the acquirer approved:
  ask     ask on standard input (the default)
  yes     confirm
  no      cancel, as a customer who changed their mind
  leave   do nothing, as an application that crashed: the agent reverses`,
		Example: `  counterfoil sale --terminal DEV00001 --amount 12.34 --currency CNY --sale order-7 --test-card 1 --confirm yes`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := o.teller(a)
			if err != nil {
				return err
			}
			return t.sell(cmd.Context())
		},
	}
	a.socketFlag(cmd, &o.socket)
	f := cmd.Flags()
	f.StringVar(&o.terminal, "terminal", "", "terminal id, DE 41")
	f.StringVar(&o.amount, "amount", "", "in major units, with all decimals of the currency or none: 12.34")
	f.StringVar(&o.currency, "currency", "", "ISO 4217 code: CNY or 156")
	f.StringVar(&o.sale, "sale", "", "the merchant's reference of the sale")
	f.StringVar(&o.part, "part", "", "of a deliberately split sale")
	f.StringVar(&o.uuid, "uuid", "", "UUID of an earlier try, to ask again; a new one if absent")
	f.StringVar(&o.cardFile, "card-file", "", `file with the card; "-" is standard input`)
	f.IntVar(&o.testCard, "test-card", 0, "a published test number, for the simulated acquirer")
	f.StringVar(&o.confirm, "confirm", confirmAsk, "ask, yes, no or leave")
	f.DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long to wait for the outcome")
	for _, name := range []string{"terminal", "amount", "currency", "sale"} {
		must(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// teller checks the flags. The card is read last, so that no mistake elsewhere
// costs the reader of a card his patience.
func (o *saleOptions) teller(a *app) (*teller, error) {
	currency, err := iso8583.ParseCurrency(o.currency)
	if err != nil {
		return nil, usage("--currency: want an ISO 4217 code such as CNY or 156")
	}
	minor, err := parseAmount(o.amount, currency)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	switch o.confirm {
	case confirmAsk, confirmYes, confirmNo, confirmLeave:
	default:
		return nil, usage("--confirm: want ask, yes, no or leave")
	}
	if o.timeout <= 0 {
		return nil, usage("--timeout: want a duration above zero")
	}
	if o.uuid == "" {
		o.uuid = client.NewUUID()
	} else if err := checkUUID(o.uuid); err != nil {
		return nil, err
	}
	card, err := a.readCard(o.cardFile, o.testCard)
	if err != nil {
		return nil, err
	}
	return &teller{app: a, socket: o.socket, uuid: o.uuid, confirm: o.confirm, timeout: o.timeout, begin: client.Begin{
		Type: iso8583.Sale, Terminal: iso8583.TID(o.terminal), Amount: minor, Currency: currency.Alpha(),
		Sale: o.sale, Part: o.part, Card: card,
	}}, nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func checkUUID(s string) error {
	if !uuidForm.MatchString(s) {
		return usage("%.40q is no UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", s)
	}
	return nil
}
