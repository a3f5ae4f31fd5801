package agent

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/push"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// logSink is the receiver that is always there: the daemon's log.
type logSink struct{ log *zap.Logger }

func (s logSink) Name() string { return "log" }

func (s logSink) Deliver(_ context.Context, m push.Message) error {
	s.log.Warn("for a person", zap.String("id", m.ID), zap.String("event", m.Event), zap.String("cause", m.Cause))
	return nil
}

func (s logSink) Check(context.Context) error { return nil }

// closesItems says that a record may close items.
func closesItems(t txn.RecordType) bool {
	return t == txn.TypeResolved || t == txn.TypeReversed || t == txn.TypeFollowEnded
}

// cry marks for the criers the transactions whose items may have changed.
func (a *Agent) cry(uuids []string) {
	for _, uuid := range uuids {
		for _, c := range a.criers {
			c.changed(uuid)
		}
	}
}

// notify tells every receiver of a pattern.
func (a *Agent) notify(id string, n client.Notice) {
	a.metrics.notices.add(n.Pattern)
	m, err := message(&client.Push{ID: id, Event: client.PushNotice, At: n.At, Notice: &n}, n.Pattern)
	if err != nil { // plain data: cannot fail
		panic(err)
	}
	for _, c := range a.criers {
		c.notice(m)
	}
}

// latelyRecords is how far back a start looks for items that were closed.
const latelyRecords = 4096

var errEnough = errors.New("enough")

// latelyClosed lists transactions of which an item may have been closed
// shortly before the start, and not told: those closed are in no queue any
// more.
func (a *Agent) latelyClosed(ctx context.Context) []string {
	from := journal.LSN(1)
	if last := a.journal.Last(); last > latelyRecords {
		from = last - latelyRecords
	}
	seen := map[string]bool{}
	var uuids []string
	err := a.journal.Scan(from, func(e journal.Record) error {
		if ctx.Err() != nil {
			return errEnough
		}
		t := txn.RecordType(e.Type)
		if !closesItems(t) || seen[e.Group] || strings.Contains(e.Group, ":") {
			return nil
		}
		r, err := decode(e)
		if err != nil {
			return err
		}
		if time.Since(time.UnixMilli(r.When())) < lately {
			seen[e.Group] = true
			uuids = append(uuids, e.Group)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		a.log.Error("looking for items that were closed lately", zap.Error(err))
	}
	return uuids
}
