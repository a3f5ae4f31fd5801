package demo

import (
	"slices"
	"testing"

	"github.com/counterfoil-pos/counterfoil/hostsim"
)

func TestJudge(t *testing.T) {
	s := sale{terminal: "T0000001", ref: "sale-1", minor: 1000}
	entry := func(net int64) hostsim.EntryView {
		return hostsim.EntryView{TID: s.terminal, Amount: 1000, Net: net}
	}
	shown := func(screen Screen) Note { return Note{Terminal: s.terminal, Sale: s.ref, Screen: screen} }
	type entries = []hostsim.EntryView
	type notes = []Note
	for _, c := range []struct {
		name      string
		ledger    entries
		notes     notes
		escalated bool
		want      []Finding
	}{
		{"paid", entries{entry(1000)}, notes{shown(Approved)}, false, nil},
		{"not paid", entries{entry(0)}, notes{shown(NotApproved)}, false, nil},
		{"never arrived", nil, notes{shown(NotApproved)}, false, nil},
		{"never arrived, nothing shown", nil, nil, false, nil},
		{"second attempt paid, first reversed", entries{entry(0), entry(1000)}, notes{shown(NotApproved), shown(Approved)}, false, nil},

		{"debited, failed on screen", entries{entry(1000)}, notes{shown(NotApproved)}, false, []Finding{SilentDebit}},
		{"debited, nothing shown", entries{entry(1000)}, nil, false, []Finding{SilentDebit}},
		{"debited, undecided on screen", entries{entry(1000)}, notes{shown(Unknown)}, false, []Finding{SilentDebit}},
		{"debited in part, failed on screen", entries{entry(1)}, notes{shown(NotApproved)}, false, []Finding{SilentDebit}},
		{"debited, a person is called", entries{entry(1000)}, notes{shown(Unknown)}, true, nil},

		{"approved, no debit", entries{entry(0)}, notes{shown(Approved)}, false, []Finding{LostApproval}},
		{"approved, never arrived", nil, notes{shown(Approved)}, false, []Finding{LostApproval}},
		{"approved, another amount", entries{entry(999)}, notes{shown(Approved)}, false, []Finding{LostApproval}},
		{"approved, then shown as not approved, no debit", entries{entry(0)}, notes{shown(Approved), shown(NotApproved)}, false, []Finding{LostApproval}},
		{"approved, no debit: a person does not excuse it", entries{entry(0)}, notes{shown(Approved)}, true, []Finding{LostApproval}},

		{"two debits, one approval", entries{entry(1000), entry(1000)}, notes{shown(NotApproved), shown(Approved)}, false, []Finding{DoubleDebit}},
		{"two debits, two approvals", entries{entry(1000), entry(1000)}, notes{shown(Approved), shown(Approved)}, false, []Finding{DoubleDebit}},
		{"two debits: a person does not excuse it", entries{entry(1000), entry(1000)}, notes{shown(Approved)}, true, []Finding{DoubleDebit}},
		{"two debits, none shown", entries{entry(1000), entry(1000)}, notes{shown(NotApproved)}, false, []Finding{DoubleDebit, SilentDebit}},

		{"another terminal's debit", entries{{TID: "T0000002", Amount: 1000, Net: 1000}}, notes{shown(NotApproved)}, false, nil},
		{"another sale's approval", entries{entry(1000)}, notes{{Terminal: s.terminal, Sale: "sale-2", Screen: Approved}}, false, []Finding{SilentDebit}},
		{"another terminal's approval", entries{entry(1000)}, notes{{Terminal: "T0000002", Sale: s.ref, Screen: Approved}}, false, []Finding{SilentDebit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := judge(s, c.ledger, c.notes, c.escalated)
			if !slices.Equal(o.Findings, c.want) {
				t.Errorf("found %v, want %v: %+v", o.Findings, c.want, o)
			}
		})
	}
}

func TestCount(t *testing.T) {
	got := count([]Outcome{
		{Findings: []Finding{SilentDebit}}, {Findings: []Finding{SilentDebit, DoubleDebit}},
		{Findings: []Finding{LostApproval}, Escalated: true}, {Escalated: true}, {},
	})
	if want := (Totals{SilentDebits: 2, LostApprovals: 1, DoubleDebits: 1, Escalations: 2}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	for _, bad := range []Totals{{SilentDebits: 1}, {LostApprovals: 1}, {DoubleDebits: 1}} {
		if bad.clean() {
			t.Errorf("%+v passes for clean", bad)
		}
	}
	if !(Totals{Escalations: 3}).clean() {
		t.Error("an escalation is not money lost")
	}
}

func TestJudgeRefund(t *testing.T) {
	s := sale{terminal: "T0000001", ref: "sale-1", minor: 1000, back: true}
	sold := Note{Terminal: s.terminal, Sale: s.ref, Screen: Approved}
	for _, c := range []struct {
		name      string
		net       int64
		screen    Screen // of the refund
		escalated bool
		want      []Finding
	}{
		{"given back", 0, Approved, false, nil},
		{"not given back", 1000, NotApproved, false, nil},
		{"given back, failed on screen", 0, NotApproved, false, []Finding{SilentCredit}},
		{"given back, undecided, a person is called", 0, Unknown, true, nil},
		{"not given back, undecided, a person is called", 1000, Unknown, true, nil},
		{"approved, not given back", 1000, Approved, false, []Finding{LostApproval}},
	} {
		entries := []hostsim.EntryView{{TID: s.terminal, Amount: 1000, Net: c.net}}
		notes := []Note{sold, {Terminal: s.terminal, Sale: refundRef(s.ref), Screen: c.screen}}
		if o := judgeRefund(s, entries, notes, c.escalated); !slices.Equal(o.Findings, c.want) || o.Screen != c.screen {
			t.Errorf("%s: %q %v, want %q %v", c.name, o.Screen, o.Findings, c.screen, c.want)
		}
	}
}
