package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyLen is the journal key's length in bytes.
const keyLen = 32

// ErrKeyMode says that others may read the key.
var ErrKeyMode = errors.New("others may read it: chmod 0400")

// Key reads the journal's key from where the file says.
func (c *Config) Key() ([]byte, error) {
	if c.KeyCred == "" {
		return ReadKey(c.KeyFile)
	}
	b, err := readCredential("key_credential", c.KeyCred)
	if err != nil {
		return nil, err
	}
	key, err := parseKey("credential "+c.KeyCred, b)
	if err != nil {
		return nil, fmt.Errorf("key_credential: %w", err)
	}
	return key, nil
}

// KeySource names it.
func (c *Config) KeySource() string {
	if c.KeyCred == "" {
		return c.KeyFile
	}
	return "credential " + c.KeyCred
}

// credentials is the variable in which the service manager names the directory
// with this service's credentials.
const credentials = "CREDENTIALS_DIRECTORY"

// validCredential refuses what is no name of a credential.
func validCredential(key, name string) error {
	if strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
		return fmt.Errorf("%s: want the name of a credential, got %.40q", key, name)
	}
	return nil
}

// readCredential reads what the service manager hands over. The directory is the
// service's own and in memory; an access list may show as a right of the group,
// so only others' rights are looked at. key is the configuration's, for errors.
func readCredential(key, name string) ([]byte, error) {
	dir := os.Getenv(credentials)
	if dir == "" {
		return nil, fmt.Errorf("%s %s: the service manager gave none ($%s is not set): use LoadCredential=%s:FILE or LoadCredentialEncrypted= in the unit, or a file", key, name, credentials, name)
	}
	b, err := readSecret(filepath.Join(dir, name), 0o007)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %s: the service manager did not give it: LoadCredential=%s:FILE in the unit", key, name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return b, nil
}

// ReadKey reads the journal's key: 32 bytes or 64 hexadecimal digits, in a
// file that only its owner may read. The key is never part of an error.
func ReadKey(path string) ([]byte, error) {
	b, err := readSecret(path, 0o077)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key_file %s does not exist: make one with 'head -c 32 /dev/urandom > FILE; chmod 0400 FILE', and keep a copy: without it no owed reversal can be built", path)
	}
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	key, err := parseKey(path, b)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	return key, nil
}

// readSecret refuses a file on which anybody has one of the rights.
func readSecret(path string, rights fs.FileMode) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&rights != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyMode)
	}
	return os.ReadFile(path)
}

// parseKey reads the journal's key; where names its source.
func parseKey(where string, b []byte) ([]byte, error) {
	if len(b) == keyLen {
		return b, nil
	}
	if key, err := hex.DecodeString(strings.TrimSpace(string(b))); err == nil && len(key) == keyLen {
		return key, nil
	}
	return nil, fmt.Errorf("%s: want %d bytes or %d hexadecimal digits", where, keyLen, 2*keyLen)
}
