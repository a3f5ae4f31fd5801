package crash

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needle is one form in which something secret could lie about.
type needle struct {
	what  string // for messages: never the secret itself
	bytes []byte
}

// needles lists the card data of these tests in every form in which it could
// have been written by mistake.
var needles = func() (out []needle) {
	discretionary := testTrack[strings.IndexByte(testTrack, '=')+1:]
	for what, secret := range map[string]string{
		"card number 1": testPAN, "card number 2": otherPAN, "track data": discretionary, "PIN block": testPIN,
	} {
		out = append(out, dressed(what, secret)...)
	}
	return out
}()

// dressed gives the forms of one secret.
func dressed(what, secret string) []needle {
	out := []needle{
		{what + ", as text", []byte(secret)},
		{what + ", as text in lower case", []byte(strings.ToLower(secret))},
		{what + ", as hexadecimal text", []byte(hex.EncodeToString([]byte(secret)))},
	}
	for shift := range 2 { // two digits a byte, from the first or from the second on
		if packed, err := hex.DecodeString(secret[shift : shift+(len(secret)-shift)/2*2]); err == nil {
			out = append(out, needle{what + ", packed", packed})
		}
	}
	for shift := range 3 { // where base64 is not aligned with it, the middle is the same
		padded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("0", shift) + secret))
		out = append(out, needle{what + ", in base64", []byte(padded[4 : len(padded)-4])})
	}
	return out
}

// search lists what of the secrets is in data.
func search(data []byte) (found []string) {
	for _, n := range needles {
		if at := bytes.Index(data, n.bytes); at >= 0 {
			found = append(found, fmt.Sprintf("%s at byte %d", n.what, at))
		}
	}
	for at := 0; at < len(data); at++ {
		end := at
		for end < len(data) && '0' <= data[end] && data[end] <= '9' {
			end++
		}
		if cardIn(data[at:end]) {
			found = append(found, fmt.Sprintf("a card number in the digits at byte %d", at))
		}
		at = end
	}
	return found
}

// cardIn says whether a run of digits holds one that is of card length, has a
// valid check digit, and begins and ends like a card of these tests. Times and
// amounts are of that length too, and one in ten has the check digit.
func cardIn(run []byte) bool {
	for n := 13; n <= 19; n++ {
		for at := 0; at+n <= len(run); at++ {
			w := string(run[at : at+n])
			if luhn(w) && slices.ContainsFunc([]string{testPAN, otherPAN}, func(pan string) bool {
				return w[:6] == pan[:6] && w[n-4:] == pan[len(pan)-4:]
			}) {
				return true
			}
		}
	}
	return false
}

func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

var searched bool // by TestSecretsNowhere, at the end

// searchRoom searches everything that the tests of this package have written,
// unless TestSecretsNowhere has.
func searchRoom() (all []string) {
	if searched {
		return nil
	}
	files, err := written()
	if err != nil {
		return []string{"could not be looked for: " + err.Error()}
	}
	for path, data := range files {
		for _, found := range search(data) {
			all = append(all, path+": "+found)
		}
	}
	return append(all, searchKeys(files)...)
}

// written reads every file under the room but the binaries.
func written() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "bin":
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, room)] = data
		return err
	})
	return files, err
}

// TestSecretsNowhere searches everything that the processes of the kill test
// have written: journals, ledgers, logs, standard output and error, dumps.
func TestSecretsNowhere(t *testing.T) {
	if dirs, _ := filepath.Glob(filepath.Join(room, "kill-*")); len(dirs) == 0 {
		runCampaigns(t, "kill", rand.Uint64(), 12) // run alone: without the kill test's harvest
	}
	dump(t)
	files, err := written()
	if err != nil {
		t.Fatal(err)
	}
	searched = true
	total, masked := 0, map[string]bool{}
	for path, data := range files {
		total += len(data)
		for _, found := range search(data) {
			t.Errorf("%s: %s", path, found)
		}
		if bytes.Contains(data, []byte("411111******1111")) {
			masked[filepath.Base(path)] = true
			if filepath.Ext(path) == ".seg" {
				masked["journal"] = true
			}
		}
	}
	for _, found := range searchKeys(files) {
		t.Error(found)
	}
	t.Logf("%d files, %d bytes", len(files), total)
	for _, name := range []string{"journal", "log", "ledger.jsonl", "replay.json", "dump.json"} {
		if !masked[name] {
			t.Errorf("no %s holds the masked card number: searching it proves nothing", name)
		}
	}
}

// dump writes what "journal dump" prints beside each journal.
func dump(t *testing.T) {
	t.Helper()
	copies, err := filepath.Glob(filepath.Join(room, "kill-*", "copy"))
	if err != nil || len(copies) == 0 {
		t.Fatalf("no journal was copied: %v", err)
	}
	for _, path := range copies {
		out, stderr, err := command(binary(t, "counterfoil"), "journal", "dump", path, "--json")
		if err != nil {
			t.Fatalf("journal dump: %v: %s", err, stderr)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "dump.json"), out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The search finds each form wherever it is planted, and nothing in what is
// like it but harmless.
func TestSearchFindsWhatIsPlanted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	ground := make([]byte, 4096)
	for i := range ground {
		ground[i] = byte(rng.Uint32())
	}
	for _, n := range needles {
		for _, at := range []int{0, 1, 2047, len(ground) - len(n.bytes)} {
			data := bytes.Clone(ground)
			copy(data[at:], n.bytes)
			if found := search(data); len(found) == 0 {
				t.Errorf("%s, planted at byte %d: not found", n.what, at)
			}
		}
	}
	for _, hidden := range []string{"00" + testPAN + "123", `{"at":1763780000000,"pan":"` + otherPAN + `"}`} {
		if len(search([]byte(hidden))) == 0 {
			t.Error("a card number among other digits was not found")
		}
	}
	passed := 0
	for middle := range 100 { // one in ten has the check digit
		number := fmt.Sprintf("4111110000%02d1111", middle)
		switch found := cardIn([]byte("7" + number + "00")); {
		case luhn(number) && !found:
			t.Errorf("a card number with %02d in the middle was not found", middle)
		case !found:
			passed++
		}
	}
	if passed == 0 {
		t.Error("whatever its check digit, every number counts as a card's")
	}
	key := strings.Repeat("k", 31) + "!"
	for _, n := range dressed("key", key) {
		if len(searchKeys(map[string][]byte{"a/key": []byte(key), "a/log": n.bytes})) == 0 {
			t.Errorf("%s in a log was not found", n.what)
		}
	}
	for _, harmless := range []string{"411111******1111", "1763780000000", "000000001000", "2026-11-22T03:14:15.000Z"} {
		if found := search([]byte(harmless)); len(found) > 0 {
			t.Errorf("%q: %v", harmless, found)
		}
	}
}
