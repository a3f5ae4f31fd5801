package txn

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What an upload's message carries (terminal-rules B1, 0320). A transaction of
// which the card's certificate (TC) is kept goes alone, with it; the others go
// several at a time. The order is the set's, so that what the host has
// acknowledged is one number.

// nextUpload says what comes after the records that the host has acknowledged:
// the kind of message, and how many records it carries.
func (s *step) nextUpload(b *Batch) (k iso8583.Kind, count int) {
	r, all := s.batchRules(b), s.m.members(b)
	for _, stan := range b.Listed()[b.Uploaded:] {
		i := slices.IndexFunc(all, func(t *Transaction) bool { return t.STAN == stan })
		alone := i >= 0 && uploadedAlone(r, all[i])
		switch {
		case alone && count == 0:
			return chipUpload(all[i]), 1
		case alone, count == uploadSize:
			return iso8583.KindUpload, count
		}
		count++
	}
	return iso8583.KindUpload, count
}

// uploadedAlone says that t goes with its card's certificate, in a message with all
// of its card's elements.
func uploadedAlone(r *iso8583.Rules, t *Transaction) bool {
	return len(r.Chip.UploadTags) > 0 && iso8583.IsTC(t.CID)
}

// listed says whether an upload can tell t: a record among others has the card's
// number, which a handle does not give; alone, t goes with the handle's elements.
func (s *step) listed(b *Batch, t *Transaction) bool {
	r := s.batchRules(b)
	return !t.Handle || r.MTI[iso8583.KindUpload] == "" || uploadedAlone(r, t)
}

// chipUpload tells an approval whose issuer the card did not recognise, and that
// it took all the same (95, byte 5, bit 7: issuer authentication failed).
func chipUpload(t *Transaction) iso8583.Kind {
	all, err := iso8583.ParseTLVHex(t.ResultEMV)
	if tvr, ok := iso8583.FindTLV(all, iso8583.TagTVR); ok && err == nil && len(tvr.Value) == 5 && tvr.Value[4]&0x40 != 0 {
		return iso8583.KindUploadChipFailed
	}
	return iso8583.KindUploadChip
}

// withChip adds to the facts of an upload what its one transaction's card said.
func (s *step) withChip(b *Batch, f *iso8583.Facts) {
	stan := f.Settlement.Records[0].STAN
	for _, t := range s.m.members(b) {
		if t.STAN == stan {
			f.Type, f.Amount, f.RRN, f.AuthCode = t.Kind, t.Amount(), t.RRN, t.AuthCode
			f.Amount.Minor = t.Taken()
			f.Original, f.ChipData = t.identity(s.batchRules(b)), t.chipTags(s.batchRules(b).Chip.UploadTags)
		}
	}
}
