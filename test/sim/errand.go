package sim

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// errand is what an application sets out to do: one transaction, in as many
// attempts as it takes.
type errand struct {
	typ      iso8583.Type
	ref      int   // number of the merchant's reference, where the type has one
	original *Txn  // what it follows
	purchase int   // that it is for, where that is an earlier one
	minor    int64 // of what it follows; the price of anything else differs each time
}

// plan is an errand of an exhaustive run: which of the application's earlier
// errands it follows, and how much of its amount it asks for.
type plan struct {
	typ   iso8583.Type
	of    int // number of the errand, from 1; 0: it follows none
	share share
}

type share uint8

const (
	whole share = iota
	half
	more // than there is
)

func (s share) of(minor int64) int64 {
	switch s {
	case half:
		return minor / 2
	case more:
		return minor + 1
	}
	return minor
}

// choose says what the application's next errand is.
func (a *app) choose(w *World) errand {
	if w.p.Plan != nil {
		return a.planned(w, w.p.Plan[a.errand-1])
	}
	switch {
	case w.chance(w.p.Follows):
		if e, ok := a.followUp(w); ok {
			return e
		}
	case w.chance(w.p.Balances):
		return errand{typ: iso8583.Balance}
	case a.freed != 0 && w.chance(w.p.SellsAgain):
		w.saw(SoldAgain)
		e := errand{typ: iso8583.Sale, ref: a.freed}
		a.freed = 0
		return e
	}
	e := errand{typ: iso8583.Sale, ref: a.errand}
	switch {
	case w.chance(w.p.Offlines):
		e.typ = iso8583.Offline
	case w.chance(w.p.Holds):
		e.typ = iso8583.PreAuth
	}
	return e
}

// price differs for each transaction, so that no answer fits two.
func price(w *World) int64 { return int64(1000 + 2*len(w.txns)) }

func (a *app) planned(w *World, p plan) errand {
	e := errand{typ: p.typ}
	if p.of == 0 {
		if p.typ.HandsOver() {
			e.ref = a.errand
		}
		return e
	}
	for _, t := range w.txns { // the attempt that was paid, else the latest
		if t.errand == p.of && (e.original == nil || e.original.paid == 0) {
			e.original = t
		}
	}
	e.minor = p.share.of(e.original.worth())
	return e
}

// followUp is a void, refund, completion or void of a pre-authorisation of
// something earlier: as a rule of what was paid, and of what fits it.
func (a *app) followUp(w *World) (errand, bool) {
	o := a.candidate(w)
	if o == nil {
		return errand{}, false
	}
	types, odd := followers[o.begin.Type], w.chance(w.p.Unfit)
	if odd || types == nil {
		types = following
	}
	e := errand{typ: types[w.c.Intn(len(types))], original: o, minor: o.worth()}
	parts := e.typ == iso8583.Refund || e.typ == iso8583.Completion
	switch {
	case parts && w.chance(w.p.InParts):
		e.minor /= int64(2 + w.c.Intn(2))
	case odd:
		e.minor = share(w.c.Intn(3)).of(e.minor)
	}
	e.minor = max(e.minor, 1)
	return e, true
}

// following lists the types that follow another, followers those that may follow
// each type.
var following = slices.DeleteFunc(iso8583.Types(), func(t iso8583.Type) bool { return t.Originals() == nil })

var followers = func() map[iso8583.Type][]iso8583.Type {
	m := map[iso8583.Type][]iso8583.Type{}
	for _, t := range iso8583.Types() {
		for _, o := range t.Originals() {
			m[o] = append(m[o], t)
		}
	}
	return m
}()

// candidate is an earlier transaction that somebody would follow up: one of his
// own that was paid, and now and then any.
func (a *app) candidate(w *World) *Txn {
	odd := w.chance(w.p.Unfit)
	for _, t := range w.txns {
		if t.dubious && t.original != nil && w.c.Intn(2) == 0 {
			return t.original // it did not work, so he tries again
		}
	}
	for n := len(w.txns); n > 0; n-- {
		t := w.txns[n-1]
		fits := t.owner == a && t.paid > 0 && followers[t.begin.Type] != nil
		if (fits || odd) && w.c.Intn(3) == 0 {
			return t
		}
	}
	return nil
}
