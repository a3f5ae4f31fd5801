package agent_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// forbidden is each sensitive tag with a value of its own, in hexadecimal.
var forbidden = func() map[string]string {
	all := map[string]string{}
	for i, tag := range iso8583.SensitiveTags() {
		all[tag] = fmt.Sprintf("%02XD5EC4E7F00D0%02XBEEFCAFE", 0xA0+i, 0xB0+i)
	}
	all["57"] = "4111111111111111D30121010000012300"
	all["5A"] = testPAN
	return all
}()

// chipSecretsIn finds what must not be seen of chip data: plain, as bytes, as
// hexadecimal, as Base64, whatever the case.
func chipSecretsIn(text string) (found int) {
	upper := strings.ToUpper(text)
	for _, v := range forbidden {
		raw, err := hex.DecodeString(v)
		if err != nil {
			panic(err)
		}
		b64 := base64.RawStdEncoding.EncodeToString(raw)
		for _, form := range []string{v, strings.ToUpper(hex.EncodeToString([]byte(v))), strings.ToUpper(b64[:len(b64)-1])} {
			if strings.Contains(upper, form) {
				found++
			}
		}
		if strings.Contains(text, string(raw)) {
			found++
		}
	}
	return found
}

func TestTheSearchFindsChipData(t *testing.T) {
	for tag, v := range forbidden {
		raw, _ := hex.DecodeString(v)
		for _, s := range []string{"x" + v + "y", strings.ToLower(v), string(raw), base64.StdEncoding.EncodeToString(raw), hex.EncodeToString([]byte(v))} {
			if chipSecretsIn(s) == 0 {
				t.Errorf("tag %s is not found in one of its forms", tag)
			}
		}
	}
	if chipSecretsIn(chipKept) != 0 {
		t.Error("what may be kept is none")
	}
}

func tlv(tag, value string) string {
	v, err := iso8583.NewTLV(tag, value)
	if err != nil {
		panic(err)
	}
	return v.Hex()
}

// Every sensitive tag by every route that chip data can take: in begin, plain
// and inside a template; in confirm; in the answers of the host. None is
// journaled, logged at any level, or answered.
func TestChipDataStaysWhereItBelongs(t *testing.T) {
	var all, inside string
	for tag, v := range forbidden {
		all += tlv(tag, v)
		inside += tlv(tag, v)
	}
	template := tlv("70", inside)
	n := 0
	bubble(t, func(l *lab) {
		see := func(where, text string) {
			t.Helper()
			noCardData(t, where, text)
			if chipSecretsIn(text) > 0 {
				t.Errorf("%s holds chip data that must not be kept", where) // and is not quoted
			}
		}
		put := func(card, more string) {
			n++
			body := fmt.Sprintf(`{"type":"sale","terminal":%q,"epoch":%d,"amount":100,"currency":"CNY","sale":"C%d"%s,"card":%s}`, testTID, l.epoch, n, more, card)
			id := client.NewUUID()
			_, answer := l.raw("PUT", "/v1/transactions/"+id+"?wait=10s", body)
			see("an answer", string(answer))
			for _, confirm := range []string{
				``, `{"chip":{"9F27":"` + all[:60] + `"}}`, `{"chip":{"9F27":"40","9F26":"` + testPAN + `","95":"0000000000"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000","57":"` + forbidden["57"] + `"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000","9F10":"` + testPAN + `"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000","scripts":"` + testPAN + `"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000","scripts":"` + hex.EncodeToString([]byte(testPAN)) + `"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000","scripts":"` + all + `"}}`,
				`{"chip":{"9F27":"40","9F26":"A1A2A3A4A5A6A7A8","95":"0000000000"}}`,
			} {
				_, answer := l.raw("POST", "/v1/transactions/"+id+"/confirm", confirm)
				see("an answer to confirm", string(answer))
			}
			_, answer = l.raw("GET", "/v1/transactions/"+id+"?timeline=1", "")
			see("a timeline", string(answer))
		}
		card := func(emv string) string {
			return fmt.Sprintf(`{"pan":%q,"entry_mode":"051","emv":%q}`, testPAN, emv)
		}
		put(card(chipSent+all), "")
		put(card(chipSent+template), `,"partial":"accept"`)
		put(card(all), "")
		put(card(template), "")
		put(card(all[:len(all)-2]), "")                   // cut
		put(card("zz"+all), "")                           // no hexadecimal
		put(card(chipSent+tlv("9F10", testPAN+"00")), "") // twice
		put(card(tlv("9F10", testPAN+"00")+chipSent), "") // the number in a kept tag
		put(card(strings.Replace(chipSent, "A0000003330101", testPAN[:14], 1)), "")
		put(fmt.Sprintf(`{"pan":%q,"entry_mode":"071","emv":%q}`, testPAN, tlv("84", testPAN)+chipSent), "")
		put(fmt.Sprintf(`{"pan":%q,"entry_mode":%q,"emv":%q}`, testPAN, all[:30], chipSent), "")
		put(fmt.Sprintf(`{"handle":{"data":%q,"ksn":"FFFF9876543210E00001","masked":%q,"token":%q}}`, testPAN, testPAN, testPAN), "")
		put(fmt.Sprintf(`{"handle":{"data":"x","ksn":%q,"masked":%q,"token":"12345678"}}`, forbidden["57"], testMasked), "")
		put(fmt.Sprintf(`{"handle":{"data":%q,"ksn":"FFFF9876543210E00001","masked":%q,"token":%q}}`, testPAN, testMasked, testPAN), "")
		put(fmt.Sprintf(`{"track2":%q}`, testTrack), `,"partial":"`+testPAN+`"`)
		time.Sleep(time.Hour)
		synctest.Wait()
		text, log := journalText(t, l.journal), l.log.String()
		see("the journal", text)
		see("the log", log)
		if !strings.Contains(text, "9F2608A1A2A3A4A5A6A7A8") || !strings.Contains(log, "to host") {
			t.Error("nothing of what is kept is there: the search proves nothing")
		}
	}, func(l *lab) {
		l.host.mishap = func(m *iso8583.Message, n int) mishap {
			return mishap{change: func(a *iso8583.Message) {
				switch n % 4 { // the host sends them back, in every way
				case 0:
					a.Set(55, "8A023030"+all)
				case 1:
					a.Set(55, "8A023030"+tlv("72", all))
				case 2:
					a.Set(55, "8A023030"+tlv("72", tlv("86", testPAN)))
				case 3:
					a.Set(55, "8A023030"+tlv("91", testPAN)+all[:len(all)-2])
				}
			}}
		}
	})
}

// What is sealed of a chip card is what a reversal needs, and none of the
// chip's data.
func TestNoChipDataIsSealed(t *testing.T) {
	bubble(t, func(l *lab) {
		body := l.sale("S1", 100)
		body.Card = client.Card{PAN: testPAN, EntryMode: "051", EMV: chipSent + tlv("57", forbidden["57"]) + tlv("5F20", forbidden["5F20"])}
		l.begin(client.NewUUID(), body, time.Minute)
		for _, plain := range unsealed(t, l.journal) {
			if strings.Contains(plain, "9F26") || strings.Contains(plain, forbidden["5F20"]) || strings.Contains(plain, forbidden["57"]) {
				t.Error("chip data in the sealed part")
			}
			if !strings.Contains(plain, testPAN) {
				t.Error("no card number in the sealed part: the search proves nothing")
			}
		}
	})
}
