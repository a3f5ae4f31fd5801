package mutants

// applications are of sessions, of what an application left behind, and of what
// it asks for again.
var applications = []mutant{
	{"implicit although nobody is there", "design.md 4: implicit confirmation", session,
		"if s.m.sessions[t.Session] == nil {",
		"if t.UUID == \"\" {"},
	{"the end of a session is not heard", "design.md 4: implicit confirmation", session,
		"\tdelete(s.m.sessions, id)\n",
		""},
	{"a takeover leaves the old session alive", "design.md 4: implicit confirmation", session,
		"\t\t\ts.endSession(id)\n\t\t}\n\t}\n",
		"\t\t\t_ = id\n\t\t}\n\t}\n"},
	{"an orphan's approval is kept", "R9", session,
		"left = min(left, r.Orphan())",
		"_ = r\n\t\ts.disarm(t)\n\t\treturn"},
	{"the switch leaves the first attempt alive", "R11", sale,
		"s.reverse(o, CauseReplaced)",
		"_ = o"},
	{"a repetition is let through", "field-problems.md 2", sale,
		"if window == 0 ||",
		"if window != 0 ||"},
	{"what was paid and not shown is not suspected", "field-problems.md 2", sale,
		"return t.committed() && t.Shown != DeliveredYes && !t.givenBack()",
		"return t.State == StateNone"},
	{"an old outcome is shown again", "R10", ask,
		"late := w.For == waitShown && s.now.Boot >= w.Deadline",
		"late := w.For == waitNothing && s.now.Boot >= w.Deadline"},
	{"a restart gives the screen its whole time anew", "R10", table,
		"s.arm(t, waitShown, whole-age)",
		"s.arm(t, waitShown, whole)"},
}
