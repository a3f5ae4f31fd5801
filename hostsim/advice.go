package hostsim

import "github.com/counterfoil-pos/counterfoil/iso8583"

// adviceMTI is that of what the terminal tells, and of a refund that is asked
// without being reversed; adviceRepeat is the same, told again.
const (
	adviceMTI    iso8583.MTI = "0220"
	adviceRepeat iso8583.MTI = "0221"
)

// firstMTI is under which MTI a request has its identity: a repeated advice is
// the advice.
func firstMTI(m iso8583.MTI) iso8583.MTI {
	if m == adviceRepeat {
		return adviceMTI
	}
	return m
}

// told says whether r is an advice: something that was decided without this
// host. It is booked once, and a repeat of it says so.
func (r Request) told() bool { return r.Key.MTI == adviceMTI && r.Type != iso8583.Refund }

// toldAgain is the answer to an advice that is booked already.
func (e *entry) toldAgain(p Policy) Verdict {
	return Verdict{Code: p.AdviceRepeat, RRN: e.rrn, AuthCode: e.auth, Note: "repeat: booked already"}
}
