package txn

import (
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// wait is what one transaction waits for, and what was just sent. It is
// volatile: after a restart each wait begins anew, whole.
type wait struct {
	For       waitFor
	Deadline  time.Duration // Boot time
	Shift     int           // unsent attempts: with a shared ledger, the address moves on
	Unsent    bool          // the latest attempt certainly did not leave
	Request   time.Duration // until then, the request may still leave: the link has not said that it did
	Attempt   time.Duration // the same of the latest attempt
	Paid      time.Duration // when it was confirmed; 0 where an earlier process saw it
	Quiet     time.Duration // until then, something sent may still reach the host
	Restarted bool          // a restart took it up, at Since
	Since     time.Duration
	Until     time.Duration // inquiring: no inquiry begins after that, where there is such a limit
	Confirm   time.Duration // the end of the whole time for the confirmation
	Keys      iso8583.STAN  // that the latest message was signed with: the STAN of their sign-on
	Holder    string        // the session that waits for it
	Round     int           // owed while its batch closes: the attempt that is its last round; of a batch: sends of its message
	Orphan    bool          // that session is over, and no other has taken the terminal
}

type waitFor uint8

const (
	waitNothing  waitFor = iota
	waitResponse         // pending: the answer to the request
	waitConfirm          // approved: the application
	waitAnswer           // reversing: the answer to an attempt
	waitRetry            // reversing: the time of the next attempt
	waitHold             // reversing: the end of the hold-down
	waitKeys             // reversing: the end of a sign-on
	waitShown            // confirmed: the application's word that it showed it
	waitAsk              // inquiring: the time of the next inquiry
	waitFound            // inquiring: the answer to one
	waitTaken            // advising: the answer to a send
	waitResend           // advising: the time of the next send
	waitTurn             // advising: another of its terminal is ahead
)

// waits describes each wait for people: STATES.md and the transcripts.
var waits = [...]struct {
	in                State
	what, length, end string
}{
	waitNothing:  {StateNone, "nothing", "", ""},
	waitResponse: {StatePending, "the host's answer", "`send_timeout` + `response_timeout`; `response_timeout` from the moment the request has left", "reverse: timeout"},
	waitConfirm:  {StateApproved, "the confirmation", "`confirm_timeout`; at most `orphan_timeout` from when its application is gone, until another takes the terminal", "reverse: unconfirmed; orphaned, where the application is gone"},
	waitAnswer:   {StateReversing, "the reversal's answer", "`send_timeout` + `reversal.answer_timeout`; `reversal.answer_timeout` from the moment it has left", "the next attempt, after its pause"},
	waitRetry:    {StateReversing, "the next attempt", "the entry of `reversal.schedule` for that attempt of the series; its last one once the host has refused", "send it"},
	waitHold:     {StateReversing, "the end of the hold-down", "`reversal.message_lifetime`, from when everything sent has left", "the first attempt of the second series"},
	waitKeys:     {StateReversing, "the terminal's sign-on", "until it is over: by `send_timeout` + `sign_on.answer_timeout`, again and again by `sign_on.schedule`", "the next attempt, after its pause"},
	waitAsk:      {StateInquiring, "the next inquiry", "`inquiry.after`, then `inquiry.every`", "send it; after the last, or past `inquiry.within`, reverse"},
	waitFound:    {StateInquiring, "the inquiry's answer", "`send_timeout` + `inquiry.answer_timeout`; `inquiry.answer_timeout` from the moment it has left", "the next inquiry, after its pause; after the last, reverse"},
	waitTaken:    {StateAdvising, "the advice's answer", "`send_timeout` + `advice.answer_timeout`; `advice.answer_timeout` from the moment it has left", "the next send, after its pause"},
	waitResend:   {StateAdvising, "the next send", "the entry of `advice.schedule` for that send; its last one for ever", "send it"},
	waitTurn:     {StateAdvising, "its turn", "with `advice.ordered`: while another of its terminal is under way", "–"},
	waitShown:    {StateConfirmed, "the word that it was shown", "`shown_timeout`, from the confirmation", "escalate: not_shown"},
}

// String is what is waited for.
func (w waitFor) String() string { return waits[w].what }
