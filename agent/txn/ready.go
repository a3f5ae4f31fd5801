package txn

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Time is the shell's two clocks at one instant.
type Time struct {
	Boot time.Duration // CLOCK_BOOTTIME: since boot, suspend included; never journaled
	Wall int64         // Unix milliseconds; only ever written into fields and records
	Zone int           // seconds east of UTC at Wall, for DE 12 and 13
	Dead bool          // the wall clock lost its battery: Wall is the latest moment known, and what has gone by since
}

// Ready is what a Step wants done. It is obeyed top to bottom, and nothing of
// it before every record stepped earlier, or in it, is durable (see Fence).
// Grouping by kind makes "send before journal" impossible to write.
type Ready struct {
	Stepped time.Duration // Boot time of the Step; what is not on its way send_timeout later leaves no more (R3′)

	Records  []Record   // one durable batch, FIRST
	Keys     []KeyLoad  // then the Signers: what follows is signed with these
	Messages []Outbound // then the host
	Destroy  []uint32   // then the journal: these data keys are retired; a KeyDestroyed answers each that is gone
	Timers   []Timer
	Ended    []string // sessions that are over: their leases are let go
	Answers  []Answer // then the payment application
}

// Empty says that there is nothing to do.
func (r *Ready) Empty() bool {
	return len(r.Records)+len(r.Keys)+len(r.Messages)+len(r.Destroy)+len(r.Timers)+len(r.Ended)+len(r.Answers) == 0
}

// Outbound is one message to the host, by meaning. The shell adds what is
// sealed, gives it the profile's shape and sends it to the address Route.
// Exactly one Sent, Unsent or InDoubt event answers it.
type Outbound struct {
	UUID    string
	Route   int // index of the acquirer's address
	Attempt int // of a reversal or an advice, from 1; 0 for a request or an inquiry
	Inquiry int // of an inquiry, from 1
	Series  int // of a reversal: 0, then 1 after the hold-down
	Facts   iso8583.Facts

	// Of names whose cards an upload's records need, in their order.
	Of []string
}

// Batch says whether the message is about a batch, and needs no card of its own.
func (o *Outbound) Batch() bool { return o.Facts.Settlement != nil }

// Reversal says whether the message is a reversal.
func (o *Outbound) Reversal() bool {
	return o.Facts.Kind == iso8583.KindReversal || o.Facts.Kind == iso8583.KindReversalRepeat
}

// Request says whether the message is a request that is answered yes or no. It
// carries its card with it; everything else gets what the journal has sealed.
func (o *Outbound) Request() bool { return o.Attempt == 0 && o.Inquiry == 0 }

// Timer asks for a Timeout event for UUID at Boot time At. A later Timer for
// the same UUID replaces an earlier one; a Timeout that comes too early or too
// late is harmless.
type Timer struct {
	UUID string
	At   time.Duration
	For  string // what is waited for, for people
}

// Answer goes to whoever made request Req. What it says beyond Code is read by
// the shell from the durable view, after the fence has released it.
type Answer struct {
	Req     uint64
	UUID    string
	Code    Code
	Other   string // the earlier transaction, where Code speaks of one
	Warning Code   // of an accepted request, or ""
}

// Code says how a request was taken. The API's problem codes are these words.
type Code string

// The codes there are.
const (
	Accepted Code = "accepted" // the intent is durable
	Existing Code = "existing" // this UUID and body are known already
	OK       Code = "ok"       // the verb took effect, now or earlier

	UUIDReused      Code = "uuid_reused"       // same UUID, another body
	EpochOld        Code = "epoch_old"         // minted before this journal's epoch
	UnknownTerminal Code = "unknown_terminal"  // no such TID here
	Invalid         Code = "invalid"           // a value the core will not take
	SaleOpen        Code = "sale_open"         // this part of the sale is being decided
	SalePaid        Code = "sale_paid"         // this part of the sale is paid
	ReversalOwed    Code = "reversal_owed"     // the gate is closed
	STANExhausted   Code = "stan_exhausted"    // no STAN that is unique over two days
	AdviceQueueFull Code = "advice_queue_full" // the terminal owes as many advices as it may
	Unsupported     Code = "unsupported_type"  // the acquirer's dialect has no such message
	Quarantined     Code = "quarantined"       // journal entries were lost, and this acquirer cannot be shown that an epoch began

	UnknownSession       Code = "unknown_session"       // never begun, or over
	SessionUnfit         Code = "session_unfit"         // it does not hold this terminal
	SessionRequired      Code = "session_required"      // the terminal commits with the approval: only under a lease
	ConfirmationRequired Code = "confirmation_required" // the terminal confirms nothing, and this must be confirmed
	SuspectedDuplicate   Code = "suspected_duplicate"   // same card, amount and terminal as what is undecided or unshown
	ReplacedUnknown      Code = "replaced_unknown"      // no such transaction here
	ReplacedUnfit        Code = "replaced_unfit"        // no attempt at this part of this sale

	OriginalUnknown Code = "original_unknown"  // no such transaction here
	OriginalUnfit   Code = "original_unfit"    // of a type, merchant or currency that this cannot follow
	OriginalOpen    Code = "original_open"     // not confirmed: there is nothing to follow yet
	OriginalOwed    Code = "original_owed"     // an advice that the host does not have yet
	OriginalBusy    Code = "original_busy"     // another that follows it is undecided
	OriginalUsed    Code = "original_used"     // voided, given back or completed already
	AboveOriginal   Code = "above_original"    // more than is left of the original
	OriginalInDoubt Code = "original_in_doubt" // journal entries about it may be lost: it may be voided already
	OriginalSettled Code = "original_settled"  // its batch is settled: refund it
	Settling        Code = "settling"          // the terminal's batch is being settled
	BatchFull       Code = "batch_full"        // settle first
	OtherCard       Code = "other_card"        // not the original's card

	NotFound      Code = "not_found"
	NotDecided    Code = "not_decided"       // confirm: the host has not answered
	NotApproved   Code = "not_approved"      // confirm: declined, reversed or never sent
	BeingReversed Code = "being_reversed"    // confirm: too late; and the warning of a new attempt
	Committed     Code = "already_confirmed" // cancel: void it instead
	TakenAsCancel Code = "taken_as_cancel"   // confirm: the card declined, so it is being reversed

	ChipVerdictMissing Code = "chip_verdict_missing" // confirm: a contact chip's word is needed
	ChipUnexpected     Code = "chip_unexpected"      // confirm: no chip was read
	AmountNotAgreed    Code = "amount_not_agreed"    // confirm: not the amount that was approved
	NotConfirmed       Code = "not_confirmed"        // shown: nothing was approved
	Unsuitable         Code = "unsuitable_state"     // resolve: the verb does not fit the state
	ParkFirst          Code = "park_first"           // resolve: reversals are still being sent
	TooEarly           Code = "too_early"            // resolve: a sent reversal may still arrive
)
