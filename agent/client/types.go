// Package client is the local API's types and a Go client for it. It is what a
// payment application imports.
package client

import (
	"encoding/json"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Begin is the body of PUT /v1/transactions/{uuid}. The UUID is the
// idempotency key: the same UUID with the same body answers the same
// transaction for ever, and never runs it twice.
type Begin struct {
	Type     iso8583.Type `json:"type"`           // "sale"
	Terminal iso8583.TID  `json:"terminal"`       // DE 41
	Epoch    uint64       `json:"epoch"`          // in which the UUID was minted; /v1/health gives it
	Amount   int64        `json:"amount"`         // minor units; none for a balance
	Currency string       `json:"currency"`       // ISO 4217: "CNY" or "156"
	Sale     string       `json:"sale"`           // the merchant's reference, unique per business day; of a sale and a preauth
	Part     string       `json:"part,omitempty"` // of a deliberately split sale

	// Original is the UUID of what a void, refund, preauth_void or completion
	// follows. Such a one may leave out currency and card, and a void its
	// amount: they are the original's.
	Original string `json:"original,omitempty"`

	// AuthCode is what approved an offline sale: six letters and digits that
	// the card or a voice gave, where one was given.
	AuthCode string `json:"auth_code,omitempty"`

	// Session is the application's; required where the terminal's confirmation
	// is implicit. The same request may come again under another session.
	Session string `json:"session,omitempty"`

	// Replaces is the UUID of the attempt at the same part of the sale that the
	// customer turned away from: it is closed before this one leaves.
	Replaces string `json:"replaces,omitempty"`

	// NotDuplicateOf is the UUID that a suspected_duplicate named, where a person
	// says that this is another purchase.
	NotDuplicateOf string `json:"not_duplicate_of,omitempty"`

	// Partial is "accept" where an approval of less than Amount will do: the
	// rest is then another part of the sale. "" and "refuse" have it reversed.
	Partial string `json:"partial,omitempty"`

	Card Card `json:"card"`
}

// Card is what was read from the card. It leaves the agent towards the host
// only; no answer ever carries it. The card is a PAN, a track, or the handle of
// a device that releases neither; chip data go with any of them.
type Card struct {
	PAN       string  `json:"pan,omitempty"`
	Expiry    string  `json:"expiry,omitempty"`     // YYMM
	EntryMode string  `json:"entry_mode,omitempty"` // DE 22, three digits
	Track2    string  `json:"track2,omitempty"`     // PAN and expiry may be left out then
	PINBlock  string  `json:"pin_block,omitempty"`  // 16 hexadecimal digits
	EMV       string  `json:"emv,omitempty"`        // the chip's data, BER-TLV in hexadecimal; entry_mode says how it was read
	Handle    *Handle `json:"handle,omitempty"`
}

// Handle is a card number that the device has encrypted for the acquirer. Data
// must be of the number alone, never of a track: it is kept, sealed, for a
// reversal and a refund.
type Handle struct {
	Data   string `json:"data"`   // as the acquirer wants it
	KSN    string `json:"ksn"`    // key serial number, hexadecimal
	Masked string `json:"masked"` // first six and last four digits at most: 411111******1111
	Token  string `json:"token"`  // the same for the same card, and no card number
}

// Confirm is the body of POST …/confirm; it may be empty where neither is
// needed.
type Confirm struct {
	// Amount is what the customer agreed to, minor units; needed after a
	// partial approval, and compared wherever it is given.
	Amount int64 `json:"amount,omitempty"`
	// Chip is the card's word, needed of a contact chip.
	Chip *ChipResult `json:"chip,omitempty"`
}

// ChipResult is what the second GENERATE AC gave, each tag's value in
// hexadecimal. A 9F27 that is of no TC is a cancel.
type ChipResult struct {
	CID     string `json:"9F27"`
	AC      string `json:"9F26,omitempty"` // of a TC it is needed, and TVR
	IAD     string `json:"9F10,omitempty"`
	TVR     string `json:"95,omitempty"`
	TSI     string `json:"9B,omitempty"`
	ATC     string `json:"9F36,omitempty"`
	CVM     string `json:"9F34,omitempty"`
	Scripts string `json:"scripts,omitempty"` // the issuer scripts' results
}

// Cancel is the body of POST …/cancel.
type Cancel struct {
	Reason string `json:"reason"` // customer, card_declined, card_removed, signature, printer, partial_refused
}

// Shown is the body of POST …/shown.
type Shown struct {
	Delivered string `json:"delivered"` // yes, no, unknown
}

// Resolve is the body of POST …/resolve: an operator's decision.
type Resolve struct {
	Verb      string `json:"verb"` // park, resume, override, acquirer-reversed, acquirer-debited, close
	Who       string `json:"who"`
	Why       string `json:"why"`
	Reference string `json:"reference,omitempty"` // the acquirer's, with the acquirer-… verbs
}

// Acknowledge is the body of POST …/acknowledge: a named person takes on the
// items up to one, which silences their alarm and closes nothing.
type Acknowledge struct {
	Item int    `json:"item"` // number of the newest item that the person saw
	Who  string `json:"who"`
}

// Must says what the application must do next.
type Must string

// What an application may have to do.
const (
	MustWait            Must = "wait"              // undecided: ask again
	MustConfirm         Must = "confirm"           // approved: confirm or cancel, then show
	MustShowApproved    Must = "show_approved"     // committed: show it, then say so with shown
	MustShowNotApproved Must = "show_not_approved" // no money is kept: show it, then say so with shown
	MustCall            Must = "call"              // a person decides: hand over nothing
	MustVoid            Must = "void"              // paid, and the goods were not handed over: void it
	MustNothing         Must = "nothing"
)

// Transaction is what is durable about a transaction.
type Transaction struct {
	UUID         string       `json:"uuid"`
	Type         iso8583.Type `json:"type"`
	State        string       `json:"state"` // pending, inquiring, approved, reversing, advising, confirmed, declined, reversed, not_sent, failed
	Must         Must         `json:"must"`
	Terminal     iso8583.TID  `json:"terminal"`
	STAN         string       `json:"stan"`
	Epoch        uint64       `json:"epoch"`
	Amount       int64        `json:"amount"`
	Approved     int64        `json:"approved_amount,omitempty"` // where the host approved less than amount
	Currency     string       `json:"currency"`
	Sale         string       `json:"sale"`
	Part         string       `json:"part,omitempty"`
	PAN          string       `json:"pan"` // masked
	ResponseCode string       `json:"response_code,omitempty"`
	RRN          iso8583.RRN  `json:"rrn,omitempty"`
	AuthCode     string       `json:"auth_code,omitempty"`
	Balance      string       `json:"balance,omitempty"` // DE 54
	Chip         *Chip        `json:"chip,omitempty"`
	Original     string       `json:"original,omitempty"` // what it follows
	Left         int64        `json:"left,omitempty"`     // of a confirmed one: still to be given back, completed or let go
	Follows      []Follow     `json:"follows,omitempty"`
	Session      string       `json:"session,omitempty"`          // that asked for it
	Implicit     bool         `json:"implicit,omitempty"`         // committed with the approval
	Replaces     string       `json:"replaces,omitempty"`         // the attempt that it closed
	NotDupOf     string       `json:"not_duplicate_of,omitempty"` // what a person says it does not repeat
	Cause        string       `json:"cause,omitempty"`            // why it is or was reversed
	Attempts     int          `json:"reversal_attempts,omitempty"`
	Inquiries    int          `json:"inquiries,omitempty"`    // so many were sent
	AdviceOwed   bool         `json:"advice_owed,omitempty"`  // committed, and the acquirer does not have it yet
	AdviceSends  int          `json:"advice_sends,omitempty"` // how often it was told
	HoldDown     bool         `json:"hold_down,omitempty"`
	LateApproval bool         `json:"late_approval,omitempty"`
	Parked       bool         `json:"parked,omitempty"`
	Overridden   bool         `json:"overridden,omitempty"`
	Shown        string       `json:"shown,omitempty"`
	Items        []Item       `json:"items,omitempty"`
	Waits        *Wait        `json:"waits,omitempty"` // of an open one; after a restart it begins anew
	Began        time.Time    `json:"began"`
	Say          Say          `json:"say"`
	Warning      string       `json:"warning,omitempty"`  // of a request that was accepted all the same
	Other        string       `json:"other,omitempty"`    // the transaction that the warning is about
	Timeline     []Moment     `json:"timeline,omitempty"` // with ?timeline=1

	Rules     json.RawMessage `json:"rules,omitempty"` // those it began with, and keeps; with ?timeline=1
	RulesHash string          `json:"rules_hash,omitempty"`
}

// Chip is what the card needs of the host's answer, and what is kept of what
// the card said. Values are hexadecimal.
type Chip struct {
	Read    string   `json:"read"` // contact, contactless
	ARC     string   `json:"8A,omitempty"`
	Issuer  string   `json:"91,omitempty"`
	Script1 []string `json:"71,omitempty"` // whole templates, tag and length included
	Script2 []string `json:"72,omitempty"`

	Evidence map[string]string `json:"evidence,omitempty"` // kept for a chargeback, by tag
	Scripts  string            `json:"scripts,omitempty"`  // the issuer scripts' results

	ScriptsOwed bool `json:"scripts_owed,omitempty"` // the acquirer was told them, and has not answered
}

// Wait is what an open transaction waits for, and until when. At its end the
// agent acts by itself.
type Wait struct {
	For   string    `json:"for"`
	Until time.Time `json:"until"`
}

// Follow is a transaction that follows another.
type Follow struct {
	UUID   string       `json:"uuid"`
	Type   iso8583.Type `json:"type"`
	Amount int64        `json:"amount"`
	Open   bool         `json:"open"` // undecided: nothing else may follow meanwhile
	Done   bool         `json:"done"`
}

// Item is an entry of the escalation queue.
type Item struct {
	ID        string    `json:"id"`     // the transaction's UUID, "/" and Number: the same for ever
	Number    int       `json:"number"` // from 1, in the transaction
	Cause     string    `json:"cause"`
	Meaning   string    `json:"meaning"` // what happened
	Advice    string    `json:"advice"`  // what a person should do
	Procedure string    `json:"procedure"`
	At        time.Time `json:"at"`

	AcknowledgedBy string     `json:"acknowledged_by,omitempty"` // nobody yet: it is alarmed
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty"`

	Closed   bool       `json:"closed"`
	ClosedBy string     `json:"closed_by,omitempty"` // whose decision closed it
	ClosedAt *time.Time `json:"closed_at,omitempty"`

	Evidence []Moment `json:"evidence,omitempty"` // what the host said; in GET /v1/escalations
}

// Say is what to tell whom.
type Say struct {
	Cashier    Text `json:"cashier"`
	Cardholder Text `json:"cardholder"`
}

// Text is a sentence in the languages there are.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// Moment is one line of a transaction's life, out of the journal.
type Moment struct {
	LSN    uint64    `json:"lsn"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"` // application, agent, host, operator
	Record string    `json:"record"`
	Detail string    `json:"detail,omitempty"`
}

// List is the answer of the calls that list transactions.
type List struct {
	Transactions []Transaction `json:"transactions"`
	More         bool          `json:"more"`              // the list was cut
	Sale         *SaleView     `json:"sale,omitempty"`    // with ?sale=
	Next         string        `json:"next,omitempty"`    // of GET /v1/transactions: from=, for the next page
	Losses       []Loss        `json:"losses,omitempty"`  // of /v1/escalations: those that wait for a person
	Batches      []Batch       `json:"batches,omitempty"` // likewise
}

// Loss says that journal entries are gone: the journal was lost, or an older
// one was put back (R15). Nothing of the epoch that ended is run again.
type Loss struct {
	Epoch  uint64    `json:"epoch"` // that began with it
	Ended  uint64    `json:"ended"` // this epoch and all before it are in doubt
	At     time.Time `json:"at"`
	Last   uint64    `json:"last"`           // the journal's last entry
	Mark   uint64    `json:"mark,omitempty"` // the entry up to which it is known to have been
	What   string    `json:"what"`
	Advice string    `json:"advice"`
	Closed bool      `json:"closed"`
}

// Losses is the answer of GET /v1/losses.
type Losses struct {
	Losses []Loss `json:"losses"`
}

// SaleView is what the parts of one sale sum to. Attempts of an earlier business
// day with the same reference do not count.
type SaleView struct {
	Reference string  `json:"reference"`
	Sums      []Tally `json:"sums"` // one for each currency
}

// Tally is a sum, in minor units.
type Tally struct {
	Currency  string `json:"currency"`
	Paid      int64  `json:"paid"`      // less what was given back
	Held      int64  `json:"held"`      // pre-authorised, not completed and not let go
	Undecided int64  `json:"undecided"` // may still come to be paid or held
}

// Health is the answer of GET /v1/health.
type Health struct {
	Status      string     `json:"status"` // ok, failing
	Version     string     `json:"version"`
	Epoch       uint64     `json:"epoch"`
	Open        int        `json:"open"`
	Escalations int        `json:"escalations"`
	Losses      int        `json:"losses"` // of journal entries, that wait for a person
	Terminals   []Terminal `json:"terminals"`
	Hosts       []Host     `json:"hosts"`
}

// Terminal is a configured terminal.
type Terminal struct {
	TID      iso8583.TID `json:"tid"`
	MID      iso8583.MID `json:"mid"`
	Acquirer string      `json:"acquirer"`
	Implicit bool        `json:"implicit,omitempty"` // its confirmation is
}

// Terminals is the answer of GET /v1/terminals.
type Terminals struct {
	Terminals []TerminalStatus `json:"terminals"`
}

// TerminalStatus is how a terminal stands.
type TerminalStatus struct {
	TID         iso8583.TID `json:"tid"`
	MID         iso8583.MID `json:"mid"`
	Acquirer    string      `json:"acquirer"`
	Profile     string      `json:"profile"`
	Rules       string      `json:"rules"` // hash of the profile's rules as they are configured
	Gate        string      `json:"gate"`  // strict: one owed reversal blocks; limit: owed_limit of them do
	OwedLimit   int         `json:"owed_limit"`
	Open        int         `json:"open"`
	Owed        int         `json:"owed"` // reversals
	HoldDowns   int         `json:"hold_downs"`
	Escalations int         `json:"escalations"`
	SignOn      *SignOn     `json:"sign_on,omitempty"` // the latest of this process
}

// SignOff says that a terminal has no working keys any more.
type SignOff struct {
	Terminal iso8583.TID `json:"terminal"`
	At       time.Time   `json:"at"`
}

// SignOn is what became of a sign-on.
type SignOn struct {
	At       time.Time `json:"at"`
	Route    int       `json:"route"`
	Address  string    `json:"address"`
	Accepted bool      `json:"accepted"`
	Code     string    `json:"response_code,omitempty"` // DE 39
	Error    string    `json:"error,omitempty"`         // why there is no answer

	HostTime *time.Time `json:"host_time,omitempty"` // what time it was there, where messages carry that
	Drift    float64    `json:"drift,omitempty"`     // seconds that the host's clock is ahead of this one
}

// Echo is what became of an echo. That it was answered is all that it says.
type Echo struct {
	At           time.Time `json:"at"`
	Route        int       `json:"route"`
	Address      string    `json:"address"`
	Answered     bool      `json:"answered"`
	Milliseconds int64     `json:"milliseconds"`
	Code         string    `json:"response_code,omitempty"` // DE 39
	Error        string    `json:"error,omitempty"`         // why there is no answer
}

// Journal is the answer of GET /v1/journal.
type Journal struct {
	Position   uint64  `json:"position"` // LSN of the newest durable entry
	Told       uint64  `json:"told"`     // up to where events have been told
	Epoch      uint64  `json:"epoch"`
	Intents    string  `json:"intents"`  // taken, or why they are refused
	Outcomes   string  `json:"outcomes"` // taken, or why not
	Syncs      uint64  `json:"syncs"`    // of this process
	SyncMean   float64 `json:"sync_mean_seconds"`
	First      uint64  `json:"first,omitempty"` // the oldest entry that is kept
	Bytes      int64   `json:"bytes,omitempty"`
	MaxBytes   int64   `json:"max_bytes,omitempty"`
	Segments   int     `json:"segments,omitempty"`
	Prepared   int     `json:"prepared,omitempty"` // segments that are ready to be written
	Retired    int     `json:"retired,omitempty"`  // segments of which only the names are left
	Index      string  `json:"index,omitempty"`    // disk; memory: rebuilt at each start
	Quarantine bool    `json:"quarantine"`         // no new transaction until a person accepts a loss
}

// Host is one address of an acquirer.
type Host struct {
	Acquirer string `json:"acquirer"`
	Route    int    `json:"route"`
	Address  string `json:"address"`
	Up       bool   `json:"up"`
	Error    string `json:"error,omitempty"`
}

// Ready is the answer of GET /v1/ready.
type Ready struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"`
}

// Problem is application/problem+json (RFC 9457) with what a program needs.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`            // stable
	Retry  Retry  `json:"retry"`           // what a program may do
	Field  string `json:"field,omitempty"` // of the body, where one is to blame
	Other  string `json:"other,omitempty"` // the earlier transaction, where one is in the way
	Must   Must   `json:"must,omitempty"`
}

// Error makes a Problem an error.
func (p *Problem) Error() string {
	s := p.Code + ": " + p.Title
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// Retry says what may be done after a problem.
type Retry string

// What may be done.
const (
	RetrySameID Retry = "same-id" // send the same request again
	RetryNewID  Retry = "new-id"  // mend it and send it under a new UUID
	RetryPoll   Retry = "poll"    // ask for the transaction again later
	RetryNever  Retry = "never"
)
