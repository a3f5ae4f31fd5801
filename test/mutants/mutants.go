// Package mutants breaks the product on purpose, one rule at a time, and
// demands that the seeded simulation notices. The broken lines live here and
// are laid over the product when the simulation is built; the product holds
// none of them. A mutant that survives is a hole in the simulation's world.
package mutants

import "slices"

// mutant is one exact replacement in one file of the product.
type mutant struct {
	name string
	rule string // of safety.md, or the row of terminal-rules.md, that it breaks
	file string // from the module's root
	old  string // must occur exactly once
	new  string
}

const (
	fence      = "agent/txn/fence.go"
	table      = "agent/txn/table.go"
	advice     = "agent/txn/advice.go"
	apply      = "agent/txn/apply.go"
	ask        = "agent/txn/ask.go"
	batch      = "agent/txn/batch.go"
	datakey    = "agent/txn/datakey.go"
	begin      = "agent/txn/begin.go"
	chip       = "agent/txn/chip.go"
	inquiry    = "agent/txn/inquiry.go"
	mac        = "agent/txn/mac.go"
	machine    = "agent/txn/machine.go"
	reversal   = "agent/txn/reversal.go"
	response   = "agent/txn/response.go"
	sale       = "agent/txn/sale.go"
	session    = "agent/txn/session.go"
	settlement = "agent/txn/settlement.go"
	state      = "agent/txn/state.go"
	signon     = "agent/txn/signon.go"
	script     = "agent/txn/script.go"
	upload     = "agent/txn/upload.go"

	machineStep = "agent/txn/step.go"
)

var mutants = slices.Concat(sales, follows, applications, losses, asking, macs, scripts, settlements, dataKeys)

// sales are of what a sale has, and with it every type.
var sales = []mutant{
	{"released before durable", "R1 R5 R6", fence,
		"\tf.held = append(f.held, r)\n\treturn nil",
		"\tf.held = append(f.held, Ready{Records: r.Records})\n\tr.Records = nil\n\treturn []Ready{r}"},
	{"a Ready without records overtakes", "R5", fence,
		"if len(f.held) == 0 && len(r.Records) == 0 {",
		"if len(r.Records) == 0 {"},
	{"one Ready too many is released", "R1 R5 R6", fence,
		"\treleased := f.held[:f.syncing:f.syncing]\n\tf.held = f.held[f.syncing:]",
		"\treleased := append([]Ready(nil), f.held[:f.syncing]...)\n\tf.held = f.held[f.syncing:]\n" +
			"\tif len(f.held) > 0 {\n\t\tearly := f.held[0]\n\t\tf.held[0] = Ready{Records: early.Records}\n\t\tearly.Records = nil\n\t\treleased = append(released, early)\n\t}"},
	{"a hold-down from when the request was to leave", "R3′", table,
		"RequestSent:         {requestLeft, nil,",
		"RequestSent:         {quiet, nil,"},
	{"a confirm that is not recorded", "R4 R5", ask,
		"func (s *step) commit(t *Transaction) {\n\ts.record(t.UUID, &Confirmed{Undated: s.now.Dead})",
		"func (s *step) commit(t *Transaction) {\n\tt.State = StateConfirmed"},
	{"a confirm while reversing", "R6", table,
		"AskConfirm:          {confirmLate, nil,",
		"AskConfirm:          {confirm, []State{StateConfirmed},"},
	{"a confirm before the answer", "R4", table,
		"AskConfirm:          {confirmEarly, nil, \"refused: the host has not answered\"},\n\t\tAskCancel:           {cancel, reversing,",
		"AskConfirm:          {confirm, []State{StateConfirmed}, \"\"},\n\t\tAskCancel:           {cancel, reversing,"},
	{"a cancel after the confirm", "R8 P4", table,
		"AskCancel:           {cancelLate, nil,",
		"AskCancel:           {cancel, []State{StateReversing},"},
	{"a late approval un-reverses", "R7", table,
		"AnswerApproved:      {lateAnswer, nil, \"evidence; never un-reverses (R7); another authorisation than the one known is a person's\"},\n\t\tAnswerPartial:       {lateAnswer, nil, \"evidence\"},\n\t\tAnswerDeclined:      {lateAnswer, nil, \"evidence; the reversal goes on\"},",
		"AnswerApproved:      {approved, []State{StateApproved}, \"\"},\n\t\tAnswerPartial:       {lateAnswer, nil, \"evidence\"},\n\t\tAnswerDeclined:      {lateAnswer, nil, \"evidence; the reversal goes on\"},"},
	{"a late approval counts as answered", "R3′", apply,
		"\tcase *Late:\n",
		"\tcase *Late:\n\t\tt.Answered = t.Answered || r.Class == iso8583.Approved.String()\n"},
	{"an approval is kept unconfirmed", "R9", table,
		"TimeUp:              {unconfirmed, reversing,",
		"TimeUp:              {quiet, reversing,"},
	{"a restart forgets the confirmation time", "R9", table,
		"\ts.awaitConfirmation(t)\n}\n\n// restartConfirmed",
		"\t_, _ = s, t\n}\n\n// restartConfirmed"},
	{"a restart forgets the request", "P5", table,
		"\tdoubtFor(CauseRestart)(s, t, ev)\n}",
		"\t_ = ev\n}"},
	{"a restart sends the request again", "R1", table,
		"\tdoubtFor(CauseRestart)(s, t, ev)\n}",
		"\ts.request(t, nil)\n\t_ = ev\n}"},
	{"a restart forgets the reversal", "P5", reversal,
		"\t\ts.holdDown(t)\n\t\treturn\n\t}\n\ts.attempt(t, false)",
		"\t\ts.holdDown(t)\n\t\treturn\n\t}"},
	{"a restart ends the hold-down", "R3′", reversal,
		"\t\ts.holdDown(t)\n\t\treturn\n\t}\n\ts.attempt(t, false)",
		"\t\ts.attempt(t, true)\n\t\treturn\n\t}\n\ts.attempt(t, false)"},
	{"25 closes", "A: Answer codes that end a reversal", reversal,
		"\t\ts.unknownOriginal(t, doneBefore)",
		"\t\ts.record(t.UUID, &Reversed{})\n\t\t_ = doneBefore"},
	{"a refused reversal closes", "R12", reversal,
		"s.refused(t, CauseRefused)",
		"s.record(t.UUID, &Reversed{})"},
	{"94 to a first reversal closes", "A: Answer codes that end a reversal", reversal,
		"t.SentAttempt == 0 || t.SentAttempt >= t.Attempts {",
		"false {"},
	{"94 closes although the host refused", "A: Answer codes that end a reversal", reversal,
		"t.SawUnknown || t.HostRefused || ",
		"t.SawUnknown || "},
	{"no hold-down after 00", "R3′", reversal,
		"if r.Tombstones || t.Answered || t.Hold == HoldOver {",
		"if r != nil {"},
	{"a hold-down of no length", "R3′", reversal,
		"s.arm(t, waitHold, iso8583.Duration(left-s.now.Boot)+s.rules(t).Reversal.MessageLifetime)",
		"s.arm(t, waitHold, iso8583.Duration(left-s.now.Boot))"},
	{"the hold-down forgets a request that has not left", "R3′", reversal,
		"left := max(w.Request, s.now.Boot)",
		"left := s.now.Boot"},
	{"no DE 7 of its own after the hold-down", "A: Answer codes that end a reversal", reversal,
		"if fresh || t.Attempts == 0 {",
		"if t.Attempts == 0 {"},
	{"any address may close", "A: Whose answer closes", reversal,
		"case e.Route != t.Route && !r.SharedLedger, //",
		"case //"},
	{"silence is never escalated", "P5", reversal,
		"if t.Attempts >= r.EscalateAfter {",
		"if t.Attempts < 0 {"},
	{"matched on the STAN alone", "R14", response,
		"if got != \"\" && want != \"\" && got != want {",
		"if got == want && got == \"none\" {"},
	{"the amount is not compared", "A: When a response is accepted", response,
		"case err != nil || minor != t.Minor || class == iso8583.Partial:",
		"case class == iso8583.Partial:"},
	{"the currency is not compared", "A: When a response is accepted", response,
		"if e.Currency != \"\" && e.Currency != t.Currency.Numeric() {",
		"if e.Currency == \"none\" {"},
	{"a partial approval is an approval", "A: Partial approval refused", table,
		"AnswerPartial:       {partial, []State{StateApproved, StateReversing}, \"accepted",
		"AnswerPartial:       {approved, []State{StateApproved}, \"accepted"},
	{"94 to a request is a decline", "A: Response codes of the request", table,
		"AnswerDuplicate:     {collision, []State{StateFailed},",
		"AnswerDuplicate:     {declined, []State{StateDeclined},"},
	{"an unclear answer is a decline", "A: Response codes of the request", table,
		"AnswerIndeterminate: {indeterminate, doubt,",
		"AnswerIndeterminate: {declined, []State{StateDeclined},"},
	{"yes after no is evidence only", "P1", table,
		"AnswerApproved:      {contradiction, reversing, undo},",
		"AnswerApproved:      {lateAnswer, nil, undo},"},
	{"a contradiction reverses a confirmed sale", "P4", response,
		"if t.State == StateConfirmed {",
		"if t.State == StateNone {"},
	{"in doubt counts as not sent", "A: Send error", table,
		"RequestInDoubt:      {doubtFor(CauseLinkLost), doubt,",
		"RequestInDoubt:      {func(s *step, t *Transaction, _ Event) { s.record(t.UUID, &NotSent{}) }, []State{StateNotSent},"},
	{"the other address is not recorded", "R6", begin,
		"s.record(t.UUID, &Rerouted{Route: next, Address: s.m.terminals[t.TID].address(next)})",
		"t.Route = next"},
	{"a second attempt while one is open", "R11", begin,
		"if !t.Overridden && uuid != replaced {\n\t\t\t\treturn SaleOpen, uuid",
		"if t.UUID == \"\" {\n\t\t\t\treturn SaleOpen, uuid"},
	{"a second attempt at what is paid", "R11", begin,
		"if t.LocalDate == date && t.Year == year || near < saleAgain || m.paidLately(uuid, now) {",
		"if t.LocalDate == date && t.Year == year && near > saleAgain && m.paidLately(uuid, now) {"},
	{"a dead clock frees a paid sale", "R11 C.20", begin,
		"|| m.hot[uuid].Undated && now.Boot-m.undated < again",
		"|| m.hot[uuid].Undated && now.Boot < 0"},
	{"a wrong clock frees a paid sale", "R11", begin,
		"|| near < saleAgain || m.paidLately(uuid, now) {",
		"|| -saleAgain < near && near < saleAgain {"},
	{"not_shown is never raised", "R10", ask,
		"\ts.escalate(t, CauseNotShown)\n\ts.disarm(t)",
		"\ts.disarm(t)"},
	{"not_delivered is never raised", "R10", ask,
		"\t\ts.escalate(t, CauseNotDelivered)",
		""},
	{"a parked reversal is in front of nobody", "P5", ask,
		"\t\ts.escalate(t, CauseParked) // nothing is sent: a person has it until it is closed\n",
		""},
	{"an acknowledgement closes the item", "P5: what is not decided stays in front of a person", "agent/txn/acknowledge.go",
		"it.AckBy, it.AckAt = r.Who, r.At",
		"it.AckBy, it.AckAt, it.Closed = r.Who, r.At, true"},
	{"an operator decides too early", "safety.md: an operator decides while automatic reversal goes on", ask,
		"case s.now.Boot < s.wait(t).Quiet:",
		"case s.now.Boot < 0:"},
	{"the STAN does not move on", "identity", apply,
		"\t\tm.head(r.TID).used(r.STAN, r.At)\n\t\tm.joinBatch(r)\n",
		"\t\tm.joinBatch(r)\n"},
	{"an old transaction moves the STAN back", "identity", machine,
		"m.addIntent(r, true)\n",
		"m.Apply(r)\n"},
	{"a declining card's verdict commits", "A: Card declines after the host's 00", chip,
		"if t.Chip != \"\" && e.Chip.Declines() {",
		"if t.Chip == \"none\" {"},
	{"a contact chip commits without its word", "A: Card declines after the host's 00", chip,
		"case t.NeedsVerdict() && !v.Given():",
		"case t.UUID == \"\":"},
	{"a declining verdict is forgotten by the reversal", "A: Card declines after the host's 00", chip,
		"range []string{t.ResultEMV, t.EMV} {",
		"range []string{t.EMV} {"},
	{"chip data that cannot be read are passed over", "A: Reason, UnionPay DE 39 of the 0400", chip,
		"return e.BadChip && t.NeedsVerdict()",
		"return e.BadChip && t.UUID == \"\""},
	{"a part is committed as the whole", "A: Partial approval refused", response,
		"ChipData: e.ChipData, Minor: minor,",
		"ChipData: e.ChipData, Minor: 0 * minor,"},
	{"credits go by what was asked for", "P3", state,
		"left := t.Taken()\n",
		"left := t.Minor\n"},
	{"a confirm of another amount commits", "A: Partial approval refused", chip,
		"case e.Amount == 0 && t.ApprovedMinor != 0, e.Amount != 0 && e.Amount != t.Taken():",
		"case t.UUID == \"\":"},
	{"a part refused before the answer needs no hold-down", "R3′", ask,
		"case t.ApprovedMinor == 0: //",
		"case t.UUID == \"\": //"},
}
