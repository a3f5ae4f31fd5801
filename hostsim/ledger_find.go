package hostsim

import (
	"slices"
	"time"
)

// find looks for the transaction that DE 90 and DE 41 name, and says how many
// there are; with several it gives none of them.
func (l *Ledger) find(now time.Time, k Key, p Policy) (e *entry, rows int) {
	if p.Find != FindOneRow {
		if e = l.entries[k]; e != nil {
			rows = 1
		}
		return e, rows
	}
	yesterday := day(now).Add(-24 * time.Hour)
	for _, x := range l.order {
		if x.key.TID == k.TID && x.key.STAN == k.STAN && !x.history[0].At.Before(yesterday) {
			e = x
			rows++
		}
	}
	if rows > 1 {
		e = nil
	}
	return e, rows
}

// original finds what r follows and says why it cannot follow it: a code and a
// note, or none. It is found by DE 90 and DE 41, else by DE 37; whatever of 37,
// 38 and 90 r gives must be the original's.
func (l *Ledger) original(now time.Time, r Request, p Policy) (o *entry, code, note string) {
	if typeOf(r.Type).Originals() == nil {
		return nil, "", ""
	}
	if r.Original != (Key{}) {
		o, _ = l.find(now, r.Original, p)
		if k := r.Original; o == nil && batchOf(k) != "" { // B1 names batch and STAN alone
			k.MTI = adviceMTI
			o, _ = l.find(now, k, p)
		}
	}
	if o == nil {
		o = l.byRRN(r)
	}
	if o == nil || r.RRN != "" && r.RRN != o.rrn || r.AuthCode != "" && r.AuthCode != o.auth {
		return nil, p.NoOriginal, "the original is unknown"
	}
	left := o.left()
	switch {
	case !o.canBeFollowedBy(r.Type):
		return o, CodeInvalid, "a " + string(r.Type) + " cannot follow a " + string(o.typ)
	case o.pan != r.PAN:
		return o, CodeBadCard, "the original is of another card"
	case o.currency != r.Amount.Currency:
		return o, CodeAmount, "the original is of another currency"
	case left == 0:
		return o, CodeInvalid, "nothing is left of the original"
	case whole(r.Type) && left != o.moved:
		return o, CodeInvalid, "the original was refunded in part"
	case whole(r.Type) && r.Amount.Minor != left:
		return o, CodeAmount, "the amount is not the original's"
	case r.Amount.Minor > left:
		return o, CodeExceeds, "the amount is more than is left of the original"
	}
	return o, "", ""
}

// byRRN finds the original by DE 37, at whatever terminal.
func (l *Ledger) byRRN(r Request) *entry {
	if r.RRN == "" {
		return nil
	}
	i := slices.IndexFunc(l.order, func(e *entry) bool {
		k := e.key
		k.TID = r.Original.TID
		return e.rrn == r.RRN && e.state != StateTombstone && (r.Original == Key{} || r.Original == k)
	})
	if i < 0 {
		return nil
	}
	return l.order[i]
}

// collides says whether the rewritten STAN of the reversal of k, whose original
// is e or unknown, is taken in the host's records of that day: by the reversal
// of another, or by a request.
func (l *Ledger) collides(now time.Time, k Key, e *entry, p Policy) bool {
	if p.RewriteSTAN == RewriteNever {
		return false
	}
	if e != nil {
		k = e.key
	}
	stan := rewritten(k.STAN)
	if owner, ok := l.records[record{k.TID, stan, day(now)}]; ok && owner != k {
		return true
	}
	return slices.ContainsFunc(l.order, func(x *entry) bool {
		return x.key.TID == k.TID && x.key.STAN == stan && x.key != k && day(x.history[0].At).Equal(day(now))
	})
}
