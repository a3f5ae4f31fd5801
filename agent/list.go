package agent

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// Bounds of GET /v1/transactions: one call reads at most this much of the
// journal, and says where the next one goes on.
const (
	listWindow  = 2048 // entries at a time, from the newest back
	listWindows = 16
)

// stateOpen stands for every state that is not decided.
const stateOpen = "open"

// filter is what a list is asked for.
type filter struct {
	states []txn.State // none: all
	tid    iso8583.TID
	sale   string
	since  int64 // Unix milliseconds
	limit  int
	from   string // opaque: where an earlier page ended
}

func parseFilter(q url.Values) (filter, *client.Problem) {
	f := filter{tid: iso8583.TID(q.Get("terminal")), sale: q.Get("sale"), limit: listLimit, from: q.Get("from")}
	if name := q.Get("state"); name == stateOpen {
		f.states = slices.DeleteFunc(txn.States(), func(s txn.State) bool { return !s.Open() })
	} else if name != "" {
		s, err := txn.ParseState(name)
		if err != nil {
			return f, badField("state", "want open, or one of %v", txn.States())
		}
		f.states = []txn.State{s}
	}
	if f.sale != "" && (len(f.sale) > maxSale || !reference.MatchString(f.sale) || holdsPAN(f.sale, "")) {
		return f, badField("sale", "want a sale's reference: 1 to %d of letters, digits and . _ : # -", maxSale)
	}
	if v := q.Get("since"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return f, badField("since", "want a time such as 2026-11-25T08:00:00Z")
		}
		f.since = t.UnixMilli()
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > listLimit {
			return f, badField("limit", "want 1 to %d", listLimit)
		}
		f.limit = n
	}
	return f, nil
}

func (f *filter) keeps(t *txn.Transaction) bool {
	return (len(f.states) == 0 || slices.Contains(f.states, t.State)) && f.keepsIntent(&t.Intent)
}

func (f *filter) keepsIntent(i *txn.Intent) bool {
	return (f.tid == "" || i.TID == f.tid) && (f.sale == "" || i.Sale == f.sale) && i.At >= f.since
}

// openOnly says that memory has all that is asked for.
func (f *filter) openOnly() bool {
	return len(f.states) > 0 && !slices.ContainsFunc(f.states, func(s txn.State) bool { return !s.Open() })
}

// list gives transactions, the newest first, a page at a time.
func (s *api) list(r *http.Request, w http.ResponseWriter) *client.Problem {
	f, p := parseFilter(r.URL.Query())
	if p != nil {
		return p
	}
	page := pager{agent: s.agent, filter: &f}
	var err error
	if f.openOnly() {
		err = page.fromMemory()
	} else {
		err = page.fromJournal()
	}
	switch {
	case errors.Is(err, errBadPage):
		return badField("from", "want what an earlier page gave as next")
	case err != nil:
		return newProblem(codeStopping)
	}
	out := client.List{Transactions: []client.Transaction{}, More: page.next != "", Next: page.next}
	if f.sale != "" {
		if out.Sale, err = s.agent.saleView(f.sale); err != nil {
			return newProblem(codeStopping)
		}
	}
	for i := range page.found {
		out.Transactions = append(out.Transactions, *s.agent.present(&page.found[i]))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

var errBadPage = errors.New("no such page")

// pager makes one page.
type pager struct {
	agent  *Agent
	filter *filter
	found  []txn.Transaction
	next   string
}

// fromMemory pages through what is open. Where a page ended is told by the
// intent's time and the UUID, since what was on it may be closed by then.
func (p *pager) fromMemory() error {
	at, uuid := int64(1)<<62, ""
	if p.filter.from != "" {
		if _, err := fmt.Sscanf(strings.Replace(p.filter.from, "/", " ", 1), "%d %s", &at, &uuid); err != nil {
			return errBadPage
		}
	}
	all, _ := p.agent.view.list(1<<30, func(t *txn.Transaction) bool {
		return p.filter.keeps(t) && (t.At < at || t.At == at && t.UUID < uuid)
	})
	slices.SortFunc(all, func(a, b txn.Transaction) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.UUID, a.UUID))
	})
	if p.found = all; len(all) > p.filter.limit {
		p.found = all[:p.filter.limit]
		last := &p.found[len(p.found)-1]
		p.next = fmt.Sprintf("%d/%s", last.At, last.UUID)
	}
	return nil
}

// fromJournal pages from the newest intent back. Where a page ended is an LSN.
func (p *pager) fromJournal() error {
	end := p.agent.feed.end() + 1 // what is behind it, the view does not have yet
	if p.filter.from != "" {
		n, err := strconv.ParseUint(p.filter.from, 10, 63)
		if err != nil {
			return errBadPage
		}
		end = min(end, journal.LSN(n))
	}
	for range listWindows {
		if end <= 1 {
			return nil
		}
		begin := end - min(end-1, listWindow)
		w, err := p.window(begin, end)
		if err != nil || p.next != "" {
			return err
		}
		switch {
		case w.first == 0: // nor is anything below it
			return p.carried(end)
		case w.first > begin:
			return p.carried(w.first)
		}
		if w.newest < p.filter.since-dayMillis { // clocks jump, but seldom by a day
			return nil
		}
		end = begin
	}
	p.next = strconv.FormatUint(uint64(end), 10)
	return nil
}

const dayMillis = int64(24 * time.Hour / time.Millisecond)

// windowed is what a window was.
type windowed struct {
	first  journal.LSN // its oldest entry, 0 where there was none
	newest int64       // latest time in it
}

// window takes what is wanted of the intents in [begin, end), newest first.
func (p *pager) window(begin, end journal.LSN) (w windowed, err error) {
	type hit struct {
		uuid string
		lsn  journal.LSN
	}
	var hits []hit
	err = p.agent.journal.Scan(begin, func(e journal.Record) error {
		if e.LSN >= end {
			return errEnough
		}
		if w.first == 0 {
			w.first = e.LSN
		}
		begins := txn.RecordType(e.Type) == txn.TypeIntent
		if !begins && p.filter.since == 0 {
			return nil
		}
		r, err := decode(e)
		if err != nil {
			return err
		}
		w.newest = max(w.newest, r.When())
		if begins && p.filter.keepsIntent(r.(*txn.Intent)) {
			hits = append(hits, hit{r.Group(), e.LSN})
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return w, err
	}
	for _, h := range slices.Backward(hits) {
		t, ok, err := p.agent.find(h.uuid)
		if err != nil {
			return w, err
		}
		if !ok || !p.filter.keeps(&t) {
			continue
		}
		if len(p.found) == p.filter.limit {
			p.next = strconv.FormatUint(uint64(h.lsn)+1, 10)
			return w, nil
		}
		p.found = append(p.found, t)
	}
	return w, nil
}

// carried adds what is not settled and whose intent lies below the oldest entry
// that is kept: such a transaction is carried along, however old it is.
func (p *pager) carried(oldest journal.LSN) error {
	if oldest <= 1 {
		return nil
	}
	var err error
	all, _ := p.agent.view.list(1<<30, func(t *txn.Transaction) bool {
		return (t.State.Open() || t.Escalated()) && p.filter.keeps(t)
	})
	for i := range all {
		var group []journal.Record
		if group, err = p.agent.journal.Lookup(all[i].UUID); err != nil {
			return err
		}
		if len(group) > 0 && group[0].LSN < oldest {
			p.found = append(p.found, all[i]) // beyond the limit: they are few, and there is no page after this
		}
	}
	return nil
}
