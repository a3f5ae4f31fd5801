package agent_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

// pages follows a list to its end.
func (l *lab) pages(q url.Values) (sales []string, pages int) {
	l.t.Helper()
	for {
		list, err := l.client.List(l.ctx(), q)
		if err != nil {
			l.t.Fatal(err)
		}
		if list.More != (list.Next != "") {
			l.t.Fatalf("more %v, next %q", list.More, list.Next)
		}
		for _, t := range list.Transactions {
			sales = append(sales, t.Sale)
		}
		if pages++; !list.More {
			return sales, pages
		}
		q.Set("from", list.Next)
	}
}

// Transactions that have left memory are found, the newest first, none twice
// and none missing, whatever the page.
func TestListReachesIntoTheJournal(t *testing.T) {
	bubble(t, func(l *lab) {
		const n = 60
		var want []string
		for i := range n {
			l.paid(fmt.Sprintf("S%02d", i))
			want = append(want, fmt.Sprintf("S%02d", i))
			time.Sleep(time.Minute)
		}
		since := time.Now().UTC().Format(time.RFC3339)
		l.begin(client.NewUUID(), l.sale("open", 100), time.Minute)
		synctest.Wait()
		slices.Reverse(want)
		all := append([]string{"open"}, want...)
		for _, c := range []struct {
			name  string
			q     url.Values
			want  []string
			pages int
		}{
			{"all", url.Values{}, all, 1},
			{"pages of seven", url.Values{"limit": {"7"}}, all, 9},
			{"one state", url.Values{"state": {"confirmed"}, "limit": {"50"}}, want, 2},
			{"open", url.Values{"state": {"open"}}, all[:1], 1},
			{"approved", url.Values{"state": {"approved"}}, all[:1], 1},
			{"one sale", url.Values{"sale": {"S07"}}, []string{"S07"}, 1},
			{"since", url.Values{"since": {since}}, all[:1], 1},
			{"another terminal", url.Values{"terminal": {"T0000002"}}, nil, 1},
		} {
			if got, pages := l.pages(c.q); !slices.Equal(got, c.want) || pages != c.pages {
				t.Errorf("%s: %d pages of %v, want %d of %v", c.name, pages, got, c.pages, c.want)
			}
		}
	}, func(l *lab) { l.setup = func(a *agent.Agent) { a.SetHotLimit(3) } })
}

// One call reads a bounded part of the journal; the next goes on there.
func TestListIsBounded(t *testing.T) {
	bubble(t, func(l *lab) {
		l.paid("S1")
		l.stuff(40_000)
		got, pages := l.pages(url.Values{"sale": {"S1"}})
		if !slices.Equal(got, []string{"S1"}) || pages != 2 {
			t.Errorf("%d pages of %v", pages, got)
		}
	})
}

// stuff fills the journal with entries that are none of the list's, and starts
// the agent again.
func (l *lab) stuff(n int) {
	l.t.Helper()
	_ = l.stop()
	l.reopen()
	batch := make([]journal.Entry, n)
	for i := range batch {
		batch[i] = agent.Entries(evidenceRecords(1))[0]
	}
	if _, err := l.journal.Append(batch); err != nil {
		l.t.Fatal(err)
	}
	l.start()
	synctest.Wait()
}

// An open transaction is listed although the segment of its intent is gone.
func TestListHasWhatIsCarried(t *testing.T) {
	bubble(t, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, _ int) mishap { return mishap{mute: m.MTI != "0800"} }
		l.begin(client.NewUUID(), l.sale("owed", 100), time.Minute)
		time.Sleep(time.Minute)
		_ = l.stop()
		l.journal = truncated{l.journal.(*journal.Memory).Reopen(), 5}
		l.start()
		if got, _ := l.pages(url.Values{}); !slices.Equal(got, []string{"owed"}) {
			t.Error(got)
		}
	})
}

func TestListRefusesNonsense(t *testing.T) {
	bubble(t, func(l *lab) {
		for field, value := range map[string]string{"state": "lost", "since": "yesterday", "limit": "201", "from": "x"} {
			l.refused(t, problemCase{field, http.MethodGet, "/v1/transactions?" + field + "=" + value, "", 422, "bad_field", client.RetryNewID, field})
		}
		l.refused(t, problemCase{"from of open", http.MethodGet, "/v1/transactions?state=open&from=x", "", 422, "bad_field", client.RetryNewID, "from"})
	})
}

// What is open is paged out of memory, the newest first.
func TestListOfOpenOnesIsPaged(t *testing.T) {
	bubble(t, func(l *lab) {
		var want []string
		for i := range 5 {
			l.begin(client.NewUUID(), l.sale(fmt.Sprint("S", i), 100), time.Minute)
			want = append([]string{fmt.Sprint("S", i)}, want...)
			time.Sleep(time.Second)
		}
		if got, pages := l.pages(url.Values{"state": {"open"}, "limit": {"2"}}); !slices.Equal(got, want) || pages != 3 {
			t.Errorf("%d pages of %v", pages, got)
		}
	})
}

func evidenceRecords(n int) (out []txn.Record) {
	for range n {
		out = append(out, &txn.Evidence{Head: txn.Head{UUID: "evidence:", At: 1}, Why: "stuffing"})
	}
	return out
}
