package iso8583

// Settlement is what the messages that close a batch say. The parts that a
// message does not carry are zero.
type Settlement struct {
	// Totals are those of domestic cards and of foreign ones, in this order.
	Totals  [2]Totals
	Records []BatchRecord // of one upload message
	Count   int           // records uploaded in all, said at the end
}

// Totals is what the terminal holds a batch to be, amounts in minor units.
type Totals struct {
	Debit       int64 `json:"debit"`
	DebitCount  int   `json:"debit_count"`
	Credit      int64 `json:"credit"`
	CreditCount int   `json:"credit_count"`
}

// BatchRecord is one transaction of a batch upload. Its card masks itself.
type BatchRecord struct {
	CardType string // two digits: 00 magnetic stripe, others by the acquirer
	STAN     STAN
	PAN      PAN
	Minor    int64
}

// BatchVerdict is a host's verdict on one side of a settlement.
type BatchVerdict uint8

// The verdicts there are (terminal-rules B1, "0510").
const (
	BatchUnknown BatchVerdict = iota
	BatchBalanced
	BatchUnbalanced
	BatchError
)

// String names the verdict.
func (v BatchVerdict) String() string {
	return [...]string{"unknown", "balanced", "not balanced", "error"}[min(v, BatchError)]
}
