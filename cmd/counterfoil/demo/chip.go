package demo

import (
	"context"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The chip of the demo's card, where a scenario has one: it gives a cryptogram,
// and declines when it is asked for the second. Both columns read the same card.
const (
	chipEntry = "051"
	chipData  = "9F2608A1A2A3A4A5A6A7A8" + "9F270180" + "9F360242C1" + "95050000008000" + "8407A0000003330101"

	// What the second GENERATE AC gives: an AAC, so the card does not agree.
	aac = "00"
	tvr = "8000008000"
)

// readCard adds to the number what else is read from the card, as the agent's
// application sends it.
func (t *task) readCard(c *client.Card) {
	c.Expiry, c.EntryMode = testExpiry, entryMode
	if t.chip {
		c.EntryMode, c.EMV = chipEntry, chipData
	}
}

// wireCard is the same card as the plain client sends it.
func (t *task) wireCard(number string) (*iso8583.Card, error) {
	pan, err := iso8583.ParsePAN(number)
	if err != nil {
		return nil, err
	}
	c := &iso8583.Card{PAN: pan, Expiry: testExpiry, EntryMode: entryMode}
	if t.chip {
		c.EntryMode, c.EMV = chipEntry, iso8583.NewSecret(chipData)
	}
	return c, nil
}

// commit is the application's confirm, with the card's word where there is a
// chip: the agent takes a declining one for a cancel, and says so.
func (a *application) commit(ctx context.Context, uuid string) (*client.Transaction, error) {
	if !a.chip {
		return a.agent.Confirm(ctx, uuid)
	}
	return a.agent.ConfirmWith(ctx, uuid, client.Confirm{Chip: &client.ChipResult{CID: aac, TVR: tvr}})
}
