package agent

import (
	"regexp"
	"strings"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What --partial and the field of that name can be.
const (
	partialAccept = "accept"
	partialRefuse = "refuse"
)

// Bounds of what was read from a card.
const (
	maxTrack2 = 37  // DE 35; ISO/IEC 7813 without sentinels and check character
	maxHandle = 512 // characters of the encrypted card number
)

var (
	expiry    = regexp.MustCompile(`^[0-9]{2}(0[1-9]|1[0-2])$`)
	entryMode = regexp.MustCompile(`^[0-9]{3}$`)
	track2    = regexp.MustCompile(`^[0-9]{12,19}[=D][0-9]{4,24}$`) // and maxTrack2
	pinBlock  = regexp.MustCompile(`^[0-9A-Fa-f]{16}$`)

	handleData = regexp.MustCompile(`^[0-9A-Za-z+/=_:.-]+$`) // and maxHandle: hexadecimal, Base64 or what the device calls it
	ksn        = regexp.MustCompile(`^[0-9A-Fa-f]{16,24}$`)
	maskedPAN  = regexp.MustCompile(`^[0-9]{0,6}[*]{2,15}[0-9]{0,4}$`)
	cardToken  = regexp.MustCompile(`^[0-9A-Za-z+/=_:.-]{8,64}$`)
)

// keyed is DE 22 of a card number that was keyed, without a PIN.
const keyed = "012"

// parseCard reads card data, or says which field is wrong and what it wants. It
// never quotes them.
func parseCard(c *client.Card) (*iso8583.Card, *client.Problem) {
	switch {
	case c.Expiry != "" && !expiry.MatchString(c.Expiry):
		return nil, badField("card.expiry", "want YYMM")
	case c.EntryMode != "" && !entryMode.MatchString(c.EntryMode):
		return nil, badField("card.entry_mode", "want the three digits of DE 22")
	case c.Track2 != "" && (len(c.Track2) > maxTrack2 || !track2.MatchString(c.Track2)):
		return nil, badField("card.track2", "want the card number, = or D, and further digits, %d characters in all, without sentinels", maxTrack2)
	case c.PINBlock != "" && !pinBlock.MatchString(c.PINBlock):
		return nil, badField("card.pin_block", "want 16 hexadecimal digits")
	}
	card := &iso8583.Card{
		Expiry: c.Expiry, EntryMode: c.EntryMode,
		Track2: iso8583.NewSecret(c.Track2), PINBlock: iso8583.NewSecret(strings.ToUpper(c.PINBlock)),
	}
	if card.EntryMode == "" {
		card.EntryMode = keyed
	}
	if c.Handle != nil {
		return card, takeHandle(c, card)
	}
	return card, takePAN(c, card)
}

// takePAN sets card number and expiry, from the track where they are given by
// nothing else. Given twice they must be the same.
func takePAN(c *client.Card, card *iso8583.Card) *client.Problem {
	number, date, _ := strings.Cut(strings.ReplaceAll(c.Track2, "D", "="), "=")
	if c.PAN != "" && number != "" && c.PAN != number {
		return badField("card.track2", "its card number is not card.pan's")
	}
	if c.PAN != "" {
		number = c.PAN
	}
	var err error
	if card.PAN, err = iso8583.ParsePAN(number); err != nil {
		return badField("card.pan", "%v", err)
	}
	if len(date) < 4 || !expiry.MatchString(date[:4]) {
		return nil
	}
	if c.Expiry != "" && c.Expiry != date[:4] {
		return badField("card.expiry", "it is not the track's")
	}
	card.Expiry = date[:4]
	return nil
}

// takeHandle sets the card handle of a device that releases no card number.
func takeHandle(c *client.Card, card *iso8583.Card) *client.Problem {
	h := c.Handle
	switch {
	case c.PAN != "" || c.Track2 != "":
		return badField("card.handle", "give either the handle or the card number")
	case len(h.Data) > maxHandle || !handleData.MatchString(h.Data):
		return badField("card.handle.data", "want the encrypted card number, at most %d of hexadecimal or Base64", maxHandle)
	case !ksn.MatchString(h.KSN):
		return badField("card.handle.ksn", "want 16 to 24 hexadecimal digits")
	case len(h.Masked) < 12 || len(h.Masked) > 19 || !maskedPAN.MatchString(h.Masked):
		return badField("card.handle.masked", "want 12 to 19 characters: first six and last four digits at most, the others *")
	case !cardToken.MatchString(h.Token):
		return badField("card.handle.token", "want 8 to 64 characters that are the same for the same card")
	}
	card.Handle = &iso8583.Handle{
		Data: iso8583.NewSecret(h.Data), KSN: strings.ToUpper(h.KSN), Masked: h.Masked, Token: iso8583.NewSecret(h.Token),
	}
	return nil
}

// parseEMV reads the chip's data. Which of them are sent is the dialect's and
// comes later; what is kept is the same everywhere.
func parseEMV(c *client.Card, out *txn.Begin) *client.Problem {
	chip := iso8583.ChipOf(out.Card.EntryMode)
	if c.EMV == "" {
		if chip != "" && out.Original == "" {
			return badField("card.emv", "card.entry_mode says that the chip was read: want its data")
		}
		return nil
	}
	if chip == "" {
		return badField("card.entry_mode", "card.emv is given: want 05x or 95x for a chip that was inserted, 07x or 91x for one that was tapped")
	}
	all, err := iso8583.ParseEMV(c.EMV)
	if err != nil {
		return badField("card.emv", "%v", err)
	}
	kept := iso8583.Keep(all)
	if iso8583.HoldsNumber(kept, func(digits string) bool { return digits == out.Card.PAN.Reveal() }) {
		return badField("card.emv", "a tag that is kept holds the card number")
	}
	out.EMV = kept
	out.Card.SetEMV(c.EMV, all) // all of it, until the dialect has chosen
	return nil
}

// parseConfirm reads what an application says with its confirm.
func parseConfirm(b *client.Confirm) (txn.Confirm, *client.Problem) {
	out := txn.Confirm{Amount: b.Amount}
	if b.Amount < 0 || b.Amount > iso8583.MaxMinor {
		return out, badField("amount", "want what the customer agreed to, in minor units")
	}
	if b.Chip == nil {
		return out, nil
	}
	c := b.Chip
	tc := iso8583.IsTC(c.CID)
	var tags strings.Builder
	for _, f := range []struct {
		tag, value string
		needed     bool
	}{
		{iso8583.TagCID, c.CID, true}, {iso8583.TagAC, c.AC, tc}, {iso8583.TagTVR, c.TVR, tc}, {iso8583.TagIAD, c.IAD, false},
		{iso8583.TagTSI, c.TSI, false}, {iso8583.TagATC, c.ATC, false}, {iso8583.TagCVM, c.CVM, false},
	} {
		if f.value == "" {
			if f.needed {
				return out, badField("chip."+f.tag, "missing")
			}
			continue
		}
		t, err := iso8583.NewTLV(f.tag, f.value)
		if err == nil {
			_, err = iso8583.ParseEMV(t.Hex())
		}
		if err != nil {
			return out, badField("chip."+f.tag, "%v", err)
		}
		if f.tag != iso8583.TagCID {
			tags.WriteString(t.Hex())
		}
	}
	if _, err := iso8583.NewTLV("DF31", c.Scripts); err != nil || len(c.Scripts) > 2*maxScripts {
		return out, badField("chip.scripts", "want the scripts' results, at most %d bytes in hexadecimal", maxScripts)
	}
	out.Chip = txn.ChipVerdict{CID: strings.ToUpper(c.CID), EMV: tags.String(), Scripts: strings.ToUpper(c.Scripts)}
	return out, nil
}

// maxScripts bounds the results of issuer scripts, in bytes.
const maxScripts = 50
