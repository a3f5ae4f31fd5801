package txn

import (
	"fmt"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Record is one durable fact. A record's meaning and field numbers never
// change; a new meaning is a new type.
type Record interface {
	Type() RecordType
	// Group is what the record belongs to: the transaction's UUID, or a name
	// with a colon for what is none ("terminal:T1", "rules:…").
	Group() string
	// When is the wall clock at its making, Unix milliseconds: for people.
	When() int64
	head() *Head
	fields(*coder)
}

// RecordType numbers the types in the journal.
type RecordType uint16

// The record types there are. Numbers are never used again.
const (
	TypeEpoch          RecordType = 1
	TypeRules          RecordType = 2
	TypeJump           RecordType = 3
	TypeEvidence       RecordType = 4
	TypeIntent         RecordType = 10
	TypeRerouted       RecordType = 11
	TypeApproved       RecordType = 12
	TypeDeclined       RecordType = 13
	TypeNotSent        RecordType = 14
	TypeConfirmed      RecordType = 15
	TypeShown          RecordType = 16
	TypeFollowed       RecordType = 17
	TypeFollowEnded    RecordType = 18
	TypeFailed         RecordType = 19
	TypeReversing      RecordType = 20
	TypeAttempt        RecordType = 21
	TypeReversalSent   RecordType = 22
	TypeReversalAnswer RecordType = 23
	TypeHold           RecordType = 24
	TypeReversed       RecordType = 25
	TypeLate           RecordType = 26
	TypeEscalated      RecordType = 30
	TypeResolved       RecordType = 31
	TypeChipResult     RecordType = 60
	TypeAcknowledged   RecordType = 32
	TypeInquiring      RecordType = 40
	TypeInquiry        RecordType = 41
	TypeInquiryAnswer  RecordType = 42
	TypeOwed           RecordType = 43
	TypeAdviceAttempt  RecordType = 44
	TypeAdviceAnswer   RecordType = 45
	TypeAdvised        RecordType = 46
)

// recordTypes is the registry: the name in dumps, and a maker for decoding.
var recordTypes = map[RecordType]struct {
	name string
	make func() Record
}{
	TypeEpoch:          {"epoch", func() Record { return &Epoch{} }},
	TypeRules:          {"rules", func() Record { return &RulesUsed{} }},
	TypeJump:           {"stan_jump", func() Record { return &Jump{} }},
	TypeEvidence:       {"evidence", func() Record { return &Evidence{} }},
	TypeTerminalHead:   {"terminal_head", func() Record { return &TerminalHead{} }},
	TypeIntent:         {"intent", func() Record { return &Intent{} }},
	TypeRerouted:       {"rerouted", func() Record { return &Rerouted{} }},
	TypeApproved:       {"approved", func() Record { return &Approved{} }},
	TypeDeclined:       {"declined", func() Record { return &Declined{} }},
	TypeNotSent:        {"not_sent", func() Record { return &NotSent{} }},
	TypeConfirmed:      {"confirmed", func() Record { return &Confirmed{} }},
	TypeShown:          {"shown", func() Record { return &ShownNote{} }},
	TypeFollowed:       {"followed", func() Record { return &Followed{} }},
	TypeFollowEnded:    {"follow_ended", func() Record { return &FollowEnded{} }},
	TypeFailed:         {"failed", func() Record { return &Failed{} }},
	TypeReversing:      {"reversing", func() Record { return &Reversing{} }},
	TypeAttempt:        {"reversal_attempt", func() Record { return &Attempt{} }},
	TypeReversalSent:   {"reversal_sent", func() Record { return &ReversalSent{} }},
	TypeReversalAnswer: {"reversal_answer", func() Record { return &ReversalAnswer{} }},
	TypeHold:           {"hold_down", func() Record { return &Hold{} }},
	TypeReversed:       {"reversed", func() Record { return &Reversed{} }},
	TypeLate:           {"late_answer", func() Record { return &Late{} }},
	TypeEscalated:      {"escalated", func() Record { return &Escalated{} }},
	TypeResolved:       {"resolved", func() Record { return &Resolved{} }},
	TypeChipResult:     {"chip_result", func() Record { return &ChipResult{} }},
	TypeLoss:           {"loss", func() Record { return &Loss{} }},
	TypeLossClosed:     {"loss_closed", func() Record { return &LossClosed{} }},
	TypeAcknowledged:   {"acknowledged", func() Record { return &Acknowledged{} }},
	TypeInquiring:      {"inquiring", func() Record { return &Inquiring{} }},
	TypeInquiry:        {"inquiry", func() Record { return &Inquiry{} }},
	TypeInquiryAnswer:  {"inquiry_answer", func() Record { return &InquiryAnswer{} }},
	TypeOwed:           {"advice_owed", func() Record { return &Owed{} }},
	TypeAdviceAttempt:  {"advice_attempt", func() Record { return &AdviceAttempt{} }},
	TypeAdviceAnswer:   {"advice_answer", func() Record { return &AdviceAnswer{} }},
	TypeAdvised:        {"advised", func() Record { return &Advised{} }},
	TypeScriptOwed:     {"script_owed", func() Record { return &ScriptOwed{} }},
	TypeScriptEnded:    {"script_ended", func() Record { return &ScriptEnded{} }},
	TypeSignOn:         {"sign_on", func() Record { return &SignOnSent{} }},
	TypeSignedOn:       {"signed_on", func() Record { return &SignedOn{} }},
	TypeSignedOff:      {"signed_off", func() Record { return &SignedOff{} }},
	TypeSignOnFailed:   {"sign_on_failed", func() Record { return &SignOnFailed{} }},
	TypeBatchNumber:    {"batch_number", func() Record { return &BatchNumber{} }},
	TypeBatchLeft:      {"batch_left", func() Record { return &BatchLeftOver{} }},
	TypeBatchClosing:   {"batch_closing", func() Record { return &BatchClosingBegun{} }},
	TypeBatchFrozen:    {"batch_frozen", func() Record { return &BatchFrozen{} }},
	TypeBatchMessage:   {"batch_message", func() Record { return &BatchMessage{} }},
	TypeBatchAnswer:    {"batch_answer", func() Record { return &BatchAnswer{} }},
	TypeBatchSettled:   {"batch_settled", func() Record { return &BatchSettled{} }},
	TypeBatchEscalated: {"batch_escalated", func() Record { return &BatchEscalated{} }},
	TypeBatchResolved:  {"batch_resolved", func() Record { return &BatchResolved{} }},

	TypeDataKey:          {"data_key", func() Record { return &DataKey{} }},
	TypeDataKeyRetired:   {"data_key_retired", func() Record { return &DataKeyRetired{} }},
	TypeDataKeyDestroyed: {"data_key_destroyed", func() Record { return &DataKeyDestroyed{} }},
}

// String is the type's name in dumps and timelines.
func (t RecordType) String() string {
	if r, ok := recordTypes[t]; ok {
		return r.name
	}
	return fmt.Sprintf("type %d", uint16(t))
}

// Head is what every record has.
type Head struct {
	UUID string `json:"-"`
	At   int64  `json:"-"`
}

// Group is the transaction, unless the type says otherwise.
func (h *Head) Group() string { return h.UUID }

// When is the wall clock at the record's making.
func (h *Head) When() int64 { return h.At }

func (h *Head) head() *Head { return h }

// Epoch begins a journal's epoch. UUIDs and STANs of an older one are never
// run again.
type Epoch struct {
	Head
	Number uint64 `json:"number"`
}

// RulesUsed keeps the rules whole under their hash, before a transaction uses
// them.
type RulesUsed struct {
	Head
	Hash string `json:"hash"`
	JSON string `json:"rules"`
}

// Jump moves a terminal's next STAN, after a collision at the host.
type Jump struct {
	Head
	TID  iso8583.TID  `json:"tid"`
	Next iso8583.STAN `json:"next"`
}

// Evidence is something the host said that resolves nothing.
type Evidence struct {
	Head
	Route int    `json:"route"`
	Why   string `json:"why"`
	Text  string `json:"text"`
}

// Intent is durable before the first byte leaves (R1). Its Card goes into the
// journal's sealed part, less what must not be stored; Apply does not see it.
type Intent struct {
	Head
	Kind         iso8583.Type     `json:"type"`
	TID          iso8583.TID      `json:"tid"`
	MID          iso8583.MID      `json:"mid"`
	STAN         iso8583.STAN     `json:"stan"`
	Epoch        uint64           `json:"epoch"`
	Minor        int64            `json:"amount"`
	Currency     iso8583.Currency `json:"currency"`
	Sale         string           `json:"sale"`
	Part         string           `json:"part,omitempty"`
	Digest       string           `json:"digest"`
	PAN          string           `json:"pan"` // masked
	CardHash     string           `json:"card_hash"`
	Transmission string           `json:"de7"`
	LocalTime    string           `json:"de12"`
	LocalDate    string           `json:"de13"`
	Year         int              `json:"year"`
	Rules        string           `json:"rules"`
	Route        int              `json:"route"`
	Original     string           `json:"original,omitempty"` // UUID of what it follows
	Address      string           `json:"address,omitempty"`  // acquirer and host:port of Route
	Approval     string           `json:"approval,omitempty"` // DE 38 that the card or a person gave: of an offline sale

	Session        string `json:"session,omitempty"`          // of the application that asked
	Implicit       bool   `json:"implicit,omitempty"`         // commits with the approval, while Session lives
	Replaces       string `json:"replaces,omitempty"`         // UUID of the attempt that it closed
	NotDuplicateOf string `json:"not_duplicate_of,omitempty"` // UUID of what a person says it does not repeat

	Chip    iso8583.Chip `json:"chip,omitempty"`    // how the chip was read, where there is chip data
	EMV     string       `json:"emv,omitempty"`     // what is kept of it, hexadecimal
	Partial bool         `json:"partial,omitempty"` // an approval of less is accepted

	Batch  string `json:"batch,omitempty"`        // six digits, on the wire; "" where the dialect settles nothing
	Serial int    `json:"batch_serial,omitempty"` // which of the terminal's batches, since numbers come again

	DataKey uint32 `json:"data_key,omitempty"` // that Card is sealed under; NoDataKey: the first
	Handle  bool   `json:"handle,omitempty"`   // Card has no number, but a handle

	HostTime string `json:"host_de12,omitempty"` // DE 12 and 13 that its messages carry, where they are the host's
	HostDate string `json:"host_de13,omitempty"`

	Undated bool `json:"undated,omitempty"` // the clock was dead: that day and time are not this one's

	Card *iso8583.Card `json:"-"`
}

// Rerouted says that the request goes to another address, since it is certain
// that no byte left for the one before.
type Rerouted struct {
	Head
	Route   int    `json:"route"`
	Address string `json:"address,omitempty"`
}

// Approved is the host's approval, durable before the application hears of it.
type Approved struct {
	Head
	Code     string      `json:"code"`
	RRN      iso8583.RRN `json:"rrn"`
	AuthCode string      `json:"auth_code"`
	Route    int         `json:"route"`
	Balance  string      `json:"balance,omitempty"` // DE 54

	ChipData string `json:"chip,omitempty"`            // 8A, 91, 71, 72 of DE 55, hexadecimal
	Minor    int64  `json:"approved_amount,omitempty"` // where less than was asked for; 0: all of it
}

// Declined is final: the host holds no debit.
type Declined struct {
	Head
	Code string      `json:"code"`
	RRN  iso8583.RRN `json:"rrn"`

	ChipData string `json:"chip,omitempty"` // 8A, 91, 71, 72 of DE 55, hexadecimal
}

// NotSent is final: it is certain that no byte left.
type NotSent struct{ Head }

// Confirmed is the commit point (R4).
type Confirmed struct {
	Head
	Undated bool `json:"undated,omitempty"` // the clock was dead
}

// ShownNote is what the application said about its screen (R10).
type ShownNote struct {
	Head
	Delivered Delivered `json:"delivered"`
}

// Followed locks the transaction of its group: By, which follows it, is
// undecided. It is durable with By's intent.
type Followed struct {
	Head
	By    string       `json:"by"`
	Kind  iso8583.Type `json:"type"`
	Minor int64        `json:"amount"`
	TID   iso8583.TID  `json:"tid"`  // By's: whoever looks By up by its STAN, for a
	STAN  iso8583.STAN `json:"stan"` // late answer, finds its original too
}

// FollowEnded unlocks the transaction of its group: By is decided, or was undone
// by a void of its own. It is durable with By's end, or with its void's.
type FollowEnded struct {
	Head
	By   string `json:"by"`
	Done bool   `json:"done"` // By is committed, and stands
}

// Failed is final: the outcome is not known, and the type moves no money.
type Failed struct{ Head }

// Reversing is the irrevocable decision to undo (R6), durable before the first
// reversal leaves.
type Reversing struct {
	Head
	Cause    Cause  `json:"cause"`
	Reason   string `json:"de39"`
	Answered bool   `json:"answered"`       // the request's answer was seen: the request is not on the wire any more
	ChipData string `json:"chip,omitempty"` // DE 55 of every attempt, hexadecimal
}

// Attempt says that this attempt of the reversal may leave.
type Attempt struct {
	Head
	N            int    `json:"n"`
	Series       int    `json:"series"` // 0; 1 after the hold-down
	Transmission string `json:"de7"`
	Repeat       bool   `json:"repeat"` // an earlier attempt of the series may have left
}

// ReversalSent says that attempt N is known to have left: the first one of its
// series that is.
type ReversalSent struct {
	Head
	N int `json:"n"`
}

// ReversalAnswer is the host's answer to a reversal and what it was taken for.
type ReversalAnswer struct {
	Head
	Code    string  `json:"code"`
	Route   int     `json:"route"`
	Verdict Verdict `json:"verdict"`
}

// Hold starts the hold-down (R3′).
type Hold struct{ Head }

// Reversed is final: the host holds no debit, as far as it can be known.
type Reversed struct{ Head }

// Late is an answer to the request that is no plain approval or decline, or
// that came after the transaction's fate was decided (R7). It is evidence and
// changes nothing by itself; what it brings about is a record of its own.
type Late struct {
	Head
	Class    string      `json:"class"`
	Code     string      `json:"code"`
	RRN      iso8583.RRN `json:"rrn"`
	AuthCode string      `json:"auth_code"`
	Route    int         `json:"route"`
	Text     string      `json:"text"`
}

// Escalated puts an item into the durable queue of what a person must decide.
type Escalated struct {
	Head
	Cause Cause `json:"cause"`
}

// Resolved is an operator's decision.
type Resolved struct {
	Head
	Verb Verb   `json:"verb"`
	Who  string `json:"who"`
	Why  string `json:"why"`
	Ref  string `json:"reference,omitempty"`
}

// Acknowledged says that a named person has taken on the items up to number
// Item. Nothing else changes: they stay open.
type Acknowledged struct {
	Head
	Item int    `json:"item"`
	Who  string `json:"who"`
}

// Verdict is what an answer to a reversal was taken for.
type Verdict string

// The verdicts there are.
const (
	VerdictDone      Verdict = "done"
	VerdictUnknown   Verdict = "unknown_original"
	VerdictRetry     Verdict = "retry"
	VerdictRefused   Verdict = "refused"
	VerdictDuplicate Verdict = "duplicate"
	VerdictSignOn    Verdict = "sign_on" // the host holds other keys
	VerdictIgnored   Verdict = "ignored" // another address, another time, or nothing left to decide
)

// Type makes each record a Record.
func (*Epoch) Type() RecordType          { return TypeEpoch }
func (*RulesUsed) Type() RecordType      { return TypeRules }
func (*Jump) Type() RecordType           { return TypeJump }
func (*Evidence) Type() RecordType       { return TypeEvidence }
func (*Intent) Type() RecordType         { return TypeIntent }
func (*Rerouted) Type() RecordType       { return TypeRerouted }
func (*Approved) Type() RecordType       { return TypeApproved }
func (*Declined) Type() RecordType       { return TypeDeclined }
func (*NotSent) Type() RecordType        { return TypeNotSent }
func (*Confirmed) Type() RecordType      { return TypeConfirmed }
func (*ShownNote) Type() RecordType      { return TypeShown }
func (*Followed) Type() RecordType       { return TypeFollowed }
func (*FollowEnded) Type() RecordType    { return TypeFollowEnded }
func (*Failed) Type() RecordType         { return TypeFailed }
func (*Reversing) Type() RecordType      { return TypeReversing }
func (*Attempt) Type() RecordType        { return TypeAttempt }
func (*ReversalSent) Type() RecordType   { return TypeReversalSent }
func (*ReversalAnswer) Type() RecordType { return TypeReversalAnswer }
func (*Hold) Type() RecordType           { return TypeHold }
func (*Reversed) Type() RecordType       { return TypeReversed }
func (*Late) Type() RecordType           { return TypeLate }
func (*Escalated) Type() RecordType      { return TypeEscalated }
func (*Resolved) Type() RecordType       { return TypeResolved }
func (*Acknowledged) Type() RecordType   { return TypeAcknowledged }
