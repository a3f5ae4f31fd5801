package hostsim

import (
	"strings"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// What a UnionPay-style message says (terminal-rules B1) in the words of table
// B2, which the rest of this package speaks: a request is put into them when
// it comes, and its answer back when it goes. There is one ledger, one set of
// rules and of faults for all dialects.
//
// The identity is type, terminal, batch and STAN ("How the host finds the
// original"). The batch stands where table B2 has DE 7.

// unionpayTypes reads DE 60.1: the type, and MTI and DE 3 of B2.
var unionpayTypes = map[string]struct {
	typ  iso8583.Type
	mti  iso8583.MTI // of the request
	code string
}{
	"22": {iso8583.Sale, "0200", "000000"},
	"23": {iso8583.Void, "0200", "020000"},
	"21": {iso8583.Void, "0200", "020000"}, // of a completion
	"25": {iso8583.Refund, "0200", "200000"},
	"10": {iso8583.PreAuth, "0100", "000000"},
	"11": {iso8583.PreAuthVoid, "0100", "020000"},
	"20": {iso8583.Completion, "0200", "000000"},
	"24": {iso8583.Completion, "0220", "000000"}, // told, not asked
	"01": {iso8583.Balance, "0200", "310000"},
}

// batchKey is a batch in the place of DE 7.
func batchKey(batch string) string { return "0000" + batch }

// originalDE90 is DE 90 of B2 for a request of this MTI, batch and STAN.
func originalDE90(mti iso8583.MTI, batch, stan string) string {
	return string(mti) + stan + batchKey(batch) + strings.Repeat("0", 22)
}

// fromUnionPay puts a request into the words of B2. What it cannot read is
// left as it came, and the host answers that it knows no such request.
func fromUnionPay(m *iso8583.Message) *iso8583.Message {
	g := m.Clone()
	for _, de := range []int{60, 61, 63, 64} {
		g.Set(de, "")
	}
	de60 := m.Get(60)
	if len(de60) < 11 {
		return g
	}
	batch, network := de60[2:8], de60[8:11]
	switch {
	case m.MTI == "0800":
		g.Set(70, "001")
		return g
	case m.MTI == "0820" && network == "002":
		g.MTI = "0800"
		g.Set(70, "002")
		return g
	case m.MTI == "0820" && network == "301":
		g.MTI = "0800"
		g.Set(70, "301")
		return g
	}
	if de61 := m.Get(61); m.MTI == "0620" && len(de61) >= 12 {
		original := iso8583.MTI("0200")
		if m.Get(3) == "030000" {
			original = "0100"
		}
		g.Set(7, batchKey(batch))
		g.Set(90, originalDE90(original, de61[:6], de61[6:12]))
		return g
	}
	if de60[:2] == "00" && (m.MTI == "0500" || m.MTI == "0320") {
		g.Set(7, batchKey(batch))
		g.Set(70, network)
		return g
	}
	t, ok := unionpayTypes[de60[:2]]
	request := t.mti
	if t.typ == iso8583.Refund {
		request = "0220"
	}
	if !ok || firstMTI(m.MTI) != request && m.MTI != "0400" {
		return g
	}
	g.Set(3, t.code)
	g.Set(7, batchKey(batch))
	if t.typ == iso8583.Balance {
		g.Set(4, "000000000000")
	}
	if m.MTI == "0400" {
		g.Set(90, originalDE90(t.mti, batch, m.Get(11)))
		return g
	}
	if m.MTI != adviceRepeat {
		g.MTI = t.mti
	}
	if de61 := m.Get(61); len(de61) >= 12 && t.typ.Originals() != nil {
		original := iso8583.MTI("0200")
		if t.typ.Originals()[0] == iso8583.PreAuth {
			original = "0100"
		}
		g.Set(90, originalDE90(original, de61[:6], de61[6:12]))
	}
	return g
}

// toUnionPay puts the answer r to the request m, which is g in the words of
// B2, back: the identity as it came, and the host's own date and time.
func (h *Host) toUnionPay(r, m, g *iso8583.Message) *iso8583.Message {
	out := r.Clone()
	if out.MTI == g.MTI.Response() { // a fault may have changed it
		out.MTI = m.MTI.Response()
	}
	for _, de := range []int{7, 14, 66, 70, 90, 95} {
		out.Set(de, "")
	}
	if v := out.Get(48); g.MTI == "0500" && len(v) == 2 && len(m.Get(48)) == 62 { // the flags, and no DE 39
		out.Set(48, m.Get(48)[:30]+v[:1]+m.Get(48)[31:61]+v[1:])
		out.Set(39, "")
	} else {
		out.Set(48, "")
	}
	if out.Get(3) == g.Get(3) {
		out.Set(3, m.Get(3))
	}
	if !m.Has(4) {
		out.Set(4, "")
	}
	now := h.now().UTC()
	out.Set(12, now.Format("150405"))
	out.Set(13, now.Format("0102"))
	if !out.Has(60) { // a sign-on has given a new batch
		out.Set(60, m.Get(60))
	}
	return out
}
