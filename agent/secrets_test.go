package agent_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/journal"
)

const (
	otherPAN     = "6228480000000000000"
	testPINBlock = "1B9C1845EB993A7A"
	testMasked   = "411111******1111"
)

// secrets is what must never be seen outside the wire and the journal's sealed
// part: card numbers, track data, PIN block, plain or dressed up.
var secrets = func() (all []string) {
	for _, s := range []string{testPAN, otherPAN, testTrack, testPINBlock} {
		b64 := base64.RawStdEncoding.EncodeToString([]byte(s))
		all = append(all, s, strings.ToUpper(hex.EncodeToString([]byte(s))), strings.ToUpper(b64[:len(b64)-1]))
	}
	return append(all, "4111 1111 1111 1111", "4111-1111-1111-1111", "30121010000012300")
}()

// cardDataIn finds secrets, whatever their case.
func cardDataIn(text string) (found int) {
	text = strings.ToUpper(text)
	for _, s := range secrets {
		if strings.Contains(text, s) {
			found++
		}
	}
	return found
}

func noCardData(t testing.TB, where, text string) {
	t.Helper()
	if cardDataIn(text) > 0 {
		t.Errorf("%s holds card data", where) // and is not quoted
	}
}

func TestTheSearchFindsCardData(t *testing.T) {
	pan := []byte(testPAN)
	for _, s := range []string{
		"a " + testPAN, strings.ToLower(testPINBlock), "x" + testTrack + "y", hex.EncodeToString(pan),
		base64.StdEncoding.EncodeToString(pan), "4111 1111 1111 1111",
	} {
		if cardDataIn(s) == 0 {
			t.Error("not found in one of the forms")
		}
	}
	if cardDataIn(testMasked) != 0 {
		t.Error("the masked number is none")
	}
}

// journalText is everything in a journal that is not sealed, and the sealed
// parts as they are stored.
func journalText(t testing.TB, j journal.Journal) string {
	t.Helper()
	var b strings.Builder
	err := j.Scan(1, func(e journal.Record) error {
		b.WriteString(e.Group + " " + strings.Join(e.Keys, " ") + " ")
		b.Write(e.Clear)
		b.Write(e.Sealed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// searchLab searches what a test left behind: its log, and its journal where
// that can still be read. TestTheSearchFindsCardData proves the search.
func searchLab(t testing.TB, l *lab) {
	t.Helper()
	noCardData(t, "the log", l.log.String())
	if l.journal == nil {
		return
	}
	_ = l.journal.Scan(1, func(e journal.Record) error {
		noCardData(t, "the journal", e.Group+" "+strings.Join(e.Keys, " "))
		noCardData(t, "the journal", string(e.Clear))
		noCardData(t, "the journal", string(e.Sealed))
		return nil
	})
}

// Card data in every place where it does not belong, and in the one where it
// does: nothing of it comes back, is logged, or is journaled in clear.
func TestCardDataStaysWhereItBelongs(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		body := l.sale("S1", 100)
		body.Card.PINBlock = testPINBlock
		l.begin(id, body, time.Minute)

		tx := "/v1/transactions/"
		good := string(mustJSON(t, body))
		pan, track, pin := `"`+testPAN+`"`, `"`+testTrack+`"`, `"`+testPINBlock+`"`
		calls := [][3]string{
			{"PUT", tx + id, good},
			{"PUT", tx + testPAN, good},
			{"PUT", tx + client.NewUUID() + "?wait=" + testPAN, good},
			{"PUT", tx + client.NewUUID(), testPAN},
			{"PUT", tx + client.NewUUID(), good[:len(good)-20]},
			{"PUT", tx + client.NewUUID(), good + testTrack},
			{"PUT", tx + client.NewUUID(), strings.ReplaceAll(good, `"`, "")},
			{"PUT", tx + client.NewUUID(), strings.Repeat(good, 100)},
			{"PUT", tx + client.NewUUID(), l.with(testPAN, "1")},
			{"PUT", tx + client.NewUUID(), l.with(testTrack, "1")},
			{"PUT", tx + client.NewUUID(), l.with("amount", testPAN)},
			{"PUT", tx + client.NewUUID(), l.with("epoch", testPAN)},
			{"PUT", tx + client.NewUUID(), l.with("card", pan)},
			{"PUT", tx + client.NewUUID(), l.with("card.expiry", pan)},
			{"PUT", tx + client.NewUUID(), l.with("card.entry_mode", pan)},
			{"PUT", tx + client.NewUUID(), l.with("card.track2", `";`+testTrack+`?"`)},
			{"PUT", tx + client.NewUUID(), l.with("card.pin_block", track)},
			{"PUT", tx + client.NewUUID(), l.with("card.pan", track)},
			{"PUT", tx + client.NewUUID(), l.with("card.pan", testPAN)},
			{"PUT", tx + client.NewUUID(), l.with("card."+testPAN, "1")},
			{"GET", "/v1/" + testPAN, ""},
			{"GET", tx + "?state=" + testPAN, ""},
			{"GET", "/v1/transactions?state=" + testPAN, ""},
			{"GET", "/v1/transactions?sale=" + testPAN, ""},
			{testPAN, tx + id, ""},
			{"POST", tx + id + "/confirm", `{"pan":` + pan + `}`},
			{"POST", tx + id + "/cancel", `{"reason":` + pan + `}`},
			{"POST", tx + id + "/shown", `{"delivered":` + track + `}`},
			{"POST", tx + id + "/resolve", `{"verb":` + pan + `,"who":` + pan + `}`},
			{"POST", tx + id + "/resolve", `{"verb":"park","who":"anna","why":` + track + `}`},
			{"POST", tx + id + "/resolve", `{"verb":"park","who":` + pan + `,"why":"x"}`},
			{"POST", tx + id + "/acknowledge", `{"item":1,"who":` + pan + `}`},
			{"POST", tx + id + "/resolve", `{"verb":"acquirer-reversed","reference":` + pan + `,"who":"anna","why":"x"}`},
			{"GET", tx + id + "?timeline=1", ""},
			{"GET", "/v1/recovery", ""},
		}
		for _, field := range []string{"type", "terminal", "currency", "sale", "part"} {
			for _, v := range []string{pan, track, pin, `"` + otherPAN + `"`, `"4111-1111-1111-1111"`} {
				if v != pin || field != "sale" && field != "part" { // 16 hexadecimal digits may be a reference
					calls = append(calls, [3]string{"PUT", tx + client.NewUUID(), l.with(field, v)})
				}
			}
		}
		before := l.journal.Last()
		for _, c := range calls {
			_, answer := l.raw(c[0], c[1], c[2])
			noCardData(t, "an answer", string(answer))
		}
		if l.journal.Last() != before {
			t.Error("something of it was journaled")
		}

		// The host sends card data back: in a message that is evidence, and in
		// one that does not parse.
		for _, ref := range []string{"S2", "S3"} {
			l.begin(client.NewUUID(), l.sale(ref, 100), time.Minute)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(evidence(t, l.journal)); n < 2 {
			t.Errorf("%d pieces of evidence: the host's words were not kept", n)
		}
		text, log := journalText(t, l.journal), l.log.String()
		noCardData(t, "the journal", text)
		noCardData(t, "the log", log)
		for where, text := range map[string]string{"journal": text, "log": log} {
			if !strings.Contains(text, testMasked) {
				t.Errorf("the %s has no masked number: the search proves nothing", where)
			}
		}
	}, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, n int) mishap {
			switch {
			case m.MTI == "0200" && n == 2:
				return mishap{change: func(a *iso8583.Message) {
					a.Set(2, testPAN)
					a.Set(35, testTrack)
					a.Set(52, testPINBlock)
					a.Set(44, "CARD "+testPAN)
					a.Set(102, otherPAN)
					a.Set(39, "")
				}}
			case m.MTI == "0200" && n == 3:
				return mishap{raw: "0210" + testTrack + testPINBlock + testPAN}
			}
			return mishap{}
		}
	})
}

// Card data in each header, in the host's name and in the method, of calls that
// are answered and of calls that are not HTTP: no answer, with its own headers,
// and no log gives it back.
func TestCardDataInHeaders(t *testing.T) {
	bubble(t, func(l *lab) {
		id := client.NewUUID()
		good := string(mustJSON(t, l.sale("S1", 100)))
		l.begin(id, l.sale("S0", 100), time.Minute)
		calls := [][2]string{{"PUT /v1/transactions/" + client.NewUUID(), good}, {"GET /v1/transactions/" + id, ""}, {"GET /v1/events", ""}, {"GET /nowhere", ""}, {"POST /v1/sessions", "{}"}}
		names := []string{"Last-Event-ID", "Authorization", "Content-Type", "Accept", "Cookie", "Origin", "Referer", "User-Agent", "Idempotency-Key", "Expect", "Transfer-Encoding", "X-" + testPAN, "X Y"}
		answers := 0
		for _, secret := range []string{testPAN, testTrack, testPINBlock} {
			for _, c := range calls {
				for _, name := range names {
					answers += l.spoken(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%s: %s\r\n\r\n%s", c[0], len(c[1]), name, secret, c[1]))
				}
				answers += l.spoken(t, fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", c[0], secret))
				answers += l.spoken(t, fmt.Sprintf("%s HTTP/%s\r\n\r\n", c[0], secret))
			}
			answers += l.spoken(t, secret+" / HTTP/1.1\r\nHost: x\r\n\r\n")
			answers += l.spoken(t, "GET /"+secret+"?"+secret+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			answers += l.spoken(t, secret+"\r\n\r\n")
		}
		if answers < 100 {
			t.Errorf("%d answers: the search proves nothing", answers)
		}
	})
}

// spoken says something raw to the local API and looks at all that comes back
// until the end, or for a while: a stream has none. It is 1 if anything did.
func (l *lab) spoken(t *testing.T, text string) int {
	t.Helper()
	c, err := l.http.dial(l.ctx())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = io.WriteString(c, text) }()
	answer, _ := io.ReadAll(c)
	noCardData(t, "an answer with its headers", string(answer))
	return min(len(answer), 1)
}

// What a reversal needs of the card is in the sealed part, and track and PIN
// are not even there.
func TestWhatIsSealed(t *testing.T) {
	bubble(t, func(l *lab) {
		body := l.sale("S1", 100)
		body.Card.PINBlock = testPINBlock
		l.begin(client.NewUUID(), body, time.Minute)
		sealed := 0
		if err := l.journal.Scan(1, func(e journal.Record) error {
			if len(e.Sealed) == 0 {
				return nil
			}
			sealed++
			plain, err := l.journal.Unseal(e)
			if !strings.Contains(string(plain), testPAN) {
				t.Error("no card number in the sealed part")
			}
			if text := string(plain); strings.Contains(text, testTrack) || strings.Contains(strings.ToUpper(text), testPINBlock) || strings.Contains(text, "1010000012300") {
				t.Error("track data or PIN block in the sealed part")
			}
			return err
		}); err != nil || sealed != 1 {
			t.Fatalf("%d sealed parts, %v", sealed, err)
		}
	})
}
