package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/iso8583"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

const profileDir = "../../iso8583/profile/profiles"

// profileFile copies an embedded profile under a new name, with replacements.
func profileFile(t *testing.T, name string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(profileDir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(append(replace, `"name": "`+name+`"`, `"name": "mine"`)...).Replace(string(data))
	path := filepath.Join(t.TempDir(), "mine.json")
	write(t, path, text)
	return path
}

func TestProfileLint(t *testing.T) {
	golden(t, "profile-lint", hashes16(command(t, "profile", "lint", "unionpay").String()))
	golden(t, "profile-lint-warnings", hashes16(command(t, "profile", "lint", profileFile(t, "iso87-ascii",
		`"tombstones": false`, `"tombstones": true`, `"types": ["sale", `, `"types": [`, `"response_timeout": "40s"`, `"response_timeout": "12s"`,
		`"unknown_after_done": false`, `"unknown_after_done": true`)).String()))
	for name, tc := range map[string]struct {
		args []string
		want string
		code int
	}{
		"misspelt":      {[]string{profileFile(t, "unionpay", `"capability"`, `"capabilty"`)}, "wire.capabilty: unknown key", exitFailed},
		"contradictory": {[]string{profileFile(t, "unionpay", `"mac": "A0"`, `"mac": ""`)}, "rules.reversal.reasons.mac: wanted", exitFailed},
		"no such name":  {[]string{"unionpya"}, "there is none of that name", exitFailed},
		"no such file":  {[]string{"./no.json"}, "no such file", exitFailed},
		"no argument":   {nil, "accepts 1 arg", exitUsage},
	} {
		r := command(t, append([]string{"profile", "lint"}, tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.errOut, tc.want) || r.out != "" {
			t.Errorf("%s: %s", name, r)
		}
	}
	var got struct {
		Profile, RulesHash string
		Warnings           []string
	}
	r := command(t, "profile", "lint", "iso87-ascii", "--json")
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Profile != "iso87-ascii" || len(got.Warnings) != 1 {
		t.Errorf("%v: %s", err, r)
	}
}

// hashes16 masks the hash of the rules, which changes with them.
func hashes16(s string) string {
	for _, word := range strings.Fields(s) {
		if b, err := hex.DecodeString(word); err == nil && len(b) == 8 && strings.ContainsAny(word, "abcdef") {
			s = strings.ReplaceAll(s, word, "0123456789abcdef")
		}
	}
	return s
}

func TestProfileDescribe(t *testing.T) {
	for _, name := range profile.Names() {
		golden(t, "profile-describe-"+name, hashes16(command(t, "profile", "describe", name).String()))
		var d profile.Description
		r := command(t, "profile", "describe", name, "--json")
		if err := json.Unmarshal([]byte(r.out), &d); err != nil || d.Name != name || len(d.Messages) < 10 || d.Rules.Profile != name {
			t.Errorf("%s: %v: %s", name, err, r.errOut)
		}
	}
}

// TestProfileEncode writes every message of every dialect, reads it back with
// decode, and finds no card data in anything that was printed.
func TestProfileEncode(t *testing.T) {
	dir := t.TempDir()
	for _, name := range profile.Names() {
		p, err := profile.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Describe().Messages {
			file := filepath.Join(dir, name+string(m.Kind))
			args := []string{"profile", "encode", name, string(m.Kind), "--track", "--pin", "--chip", "--out", file}
			said := command(t, args...)
			read := command(t, "profile", "decode", name, file, "--json")
			raw, err := os.ReadFile(file)
			if err != nil || said.code != exitOK || read.code != exitOK {
				t.Fatalf("%v\n%s\n%s", err, said, read)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, mode %s", file, err, info.Mode())
			}
			var v messageView
			if err := json.Unmarshal([]byte(read.out), &v); err != nil || v.MTI != string(m.MTI) || v.Error != "" || v.Bytes != len(raw) {
				t.Errorf("%s %s: %v: %s", name, m.Kind, err, read)
			}
			nothingSecret(t, said.String()+read.String())
			if again := command(t, args...); again.code != exitFailed || !strings.Contains(again.errOut, "exists") {
				t.Errorf("an existing file: %s", again)
			}
		}
	}
	golden(t, "profile-encode", command(t, "profile", "encode", "unionpay", "sale", "--track", "--pin").String())
	golden(t, "profile-encode-upload", command(t, "profile", "encode", "unionpay", "upload").String())
	golden(t, "profile-encode-set", command(t, "profile", "encode", "iso87-ascii", "reversal", "--of", "preauth", "--set", "4=000000009900", "--set", "18=5411").String())
}

// nothingSecret looks for the test card, its track and the PIN block, as text,
// in packed decimal, and as text in hexadecimal.
func nothingSecret(t *testing.T, s string) {
	t.Helper()
	s = strings.ToUpper(strings.NewReplacer(" ", "", "\n", "").Replace(s))
	pan := testCards[0].pan
	for _, secret := range []string{pan[:10], pan[8:], hex.EncodeToString([]byte(pan[:10])), "0123456789ABCDEF", hex.EncodeToString([]byte("0123456789ABCDEF")), testMACKey} {
		if strings.Contains(s, strings.ToUpper(secret)) {
			t.Errorf("%s… is in %s", secret[:4], s)
		}
	}
}

func TestProfileEncodeRefuses(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, "0123456789ABCDEF01")
	for name, tc := range map[string]struct {
		args []string
		want string
		code int
	}{
		"no such message": {[]string{"unionpay", "salute"}, `no message "salute"`, exitUsage},
		"repeat of none":  {[]string{"unionpay", "reversal", "--of", "salute"}, "--of", exitUsage},
		"a card number":   {[]string{"unionpay", "sale", "--set", "2=4111111111111111"}, "never taken from a command line", exitUsage},
		"no element":      {[]string{"unionpay", "sale", "--set", "x=1"}, "--set: want DE=VALUE", exitUsage},
		"bad value":       {[]string{"unionpay", "sale", "--set", "4=12"}, "data element 4: want 12 characters", exitFailed},
		"not there":       {[]string{"unionpay", "sale", "--set", "99=12"}, "no data element 99", exitFailed},
		"bad key":         {[]string{"unionpay", "sale", "--mac-key", key}, "--mac-key: key: want 8, 16, 24 or 32 bytes", exitFailed},
		"key for nothing": {[]string{"iso87-ascii", "sale", "--mac-key", key}, "has no MAC", exitUsage},
		"no such card":    {[]string{"unionpay", "sale", "--test-card", "99"}, "--test-card: want 1 to", exitUsage},
	} {
		r := command(t, append([]string{"profile", "encode"}, tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.errOut, tc.want) {
			t.Errorf("%s: %s", name, r)
		}
		if strings.Contains(r.errOut, "4111111") || strings.Contains(r.errOut, "0123456789ABCDEF") {
			t.Errorf("%s: the error quotes what must not be shown", name)
		}
	}
}

func TestProfileDecode(t *testing.T) {
	dir := t.TempDir()
	file, key, other := filepath.Join(dir, "m"), filepath.Join(dir, "key"), filepath.Join(dir, "other")
	write(t, key, testMACKey+"\n")
	write(t, other, "0123456789ABCDEF\n")
	if r := command(t, "profile", "encode", "unionpay", "sale", "--out", file); r.code != exitOK {
		t.Fatal(r)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spaced := fmt.Sprintf("% x\n", raw)
	mac := func(r result) string { first, _, _ := strings.Cut(r.out, "\n"); return first }
	if got := mac(commandWith(t, spaced, "profile", "decode", "unionpay", "--mac-key", key)); got != "0200 in unionpay, 92 bytes, MAC valid" {
		t.Error(got)
	}
	if got := mac(commandWith(t, spaced, "profile", "decode", "unionpay", "--mac-key", other)); got != "0200 in unionpay, 92 bytes, MAC bad" {
		t.Error(got)
	}
	if got := mac(commandWith(t, fmt.Sprintf("%x", raw[13:]), "profile", "decode", "unionpay", "--bare")); got != "0200 in unionpay, 79 bytes" {
		t.Error(got)
	}
	cut := slices.Clone(raw[:len(raw)-20])
	cut[1] -= 20
	for name, tc := range map[string]struct{ in, want string }{
		"cut":           {fmt.Sprintf("%x", cut), "data element 49"},
		"other dialect": {"003a" + strings.Repeat("30", 58), "the MTI"},
		"short":         {fmt.Sprintf("%x", raw[:50]), "of 90 bytes are there"},
		"two frames":    {fmt.Sprintf("%x%x", raw, raw), "92 bytes after the frame"},
		"empty":         {" \n", "standard input: empty"},
		"no frame":      {"00", "unexpected EOF"},
	} {
		r := commandWith(t, tc.in, "profile", "decode", "unionpay")
		if r.code != exitFailed || name != "other dialect" && !strings.Contains(r.errOut, tc.want) {
			t.Errorf("%s: %s", name, r)
		}
		nothingSecret(t, r.String())
	}
	golden(t, "profile-decode-cut", commandWith(t, fmt.Sprintf("%x", cut), "profile", "decode", "unionpay").String())
}

// TestProfilesDocument runs the commands of docs/profiles.md, and looks for
// every key of the embedded profiles in it.
func TestProfilesDocument(t *testing.T) {
	data, err := os.ReadFile("../../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	mine := profileFile(t, "unionpay")
	dir := filepath.Dir(mine)
	if r := command(t, "profile", "encode", "unionpay", "sale", "--out", filepath.Join(dir, "trace.hex")); r.code != exitOK {
		t.Fatal(r)
	}
	t.Chdir(dir)
	ran := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if args, ok := strings.CutPrefix(line, "counterfoil profile "); ok {
			if r := command(t, append([]string{"profile"}, strings.Fields(args)...)...); r.code != exitOK {
				t.Errorf("%s\n%s", line, r)
			}
			ran++
		}
	}
	if ran < 6 {
		t.Errorf("%d commands were run: the test does not see them", ran)
	}
	for _, name := range profile.Names() {
		p, err := profile.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal([]byte(p.Rules.JSON()), &tree); err != nil {
			t.Fatal(err)
		}
		delete(tree, "mti")
		delete(tree, "profile")
		for _, key := range leaves("rules", tree) {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("docs/profiles.md does not explain %s: key, default, source row", key)
			}
		}
	}
}

func leaves(key string, v any) []string {
	tree, ok := v.(map[string]any)
	if !ok {
		return []string{key}
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(tree)) {
		out = append(out, leaves(key+"."+k, tree[k])...)
	}
	return out
}

// TestMaskNumbers: a card number is masked wherever it stands, and a number
// that is none is not.
func TestMaskNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"4111111111111111": "[16 digits]", "x=4111111111111111;": "x=[16 digits];", "0004111111111111111": "[19 digits]",
		"000000001234": "000000001234", "34313131313131313131313131313131": "[32 characters]", "2200000100050": "2200000100050",
	} {
		if got := maskNumbers(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if iso8583.Luhn("4111111111111111") == false {
		t.Error("the test's card is none")
	}
}
