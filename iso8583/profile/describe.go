package profile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// Description is a profile for people and programs: everything that is set,
// defaults included.
type Description struct {
	Name     string           `json:"name"`
	About    string           `json:"about"`
	Encoding string           `json:"encoding"`
	Frame    FrameSettings    `json:"frame"`
	Link     LinkSettings     `json:"link"`
	MAC      *mac.Method      `json:"mac,omitempty"`
	Elements []ElementSetting `json:"elements"`
	Types    []TypeSetting    `json:"types"`
	Messages []MessageSetting `json:"messages"`
	Stripped []int            `json:"stripped"`
	Rules    iso8583.Rules    `json:"rules"`
	Hash     string           `json:"rules_hash"`
}

// FrameSettings is how messages are framed.
type FrameSettings struct {
	Length string `json:"length"`
	Max    int    `json:"max"`
	TPDU   string `json:"tpdu,omitempty"`
	Header string `json:"header,omitempty"`
}

// ElementSetting is one data element of the dialect.
type ElementSetting struct {
	DE     int    `json:"de"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Length int    `json:"length"`
	Prefix string `json:"prefix"`
	Align  string `json:"align,omitempty"`
	Layout string `json:"layout,omitempty"`
}

// TypeSetting is the codes of one transaction type.
type TypeSetting struct {
	Type       string `json:"type"`
	Processing string `json:"processing"`          // DE 3
	Condition  string `json:"condition,omitempty"` // DE 25
	Function   string `json:"function,omitempty"`  // DE 60.1
	Reversed   bool   `json:"reversed"`            // an unknown outcome is reversed, not escalated
}

// MessageSetting is one message that the dialect sends.
type MessageSetting struct {
	Kind      iso8583.Kind   `json:"kind"`
	MTI       iso8583.MTI    `json:"mti"`
	Repeat    iso8583.MTI    `json:"repeat_mti,omitempty"`
	Answer    iso8583.MTI    `json:"answer_mti"`
	Network   string         `json:"network,omitempty"`
	Signed    bool           `json:"signed"`
	Fields    []int          `json:"fields"`
	Optional  []int          `json:"optional"`
	Constants map[int]string `json:"constants,omitempty"`
}

// Describe gives everything that is set.
func (p *Profile) Describe() Description {
	w := &p.doc.Wire
	d := Description{
		Name: p.Name, About: p.doc.About, Encoding: p.doc.Spec.Encoding, Link: p.Link, MAC: w.MAC,
		Stripped: w.Stripped, Rules: p.Rules, Hash: p.Rules.Hash(),
		Frame: FrameSettings{p.Frame.Length.String(), p.Frame.Max, w.Frame.TPDU, w.Frame.Header},
	}
	for _, de := range slices.Sorted(maps.Keys(p.doc.Spec.Elements)) {
		e := p.doc.Spec.Elements[de]
		d.Elements = append(d.Elements, ElementSetting{de, ElementName(de), e.Type, e.Length, e.Prefix, e.Align, w.Layouts[de]})
	}
	for _, t := range iso8583.Types() {
		if !p.Rules.Supports(t) {
			continue
		}
		reversed := slices.Contains(p.Rules.Reversal.Types, t)
		d.Types = append(d.Types, TypeSetting{string(t), w.Processing[t], w.Conditions[string(t)], w.Functions[string(t)], reversed})
		if t == iso8583.Void && w.Functions[completionVoid] != "" {
			d.Types = append(d.Types, TypeSetting{completionVoid, w.Processing[t], w.Conditions[completionVoid], w.Functions[completionVoid], reversed})
		}
	}
	for _, k := range iso8583.Kinds() {
		if m, ok := w.Messages[k]; ok {
			d.Messages = append(d.Messages, MessageSetting{
				k, m.MTI, m.RepeatMTI, m.MTI.Response(), m.Network, m.wantsMAC(), m.Fields, m.Optional, m.Constants,
			})
		}
	}
	return d
}

// Warnings says what in a valid profile deserves a second look, each beginning
// with the key. None of them is an error: an acquirer may be so.
func (p *Profile) Warnings() []string {
	var out []string
	r := &p.Rules.Reversal
	warn := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	warn(r.Tombstones, "rules.reversal.tombstones: only for a host that was certified to remember a reversal whose original it has not seen (R3)")
	warn(r.UnknownAfterDone, "rules.reversal.unknown_after_done: not for a host that answers %v where two of its records match (C.16)", r.Unknown)
	warn(r.SharedLedger, "rules.reversal.shared_ledger: only where the acquirer says that all its addresses have one ledger")
	for _, t := range iso8583.Types() {
		warn(p.Rules.Supports(t) && t.NeedsConfirmation() && !slices.Contains(r.Types, t),
			"rules.reversal.types: %s is missing; each one with an unknown outcome will be in front of a person", t)
	}
	warn(r.MessageLifetime < p.Rules.ResponseTimeout,
		"rules.reversal.message_lifetime: %s is shorter than the response timer; a late request could debit after the hold-down", time.Duration(r.MessageLifetime))
	warn(p.Rules.ResponseTimeout < iso8583.Duration(30*time.Second),
		"rules.response_timeout: %s; it should be longer than the host's own (table A: 30 to 60 s)", time.Duration(p.Rules.ResponseTimeout))
	warn(p.doc.Wire.MAC == nil, "wire.mac: none; what the host says is only as good as the line: use TLS")
	warn(len(p.Rules.Match) == 0, "rules.match: empty; answers are matched by message class, terminal and STAN alone (R14)")
	return out
}
