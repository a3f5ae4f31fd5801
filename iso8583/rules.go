package iso8583

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Rules is everything about an acquirer that the transaction's life depends
// on. A profile fills it; the journal keeps it whole under its hash, so that a
// changed profile cannot reinterpret a reversal that is already owed. It is
// plain data: a rule is an enumeration or a number, never code. The rows cited
// are those of terminal-rules.md, table A.
type Rules struct {
	Profile string `json:"profile"`

	// MTI is the message type of each kind that the profile sends. It is set
	// by the profile's loader from the wire part, not written twice: it is
	// here because the answer to an owed reversal must be recognised, and
	// DE 90 built, as they were when the reversal began.
	MTI map[Kind]MTI `json:"mti,omitempty"`

	// Match lists the data elements that must be echoed unchanged, where they
	// are present in the response, besides MTI class, 11 and 41 (row "Match
	// key"). DE 4 is not among them: a wrong amount is not somebody else's
	// answer but an unbelievable one.
	Match []int `json:"match"`

	SendTimeout     Duration `json:"send_timeout"`     // queueing and writing one message
	ResponseTimeout Duration `json:"response_timeout"` // row "Response timer"
	ConfirmTimeout  Duration `json:"confirm_timeout"`  // R9
	ShownTimeout    Duration `json:"shown_timeout"`    // R10: older than this, shown again is not delivery

	// OrphanTimeout is how long an approval waits for the confirmation once the
	// application that asked for it is gone and none has taken its terminal
	// (R9; field-problems.md 2), within ConfirmTimeout. 0: all of that.
	OrphanTimeout Duration `json:"orphan_timeout,omitempty"`

	// DuplicateWindow is for how long another attempt with the same card, amount
	// and terminal is suspected of repeating one whose outcome is undecided or
	// was never shown (field-problems.md 2). 0: never.
	DuplicateWindow Duration `json:"duplicate_window,omitempty"`

	Response ResponseRules `json:"response"`
	Reversal ReversalRules `json:"reversal"`
	Inquiry  InquiryRules  `json:"inquiry,omitzero"` // absent: none
	Advice   AdviceRules   `json:"advice,omitzero"`  // absent: none

	Settlement SettlementRules `json:"settlement,omitzero"` // absent: none

	SignOn SignOnRules `json:"sign_on,omitzero"` // absent: messages are not signed

	Script ScriptRules `json:"script,omitzero"` // absent: what came of a script is not told

	Chip ChipRules `json:"chip,omitzero"`

	// PartialRefused is how an approval of less is undone that nobody wants (row
	// "Partial approval refused").
	PartialRefused PartialRule `json:"partial_refused,omitempty"`

	// EpochMark is how the acquirer sees that an epoch began (R15).
	EpochMark EpochMark `json:"epoch_mark,omitempty"`

	Gate      Gate `json:"gate"`       // row "Next transaction while one is owed"
	OwedLimit int  `json:"owed_limit"` // with GateLimit: reversals owed per TID
}

// ResponseRules sorts DE 39 of a request's response (rows "Response codes of
// the request", "Approval codes").
type ResponseRules struct {
	Approved  []string `json:"approved"`
	Partial   []string `json:"partial"`
	Declined  []string `json:"declined"`
	Duplicate []string `json:"duplicate"` // 94: a STAN collision on a first send

	// Unsigned lists codes of a decline that are legal without a MAC, in a
	// dialect that has one (row "When a response is accepted").
	Unsigned []string `json:"unsigned,omitempty"`
	// Everything else, a missing DE 39 included, is indeterminate: reverse.
}

// ReversalRules say how a reversal is sent and what closes it.
type ReversalRules struct {
	Types []Type `json:"types"` // row "Which types are reversed"

	// Schedule is the wait before each attempt after the first, counted from
	// the end of the attempt before; its last entry repeats for ever (row
	// "Attempts").
	Schedule      Schedule `json:"schedule"`
	AnswerTimeout Duration `json:"answer_timeout"`
	EscalateAfter int      `json:"escalate_after"` // attempts

	// Row "Answer codes that end a reversal". What is in none of them escalates.
	Done      []string `json:"done"`      // 00
	Duplicate []string `json:"duplicate"` // 94: closes once an earlier attempt is known to have left
	Unknown   []string `json:"unknown"`   // 25: hold-down, then once more as a first 0400
	Retry     []string `json:"retry"`     // 91 96 98: like silence

	// UnknownAfterDone says that this host answers Unknown for what it has
	// already reversed, so that an Unknown which follows a Done closes.
	UnknownAfterDone bool `json:"unknown_after_done"`

	// Tombstones says that the host was certified to remember a reversal whose
	// original it has not seen (R3). Without it the hold-down applies to every
	// closing answer for a request whose response was never seen (R3′).
	Tombstones      bool     `json:"tombstones"`
	MessageLifetime Duration `json:"message_lifetime"`

	// SharedLedger says that any of the acquirer's addresses may answer for
	// the original (row "Whose answer closes").
	SharedLedger bool `json:"shared_ledger"`

	Reasons Reasons `json:"reasons"`
}

// Reasons is DE 39 of a reversal by cause (row "DE 39 of a 0400").
type Reasons struct {
	Timeout  string `json:"timeout"`
	Customer string `json:"customer"`
	Chip     string `json:"chip"`
	Invalid  string `json:"invalid"`
	Storage  string `json:"storage"`

	// MAC is for a response whose MAC is wrong; empty in a dialect without.
	MAC string `json:"mac,omitempty"`
}

// ChipRules say what of the chip's data a reversal carries in DE 55. Which tags
// a request carries decides nothing, and is the profile's wire part.
type ChipRules struct {
	// ReversalTags lists them, in order (row "Card declines after the host's
	// 00"). None: no reversal has a DE 55.
	ReversalTags []string `json:"reversal_tags,omitempty"`

	// ReversalAlways sends them with every reversal of a chip transaction (B1,
	// "55 subset") and not only where the card declined.
	ReversalAlways bool `json:"reversal_always,omitempty"`

	// UploadTags are DE 55 of a batch upload's message about one transaction with
	// the card's certificate (B1, 203 and 204). None: it is uploaded like others.
	UploadTags []string `json:"upload_tags,omitempty"`
}

// Validate refuses tags that are not kept, since a restart could not send them.
func (r *ChipRules) Validate() error {
	if err := validateTags("rules.chip.upload_tags", r.UploadTags); err != nil {
		return err
	}
	return validateTags("rules.chip.reversal_tags", r.ReversalTags)
}

func validateTags(key string, tags []string) error {
	seen := map[string]bool{}
	for _, tag := range tags {
		switch {
		case !slices.Contains(KeptTags(), tag):
			return fmt.Errorf("%s: tag %q is not among those that are kept: %v", key, tag, KeptTags())
		case seen[tag]:
			return fmt.Errorf("%s: tag %q is listed twice", key, tag)
		}
		seen[tag] = true
	}
	return nil
}

// Gate says what a terminal may start while it owes a reversal.
type Gate string

// The gates there are.
const (
	GateLimit  Gate = "limit"  // at most OwedLimit owed per terminal
	GateStrict Gate = "strict" // none
)

// EpochMark says how a new epoch shows on the wire.
type EpochMark string

// The ways there are.
const (
	EpochMarkSTAN EpochMark = ""     // numbering begins above the host's last
	EpochMarkNone EpochMark = "none" // not at all: a terminal that lost its journal waits for a person
)

// PartialRule says how a part that is not wanted is undone.
type PartialRule string

// The rules there are.
const (
	PartialReverse PartialRule = ""     // the original amount is reversed
	PartialVoid    PartialRule = "void" // the part is recorded, then voided: a reversal of the whole would name another amount than the host holds
)

// Class is what a response code means for a request.
type Class uint8

// The classes there are.
const (
	Indeterminate Class = iota
	Approved
	Partial
	Declined
	Duplicate
)

// String names the class.
func (c Class) String() string {
	return [...]string{"indeterminate", "approved", "partial", "declined", "duplicate"}[c]
}

// Classify sorts DE 39 of a request's response.
func (r *ResponseRules) Classify(code string) Class {
	switch {
	case slices.Contains(r.Approved, code):
		return Approved
	case slices.Contains(r.Partial, code):
		return Partial
	case slices.Contains(r.Declined, code):
		return Declined
	case slices.Contains(r.Duplicate, code):
		return Duplicate
	default:
		return Indeterminate
	}
}

// Supports says whether the dialect has a message for t.
func (r *Rules) Supports(t Type) bool { return r.MTI[t.Kind()] != "" }

// Orphan is OrphanTimeout as far as it is within ConfirmTimeout.
func (r *Rules) Orphan() Duration {
	if r.OrphanTimeout == 0 {
		return r.ConfirmTimeout
	}
	return min(r.OrphanTimeout, r.ConfirmTimeout)
}

// Slowest is the last entry of the schedule.
func (r *ReversalRules) Slowest() time.Duration { return r.Schedule.Wait(len(r.Schedule) + 1) }

// Hash identifies the rules: the first 8 bytes of SHA-256 over their JSON, in
// hexadecimal.
func (r *Rules) Hash() string {
	sum := sha256.Sum256([]byte(r.JSON()))
	return hex.EncodeToString(sum[:8])
}

// JSON is the rules as the journal keeps them.
func (r *Rules) JSON() string {
	b, err := json.Marshal(r)
	if err != nil { // plain data: cannot fail
		panic(err)
	}
	return string(b)
}

// Validate says what is missing or contradictory, naming the key.
func (r *Rules) Validate() error {
	for _, d := range []struct {
		key string
		v   Duration
	}{
		{"send_timeout", r.SendTimeout}, {"response_timeout", r.ResponseTimeout},
		{"confirm_timeout", r.ConfirmTimeout}, {"shown_timeout", r.ShownTimeout},
		{"reversal.answer_timeout", r.Reversal.AnswerTimeout},
		{"reversal.message_lifetime", r.Reversal.MessageLifetime},
	} {
		if d.v <= 0 {
			return fmt.Errorf("rules.%s: want a duration above zero", d.key)
		}
	}
	switch {
	case r.OrphanTimeout < 0:
		return fmt.Errorf("rules.orphan_timeout: want a duration, or 0 for confirm_timeout")
	case r.DuplicateWindow < 0:
		return fmt.Errorf("rules.duplicate_window: want a duration, or 0 for none")
	case r.Profile == "":
		return fmt.Errorf("rules.profile: missing")
	case len(r.Response.Approved) == 0:
		return fmt.Errorf("rules.response.approved: want at least one code")
	case len(r.Reversal.Done) == 0:
		return fmt.Errorf("rules.reversal.done: want at least one code")
	case len(r.Reversal.Schedule) == 0:
		return fmt.Errorf("rules.reversal.schedule: want at least one wait")
	case r.Reversal.Slowest() <= 0:
		return fmt.Errorf("rules.reversal.schedule: its last wait repeats for ever and must be above zero")
	case r.Reversal.EscalateAfter < 1:
		return fmt.Errorf("rules.reversal.escalate_after: want 1 or more")
	case r.EpochMark != EpochMarkSTAN && r.EpochMark != EpochMarkNone:
		return fmt.Errorf("rules.epoch_mark: want %q, or nothing for a STAN above the host's last", EpochMarkNone)
	case r.PartialRefused != PartialReverse && r.PartialRefused != PartialVoid:
		return fmt.Errorf("rules.partial_refused: want %q, or nothing for a reversal", PartialVoid)
	case r.PartialRefused == PartialVoid && !r.Supports(Void):
		return fmt.Errorf("rules.mti.%s: missing; rules.partial_refused is %q", Void, PartialVoid)
	case r.Gate != GateLimit && r.Gate != GateStrict:
		return fmt.Errorf("rules.gate: want %q or %q", GateLimit, GateStrict)
	case r.Gate == GateLimit && r.OwedLimit < 1:
		return fmt.Errorf("rules.owed_limit: want 1 or more")
	}
	for _, k := range Kinds() {
		needed := k == KindSale || k == KindReversal || k == KindReversalRepeat
		if mti, ok := r.MTI[k]; (ok || needed) && mti.Response() == "" {
			return fmt.Errorf("rules.mti.%s: want the MTI of a request", k)
		}
	}
	for _, t := range r.Reversal.Types {
		if !t.Valid() {
			return fmt.Errorf("rules.reversal.types: unknown type %q", t)
		}
		if !t.MovesMoney() {
			return fmt.Errorf("rules.reversal.types: %q moves no money, so there is nothing to reverse", t)
		}
	}
	for _, check := range []func() error{r.validateAdvice, r.validateInquiry, r.validateSettlement, r.validateSignOn, r.validateScript, r.Chip.Validate} {
		if err := check(); err != nil {
			return err
		}
	}
	return r.disjoint()
}

// disjoint refuses a code in two classes of one list.
func (r *Rules) disjoint() error {
	check := func(where string, lists ...[]string) error {
		seen := map[string]bool{}
		for _, l := range lists {
			for _, code := range l {
				if len(code) != 2 && len(code) != 3 {
					return fmt.Errorf("rules.%s: %q is not a response code", where, code)
				}
				if seen[code] {
					return fmt.Errorf("rules.%s: code %q is listed twice", where, code)
				}
				seen[code] = true
			}
		}
		return nil
	}
	p, v, q, a := &r.Response, &r.Reversal, &r.Inquiry, &r.Advice
	if err := check("response", p.Approved, p.Partial, p.Declined, p.Duplicate); err != nil {
		return err
	}
	for _, code := range p.Unsigned {
		if !slices.Contains(p.Declined, code) {
			return fmt.Errorf("rules.response.unsigned: code %q is not in declined: nothing else may come without a MAC", code)
		}
	}
	if err := check("reversal", v.Done, v.Duplicate, v.Unknown, v.Retry); err != nil {
		return err
	}
	if err := check("inquiry", q.Approved, q.Declined); err != nil {
		return err
	}
	if err := check("advice", a.Done, a.Duplicate, a.Retry); err != nil {
		return err
	}
	return check("settlement", r.Settlement.Balanced, r.Settlement.Unbalanced, r.Settlement.Retry)
}

// Duration is a time.Duration that is written as "40s" in JSON.
type Duration time.Duration

// MarshalText writes Go's duration syntax.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's duration syntax.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 40s or 5m", b)
	}
	*d = Duration(v)
	return nil
}
