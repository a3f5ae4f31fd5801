package sim

import "github.com/counterfoil-pos/counterfoil/iso8583"

// askings are hosts that are asked before a reversal, and told what was decided
// without them.
func askings(base Personality) (runs []thoroughRun) {
	add := func(name string, more bool, change func(*Personality)) {
		r := thoroughRun{Personality: base, follows: true, main: !more}
		r.Name, r.Tombstones, r.Retries = name, false, 0
		change(&r.Personality)
		runs = append(runs, r)
	}
	sale := []iso8583.Type{iso8583.Sale}
	add("inquiry; the host tells the truth", false, func(p *Personality) { p.Inquires, p.Inquiries = sale, 2 })
	add("inquiry; not found, whatever is so", true, func(p *Personality) { p.Inquires, p.Inquiries, p.Lies = sale, 1, "25" })
	add("inquiry; in progress for ever", true, func(p *Personality) { p.Inquires, p.Inquiries, p.Lies = sale, 2, "09" })
	add("inquiry; about another transaction", true, func(p *Personality) { p.Inquires, p.Inquiries, p.Lies = sale, 1, "another" })
	add("inquiry; a decline is final", true, func(p *Personality) {
		p.Inquires, p.Inquiries, p.FinalDecline, p.Decline = sale, 2, true, 1
	})
	of := func(t iso8583.Type, of int, s share) plan { return plan{t, of, s} }
	add("inquiry; a refund that is not reversed", true, func(p *Personality) {
		p.Plan, p.Calm = []plan{of(iso8583.Sale, 0, whole), of(iso8583.Refund, 1, half), of(iso8583.Void, 1, whole)}, 1
		p.Inquires, p.Inquiries, p.NotReversed, p.Operator = []iso8583.Type{iso8583.Refund}, 1, []iso8583.Type{iso8583.Refund}, 1
	})
	told := func(p *Personality) {
		p.Advises, p.AdviceLimit = []iso8583.Type{iso8583.Offline, iso8583.Completion}, 5
	}
	add("advice", false, func(p *Personality) { told(p); p.Plan = []plan{of(iso8583.Offline, 0, whole)} })
	add("advice, refused or known", false, func(p *Personality) {
		told(p)
		p.Plan, p.RefusesAdvice, p.DuplicateIs = []plan{of(iso8583.Offline, 0, whole)}, 1, "94"
	})
	add("advices in order, and a void", true, func(p *Personality) {
		told(p)
		p.Plan, p.Ordered = []plan{of(iso8583.Offline, 0, whole), of(iso8583.Offline, 0, whole), of(iso8583.Void, 1, whole)}, true
	})
	add("a completion told", true, func(p *Personality) {
		told(p)
		p.Plan, p.Calm = []plan{of(iso8583.PreAuth, 0, whole), of(iso8583.Completion, 1, half), of(iso8583.PreAuthVoid, 1, whole)}, 1
	})
	return runs
}
