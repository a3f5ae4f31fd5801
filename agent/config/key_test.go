package config_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil-pos/counterfoil/agent/config"
)

// The key comes from a credential of the service manager.
func TestKeyFromACredential(t *testing.T) {
	c, err := config.Parse([]byte(strings.Replace(minimal, "key_file: k", "key_credential: journal-key", 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := c.Key(); err == nil || !strings.Contains(err.Error(), "LoadCredential=journal-key:FILE") {
		t.Errorf("outside of a unit: %v", err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, err := c.Key(); err == nil || !strings.Contains(err.Error(), "did not give it") {
		t.Errorf("without it: %v", err)
	}
	key, path := bytes.Repeat([]byte{0xab}, 32), filepath.Join(dir, "journal-key")
	write(t, path, string(key), 0o440) // an access list shows as a right of the group
	if got, err := c.Key(); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%v", err)
	}
	write(t, path, string(key), 0o444)
	if _, err := c.Key(); !errors.Is(err, config.ErrKeyMode) {
		t.Errorf("others may read it: %v", err)
	}
	if got := c.KeySource(); got != "credential journal-key" {
		t.Error(got)
	}
}
