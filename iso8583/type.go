package iso8583

import (
	"slices"
	"strings"
)

// Type is the kind of a transaction, in the words of the API and the journal.
type Type string

// The types there are.
const (
	Sale        Type = "sale"
	Void        Type = "void"         // undoes a confirmed sale or completion, whole
	Refund      Type = "refund"       // gives back a confirmed sale or completion, whole or in part
	PreAuth     Type = "preauth"      // holds an amount
	PreAuthVoid Type = "preauth_void" // lets a hold go
	Completion  Type = "completion"   // debits against a hold
	Balance     Type = "balance"      // asks; moves no money
	Offline     Type = "offline"      // a sale that the card or a voice approved: told to the host, not asked
)

// Types lists every Type.
func Types() []Type {
	return []Type{Sale, Void, Refund, PreAuth, PreAuthVoid, Completion, Balance, Offline}
}

// Valid says whether t is one of Types.
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// NeedsConfirmation says whether the commit point of t is the application's
// confirmation. The others commit with the durable approval: a confirmation
// that went missing must not undo a void after the customer left (design: the
// order that nothing may break).
func (t Type) NeedsConfirmation() bool { return t == Sale || t == PreAuth }

// HandsOver says whether goods are handed over because of t. It has a sale's
// reference then, and the application says what became of its screen (R10).
func (t Type) HandsOver() bool { return t.NeedsConfirmation() || t == Offline }

// Originals lists the types that t may follow; none: it stands alone.
func (t Type) Originals() []Type {
	switch t {
	case Void, Refund:
		return []Type{Sale, Completion, Offline}
	case PreAuthVoid, Completion:
		return []Type{PreAuth}
	default:
		return nil
	}
}

// Followed says whether anything can follow t.
func (t Type) Followed() bool {
	return slices.ContainsFunc(Types(), func(o Type) bool { return slices.Contains(o.Originals(), t) })
}

// MovesMoney says whether t can leave a debit, a credit or a hold. What does
// not is never reversed, and ends as failed where the outcome is unknown.
func (t Type) MovesMoney() bool { return t != Balance }

// Kind is the kind of the request of t.
func (t Type) Kind() Kind { return Kind(t) }

// Kind is what one message on the wire is for. A profile maps it to an MTI and
// a set of fields. Each Type's request is a kind of the same name.
type Kind string

// The kinds there are, beside those of the types.
const (
	KindSale                = Kind(Sale)
	KindReversal       Kind = "reversal"
	KindReversalRepeat Kind = "reversal_repeat"
	KindInquiry        Kind = "inquiry"
	KindEcho           Kind = "echo"
	KindSignOn         Kind = "sign_on"
	KindSignOff        Kind = "sign_off"
	KindScript         Kind = "script_result" // the issuer script's outcome on the card

	// The messages that close a batch.
	KindSettle              Kind = "settle"
	KindUpload              Kind = "upload"                // some of the batch's transactions
	KindUploadChip          Kind = "upload_chip"           // one, with the card's certificate
	KindUploadChipFailed    Kind = "upload_chip_failed"    // one that the card took although its issuer did not prove right
	KindUploadEnd           Kind = "upload_end"            // after a settlement that balanced
	KindUploadEndUnbalanced Kind = "upload_end_unbalanced" // after one that did not
)

// Kinds lists every Kind.
func Kinds() []Kind {
	var out []Kind
	for _, t := range Types() {
		out = append(out, t.Kind())
	}
	return append(out, KindReversal, KindReversalRepeat, KindInquiry, KindEcho, KindSignOn, KindSignOff, KindScript,
		KindSettle, KindUpload, KindUploadChip, KindUploadChipFailed, KindUploadEnd, KindUploadEndUnbalanced)
}

// Uploads says that the message carries transactions of a batch.
func (k Kind) Uploads() bool { return k == KindUpload || k.ChipUpload() }

// ChipUpload says that it carries one, with what its card said.
func (k Kind) ChipUpload() bool { return k == KindUploadChip || k == KindUploadChipFailed }

// Facts is the meaning of one outgoing message, before a profile gives it a
// shape. Strings are in the format of the data element named beside them; an
// empty one is absent.
type Facts struct {
	Kind         Kind
	Repeat       bool   // of an advice: an earlier send may have left, so the repeat MTI
	Type         Type   // the transaction's type; chooses DE 3
	TID          TID    // DE 41
	MID          MID    // DE 42
	STAN         STAN   // DE 11
	Amount       Amount // DE 4 and DE 49
	Transmission string // DE 7, MMDDhhmmss, UTC, of this message's first send
	LocalTime    string // DE 12, hhmmss, of the transaction
	LocalDate    string // DE 13, MMDD, of the transaction
	RRN          RRN    // DE 37: of the original, in a request that follows one
	AuthCode     string // DE 38: likewise, or what approved an offline sale
	Reason       string // DE 39 of a reversal
	ChipData     string // DE 55 of a reversal, hexadecimal; of a request it is the Card's
	Remains      string // DE 95 of a reversal (an42), where something was approved in part

	// Original is what DE 90 speaks of: the request that a reversal undoes or
	// an inquiry asks about, or the transaction that a void, refund or completion follows. Zero: none.
	Original Original

	Batch      string      // six digits: the batch that the transaction belongs to
	Operator   string      // who signs on or settles
	Settlement *Settlement // of the messages that close a batch

	// Card is nil on messages that carry no card data.
	Card *Card
}

// Original identifies an earlier message for DE 90 (n42).
type Original struct {
	MTI          MTI
	STAN         STAN
	Transmission string // DE 7
	Type         Type   // chooses codes where a dialect tells the void of a completion from that of a sale
	Batch        string // six digits
	LocalDate    string // MMDD, of the host's answer where it gave one
}

// DE90 is MTI, STAN and DE 7, then DE 32 and DE 33, which this program does not
// send, as zeros; "" where one of the three is not known.
func (o Original) DE90() string {
	if o.MTI == "" || o.STAN == 0 || o.Transmission == "" {
		return ""
	}
	return string(o.MTI) + o.STAN.String() + o.Transmission + strings.Repeat("0", 22)
}

// Matches says whether a DE 90 that came from the host names o. What the host
// says of DE 32 and DE 33 is its own.
func (o Original) Matches(de90 string) bool {
	own := o.DE90()
	return len(de90) == len(own) && own != "" && de90[:20] == own[:20]
}
