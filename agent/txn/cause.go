package txn

// Cause says why something is reversed or in front of a person.
type Cause string

// Causes of a reversal. The last two are also escalated.
const (
	CauseTimeout       Cause = "timeout"
	CauseLinkLost      Cause = "link_lost"
	CauseUnconfirmed   Cause = "unconfirmed"
	CauseRestart       Cause = "restart"
	CauseIndeterminate Cause = "indeterminate"
	CausePartial       Cause = "partial_refused"
	CauseCancelled     Cause = "cancelled"
	CauseChip          Cause = "card_declined"
	CauseOrphaned      Cause = "orphaned"
	CauseReplaced      Cause = "replaced"
	CauseChipData      Cause = "chip_unreadable"
	CauseBadMAC        Cause = "bad_mac"
	CauseUnprovedNo    Cause = "decline_unproved"
	CauseUnbelievable  Cause = "unbelievable"
	CauseContradiction Cause = "contradiction"
)

// Causes of an escalation beside the two above.
const (
	CauseSilence       Cause = "silence"
	CauseRefused       Cause = "refused"
	CauseUnknown       Cause = "unknown_original"
	CauseDuplicate     Cause = "duplicate"
	CauseCollision     Cause = "stan_collision"
	CauseNotReversible Cause = "not_reversible"
	CauseNotShown      Cause = "not_shown"
	CauseNotDelivered  Cause = "not_delivered"
	CauseParked        Cause = "parked"
	CauseAfterDecision Cause = "after_decision"
	CauseLost          Cause = "journal_lost"
	CauseAdviceRefused Cause = "advice_refused"
	CauseAdviceSilence Cause = "advice_unanswered"
	CauseOwed          Cause = "owed_at_settlement"
	CauseUnbalanced    Cause = "batch_unbalanced"
	CauseBatchSilence  Cause = "settlement_unanswered"
	CauseBatchRefused  Cause = "settlement_refused"
	CauseNoKeys        Cause = "no_keys"
	CauseCardGone      Cause = "card_gone"
	CauseNotUploaded   Cause = "not_uploaded"
)

// causeInfo is what people are told about a cause.
type causeInfo struct {
	cause   Cause
	meaning string // what happened
	advice  string // what a person should do; "" where nobody is asked
	source  string // the rule of safety.md, or the row of terminal-rules.md
}

// causes lists every cause. STATES.md is generated from it, and the API and
// the commands quote it.
var causes = []causeInfo{
	{CauseTimeout, "the host did not answer in time", "", "A: Response timer"},
	{CauseLinkLost, "the connection failed, and the request may have left in part", "", "A: Send error"},
	{CauseUnconfirmed, "approved, and the application did not confirm in time", "", "R9"},
	{CauseRestart, "the agent restarted while the host's answer was open", "", "R1: a request is never sent again"},
	{CauseIndeterminate, "the host's answer says neither yes nor no", "", "A: Response codes of the request"},
	{CausePartial, "the host approved a part of the amount only, and that is not what was wanted", "", "A: Partial approval refused"},
	{CauseCancelled, "the application cancelled", "", "R8: not confirmed, so it can be undone"},
	{CauseChip, "the card declined after the host's approval, or was removed", "", "A: Card declines after the host's 00"},
	{CauseOrphaned, "approved, and the application that asked for it was gone", "", "R9"},
	{CauseReplaced, "another card or method was used for the same part of the sale", "", "R11; field-problems.md 6"},
	{CauseChipData, "the chip data of the host's approval cannot be read, and the card waits for them", "", "A: Reason, UnionPay DE 39 of the 0400"},
	{CauseBadMAC, "the MAC of the host's answer is wrong or missing, so it may be anybody's; it is being reversed", "", "A: When a response is accepted; Reason, UnionPay DE 39 of the 0400"},
	{CauseUnprovedNo, "declined, and the decline's MAC is wrong or missing: not approved, and undone in case it was; it holds up no other sale", "", "A: When a response is accepted"},
	{CauseUnbelievable, "amount or currency of the host's answer is not what was asked; it is being reversed",
		"Ask the acquirer what it holds under this STAN: the amount debited, and whether the reversal took all of it back.",
		"A: When a response is accepted"},
	{CauseContradiction, "the host said one thing, then another",
		"Ask the acquirer which of its answers stands. Not confirmed: the reversal goes on by itself. Confirmed: it is never reversed; if the acquirer holds no debit, collect the amount again. A void, refund or completion that was reversed already locks its original until it is resolved with the acquirer's reference.",
		"R7, P4"},
	{CauseSilence, "the reversal was sent several times and nothing closed it; sending goes on",
		"Check the line. Tell the cardholder that the debit, if there is one, will be undone. Override lets the terminal sell meanwhile; park and the acquirer's word close it.",
		"A: Attempts"},
	{CauseRefused, "the host refused the reversal",
		"Ask the acquirer whether the debit stands. Then park, and resolve with its reference: acquirer-reversed or acquirer-debited.",
		"R12; A: Answer codes that end a reversal"},
	{CauseUnknown, "the host does not know the original, asked again after the hold-down",
		"Ask the acquirer whether a debit exists: it may hold two rows with this STAN, or the original may have come after the reversal. Then park and resolve with its reference.",
		"R3′; A: Answer codes that end a reversal"},
	{CauseDuplicate, "the host answers the reversal as a duplicate where no earlier one can have been done",
		"Ask the acquirer which message it took this for, and whether the debit stands. Then park and resolve with its reference.",
		"A: Answer codes that end a reversal"},
	{CauseCollision, "the host takes the request for a duplicate: its STAN belongs to an earlier transaction there",
		"Nothing is reversed, since that would undo the earlier one. Ask the acquirer what it holds under this STAN, and resolve with its reference.",
		"A: Response codes of the request"},
	{CauseNotReversible, "undecided, and this type is not reversed",
		"Ask the acquirer whether it took effect, and resolve with its reference: acquirer-debited if it stands, acquirer-reversed if not. Until then its original is locked, and it is not asked again.",
		"A: Which types are reversed"},
	{CauseNotShown, "paid, and the application does not say that the cardholder saw it",
		"Find out whether the goods were handed over. If not, void the sale, which closes the item; else close it.",
		"R10"},
	{CauseNotDelivered, "paid, and the goods were not handed over",
		"Void the sale under a UUID of its own, which closes the item, or hand the goods over and close it.",
		"R10"},
	{CauseParked, "an operator stopped the sending of its reversal or advice",
		"Ask the acquirer whether the debit stands and resolve with its reference, or resume.",
		"P5"},
	{CauseAfterDecision, "the host spoke after an operator had decided",
		"Compare the host's answer with the decision. If they differ, refund or collect; then close the item.",
		"safety.md: an operator decides while automatic reversal goes on"},
	{CauseLost, "the journal lost entries, and some of them may have been about this: nothing is sent",
		"Ask the acquirer whether the debit stands, and the merchant whether the goods were handed over. Resolve with the acquirer's reference: acquirer-debited or acquirer-reversed. A reversal that was owed already may be resumed instead.",
		"R15"},
	{CauseAdviceRefused, "the host refused the advice, or booked another amount; the goods are gone, and it is not sent again by itself",
		"Ask the acquirer why, and what it holds under this STAN. Mended there: resume sends it again, as a repeat. Else resolve with its reference: acquirer-debited if it stands, acquirer-reversed if there is no debit, and collect the money another way.",
		"A: Advice (store and forward) done at; P6"},
	{CauseAdviceSilence, "the advice was sent several times and the host has not taken it; sending goes on",
		"Check the line. The customer has paid by the card's or the voice's word, so charge nothing again. It closes by itself when the host takes it; park and the acquirer's word close it otherwise.",
		"A: Attempts; P5"},
	{CauseOwed, "undecided when its batch was settled: it is in no totals, and what is owed goes on being sent under that batch",
		"Nothing, unless the acquirer's list of that batch has it: then the batch does not balance because of it. It closes by itself when the host takes the reversal or the advice.",
		"P5, P6; C.30, C.31"},
	{CauseUnbalanced, "the acquirer holds other totals for the batch than this terminal",
		"Compare the batch with the acquirer's list: `counterfoil reconcile`. Each difference is a debit that nobody knows of, or a sale that will not be paid out. Then close it with the acquirer's reference.",
		"P6; C.31"},
	{CauseBatchSilence, "the settlement was sent several times and the host has not answered; sending goes on, and the terminal takes nothing new",
		"Check the line. If the acquirer says that the batch is settled: acquirer-settled, with its reference.",
		"C.31"},
	{CauseBatchRefused, "the host answers the settlement, and says nothing about the batch; it is sent again",
		"Ask the acquirer why. If it says that the batch is settled: acquirer-settled, with its reference.",
		"C.31"},
	{CauseNoKeys, "a reversal is owed and cannot be signed: the terminal has tried several times to sign on; trying goes on",
		"Check the line and the terminal's master key, or ask the acquirer whether the terminal may sign on. When it has, the reversal goes out by itself.",
		"A: Attempts (A0: sign in, new MAC, again); P5"},
	{CauseCardGone, "it is to be reversed, and its card cannot be read any more: its batch was settled, and the batch's data key destroyed",
		"Ask the acquirer whether a debit stands, and have it taken back there. Then resolve with its reference: acquirer-reversed, or acquirer-debited if the goods were handed over.",
		"journal.md: Secrets; P1"},
	{CauseNotUploaded, "the batch does not balance, and some of it cannot be uploaded: it was paid by card handles, and an upload's record has a card number",
		"Give the acquirer what `counterfoil batches TERMINAL SERIAL` marks as not uploaded, another way: it is in the terminal's totals. Then compare, and close it with the acquirer's reference.",
		"B1, 0320; P6"},
}

// Causes lists every cause.
func Causes() []Cause {
	out := make([]Cause, 0, len(causes))
	for _, i := range causes {
		out = append(out, i.cause)
	}
	return out
}

func (c Cause) info() causeInfo {
	for _, i := range causes {
		if i.cause == c {
			return i
		}
	}
	return causeInfo{cause: c, meaning: string(c)}
}

// Meaning says in plain words what happened.
func (c Cause) Meaning() string { return c.info().meaning }

// Advice says what a person should do, or "" where nobody is asked.
func (c Cause) Advice() string { return c.info().advice }
