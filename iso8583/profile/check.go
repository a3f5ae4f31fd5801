package profile

import (
	"fmt"
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// checkMessages holds the messages against the spec and against what Compose
// can fill in, so that no request can fail for the profile's sake once its
// intent is durable.
func (p *Profile) checkMessages() error {
	w := &p.doc.Wire
	for t, code := range w.Processing {
		at := fmt.Sprintf("wire.processing.%s", t)
		if !t.Valid() {
			return fmt.Errorf("%s: unknown transaction type", at)
		}
		if err := p.checkValue(3, code); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	for k, m := range w.Messages {
		at := fmt.Sprintf("wire.messages.%s", k)
		if !slices.Contains(iso8583.Kinds(), k) || k == iso8583.KindReversalRepeat {
			return fmt.Errorf("%s: unknown message (a repeat is reversal.repeat_mti)", at)
		}
		if err := p.checkMessage(k, m); err != nil {
			return fmt.Errorf("%s.%w", at, err)
		}
	}
	return p.checkComplete()
}

// checkComplete demands what no dialect can do without, and of each type that
// there is a message and its DE 3, or neither: then the dialect does not have
// the type.
func (p *Profile) checkComplete() error {
	w := &p.doc.Wire
	for _, k := range []iso8583.Kind{iso8583.KindSale, iso8583.KindReversal, iso8583.KindEcho, iso8583.KindSignOn} {
		if _, ok := w.Messages[k]; !ok {
			return fmt.Errorf("wire.messages.%s: missing", k)
		}
	}
	for _, t := range iso8583.Types() {
		_, sent := w.Messages[t.Kind()]
		_, coded := w.Processing[t]
		if sent && !coded {
			return fmt.Errorf("wire.processing.%s: missing; wire.messages has the type", t)
		}
		if coded && !sent {
			return fmt.Errorf("wire.messages.%s: missing; wire.processing has the type", t)
		}
	}
	return nil
}

// checkCodes holds conditions, functions and what goes with a PIN block.
func (p *Profile) checkCodes() error {
	w := &p.doc.Wire
	for key, codes := range map[string]map[string]string{"conditions": w.Conditions, "functions": w.Functions} {
		for t, code := range codes {
			if !iso8583.Type(t).Valid() && t != completionVoid {
				return fmt.Errorf("wire.%s.%s: want a transaction type or %s", key, t, completionVoid)
			}
			if len(code) != 2 || !isNumber(code) {
				return fmt.Errorf("wire.%s.%s: want two digits", key, t)
			}
		}
	}
	for k, m := range w.Messages {
		if err := p.checkCoded(k, m); err != nil {
			return err
		}
	}
	for de, v := range w.WithPIN {
		if err := p.checkValue(de, v); err != nil {
			return fmt.Errorf("wire.with_pin.%d: %w", de, err)
		}
		if !slices.Contains(w.Stripped, de) {
			return fmt.Errorf("wire.with_pin.%d: wire.stripped must hold it, since a reversal has no PIN block", de)
		}
	}
	if w.Capability != "" && !isNumber(w.Capability) {
		return fmt.Errorf("wire.capability: want digits")
	}
	return nil
}

// checkCoded says whether every type that a message of kind k can speak of has
// the codes that DE 25 and DE 60 need.
func (p *Profile) checkCoded(k iso8583.Kind, m message) error {
	w := &p.doc.Wire
	has := func(de int) bool { return slices.Contains(m.Fields, de) || slices.Contains(m.Optional, de) }
	layout60 := has(60) && w.Layouts[60] == "unionpay-60"
	if layout60 != (m.Network != "") {
		return fmt.Errorf("wire.messages.%s.network: wanted with the layout unionpay-60 in data element 60, and with it only", k)
	}
	if m.Network != "" && (len(m.Network) != 3 || !isNumber(m.Network)) {
		return fmt.Errorf("wire.messages.%s.network: want three digits", k)
	}
	var variants []string
	switch {
	case iso8583.Type(k).Valid():
		variants = []string{string(k)}
	case k == iso8583.KindReversal:
		for _, t := range p.Rules.Reversal.Types {
			variants = append(variants, string(t))
		}
	}
	if _, completes := w.Messages[iso8583.Completion.Kind()]; completes && slices.Contains(variants, string(iso8583.Void)) {
		variants = append(variants, completionVoid)
	}
	for _, v := range variants {
		if has(25) && w.Conditions[v] == "" {
			return fmt.Errorf("wire.conditions.%s: missing; wire.messages.%s sends data element 25", v, k)
		}
		if layout60 && w.Functions[v] == "" {
			return fmt.Errorf("wire.functions.%s: missing; wire.messages.%s sends data element 60", v, k)
		}
	}
	return nil
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func (p *Profile) checkMessage(k iso8583.Kind, m message) error {
	if m.MTI.Response() == "" {
		return fmt.Errorf("mti: %q is not the MTI of a request", m.MTI)
	}
	if (m.RepeatMTI != "") != (k == iso8583.KindReversal || p.doc.Rules.Advice.Covers(iso8583.Type(k))) {
		return fmt.Errorf("repeat_mti: a reversal and what rules.advice.types lists have one, and nothing else has")
	}
	if m.RepeatMTI != "" && m.RepeatMTI.Response() != m.MTI.Response() {
		return fmt.Errorf("repeat_mti: %q is not answered like %q", m.RepeatMTI, m.MTI)
	}
	seen := map[int]bool{}
	for _, list := range []struct {
		key string
		des []int
	}{{"fields", m.Fields}, {"optional", m.Optional}} {
		for _, de := range list.des {
			if err := p.checkFilled(k, de, seen); err != nil {
				return fmt.Errorf("%s: %w", list.key, err)
			}
		}
	}
	for de, v := range m.Constants {
		if seen[de] {
			return fmt.Errorf("constants.%d: listed among the fields too", de)
		}
		seen[de] = true
		if err := p.checkValue(de, v); err != nil {
			return fmt.Errorf("constants.%d: %w", de, err)
		}
		if err := p.checkStripped(k, de); err != nil {
			return fmt.Errorf("constants.%d: %w", de, err)
		}
	}
	// An echo may go without: what matters is that something comes back.
	if k != iso8583.KindEcho && !slices.Contains(m.Fields, 11) {
		return fmt.Errorf("fields: data element 11 is missing; no answer could be matched")
	}
	t := iso8583.Type(k)
	if (t.Valid() || k == iso8583.KindReversal || k == iso8583.KindInquiry) && !slices.Contains(m.Fields, 41) {
		return fmt.Errorf("fields: data element 41 is missing; no answer could be matched")
	}
	if (t.Originals() != nil || k == iso8583.KindInquiry) && !slices.ContainsFunc([]int{37, 61, 90}, func(de int) bool { return slices.Contains(m.Fields, de) }) {
		return fmt.Errorf("fields: data element 37, 61 or 90 is missing; the host could not find what a %s follows or asks about", k)
	}
	return nil
}

// checkFilled says whether Compose can fill data element de of a k.
func (p *Profile) checkFilled(k iso8583.Kind, de int, seen map[int]bool) error {
	switch {
	case seen[de]:
		return fmt.Errorf("data element %d is listed twice", de)
	case de == macElement && p.doc.Wire.MAC != nil:
	case fillers[de] == nil && layouts[p.doc.Wire.Layouts[de]].fill == nil:
		return fmt.Errorf("data element %d has no meaning this program can fill in; make it a constant", de)
	}
	seen[de] = true
	if _, ok := p.doc.Spec.Elements[de]; !ok {
		return fmt.Errorf("data element %d is not in spec.elements", de)
	}
	return p.checkStripped(k, de)
}

// checkStripped keeps track data and PIN block out of what is sent from what
// the journal has sealed: reversals, inquiries and advices.
func (p *Profile) checkStripped(k iso8583.Kind, de int) error {
	stored := k == iso8583.KindReversal || k == iso8583.KindInquiry || p.doc.Rules.Advice.Covers(iso8583.Type(k))
	if stored && slices.Contains(p.doc.Wire.Stripped, de) {
		return fmt.Errorf("data element %d is in wire.stripped, so a %s must not carry it", de, k)
	}
	return nil
}

func (p *Profile) checkValue(de int, v string) error {
	e, ok := p.doc.Spec.Elements[de]
	if !ok {
		return fmt.Errorf("data element %d is not in spec.elements", de)
	}
	return e.check(e.toWire(v))
}

// neverReversed is what a reversal must not carry in any dialect: tracks and
// PIN block are not kept (PCI DSS 3.3.1).
var neverReversed = []int{35, 36, 45, 52}

func (p *Profile) checkRules() error {
	for _, de := range neverReversed {
		if !slices.Contains(p.doc.Wire.Stripped, de) {
			return fmt.Errorf("wire.stripped: data element %d is missing", de)
		}
	}
	if err := p.Rules.Validate(); err != nil {
		return err
	}
	for _, de := range append([]int{11, 39, 41}, p.Rules.Match...) {
		if _, ok := p.doc.Spec.Elements[de]; !ok {
			return fmt.Errorf("spec.elements.%d: missing; rules.match or every answer needs it", de)
		}
	}
	for _, t := range p.Rules.Reversal.Types {
		if !p.Rules.Supports(t) {
			return fmt.Errorf("wire.messages.%s: missing; rules.reversal.types lists it", t)
		}
	}
	r := p.Rules.Reversal.Reasons
	if (r.MAC != "") != (p.doc.Wire.MAC != nil) {
		return fmt.Errorf("rules.reversal.reasons.mac: wanted with wire.mac, and with it only")
	}
	for _, code := range p.Rules.Response.Unsigned {
		if p.doc.Wire.MAC == nil || !slices.Contains(p.Rules.Response.Declined, code) {
			return fmt.Errorf("rules.response.unsigned: %q: want codes of declined, in a dialect with wire.mac", code)
		}
	}
	for _, c := range []struct{ key, code string }{
		{"timeout", r.Timeout}, {"customer", r.Customer}, {"chip", r.Chip}, {"invalid", r.Invalid}, {"storage", r.Storage}, {"mac", r.MAC},
	} {
		if c.key == "mac" && c.code == "" {
			continue
		}
		if err := p.checkValue(39, c.code); err != nil || len(c.code) != 2 {
			return fmt.Errorf("rules.reversal.reasons.%s: want two characters of DE 39", c.key)
		}
	}
	return nil
}
