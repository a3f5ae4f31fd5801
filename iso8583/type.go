package iso8583

import "slices"

// Type is the kind of a transaction, in the words of the API and the journal.
type Type string

// The types there are. More come with the terminal's whole day.
const (
	Sale Type = "sale"
)

// Types lists every Type.
func Types() []Type { return []Type{Sale} }

// Valid says whether t is one of Types.
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// NeedsConfirmation says whether the commit point of t is the application's
// confirmation (design: the order that nothing may break, 3).
func (t Type) NeedsConfirmation() bool { return t == Sale }

// Kind is what one message on the wire is for. A profile maps it to an MTI and
// a set of fields.
type Kind string

// The kinds there are.
const (
	KindSale           Kind = "sale"
	KindReversal       Kind = "reversal"
	KindReversalRepeat Kind = "reversal_repeat"
	KindEcho           Kind = "echo"
	KindSignOn         Kind = "sign_on"
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{KindSale, KindReversal, KindReversalRepeat, KindEcho, KindSignOn}
}

// Facts is the meaning of one outgoing message, before a profile gives it a
// shape. Strings are in the format of the data element named beside them; an
// empty one is absent.
type Facts struct {
	Kind         Kind
	Type         Type   // the transaction's type; chooses DE 3
	TID          TID    // DE 41
	MID          MID    // DE 42
	STAN         STAN   // DE 11
	Amount       Amount // DE 4 and DE 49
	Transmission string // DE 7, MMDDhhmmss, UTC, of this message's first send
	LocalTime    string // DE 12, hhmmss, of the original
	LocalDate    string // DE 13, MMDD, of the original
	RRN          RRN    // DE 37
	AuthCode     string // DE 38
	Reason       string // DE 39 of a reversal

	// OriginalTransmission is DE 7 of the request, for DE 90 of its reversal.
	OriginalTransmission string

	// Card is nil on messages that carry no card data.
	Card *Card
}
