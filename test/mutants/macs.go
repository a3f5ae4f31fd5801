package mutants

// macs are of the verdict on a message's MAC.
var macs = []mutant{
	{"nobody looks at the MAC of an answer", "A: When a response is accepted", response,
		"if !believed(r, e) {",
		"if false {"},
	{"a decline needs no MAC", "A: When a response is accepted", mac,
		"\t\treturn AnswerUnprovedNo\n",
		"\t\treturn AnswerDeclined\n"},
	{"an 0410 needs no MAC", "A: When a response is accepted", reversal,
		"\t\t!believed(s.rules(t), e) && !s.rules(t).SignOn.Demands(e.Code),\n",
		""},
	{"an advice's answer needs no MAC", "A: When a response is accepted", advice,
		", t.Attempts == 0, !believed(r, e):",
		", t.Attempts == 0:"},
	{"an inquiry's answer needs no MAC", "A: When a response is accepted", inquiry,
		"if !believed(r, e) {",
		"if false {"},
}
