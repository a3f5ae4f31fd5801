package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// bodyLimit is what a call may allocate, and 64 bytes for each byte of its body;
// the agent's other goroutines are counted with it.
const bodyLimit = 4 << 20

var manyDigits = regexp.MustCompile(`[0-9]{12,}`)

// FuzzBody sends any body to the calls that take one: an answer of the API's
// form, no panic, nothing journaled of what is refused, and no refusal quotes
// what could be a card number; the memory it takes is bounded by the body's
// length. The host declines whatever is admitted. Seeds are committed under
// testdata/fuzz.
func FuzzBody(f *testing.F) {
	l := newLab(f, func(l *lab) { l.quiet = true; l.host.mishap = only('2', mishap{unprocessed: "05"}) })
	f.Cleanup(func() { _ = l.stop(); l.host.close() })
	srv := l.agent.Server(agent.APIOptions{PeerOf: func(net.Conn) (agent.Peer, error) { return agent.Peer{Operator: true}, nil }})
	ctx := srv.ConnContext(context.Background(), nil)

	verbs := []string{"", "/confirm", "/cancel", "/shown", "/resolve", "/acknowledge"}
	for _, body := range []string{
		l.with("", ""), l.with("amount", "-1"), l.with("amount", "1e5"), l.with("amount", "1000000000000"), l.with("part", `"2"`), l.with("card.track2", `"`+testTrack+`"`),
		l.with("card.pin_block", `"`+testPINBlock+`"`), l.with("epoch", "1"), "{}", "[]", "null", "", `{"type":"sale"}{}`,
	} {
		f.Add(uint8(0), []byte(body))
	}
	f.Add(uint8(1), []byte(`{}`))
	f.Add(uint8(2), []byte(`{"reason":"customer"}`))
	f.Add(uint8(3), []byte(`{"delivered":"yes"}`))
	f.Add(uint8(4), []byte(`{"verb":"acquirer-debited","who":"anna","why":"rang","reference":"A1"}`))
	f.Fuzz(func(t *testing.T, verb uint8, body []byte) {
		method, path := "POST", "/v1/transactions/"+client.NewUUID()+verbs[int(verb)%len(verbs)]
		if int(verb)%len(verbs) == 0 {
			method, path = "PUT", path+"?wait=20s"
		}
		before := l.journal.Last()
		w := httptest.NewRecorder()
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		srv.Handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, bytes.NewReader(body)))
		runtime.ReadMemStats(&end)
		if n := end.TotalAlloc - start.TotalAlloc; n > bodyLimit+64*uint64(len(body)) {
			t.Errorf("%d bytes were allocated for a body of %d", n, len(body))
		}
		answer := w.Body.Bytes()
		if w.Code == 202 {
			var tx client.Transaction
			if err := json.Unmarshal(answer, &tx); err != nil || tx.State != "declined" || method != "PUT" {
				t.Fatalf("%v %s", err, answer)
			}
			return
		}
		var p client.Problem
		if err := json.Unmarshal(answer, &p); err != nil || p.Code == "" || p.Retry == "" || p.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%d %v %s", w.Code, err, answer)
		}
		if w.Code >= 500 {
			t.Fatalf("%s", answer)
		}
		p.Other = "" // a UUID
		p.Detail = strings.ReplaceAll(p.Detail, strconv.FormatInt(iso8583.MaxMinor, 10), "the most")
		if text, err := json.Marshal(p); err != nil || manyDigits.Match(text) {
			t.Fatalf("%v: the answer quotes a number: %s", err, text)
		}
		if l.journal.Last() != before {
			t.Fatalf("refused with %s, and journaled", p.Code)
		}
	})
}
