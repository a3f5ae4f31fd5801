package agent

import (
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// cardHash is the keyed hash by which cards are told apart: of the number, or
// of the token of a device that releases none. The two are never equal.
func (a *Agent) cardHash(c *iso8583.Card) (string, error) {
	if c.Handle != nil {
		return a.journal.KeyedHash("token", []byte(c.Handle.Token.Reveal()))
	}
	return a.journal.KeyedHash("pan", []byte(c.PAN.Reveal()))
}

// isNumber says whether digits are the card number of which hash is kept.
func (a *Agent) isNumber(digits, hash string) bool {
	h, err := a.journal.KeyedHash("pan", []byte(digits))
	return err == nil && h == hash
}

// fitCard cuts the chip's data to what the dialect sends, and refuses what it
// cannot send, before there is an intent.
func (q *acquirer) fitCard(c *iso8583.Card) *client.Problem {
	if c.Handle != nil {
		if err := q.profile.CheckHandle(c.Handle); err != nil {
			p := newProblem(codeHandleUnsupported)
			p.Field, p.Detail = "card.handle", err.Error()
			return p
		}
	}
	if c.EMV.IsZero() {
		return nil
	}
	all, err := iso8583.ParseEMV(c.EMV.Reveal())
	if err != nil {
		return badField("card.emv", "%v", err)
	}
	sent, err := q.profile.ChipData(all)
	if err != nil {
		return badField("card.emv", "%v", err)
	}
	c.SetEMV(sent, all)
	return nil
}

// noNumber refuses a confirm whose chip data hold the card number: they are
// journaled in clear.
func (s *api) noNumber(r *http.Request, ev *txn.Confirm) *client.Problem {
	if !ev.Chip.Given() {
		return nil
	}
	uuid, p := pathUUID(r)
	if p != nil {
		return p
	}
	t, ok, err := s.agent.find(uuid)
	if err != nil {
		return newProblem(codeStopping)
	}
	is := func(digits string) bool { return ok && s.agent.isNumber(digits, t.CardHash) }
	if iso8583.HoldsNumber(ev.Chip.EMV, is) || iso8583.HoldsNumber(ev.Chip.Scripts, is) {
		return badField("chip", "this holds the card number")
	}
	return nil
}

// issuerData takes what the card needs out of an answer's DE 55. What is no
// chip data, or holds the number of the card that the answer is about, is bad.
func (q *acquirer) issuerData(m *iso8583.Message, tid iso8583.TID, stan iso8583.STAN) (data string, bad bool) {
	data, err := iso8583.IssuerData(m.Get(55))
	if err != nil {
		return "", true
	}
	hash := q.agent.view.cardHash(tid, stan)
	if iso8583.HoldsNumber(data, func(digits string) bool { return hash != "" && q.agent.isNumber(digits, hash) }) {
		return "", true
	}
	return data, false
}

// presentChip is what the application is told about the chip, or nil.
func presentChip(t *txn.Transaction) *client.Chip {
	if t.Chip == "" {
		return nil
	}
	out := &client.Chip{Read: string(t.Chip), Scripts: t.Scripts, ScriptsOwed: t.Script.Owed(), Evidence: map[string]string{}}
	all, _ := iso8583.ParseTLVHex(t.IssuerData) // journaled as such
	for _, o := range all {
		switch value := o.HexValue(); o.Tag {
		case iso8583.TagARC:
			out.ARC = value
		case iso8583.TagIssuer:
			out.Issuer = value
		case iso8583.TagScript1:
			out.Script1 = append(out.Script1, o.Hex())
		case iso8583.TagScript2:
			out.Script2 = append(out.Script2, o.Hex())
		}
	}
	for _, from := range []string{t.EMV, t.ResultEMV} { // the later word counts
		all, _ := iso8583.ParseTLVHex(from)
		for _, o := range all {
			out.Evidence[o.Tag] = o.HexValue()
		}
	}
	if t.CID != "" {
		out.Evidence[iso8583.TagCID] = t.CID
	}
	return out
}
