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
	return readCredential(c.KeyCred)
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

// readCredential reads a key that the service manager hands over. The directory
// is the service's own and in memory; an access list may show as a right of the
// group, so only others' rights are looked at.
func readCredential(name string) ([]byte, error) {
	dir := os.Getenv(credentials)
	if dir == "" {
		return nil, fmt.Errorf("key_credential %s: the service manager gave none ($%s is not set): use LoadCredential=%s:FILE or LoadCredentialEncrypted= in the unit, or key_file", name, credentials, name)
	}
	key, err := readKey(filepath.Join(dir, name), 0o007)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key_credential %s: the service manager did not give it: LoadCredential=%s:FILE in the unit", name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("key_credential: %w", err)
	}
	return key, nil
}

// ReadKey reads the journal's key: 32 bytes or 64 hexadecimal digits, in a
// file that only its owner may read. The key is never part of an error.
func ReadKey(path string) ([]byte, error) {
	key, err := readKey(path, 0o077)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key_file %s does not exist: make one with 'head -c 32 /dev/urandom > FILE; chmod 0400 FILE', and keep a copy: without it no owed reversal can be built", path)
	}
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	return key, nil
}

// readKey refuses a file on which anybody has one of the rights.
func readKey(path string, rights fs.FileMode) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&rights != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyMode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) == keyLen {
		return b, nil
	}
	if key, err := hex.DecodeString(strings.TrimSpace(string(b))); err == nil && len(key) == keyLen {
		return key, nil
	}
	return nil, fmt.Errorf("%s: want %d bytes or %d hexadecimal digits", path, keyLen, 2*keyLen)
}
