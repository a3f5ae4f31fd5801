package sim

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// Stats is what happened, over many runs.
type Stats struct {
	Runs, Transactions, Steps, Batches int64
	AgentCrashes, AppCrashes           int64
	Faults                             [faults]int64
	Sometimes                          [sometimes]int64
	Longest                            time.Duration // to a transaction's end, once nothing went wrong any more
	Cells                              [16][64]int64 // state × input
}

// Fault is something that goes wrong outside the agent.
type Fault int

// The faults there are.
const (
	Dropped Fault = iota
	Duplicated
	Overtaken
	Delayed
	SlowLink
	Slept
	SlowDisk
	Misrouted
	Unsent
	InDoubt
	Refused
	Wrong
	Unclear
	Flipped
	Collided
	Hidden
	Strayed
	Early
	ClockJump
	InquiryLie
	AdviceRefusal
	ChipSpoiled
	Tampered
	SignerLost
	SignOnRefused
	KeysLost
	JournalReplaced
	faults
)

var faultNames = [faults]string{
	"message lost", "message duplicated", "message overtaken", "message delayed for long", "link slow to send", "the machine slept before a request left", "the disk took longer than anything waits", "reversal at the other address",
	"certainly not sent", "sent or not, nobody knows", "reversal refused", "wrong amount or currency",
	"neither yes nor no", "no, then yes", "94 to a first send", "two rows have the STAN", "another's message, or rubbish",
	"timer before anything else", "wall clock set", "an inquiry not answered truly", "advice refused",
	"DE 55 that is no chip data", "an answer tampered with",
	"the signer lost its keys", "a sign-on refused", "somebody else signed the terminal on",
	"an older journal, or none, in the place of the present one",
}

// Sometime is something that must happen in some run, or the world is too kind.
type Sometime int

// The things that must happen.
const (
	LateApproval Sometime = iota
	ApprovalAfterReversed
	ConfirmRaced
	HeldDown
	HoldCaughtDebit
	ReversalFirst
	TombstoneStopped
	DuplicateClosed
	UnknownEscalated
	RefusedThenDone
	BatchKept
	BatchLost
	ReadysLost
	CrashObeying
	RecoveredOwed
	ShownAgain
	NotShownRaised
	CollisionRaised
	Rerouting
	CancelledUnsent
	SaleOpenRefused
	SalePaidRefused
	WarnedReversing
	GateClosed
	OperatorDebited
	OperatorReversed
	OperatorTooEarly
	Reopened
	LoadedAgain
	Contradicted
	Disbelieved
	PartialRefused
	GoneWithDebit
	SilenceRaised
	ConfirmedTwice
	TakenOn
	CardDeclined
	VerdictMissing
	AmountRefused
	PartAccepted
	ChipUnread
	Locked
	NotReversibleRaised
	HostRefusesFollow
	BusyRefused
	UsedRefused
	AboveRefused
	OpenRefused
	UnfitRefused
	VoidUndone
	RefundUndone
	CompletionUndone
	HoldBack
	PartsAddUp
	SoldAgain
	CompletionVoided
	BalanceFailed
	BalanceAnswered
	FollowedAgain
	JournalPutBack
	LostWithTheJournal
	KeyOfOldEpoch
	InDoubtRefused
	MarkWaitedFor
	TakenOver
	Missed
	SessionLost
	CommittedImplicitly
	Switched
	RungAgain
	Suspected
	Insisted
	HealedOpen
	InquiryFound
	InquiryLate
	AdviceTaken
	AdviceRepeated
	AdviceRefusedRaised
	AdviceSilenceRaised
	OwedRefused
	QueueFull
	Balanced
	Unbalanced
	SettledAgain
	Flagged
	WaitedForSettlement
	SettledRefused
	SignedOn
	AnsweredA0
	RefusedKeyless
	ScriptAnswered
	UploadedAlone
	DataKeyDestroyed
	DataKeyAgain
	DataKeyKept
	CardGoneRaised
	sometimes
)

var sometimeNames = [sometimes]string{
	"an approval crossed its reversal", "an approval came after the reversal was done",
	"a confirm lost the race against the timer", "a hold-down ran to its end",
	"the reversal after a hold-down undid a debit", "a reversal reached the host first",
	"a tombstone stopped a request", "94 closed a reversal", "25 went to a person",
	"a refused reversal was done later", "a crash kept the batch", "a crash lost the batch",
	"a crash lost Readys that were held", "a crash between two effects", "recovery took up an owed reversal",
	"an approval was shown again", "not_shown was raised", "a STAN collision was raised",
	"a request went to another address", "cancelled before it left", "sale_open was answered",
	"sale_paid was answered", "a second attempt was warned", "the gate was closed",
	"acquirer-debited was obeyed", "acquirer-reversed was obeyed", "an operator was too early",
	"a host spoke after an operator", "a cold transaction was loaded", "a contradiction was raised",
	"an unbelievable answer was raised", "a partial approval was reversed",
	"an application left for ever with its sale paid", "silence was raised", "a confirm was asked for twice",
	"an item was acknowledged",
	"a declining card made a confirm a cancel", "a confirm without the card's word was refused",
	"a confirm of another amount was refused", "a partial approval was accepted", "unreadable chip data were reversed",
	"an original was locked", "not_reversible was raised", "the host refused a follow-up",
	"original_busy was answered", "original_used was answered", "above_original was answered",
	"original_open was answered", "original_unfit was answered",
	"a void was undone, its debit stands", "a refund was undone", "a completion was undone",
	"a hold was back after its release was undone", "two refunds in part stand", "what was voided was sold again",
	"a voided completion gave the hold back", "a balance inquiry failed", "a balance was shown",
	"an undone follow-up made room for another",
	"an older journal was put back", "a transaction was lost with its journal", "a key of an older epoch was refused",
	"what may have been given back was not followed", "a transaction waited for the mark",
	"a session was taken over", "a session's application was missed", "unknown_session was answered",
	"a sale was committed with its approval", "the card was switched", "a purchase was rung up again",
	"a repetition was suspected", "somebody insisted on another purchase",
	"the trouble ended while something was undecided",
	"an inquiry found the approval", "an inquiry found it when it was too late", "an advice was taken",
	"an advice was told again, and known", "advice_refused was raised", "advice_unanswered was raised",
	"original_owed was answered", "advice_queue_full was answered",
	"a batch balanced", "a batch did not balance", "a settlement was said again", "something owed was flagged at settlement",
	"a transaction waited for a settlement", "a void of what is settled was refused",
	"a terminal was signed on, or not", "A0 was answered", "a terminal without keys was refused",
	"the host answered the notice of a script", "a transaction was uploaded with its card's certificate",
	"a settled batch's data key was destroyed", "a data key was destroyed again after a crash",
	"a data key outlived its settlement, for what was open", "an approval came when its card was gone",
}

// saw counts one of the things that must happen.
func (w *World) saw(s Sometime) { w.stats.Sometimes[s]++ }

// Add adds o to s.
func (s *Stats) Add(o *Stats) {
	s.Runs += o.Runs
	s.Transactions += o.Transactions
	s.Steps += o.Steps
	s.Batches += o.Batches
	s.AgentCrashes += o.AgentCrashes
	s.AppCrashes += o.AppCrashes
	s.Longest = max(s.Longest, o.Longest)
	for i := range s.Faults {
		s.Faults[i] += o.Faults[i]
	}
	for i := range s.Sometimes {
		s.Sometimes[i] += o.Sometimes[i]
	}
	for i := range s.Cells {
		for j := range s.Cells[i] {
			s.Cells[i][j] += o.Cells[i][j]
		}
	}
}

// AllFaults is the sum over all kinds.
func (s *Stats) AllFaults() (n int64) {
	for _, f := range s.Faults {
		n += f
	}
	return n
}

// Reached says how many squares of the state table were passed through.
func (s *Stats) Reached(state txn.State, in txn.Input) int64 { return s.Cells[state][in] }
