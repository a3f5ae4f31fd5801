// Package push hands what a person must hear to whatever reaches one: a
// command, a file or a webhook. A sink delivers one message and says whether it
// was taken; when to try again is the caller's business.
package push

import (
	"context"
	"fmt"
	"time"
)

// Message is one telling. The same telling has the same ID each time it is
// tried, also after a restart: receivers tell duplicates by it.
type Message struct {
	ID    string
	Event string // raised, reminder, acknowledged, closed, notice
	Cause string // of the item, or the pattern's name
	Body  []byte // JSON on one line, without its line feed
}

// Sink is a way to reach a person. Deliver returns nil only when the message
// was taken for good; it ends with ctx. Both methods are safe for use by one
// goroutine at a time.
type Sink interface {
	Name() string
	Deliver(ctx context.Context, m Message) error
	// Check says whether a delivery can be expected to work, without one.
	Check(ctx context.Context) error
}

// Pause is how long to wait after the nth failure in a row: it doubles from a
// second to five minutes, and stays there. Nothing is ever given up.
func Pause(failures int) time.Duration {
	const most = 5 * time.Minute
	if failures > 9 {
		return most
	}
	return min(time.Second<<max(failures-1, 0), most)
}

func failed(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("receiver %s: %w", name, err)
}
