package mutants

const (
	loss = "agent/txn/loss.go"
	chip = "agent/txn/chip.go"
)

// losses are of what a lost or older journal may not lead to (R15).
var losses = []mutant{
	{"a lost journal is not noticed", "R15", loss,
		"return mark != nil && (mark.Epoch > m.epoch || mark.Epoch == m.epoch && mark.Entry > last)",
		"return mark == nil && last > 1<<40"},
	{"an older journal of this epoch is not noticed", "R15", loss,
		"mark.Epoch > m.epoch || mark.Epoch == m.epoch && mark.Entry > last",
		"mark.Epoch > m.epoch"},
	{"old keys run again", "R15", loss,
		"\ts.record(groupEpoch, &Epoch{Number: begun})\n",
		""},
	{"numbering goes on where the copy ends", "R15", loss,
		"\ts.jump(tids, mark)\n",
		""},
	{"numbering of a terminal that the mark does not know begins anew", "R15", loss,
		"\ttids = slices.Clone(tids)\n",
		"\ttids = nil\n"},
	{"numbering jumps to the mark and no further", "R15", loss,
		"next := min(h.Next+stanJump, iso8583.LastSTAN+1)",
		"next := min(h.Next, iso8583.LastSTAN+1)"},
	{"what an older journal holds as open goes on", "R15 P4", loss,
		"\ts.jump(tids, mark)\n\ts.doubt(who, why)\n",
		"\ts.jump(tids, mark)\n"},
	{"a reversal that an older journal owes goes on", "R15 P4", loss,
		"\t\t\t\ts.record(uuid, &Resolved{Verb: VerbPark, Who: who, Why: why})\n",
		""},
	{"what may have been confirmed is reversed", "R15 P4", reversal,
		"\tcase s.m.InDoubt(t):\n\t\treturn CauseLost",
		"\tcase t.Kind == \"\":\n\t\treturn CauseLost"},
	{"what may have been reversed is confirmed", "R15 P2", chip,
		"\tif t.Stuck {\n\t\ts.answer(e.Req",
		"\tif t.Kind == \"\" {\n\t\ts.answer(e.Req"},
	{"what may have been given back is followed", "R15 P3", begin,
		"case m.InDoubt(o) && !o.Overridden:",
		"case m.InDoubt(o) && o.State == StateNone:"},
}
