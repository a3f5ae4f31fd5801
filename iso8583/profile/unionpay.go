package profile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// The parts of data elements 48 and 60 to 63 in UnionPay's dialect
// (terminal-rules B1). This is all of that dialect that is code.
func init() {
	layouts["unionpay-48"] = layout{fill48, cut48}
	layouts["unionpay-60"] = layout{fill60, cut60}
	layouts["unionpay-61"] = layout{fill61, cut61}
	layouts["unionpay-62"] = layout{nil, cut62}
	layouts["unionpay-63"] = layout{fill63, cut63}
}

// networkType is 60.1 of every message that is no transaction.
const networkType = "00"

// fill60 is type 2, batch 6, network code 3, and of a transaction the
// terminal's capability.
func fill60(p *Profile, m *message, f *iso8583.Facts) (string, error) {
	if f.Batch == "" {
		return "", nil
	}
	if len(f.Batch) != 6 {
		return "", errors.New("batch: want six digits")
	}
	if f.Type == "" || spoken(f) {
		return networkType + f.Batch + m.Network, nil
	}
	typ := p.doc.Wire.Functions[variant(f)]
	if typ == "" {
		return "", nil
	}
	return typ + f.Batch + m.Network + p.doc.Wire.Capability, nil
}

// spoken says that the message is no transaction and speaks of one.
func spoken(f *iso8583.Facts) bool { return f.Kind == iso8583.KindScript || f.Kind.ChipUpload() }

func cut60(_ iso8583.MTI, v string) ([]SubField, error) {
	if len(v) < 11 {
		return nil, fmt.Errorf("want 11 digits or more, got %d", len(v))
	}
	c := cutter{rest: v}
	c.next("60.1 message type", 2)
	c.next("60.2 batch", 6)
	c.next("60.3 network code", 3)
	c.next("60.4 reader", 1)
	c.next("60.5 chip condition", 1)
	c.next("60.6 and on", len(c.rest))
	return c.parts, nil
}

// Batch is the batch number that DE 60 of m carries, six digits; "" where it
// carries none. Of a sign-on's answer it is the terminal's new batch.
func (p *Profile) Batch(m *iso8583.Message) string {
	if p.doc.Wire.Layouts[60] != "unionpay-60" || len(m.Get(60)) < 8 {
		return ""
	}
	return m.Get(60)[2:8]
}

// fill61 is batch 6 and STAN 6 of the message that is followed or reversed,
// and for what belongs to a pre-authorisation, and for a refund, its date or
// 0000. A sale and a pre-authorisation have nothing before them, and neither
// have their reversals; a script's result speaks of whatever ran it.
func fill61(_ *Profile, _ *message, f *iso8583.Facts) (string, error) {
	o := f.Original
	first := !spoken(f) && (f.Type == iso8583.Sale || f.Type == iso8583.PreAuth)
	if first || o.Batch == "" || o.STAN == 0 {
		return "", nil
	}
	if len(o.Batch) != 6 {
		return "", errors.New("batch of the original: want six digits")
	}
	v := o.Batch + o.STAN.String()
	if variant(f) == string(iso8583.Void) && !f.Kind.ChipUpload() {
		return v, nil
	}
	date := o.LocalDate
	if date == "" {
		date = "0000"
	}
	if len(date) != 4 {
		return "", errors.New("date of the original: want MMDD")
	}
	return v + date, nil
}

func cut61(_ iso8583.MTI, v string) ([]SubField, error) {
	if len(v) != 12 && len(v) < 16 {
		return nil, fmt.Errorf("want 12 digits, or 16 and more, got %d", len(v))
	}
	c := cutter{rest: v}
	c.next("61.1 original batch", 6)
	c.next("61.2 original STAN", 6)
	c.next("61.3 original date", 4)
	c.next("61.4 and on", len(c.rest))
	return c.parts, nil
}

// cut62 names the working keys of a sign-on's answer. They are wrapped, and
// secret all the same.
func cut62(mti iso8583.MTI, v string) ([]SubField, error) {
	if mti != "0810" {
		return []SubField{{Name: "62", Value: v, Secret: true}}, nil
	}
	b, err := hex.DecodeString(v)
	if err != nil {
		return nil, errors.New("want whole bytes")
	}
	w, err := mac.Unpack(b)
	if err != nil {
		return nil, err
	}
	var parts []SubField
	for _, s := range []struct {
		name string
		slot mac.Slot
	}{{"PIN key", w.PIN}, {"MAC key", w.MAC}, {"track key", w.Track}} {
		if len(s.slot.Key) > 0 {
			parts = append(parts,
				SubField{Name: "62 " + s.name, Value: fmt.Sprintf("%X", s.slot.Key), Secret: true},
				SubField{Name: "62 check value of the " + s.name, Value: fmt.Sprintf("%X", s.slot.Check), Secret: true})
		}
	}
	return parts, nil
}

// WorkingKeys cuts DE 62 of a sign-on's answer. The error is mac.ErrLength,
// or says that there is none.
func (p *Profile) WorkingKeys(m *iso8583.Message) (mac.Wrapped, error) {
	b, err := hex.DecodeString(m.Get(62))
	if err != nil || len(b) == 0 {
		return mac.Wrapped{}, errors.New("working keys (DE 62): missing")
	}
	return mac.Unpack(b)
}

func fill63(_ *Profile, _ *message, f *iso8583.Facts) (string, error) { return f.Operator, nil }

func cut63(_ iso8583.MTI, v string) ([]SubField, error) {
	c := cutter{rest: v}
	c.next("63.1 operator or card organisation", 3)
	c.next("63.2 text", len(c.rest))
	return c.parts, nil
}

// Sizes in DE 48.
const (
	totalsSide = 31 // debit amount 12, count 3, credit amount 12, count 3, flag 1
	recordSize = 40 // card type 2, STAN 6, PAN 20, amount 12
	maxRecords = 8  // in one upload
)

// fill48 is the totals of a settlement, the records of an upload, or the count
// at its end.
func fill48(_ *Profile, m *message, f *iso8583.Facts) (string, error) {
	s := f.Settlement
	if s == nil {
		return "", nil
	}
	switch f.Kind {
	case iso8583.KindSettle:
		return totals(s.Totals)
	case iso8583.KindUpload:
		return records(s.Records)
	case iso8583.KindUploadEnd, iso8583.KindUploadEndUnbalanced:
		if s.Count < 0 || s.Count > 9999 {
			return "", errors.New("want at most 9999 records")
		}
		return fmt.Sprintf("%04d", s.Count), nil
	default:
		return "", nil
	}
}

func totals(sides [2]iso8583.Totals) (string, error) {
	var b strings.Builder
	for _, t := range sides {
		if min(t.Debit, t.Credit) < 0 || max(t.Debit, t.Credit) > iso8583.MaxMinor {
			return "", errors.New("totals: an amount does not fit 12 digits")
		}
		if min(t.DebitCount, t.CreditCount) < 0 || max(t.DebitCount, t.CreditCount) > 999 {
			return "", errors.New("totals: a count does not fit 3 digits")
		}
		fmt.Fprintf(&b, "%012d%03d%012d%03d0", t.Debit, t.DebitCount, t.Credit, t.CreditCount)
	}
	return b.String(), nil
}

func records(all []iso8583.BatchRecord) (string, error) {
	if len(all) == 0 || len(all) > maxRecords {
		return "", fmt.Errorf("upload: want 1 to %d records, got %d", maxRecords, len(all))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%02d", len(all))
	for i, r := range all {
		pan := r.PAN.Reveal()
		if len(r.CardType) != 2 || r.STAN == 0 || pan == "" || r.Minor < 0 || r.Minor > iso8583.MaxMinor {
			return "", fmt.Errorf("upload: record %d lacks a card type of two digits, STAN, card number or amount", i+1)
		}
		fmt.Fprintf(&b, "%s%s%020s%012d", r.CardType, r.STAN, pan, r.Minor) // right-aligned, zeros before it (M)
	}
	return b.String(), nil
}

func cut48(mti iso8583.MTI, v string) ([]SubField, error) {
	c := cutter{rest: v}
	switch {
	case mti == "0500" || mti == "0510":
		if len(v) != 2*totalsSide {
			return nil, fmt.Errorf("want %d digits, got %d", 2*totalsSide, len(v))
		}
		for _, side := range []string{"domestic", "foreign"} {
			c.next("48 "+side+" debit amount", 12)
			c.next("48 "+side+" debit count", 3)
			c.next("48 "+side+" credit amount", 12)
			c.next("48 "+side+" credit count", 3)
			c.next("48 "+side+" verdict", 1)
		}
	case (mti == "0320" || mti == "0330") && len(v) == 4:
		c.next("48 records uploaded", 4)
	case mti == "0320" || mti == "0330":
		n, err := strconv.Atoi(v[:min(2, len(v))])
		if err != nil || n > maxRecords || len(v) != 2+n*recordSize {
			return nil, fmt.Errorf("want a count of at most %d and %d digits a record", maxRecords, recordSize)
		}
		c.next("48 records", 2)
		for i := range n {
			at := fmt.Sprintf("48 record %d ", i+1)
			c.next(at+"card type", 2)
			c.next(at+"STAN", 6)
			c.next(at+"card number", 20)
			c.parts[len(c.parts)-1].Secret = true
			c.next(at+"amount", 12)
		}
	default:
		c.next("48", len(v))
		c.parts[0].Secret = true
	}
	return c.parts, nil
}

// Verdicts is what a 0510 says of domestic and of foreign cards: in DE 48, or,
// of both alike, in DE 66 (terminal-rules B1, B2). A missing or unknown one is
// BatchUnknown.
func (p *Profile) Verdicts(m *iso8583.Message) (out [2]iso8583.BatchVerdict) {
	if v := m.Get(66); len(v) == 1 && v[0] >= '1' && v[0] <= '3' && m.MTI.Class() == '5' {
		return [2]iso8583.BatchVerdict{iso8583.BatchVerdict(v[0] - '0'), iso8583.BatchVerdict(v[0] - '0')}
	}
	v := m.Get(48)
	if p.doc.Wire.Layouts[48] != "unionpay-48" || len(v) != 2*totalsSide {
		return out
	}
	for i := range out {
		if c := v[(i+1)*totalsSide-1]; c >= '1' && c <= '3' {
			out[i] = iso8583.BatchVerdict(c - '0')
		}
	}
	return out
}
