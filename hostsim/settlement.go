package hostsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// A terminal's batch is closed by its 0500, whatever came of the comparison: with
// the same totals at once, with others when the terminal has said its last word.
// A repeated 0500 gets the answer that the first one got. What is reversed after
// that is reversed all the same.

// EventSettled closes a terminal's batch. Its key is the 0500's.
const EventSettled EventType = "settled"

// Settle is a request to compare a batch.
type Settle struct {
	Key    Key // of the 0500, or of the last word
	Totals iso8583.Totals
	Force  [2]iso8583.BatchVerdict // a fault's verdict; zero: none
	Last   bool                    // the terminal's last word: it closes, whatever it says
}

// settlement is a batch that is closed.
type settlement struct {
	key     Key
	at      time.Time
	verdict [2]iso8583.BatchVerdict
	entries []*entry
	totals  iso8583.Totals // this host's, then
}

// batchOf is the batch that a key is of, "" in a dialect without: then a batch is
// what came since the settlement before.
func batchOf(k Key) string {
	if b, ok := strings.CutPrefix(k.Transmission, "0000"); ok {
		return b
	}
	return ""
}

// unsettled lists what the terminal's batch holds.
func (l *Ledger) unsettled(k Key) (out []*entry) {
	for _, e := range l.order {
		if e.key.TID == k.TID && batchOf(e.key) == batchOf(k) && !e.settled && e.state == StateApproved && e.sign() != 0 {
			out = append(out, e)
		}
	}
	return out
}

// sign says what e does to totals: a debit above zero, a credit below.
func (e *entry) sign() int {
	switch effects[e.typ].does {
	case EventDebit:
		return 1
	case EventCredit:
		return -1
	}
	return 0
}

func totalsOf(all []*entry) (t iso8583.Totals) {
	for _, e := range all {
		switch {
		case e.moved == 0:
		case e.sign() > 0:
			t.Debit += e.moved
			t.DebitCount++
		default:
			t.Credit += e.moved
			t.CreditCount++
		}
	}
	return t
}

// Settle compares a batch. The verdict is per side; this host has domestic cards
// only, so that the foreign side balances.
func (l *Ledger) Settle(now time.Time, r Settle) Verdict {
	for _, s := range l.settlements {
		if s.key == r.Key {
			return Verdict{Code: settleCode(s.verdict), Sides: s.verdict, Note: "repeat: same answer"}
		}
	}
	all := l.unsettled(r.Key)
	v := Verdict{Sides: [2]iso8583.BatchVerdict{iso8583.BatchBalanced, iso8583.BatchBalanced}}
	if own := totalsOf(all); own != r.Totals {
		v.Sides[0] = iso8583.BatchUnbalanced
		v.Note = fmt.Sprintf("this host has debits %d/%d credits %d/%d", own.Debit, own.DebitCount, own.Credit, own.CreditCount)
	}
	if r.Force != ([2]iso8583.BatchVerdict{}) {
		v.Sides = r.Force
	}
	v.Code = settleCode(v.Sides)
	if r.Last || v.Code == CodeApproved {
		v.Events = []Event{{
			N: l.last + 1, At: now, Type: EventSettled, Key: r.Key, Code: fmt.Sprintf("%d%d", v.Sides[0], v.Sides[1]), Note: v.Note,
		}}
	}
	return v
}

// settleCode is DE 39 of the generic dialect (C.31).
func settleCode(v [2]iso8583.BatchVerdict) string {
	if v[0] == iso8583.BatchBalanced && v[1] == iso8583.BatchBalanced {
		return CodeApproved
	}
	return "95"
}

// applySettled closes the batch.
func (l *Ledger) applySettled(ev Event) {
	s := &settlement{key: ev.Key, at: ev.At, entries: l.unsettled(ev.Key)}
	for i := range min(2, len(ev.Code)) {
		s.verdict[i] = iso8583.BatchVerdict(ev.Code[i] - '0')
	}
	s.totals = totalsOf(s.entries)
	for _, e := range s.entries {
		e.settled = true
	}
	l.settlements = append(l.settlements, s)
}

// SettlementView is one closed batch as this host holds it.
type SettlementView struct {
	At           time.Time      `json:"at"`
	TID          iso8583.TID    `json:"tid"`
	Batch        string         `json:"batch,omitempty"`
	Verdict      string         `json:"verdict"` // domestic and foreign cards: 1 balanced, 2 not, 3 error
	Totals       iso8583.Totals `json:"totals"`
	Transactions []SettledEntry `json:"transactions"`
}

// SettledEntry is one transaction of a closed batch.
type SettledEntry struct {
	STAN   string       `json:"stan"`
	Type   iso8583.Type `json:"type"`
	Debit  int64        `json:"debit"`
	Credit int64        `json:"credit"`
	RRN    iso8583.RRN  `json:"rrn,omitempty"`
}

// Settlements lists the closed batches of a terminal, or of all, oldest first.
func (h *Host) Settlements(tid iso8583.TID) (out []SettlementView) {
	for _, b := range h.books {
		out = append(out, b.settlements(tid)...)
	}
	return out
}

func (b *book) settlements(tid iso8583.TID) (out []SettlementView) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.ledger.settlements {
		if tid != "" && s.key.TID != tid {
			continue
		}
		v := SettlementView{
			At: s.at, TID: s.key.TID, Batch: batchOf(s.key), Verdict: fmt.Sprintf("%d/%d", s.verdict[0], s.verdict[1]),
			Totals: s.totals, Transactions: []SettledEntry{},
		}
		for _, e := range s.entries {
			t := SettledEntry{STAN: e.key.STAN.String(), Type: e.typ, RRN: e.rrn}
			if e.sign() > 0 {
				t.Debit = e.moved
			} else {
				t.Credit = e.moved
			}
			v.Transactions = append(v.Transactions, t)
		}
		out = append(out, v)
	}
	return out
}

// settleOf reads a 0500 or a 0520.
func settleOf(m *iso8583.Message) (Settle, error) {
	key, err := newKey(string(m.MTI), string(terminal(m)), m.Get(11), m.Get(7))
	if err != nil {
		return Settle{}, errors.Join(errFormat, err)
	}
	r := Settle{Key: key, Last: m.MTI != "0500"}
	var problem error
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		problem = errors.Join(problem, err)
		return n
	}
	if v := m.Get(48); len(v) == 62 {
		r.Totals = iso8583.Totals{
			Debit: number(v[:12]), DebitCount: int(number(v[12:15])), Credit: number(v[15:27]), CreditCount: int(number(v[27:30])),
		}
	} else if m.MTI != "0320" {
		r.Totals = iso8583.Totals{
			Debit: number(m.Get(88)), DebitCount: int(number(m.Get(76))), Credit: number(m.Get(86)), CreditCount: int(number(m.Get(74))),
		}
	}
	if problem != nil {
		return Settle{}, errors.Join(errFormat, problem)
	}
	return r, nil
}

// settle answers a 0500, a 0520 and the messages of an upload. The records that
// are uploaded change nothing here: what this host has, it has.
func (x *exchange) settle() {
	r, err := settleOf(x.m)
	if err != nil {
		x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
		return
	}
	if x.kind.ChipUpload() {
		if err := certificate(x.raw); err != nil {
			x.answer(Verdict{Code: CodeFormat, Note: err.Error()})
			return
		}
	}
	if x.kind.Uploads() || x.kind == iso8583.KindUploadEnd {
		x.answer(Verdict{Code: CodeApproved})
		return
	}
	if x.f.Action == ForceVerdict {
		r.Force = [2]iso8583.BatchVerdict{iso8583.BatchVerdict(x.f.Verdict[0] - '0'), iso8583.BatchVerdict(x.f.Verdict[2] - '0')}
	}
	h := x.s.h
	v := x.decide(func(l *Ledger, _ Policy) Verdict { return l.Settle(h.now(), r) })
	if len(v.Events) > 0 {
		h.keys.settled(r.Key)
	}
	if x.m.MTI == "0320" { // the last word is taken, not compared
		v.Code, v.Sides = CodeApproved, [2]iso8583.BatchVerdict{}
	}
	x.answer(v)
}

// settleKind says what a message about a batch is for, or "".
func settleKind(m *iso8583.Message) iso8583.Kind {
	switch {
	case m.MTI == "0500":
		return iso8583.KindSettle
	case m.MTI == "0520":
		return iso8583.KindUploadEndUnbalanced
	case m.MTI != "0320":
		return ""
	}
	switch m.Get(70) {
	case "201":
		return iso8583.KindUpload
	case "203":
		return iso8583.KindUploadChip
	case "204":
		return iso8583.KindUploadChipFailed
	case "202":
		return iso8583.KindUploadEndUnbalanced
	case "207":
		return iso8583.KindUploadEnd
	}
	return ""
}

func validVerdict(s string) bool {
	return len(s) == 3 && s[1] == '/' && slices.Contains([]byte("123"), s[0]) && slices.Contains([]byte("123"), s[2])
}
