package client

import "time"

// Push is what a receiver is told: of an item of the escalation queue, or of a
// pattern. It is told at least once; ID is the same each time it is told again.
type Push struct {
	ID    string    `json:"id"`
	Event PushEvent `json:"event"`
	At    time.Time `json:"at"` // when it came about

	Item        *Item        `json:"item,omitempty"`        // with what the host said
	Transaction *Transaction `json:"transaction,omitempty"` // that the item is of, as it is now, without its items
	Loss        *Loss        `json:"loss,omitempty"`        // of journal entries: until a person closes it
	Batch       *Batch       `json:"batch,omitempty"`       // that the item is of, without its items
	Notice      *Notice      `json:"notice,omitempty"`
}

// PushEvent says what is told.
type PushEvent string

// What is told.
const (
	PushRaised       PushEvent = "raised"       // a person must decide
	PushReminder     PushEvent = "reminder"     // and nobody has taken it on yet
	PushAcknowledged PushEvent = "acknowledged" // somebody has: the alarm is silent, the item open
	PushClosed       PushEvent = "closed"       // decided
	PushNotice       PushEvent = "notice"       // an abnormal pattern: nothing hangs on it
)

// Notice is an abnormal pattern that was seen. It decides nothing about money.
type Notice struct {
	Pattern  string    `json:"pattern"` // zero, repeats, velocity, reversals, declines
	Terminal string    `json:"terminal"`
	Text     string    `json:"text"`
	Count    int       `json:"count"`
	Seconds  int       `json:"seconds"` // within which it was counted
	At       time.Time `json:"at"`
	UUIDs    []string  `json:"transactions,omitempty"` // the latest of them
}
