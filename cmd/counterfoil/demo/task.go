package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// task is what a child that sells is told to do.
type task struct {
	sale
	notes string        // the column's file
	retry bool          // shown "not approved", the cashier tries once more
	chip  bool          // the card has a chip, which declines after the approval
	hold  bool          // stop at the approval, before it is shown: the demo kills it there
	turn  time.Duration // after that, without an outcome, the customer turns to another card; 0: never
	again bool          // started again after a kill, while the customer stands there
}

// attempts is how often the cashier tries.
func (t task) attempts() int {
	if t.retry {
		return 2
	}
	return 1
}

// word is one line that a child which sells says to the demo while it works.
// It makes the demo's progress lines and tells when to kill; no number comes
// from it.
type word struct {
	Note     *Note  `json:"note,omitempty"`     // what it has just shown
	Approved bool   `json:"approved,omitempty"` // it holds an approval that it has not shown
	Trouble  string `json:"trouble,omitempty"`  // it goes on all the same
}

func say(out io.Writer, w word) error {
	if err := json.NewEncoder(out).Encode(w); err != nil {
		return fmt.Errorf("telling the demo: %w", err)
	}
	return nil
}

// The card of every sale here: a test number, of nobody.
const (
	testPAN    = "4111111111111111"
	otherPAN   = "5555555555554444" // the card that a customer turns to
	testExpiry = "3012"
	entryMode  = "012"
	currency   = iso8583.Currency(156)
	merchant   = iso8583.MID("898600000000001")
)
