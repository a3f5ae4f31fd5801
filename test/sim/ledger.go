package sim

import "github.com/counterfoil-pos/counterfoil/iso8583"

// What the host's ledger knows of transactions that follow others.

// original finds what a request follows: by DE 90 and DE 41, else by DE 37.
func (l *ledger) original(f *iso8583.Facts) *account {
	if a := l.find(hostKey{f.TID, f.Original.STAN, f.Original.Transmission}); a != nil {
		return a
	}
	for _, a := range l.accounts {
		if f.RRN != "" && a.answer.rrn == string(f.RRN) && a.key.stan == f.Original.STAN {
			return a
		}
	}
	return nil
}

// covered says whether what a would take is there to be taken.
func (a *account) covered(l *ledger, typ iso8583.Type, amount int64) bool {
	o := a.of
	if o == nil || o.state != accountBooked || !follows(typ, o.t.typ()) {
		return false
	}
	left := l.left(o)
	switch typ {
	case iso8583.Refund, iso8583.Completion:
		return amount <= left
	}
	return amount == left && left == o.amount
}

// left is what of an account can still be given back, captured or let go.
func (l *ledger) left(o *account) int64 {
	left := o.amount
	for _, f := range l.accounts {
		switch {
		case f.of != o || f.state != accountBooked:
		case f.t.typ() == iso8583.Void || f.t.typ() == iso8583.Refund:
			left -= f.amount
		case f.t.typ() == iso8583.PreAuthVoid || !l.voided(f):
			left = 0
		}
	}
	return left
}

// voided says whether a void of a completion stands: it gives the hold back.
func (l *ledger) voided(o *account) bool {
	for _, f := range l.accounts {
		if f.of == o && f.state == accountBooked && f.t.typ() == iso8583.Void {
			return true
		}
	}
	return false
}

// inquire answers what moves no money, as often as it is asked.
func (h *host) inquire(w *World, f *iso8583.Facts) iso8583Answer {
	answer := h.plain(f, "00")
	answer.rrn = ""
	switch {
	case w.c.Chance(w.p.Decline):
		answer.code = "05"
	case w.fault(Unclear, w.p.Unclear):
		answer.code = [...]string{"96", "94", "09", ""}[w.c.Intn(4)]
	}
	return answer
}
