package txn

import (
	"slices"

	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// The record types of batches.
const (
	TypeBatchNumber    RecordType = 80
	TypeBatchLeft      RecordType = 81
	TypeBatchClosing   RecordType = 82
	TypeBatchFrozen    RecordType = 83
	TypeBatchMessage   RecordType = 84
	TypeBatchAnswer    RecordType = 85
	TypeBatchSettled   RecordType = 86
	TypeBatchEscalated RecordType = 87
	TypeBatchResolved  RecordType = 88
)

// BatchNumber begins a terminal's next batch; at the beginning of a journal
// segment it says the present one anew.
type BatchNumber struct {
	Head
	TID    iso8583.TID `json:"tid"`
	Number string      `json:"number"`
	Serial int         `json:"serial"`
	Used   int         `json:"used,omitempty"` // intents in it already
}

// BatchLeftOver says that the terminal is in another batch although this one is
// not settled.
type BatchLeftOver struct {
	Head
	TID    iso8583.TID `json:"tid"`
	Serial int         `json:"serial"`
	Number string      `json:"number"`
}

// BatchClosingBegun says that the batch is to be settled.
type BatchClosingBegun struct {
	Head
	TID    iso8583.TID `json:"tid"`
	Serial int         `json:"serial"`
	Number string      `json:"number"`
	Rules  string      `json:"rules"`
	Route  int         `json:"route"`
	Who    string      `json:"who,omitempty"`
}

// BatchFrozen fixes what the settlement is about: everything in the journal
// before this record, and nothing after it.
type BatchFrozen struct {
	Head
	Debit       int64            `json:"debit"`
	DebitCount  int              `json:"debit_count"`
	Credit      int64            `json:"credit"`
	CreditCount int              `json:"credit_count"`
	Currency    iso8583.Currency `json:"currency,omitempty"`
	Counted     string           `json:"counted,omitempty"`  // STANs of six digits, in the order of the upload
	Owed        string           `json:"owed,omitempty"`     // STANs of what is left out, undecided
	Unlisted    int              `json:"unlisted,omitempty"` // so many at the end of Counted are in no upload
}

// BatchMessage says that this message may leave. Each of its sends has the same
// identity; after a restart it is sent again.
type BatchMessage struct {
	Head
	Kind         iso8583.Kind `json:"kind"`
	TID          iso8583.TID  `json:"tid"`
	STAN         iso8583.STAN `json:"stan"`
	Transmission string       `json:"de7"`
	LocalTime    string       `json:"de12"`
	LocalDate    string       `json:"de13"`
	From         int          `json:"from,omitempty"`  // of an upload: the first record, from 0
	Count        int          `json:"count,omitempty"` // of an upload: how many
}

// BatchAnswer is the host's answer to the latest message, as far as it changes
// something.
type BatchAnswer struct {
	Head
	Code     string               `json:"code,omitempty"`
	Domestic iso8583.BatchVerdict `json:"domestic,omitempty"`
	Foreign  iso8583.BatchVerdict `json:"foreign,omitempty"`
	Uploaded int                  `json:"uploaded,omitempty"` // records that the host has acknowledged
	Text     string               `json:"text"`
}

// BatchSettled is final. It is durable together with the terminal's next batch
// number, so that it moves once and only once.
type BatchSettled struct {
	Head
	Outcome BatchState `json:"outcome"`
	Who     string     `json:"who,omitempty"` // the operator whose word it is
	Why     string     `json:"why,omitempty"`
	Ref     string     `json:"reference,omitempty"`
}

// BatchEscalated puts an item into the escalation queue.
type BatchEscalated struct {
	Head
	Cause Cause `json:"cause"`
}

// BatchResolved says that a person has dealt with the batch's items.
type BatchResolved struct {
	Head
	Who string `json:"who"`
	Why string `json:"why"`
	Ref string `json:"reference,omitempty"`
}

// Type makes each record a Record.
func (*BatchNumber) Type() RecordType       { return TypeBatchNumber }
func (*BatchLeftOver) Type() RecordType     { return TypeBatchLeft }
func (*BatchClosingBegun) Type() RecordType { return TypeBatchClosing }
func (*BatchFrozen) Type() RecordType       { return TypeBatchFrozen }
func (*BatchMessage) Type() RecordType      { return TypeBatchMessage }
func (*BatchAnswer) Type() RecordType       { return TypeBatchAnswer }
func (*BatchSettled) Type() RecordType      { return TypeBatchSettled }
func (*BatchEscalated) Type() RecordType    { return TypeBatchEscalated }
func (*BatchResolved) Type() RecordType     { return TypeBatchResolved }

func (r *BatchNumber) fields(c *coder) {
	str(c, 2, &r.TID)
	str(c, 3, &r.Number)
	num(c, 4, &r.Serial)
	num(c, 5, &r.Used)
}

func (r *BatchLeftOver) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.Serial)
	str(c, 4, &r.Number)
}

func (r *BatchClosingBegun) fields(c *coder) {
	str(c, 2, &r.TID)
	num(c, 3, &r.Serial)
	str(c, 4, &r.Number)
	str(c, 5, &r.Rules)
	num(c, 6, &r.Route)
	str(c, 7, &r.Who)
}

func (r *BatchFrozen) fields(c *coder) {
	c.int64(2, &r.Debit)
	num(c, 3, &r.DebitCount)
	c.int64(4, &r.Credit)
	num(c, 5, &r.CreditCount)
	num(c, 6, &r.Currency)
	str(c, 7, &r.Counted)
	str(c, 8, &r.Owed)
	num(c, 9, &r.Unlisted)
}

func (r *BatchMessage) fields(c *coder) {
	str(c, 2, &r.Kind)
	str(c, 3, &r.TID)
	num(c, 4, &r.STAN)
	str(c, 5, &r.Transmission)
	str(c, 6, &r.LocalTime)
	str(c, 7, &r.LocalDate)
	num(c, 8, &r.From)
	num(c, 9, &r.Count)
}

func (r *BatchAnswer) fields(c *coder) {
	str(c, 2, &r.Code)
	num(c, 3, &r.Domestic)
	num(c, 4, &r.Foreign)
	num(c, 5, &r.Uploaded)
	str(c, 6, &r.Text)
}

func (r *BatchSettled) fields(c *coder) {
	num(c, 2, &r.Outcome)
	str(c, 3, &r.Who)
	str(c, 4, &r.Why)
	str(c, 5, &r.Ref)
}

func (r *BatchEscalated) fields(c *coder) { str(c, 2, &r.Cause) }

func (r *BatchResolved) fields(c *coder) { str(c, 2, &r.Who); str(c, 3, &r.Why); str(c, 4, &r.Ref) }

// applyBatch folds a record of this file, and says whether it was one.
func (m *Machine) applyBatch(r Record) bool {
	switch r := r.(type) {
	case *BatchNumber:
		m.batches[r.TID] = &batchHead{Number: r.Number, Serial: r.Serial, Used: r.Used}
		return true
	case *BatchLeftOver:
		m.addBatch(&Batch{TID: r.TID, Serial: r.Serial, Number: r.Number, State: BatchLeft})
		return true
	case *BatchClosingBegun:
		m.addBatch(&Batch{
			TID: r.TID, Serial: r.Serial, Number: r.Number, State: BatchClosing, Begun: r.At, Rules: r.Rules, Route: r.Route, Who: r.Who,
		})
		m.settling = append(slices.Clip(m.settling), r.Group()) // copies of m share it
		return true
	case *BatchFrozen, *BatchMessage, *BatchAnswer, *BatchSettled, *BatchEscalated, *BatchResolved:
	default:
		return false
	}
	b := m.byGroup(r.Group())
	if b == nil {
		return true
	}
	if msg, ok := r.(*BatchMessage); ok {
		m.head(msg.TID).used(msg.STAN, msg.At)
		m.claim(msg.Group(), STANKey(msg.TID, msg.STAN), false)
	}
	b.apply(r)
	if b.State.Final() && slices.Contains(m.settling, b.Group()) {
		m.settling = slices.DeleteFunc(slices.Clone(m.settling), func(g string) bool { return g == b.Group() })
		m.prune(b.TID)
	}
	return true
}

// addBatch makes b known, in the place of what was known of it: one that was
// left is being closed.
func (m *Machine) addBatch(b *Batch) {
	m.settlements = slices.DeleteFunc(slices.Clone(m.settlements), func(o *Batch) bool { return o.Group() == b.Group() })
	m.settlements = append(m.settlements, b)
}

func (b *Batch) apply(r Record) {
	switch r := r.(type) {
	case *BatchFrozen:
		b.State, b.Currency = BatchSettling, r.Currency
		b.Totals = iso8583.Totals{Debit: r.Debit, DebitCount: r.DebitCount, Credit: r.Credit, CreditCount: r.CreditCount}
		b.Counted, b.Owed, b.Unlisted = splitSTANs(r.Counted), splitSTANs(r.Owed), r.Unlisted
	case *BatchMessage:
		b.Message = *r
		switch {
		case r.Kind.Uploads():
			b.State = BatchUploading
		case r.Kind == iso8583.KindUploadEnd, r.Kind == iso8583.KindUploadEndUnbalanced:
			b.State = BatchEnding
		}
	case *BatchAnswer:
		if b.State == BatchSettling {
			b.Verdicts = [2]iso8583.BatchVerdict{r.Domestic, r.Foreign}
		}
		b.Uploaded = max(b.Uploaded, r.Uploaded)
	case *BatchSettled:
		b.State, b.Ended, b.Stuck = r.Outcome, r.At, false
		b.closeItems(&r.Head, r.Who, CauseBatchSilence, CauseBatchRefused, CauseLost)
	case *BatchEscalated:
		b.Items = append(slices.Clip(b.Items), Item{Cause: r.Cause, At: r.At})
		b.Stuck = b.Stuck || r.Cause == CauseLost
	case *BatchResolved:
		b.closeItems(&r.Head, r.Who)
	}
}

func (b *Batch) closeItems(h *Head, who string, only ...Cause) {
	b.Items = slices.Clone(b.Items)
	for i := range b.Items {
		if it := &b.Items[i]; !it.Closed && (len(only) == 0 || slices.Contains(only, it.Cause)) {
			it.Closed, it.ClosedBy, it.ClosedAt = true, who, h.At
		}
	}
}

// joinSTANs writes STANs as six digits each.
func joinSTANs(all []iso8583.STAN) string {
	b := make([]byte, 0, 6*len(all))
	for _, n := range all {
		b = append(b, n.String()...)
	}
	return string(b)
}

func splitSTANs(s string) (all []iso8583.STAN) {
	for ; len(s) >= 6; s = s[6:] {
		n, err := iso8583.ParseSTAN(s[:6])
		if err != nil {
			return all
		}
		all = append(all, n)
	}
	return all
}
