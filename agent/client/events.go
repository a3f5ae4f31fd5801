package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// Event is one durable record, as GET /v1/events tells it.
type Event struct {
	ID       string      `json:"id"`    // epoch-LSN: Last-Event-ID goes on after it
	Event    string      `json:"event"` // the record's type; or reset, see Reason
	LSN      uint64      `json:"lsn"`
	Epoch    uint64      `json:"epoch"`
	At       time.Time   `json:"at"`
	Who      string      `json:"who,omitempty"` // application, agent, host, operator
	UUID     string      `json:"transaction,omitempty"`
	Terminal iso8583.TID `json:"terminal,omitempty"`
	State    string      `json:"state,omitempty"` // that it put the transaction in
	Detail   string      `json:"detail,omitempty"`
	Reason   string      `json:"reason,omitempty"` // of a reset: what lies between is not known, so read what there is
}

// EventReset is the Event of which Reason speaks.
const EventReset = "reset"

// ErrCut says that the agent ended the stream: go on with the last event's ID.
var ErrCut = errors.New("the stream of events ended")

// Events calls fn for each event after lastID, or from now on where that is
// empty, of one terminal, or of all. It returns fn's first error, or why the
// stream ended: ErrCut, wrapped, or a *Problem.
func (c *Client) Events(ctx context.Context, lastID string, terminal iso8583.TID, fn func(Event) error) error {
	query := ""
	if terminal != "" {
		query = "?" + url.Values{"terminal": {string(terminal)}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events"+query, nil)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		p := &Problem{}
		if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(p) != nil || p.Code == "" {
			return fmt.Errorf("agent: %s", res.Status)
		}
		return p
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ") // the agent's events have one line of data each
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("agent: reading an event: %w", err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	return ErrCut
}
