package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// timeline is a transaction's life out of the journal.
func (a *Agent) timeline(uuid string) ([]client.Moment, error) {
	entries, err := a.journal.Lookup(uuid)
	if err != nil {
		return nil, fmt.Errorf("timeline of %s: %w", uuid, err)
	}
	var out []client.Moment
	for _, e := range entries {
		m, err := MomentOf(e)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// MomentOf gives a journal entry the form of a line that a person reads. It
// needs no key: nothing sealed is shown.
func MomentOf(e journal.Record) (client.Moment, error) {
	r, err := decode(e)
	if err != nil {
		return client.Moment{}, err
	}
	return client.Moment{
		LSN: uint64(e.LSN), At: time.UnixMilli(r.When()).UTC(), Who: who(r.Type()), Record: r.Type().String(), Detail: detail(r),
	}, nil
}

// who acted, so that the record was made.
func who(t txn.RecordType) string {
	switch t {
	case txn.TypeIntent, txn.TypeOwed, txn.TypeConfirmed, txn.TypeShown:
		return "application"
	case txn.TypeApproved, txn.TypeDeclined, txn.TypeReversalAnswer, txn.TypeLate, txn.TypeEvidence,
		txn.TypeInquiryAnswer, txn.TypeAdviceAnswer, txn.TypeAdvised, txn.TypeBatchAnswer, txn.TypeScriptEnded:
		return "host"
	case txn.TypeResolved, txn.TypeAcknowledged, txn.TypeBatchResolved:
		return "operator"
	default:
		return "agent"
	}
}

// detail is the record's own fields, "key=value", in the order of their
// names, without what is empty or long.
func detail(r txn.Record) string {
	b, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	var fields map[string]any
	if json.Unmarshal(b, &fields) != nil {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[k].(type) {
		case string:
			if v != "" && k != "digest" && k != "card_hash" && k != "rules" {
				parts = append(parts, k+"="+v)
			}
		case float64:
			parts = append(parts, fmt.Sprintf("%s=%.0f", k, v))
		case bool:
			if v {
				parts = append(parts, k)
			}
		}
	}
	return strings.Join(parts, " ")
}

// hosts is the state of every address of every acquirer.
func (a *Agent) hosts() []client.Host {
	out := []client.Host{}
	for _, name := range slices.Sorted(maps.Keys(a.acquirers)) {
		out = append(out, a.acquirers[name].hosts()...)
	}
	return out
}

// notReady lists what stands in the way of a sale.
func (a *Agent) notReady() []string {
	var why []string
	if err := a.Err(); err != nil {
		why = append(why, "the agent has failed: "+err.Error())
	}
	select {
	case <-a.stopped:
		why = append(why, "the agent is stopping")
	default:
	}
	if err := a.journal.Reserve(journal.ClassIntent, intentBytes); err != nil {
		why = append(why, err.Error())
	}
	if err := a.marks.Err(); err != nil {
		why = append(why, "the journal's mark cannot be written: "+err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(a.acquirers)) {
		acq := a.acquirers[name]
		if !acq.profile.Link.Persistent {
			continue // connections are made when they are needed
		}
		if up := slices.ContainsFunc(acq.hosts(), func(h client.Host) bool { return h.Up }); !up {
			why = append(why, "acquirer "+name+": no address can be reached")
		}
	}
	return why
}
