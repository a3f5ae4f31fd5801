package txn

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// cell is one square of the state table: what to do, where it may lead, and
// why. STATES.md is generated from it, and a test holds every Step to it.
type cell struct {
	do  func(*step, *Transaction, Event)
	to  []State // where it may lead, beside staying
	why string
}

// table is the life of a transaction. A square that is not here means that
// the input changes nothing.
var table map[State]map[Input]cell

func init() {
	table = map[State]map[Input]cell{
		StatePending:   pendingRow(),
		StateInquiring: inquiringRow(),
		StateApproved:  approvedRow(),
		StateReversing: reversingRow(),
		StateAdvising:  advisingRow(),
		StateConfirmed: confirmedRow(),
		StateDeclined:  noDebitRow("the host said no"),
		StateNotSent:   noDebitRow("nothing left"),
		StateReversed:  reversedRow(),
		StateFailed:    failedRow(),
	}
}

// decided is where an operator's word leads, who has the acquirer's.
var decided = []State{StateReversed, StateConfirmed}

func pendingRow() map[Input]cell {
	undo := []State{StateReversing}
	reversing := []State{StateReversing, StateFailed}             // failed: what moves no money
	doubt := []State{StateInquiring, StateReversing, StateFailed} // as the rules have an inquiry, or not
	return map[Input]cell{
		RequestSent:         {requestSent, nil, "the response timer starts when the request has left"},
		RequestUnsent:       {unsent, []State{StateNotSent}, "no byte left: the next address, or nothing to reverse"},
		RequestInDoubt:      {doubtFor(CauseLinkLost), doubt, "any byte may have left: ask, else reverse"},
		AnswerApproved:      {approved, []State{StateApproved, StateConfirmed, StateReversing}, "durable before the application hears of it; what needs no confirmation is committed by it, implicit confirmation only while its application lives: else reverse; reversed where a chip waits for data that cannot be read"},
		AnswerPartial:       {partial, []State{StateApproved, StateReversing}, "accepted where the application said so; else refused: reverse the whole"},
		AnswerDeclined:      {declined, []State{StateDeclined}, "final"},
		AnswerIndeterminate: {indeterminate, doubt, "DE 39 says neither yes nor no, or is missing or unknown: ask, else reverse"},
		AnswerDuplicate:     {collision, []State{StateFailed}, "94 on a first send: the STAN is another's at the host; escalate, jump, never reverse; failed where no money moves"},
		AnswerUnbelievable:  {unbelievable, undo, "amount or currency is not what was asked: reverse and escalate"},
		AnswerUnproved:      {unprovedAnswer(CauseBadMAC), reversing, "its MAC is wrong or missing: whatever it says, reverse"},
		AnswerUnprovedNo:    {unprovedAnswer(CauseUnprovedNo), reversing, "declined, its MAC wrong or missing, and not listed as legal without: not approved; reverse, holding up nothing"},
		TimeUp:              {doubtFor(CauseTimeout), doubt, "no answer in time: ask, else reverse"},
		AskConfirm:          {confirmEarly, nil, "refused: the host has not answered"},
		AskCancel:           {cancel, reversing, "the request may be on the wire: reverse; refused where the type is not reversed"},
		AskShown:            {shownEarly, nil, "refused: nothing to show"},
		AskResolve:          {resolve, decided, "only where it is stuck: the acquirer's word"},
		Restart:             {restartPending, doubt, "never sent again: ask, else reverse"},
		SessionLost:         {orphaned, nil, "it goes on; once approved, only the orphan time (R9)"},
		SessionTaken:        {adopted, reversing, "the new application is told, and has the whole time; what a contact chip must agree to is reversed at once"},
	}
}

// inquiringRow is pending, with the host being asked. Nothing that it says but
// an approval, or a decline that is listed as final, ends the asking (R2).
func inquiringRow() map[Input]cell {
	undo := []State{StateReversing}
	return map[Input]cell{
		RequestUnsent:       {unsent, []State{StateNotSent}, "it never left, which is certain: nothing to ask"},
		AnswerApproved:      {approved, []State{StateApproved, StateConfirmed, StateReversing}, "the request's own answer, late: counts as in pending"},
		AnswerPartial:       {partial, []State{StateApproved, StateReversing}, "as in pending"},
		AnswerDeclined:      {declined, []State{StateDeclined}, "final, as in pending"},
		AnswerIndeterminate: {lateAnswer, nil, "evidence; that is why the host is asked"},
		AnswerDuplicate:     {collision, nil, "as in pending: escalate, jump, never reverse; nothing is asked any more"},
		AnswerUnbelievable:  {unbelievable, undo, "as in pending: reverse and escalate"},
		AnswerUnproved:      {unprovedAnswer(CauseBadMAC), undo, "as in pending: reverse"},
		AnswerUnprovedNo:    {unprovedAnswer(CauseUnprovedNo), undo, "as in pending: reverse, holding up nothing"},
		InquirySent:         {inquirySent, nil, "its timer starts when it has left"},
		InquiryUnsent:       {inquiryUnsent, undo, "the next one; after the last, reverse"},
		InquiryInDoubt:      {inquiryInDoubt, undo, "the next one; after the last, reverse"},
		InquiryApproved:     {foundApproved, []State{StateApproved, StateConfirmed, StateReversing}, "identity and amount as asked: approved, with the whole confirmation time"},
		InquiryDeclined:     {foundDeclined, []State{StateDeclined}, "final only because the profile lists the code so"},
		InquiryOpen:         {foundNothing, undo, "never final (R2): the next one; after the last, reverse; what is not reversed is a person's"},
		TimeUp:              {inquiryTimeUp, undo, "ask, or give this inquiry up; after the last, reverse"},
		AskConfirm:          {confirmEarly, nil, "refused: the host has not answered"},
		AskCancel:           {cancel, undo, "reverse at once; refused where the type is not reversed"},
		AskShown:            {shownEarly, nil, "refused: nothing to show"},
		AskResolve:          {resolve, decided, "only where it is stuck: the acquirer's word"},
		Restart:             {restartInquiring, undo, "ask at once; it counts, so that crashes come to an end"},
		SessionLost:         {orphaned, nil, "as in pending"},
		SessionTaken:        {adopted, undo, "as in pending"},
	}
}

// advisingRow is what was committed without the host.
func advisingRow() map[Input]cell {
	return map[Input]cell{
		AdviceSent:     {adviceSent, nil, "its timer starts when it has left"},
		AdviceUnsent:   {adviceUnsent, nil, "certainly not left: again, still as a first send, and perhaps elsewhere"},
		AdviceInDoubt:  {adviceInDoubt, nil, "again, as a repeat"},
		AdviceAnswered: {adviceAnswer, []State{StateConfirmed}, "00, or 94 to a repeat, ends it; 91, 96, 98 are silence; anything else leaves the queue, to a person"},
		TimeUp:         {adviceTimeUp, nil, "the next send, for ever"},
		AskConfirm:     {confirmAgain, nil, "already so"},
		AskCancel:      {cancelLate, nil, "refused: void it under a UUID of its own, once the host has it"},
		AskShown:       {shown, nil, "noted; no or unknown is a person's (R10)"},
		AskResolve:     {resolve, decided, "park, resume; refused, or parked and quiet: the acquirer's word"},
		Restart:        {restartAdvising, nil, "the next send, in its turn"},
	}
}

func approvedRow() map[Input]cell {
	reversing := []State{StateReversing}
	return map[Input]cell{
		AnswerApproved:      {again, reversing, "the same answer again says nothing new, another one is evidence, and another authorisation a person's; all after a part: reverse and escalate"},
		AnswerPartial:       {again, reversing, "the same part again says nothing new; a part after all, or another part: reverse and escalate"},
		AnswerDeclined:      {contradiction, reversing, "the host said yes before: reverse and escalate"},
		AnswerIndeterminate: {contradiction, reversing, "the host said yes before: reverse and escalate"},
		AnswerDuplicate:     {lateAnswer, nil, "the answer to a second copy: evidence"},
		AnswerUnbelievable:  {contradiction, reversing, "the host said yes before: reverse and escalate"},
		AnswerUnproved:      {lateAnswer, nil, "evidence: it proves nothing"},
		AnswerUnprovedNo:    {lateAnswer, nil, "evidence: it proves nothing"},
		InquiryApproved:     {quiet, nil, "nothing new"},
		InquiryDeclined:     {foundContradiction(FoundDeclined), reversing, "the host said yes before: reverse and escalate"},
		InquiryOpen:         {foundLate(FoundNothing), nil, "evidence: it was asked before"},
		TimeUp:              {unconfirmed, reversing, "nobody confirmed (R9): reverse"},
		AskConfirm:          {confirm, []State{StateConfirmed, StateReversing}, "the commit point (R4); refused without a contact chip's verdict or with another amount; a verdict that declines is a cancel; refused where entries about it may be lost (R15)"},
		AskCancel:           {cancel, []State{StateReversing, StateConfirmed}, "reverse, with the reason given; a part that is not wanted is recorded where the rules have it voided, and is a person's until it is"},
		AskShown:            {shownEarly, nil, "refused: not confirmed, so it must not have been shown"},
		AskResolve:          {resolve, decided, "refused: the application decides; unless it is stuck"},
		Restart:             {restartApproved, nil, "the whole confirmation time anew"},
		SessionLost:         {orphaned, nil, "reversed when nobody comes back in time (R9)"},
		SessionTaken:        {adopted, reversing, "the new application is told, and has what is left of the whole time; what a contact chip must agree to is reversed at once"},
	}
}

func reversingRow() map[Input]cell {
	return map[Input]cell{
		RequestSent:         {requestLeft, nil, "it left behind its reversal: the hold-down counts from now (R3′)"},
		RequestInDoubt:      {requestLeft, nil, "as if it had left now"},
		RequestUnsent:       {unsent, []State{StateNotSent}, "cancelled before it left, which is certain: nothing to reverse"},
		AnswerApproved:      {lateAnswer, nil, "evidence; never un-reverses (R7); another authorisation than the one known is a person's"},
		AnswerPartial:       {lateAnswer, nil, "evidence"},
		AnswerDeclined:      {lateAnswer, nil, "evidence; the reversal goes on"},
		AnswerIndeterminate: {lateAnswer, nil, "evidence"},
		AnswerDuplicate:     {lateAnswer, nil, "evidence"},
		AnswerUnbelievable:  {lateAnswer, nil, "evidence"},
		AnswerUnproved:      {lateAnswer, nil, "evidence: it proves nothing"},
		AnswerUnprovedNo:    {lateAnswer, nil, "evidence: it proves nothing"},
		InquiryApproved:     {foundLate(FoundApproved), nil, "evidence; never un-reverses (R7)"},
		InquiryDeclined:     {foundLate(FoundDeclined), nil, "evidence; the reversal goes on"},
		InquiryOpen:         {foundLate(FoundNothing), nil, "evidence"},
		AttemptSent:         {attemptSent, nil, "known to have left: a later 94 may mean done"},
		AttemptUnsent:       {attemptUnsent, nil, "certainly not left: again, still as a first send"},
		AttemptInDoubt:      {attemptInDoubt, nil, "again, as a repeat"},
		ReversalAnswered:    {reversalAnswer, []State{StateReversed}, "done closes, subject to the hold-down; unknown holds down; anything else escalates (R12)"},
		TimeUp:              {reversalTimeUp, nil, "the next attempt, or the first one after the hold-down"},
		AskConfirm:          {confirmLate, nil, "refused: reversing is irrevocable (R6)"},
		AskCancel:           {cancelAgain, nil, "already so"},
		AskShown:            {shownNot, nil, "noted"},
		AskResolve:          {resolve, decided, "park, resume, override; parked and quiet: the acquirer's word"},
		Restart:             {reversalRestart, nil, "the next attempt, or the whole hold-down anew"},
	}
}

func confirmedRow() map[Input]cell {
	return map[Input]cell{
		AnswerApproved:      {again, nil, "the same answer again says nothing new; another one is evidence; another authorisation, and all after a part, are a person's"},
		AnswerPartial:       {again, nil, "the same part again says nothing new; another amount is evidence, and a person's: never reversed (P4)"},
		AnswerDeclined:      {contradiction, nil, "evidence, and a person's: never reversed (P4)"},
		AnswerIndeterminate: {contradiction, nil, "evidence, and a person's: never reversed (P4)"},
		AnswerDuplicate:     {lateAnswer, nil, "the answer to a second copy: evidence"},
		AnswerUnbelievable:  {contradiction, nil, "evidence, and a person's: never reversed (P4)"},
		AnswerUnproved:      {lateAnswer, nil, "evidence: it proves nothing"},
		AnswerUnprovedNo:    {lateAnswer, nil, "evidence: it proves nothing"},
		InquiryApproved:     {quiet, nil, "nothing new"},
		InquiryDeclined:     {foundContradiction(FoundDeclined), nil, "evidence, and a person's: never reversed (P4)"},
		InquiryOpen:         {foundLate(FoundNothing), nil, "evidence: it was asked before"},
		AdviceAnswered:      {adviceAgain, nil, "taken again is nothing new; refused now is evidence, and a person's"},
		ReversalAnswered:    {reversalAnswerLate, nil, "only after an operator's word: reopens the item"},
		TimeUp:              {notShown, nil, "nobody says that it was shown: escalate (R10)"},
		AskConfirm:          {confirmAgain, nil, "already so; refused with another amount, a declining verdict, or after a part was not wanted"},
		AskCancel:           {cancelLate, nil, "refused: void it under a UUID of its own; already so for a part that is not wanted"},
		AskShown:            {shown, nil, "delivered yes ends it; no or unknown is a person's (R10)"},
		AskResolve:          {resolve, nil, "close the open item"},
		Restart:             {restartConfirmed, nil, "ask for shown anew; what is older than its time is a person's (R10)"},
	}
}

// noDebitRow is declined and not_sent: the host must hold no debit. An approval
// after that is a contradiction and undone.
func noDebitRow(because string) map[Input]cell {
	reversing := []State{StateReversing}
	undo := because + ", and now yes: reverse and escalate"
	return map[Input]cell{
		AnswerApproved:      {contradiction, reversing, undo},
		AnswerPartial:       {contradiction, reversing, undo},
		AnswerDeclined:      {quiet, nil, "nothing new"},
		AnswerIndeterminate: {lateAnswer, nil, "evidence"},
		AnswerDuplicate:     {lateAnswer, nil, "evidence"},
		AnswerUnbelievable:  {doubtful, reversing, "unless it declines, the host may hold a debit: reverse and escalate"},
		AnswerUnproved:      {contradiction, reversing, "not a decline, so the host may hold a debit: reverse and escalate"},
		AnswerUnprovedNo:    {lateAnswer, nil, "evidence"},
		InquiryApproved:     {foundContradiction(FoundApproved), reversing, undo},
		InquiryDeclined:     {quiet, nil, "nothing new"},
		InquiryOpen:         {foundLate(FoundNothing), nil, "evidence"},
		AskConfirm:          {confirmNothing, nil, "refused: nothing was approved"},
		AskCancel:           {cancelAgain, nil, "nothing to undo"},
		AskShown:            {shownNot, nil, "noted"},
		AskResolve:          {resolve, decided, "close the open item; where it is stuck, the acquirer's word"},
	}
}

func reversedRow() map[Input]cell {
	return map[Input]cell{
		AnswerApproved:      {lateApproval, nil, "evidence; never un-reverses (R7); the first word of it after a hold-down is a person's, and locks what it followed"},
		AnswerPartial:       {lateAnswer, nil, "evidence"},
		AnswerDeclined:      {lateAnswer, nil, "evidence"},
		AnswerIndeterminate: {lateAnswer, nil, "evidence"},
		AnswerDuplicate:     {lateAnswer, nil, "evidence"},
		AnswerUnbelievable:  {lateAnswer, nil, "evidence"},
		AnswerUnproved:      {lateAnswer, nil, "evidence: it proves nothing"},
		AnswerUnprovedNo:    {lateAnswer, nil, "evidence: it proves nothing"},
		InquiryApproved:     {foundReversed, nil, "evidence, as an approval"},
		InquiryDeclined:     {foundLate(FoundDeclined), nil, "evidence"},
		InquiryOpen:         {foundLate(FoundNothing), nil, "evidence"},
		AdviceAnswered:      {adviceAgain, nil, "after an operator's word: evidence, which reopens the item"},
		ReversalAnswered:    {reversalAnswerLate, nil, "evidence; after an operator's word it reopens the item"},
		AskConfirm:          {confirmNothing, nil, "refused: it was reversed"},
		AskCancel:           {cancelAgain, nil, "already so"},
		AskShown:            {shownNot, nil, "noted"},
		AskResolve:          {resolve, []State{StateConfirmed}, "close the open item; where it is stuck, the acquirer's word"},
	}
}

// failedRow is for what moves no money: nothing that comes later matters.
func failedRow() map[Input]cell {
	return map[Input]cell{
		AskConfirm: {confirmNothing, nil, "refused: nothing was approved"},
		AskCancel:  {cancelAgain, nil, "nothing to undo"},
		AskShown:   {shownNot, nil, "noted"},
		AskResolve: {resolve, nil, "refused: nobody needs to decide"},
	}
}

func quiet(*step, *Transaction, Event) {}

func reverseFor(c Cause) func(*step, *Transaction, Event) {
	return func(s *step, t *Transaction, _ Event) {
		if !t.Stuck {
			s.reverse(t, c)
		}
	}
}

// doubtFor is for a request whose outcome is not known.
func doubtFor(c Cause) func(*step, *Transaction, Event) {
	return func(s *step, t *Transaction, _ Event) {
		if !t.Stuck {
			s.unsure(t, c)
		}
	}
}

// restartPending: a request that was sent before a restart is never sent again.
func restartPending(s *step, t *Transaction, ev Event) {
	if t.Stuck {
		s.quieten(t)
	}
	doubtFor(CauseRestart)(s, t, ev)
}

// unconfirmed: in all that time nobody confirmed.
func unconfirmed(s *step, t *Transaction, ev Event) {
	cause := CauseUnconfirmed
	if s.wait(t).Orphan {
		cause = CauseOrphaned
	}
	reverseFor(cause)(s, t, ev)
}

func restartApproved(s *step, t *Transaction, _ Event) {
	if t.Stuck {
		return
	}
	s.awaitConfirmation(t)
}

// restartConfirmed asks for the application's word again. To show an old outcome
// again is not delivery (R10), and the clock since boot did not survive: by the
// wall clock it has what is left of its time. One that is behind the
// confirmation is wrong, and proves nothing.
func restartConfirmed(s *step, t *Transaction, _ Event) {
	if !t.awaitsShown() {
		return
	}
	whole, age := s.rules(t).ShownTimeout, iso8583.Duration(time.Duration(s.now.Wall-t.Confirmed)*time.Millisecond)
	if age < 0 || age >= whole {
		notShown(s, t, nil)
		return
	}
	s.arm(t, waitShown, whole-age)
}
