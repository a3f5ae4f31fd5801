package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// session begins one whose end is the test's business.
func (l *lab) session(n client.NewSession) *client.Session {
	l.t.Helper()
	if n.Terminal == "" && n.Terminals == nil {
		n.Terminal = testTID
	}
	s, err := l.client.BeginSession(l.ctx(), n)
	if err != nil {
		l.t.Fatalf("session: %v", err)
	}
	l.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// under is a sale of the session.
func (l *lab) under(s *client.Session, ref string, amount int64) client.Begin {
	b := l.sale(ref, amount)
	b.Session = s.Session
	return b
}

// over says whether the session's end is known.
func over(s *client.Session) bool {
	synctest.Wait()
	select {
	case <-s.Over():
		return true
	default:
		return false
	}
}

// A lease that is held and beaten lasts, far longer than any timeout of the
// server's or the heartbeat.
func TestSessionLasts(t *testing.T) {
	bubble(t, func(l *lab) {
		s := l.session(client.NewSession{Application: "till", Version: "1.0", Heartbeat: "5s"})
		if s.Epoch != l.epoch || s.Heartbeat != "5s" || s.Date != time.Now().UTC().Format(time.DateOnly) || len(s.Recovery.Terminals) != 0 {
			t.Errorf("%+v", s.SessionInfo)
		}
		time.Sleep(time.Hour)
		if over(s) {
			t.Fatal("it ended")
		}
		if err := s.Close(l.ctx()); err != nil || !over(s) {
			t.Errorf("close: %v", err)
		}
		if err := s.Close(l.ctx()); err != nil {
			t.Errorf("close again: %v", err)
		}
	})
}

// rawSession begins a session without a client's help: who holds what is up to
// the test.
func (l *lab) rawSession(body string) client.SessionInfo {
	l.t.Helper()
	res, answer := l.raw("POST", "/v1/sessions", body)
	var info client.SessionInfo
	if err := json.Unmarshal(answer, &info); err != nil || res.StatusCode != http.StatusCreated || info.Session == "" {
		l.t.Fatalf("%s %s", res.Status, answer)
	}
	return info
}

// stream holds a lease; cancel is the end of whoever holds it.
func (l *lab) stream(id string) (cancel func(), ended <-chan struct{}) {
	l.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.http.dial(ctx) }}
	req, err := http.NewRequestWithContext(ctx, "GET", "http://counterfoil/v1/sessions/"+id+"/lease", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		l.t.Fatalf("lease: %v %v", err, res)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		tr.CloseIdleConnections()
	}()
	return func() { stop(); <-done }, done
}

// C.3: the application dies while the daemon lives. How that is noticed: the
// stream ends; or a child of the dead application holds the socket open, or the
// application hangs, and the heartbeat is missed.
func TestApplicationDies(t *testing.T) {
	for _, c := range []struct {
		name   string
		die    func(*lab, client.SessionInfo)
		orphan time.Duration // from the death to the reversal
	}{
		{"the stream ends", func(l *lab, s client.SessionInfo) {
			cancel, _ := l.stream(s.Session)
			time.Sleep(3 * time.Second)
			if res, answer := l.raw("POST", "/v1/sessions/"+s.Session+"/heartbeat", ""); res.StatusCode != 200 {
				l.t.Fatalf("%s %s", res.Status, answer)
			}
			cancel()
		}, 30 * time.Second},
		{"a child holds the socket open", func(l *lab, s client.SessionInfo) {
			cancel, _ := l.stream(s.Session)
			l.t.Cleanup(cancel)
		}, 40 * time.Second},
		{"it never opened the stream", func(*lab, client.SessionInfo) {}, 40 * time.Second},
		{"it says goodbye", func(l *lab, s client.SessionInfo) {
			if res, answer := l.raw("DELETE", "/v1/sessions/"+s.Session, ""); res.StatusCode != 200 {
				l.t.Fatalf("%s %s", res.Status, answer)
			}
		}, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(l *lab) {
				s := l.rawSession(`{"terminal":"` + testTID + `","heartbeat":"10s"}`)
				id := client.NewUUID()
				b := l.sale("S1", 100)
				b.Session = s.Session
				l.begin(id, b, time.Minute)
				c.die(l, s)
				synctest.Wait()
				time.Sleep(c.orphan - time.Second)
				l.state(id, "approved")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if tx := l.state(id, "reversed"); tx.Cause != "orphaned" {
					t.Errorf("cause %s", tx.Cause)
				}
			})
		})
	}
}

// A restarted application takes its terminal over, and is told what to do about
// what it left.
func TestTakeover(t *testing.T) {
	bubble(t, func(l *lab) {
		first := l.session(client.NewSession{Terminals: []iso8583.TID{testTID, "T0000002"}})
		id := client.NewUUID()
		l.begin(id, l.under(first, "S1", 100), time.Minute)
		second := l.session(client.NewSession{})
		if !over(first) {
			t.Error("the first one lives")
		}
		r := second.Recovery
		if len(r.Terminals) != 1 || len(r.Terminals[0].Steps) != 1 || r.Terminals[0].Steps[0] != (client.Step{Do: client.DoCancel, UUID: id}) {
			t.Errorf("%+v", r.Terminals)
		}
		if _, err := l.client.Confirm(l.ctx(), id); err != nil {
			t.Error(err)
		}
		if over(second) {
			t.Error("the second one ended")
		}
		// Its requests come under the new session; what was asked before is asked
		// for again under the same UUID.
		if _, err := l.client.Begin(l.ctx(), client.NewUUID(), l.under(first, "S2", 100), 0); client.AsProblem(err) == nil || client.AsProblem(err).Code != "unknown_session" {
			t.Errorf("got %v", err)
		}
		if tx := l.begin(id, l.under(second, "S1", 100), 0); tx.State != "confirmed" {
			t.Errorf("state %s", tx.State)
		}
	})
}

// C.3, the converse: the daemon dies while the application lives. Its lease
// ends, and it begins anew.
func TestSessionEndsWithTheAgent(t *testing.T) {
	bubble(t, func(l *lab) {
		s := l.session(client.NewSession{})
		id := client.NewUUID()
		l.begin(id, l.under(s, "S1", 100), time.Minute)
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		if !over(s) {
			t.Error("it does not know")
		}
		l.reopen()
		l.start()
		again := l.session(client.NewSession{})
		if steps := again.Recovery.Terminals[0].Steps; len(steps) != 1 || steps[0].UUID != id {
			t.Errorf("%+v", steps)
		}
		time.Sleep(59 * time.Second)
		l.state(id, "approved") // its whole time anew
	})
}

func TestSessionBadInput(t *testing.T) {
	bubble(t, func(l *lab) {
		s := l.session(client.NewSession{})
		post := func(name, body string, status int, code, field string) problemCase {
			retry := client.RetryNewID
			return problemCase{name, "POST", "/v1/sessions", body, status, code, retry, field}
		}
		with := func(more string) string { return `{"terminal":"` + testTID + `",` + more + `}` }
		sale := func(key, value string) string { return l.with(key, value) }
		begin := "/v1/transactions/" + client.NewUUID()
		for _, c := range []problemCase{
			post("nothing", "", 400, "bad_request", ""),
			post("no terminal", "{}", 422, "bad_field", "terminal"),
			post("both", with(`"terminals":["T0000002"]`), 422, "bad_field", "terminal"),
			post("a terminal twice", `{"terminals":["`+testTID+`","`+testTID+`"]}`, 422, "bad_field", "terminals"),
			post("a terminal that is none", `{"terminal":"T 1"}`, 422, "bad_field", "terminals"),
			post("unknown terminal", `{"terminal":"T0000009"}`, 422, "unknown_terminal", ""),
			post("heartbeat too short", with(`"heartbeat":"999ms"`), 422, "bad_field", "heartbeat"),
			post("heartbeat too long", with(`"heartbeat":"61s"`), 422, "bad_field", "heartbeat"),
			post("heartbeat that is none", with(`"heartbeat":"often"`), 422, "bad_field", "heartbeat"),
			post("application with a card number", with(`"application":"`+testPAN+`"`), 422, "bad_field", "application"),
			post("version too odd", with(`"version":"<1>"`), 422, "bad_field", "version"),
			post("unknown field", with(`"tip":1`), 400, "unknown_field", "tip"),
			{"lease of none", "GET", "/v1/sessions/x/lease", "", 410, "unknown_session", client.RetrySameID, ""},
			{"lease held", "GET", "/v1/sessions/" + s.Session + "/lease", "", 409, "lease_held", client.RetryNever, ""},
			{"heartbeat of none", "POST", "/v1/sessions/x/heartbeat", "", 410, "unknown_session", client.RetrySameID, ""},
			{"end of none", "DELETE", "/v1/sessions/x", "", 410, "unknown_session", client.RetrySameID, ""},
			{"sale under none", "PUT", begin, sale("session", `"0123456789abcdef0123456789abcdef"`), 410, "unknown_session", client.RetrySameID, ""},
			{"sale under what is no id", "PUT", begin, sale("session", `"`+testPAN+`"`), 422, "bad_field", client.RetryNewID, "session"},
		} {
			l.refused(t, c)
		}
		unfit := l.under(s, "S1", 100)
		unfit.Terminal = "T0000002"
		l.refused(t, problemCase{"sale on another terminal", "PUT", begin, string(mustJSON(t, unfit)), 409, "session_unfit", client.RetrySameID, ""})
		if over(s) {
			t.Error("a refusal ended the session")
		}
	})
}

// Leases take none of the slots that requests share.
func TestLeasesTakeNoSlots(t *testing.T) {
	bubble(t, func(l *lab) {
		for i := range l.tids {
			l.session(client.NewSession{Terminal: l.tids[i]})
		}
		l.begin(client.NewUUID(), l.sale("S1", 100), time.Minute)
	}, func(l *lab) {
		l.tids = []iso8583.TID{testTID}
		for i := range 1100 {
			l.tids = append(l.tids, iso8583.TID(fmt.Sprintf("L%07d", i)))
		}
	})
}

// Implicit confirmation: with the approval, while the lease lives (R10 after
// it).
func TestImplicit(t *testing.T) {
	bubble(t, func(l *lab) {
		l.refused(t, problemCase{"without a session", "PUT", "/v1/transactions/" + client.NewUUID(), l.with("", ""), 409, "session_required", client.RetrySameID, ""})
		s := l.session(client.NewSession{})
		part := l.under(s, "S1", 100)
		part.Partial = "accept"
		l.refused(t, problemCase{"a part will do", "PUT", "/v1/transactions/" + client.NewUUID(), string(mustJSON(t, part)), 409, "confirmation_required", client.RetryNewID, ""})
		id := client.NewUUID()
		if tx := l.begin(id, l.under(s, "S1", 100), time.Minute); tx.State != "confirmed" || tx.Must != client.MustShowApproved || !tx.Implicit {
			t.Errorf("%+v", tx)
		}
		// It dies after the commit: on restart it is asked to show.
		again := l.session(client.NewSession{})
		if steps := again.Recovery.Terminals[0].Steps; len(steps) != 1 || steps[0] != (client.Step{Do: client.DoAsk, UUID: id}) {
			t.Errorf("%+v", steps)
		}
		if _, err := l.client.Shown(l.ctx(), id, "yes"); err != nil {
			t.Error(err)
		}
		if h, err := l.client.Health(l.ctx()); err != nil || !h.Terminals[0].Implicit {
			t.Errorf("%v %+v", err, h)
		}
	}, func(l *lab) { l.implicit = true })
}

// R10: what recovery says, in order, and what becomes of the answers.
func TestRecoveryInOrder(t *testing.T) {
	bubble(t, func(l *lab) {
		s := newScene(l)
		r, err := l.client.Recovery(l.ctx())
		if err != nil {
			t.Fatal(err)
		}
		want := []client.Step{
			{Do: client.DoCancel, UUID: s.approved}, {Do: client.DoAsk, UUID: s.confirmed}, {Do: client.DoWait, UUID: s.pending},
			{Do: client.DoShow, UUID: s.declined}, {Do: client.DoShow, UUID: s.reversed}, {Do: client.DoShow, UUID: s.reversing}, {Do: client.DoShow, UUID: s.parked},
		}
		if got := fmt.Sprint(r.Terminals); got != fmt.Sprint([]client.TerminalRecovery{{Terminal: testTID, Steps: want}}) || len(r.Transactions) != len(want) {
			t.Errorf("got %s", got)
		}
		if tx, err := l.client.Shown(l.ctx(), s.confirmed, "no"); err != nil || tx.Must != client.MustVoid {
			t.Fatalf("%v %+v", err, tx)
		}
		if r, err = l.client.Recovery(l.ctx()); err != nil || r.Terminals[0].Steps[1] != (client.Step{Do: client.DoVoid, UUID: s.confirmed}) {
			t.Errorf("%v %+v", err, r.Terminals)
		}
		void := client.Begin{Type: iso8583.Void, Terminal: testTID, Epoch: l.epoch, Original: s.confirmed}
		l.begin(client.NewUUID(), void, time.Minute)
		if tx := l.get(s.confirmed); tx.Must != client.MustNothing || len(tx.Items) != 1 || !tx.Items[0].Closed {
			t.Errorf("%+v", tx)
		}
	}, moody)
}

// field-problems.md 6: the card is switched in mid-sale. Whatever the first
// attempt had reached, it is closed before the second leaves.
func TestSwitch(t *testing.T) {
	bubble(t, func(l *lab) {
		first, second := client.NewUUID(), client.NewUUID()
		l.begin(first, l.sale("S1", muteAmount), 0)
		synctest.Wait()
		b := l.sale("S1", 500)
		b.Replaces = first
		tx := l.begin(second, b, 0)
		if tx.Warning != "being_reversed" || tx.Other != first || tx.Replaces != first {
			t.Errorf("%+v", tx)
		}
		synctest.Wait()
		if tx := l.state(first, "reversing"); tx.Cause != "replaced" || tx.Say.Cashier.EN == "" || tx.Say == l.get(second).Say {
			t.Errorf("%+v", tx)
		}
		l.state(second, "approved")
		if got := l.host.messages(); !slices.Equal(got, []string{"0200", "0400", "0200"}) {
			t.Errorf("the host saw %v", got)
		}
	}, moody)
}

func TestSwitchBadInput(t *testing.T) {
	bubble(t, func(l *lab) {
		s := newScene(l)
		begin := "/v1/transactions/" + client.NewUUID()
		with := func(sale, replaces string) string {
			b := l.sale(sale, 500)
			b.Replaces = replaces
			return string(mustJSON(t, b))
		}
		for _, c := range []problemCase{
			{"no UUID", "PUT", begin, with("APPROVED", "x"), 422, "bad_field", client.RetryNewID, "replaces"},
			{"itself", "PUT", "/v1/transactions/" + s.approved, with("APPROVED", s.approved), 422, "bad_field", client.RetryNewID, "replaces"},
			{"unknown", "PUT", begin, with("APPROVED", client.NewUUID()), 422, "replaced_unknown", client.RetryNewID, ""},
			{"of another sale", "PUT", begin, with("NEW", s.approved), 422, "replaced_unfit", client.RetryNewID, ""},
			{"committed", "PUT", begin, with("CONFIRMED", s.confirmed), 409, "sale_paid", client.RetryNever, ""},
		} {
			if p := l.refused(t, c); c.code == "sale_paid" && p.Other != s.confirmed {
				t.Errorf("%s: other %s", c.name, p.Other)
			}
		}
		l.state(s.approved, "approved")
		void := client.Begin{Type: iso8583.Void, Terminal: testTID, Epoch: l.epoch, Original: s.confirmed, Replaces: s.approved}
		l.refused(t, problemCase{"a void", "PUT", begin, string(mustJSON(t, void)), 422, "bad_field", client.RetryNewID, "replaces"})
	}, moody)
}

// field-problems.md 2: flash exit, and the cashier rings it up again.
func TestSuspectedDuplicate(t *testing.T) {
	bubble(t, func(l *lab) {
		first := client.NewUUID()
		l.begin(first, l.sale("S1", 100), time.Minute)
		if _, err := l.client.Confirm(l.ctx(), first); err != nil {
			t.Fatal(err)
		}
		begin := "/v1/transactions/" + client.NewUUID()
		refused := problemCase{"", "PUT", begin, l.with("sale", `"S2"`), 409, "suspected_duplicate", client.RetryNewID, ""}
		if p := l.refused(t, refused); p.Other != first {
			t.Errorf("other %s", p.Other)
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l.reopen()
		l.start()
		synctest.Wait()
		l.refused(t, refused)
		b := l.sale("S2", 100)
		b.NotDuplicateOf = first
		if tx := l.begin(client.NewUUID(), b, time.Minute); tx.State != "approved" || tx.NotDupOf != first {
			t.Errorf("%+v", tx)
		}
	}, func(l *lab) { l.profile.Rules.DuplicateWindow = iso8583.Duration(5 * time.Minute) })
}

// A sale in parts: all of them, and what they sum to, also after memory has let
// them go.
func TestSplitTender(t *testing.T) {
	bubble(t, func(l *lab) {
		pay := func(part string, amount int64) string {
			id := client.NewUUID()
			b := l.sale("S1", amount)
			b.Part = part
			l.begin(id, b, time.Minute)
			if _, err := l.client.Confirm(l.ctx(), id); err != nil {
				t.Fatal(err)
			}
			if _, err := l.client.Shown(l.ctx(), id, "yes"); err != nil {
				t.Fatal(err)
			}
			return id
		}
		one := pay("1", 300)
		pay("2", 400)
		b := l.sale("S1", 200)
		b.Part = "3"
		l.begin(client.NewUUID(), b, time.Minute)
		refund := client.Begin{Type: iso8583.Refund, Terminal: testTID, Epoch: l.epoch, Original: one, Amount: 100}
		l.begin(client.NewUUID(), refund, time.Minute)
		sums := func() client.SaleView {
			list, err := l.client.List(l.ctx(), url.Values{"sale": {"S1"}})
			if err != nil || list.Sale == nil || len(list.Transactions) != 3 || list.Transactions[0].Part != "3" {
				t.Fatalf("%v %+v", err, list)
			}
			return *list.Sale
		}
		want := client.SaleView{Reference: "S1", Sums: []client.Tally{{Currency: "CNY", Paid: 600, Undecided: 200}}}
		if got := sums(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %+v", got)
		}
		for i := range 5 { // others, which push these out of memory
			id := client.NewUUID()
			l.begin(id, l.sale(fmt.Sprint("X", i), 100), time.Minute)
			_, _ = l.client.Cancel(l.ctx(), id, "customer")
		}
		synctest.Wait()
		if got := sums(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after eviction: %+v", got)
		}
		if list, err := l.client.List(l.ctx(), url.Values{"sale": {"NONE"}}); err != nil || len(list.Transactions) != 0 || len(list.Sale.Sums) != 0 {
			t.Errorf("%v %+v", err, list)
		}
	}, func(l *lab) { l.setup = func(a *agent.Agent) { a.SetHotLimit(1) } })
}
