package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// Bounds of GET /v1/events.
const (
	maxReaders   = 32               // at once
	heartbeat    = 15 * time.Second // a comment, where there is nothing to tell
	readerPace   = 10 * time.Second // a reader that takes nothing for so long is cut
	readerOwners = 4096             // transactions whose terminal a reader remembers
)

// reader is one GET /v1/events under way. It buffers nothing: it goes through
// the journal, then reads along with the feed, as fast as its client takes it.
type reader struct {
	agent    *Agent
	w        http.ResponseWriter
	ctl      *http.ResponseController
	terminal iso8583.TID
	at       journal.LSN // the newest that was told or passed over
	owners   map[string]iso8583.TID
}

// events streams durable records, server-sent. Without Last-Event-ID it begins
// now; what lies below retention, or belongs to another journal, is a reset.
func (s *api) events(r *http.Request, w http.ResponseWriter) *client.Problem {
	a := s.agent
	rd := &reader{agent: a, w: w, ctl: http.NewResponseController(w), owners: map[string]iso8583.TID{}, at: a.feed.end()}
	rd.terminal = iso8583.TID(r.URL.Query().Get("terminal"))
	reset := ""
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		epoch, lsn, ok := parseEventID(id)
		switch {
		case !ok:
			return badField("Last-Event-ID", "want an event's id, such as 1794000000-17")
		case epoch != a.view.epoch():
			reset = "another epoch of the journal"
		case lsn > rd.at:
			reset = "the journal does not reach that far"
		default:
			rd.at = lsn
		}
	}
	if a.metrics.readers.Add(1) > maxReaders {
		a.metrics.readers.Add(-1)
		return newProblem(codeOverloaded)
	}
	defer a.metrics.readers.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	err := rd.write("id: " + eventID(a.view.epoch(), rd.at) + "\n\n") // so that also a reader of nothing can go on
	if err == nil && reset != "" {
		err = rd.reset(reset)
	}
	if err == nil {
		err = rd.stream(r.Context(), s.closing)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // asked first: a failed write ends the context, too
		a.metrics.cut.Add(1)
		a.log.Warn("reader of events cut: it did not keep up", zap.String("terminal", string(rd.terminal)))
	case err != nil && r.Context().Err() == nil:
		a.log.Error("reader of events cut", zap.Error(err))
	}
	return nil
}

// stream returns nil when client or server ends it.
func (rd *reader) stream(ctx context.Context, closing <-chan struct{}) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		facts, last, gap, moved := rd.agent.feed.after(rd.at)
		if gap {
			if err := rd.catchUp(ctx, last); err != nil {
				return err
			}
			continue
		}
		for _, k := range facts {
			if err := rd.tell(k.record, k.lsn, k.tid); err != nil {
				return err
			}
		}
		rd.at = last
		select {
		case <-moved:
		case <-beat.C:
			if err := rd.write(":\n\n"); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		case <-closing:
			return nil
		case <-rd.agent.stopped:
			return nil
		}
	}
}

// catchUp tells what is in the journal behind rd.at, up to an entry that the
// view has.
func (rd *reader) catchUp(ctx context.Context, last journal.LSN) error {
	first := true
	err := rd.agent.journal.Scan(rd.at+1, func(e journal.Record) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case first && e.LSN != rd.at+1:
			return fs.ErrNotExist
		case e.LSN > last:
			return errEnough
		}
		first = false
		r, err := decode(e)
		if err != nil {
			return err
		}
		rd.at = e.LSN
		if !told(r) {
			return nil
		}
		return rd.tell(r, e.LSN, rd.owner(r))
	})
	if err == nil && first || errors.Is(err, fs.ErrNotExist) {
		rd.at = rd.agent.feed.end()
		return rd.reset("what came after is no longer kept")
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// owner is the terminal of a record's transaction.
func (rd *reader) owner(r txn.Record) iso8583.TID {
	tid, ok := rd.owners[r.Group()]
	if ok {
		return tid
	}
	if i, begins := r.(*txn.Intent); begins {
		tid = i.TID
	} else if t, found, err := rd.agent.find(r.Group()); err == nil && found {
		tid = t.TID
	}
	if len(rd.owners) >= readerOwners {
		clear(rd.owners)
	}
	rd.owners[r.Group()] = tid
	return tid
}

func (rd *reader) tell(r txn.Record, lsn journal.LSN, tid iso8583.TID) error {
	if rd.terminal != "" && tid != rd.terminal {
		return nil
	}
	return rd.send(eventOf(r, lsn, rd.agent.view.epoch(), tid))
}

// reset says that what lies between is not known: the client reads what there
// is, and goes on from here.
func (rd *reader) reset(why string) error {
	epoch := rd.agent.view.epoch()
	return rd.send(client.Event{
		ID: eventID(epoch, rd.at), Event: client.EventReset, LSN: uint64(rd.at), Epoch: epoch,
		At: time.UnixMilli(rd.agent.clock().Wall).UTC(), Reason: why,
	})
}

func (rd *reader) send(e client.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return rd.write(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Event, data))
}

// write writes and flushes. A reader that does not take it in time is cut.
func (rd *reader) write(text string) error {
	if err := rd.ctl.SetWriteDeadline(time.Now().Add(readerPace)); err != nil {
		return err
	}
	if _, err := rd.w.Write([]byte(text)); err != nil {
		return err
	}
	return rd.ctl.Flush()
}
