package txn

import "github.com/counterfoil-pos/counterfoil/iso8583"

// Event is something that happened. The shell makes them; Step takes one.
type Event interface{ event() }

// Configure comes first after a start: what terminals there are. It makes the
// epoch and the rules durable where they are new.
type Configure struct {
	Epoch     uint64 // for a journal that has none yet
	Terminals []Terminal
	Last      uint64 // number of the journal's newest entry
	Mark      *Mark  // what is known from outside of the journal; nil: nothing
	DataKeys  uint32 // the highest number of a data key that the journal ever had
}

// Terminal is one terminal's configuration.
type Terminal struct {
	TID    iso8583.TID
	MID    iso8583.MID
	Rules  iso8583.Rules
	Routes int // number of the acquirer's addresses

	// Addresses name the routes, acquirer and host:port, for the record: a
	// reversal must go where its request went. It may be empty.
	Addresses []string

	// Implicit says that the terminal's applications cannot confirm: a sale
	// commits with its approval, under the limits of commitImplicitly.
	Implicit bool

	hash string // of Rules, taken once
}

// Hashed is t with the hash of its rules taken, which may be configured often.
// Its rules must not change any more.
func (t Terminal) Hashed() Terminal {
	t.hash = t.Rules.Hash()
	return t
}

// Recovered comes once for each open transaction after a start.
type Recovered struct{ UUID string }

// Begin is a payment application's request for a transaction.
type Begin struct {
	Req      uint64
	UUID     string // the idempotency key, permanent
	Epoch    uint64 // in which the UUID was minted
	TID      iso8583.TID
	Type     iso8583.Type
	Amount   iso8583.Amount
	Sale     string // the merchant's reference; of a sale and a pre-authorisation
	Part     string // of a deliberately split sale
	Original string // UUID of what this follows; of a void, refund, completion …
	Approval string // DE 38 that the card or a person gave; of an offline sale
	Digest   string // of the whole body, keyed: it covers the card
	CardHash string // keyed hash of the PAN
	Route    int    // the address to try first
	Card     *iso8583.Card
	EMV      string // what is kept of the card's chip data, hexadecimal (iso8583.Keep)
	Partial  bool   // an approval of less than Amount is accepted

	Session        string // of the application that asks; it may be empty
	Replaces       string // UUID of the attempt at the same part that this closes first
	NotDuplicateOf string // UUID of what this looks like and, a person says, is not
}

// Confirm is the application's "I am about to show this".
type Confirm struct {
	Req    uint64
	UUID   string
	Amount int64       // what the customer agreed to, minor units; 0: not said
	Chip   ChipVerdict // of a chip in the reader
}

// Cancel asks for an unconfirmed transaction to be undone.
type Cancel struct {
	Req    uint64
	UUID   string
	Reason CancelReason
}

// CancelReason says why, and so which DE 39 the reversal carries.
type CancelReason string

// The reasons there are.
const (
	CancelCustomer     CancelReason = "customer"
	CancelCardDeclined CancelReason = "card_declined"
	CancelCardRemoved  CancelReason = "card_removed"
	CancelSignature    CancelReason = "signature"
	CancelPrinter      CancelReason = "printer"

	CancelPartialRefused CancelReason = "partial_refused"
)

// Shown says what became of the screen that the application showed.
type Shown struct {
	Req       uint64
	UUID      string
	Delivered Delivered
}

// Delivered answers "were goods and receipt handed over?" (R10).
type Delivered string

// The answers there are; "" is none yet.
const (
	DeliveredYes     Delivered = "yes"
	DeliveredNo      Delivered = "no"
	DeliveredUnknown Delivered = "unknown"
)

func (d Delivered) valid() bool {
	return d == DeliveredYes || d == DeliveredNo || d == DeliveredUnknown
}

// Resolve is an operator's decision.
type Resolve struct {
	Req  uint64
	UUID string
	Verb Verb
	Who  string
	Why  string
	Ref  string // the acquirer's reference, where it was asked
}

// CloseLoss is an operator's word that a loss of journal entries is dealt with.
type CloseLoss struct {
	Req   uint64
	Begun uint64 // the epoch that began with it
	Who   string
	Why   string
	Ref   string
}

// Verb is what an operator decides.
type Verb string

// The verbs there are.
const (
	VerbPark     Verb = "park"              // stop sending
	VerbResume   Verb = "resume"            // send again
	VerbOverride Verb = "override"          // let the terminal sell although this is owed
	VerbReversed Verb = "acquirer-reversed" // the acquirer says: no debit stands
	VerbDebited  Verb = "acquirer-debited"  // the acquirer says: the debit stands
	VerbClose    Verb = "close"             // a final transaction's open item is dealt with
)

// Sent says that the whole message was handed to the connection.
type Sent struct {
	UUID    string
	Route   int
	Attempt int // of a reversal or an advice; 0: the request, or an inquiry
	Inquiry int // of an inquiry
}

// Unsent says that it is certain that no byte of the message left: the connect
// failed, or it was withdrawn before the first write. A request's Card comes
// back with it, for another address.
type Unsent struct {
	UUID    string
	Route   int
	Attempt int
	Inquiry int
	Card    *iso8583.Card
}

// InDoubt says that the message, or a part of it, may have left.
type InDoubt struct {
	UUID    string
	Route   int
	Attempt int
	Inquiry int
}

// Response is a well-formed message from the host, as far as the core looks at
// it. Values are as on the wire; "" is absent.
type Response struct {
	Route        int // the address it came from
	MTI          iso8583.MTI
	TID          iso8583.TID  // DE 41
	STAN         iso8583.STAN // DE 11
	Code         string       // DE 39
	Amount       string       // DE 4
	Currency     string       // DE 49
	Transmission string       // DE 7
	LocalTime    string       // DE 12
	LocalDate    string       // DE 13
	MID          string       // DE 42
	RRN          iso8583.RRN  // DE 37
	AuthCode     string       // DE 38
	Balance      string       // DE 54
	Original     string       // DE 90
	ChipData     string       // of DE 55, what the card needs (iso8583.IssuerData)
	BadChip      bool         // DE 55 is there and is no chip data
	Text         string       // the message, masked, for the record

	Verdicts [2]iso8583.BatchVerdict // of a settlement's answer: domestic cards, foreign ones

	MAC iso8583.MAC // the verdict on it; MACNone in a dialect without
}

// Garbage is a frame that is no message: it does not parse, has trailing bytes
// or does not re-encode to itself. It resolves nothing.
type Garbage struct {
	Route int
	Text  string // why, masked
}

// Timeout says that a Timer may have come due.
type Timeout struct{ UUID string }

func (Configure) event() {}
func (Recovered) event() {}
func (Begin) event()     {}
func (Confirm) event()   {}
func (Cancel) event()    {}
func (Shown) event()     {}
func (Resolve) event()   {}
func (CloseLoss) event() {}
func (Sent) event()      {}
func (Unsent) event()    {}
func (InDoubt) event()   {}
func (Response) event()  {}
func (Garbage) event()   {}
func (Timeout) event()   {}
