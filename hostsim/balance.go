package hostsim

import (
	"fmt"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// inquire answers a balance inquiry. It moves nothing and leaves no trace in
// the ledger.
func (l *Ledger) inquire(r Request, p Policy) Verdict {
	code := p.decline(r)
	if r.Decline != "" {
		code = r.Decline
	}
	if code != "" {
		return Verdict{Code: code}
	}
	booked := p.OpeningBalance
	held := int64(0)
	for _, e := range l.order {
		if e.pan == r.PAN && e.currency == r.Amount.Currency {
			booked -= e.net()
			held += e.held()
		}
	}
	return Verdict{
		Code:    CodeApproved,
		Balance: additionalAmount("01", r.Amount.Currency, booked) + additionalAmount("02", r.Amount.Currency, booked-held),
	}
}

// additionalAmount is one of DE 54's: account type 00 (default), amount type 01
// (ledger balance) or 02 (available), currency, C or D, twelve digits.
func additionalAmount(kind string, c iso8583.Currency, minor int64) string {
	sign := 'C'
	if minor < 0 {
		sign, minor = 'D', -minor
	}
	return fmt.Sprintf("00%s%s%c%012d", kind, c.Numeric(), sign, min(minor, iso8583.MaxMinor))
}
