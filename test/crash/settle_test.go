package crash

import (
	"context"
	"fmt"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
)

// closeBatch is the end of the day: it settles the terminal's batch and waits until
// that has ended, whatever becomes of the daemon meanwhile.
func (n *note) closeBatch(c *client.Client) error {
	if n.batch == 0 {
		b, err := try(func(ctx context.Context) (*client.Batch, error) { return c.Settle(ctx, n.tid, "anna") })
		if err != nil {
			return err // asked again it is the same one, or, if that has ended, the next
		}
		n.batch = b.Serial
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := try(func(ctx context.Context) (*client.Batch, error) { return c.Batch(ctx, n.tid, n.batch) })
		switch {
		case err != nil:
			return err
		case b.Final():
			return n.counted(b)
		case time.Now().After(n.until):
			return fmt.Errorf("batch %d of %s is still %s", b.Serial, n.tid, b.State)
		}
		<-tick.C
	}
}

// counted holds a batch that has ended to its transactions (P6): what is confirmed
// is in the totals, nothing else is, and the sums are theirs.
func (n *note) counted(b *client.Batch) error {
	var sum client.BatchTotals
	for _, e := range b.Transactions {
		moves := e.Debit+e.Credit > 0
		if e.Counted != (moves && e.Transaction.State == "confirmed") {
			return fmt.Errorf("VIOLATION P6: %s is %s, and in the totals of batch %d: %v", e.Transaction.UUID, e.Transaction.State, b.Serial, e.Counted)
		}
		if !e.Counted {
			continue
		}
		sum.Debit, sum.Credit = sum.Debit+e.Debit, sum.Credit+e.Credit
	}
	if b.Totals == nil || b.Totals.Debit != sum.Debit || b.Totals.Credit != sum.Credit {
		return fmt.Errorf("VIOLATION P6: batch %d has the totals %+v, and its transactions come to %+v", b.Serial, b.Totals, sum)
	}
	if (b.State == "balanced") != (b.Domestic == "balanced") {
		return fmt.Errorf("VIOLATION P6: batch %d is %s, and the host said %s", b.Serial, b.State, b.Domestic)
	}
	return nil
}
