package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent"
	"github.com/counterfoil-pos/counterfoil/agent/config"
	"github.com/counterfoil-pos/counterfoil/iso8583/mac"
)

// A dialect with MACs wants the terminal's master key, from a file or a
// credential; no error quotes it.
func TestMasterKey(t *testing.T) {
	const key = "CA5D92598DCA48CE8A4C76361A9269E9"
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write(t, filepath.Join(dir, "tmk"), key+"\n", 0o400)
	write(t, filepath.Join(dir, "open"), key, 0o444)
	write(t, filepath.Join(dir, "short"), key[:30], 0o400)
	write(t, filepath.Join(dir, "aes"), key+key, 0o400)
	for _, c := range []struct{ profile, source, want string }{
		{"unionpay", "master_key_file: " + filepath.Join(dir, "tmk"), ""},
		{"unionpay", "master_key_credential: tmk", ""},
		{"unionpay", "", "want the terminal's master key"},
		{"unionpay", "master_key_file: a, master_key_credential: b", "want one of them"},
		{"unionpay", "master_key_credential: ../b", "want the name of a credential"},
		{"unionpay", "master_key_credential: gone", "did not give it"},
		{"unionpay", "master_key_file: " + filepath.Join(dir, "gone"), "no such file"},
		{"unionpay", "master_key_file: " + filepath.Join(dir, "open"), "chmod 0400"},
		{"unionpay", "master_key_file: " + filepath.Join(dir, "short"), "want 8, 16, 24 or 32 bytes, got 15"},
		{"unionpay", "master_key_file: " + filepath.Join(dir, "aes"), "make no des key"},
		{"iso87-ascii", "master_key_credential: tmk", "of no use"},
	} {
		text := strings.Replace(minimal, "profile: iso87-ascii", "profile: "+c.profile, 1)
		text = strings.Replace(text, "acquirer: one}", "acquirer: one, "+c.source+"}", 1)
		cfg, err := config.Parse([]byte(text))
		var o agent.Options
		if err == nil {
			err = cfg.Fill(&o)
		}
		switch {
		case c.want == "" && (err != nil || o.Terminals[0].Signer == nil || o.Terminals[0].Signer.Warning() != mac.SoftwareWarning):
			t.Errorf("%s: %v", c.source, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.source, err, c.want)
		case err != nil && strings.Contains(err.Error(), key[:8]):
			t.Errorf("%s: the error quotes the key: %v", c.source, err)
		}
	}
}
