package agent_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

var (
	typeLine   = regexp.MustCompile(`^# TYPE (counterfoil_[a-z_]+) (gauge|counter|histogram|info)$`)
	sampleLine = regexp.MustCompile(`^(counterfoil_[a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+$`)
)

// families holds the text to OpenMetrics 1.0 and gives its families.
func families(t *testing.T, text string) map[string]string {
	t.Helper()
	out, family, kind := map[string]string{}, "", ""
	suffixes := map[string][]string{"gauge": {""}, "counter": {"_total"}, "info": {"_info"}, "histogram": {"_bucket", "_sum", "_count"}}
	lines := strings.Split(text, "\n")
	if n := len(lines); n < 2 || lines[n-2] != "# EOF" || lines[n-1] != "" {
		t.Fatalf("it does not end with # EOF:\n%s", text)
	}
	for _, line := range lines[:len(lines)-2] {
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if family, kind = m[1], m[2]; out[family] != "" {
				t.Errorf("%s is there twice", family)
			}
			out[family] = kind
			continue
		}
		if strings.HasPrefix(line, "# HELP "+family+" ") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		good := false
		for _, s := range suffixes[kind] {
			good = good || m != nil && m[1] == family+s
		}
		if !good {
			t.Errorf("under %s (%s): %s", family, kind, line)
		}
	}
	return out
}

// What is exposed counts what there is, and each of it is in the guide.
func TestMetrics(t *testing.T) {
	_, option := withEar(t)
	bubble(t, func(l *lab) {
		l.paid("S1")
		item := l.undelivered("S2")
		l.begin(client.NewUUID(), l.sale("S3", 100), time.Minute)
		if _, err := l.client.Begin(l.ctx(), client.NewUUID(), l.sale("S1", 700), 0); client.AsProblem(err) == nil {
			t.Fatal(err)
		}
		synctest.Wait()
		text := l.metrics()
		for _, want := range []string{
			`counterfoil_build_info{version="test"} 1`,
			`counterfoil_transactions_open{state="approved"} 1`,
			`counterfoil_transactions_open{state="reversing"} 0`,
			`counterfoil_escalations_open{cause="not_delivered"} 1`,
			`counterfoil_escalations_alarmed 1`,
			`counterfoil_refused_total{code="sale_paid"} 1`,
			`counterfoil_queue_limit{queue="fence"} 512`,
			`counterfoil_host_up{acquirer="sim",route="0",address="host:1"} 1`,
			`counterfoil_journal_refuses{class="intent"} 0`,
			`counterfoil_push_delivered_total{receiver="ear"} 1`,
			`counterfoil_push_waiting{receiver="ear"} 0`,
			`counterfoil_event_readers_cut_total 0`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("no %s", want)
			}
		}
		l.acknowledge(item, "anna")
		synctest.Wait()
		text = l.metrics()
		if !strings.Contains(text, "counterfoil_escalations_alarmed 0\n") || !strings.Contains(text, "counterfoil_push_waiting{receiver=\"ear\"} 0\n") {
			t.Error("it is still alarmed")
		}
	}, option)

	// A whole journal has more to say.
	b := newBed(t, hostsim.Config{}, func(b *bed) {
		j, err := journal.Open(filepath.Join(t.TempDir(), "j"), journal.Options{Key: make([]byte, 32), Final: agent.FinalState})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.Close() })
		b.journal = j
	})
	b.paid(iso8583.Sale, "S1", 100)
	guide, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range families(t, b.text("/metrics")) {
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/operations.md says nothing of `%s`: add it to the table of metrics", name)
		}
	}
	var j client.Journal
	if err := json.Unmarshal([]byte(b.text("/v1/journal")), &j); err != nil || j.Position < 4 || j.Told != j.Position || j.Intents != "taken" || j.Index == "" || j.Syncs == 0 || j.Segments == 0 {
		t.Errorf("%+v %v", j, err)
	}
}

// text is what a path answers.
func (b *bed) text(path string) string {
	b.t.Helper()
	text, err := b.client.Text(b.ctx(), path)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// noRoom is a journal without room for a new transaction.
type noRoom struct{ journal.Journal }

func (f noRoom) Reserve(c journal.Class, n int) error {
	if c == journal.ClassIntent {
		return journal.ErrNoSpace
	}
	return f.Journal.Reserve(c, n)
}

func TestJournalWithoutRoom(t *testing.T) {
	bubble(t, func(l *lab) {
		res, body := l.raw(http.MethodGet, "/v1/journal", "")
		var j client.Journal
		if err := json.Unmarshal(body, &j); err != nil || res.StatusCode != 200 || j.Intents == "taken" || j.Outcomes != "taken" {
			t.Errorf("%s", body)
		}
		if text := l.metrics(); !strings.Contains(text, `counterfoil_journal_refuses{class="intent"} 1`) || !strings.Contains(text, `counterfoil_journal_refuses{class="outcome"} 0`) {
			t.Error(text)
		}
	}, func(l *lab) { l.journal = noRoom{l.journal} })
}

func TestTerminals(t *testing.T) {
	b := newBed(t, hostsim.Config{})
	b.escalated("S1")
	list, err := b.client.Terminals(b.ctx())
	if err != nil || len(list.Terminals) != 2 {
		t.Fatalf("%+v %v", list, err)
	}
	if s := list.Terminals[0]; s.TID != testTID || s.Owed != 1 || s.Open != 1 || s.Escalations != 1 || s.Profile != "iso87-ascii" || s.Gate != "limit" || s.OwedLimit != 5 || s.Rules == "" {
		t.Errorf("%+v", s)
	}
	if s := list.Terminals[1]; s.Open+s.Owed+s.Escalations != 0 {
		t.Errorf("%+v", s)
	}
}

// An owed reversal says when the next attempt is.
func TestOpenOneSaysWhatItWaitsFor(t *testing.T) {
	bubble(t, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, _ int) mishap { return mishap{mute: m.MTI != "0800"} }
		id := client.NewUUID()
		tx := l.begin(id, l.sale("S1", 100), time.Second)
		if tx.Waits == nil || tx.Waits.For != "the host's answer" || time.Until(tx.Waits.Until).Round(time.Second) != 39*time.Second {
			t.Fatalf("%+v", tx.Waits)
		}
		time.Sleep(65 * time.Second)
		synctest.Wait()
		tx = l.get(id)
		if tx.State != "reversing" || tx.Waits == nil || !tx.Waits.Until.After(time.Now()) {
			t.Fatalf("%s %+v", tx.State, tx.Waits)
		}
	})
}
