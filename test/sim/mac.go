package sim

import (
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Where the dialect has MACs, the core sees the verdict on each. That it is the
// right one is the business of iso8583/mac.

// refusal is the code of a refusal that is legal without a MAC.
const refusal = "12"

// sign gives the host's answer its MAC.
func (w *World) sign(r *txn.Response) {
	switch {
	case !w.p.Signed:
	case r.Code == keysRefused, w.p.Unsigned && r.Code == refusal:
		r.MAC = iso8583.MACMissing
	default:
		r.MAC = iso8583.MACValid
	}
}

// prove is the verdict on the MAC of an answer that was signed with other keys
// than the terminal has by now.
func (w *World) prove(p *packet) {
	if w.p.Keyed && p.in.MAC == iso8583.MACValid && p.keys != w.keys.signer[terminalIndex(p.in.TID)] {
		r := *p.in
		r.MAC = iso8583.MACBad
		p.in = &r
	}
}

// tamper lets an answer arrive as somebody on the way would have it: its MAC
// damaged or cut off, and perhaps a yes made of a no, or a no of a yes. Only
// what the profile lets pass without a MAC cannot be told from the truth.
func (w *World) tamper(p *packet) {
	r := *p.in
	r.MAC = [...]iso8583.MAC{iso8583.MACBad, iso8583.MACMissing}[w.c.Intn(2)]
	switch w.c.Intn(4) {
	case 1:
		r.Code = "00"
	case 2:
		r.Code = "05"
	case 3:
		r.AuthCode, r.Amount = "FORGED", iso8583.Amount{Minor: 1}.DE4()
	}
	if w.p.Unsigned && r.Code == refusal {
		r.MAC = iso8583.MACBad
	}
	w.tell("network  %s is tampered with: MAC %s", p, r.MAC)
	p.in = &r
}
