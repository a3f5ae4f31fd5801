package hostsim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Policy is how this host decides where acquirers differ. The rows cited are
// those of terminal-rules.md, table A. A personality is one written down. What
// is left empty is as most hosts do it.
type Policy struct {
	// Tombstones: a reversal whose original is unknown is remembered and
	// answered 00, and the original is refused when it comes (R3). Without it
	// such a reversal is answered UnknownOriginal and leaves no trace.
	Tombstones bool `yaml:"tombstones"`

	// Row "Answer codes that end a reversal".
	UnknownOriginal  string `yaml:"unknown_original"`  // 25; 00 for a host that says so without remembering
	AlreadyReversed  string `yaml:"already_reversed"`  // of a repeated reversal: 00, 25 or 94
	DeclinedOriginal string `yaml:"declined_original"` // 00, 01 or 25: nothing was debited
	AmountDiffers    string `yaml:"amount_differs"`    // 64: DE 4, DE 49 or DE 95 does not fit the original
	OtherDay         string `yaml:"other_day"`         // original of another day: 25; empty: it does not matter

	Find        Find    `yaml:"find"`         // row "How the host finds the original"
	RewriteSTAN Rewrite `yaml:"rewrite_stan"` // row "STAN range"

	NoOriginal string `yaml:"no_original"`  // of a void, refund or completion that follows nothing known: 25
	Refused    string `yaml:"refused_code"` // of a request that was reversed before it came: 21

	AdviceRepeat string    `yaml:"advice_repeat"` // of an advice that is booked already: 94 or 00
	Inquiry      Inquiries `yaml:"inquiry"`       // how a status inquiry is answered

	Hold           bool          `yaml:"-"` // an authorisation is pending first, to be ended by Complete
	OpeningBalance int64         `yaml:"-"` // of each card, minor units of any currency
	Declines       []DeclineRule `yaml:"-"` // asked in order; the first that matches declines
	Partials       []PartialRule `yaml:"-"` // likewise: approves less
}

// defaultPolicy is what most hosts do.
var defaultPolicy = Policy{
	UnknownOriginal: CodeNotFound, AlreadyReversed: CodeApproved, DeclinedOriginal: CodeApproved,
	AmountDiffers: CodeAmount, Find: FindWhole, RewriteSTAN: RewriteNever, NoOriginal: CodeNotFound, Refused: CodeNoAction,
	AdviceRepeat: CodeDuplicate, Inquiry: InquiryTrue,
}

// over is p, and base where p says nothing. Only tombstones, once either keeps
// them, are kept.
func (p Policy) over(base Policy) Policy {
	p.Tombstones = p.Tombstones || base.Tombstones
	for _, s := range []struct {
		to   *string
		from string
	}{
		{&p.UnknownOriginal, base.UnknownOriginal}, {&p.AlreadyReversed, base.AlreadyReversed},
		{&p.DeclinedOriginal, base.DeclinedOriginal}, {&p.AmountDiffers, base.AmountDiffers}, {&p.OtherDay, base.OtherDay},
		{(*string)(&p.Find), string(base.Find)}, {(*string)(&p.RewriteSTAN), string(base.RewriteSTAN)},
		{&p.NoOriginal, base.NoOriginal}, {&p.Refused, base.Refused},
		{&p.AdviceRepeat, base.AdviceRepeat}, {(*string)(&p.Inquiry), string(base.Inquiry)},
	} {
		if *s.to == "" {
			*s.to = s.from
		}
	}
	return p
}

// Find is how the host looks for the original that DE 90 names.
type Find string

// The ways there are.
const (
	FindWhole Find = "whole" // by the whole identity: MTI, terminal, STAN and DE 7
	// FindOneRow finds by terminal and STAN among today's and yesterday's
	// transactions, declined ones too; none or several is 25 (SPP).
	FindOneRow Find = "one_row"
)

// Rewrite says whether the host writes 9 over the first digit of a reversal's
// STAN (BP). Its records are then unique by that STAN, terminal and day: what
// collides there is answered 94 and not processed.
type Rewrite string

// The ways there are.
const (
	RewriteNever   Rewrite = "never"
	RewriteRecords Rewrite = "records" // in its records; the answer echoes what came
	RewriteAnswers Rewrite = "answers" // in the answer too
)

// rewritten is stan with a 9 for its first digit.
func rewritten(stan iso8583.STAN) iso8583.STAN { return 900_000 + stan%100_000 }

// check says which setting is out of range, by the key that it has in a file.
func (p *Policy) check() error {
	oneOf := func(key, got string, want ...string) error {
		if got == "" || slices.Contains(want, got) {
			return nil
		}
		return fmt.Errorf("%s: want %s, got %q", key, strings.Join(want, " or "), got)
	}
	declining := func(key, got string) error {
		if got == "" || len(got) == 2 && got != CodeApproved {
			return nil
		}
		return fmt.Errorf("%s: want a declining code of two characters, got %q", key, got)
	}
	for _, err := range []error{
		oneOf("unknown_original", p.UnknownOriginal, "00", "25"),
		oneOf("already_reversed", p.AlreadyReversed, "00", "25", "94"),
		oneOf("declined_original", p.DeclinedOriginal, "00", "01", "25"),
		declining("amount_differs", p.AmountDiffers),
		declining("other_day", p.OtherDay),
		oneOf("find", string(p.Find), string(FindWhole), string(FindOneRow)),
		oneOf("rewrite_stan", string(p.RewriteSTAN), string(RewriteNever), string(RewriteRecords), string(RewriteAnswers)),
		declining("no_original", p.NoOriginal),
		declining("refused_code", p.Refused),
		oneOf("advice_repeat", p.AdviceRepeat, "94", "00"),
		oneOf("inquiry", string(p.Inquiry), string(InquiryTrue), string(InquiryNotFound), string(InquiryInProgress), string(InquirySilent), string(InquiryAnother)),
	} {
		if err != nil {
			return err
		}
	}
	if p.Tombstones && p.Find == FindOneRow {
		return fmt.Errorf("find: %q and tombstones exclude each other: a tombstone is no row", FindOneRow)
	}
	for i := range p.Declines {
		if err := p.Declines[i].check(); err != nil {
			return fmt.Errorf("declines[%d]: %w", i, err)
		}
	}
	for i := range p.Partials {
		if err := p.Partials[i].check(); err != nil {
			return fmt.Errorf("partials[%d]: %w", i, err)
		}
	}
	return nil
}

// DeclineRule declines what matches all of its conditions that are set.
type DeclineRule struct {
	Amount    int64  `yaml:"amount" json:"amount,omitempty"`         // minor units
	PANPrefix string `yaml:"pan_prefix" json:"pan_prefix,omitempty"` // up to six digits
	PANSuffix string `yaml:"pan_suffix" json:"pan_suffix,omitempty"` // up to four digits
	Code      string `yaml:"code" json:"code"`
}

// PartialRule approves less of a sale or pre-authorisation that matches all of
// its conditions that are set and asks for more than Approve.
type PartialRule struct {
	Amount    int64  `yaml:"amount" json:"amount,omitempty"`         // minor units
	PANPrefix string `yaml:"pan_prefix" json:"pan_prefix,omitempty"` // up to six digits
	PANSuffix string `yaml:"pan_suffix" json:"pan_suffix,omitempty"` // up to four digits
	Approve   int64  `yaml:"approve" json:"approve"`                 // minor units
}

// decline is the code of the first rule that declines r, or "".
func (p *Policy) decline(r Request) string {
	for _, d := range p.Declines {
		if matches(r, d.Amount, d.PANPrefix, d.PANSuffix) {
			return d.Code
		}
	}
	return ""
}

// approve is how much of what r asks for is approved.
func (p *Policy) approve(r Request) int64 {
	asked := r.Amount.Minor
	if typeOf(r.Type).Originals() != nil || r.told() {
		return asked
	}
	if r.Approve > 0 {
		return min(asked, r.Approve)
	}
	for _, d := range p.Partials {
		if matches(r, d.Amount, d.PANPrefix, d.PANSuffix) {
			return min(asked, d.Approve)
		}
	}
	return asked
}

func matches(r Request, amount int64, prefix, suffix string) bool {
	return (amount == 0 || amount == r.Amount.Minor) && strings.HasPrefix(r.PAN, prefix) && strings.HasSuffix(r.PAN, suffix)
}

// check refuses a rule that would decline everything or say nothing.
func (d DeclineRule) check() error {
	if len(d.Code) != 2 || d.Code == CodeApproved {
		return fmt.Errorf("code: want a declining response code of two characters, got %q", d.Code)
	}
	return checkConditions(d.Amount, d.PANPrefix, d.PANSuffix)
}

func (d PartialRule) check() error {
	if d.Approve < 1 || d.Approve > iso8583.MaxMinor {
		return fmt.Errorf("approve: %d is out of range", d.Approve)
	}
	return checkConditions(d.Amount, d.PANPrefix, d.PANSuffix)
}

func checkConditions(amount int64, prefix, suffix string) error {
	switch {
	case amount == 0 && prefix == "" && suffix == "":
		return fmt.Errorf("want amount, pan_prefix or pan_suffix")
	case amount < 0 || amount > iso8583.MaxMinor:
		return fmt.Errorf("amount: %d is out of range", amount)
	case len(prefix) > 6 || prefix != "" && !digits(prefix):
		return fmt.Errorf("pan_prefix: want up to six digits")
	case len(suffix) > 4 || suffix != "" && !digits(suffix):
		return fmt.Errorf("pan_suffix: want up to four digits")
	}
	return nil
}
