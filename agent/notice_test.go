package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/hostsim"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// completionNotice is the profile unionpay with what docs/profiles.md says of the
// completion notice.
func completionNotice(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "iso8583", "profile", "profiles", "unionpay.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := string(data)
	at := strings.Index(s, `      "completion": {`)
	end := at + strings.Index(s[at:], "}")
	s = s[:at] + `      "completion": {
        "mti": "0220", "repeat_mti": "0221", "network": "000",
        "fields": [2, 3, 4, 11, 22, 25, 41, 42, 49, 60, 61, 64],
        "optional": [14, 23, 38]
      ` + s[end:]
	for old, replacement := range map[string]string{
		`"completion": "20"`: `"completion": "24"`,
		`"types": ["sale", "void", "preauth", "preauth_void", "completion"]`: `"types": ["sale", "void", "preauth", "preauth_void"]`,
		`    "chip": {"reversal_tags"`: `    "advice": {
      "types": ["completion"], "schedule": ["10ms", "1s"], "answer_timeout": "300ms", "escalate_after": 6,
      "done": ["00"], "duplicate": ["94"], "retry": ["91", "96", "98"], "limit": 50
    },
    "chip": {"reversal_tags"`,
	} {
		if strings.Count(s, old) != 1 {
			t.Fatalf("the profile has changed: %s", old)
		}
		s = strings.Replace(s, old, replacement, 1)
	}
	return s
}

// B1, "completion notice 0220/24": told and not asked, signed, again as 0221 where
// it may have left, done at 00 and 94; and it can be voided once the host has it.
func TestB1CompletionNotice(t *testing.T) {
	b := newBed(t, hostsim.Config{Profile: "unionpay", Tombstones: true}, unionpay, func(b *bed) { b.edited = completionNotice(t) })
	b.signedOn()
	hold := b.paid(iso8583.PreAuth, "a", 900)
	b.fault(hostsim.Fault{Action: hostsim.Silent, Count: 1, Match: hostsim.Match{Kind: iso8583.Completion.Kind()}})
	id := client.NewUUID()
	b.begin(id, b.follow(iso8583.Completion, hold, 800))
	if tx := b.untilState(id, "confirmed"); tx.AdviceSends != 2 || len(tx.Items) != 0 {
		t.Fatalf("%+v", tx)
	}
	var told []string
	for _, m := range b.host.Messages() {
		if m.Direction == "in" && strings.HasPrefix(string(m.MTI), "022") {
			told = append(told, string(m.MTI)+" "+m.Fields[60][:2]+" "+m.Fields[3]+" "+m.Fields[25])
			if m.Fields[64] == "" || m.Fields[61] == "" || m.Fields[35] != "" {
				t.Errorf("%v", m.Fields)
			}
		}
	}
	if strings.Join(told, ", ") != "0220 24 000000 06, 0221 24 000000 06" || b.net() != 800 {
		t.Errorf("%v, net %d", told, b.net())
	}
	if tx := b.begin(client.NewUUID(), b.follow(iso8583.Void, id, 0)); tx.State != "confirmed" || b.net() != 0 {
		t.Errorf("%+v, net %d", tx, b.net())
	}
}
