package txn

import (
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// ChipVerdict is what the card said to the second GENERATE AC. The zero value
// is no verdict.
type ChipVerdict struct {
	CID     string // tag 9F27, two hexadecimal digits
	EMV     string // what is kept of the tags, hexadecimal (iso8583.Keep)
	Scripts string // the issuer scripts' results, hexadecimal
}

// Given says that there is a verdict.
func (v *ChipVerdict) Given() bool { return v.CID != "" }

// Declines says that the card did not agree: it gave an AAC, or what is no
// cryptogram at all. Such a confirm is a cancel, never a commit (row "Card
// declines after the host's 00").
func (v *ChipVerdict) Declines() bool { return v.Given() && !iso8583.IsTC(v.CID) }

// ChipResult is the verdict, durable with what came of it: with Confirmed where
// the card agreed, as evidence for a chargeback and for a script advice; with
// Reversing where it did not.
type ChipResult struct {
	Head
	CID     string `json:"cid"`
	EMV     string `json:"emv,omitempty"`
	Scripts string `json:"scripts,omitempty"`
}

// Type makes it a Record.
func (*ChipResult) Type() RecordType { return TypeChipResult }

func (r *ChipResult) fields(c *coder) { str(c, 2, &r.CID); str(c, 3, &r.EMV); str(c, 4, &r.Scripts) }

// NeedsVerdict says that t is not committed without the card's word: its chip
// was in the reader when the host answered.
func (t *Transaction) NeedsVerdict() bool {
	return t.Chip == iso8583.ChipContact && t.Kind.NeedsConfirmation()
}

// Taken is what the host approved, in minor units: less than was asked for
// where it approved a part.
func (t *Transaction) Taken() int64 {
	if t.ApprovedMinor != 0 {
		return t.ApprovedMinor
	}
	return t.Minor
}

// misfit says why a confirm that is no cancel cannot be obeyed, or "".
func (t *Transaction) misfit(e *Confirm) Code {
	v := &e.Chip
	switch {
	case t.NeedsVerdict() && !v.Given():
		return ChipVerdictMissing
	case t.Chip == "" && v.Given():
		return ChipUnexpected
	case e.Amount == 0 && t.ApprovedMinor != 0, e.Amount != 0 && e.Amount != t.Taken():
		return AmountNotAgreed
	}
	return ""
}

// confirm is the commit point (R4): durable before it is acknowledged. A
// verdict of the chip that is no TC is a cancel.
func confirm(s *step, t *Transaction, ev Event) {
	e := ev.(Confirm)
	if t.Stuck {
		s.answer(e.Req, t.UUID, declinedAgain(t, &e, Unsuitable)) // a person decides
		return
	}
	if t.Chip != "" && e.Chip.Declines() {
		s.chipResult(t, &e.Chip)
		s.reverse(t, CauseChip)
		s.answer(e.Req, t.UUID, TakenAsCancel)
		return
	}
	if code := t.misfit(&e); code != "" {
		s.answer(e.Req, t.UUID, code)
		return
	}
	s.chipResult(t, &e.Chip)
	s.commit(t)
	s.oweScript(t)
	s.answer(e.Req, t.UUID, OK)
}

func (s *step) chipResult(t *Transaction, v *ChipVerdict) {
	if v.Given() {
		s.record(t.UUID, &ChipResult{CID: v.CID, EMV: v.EMV, Scripts: v.Scripts})
	}
}

// confirmAgain acknowledges what is committed, unless this confirm is another
// one: a declining verdict or another amount after the commit is not.
func confirmAgain(s *step, t *Transaction, ev Event) {
	e := ev.(Confirm)
	code := OK
	switch {
	case e.Chip.Declines():
		code = Committed
	case e.Amount != 0 && e.Amount != t.Taken(), t.partUnwanted():
		code = AmountNotAgreed
	}
	s.answer(e.Req, t.UUID, code)
}

// declinedAgain: the same declining verdict, asked again, gets the same answer.
func declinedAgain(t *Transaction, e *Confirm, otherwise Code) Code {
	if t.CID != "" && !iso8583.IsTC(t.CID) && e.Chip.Declines() {
		return TakenAsCancel
	}
	return otherwise
}

// chipOfReversal is DE 55 of a reversal for the cause: what the rules want of
// what the card said last, and of what it said before. It is journaled, so that
// every attempt sends the same.
func chipOfReversal(r *iso8583.ChipRules, t *Transaction, c Cause) string {
	if t.Chip == "" || c != CauseChip && !r.ReversalAlways {
		return ""
	}
	return t.chipTags(r.ReversalTags)
}

// chipTags is what is kept of these tags, in their order.
func (t *Transaction) chipTags(tags []string) string {
	var out strings.Builder
	for _, tag := range tags {
		if tag == iso8583.TagCID && t.CID != "" { // the last word, not the first
			if v, err := iso8583.NewTLV(tag, t.CID); err == nil {
				out.WriteString(v.Hex())
				continue
			}
		}
		if (tag == iso8583.TagScripts || tag == iso8583.TagScriptsV) && t.Scripts != "" {
			if v, err := iso8583.NewTLV(tag, t.Scripts); err == nil {
				out.WriteString(v.Hex())
				continue
			}
		}
		for _, from := range []string{t.ResultEMV, t.EMV} {
			all, err := iso8583.ParseTLVHex(from)
			if v, ok := iso8583.FindTLV(all, tag); ok && err == nil {
				out.WriteString(v.Hex())
				break
			}
		}
	}
	return out.String()
}

// unreadable is an approval whose DE 55 is no chip data. Where the card waits
// for it, it is not believed: reversed as unparseable (row "Reason, UnionPay
// DE 39"). A card that was tapped has left, and needs none of it.
func (t *Transaction) unreadable(e *Response) bool {
	return e.BadChip && t.NeedsVerdict()
}
