package profile

import (
	"fmt"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// fillers gives the value of each data element that has the same meaning in
// every dialect; "" where the facts do not hold it.
var fillers = map[int]func(p *Profile, f *iso8583.Facts) string{
	2: func(_ *Profile, f *iso8583.Facts) string { return card(f).PAN.Reveal() },
	3: func(p *Profile, f *iso8583.Facts) string { return p.doc.Wire.Processing[f.Type] },
	4: amount,
	7: func(_ *Profile, f *iso8583.Facts) string { return f.Transmission },
	11: func(_ *Profile, f *iso8583.Facts) string {
		if f.STAN == 0 {
			return ""
		}
		return f.STAN.String()
	},
	12: func(_ *Profile, f *iso8583.Facts) string { return f.LocalTime },
	13: func(_ *Profile, f *iso8583.Facts) string { return f.LocalDate },
	14: func(_ *Profile, f *iso8583.Facts) string { return card(f).Expiry },
	22: func(_ *Profile, f *iso8583.Facts) string { return card(f).EntryMode },
	23: func(_ *Profile, f *iso8583.Facts) string { return card(f).Sequence },
	25: func(p *Profile, f *iso8583.Facts) string { return p.doc.Wire.Conditions[variant(f)] },
	35: func(_ *Profile, f *iso8583.Facts) string { return card(f).Track2.Reveal() },
	37: func(_ *Profile, f *iso8583.Facts) string { return string(f.RRN) },
	38: func(_ *Profile, f *iso8583.Facts) string { return f.AuthCode },
	39: func(_ *Profile, f *iso8583.Facts) string { return f.Reason },
	41: func(_ *Profile, f *iso8583.Facts) string { return string(f.TID) },
	42: func(_ *Profile, f *iso8583.Facts) string { return string(f.MID) },
	49: func(_ *Profile, f *iso8583.Facts) string {
		if f.Amount.Currency == 0 {
			return ""
		}
		return f.Amount.Currency.Numeric()
	},
	52: func(_ *Profile, f *iso8583.Facts) string { return strings.ToUpper(card(f).PINBlock.Reveal()) },
	55: chipData,
	74: batch(func(t *iso8583.Totals) string { return fmt.Sprintf("%010d", t.CreditCount) }),
	75: batch(func(*iso8583.Totals) string { return fmt.Sprintf("%010d", 0) }), // what was reversed is in no totals
	76: batch(func(t *iso8583.Totals) string { return fmt.Sprintf("%010d", t.DebitCount) }),
	77: batch(func(*iso8583.Totals) string { return fmt.Sprintf("%010d", 0) }),
	86: batch(func(t *iso8583.Totals) string { return fmt.Sprintf("%016d", t.Credit) }),
	87: batch(func(*iso8583.Totals) string { return fmt.Sprintf("%016d", 0) }),
	88: batch(func(t *iso8583.Totals) string { return fmt.Sprintf("%016d", t.Debit) }),
	89: batch(func(*iso8583.Totals) string { return fmt.Sprintf("%016d", 0) }),
	90: originalData,
	95: func(_ *Profile, f *iso8583.Facts) string { return f.Remains },
	97: batch(netAmount),
}

// batch fills an element of a settlement from both sides' totals together.
func batch(of func(*iso8583.Totals) string) func(*Profile, *iso8583.Facts) string {
	return func(_ *Profile, f *iso8583.Facts) string {
		if f.Settlement == nil {
			return ""
		}
		var sum iso8583.Totals
		for _, t := range f.Settlement.Totals {
			sum.Debit, sum.Credit = sum.Debit+t.Debit, sum.Credit+t.Credit
			sum.DebitCount, sum.CreditCount = sum.DebitCount+t.DebitCount, sum.CreditCount+t.CreditCount
		}
		return of(&sum)
	}
}

// netAmount is DE 97: C where more was given back than taken, else D.
func netAmount(t *iso8583.Totals) string {
	if t.Credit > t.Debit {
		return fmt.Sprintf("C%016d", t.Credit-t.Debit)
	}
	return fmt.Sprintf("D%016d", t.Debit-t.Credit)
}

// completionVoid is what conditions and functions call the void of a
// completion, where a dialect tells it from that of a sale.
const completionVoid = "completion_void"

// variant is the type of a message, in the words of conditions and functions.
func variant(f *iso8583.Facts) string {
	if f.Type == iso8583.Void && f.Original.Type == iso8583.Completion {
		return completionVoid
	}
	return string(f.Type)
}

func card(f *iso8583.Facts) *iso8583.Card {
	if f.Card == nil {
		return &iso8583.Card{}
	}
	return f.Card
}

// amount is DE 4. Nothing may be asked for as nothing, save by what moves no
// money: that always asks for zero.
func amount(_ *Profile, f *iso8583.Facts) string {
	switch {
	case f.Type.Valid() && !f.Type.MovesMoney():
		return iso8583.Amount{}.DE4()
	case f.Amount.Minor == 0:
		return ""
	default:
		return f.Amount.DE4()
	}
}

func originalData(_ *Profile, f *iso8583.Facts) string { return f.Original.DE90() }

// Compose gives facts the shape of this dialect's message. An element that is
// mandatory and not known, or does not fit, is an error that names it and
// never quotes it.
func (p *Profile) Compose(f iso8583.Facts) (*iso8583.Message, error) {
	kind, repeat := f.Kind, f.Repeat
	if kind == iso8583.KindReversalRepeat {
		kind, repeat = iso8583.KindReversal, true
	}
	spec, ok := p.doc.Wire.Messages[kind]
	if !ok {
		return nil, fmt.Errorf("composing: profile %s has no message %q", p.Name, f.Kind)
	}
	m := iso8583.NewMessage(spec.MTI)
	if repeat {
		m.MTI = spec.RepeatMTI
	}
	fill := func(de int) error {
		if de == macElement {
			m.MAC = iso8583.MACWanted
			return nil
		}
		v, err := p.fill(de, &spec, &f)
		if err != nil {
			return fmt.Errorf("composing %s %s: data element %d: %w", f.Kind, m.MTI, de, err)
		}
		if v == "" {
			return nil
		}
		if err := p.checkValue(de, v); err != nil {
			return fmt.Errorf("composing %s %s: data element %d: %w", f.Kind, m.MTI, de, err)
		}
		m.Set(de, v)
		return nil
	}
	for _, de := range spec.Fields {
		if err := fill(de); err != nil {
			return nil, err
		}
		if !m.Has(de) && de != macElement && (de != 2 || !p.handled(f.Card)) {
			return nil, fmt.Errorf("composing %s %s: data element %d is mandatory and not known", f.Kind, m.MTI, de)
		}
	}
	for _, de := range spec.Optional {
		if err := fill(de); err != nil {
			return nil, err
		}
	}
	for de, v := range spec.Constants {
		m.Set(de, v)
	}
	if m.Has(52) {
		for de, v := range p.doc.Wire.WithPIN {
			m.Set(de, v)
		}
	}
	return m, p.setHandle(m, f.Card)
}

// fill gives the value of one data element: by the layout that the profile
// names for it, else by what it means everywhere.
func (p *Profile) fill(de int, m *message, f *iso8583.Facts) (string, error) {
	if l := layouts[p.doc.Wire.Layouts[de]]; l.fill != nil {
		return l.fill(p, m, f)
	}
	return fillers[de](p, f), nil
}
