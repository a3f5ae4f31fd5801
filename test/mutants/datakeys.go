package mutants

// dataKeys are of the keys that cards are sealed under.
var dataKeys = []mutant{
	{"a data key goes with its batch, whatever is open", "journal.md: Secrets", datakey,
		"\tcase s.m.dataKeyNeeded(k) || slices.ContainsFunc(s.m.members(&Batch{TID: k.TID, Serial: k.Serial}), s.keepsCard):\n",
		"\tcase !s.m.ended(k):\n"},
	{"a restart forgets that a data key is to be destroyed", "journal.md: Secrets", datakey,
		"\t\tif k.Retired {\n\t\t\ts.destroy(k.Number)\n\t\t} else if",
		"\t\tif !k.Retired && s.m.ended(k) {\n\t\t\ts.armDataKey(k.Number, s.lifetime(k.TID))\n\t\t} else if false &&"},
	{"what has no card any more is reversed", "P1", reversal,
		"\tcase s.m.CardGone(t): // it was declined, and its batch is long settled\n\t\treturn CauseCardGone\n",
		""},
	{"the next batch is sealed under the last one's key", "journal.md: Secrets", datakey,
		"\t\tif k.TID == tid && k.Serial == serial && !k.Retired {",
		"\t\tif k.TID == tid && !k.Retired {"},
}
