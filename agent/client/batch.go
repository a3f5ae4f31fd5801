package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Batch is a terminal's transactions between two settlements.
type Batch struct {
	Terminal iso8583.TID `json:"terminal"`
	Serial   int         `json:"serial"` // counts the terminal's batches from 1
	Number   string      `json:"number"` // six digits; on the wire where the dialect has one
	State    string      `json:"state"`  // open, left, closing, settling, uploading, ending, balanced, unbalanced, closed_by_hand

	Taken    int          `json:"taken"` // transactions, of the open one
	Totals   *BatchTotals `json:"totals,omitempty"`
	Counted  int          `json:"counted"`  // transactions that the totals are of
	Owed     int          `json:"owed"`     // undecided when the set was frozen: in no totals
	Uploaded int          `json:"uploaded"` // of those counted

	Domestic string     `json:"domestic,omitempty"` // the host's verdict: balanced, not balanced, error
	Foreign  string     `json:"foreign,omitempty"`
	By       string     `json:"by,omitempty"` // who asked for the settlement
	Began    *time.Time `json:"began,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Items    []Item     `json:"items,omitempty"`

	Transactions []BatchEntry `json:"transactions,omitempty"` // of one batch, in the order of their intents
}

// BatchTotals is what the terminal holds a batch to be, in minor units.
type BatchTotals struct {
	Currency    string `json:"currency,omitempty"` // absent: the batch is empty
	Debit       int64  `json:"debit"`
	DebitCount  int    `json:"debit_count"`
	Credit      int64  `json:"credit"`
	CreditCount int    `json:"credit_count"`
}

// BatchEntry is a transaction of a batch.
type BatchEntry struct {
	Transaction Transaction `json:"transaction"`

	Counted     bool  `json:"counted"`                // in the totals
	Flagged     bool  `json:"flagged"`                // undecided at the settlement, so left out
	NotUploaded bool  `json:"not_uploaded,omitempty"` // counted, and no upload can tell it: paid by a card handle
	Debit       int64 `json:"debit"`                  // what it does to the totals of its batch, or would
	Credit      int64 `json:"credit"`
}

// Batches is the answer of GET /v1/terminals/{tid}/batches, the oldest first.
// The last one is open.
type Batches struct {
	Batches []Batch `json:"batches"`
}

// Settle is the body of POST /v1/terminals/{tid}/settle.
type Settle struct {
	Who string `json:"who,omitempty"`
}

func batchPath(tid iso8583.TID) string { return "/v1/terminals/" + url.PathEscape(string(tid)) }

// Settle asks for the settlement of a terminal's oldest unsettled batch, and
// gives that batch. Ask for it by Batch until its state is final.
func (c *Client) Settle(ctx context.Context, terminal iso8583.TID, who string) (*Batch, error) {
	return get[Batch](ctx, c, http.MethodPost, batchPath(terminal)+"/settle", Settle{Who: who})
}

// Batches lists a terminal's batches.
func (c *Client) Batches(ctx context.Context, terminal iso8583.TID) (*Batches, error) {
	return get[Batches](ctx, c, http.MethodGet, batchPath(terminal)+"/batches", nil)
}

// Batch gives one batch with its transactions.
func (c *Client) Batch(ctx context.Context, terminal iso8583.TID, serial int) (*Batch, error) {
	return get[Batch](ctx, c, http.MethodGet, fmt.Sprintf("%s/batches/%d", batchPath(terminal), serial), nil)
}

// ResolveBatch is an operator's decision about a batch: close, or
// acquirer-settled with the acquirer's reference.
func (c *Client) ResolveBatch(ctx context.Context, terminal iso8583.TID, serial int, r Resolve) (*Batch, error) {
	return get[Batch](ctx, c, http.MethodPost, fmt.Sprintf("%s/batches/%d/resolve", batchPath(terminal), serial), r)
}

// Final says that nothing more comes of the batch's settlement.
func (b *Batch) Final() bool {
	return b.State == "balanced" || b.State == "unbalanced" || b.State == "closed_by_hand"
}
