package mutants

// scripts are of the notice of what came of an issuer's scripts.
var scripts = []mutant{
	{"a host that refuses the notice undoes the sale", "P4", script,
		"\t\ts.endScript(t, &ScriptEnded{Code: e.Code})\n",
		"\t\ts.endScript(t, &ScriptEnded{Code: e.Code})\n\t\tif e.Code != \"00\" {\n\t\t\ts.reverse(t, CauseChip)\n\t\t}\n"},
	{"the host is told of scripts of what the card refused", "B1", chip,
		"\t\ts.reverse(t, CauseChip)\n\t\ts.answer(e.Req, t.UUID, TakenAsCancel)\n",
		"\t\ts.oweScript(t)\n\t\ts.reverse(t, CauseChip)\n\t\ts.answer(e.Req, t.UUID, TakenAsCancel)\n"},
	{"a notice has the sale's own STAN", "B1", script,
		"f.STAN, f.Transmission = t.Script.STAN, t.Script.Transmission",
		"f.Transmission = t.Script.Transmission"},
	{"a notice leaves without keys", "C.18 B1", script,
		"return r.SignOn.Required && (s.m.keyless(tid) || s.m.changingKeys(tid))",
		"return r == nil"},
	{"a notice of a lost epoch is told again", "R15", script,
		"if s.m.InDoubt(t) {",
		"if false {"},
	{"a restart forgets what is owed", "B1", script,
		"func (n *Script) Owed() bool { return n.STAN != 0 && !n.Ended }",
		"func (n *Script) Owed() bool { return false }"},
}
