package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
	"github.com/counterfoil-pos/counterfoil/iso8583/profile"
)

func profileCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile", Short: "Write and try out an acquirer's dialect", Args: cobra.NoArgs,
		Long: `A profile is an acquirer's dialect and rules as a JSON file: see docs/profiles.md.
PROFILE is the name of an embedded one (` + strings.Join(profile.Names(), ", ") + `) or a file:
what has a slash or ends in .json.

None of these commands needs a daemon, a key or a network, and none prints a
card number, a track, a PIN block or a key.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(lintCommand(a), describeCommand(a), encodeCommand(a), decodeCommand(a))
	return cmd
}

// Bounds of what is read.
const (
	maxProfile = 1 << 20
	maxMessage = 64 << 10
	maxKeyFile = 256
)

// readProfile loads an embedded profile or reads a file.
func readProfile(name string) (*profile.Profile, error) {
	if !strings.ContainsRune(name, '/') && !strings.HasSuffix(name, ".json") {
		p, err := profile.Load(name)
		if err != nil {
			return nil, fmt.Errorf("%w; a file has a slash in its name or ends in .json", err)
		}
		return p, nil
	}
	data, err := readBounded(name, maxProfile)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return profile.Parse(name, data)
}

// readBounded reads a file and refuses a longer one.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return data, nil
}

func lintCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "lint PROFILE", Short: "Is the profile whole and without contradictions?", Args: cobra.ExactArgs(1),
		Long: `lint reads a profile as the daemon does and names the first thing that is wrong
by its key. What is valid and deserves a second look is listed as a warning; the
exit code is 0 then.`,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return fmt.Errorf("%w\nevery key is explained in docs/profiles.md", err)
			}
			warnings := p.Warnings()
			if a.json {
				return a.printJSON(struct {
					Profile  string   `json:"profile"`
					Hash     string   `json:"rules_hash"`
					Warnings []string `json:"warnings"`
				}{p.Name, p.Rules.Hash(), append([]string{}, warnings...)})
			}
			a.printf("profile %s is whole; rules %s\n", p.Name, p.Rules.Hash())
			for _, w := range warnings {
				a.printf("look at %s\n", w)
			}
			return nil
		},
	}
}

// testMACKey signs where no key is given: the MAC key of the sign-on vector
// that everybody can read in terminal-rules.md.
const testMACKey = "5BB5C72CD00B7338"

// codec joins a profile to a signer whose MAC key is in a file, or is the test
// key; nil and false where the dialect has no MAC.
func codec(p *profile.Profile, keyFile string) (*profile.Codec, error) {
	method, ok := p.MAC()
	if !ok {
		if keyFile != "" {
			return nil, usage("--mac-key: profile %s has no MAC", p.Name)
		}
		return p.With(nil), nil
	}
	text := testKey(method.Algorithm)
	if keyFile != "" {
		data, err := readBounded(keyFile, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("--mac-key: %w", err)
		}
		text = strings.TrimSpace(string(data))
	}
	key, err := mac.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("--mac-key: %w; want the plain working key in hexadecimal", err)
	}
	s, err := signerOf(method, key)
	if err != nil {
		return nil, fmt.Errorf("--mac-key: %w", err)
	}
	return p.With(s), nil
}

// testKey is the test key at the length that the algorithm takes.
func testKey(a mac.Algorithm) string {
	for _, n := range []int{8, 16} {
		text := strings.Repeat(testMACKey, n/8)
		key, err := mac.ParseKey(text)
		if err != nil {
			continue
		}
		if _, err := (mac.Method{Algorithm: a}).Sum(key, nil); err == nil {
			return text
		}
	}
	return testMACKey
}

// signerOf makes a signer for one plain key: wrapped under a master key that
// is good for nothing else.
func signerOf(method mac.Method, key mac.Key) (mac.Signer, error) {
	master, err := mac.NewKey([]byte("not a secret key"))
	if err != nil {
		return nil, err
	}
	slot, err := mac.Wrap(method.Algorithm.Cipher(), master, key, key.Len())
	if err != nil {
		return nil, err
	}
	// A tool at a desk: its keys are in a file anyway, and the manual says so.
	s, err := mac.NewSoftware(method, master, func(string) {})
	if err != nil {
		return nil, err
	}
	return s, s.Load(mac.Wrapped{MAC: slot})
}

// hexOrRaw reads hexadecimal with any white space, or the bytes as they are.
func hexOrRaw(data []byte) []byte {
	text := strings.Join(strings.Fields(string(data)), "")
	if b, err := hex.DecodeString(text); err == nil {
		return b
	}
	return data
}
